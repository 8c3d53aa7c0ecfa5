"""A judge of drawn digits: a small convolutional network that learns from the held-out digits alone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attnref.tasks import _recipe, _weights, digits_data
from attnref.tasks._task import Shipped, Task

STEPS, BATCH, RATE = 400, 64, 4e-3


class DigitJudge(nn.Module):
    """Say which digit an image shows. Two convolutions, each with batch norm, ReLU and a maximum over 2 x 2.

    A model that draws digits learns from the training images, so whatever judges its drawings should not have learned
    from them: it would take an odd stroke that both have seen for a good one. This judge learns from the 360 images
    that are held out from all other tasks, and is measured on the others.

    Args:
        num_filters: Channels of the first convolution; the second has twice as many.

    Examples:
        >>> import torch
        >>> from attnref.tasks.digit_judge import DigitJudge
        >>> DigitJudge().eval()(torch.rand(2, 8, 8)).shape  # not trained yet
        torch.Size([2, 10])
    """

    def __init__(self, num_filters: int = 32) -> None:
        super().__init__()
        self.recipe: dict[str, Any] = {"num_filters": num_filters}
        self.body = nn.Sequential(*convolution(1, num_filters), *convolution(num_filters, 2 * num_filters))
        self.dropout = nn.Dropout(0.3)
        self.output_proj = nn.Linear(8 * num_filters, 10)

    def forward(self, images: Float[Tensor, "batch height width"]) -> Float[Tensor, "batch 10"]:
        """Score the ten digits.

        Args:
            images: 8 x 8 pixels, from 0 for paper to 1 for ink.

        Raises:
            TypeError: The images are not of the dtype of the weights.
            ValueError: The images are not (batch, 8, 8).
        """
        digits_data.check_pixels("DigitJudge", images, 8, weights=self.output_proj.weight)
        return self.output_proj(self.dropout(self.body(images[:, None]).flatten(1)))

    @torch.no_grad()
    def read(self, images: Float[Tensor, "batch height width"]) -> Int[Tensor, " batch"]:
        """The digit of the highest score, on the device of the images. No gradient is kept."""
        return self(images.to(self.output_proj.weight.device)).argmax(-1).to(images.device)

    def save(self, path: str | Path) -> None:
        """Write the weights, in half precision, to a safetensors file that `attnref.tasks.load` reads."""
        _weights.save(self, path, self.recipe)


def convolution(channels: int, out: int) -> tuple[nn.Module, ...]:
    """Halve the grid: a convolution, batch norm, ReLU, and the maximum over 2 x 2."""
    return nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)


@_recipe.one_thread()
def train(
    seed: int = 0,
    *,
    steps: int = STEPS,
    device: torch.device | str | None = None,
    progress: bool = True,
    watch: Callable[[int, DigitJudge], None] | None = None,
) -> tuple[DigitJudge, list[float]]:
    """Train a judge on the held-out digits: AdamW, one cycle of the learning rate, gradients clipped to norm 1.

    The same seed on the same machine gives the same weights.

    Args:
        seed: Draws the first weights, the batches and their noise.
        steps: How many batches of 64 images are learned from.
        device: Where to train; the CPU if omitted.
        progress: Whether to show a progress bar.
        watch: Called after each step with the number of steps done and the judge so far.

    Returns:
        judge: The trained judge, in evaluation mode.
        losses: The loss of each step, in nats.

    Raises:
        ValueError: There is no step to train for, or the seed is not one of torch's.
    """
    _recipe.check_training("digit_judge.train", seed, steps, device)
    with _recipe.drawn_from(seed):
        judge = DigitJudge().to(device)

        def loss_of(batch: tuple[Tensor, Tensor]) -> Tensor:
            images, digits = (part.to(device) for part in batch)
            return nn.functional.cross_entropy(judge(images), digits)

        batches = held_out_batches(steps, BATCH, seed)  # dropout is drawn from the seed, too
        losses = _recipe.fit(judge, batches, loss_of, steps=steps, rate=RATE, progress=progress, watch=watch)
    return judge.eval(), losses


def held_out_batches(steps: int, batch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of held-out images drawn at random, with a little noise, each moved by up to one pixel.

    Of three moves to the side one leaves the image where it is; so it is with moves up or down.
    """
    generator = torch.Generator().manual_seed(seed)
    images, digits = digits_data.held_out_digits()
    padded, rows = nn.functional.pad(images, (1, 1, 1, 1)), torch.arange(8)
    for _ in range(steps):
        chosen = torch.randint(len(images), (batch,), generator=generator)
        down, right = torch.randint(3, (2, batch, 1), generator=generator)
        moved = padded[chosen[:, None, None], (rows + down)[:, :, None], (rows + right)[:, None, :]]
        yield moved + 0.1 * torch.randn(batch, 8, 8, generator=generator), digits[chosen]


class Score(NamedTuple):
    """How well a judge reads real digits.

    Attributes:
        accuracy: Share of the images whose digit is right.
    """

    accuracy: float

    def __str__(self) -> str:
        return f"accuracy on digits that it never saw {self.accuracy:.4f}"


def measure(judge: DigitJudge, images: Tensor, digits: Tensor) -> Score:
    """Measure how many images are read right."""
    digits_data.check_digits("digit_judge.measure", images, digits)
    return Score((judge.read(images) == digits).double().mean().item())


TASK = Task(
    name="digit_judge",
    about="which digit a drawing shows, learned from the held-out digits alone",
    merit="accuracy on digits that it never saw",
    steps=STEPS,
    options=(),
    shipped=(Shipped("digit_judge", "judge", {}),),
    reader=DigitJudge,
    train=train,
    measure=lambda judge, _: measure(judge, *digits_data.training_digits()),
    held_out=lambda: (
        f"{len(digits_data.training_digits()[0])} digits that other tasks learn from, and this one does not"
    ),
)
