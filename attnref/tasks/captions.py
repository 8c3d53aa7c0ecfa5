"""Captions of pictures that are composed of handwritten digits: which digits, in which order, which above which."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from attnref._checks import check_at_least, check_choice
from attnref.models import doubly_stochastic_loss
from attnref.tasks import _recipe, captions_data
from attnref.tasks._task import Option, Shipped, Task
from attnref.tasks.caption_reader import ATTENTIONS, GATES, Attention, CaptionReader, Gate
from attnref.tasks.captions_data import PADDING, Picture

PRETRAINING, STEPS, BATCH, RATE = 120, 200, 64, 4e-3
SCALE = 8.0  # what the first weights of the score are multiplied with, so that the softmax has something to choose from


@_recipe.one_thread()
def train(
    seed: int = 0,
    *,
    attention: Attention = "soft",
    gate: Gate = "scalar",
    doubly_stochastic: float = 0.0,
    steps: int = STEPS,
    device: torch.device | str | None = None,
    progress: bool = True,
    watch: Callable[[int, CaptionReader], None] | None = None,
) -> tuple[CaptionReader, list[float]]:
    r"""Train a reader from scratch: AdamW, one cycle of the learning rate, gradients clipped to norm 1.

    First the encoder alone is trained for 120 batches to name the digit of pictures that show one, as the paper's is
    trained on ImageNet. Then everything is trained on captions. Nothing tells the reader where a digit is.

    The same seed on the same machine gives the same weights. Readers of one seed see the same pictures.

    Args:
        seed: Draws the first weights and the pictures.
        attention: "soft", or "none": then every word is given the mean of the whole grid.
        gate: Of the context: "scalar", "vector" or "none".
        doubly_stochastic: The paper's $\lambda$, the weight of
            [doubly_stochastic_loss][attnref.models.doubly_stochastic_loss] beside the surprise at a whole caption.
        steps: How many batches of 64 captions are learned from.
        device: Where to train; the CPU if omitted.
        progress: Whether to show a progress bar.
        watch: Called after each step with the number of steps done and the reader so far.

    Returns:
        reader: The trained reader, in evaluation mode.
        losses: The loss of each step, in nats per word.

    Raises:
        ValueError: There is no such attention or gate, no step to train for, or the seed is not one of torch's.
    """
    check_choice("captions.train", "attention", attention, ATTENTIONS)
    check_choice("captions.train", "gate", gate, GATES)
    _recipe.check_training("captions.train", seed, steps, device)
    with _recipe.drawn_from(seed):
        reader = CaptionReader(attention, gate)
        classifier = Classifier(reader.model.encoder, reader.recipe["channels"]).to(device)
    reader.to(device)
    pretrain(classifier, seed, steps=PRETRAINING, progress=progress)
    if attention == "soft":
        with torch.no_grad():
            reader.model.decoder.get_parameter("attend.score_proj.weight").mul_(SCALE)

    def loss_of(pictures: list[Picture]) -> Tensor:
        images = reader.encode([picture.image for picture in pictures])
        captions = captions_data.encode([picture.caption for picture in pictures]).to(images.device)
        logits, weights = reader.model(images, captions[:, :-1], return_weights=True)
        target = captions[:, 1:]
        words = target != PADDING
        surprise = nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=PADDING)
        if not doubly_stochastic:
            return surprise
        return surprise + doubly_stochastic * doubly_stochastic_loss(weights, words) * len(words) / words.sum()

    batches = captions_data.training_batches(steps, BATCH, seed)
    losses = _recipe.fit(reader, batches, loss_of, steps=steps, rate=RATE, progress=progress, watch=watch)
    return reader.eval(), losses


class Classifier(nn.Module):
    """Name the one digit of a picture, from the maximum of each channel over the encoder's grid."""

    def __init__(self, encoder: nn.Module, channels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.output_proj = nn.Linear(channels, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Score the ten digits."""
        return self.output_proj(self.encoder(images).amax((2, 3)))


def pretrain(classifier: Classifier, seed: int, *, steps: int, progress: bool = True) -> list[float]:
    """Train the encoder to name the digit of pictures that show one. Returns the loss of each step."""

    def loss_of(pictures: list[Picture]) -> Tensor:
        device = classifier.output_proj.weight.device
        images = torch.stack([picture.image for picture in pictures]).to(device)
        named = [captions_data.DIGITS.index(picture.caption) for picture in pictures]
        return nn.functional.cross_entropy(classifier(images), torch.tensor(named, device=device))

    batches = captions_data.training_batches(steps, BATCH, seed, layouts=((1,),))
    return _recipe.fit(classifier, batches, loss_of, steps=steps, rate=RATE, progress=progress)


class Score(NamedTuple):
    """How well a reader reads.

    Attributes:
        exact: Share of the pictures whose caption is right, every word of it.
        share: The attention inside the cell of the right digit, mean over all words that name one. A word that was not
            written counts as zero.
        peak: Share of those words whose largest weight is inside that cell.
        chance: What equal weights would give for `share`.
    """

    exact: float
    share: float
    peak: float
    chance: float

    def __str__(self) -> str:
        cell = f"attention inside the digit's cell {self.share:.4f} (equal weights {self.chance:.4f})"
        return f"exact caption {self.exact:.4f}; {cell}, its peak inside {self.peak:.4f}"


def measure(reader: CaptionReader, pictures: Sequence[Picture], *, hard: bool = False, batch: int = 250) -> Score:
    """Measure how many captions are exact, and how much of the attention lies inside the cell of the right digit.

    The reader is fed what it wrote itself, not the right words.

    Args:
        reader: The reader.
        pictures: The pictures, with what is right.
        hard: Whether to look at one position for each word.
        batch: How many pictures are read at once.

    Raises:
        ValueError: There is no picture, or the batch is less than one.
    """
    check_at_least("captions.measure", 1, pictures=len(pictures), batch=batch)
    right, words, sums = 0, 0, torch.zeros(3)
    for start in range(0, len(pictures), batch):
        some = pictures[start : start + batch]
        for picture, reading in zip(some, reader.read([one.image for one in some], hard=hard), strict=True):
            right += reading.caption == picture.caption
            for index, cell in enumerate(picture.cells()):
                if not cell.any():  # of "above"
                    continue
                words += 1
                sums[2] += cell.float().mean()
                if index < len(reading.weights):
                    looked = reading.weights[index].cpu()
                    sums[0] += looked[cell].sum()
                    sums[1] += cell.flatten()[looked.argmax()]
    share, peak, chance = (sums / words).tolist()
    return Score(right / len(pictures), share, peak, chance)


TASK = Task(
    name="captions",
    about="captions of pictures of handwritten digits: seven two above five",
    merit="exact captions",
    steps=STEPS,
    options=(
        Option.of("attention", ATTENTIONS, "soft", "what each word is given of the picture"),
        Option.of("gate", GATES, "scalar", "the gate of the context"),
    ),
    shipped=(Shipped("captions", "soft attention", {"attention": "soft", "gate": "scalar"}),),
    reader=CaptionReader,
    train=train,
    measure=lambda reader, _: measure(reader, captions_data.held_out_pictures()),
    held_out=lambda: f"{len(captions_data.held_out_pictures())} pictures of held-out digits, none of them in training",
    weights=lambda reader: reader.model,
)
