"""A small masked language model: it learns from stories which character was masked, and is measured on others."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from attnref._checks import check_at_least, check_choice
from attnref.models import MaskedTokens, mask_tokens
from attnref.tasks import _recipe, stories_data
from attnref.tasks._task import Option, Shipped, Task
from attnref.tasks.masked_model import ATTENDS, MaskedLanguageModel
from attnref.tasks.masked_questions import batched, blanks, enclose, questions
from attnref.tasks.neighbors import Neighbors
from attnref.tasks.stories_data import Chapter

STEPS, BATCH, RATE = 2400, 32, 6e-3
SHARES = {"mixed": (0.8, 0.1), "masked": (1.0, 0.0)}  # of the chosen tokens: masked, replaced


@_recipe.one_thread()
def train(
    seed: int = 0,
    *,
    sides: str = "both",
    chosen: str = "mixed",
    steps: int = STEPS,
    device: torch.device | str | None = None,
    progress: bool = True,
    watch: Callable[[int, MaskedLanguageModel], None] | None = None,
) -> tuple[MaskedLanguageModel, list[float]]:
    """Train a model from scratch: AdamW, one cycle of the learning rate, gradients clipped to norm 1.

    The same seed on the same machine gives the same weights. Models of one seed start from the same weights and see the
    same pieces of text, masked at the same positions, whatever else is chosen.

    Args:
        seed: Draws the first weights, the pieces of text, and what is masked.
        sides: Which tokens each token attends to, "both" sides or the "left" alone.
        chosen: What becomes of the 15 % of the tokens that are predicted: "mixed", 80 % of them masked, 10 % replaced
            by a random one, 10 % left as they are; or "masked", all of them.
        steps: How many batches of 32 pieces of 32 tokens are learned from.
        device: Where to train; the CPU if omitted.
        progress: Whether to show a progress bar.
        watch: Called after each step with the number of steps done and the model so far.

    Returns:
        model: The trained model, in evaluation mode.
        losses: The loss of each step, in nats per predicted character.

    Raises:
        ValueError: There are no such sides or no such choice, no step to train for, or the seed is not one of torch's.
    """
    check_choice("masked_language_model.train", "sides", sides, tuple(ATTENDS))
    check_choice("masked_language_model.train", "chosen", chosen, tuple(SHARES))
    _recipe.check_training("masked_language_model.train", seed, steps, device)
    with _recipe.drawn_from(seed):
        model = MaskedLanguageModel(characters(), sides).to(device)

    def loss_of(batch: tuple[Tensor, MaskedTokens]) -> Tensor:
        right, (tokens, asked) = batch
        logits = model(tokens.to(device), asked.to(device))
        return nn.functional.cross_entropy(logits, right[asked].to(device))

    batches = training_batches(model, steps, seed, chosen)
    losses = _recipe.fit(model, batches, loss_of, steps=steps, rate=RATE, progress=progress, watch=watch)
    return model.eval(), losses


def characters() -> str:
    """Every character of the training chapters."""
    return "".join(sorted(set().union(*(chapter.text for chapter in stories_data.chapters("training")))))


def training_batches(
    model: MaskedLanguageModel, steps: int, seed: int = 0, chosen: str = "mixed"
) -> Iterator[tuple[Tensor, MaskedTokens]]:
    """Pieces of the training chapters as they are, (batch, context), and the same pieces with tokens masked."""
    texts = [model.encode(chapter.text)[1:-1] for chapter in stories_data.chapters("training")]
    generator = torch.Generator().manual_seed(seed)
    masked, random = SHARES[chosen]
    for piece in stories_data.training_batches(texts, steps, BATCH, model.context - 3, seed):
        tokens = enclose(model, piece)
        yield (
            tokens,
            mask_tokens(
                tokens,
                mask_token=model.mask_token,
                vocab_size=len(model.vocabulary),
                special=(model.class_token, model.separator),
                masked=masked,
                random=random,
                generator=generator,
            ),
        )


class Score(NamedTuple):
    """How well a model predicts what is masked.

    Attributes:
        accuracy: Share of the masked characters that got the highest score.
        loss: The mean loss of the masked characters, in nats.
        characters: How many characters were asked for.
    """

    accuracy: float
    loss: float
    characters: int

    def __str__(self) -> str:
        return f"held-out accuracy {self.accuracy:.4f}, loss {self.loss:.3f} nats per masked character"


@torch.no_grad()
def measure(model: MaskedLanguageModel, chapters: Sequence[Chapter], *, visible: bool = False) -> Score:
    """Measure how well every character of the chapters is predicted, see `questions`.

    Args:
        model: The model.
        chapters: What it is asked about.
        visible: Whether the characters that are asked for are left visible instead of masked.

    Raises:
        ValueError: There are no chapters.
    """
    check_at_least("masked_language_model.measure", 1, chapters=len(chapters))
    device, right, loss, count = model.model.head.bias.device, 0, 0.0, 0
    for tokens, asked in batched(questions(model, chapters)):
        shown = tokens if visible else tokens.masked_fill(asked, model.mask_token)
        given = enclose(model, shown).to(device)
        logits = model(given, nn.functional.pad(asked, (1, 1)).to(device))
        answers = tokens[asked].to(device)
        loss += nn.functional.cross_entropy(logits, answers, reduction="sum").item()
        right += int((logits.argmax(-1) == answers).sum())
        count += len(answers)
    return Score(right / count, loss / count, count)


def measure_counts(counts: Neighbors, model: MaskedLanguageModel, chapters: Iterable[Chapter]) -> Score:
    """Measure counts of neighbors on the questions that the model is measured on."""
    right, loss, count = 0, 0.0, 0
    for tokens, at, answer in blanks(model, chapters):
        chances = counts(tokens, at)
        loss -= chances[answer].log().item()
        right += int(chances.argmax()) == answer
        count += 1
    return Score(right / count, loss / count, count)


@torch.no_grad()
def attended_offsets(model: MaskedLanguageModel, chapters: Iterable[Chapter], most: int) -> Tensor:
    """How far from a masked character its attention goes.

    Returns:
        The mean attention of the masked positions to the one that is `offset` after them, for offsets from -most to
        most, over those that have one, (num_layers, h, 2 most + 1).
    """
    sums = counts = torch.zeros(())
    for tokens, asked in batched(questions(model, chapters)):
        given = enclose(model, tokens.masked_fill(asked, model.mask_token)).to(model.model.head.bias.device)
        _, weights = model.model.bert(given, return_weights=True)
        layers = torch.stack(weights or []).cpu()  # (num_layers, batch, h, n + 2, n + 2)
        stacked = layers[..., 1:-1, 1:-1]  # without [CLS] and [SEP]
        which = asked[:, None]
        share = [
            (stacked.diagonal(offset, -2, -1) * _queries(which, offset)).sum((1, 3))
            for offset in range(-most, most + 1)
        ]
        sums = sums + torch.stack(share, -1)  # (num_layers, h, 2 most + 1)
        counts = counts + torch.stack([_queries(which, offset).sum() for offset in range(-most, most + 1)])
    return sums / counts


def _queries(asked: Tensor, offset: int) -> Tensor:
    """Those of the positions that have another `offset` after them."""
    return asked[..., max(0, -offset) : max(0, asked.shape[-1] - max(0, offset))]


def held_out() -> str:
    """What the shipped weights are measured on, in one line."""
    chapters = stories_data.chapters("held out")
    books = " and ".join(stories_data.SPLITS["held out"])
    return f"{len(chapters)} held-out chapters ({books}), none of them in training"


TASK = Task(
    name="masked_language_model",
    about="stories in plain English with characters masked: which were they",
    merit="held-out accuracy",
    steps=STEPS,
    options=(
        Option.of("sides", ATTENDS, "both", "what a token attends to"),
        Option.of("chosen", SHARES, "mixed", "what becomes of the tokens that are predicted"),
    ),
    shipped=(
        Shipped("masked_language_model", "attention to both sides", {"sides": "both", "chosen": "mixed"}),
        Shipped("masked_language_model-left", "attention to the left", {"sides": "left", "chosen": "mixed"}),
    ),
    reader=MaskedLanguageModel,
    train=train,
    measure=lambda model, _: measure(model, stories_data.chapters("held out")),
    held_out=held_out,
)
