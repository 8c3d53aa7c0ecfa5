"""Handwritten digits by a Vision Transformer: sixteen patches, and a class token that says which digit it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnref._checks import check_choice
from attnref.models import ViT
from attnref.tasks import _recipe, _weights, digits_data
from attnref.tasks._task import Option, Shipped, Task
from attnref.tasks.digit_patches import ATTENDS, PATCH, SIZE  # the same digits, read without a class token

STEPS, BATCH, RATE = 400, 128, 4e-3
POSITIONS = 0.5  # standard deviation of the position embeddings at the start; that of BERT and of ViT's paper is 0.02
POOLS = ("class", "mean")


class Reading(NamedTuple):
    """Digits that were read.

    Attributes:
        digits: The answers, (batch,).
        confidence: The probability of each digit, (batch, 10).
        weights: The attention weights of every layer and head, (batch, num_layers, h, n, n): n is 17 with a class
            token, which comes first, and 16 with the mean; None where the attention never forms its weights.
    """

    digits: Tensor
    confidence: Tensor
    weights: Tensor | None


class DigitViT(nn.Module):
    """Read digits with `ViT`: images of 8 x 8 pixels in patches of 2 x 2.

    Args:
        pool: What the head reads: "class" for the output of a class token, "mean" for the mean of the patches' outputs.
        attend: What a head does: "softmax" for scaled dot-product attention, "efficient" or "linear".
        positions: Standard deviation of the position embeddings before training.
        d_model: Size of a token.
        num_heads: Number of heads of each attention.
        num_layers: Number of blocks.
        d_ff: Size inside the feed-forward networks.

    Raises:
        ValueError: There is no such pool or attention, or the heads do not divide d_model.

    Examples:
        >>> import torch
        >>> from attnref.tasks.digits_vit import DigitViT
        >>> reader = DigitViT()  # not trained yet: what it guesses means nothing
        >>> reader(torch.rand(2, 8, 8)).shape
        torch.Size([2, 10])
        >>> reader.read(torch.rand(2, 8, 8)).weights.shape  # layers, heads, class token and patches twice
        torch.Size([2, 4, 4, 17, 17])
    """

    def __init__(
        self,
        pool: Literal["class", "mean"] = "class",
        attend: str = "softmax",
        *,
        positions: float = POSITIONS,
        d_model: int = 64,
        num_heads: int = 4,
        num_layers: int = 4,
        d_ff: int = 128,
    ) -> None:
        check_choice("DigitViT", "pool", pool, POOLS)
        check_choice("DigitViT", "attend", attend, tuple(ATTENDS))
        super().__init__()
        sizes = {"d_model": d_model, "num_heads": num_heads, "num_layers": num_layers, "d_ff": d_ff}
        self.recipe = {"pool": pool, "attend": attend, "positions": positions, **sizes}
        self.vit = ViT(10, image_size=SIZE, patch=PATCH, channels=1, **sizes, pool=pool, attend=ATTENDS[attend])
        nn.init.normal_(self.vit.positions.weight, std=positions)

    def forward(self, images: Float[Tensor, "batch height width"]) -> Float[Tensor, "batch 10"]:
        """Score the ten digits.

        Args:
            images: 8 x 8 pixels, from 0 for paper to 1 for ink.

        Raises:
            TypeError: The images are not of the dtype of the weights.
            ValueError: The images are not (batch, 8, 8).
        """
        digits_data.check_pixels("DigitViT", images, SIZE, weights=self.vit.positions.weight)
        return self.vit(images[:, None])[0]

    @torch.no_grad()
    def read(self, images: Float[Tensor, "batch height width"]) -> Reading:
        """Read images, see `forward`, and show the weights of every layer and head. No gradient is kept."""
        digits_data.check_pixels("DigitViT", images, SIZE, weights=self.vit.positions.weight)
        logits, weights = self.vit(images[:, None], return_weights=True)
        confidence = logits.softmax(-1)
        return Reading(confidence.argmax(-1), confidence, None if weights is None else torch.stack(weights, dim=1))

    def save(self, path: str | Path) -> None:
        """Write the weights, in half precision, to a safetensors file that `attnref.tasks.load` reads."""
        _weights.save(self.vit, path, self.recipe)


@_recipe.one_thread()
def train(
    seed: int = 0,
    *,
    pool: Literal["class", "mean"] = "class",
    attend: str = "softmax",
    positions: float = POSITIONS,
    split: str = "images",
    steps: int = STEPS,
    device: torch.device | str | None = None,
    progress: bool = True,
    watch: Callable[[int, DigitViT], None] | None = None,
) -> tuple[DigitViT, list[float]]:
    """Train a reader from scratch: AdamW, one cycle of the learning rate, gradients clipped to norm 1.

    The same seed on the same machine gives the same weights. A seed draws the same images in the same order, whatever
    the pool and the attention.

    Args:
        seed: Draws the first weights and the order of the images.
        pool: What the head reads, "class" or "mean".
        attend: What a head does, "softmax", "efficient" or "linear".
        positions: Standard deviation of the position embeddings at the start.
        split: Which images are held out, see `digits_data`: "images" or "forms".
        steps: How many batches of 128 images are learned from.
        device: Where to train; the CPU if omitted.
        progress: Whether to show a progress bar.
        watch: Called after each step with the number of steps done and the reader so far.

    Returns:
        reader: The trained reader, in evaluation mode.
        losses: The loss of each step, in nats.

    Raises:
        ValueError: There is no such pool, attention or split, no step to train for, or the seed is not one of torch's.
    """
    check_choice("digits_vit.train", "pool", pool, POOLS)
    check_choice("digits_vit.train", "attend", attend, tuple(ATTENDS))
    digits_data.check_images("digits_vit.train", SIZE, split)
    _recipe.check_training("digits_vit.train", seed, steps, device)
    with _recipe.drawn_from(seed):
        reader = DigitViT(pool, attend, positions=positions).to(device)

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
    """

    accuracy: float

    def __str__(self) -> str:
        return f"held-out accuracy {self.accuracy:.4f}"


def measure(reader: DigitViT, images: Tensor, digits: Tensor) -> Score:
    """Measure how many images are read right."""
    digits_data.check_digits("digits_vit.measure", images, digits)
    answers = reader.read(images.to(reader.vit.positions.weight.device)).digits.cpu()
    return Score((answers == digits).double().mean().item())


_SHIPPED = {"pool": "class", "attend": "softmax", "positions": str(POSITIONS), "split": "images"}

TASK = Task(
    name="digits_vit",
    about="the same digits by a Vision Transformer, with a class token",
    merit="held-out accuracy",
    steps=STEPS,
    options=(
        Option.of("pool", POOLS, "class", "what the head reads"),
        Option.of("attend", ATTENDS, "softmax", "the attention of each head"),
        Option.of(
            "positions", (POSITIONS, 0.02), POSITIONS, "standard deviation of the position embeddings at the start"
        ),
        Option.of("split", digits_data.SPLITS, "images", "what is held out"),
    ),
    shipped=(
        Shipped("digits_vit", "class token, attention softmax", _SHIPPED),
        Shipped("digits_vit-small-positions", "positions that start small", _SHIPPED | {"positions": "0.02"}),
    ),
    reader=DigitViT,
    train=train,
    measure=lambda reader, given: measure(reader, *digits_data.held_out_digits(split=given["split"])),
    held_out=lambda: f"{len(digits_data.held_out_digits()[0])} held-out digits, none of them in training",
    weights=lambda reader: reader.vit,
)
