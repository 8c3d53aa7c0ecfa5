"""Handwritten digits read row by row: a recurrent net takes one row of pixels a step, and guesses after each."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnref import GRU, LSTM, RNN
from attnref._checks import check_at_least, check_axes, check_choice, check_floating
from attnref.tasks import _recipe, _weights, digits_data
from attnref.tasks._task import Option, Shipped, Task

STEPS, BATCH, RATE = 2000, 64, 6e-3
MODELS = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


class Reading(NamedTuple):
    """Digits that were read.

    Attributes:
        digits: The answer after the last row, (batch,).
        confidence: The probability of each digit after each row, (batch, n, 10).
    """

    digits: Tensor
    confidence: Tensor


class RowReader(nn.Module):
    """Read images from the top row to the bottom, a row a step; a linear projection of each hidden state is a guess.

    Args:
        model: Which net reads, "rnn", "gru" or "lstm".
        size: Pixels in a row, and rows in an image.
        d_h: Size of the hidden state.
        num_layers: Number of layers of the net.

    Raises:
        ValueError: There is no such net.

    Examples:
        >>> import torch
        >>> from attnref.tasks.digit_rows import RowReader
        >>> reader = RowReader("lstm", size=28)  # not trained yet: what it guesses means nothing
        >>> reader(torch.rand(2, 28, 28)).shape  # ten scores after each of 28 rows
        torch.Size([2, 28, 10])
    """

    def __init__(self, model: str = "lstm", *, size: int = 8, d_h: int = 128, num_layers: int = 1) -> None:
        check_choice("RowReader", "model", model, tuple(MODELS))
        super().__init__()
        self.recipe = {"model": model, "size": size, "d_h": d_h, "num_layers": num_layers}
        self.size = size
        self.net = MODELS[model](size, d_h, num_layers=num_layers)
        self.output_proj = nn.Linear(d_h, 10)

    def forward(self, images: Float[Tensor, "batch n d_x"]) -> Float[Tensor, "batch n 10"]:
        """Score the ten digits after every row.

        Args:
            images: From 0 for paper to 1 for ink, rows from the top. Fewer rows than `size` are the top of an image.

        Raises:
            TypeError: The images are not of the dtype of the weights.
            ValueError: The images have no batch axis, no rows, or rows of a different size.
        """
        check_axes("RowReader", "images", images, "(batch, n, size)", exactly=3)
        if images.shape[-1] != self.size:
            raise ValueError(
                f"RowReader: images must have rows of size={self.size} pixels, got shape {tuple(images.shape)}."
            )
        check_floating("RowReader", images=images, weights=self.output_proj.weight)
        check_at_least("RowReader", 1, rows=images.shape[1])
        hidden, _ = self.net(images)
        return self.output_proj(hidden)

    @torch.no_grad()
    def read(self, images: Float[Tensor, "batch n d_x"]) -> Reading:
        """Read images, see `forward`, and say how sure the reader is after each row. No gradient is kept."""
        confidence = self(images).softmax(-1)
        return Reading(confidence[:, -1].argmax(-1), confidence)

    def save(self, path: str | Path) -> None:
        """Write the weights, in half precision, to a safetensors file that `attnref.tasks.load` reads."""
        _weights.save(self, path, self.recipe)


@_recipe.one_thread()
def train(
    seed: int = 0,
    *,
    model: str = "lstm",
    size: int = 8,
    split: str = "images",
    steps: int = STEPS,
    device: torch.device | str | None = None,
    progress: bool = True,
    watch: Callable[[int, RowReader], None] | None = None,
) -> tuple[RowReader, list[float]]:
    """Train a reader from scratch: AdamW, one cycle of the learning rate, gradients clipped to norm 1.

    Half of the loss is that of the last row, half is the mean over all rows, so that the guesses after the other rows
    are trained too. The same seed on the same machine gives the same weights; all models see the same images in the
    same order.

    Args:
        seed: Draws the first weights and the order of the images.
        model: Which net reads, "rnn", "gru" or "lstm".
        size: 8 for the images as they are, 28 for enlarged ones.
        split: Which images are held out, see `digits_data`: "images" or "forms".
        steps: How many batches of 64 images are learned from.
        device: Where to train; the CPU if omitted.
        progress: Whether to show a progress bar.
        watch: Called after each step with the number of steps done and the reader so far.

    Returns:
        reader: The trained reader, in evaluation mode.
        losses: The loss of each step, in nats.

    Raises:
        ValueError: There is no such model, size or split, no step to train for, or the seed is not one of torch's.
    """
    check_choice("digit_rows.train", "model", model, tuple(MODELS))
    digits_data.check_images("digit_rows.train", size, split)
    _recipe.check_training("digit_rows.train", seed, steps, device)
    with _recipe.drawn_from(seed):
        reader = RowReader(model, size=size).to(device)

    def loss_of(batch: tuple[Tensor, Tensor]) -> Tensor:
        images, digits = (part.to(device) for part in batch)
        logits = reader(digits_data.enlarge(images, size))
        each_row = digits[:, None].expand(logits.shape[:2])
        losses_of_rows = nn.functional.cross_entropy(logits.mT, each_row, reduction="none")
        return (losses_of_rows.mean() + losses_of_rows[:, -1].mean()) / 2

    batches = digits_data.training_batches(steps, BATCH, seed, split)
    losses = _recipe.fit(reader, batches, loss_of, steps=steps, rate=RATE, progress=progress, watch=watch)
    return reader.eval(), losses


class Score(NamedTuple):
    """How well a reader reads.

    Attributes:
        accuracy: Share of the images whose digit is right after the last row.
        rows: The same share after each row.
    """

    accuracy: float
    rows: list[float]

    def __str__(self) -> str:
        quarter = len(self.rows) // 4
        shares = ", ".join(f"{share:.3f}" for share in self.rows[quarter - 1 :: quarter])
        return f"held-out accuracy {self.accuracy:.4f}; after each quarter of the rows: {shares}"


def measure(reader: RowReader, images: Tensor, digits: Tensor) -> Score:
    """Measure how many images are read right, after each row."""
    digits_data.check_digits("digit_rows.measure", images, digits)
    guesses = reader.read(images.to(reader.output_proj.weight.device)).confidence.argmax(-1).cpu()
    rows = (guesses == digits[:, None]).double().mean(0).tolist()
    return Score(rows[-1], rows)


TASK = Task(
    name="digit_rows",
    about="handwritten digits read row by row, with a guess after every row",
    merit="held-out accuracy",
    steps=STEPS,
    options=(
        Option.of("model", MODELS, "lstm", "the net that reads"),
        Option.of("size", digits_data.SIZES, 8, "rows and columns of an image"),
        Option.of("split", digits_data.SPLITS, "images", "what is held out"),
    ),
    shipped=(Shipped("digit_rows", "LSTM, 8 x 8", {"model": "lstm", "size": "8", "split": "images"}),),
    reader=RowReader,
    train=train,
    measure=lambda reader, given: measure(reader, *digits_data.held_out_digits(given["size"], given["split"])),
    held_out=lambda: f"{len(digits_data.held_out_digits()[0])} held-out digits, none of them in training",
)
