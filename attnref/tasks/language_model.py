"""A small language model: it learns from stories which subword comes next, and is measured on stories held out."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from attnref._checks import check_at_least
from attnref.tasks import _recipe, stories_data
from attnref.tasks._task import Shipped, Task
from attnref.tasks.stories_data import Chapter
from attnref.tasks.story_model import LanguageModel

STEPS, BATCH, RATE = 3200, 16, 6e-3


@_recipe.one_thread()
def train(
    seed: int = 0,
    *,
    steps: int = STEPS,
    device: torch.device | str | None = None,
    progress: bool = True,
    watch: Callable[[int, LanguageModel], None] | None = None,
) -> tuple[LanguageModel, list[float]]:
    """Train a model from scratch: AdamW, one cycle of the learning rate, gradients clipped to norm 1.

    The same seed on the same machine gives the same weights.

    Args:
        seed: Draws the first weights and the pieces of text.
        steps: How many batches of 16 pieces of 64 tokens are learned from.
        device: Where to train; the CPU if omitted.
        progress: Whether to show a progress bar.
        watch: Called after each step with the number of steps done and the model so far.

    Returns:
        model: The trained model, in evaluation mode.
        losses: The loss of each step, in nats per subword.

    Raises:
        ValueError: There is no step to train for, or the seed is not one of torch's.
    """
    _recipe.check_training("language_model.train", seed, steps, device)
    subwords = stories_data.learn_subwords()
    with _recipe.drawn_from(seed):
        characters = "".join(symbol for symbol in subwords.vocabulary if len(symbol) == 1)
        model = LanguageModel(characters, subwords.merges).to(device)

    def loss_of(tokens: Tensor) -> Tensor:
        tokens = tokens.to(device)
        return nn.functional.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())

    texts = [model.encode(chapter.text) for chapter in stories_data.chapters("training")]
    batches = stories_data.training_batches(texts, steps, BATCH, model.context, seed)
    losses = _recipe.fit(model, batches, loss_of, steps=steps, rate=RATE, progress=progress, watch=watch)
    return model.eval(), losses


class Score(NamedTuple):
    """How well a model predicts.

    Attributes:
        per_character: The loss of all subwords, divided by the number of characters: it can be compared between models
            that cut the text differently. In nats.
        per_subword: The same loss divided by the number of subwords.
        subwords: How many subwords were predicted.
    """

    per_character: float
    per_subword: float
    subwords: int

    def __str__(self) -> str:
        bits = self.per_character / math.log(2)
        one = f"held-out loss {self.per_character:.4f} nats per character ({bits:.3f} bits)"
        return f"{one}, {self.per_subword:.3f} nats per subword"

    @classmethod
    def of(cls, loss: float, chapters: Sequence[Chapter], subwords: int) -> "Score":
        """The score of a loss that was summed over chapters."""
        return cls(loss / sum(len(chapter.text) for chapter in chapters), loss / subwords, subwords)


def pieces(model: LanguageModel, chapters: Iterable[Chapter]) -> list[Tensor]:
    """The chapters in pieces of at most `context` + 1 tokens, (n,) each.

    All tokens of a piece but the last are read, and all but the first are predicted. The last token of a piece is the
    first of the next, so each is predicted once.
    """
    found = []
    for chapter in chapters:
        tokens = torch.tensor(model.encode(chapter.text))
        found += [tokens[at : at + model.context + 1] for at in range(0, len(tokens) - 1, model.context)]
    return found


@torch.no_grad()
def measure(model: LanguageModel, chapters: Sequence[Chapter]) -> Score:
    """Measure the loss on whole chapters, read in pieces of `context` tokens: no piece sees the one before it."""
    check_at_least("language_model.measure", 1, chapters=len(chapters))
    device, loss, count = model.model.embed.tokens.weight.device, 0.0, 0
    for piece in pieces(model, chapters):
        tokens = piece.to(device)
        logits = model(tokens[None, :-1])[0]
        loss += nn.functional.cross_entropy(logits, tokens[1:], reduction="sum").item()
        count += len(tokens) - 1
    return Score.of(loss, chapters, count)


def held_out() -> str:
    """What the shipped weights are measured on, in one line."""
    chapters = stories_data.chapters("held out")
    books = " and ".join(stories_data.SPLITS["held out"])
    return f"{len(chapters)} held-out chapters ({books}), none of them in training"


TASK = Task(
    name="language_model",
    about="stories in plain English, subword by subword: which comes next",
    merit="held-out nats per character",
    steps=STEPS,
    options=(),
    shipped=(Shipped("language_model", "two layers of four heads", {}),),
    reader=LanguageModel,
    train=train,
    measure=lambda model, _: measure(model, stories_data.chapters("held out")),
    held_out=held_out,
)
