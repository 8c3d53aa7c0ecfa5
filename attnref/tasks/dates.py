"""Dates as people write them, to ISO: a sequence-to-sequence model that reads characters, with or without attention."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from attnref import AdditiveAttention, LuongAttention, Seq2Seq
from attnref._checks import check_at_least, check_choice
from attnref.tasks import _recipe, _weights
from attnref.tasks._task import Option, Shipped, Task
from attnref.tasks.dates_data import PARTS, Sample, characters, encode, held_out_samples, training_batches

STEPS, BATCH, RATE = 300, 128, 4e-3
Scored = Literal["additive", "dot", "general", "concat"]
SCORES = get_args(Scored)
WRITTEN = "0123456789-^"  # what the decoder writes, and ^, the begin token
BEGIN, LENGTH = WRITTEN.index("^"), len("YYYY-MM-DD")


class Reading(NamedTuple):
    """A date that was read.

    Attributes:
        iso: The date as `YYYY-MM-DD`.
        weights: The attention weights, (10, n_chars): row i is over the characters of the text, for the step that wrote
            character i of `iso`. None for a model without attention.
    """

    iso: str
    weights: Tensor | None


class DateReader(nn.Module):
    """Read dates character by character with `Seq2Seq`, and write them as ISO dates.

    Args:
        characters: Every character that a date may be written with.
        attention: Whether the decoder attends to the encoder's hidden states, or has the last of them alone.
        score: The score of the attention: "additive" is `AdditiveAttention`; "dot", "general" and "concat" are those of
            `LuongAttention`.
        d_embed: Size of the embedding of a character.
        d_h: Size of the hidden states of encoder and decoder.
        d_a: Size of the hidden layer of the scores "additive" and "concat".

    Raises:
        ValueError: There is no such score.

    Examples:
        >>> from attnref.tasks.dates import DateReader
        >>> reader = DateReader("0123456789 Nbemorv,")  # not trained yet: what it writes means nothing
        >>> reading = reader("November 4, 2001")
        >>> len(reading.iso), reading.weights.shape
        (10, torch.Size([10, 16]))
    """

    def __init__(
        self,
        characters: str,
        *,
        attention: bool = True,
        score: Scored = "additive",
        d_embed: int = 32,
        d_h: int = 128,
        d_a: int = 64,
    ) -> None:
        check_choice("DateReader", "score", score, SCORES)
        super().__init__()
        self.characters = characters
        self.recipe = {"characters": characters, "attention": attention, "score": score}
        self.recipe |= {"d_embed": d_embed, "d_h": d_h, "d_a": d_a}
        self.token = {character: index for index, character in enumerate(characters, start=1)}  # 0 is padding
        attend = _attend(score, d_h, d_a) if attention else None
        self.model = Seq2Seq(1 + len(characters), len(WRITTEN), d_embed=d_embed, d_h=d_h, attend=attend)

    def forward(self, text: str) -> Reading:
        """Read one date; see `read`."""
        return self.read([text])[0]

    def read(self, texts: Iterable[str]) -> list[Reading]:
        """Read several dates at once. No gradient is kept.

        Raises:
            TypeError: `texts` is a single string, or holds something that is no string.
            ValueError: A text is empty, or has a character the model does not know.
        """
        if isinstance(texts, str):
            raise TypeError(f"DateReader.read: texts must be a list of strings, got the string {texts!r}.")
        texts = list(texts)
        if not texts:
            return []
        source, mask = self.encode(texts)
        tokens, weights = self.model.generate(source, mask, begin=BEGIN, length=LENGTH)
        isos = ["".join(WRITTEN[token] for token in row) for row in tokens.tolist()]
        if weights is None:
            return [Reading(iso, None) for iso in isos]
        return [Reading(iso, w[:, : len(text)]) for iso, w, text in zip(isos, weights, texts, strict=True)]

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Tokens of the texts, (batch, n), zero for padding; and their token mask, True for a character."""
        source, mask = encode("DateReader", texts, self.token)
        device = self.model.decoder.bridge.weight.device
        return source.to(device), mask.to(device)

    def save(self, path: str | Path) -> None:
        """Write the weights, in half precision, to a safetensors file that `attnref.tasks.load` reads."""
        _weights.save(self.model, path, self.recipe)


def _attend(score: Scored, d_h: int, d_a: int) -> AdditiveAttention | LuongAttention:
    if score == "additive":
        return AdditiveAttention(d_h, d_h, d_a)
    return LuongAttention(d_h, d_h, score=score, d_a=d_a if score == "concat" else None)


@_recipe.one_thread()
def train(
    seed: int = 0,
    *,
    attention: bool = True,
    score: Scored = "additive",
    steps: int = STEPS,
    device: torch.device | str | None = None,
    progress: bool = True,
    watch: Callable[[int, DateReader], None] | None = None,
) -> tuple[DateReader, list[float]]:
    """Train a reader from scratch: AdamW, one cycle of the learning rate, gradients clipped to norm 1.

    The same seed on the same machine gives the same weights. A seed draws the same dates whatever the attention.

    Args:
        seed: Draws the first weights and the training dates.
        attention: Whether the decoder attends to the encoder's hidden states.
        score: The score of the attention, see `DateReader`.
        steps: How many batches of 128 dates are learned from.
        device: Where to train; the CPU if omitted.
        progress: Whether to show a progress bar.
        watch: Called after each step with the number of steps done and the reader so far.

    Returns:
        reader: The trained reader, in evaluation mode.
        losses: The loss of each step, in nats per written character.

    Raises:
        ValueError: There is no such score, no step to train for, or the seed is not one of torch's.
    """
    check_choice("dates.train", "score", score, SCORES)
    _recipe.check_training("dates.train", seed, steps, device)
    with _recipe.drawn_from(seed):
        reader = DateReader(characters(), attention=attention, score=score).to(device)

    def loss_of(samples: list[Sample]) -> Tensor:
        source, mask = reader.encode([sample.text for sample in samples])
        target = torch.tensor([[WRITTEN.index(c) for c in "^" + sample.iso] for sample in samples]).to(source.device)
        logits, _ = reader.model(source, target[:, :-1], mask)
        return nn.functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten())

    batches = training_batches(steps, BATCH, seed)
    losses = _recipe.fit(reader, batches, loss_of, steps=steps, rate=RATE, progress=progress, watch=watch)
    return reader.eval(), losses


class Score(NamedTuple):
    """How well a reader reads.

    Attributes:
        exact: Share of the dates whose ten characters are all right.
        shares: For "year", "month" and "day" the share of attention on the right characters, and "all": their mean
            over the eight digits. Empty without attention.
    """

    exact: float
    shares: dict[str, float]

    def __str__(self) -> str:
        shares = ", ".join(f"{part} {share:.3f}" for part, share in self.shares.items())
        return f"exact match {self.exact:.4f}" + (f"; attention on the right characters: {shares}" if shares else "")


def measure(reader: DateReader, samples: Sequence[Sample], batch: int = 512) -> Score:
    """Measure exact match, and the share of attention that lies on the right characters.

    For each digit of the year that is written, the attention weights on the characters that carry the year are summed,
    and likewise for the month and the day; the sum is averaged over the part's digits (four, two, two) and over the
    dates, right or wrong. The characters are those of the field in CLDR's pattern (`Sample.spans`). The two hyphens
    carry nothing, so the attention weights of their steps are not counted. The model is fed what it wrote itself, not
    the right characters.
    """
    check_at_least("dates.measure", 1, samples=len(samples), batch=batch)
    right, sums = 0, dict.fromkeys(PARTS, 0.0)
    for start in range(0, len(samples), batch):
        some = samples[start : start + batch]
        for sample, (iso, weights) in zip(some, reader.read([sample.text for sample in some]), strict=True):
            right += iso == sample.iso
            if weights is not None:
                for part, digits in PARTS.items():
                    first, stop = sample.spans[part]
                    sums[part] += weights[digits.start : digits.stop, first:stop].sum().item()
    if not reader.recipe["attention"]:
        return Score(right / len(samples), {})
    shares = {part: total / len(samples) / len(PARTS[part]) for part, total in sums.items()}
    shares["all"] = sum(sums.values()) / len(samples) / sum(map(len, PARTS.values()))
    return Score(right / len(samples), shares)


ATTENTIONS = {score: {"attention": True, "score": score} for score in SCORES}
ATTENTIONS |= {"none": {"attention": False, "score": "additive"}}
TASK = Task(
    name="dates",
    about="dates as people write them in eight languages, to ISO: 4 novembre 2001 -> 2001-11-04",
    merit="exact match",
    steps=STEPS,
    options=(Option("attention", ATTENTIONS, "additive", "the score of the attention"),),
    shipped=(
        Shipped("dates", "attention additive", {"attention": "additive"}),
        Shipped("dates-no-attention", "attention none", {"attention": "none"}),
    ),
    reader=DateReader,
    train=train,
    measure=lambda reader, _: measure(reader, held_out_samples()),
    held_out=lambda: f"{len(held_out_samples())} held-out dates, none of them in training in any language",
    weights=lambda reader: reader.model,
)
