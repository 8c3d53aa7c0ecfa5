"""Handwritten digits cut into patches: sixteen tokens attend to each other, and their mean says which digit it is."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnref import MultiHeadAttention, efficient_attention, linear_attention, scaled_dot_product_attention
from attnref._checks import check_choice
from attnref.tasks import _recipe, _weights, digits_data
from attnref.tasks._task import Option, Shipped, Task

STEPS, BATCH, RATE = 400, 128, 4e-3
SIZE, PATCH = 8, 2  # pixels along one side, of an image and of a patch
TOKENS = (SIZE // PATCH) ** 2
ATTENDS = {"softmax": scaled_dot_product_attention, "efficient": efficient_attention, "linear": linear_attention}


class Reading(NamedTuple):
    """Digits that were read.

    Attributes:
        digits: The answers, (batch,).
        confidence: The probability of each digit, (batch, 10).
        weights: How much each patch took from each, (batch, num_layers, h, 16, 16); None where the attention never
            forms its weights.
    """

    digits: Tensor
    confidence: Tensor
    weights: Tensor | None


class Block(nn.Module):
    """Self-attention, then a feed-forward net for each token, each after a norm and with a residual connection."""

    def __init__(self, attend: str, d_model: int, num_heads: int, d_ff: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(d_model)
        self.attention = MultiHeadAttention(d_model, num_heads, attend=ATTENDS[attend])
        self.feed_norm = nn.LayerNorm(d_model)
        self.feed_forward = nn.Sequential(nn.Linear(d_model, d_ff), nn.ReLU(), nn.Linear(d_ff, d_model))

    def forward(self, x: Float[Tensor, "batch n d_model"]) -> tuple[Tensor, Tensor | None]:
        """Let the tokens attend to each other, then transform each alone."""
        normed = self.attention_norm(x)
        output, weights = self.attention(normed, normed, normed)
        x = x + output
        return x + self.feed_forward(self.feed_norm(x)), weights


class PatchReader(nn.Module):
    """Cut an image of 8 x 8 pixels into 16 patches of 2 x 2, let them attend to each other, and name the digit.

    A linear projection embeds each patch as a token, and a learned embedding of its position is added, since attention
    alone is blind to order. Blocks of self-attention follow; the mean of their tokens is projected to ten scores.

    Args:
        attend: What a head does: "softmax" for scaled dot-product attention, "efficient" or "linear". None of the three
            has weights of its own, so all readers have equally many.
        d_model: Size of a token.
        num_heads: Number of heads of each attention.
        num_layers: Number of blocks.
        d_ff: Size between the two projections of a feed-forward net.

    Raises:
        ValueError: There is no such attention, or the heads do not divide d_model.

    Examples:
        >>> import torch
        >>> from attnref.tasks.digit_patches import PatchReader
        >>> reader = PatchReader("softmax")  # not trained yet: what it guesses means nothing
        >>> reader(torch.rand(2, 8, 8)).shape
        torch.Size([2, 10])
        >>> reader.read(torch.rand(2, 8, 8)).weights.shape  # layers, heads, patches, patches
        torch.Size([2, 4, 4, 16, 16])
    """

    def __init__(
        self, attend: str = "softmax", *, d_model: int = 64, num_heads: int = 4, num_layers: int = 4, d_ff: int = 128
    ) -> None:
        check_choice("PatchReader", "attend", attend, tuple(ATTENDS))
        super().__init__()
        self.recipe = {"attend": attend, "d_model": d_model, "num_heads": num_heads}
        self.recipe |= {"num_layers": num_layers, "d_ff": d_ff}
        self.embed = nn.Linear(PATCH * PATCH, d_model)
        self.positions = nn.Parameter(0.5 * torch.randn(TOKENS, d_model))
        self.blocks = nn.ModuleList(Block(attend, d_model, num_heads, d_ff) for _ in range(num_layers))
        self.output_norm = nn.LayerNorm(d_model)
        self.output_proj = nn.Linear(d_model, 10)

    def forward(self, images: Float[Tensor, "batch height width"]) -> Float[Tensor, "batch 10"]:
        """Score the ten digits.

        Args:
            images: 8 x 8 pixels, from 0 for paper to 1 for ink.

        Raises:
            TypeError: The images are not of the dtype of the weights.
            ValueError: The images are not (batch, 8, 8).
        """
        logits, _ = self._attended(images)
        return logits

    @torch.no_grad()
    def read(self, images: Float[Tensor, "batch height width"]) -> Reading:
        """Read images, see `forward`, and show the weights of every layer and head. No gradient is kept."""
        logits, weights = self._attended(images)
        formed = [one for one in weights if one is not None]
        confidence = logits.softmax(-1)
        return Reading(confidence.argmax(-1), confidence, torch.stack(formed, dim=1) if formed else None)

    def _attended(self, images: Tensor) -> tuple[Tensor, list[Tensor | None]]:
        digits_data.check_pixels("PatchReader", images, SIZE, weights=self.positions)
        x, kept = self.embed(patches(images)) + self.positions, []
        for block in self.blocks:
            x, weights = block(x)
            kept.append(weights)
        return self.output_proj(self.output_norm(x.mean(dim=1))), kept

    def save(self, path: str | Path) -> None:
        """Write the weights, in half precision, to a safetensors file that `attnref.tasks.load` reads."""
        _weights.save(self, path, self.recipe)


def patches(images: Float[Tensor, "batch height width"]) -> Float[Tensor, "batch n pixels"]:
    """Cut images into patches of 2 x 2 pixels, from the top left, row by row.

    Examples:
        >>> import torch
        >>> from attnref.tasks.digit_patches import patches
        >>> image = torch.arange(64.0).reshape(1, 8, 8)
        >>> patches(image)[0, 1]  # the second: columns 2 and 3 of the first two rows
        tensor([ 2.,  3., 10., 11.])
    """
    digits_data.check_pixels("patches", images, SIZE)
    cut = images.unflatten(2, (-1, PATCH)).unflatten(1, (-1, PATCH))  # (batch, rows, PATCH, columns, PATCH)
    return cut.transpose(2, 3).flatten(3, 4).flatten(1, 2)


@_recipe.one_thread()
def train(
    seed: int = 0,
    *,
    attend: str = "softmax",
    split: str = "images",
    steps: int = STEPS,
    device: torch.device | str | None = None,
    progress: bool = True,
    watch: Callable[[int, PatchReader], None] | None = None,
) -> tuple[PatchReader, list[float]]:
    """Train a reader from scratch: AdamW, one cycle of the learning rate, gradients clipped to norm 1.

    The same seed on the same machine gives the same weights. Readers of one seed start from the same weights, whatever
    their attention, and see the same images in the same order.

    Args:
        seed: Draws the first weights and the order of the images.
        attend: What a head does, "softmax", "efficient" or "linear".
        split: Which images are held out, see `digits_data`: "images" or "forms".
        steps: How many batches of 128 images are learned from.
        device: Where to train; the CPU if omitted.
        progress: Whether to show a progress bar.
        watch: Called after each step with the number of steps done and the reader so far.

    Returns:
        reader: The trained reader, in evaluation mode.
        losses: The loss of each step, in nats.

    Raises:
        ValueError: There is no such attention or split, no step to train for, or the seed is not one of torch's.
    """
    check_choice("digit_patches.train", "attend", attend, tuple(ATTENDS))
    digits_data.check_images("digit_patches.train", SIZE, split)
    _recipe.check_training("digit_patches.train", seed, steps, device)
    with _recipe.drawn_from(seed):
        reader = PatchReader(attend).to(device)

    def loss_of(batch: tuple[Tensor, Tensor]) -> Tensor:
        images, digits = (part.to(device) for part in batch)
        return nn.functional.cross_entropy(reader(images), digits)

    batches = digits_data.training_batches(steps, BATCH, seed, split)
    losses = _recipe.fit(reader, batches, loss_of, steps=steps, rate=RATE, progress=progress, watch=watch)
    return reader.eval(), losses


class Score(NamedTuple):
    """How well a reader reads.

    Attributes:
        accuracy: Share of the images whose digit is right.
        own: For each layer and head, the share of patches that give themselves their largest weight, (num_layers, h);
            None where the attention never forms its weights. By chance it is 1/16.
    """

    accuracy: float
    own: Tensor | None

    def __str__(self) -> str:
        own = "" if self.own is None else f"; a patch's largest weight is its own in {self.own.mean():.4f} of all"
        return f"held-out accuracy {self.accuracy:.4f}{own}"


def measure(reader: PatchReader, images: Tensor, digits: Tensor) -> Score:
    """Measure how many images are read right, and how often a patch attends most to itself."""
    digits_data.check_digits("digit_patches.measure", images, digits)
    reading = reader.read(images.to(reader.positions.device))
    own = None
    if reading.weights is not None:
        largest = reading.weights.argmax(-1).cpu()  # (batch, num_layers, h, 16)
        own = (largest == torch.arange(TOKENS)).double().mean(dim=(0, 3))
    return Score((reading.digits.cpu() == digits).double().mean().item(), own)


TASK = Task(
    name="digit_patches",
    about="handwritten digits cut into patches that attend to each other",
    merit="held-out accuracy",
    steps=STEPS,
    options=(
        Option.of("attend", ATTENDS, "softmax", "the attention of each head"),
        Option.of("split", digits_data.SPLITS, "images", "what is held out"),
    ),
    shipped=(
        Shipped("digit_patches", "attention softmax", {"attend": "softmax", "split": "images"}),
        Shipped("digit_patches-efficient", "attention efficient", {"attend": "efficient", "split": "images"}),
    ),
    reader=PatchReader,
    train=train,
    measure=lambda reader, given: measure(reader, *digits_data.held_out_digits(split=given["split"])),
    held_out=lambda: f"{len(digits_data.held_out_digits()[0])} held-out digits, none of them in training",
)
