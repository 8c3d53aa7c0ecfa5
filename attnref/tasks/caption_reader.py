"""The model of the captions: a small encoder of pictures, and `ShowAttendTell` that writes a word at a time."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnref import generate
from attnref._checks import check_axes, check_choice, check_floating
from attnref.models import ShowAttendTell
from attnref.tasks import _weights
from attnref.tasks.captions_data import BEGIN, END, GRID, LONGEST, SIZE, WRITTEN

Attention = Literal["soft", "none"]
ATTENTIONS = get_args(Attention)
Gate = Literal["scalar", "vector", "none"]
GATES = get_args(Gate)


class Reading(NamedTuple):
    """A picture that was read.

    Attributes:
        caption: Its words.
        weights: The attention weights, (n_words, 14, 14): map i is over the grid, for the step that wrote word i.
    """

    caption: str
    weights: Tensor


class PictureEncoder(nn.Module):
    """Three convolutions, the second with stride 2: a picture of 28 x 28 pixels becomes a grid of 14 x 14 positions.

    Each is followed by batch norm and ReLU. The last one is given two more channels that say where a position is, its
    row and its column, both from -1 to 1.

    Args:
        channels: Channels of the grid.

    Examples:
        >>> import torch
        >>> from attnref.tasks.caption_reader import PictureEncoder
        >>> PictureEncoder(64)(torch.rand(2, 1, 28, 28)).shape
        torch.Size([2, 64, 14, 14])
    """

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        half = channels // 2
        self.strokes = nn.Sequential(*_convolution(1, half), *_convolution(half, channels, stride=2))
        self.shapes = nn.Sequential(*_convolution(channels + 2, channels))

    def forward(self, images: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch channels rows columns"]:
        """Encode pictures."""
        grid = self.strokes(images)
        rows, columns = (torch.linspace(-1, 1, n, dtype=grid.dtype, device=grid.device) for n in grid.shape[2:])
        where = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))  # (2, rows, columns)
        return self.shapes(torch.cat((grid, where.expand(len(grid), -1, -1, -1)), dim=1))


def _convolution(channels: int, out: int, stride: int = 1) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()


def mean_of_all(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """No attention: every query gets the mean of all values."""
    weights = query.new_full((*query.shape[:-1], key.shape[-2]), 1 / key.shape[-2])
    return weights @ value, weights


class CaptionReader(nn.Module):
    """Say which digits a picture shows and how they lie, word by word, each with a look at the picture.

    Args:
        attention: "soft", or "none": then every word is given the mean of the whole grid.
        gate: Of the context, see [ShowAttendTell][attnref.models.ShowAttendTell].
        channels: Channels of the encoder's grid.
        d_embed: Size of an embedded word.
        d_h: Size of the hidden state.
        d_attention: Size of the hidden layer that scores the positions.

    Raises:
        ValueError: There is no such attention or gate, or a size is less than one.

    Examples:
        >>> import torch
        >>> from attnref.tasks.captions import CaptionReader
        >>> reader = CaptionReader().eval()  # not trained yet: what it writes means nothing
        >>> reading = reader(torch.rand(1, 28, 28))
        >>> reading.weights.shape[1:]  # the words are few or many, the grid is always this
        torch.Size([14, 14])
    """

    def __init__(
        self,
        attention: Attention = "soft",
        gate: Gate = "scalar",
        *,
        channels: int = 64,
        d_embed: int = 32,
        d_h: int = 128,
        d_attention: int = 64,
    ) -> None:
        check_choice("CaptionReader", "attention", attention, ATTENTIONS)
        check_choice("CaptionReader", "gate", gate, GATES)
        super().__init__()
        self.recipe: dict[str, Any] = {"attention": attention, "gate": gate, "channels": channels}
        self.recipe |= {"d_embed": d_embed, "d_h": d_h, "d_attention": d_attention}
        self.model = ShowAttendTell(
            PictureEncoder(channels),
            len(WRITTEN),
            d_features=channels,
            d_embed=d_embed,
            d_h=d_h,
            d_attention=d_attention,
            gate=gate,
            attend=mean_of_all if attention == "none" else None,
        )

    def forward(self, image: Float[Tensor, "1 height width"]) -> Reading:
        """Read one picture; see `read`."""
        return self.read([image])[0]

    @torch.no_grad()
    def read(self, images: Iterable[Tensor], *, hard: bool = False) -> list[Reading]:
        """Read pictures, each word the most probable (greedy decoding). No gradient is kept.

        Args:
            images: Each (1, 28, 28), from 0 for paper to 1 for ink.
            hard: Whether to look at one position for each word, that of the largest weight, instead of averaging.

        Raises:
            TypeError: An image is not of the dtype of the weights.
            ValueError: An image is not (1, 28, 28).
        """
        images = list(images)
        if not images:
            return []
        batch = self.encode(images)
        begin = torch.full((len(images), 1), BEGIN, device=batch.device)
        tokens = generate(self.model.start(batch, hard=hard), begin, max_new_tokens=LONGEST + 1, end=END).tokens
        weights = self.weights(batch, tokens[:, :-1], hard=hard)
        readings = []
        for row, looked in zip(tokens[:, 1:].tolist(), weights, strict=True):
            words = [WRITTEN[token] for token in (row[: row.index(END)] if END in row else row)]
            readings.append(Reading(" ".join(words), looked[: len(words)]))
        return readings

    def weights(self, images: Tensor, captions: Tensor, *, hard: bool = False) -> Float[Tensor, "batch n_q 14 14"]:
        """The attention weights with which each next word of these captions is written."""
        model = self.model
        _, weights, *_ = model.hard(images, captions) if hard else model(images, captions, return_weights=True)
        return weights.unflatten(-1, (GRID, GRID))

    def encode(self, images: Sequence[Tensor]) -> Float[Tensor, "batch 1 28 28"]:
        """The images as a batch, on the device of the weights."""
        weight = self.model.decoder.output_proj.weight
        for image in images:
            check_axes("CaptionReader", "image", image, f"(1, {SIZE}, {SIZE})", exactly=3)
            if image.shape != (1, SIZE, SIZE):
                raise ValueError(f"CaptionReader: image must be (1, {SIZE}, {SIZE}), got shape {tuple(image.shape)}.")
            check_floating("CaptionReader", image=image.to(weight.device), weights=weight)
        return torch.stack([*images]).to(weight.device)

    def save(self, path: str | Path) -> None:
        """Write the weights, in half precision, to a safetensors file that `attnref.tasks.load` reads."""
        _weights.save(self.model, path, self.recipe)
