"""Number words in German or Korean, to English: a Transformer that reads subwords and writes words."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from attnref._checks import check_at_least, check_choice
from attnref.tasks import _recipe
from attnref.tasks._task import Option, Shipped, Task
from attnref.tasks.number_reader import BEGIN, END, PADDING, POSITIONS, WRITTEN, NumberReader, Positions, Reading
from attnref.tasks.number_words_data import (
    SOURCES,
    Sample,
    held_out_samples,
    learn_subwords,
    training_batches,
    training_samples,
    translates,
)

STEPS, BATCH, RATE = 700, 64, 3e-3
Source = Literal["de", "ko"]
Units = Literal["subwords", "characters"]
MERGES = {"subwords": 70, "characters": 0}


@_recipe.one_thread()
def train(
    seed: int = 0,
    *,
    source: Source = "de",
    units: Units = "subwords",
    positions: Positions = "sinusoidal",
    steps: int = STEPS,
    device: torch.device | str | None = None,
    progress: bool = True,
    watch: Callable[[int, NumberReader], None] | None = None,
) -> tuple[NumberReader, list[float]]:
    """Train a reader from scratch: AdamW, one cycle of the learning rate, gradients clipped to norm 1.

    The same seed on the same machine gives the same weights. A seed draws the same numbers whatever the source, its
    units and the positions.

    Args:
        seed: Draws the first weights and the training numbers.
        source: The language that is read: "de" is German, "ko" Korean.
        units: What its words are split into: "subwords" or "characters".
        positions: Of the Transformer, see `NumberReader`.
        steps: How many batches of 64 numbers are learned from.
        device: Where to train; the CPU if omitted.
        progress: Whether to show a progress bar.
        watch: Called after each step with the number of steps done and the reader so far.

    Returns:
        reader: The trained reader, in evaluation mode.
        losses: The loss of each step, in nats per written word, the end token among them.

    Raises:
        ValueError: There is no such source, unit or positions, no step to train for, or the seed is not one of
            torch's.
    """
    check_choice("number_words.train", "source", source, SOURCES)
    check_choice("number_words.train", "units", units, tuple(MERGES))
    check_choice("number_words.train", "positions", positions, POSITIONS)
    _recipe.check_training("number_words.train", seed, steps, device)
    learned = learn_subwords(source, MERGES[units])
    characters = "".join(symbol for symbol in learned.vocabulary if len(symbol) == 1)
    with _recipe.drawn_from(seed):
        reader = NumberReader(characters, learned.merges, end=learned.end, positions=positions).to(device)

    def loss_of(samples: list[Sample]) -> Tensor:
        read, mask = reader.encode([sample.text for sample in samples])
        target = _target(samples).to(read.device)
        logits, _ = reader.model(read, target[:, :-1], mask)
        return nn.functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=PADDING)

    batches = training_batches(steps, BATCH, seed, source)
    losses = _recipe.fit(reader, batches, loss_of, steps=steps, rate=RATE, progress=progress, watch=watch)
    return reader.eval(), losses


def _target(samples: Sequence[Sample]) -> Tensor:
    """What is to be written, from the begin token to the end token, then padding."""
    rows = [[BEGIN, *map(WRITTEN.index, sample.words), END] for sample in samples]
    n = max(map(len, rows))
    return torch.tensor([row + [PADDING] * (n - len(row)) for row in rows])


class Score(NamedTuple):
    """How well a reader reads.

    Attributes:
        exact: Share of the numbers whose words are all right.
        small: The same, of the numbers below 1000.
        large: The same, of the numbers from 1000 on.
        shares: The share of cross-attention on the subwords that say the same as the word being written: "head" is that
            of the head chosen on training numbers, "mean" that of all heads together, and "uniform" what equal weights
            would give. Empty where the source is not German.
        head: Layer and head that were chosen, counted from 0.
    """

    exact: float
    small: float
    large: float
    shares: dict[str, float]
    head: tuple[int, int] | None

    def __str__(self) -> str:
        exact = f"exact match {self.exact:.4f} ({self.small:.4f} below 1000, {self.large:.4f} from 1000 on)"
        if self.head is None:
            return exact
        layer, head = self.head
        shares = {f"layer {layer + 1} head {head + 1}": "head", "mean": "mean", "equal weights": "uniform"}
        listed = ", ".join(f"{name} {self.shares[key]:.3f}" for name, key in shares.items())
        return f"{exact}; cross-attention on the right subwords: {listed}"


def measure(reader: NumberReader, samples: Sequence[Sample], batch: int = 512) -> Score:
    """Measure exact match, and the share of cross-attention that lies on the right subwords.

    The head is the one whose share is largest on 500 training numbers, so the held-out numbers have no part in the
    choice. The model is fed what it wrote itself, not the right words.
    """
    check_at_least("number_words.measure", 1, samples=len(samples), batch=batch)
    readings = _read(reader, samples, batch)
    right = [reading.english == " ".join(sample.words) for sample, reading in zip(samples, readings, strict=True)]
    small, large = (
        _mean([ok for sample, ok in zip(samples, right, strict=True) if (sample.number < 1000) == below])
        for below in (True, False)
    )
    shares, head = {}, None
    if all(sample.spans is not None for sample in samples):
        each, uniform = _shares(samples, readings)
        by_head = head_shares(reader, training_samples(500), batch)
        best = divmod(int(by_head.argmax()), by_head.shape[1])
        head = (best[0], best[1])
        shares = {"head": each[head].item(), "mean": each.mean().item(), "uniform": uniform}
    return Score(_mean(right), small, large, shares, head)


def head_shares(reader: NumberReader, samples: Sequence[Sample], batch: int = 512) -> Tensor:
    """For each layer and head, (num_layers, h): how much of its cross-attention lies on the right subwords.

    For each English word the weights on the subwords that say the same (`translates`) are summed, at the step that
    writes the word; the sums are averaged over all words of all numbers. A word that was not written counts as zero.
    """
    return _shares(samples, _read(reader, samples, batch))[0]


def _read(reader: NumberReader, samples: Sequence[Sample], batch: int) -> list[Reading]:
    texts = [sample.text for sample in samples]
    return [reading for at in range(0, len(texts), batch) for reading in reader.read(texts[at : at + batch])]


def _shares(samples: Sequence[Sample], readings: Sequence[Reading]) -> tuple[Tensor, float]:
    """The share of each head, and that of equal weights."""
    sums, uniform, words = torch.zeros(readings[0].weights.shape[:2]), 0.0, 0
    for sample, (_, subwords, weights) in zip(samples, readings, strict=True):
        right = translates(sample, subwords)
        written = min(len(right), weights.shape[2])
        sums += (weights[:, :, :written].cpu() * right[:written]).sum((-2, -1))
        uniform += right.double().mean(1).sum().item()
        words += len(right)
    return sums / words, uniform / words


def _mean(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else 0.0


TASK = Task(
    name="number_words",
    about="number words in German or Korean, to English: siebenundvierzig -> forty seven",
    merit="exact match",
    steps=STEPS,
    options=(
        Option.of("source", SOURCES, "de", "the language that is read"),
        Option.of("units", tuple(MERGES), "subwords", "what its words are split into"),
        Option.of("positions", POSITIONS, "sinusoidal", "the positions of the Transformer"),
    ),
    shipped=(
        Shipped("number_words", "German subwords", {"source": "de", "units": "subwords", "positions": "sinusoidal"}),
        Shipped(
            "number_words-no-positions",
            "German subwords without positions",
            {"source": "de", "units": "subwords", "positions": "none"},
        ),
    ),
    reader=NumberReader,
    train=train,
    measure=lambda reader, arguments: measure(reader, held_out_samples(arguments["source"])),
    held_out=lambda: f"{len(held_out_samples())} held-out numbers, none of them in training in any language",
    weights=lambda reader: reader.model,
)
