"""The dates again, by a Transformer: characters in, ISO dates out, with several heads that look."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from attnref import Transformer, generate
from attnref._checks import check_at_least
from attnref.tasks import _recipe, _weights
from attnref.tasks._task import Shipped, Task
from attnref.tasks.dates import BEGIN, LENGTH, WRITTEN
from attnref.tasks.dates_data import PARTS, Sample, characters, encode, held_out_samples, training_batches

STEPS, BATCH, RATE = 1400, 64, 4e-3


class Reading(NamedTuple):
    """A date that was read.

    Attributes:
        iso: The date as `YYYY-MM-DD`.
        weights: The weights of the cross-attention, (num_layers, h, 10, n_chars): row i of each head is over the
            characters of the text, for the step that wrote character i of `iso`.
    """

    iso: str
    weights: Tensor


class DateTransformer(nn.Module):
    """Read dates character by character with `Transformer`, and write them as ISO dates.

    Args:
        characters: Every character that a date may be written with.
        d_model: Size of each vector.
        num_heads: Number of heads of each attention.
        d_ff: Size inside the feed-forward networks.
        encoder_layers: Number of encoder blocks.
        decoder_layers: Number of decoder blocks.

    Raises:
        ValueError: The heads do not divide d_model, or a number is less than one.

    Examples:
        >>> from attnref.tasks.dates_transformer import DateTransformer
        >>> reader = DateTransformer("0123456789 Nbemorv,")  # not trained yet: what it writes means nothing
        >>> reading = reader("November 4, 2001")
        >>> len(reading.iso), reading.weights.shape
        (10, torch.Size([1, 4, 10, 16]))
    """

    def __init__(
        self,
        characters: str,
        *,
        d_model: int = 64,
        num_heads: int = 4,
        d_ff: int = 128,
        encoder_layers: int = 2,
        decoder_layers: int = 1,
    ) -> None:
        super().__init__()
        self.recipe = {"characters": characters, "d_model": d_model, "num_heads": num_heads, "d_ff": d_ff}
        self.recipe |= {"encoder_layers": encoder_layers, "decoder_layers": decoder_layers}
        self.characters = characters
        self.token = {character: index for index, character in enumerate(characters, start=1)}  # 0 is padding
        self.model = Transformer(
            1 + len(characters),
            len(WRITTEN),
            d_model=d_model,
            num_heads=num_heads,
            d_ff=d_ff,
            num_layers=(encoder_layers, decoder_layers),
            norm="pre",
        )

    def forward(self, text: str) -> Reading:
        """Read one date; see `read`."""
        return self.read([text])[0]

    @torch.no_grad()
    def read(self, texts: Iterable[str]) -> list[Reading]:
        """Read several dates at once. No gradient is kept.

        Raises:
            TypeError: `texts` is a single string, or holds something that is no string.
            ValueError: A text is empty, or has a character the model does not know.
        """
        if isinstance(texts, str):
            raise TypeError(f"DateTransformer.read: texts must be a list of strings, got the string {texts!r}.")
        texts = list(texts)
        if not texts:
            return []
        source, mask = self.encode(texts)
        begin = source.new_full((len(texts), 1), BEGIN)
        tokens = generate(self.model.start(source, mask), begin, max_new_tokens=LENGTH).tokens
        _, weights = self.model(source, tokens[:, :-1], mask, return_weights=True)  # of the steps that wrote them
        looked = torch.stack(weights.cross, dim=1)  # (batch, num_layers, h, 10, n)
        isos = ["".join(WRITTEN[token] for token in row[1:]) for row in tokens.tolist()]
        return [Reading(iso, w[..., : len(text)]) for iso, w, text in zip(isos, looked, texts, strict=True)]

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Tokens of the texts, (batch, n), zero for padding; and their token mask, True for a character."""
        source, mask = encode("DateTransformer", texts, self.token)
        device = self.model.source_embed.tokens.weight.device
        return source.to(device), mask.to(device)

    def save(self, path: str | Path) -> None:
        """Write the weights, in half precision, to a safetensors file that `attnref.tasks.load` reads."""
        _weights.save(self.model, path, self.recipe)


@_recipe.one_thread()
def train(
    seed: int = 0,
    *,
    steps: int = STEPS,
    device: torch.device | str | None = None,
    progress: bool = True,
    watch: Callable[[int, DateTransformer], None] | None = None,
) -> tuple[DateTransformer, list[float]]:
    """Train a reader from scratch: AdamW, one cycle of the learning rate, gradients clipped to norm 1.

    The same seed on the same machine gives the same weights. A seed draws the same dates as for `dates`.

    Args:
        seed: Draws the first weights and the training dates.
        steps: How many batches of 64 dates are learned from.
        device: Where to train; the CPU if omitted.
        progress: Whether to show a progress bar.
        watch: Called after each step with the number of steps done and the reader so far.

    Returns:
        reader: The trained reader, in evaluation mode.
        losses: The loss of each step, in nats per written character.

    Raises:
        ValueError: There is no step to train for, or the seed is not one of torch's.
    """
    _recipe.check_training("dates_transformer.train", seed, steps, device)
    with _recipe.drawn_from(seed):
        reader = DateTransformer(characters()).to(device)

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
        shares: For "year", "month", "day" and "all" the share of cross-attention on the right characters, for each
            layer and head.
    """

    exact: float
    shares: dict[str, list[list[float]]]

    def __str__(self) -> str:
        lines = [f"exact match {self.exact:.4f}; attention on the right characters:"]
        for layer, heads in enumerate(self.shares["all"]):
            for head in range(len(heads)):
                parts = ", ".join(f"{part} {table[layer][head]:.3f}" for part, table in self.shares.items())
                lines.append(f"layer {layer + 1} head {head + 1} {parts}")
        return lines[0] + " " + "; ".join(lines[1:])


def measure(reader: DateTransformer, samples: Sequence[Sample], batch: int = 512) -> Score:
    """Measure exact match, and for each head the share of cross-attention that lies on the right characters.

    As `attnref.tasks.dates.measure` does it: over the digits of each part, the attention weights on the characters that
    carry it; the hyphens are not counted. The model is fed what it wrote itself.
    """
    check_at_least("dates_transformer.measure", 1, samples=len(samples), batch=batch)
    right, sums = 0, {part: torch.zeros(()) for part in PARTS}
    for start in range(0, len(samples), batch):
        some = samples[start : start + batch]
        for sample, (iso, weights) in zip(some, reader.read([sample.text for sample in some]), strict=True):
            right += iso == sample.iso
            for part, digits in PARTS.items():
                first, stop = sample.spans[part]
                looked = weights[..., digits.start : digits.stop, first:stop].sum((-2, -1)).cpu()  # (num_layers, h)
                sums[part] = sums[part] + looked
    shares = {part: (total / len(samples) / len(PARTS[part])).tolist() for part, total in sums.items()}
    everything = torch.stack(list(sums.values())).sum(0)
    shares["all"] = (everything / len(samples) / sum(map(len, PARTS.values()))).tolist()
    return Score(right / len(samples), shares)


TASK = Task(
    name="dates_transformer",
    about="the same dates by a Transformer, with several heads that look",
    merit="exact match",
    steps=STEPS,
    options=(),
    shipped=(Shipped("dates_transformer", "the Transformer", {}),),
    reader=DateTransformer,
    train=train,
    measure=lambda reader, _: measure(reader, held_out_samples()),
    held_out=lambda: f"{len(held_out_samples())} held-out dates, none of them in training in any language",
    weights=lambda reader: reader.model,
)
