"""Real handwritten digits, 8 x 8 or enlarged, and two ways to hold some of them out.

The 1797 images are those of scikit-learn, the test part of UCI's *Optical Recognition of Handwritten Digits*
(E. Alpaydin and C. Kaynak, 1998, CC BY 4.0, see `data/README.md`). They come from thirteen writers and lie in fourteen
runs of about 130 digits, form after form. Held out at random, one image in five, a digit is new but its writer is not
("images"). Held out as the last three forms, most of the writers are new as well, and the digits are harder to read
("forms").
"""

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from attnref._checks import check_at_least, check_axes, check_choice, check_floating, check_int, check_same_size

SIZES = (8, 28)
SPLITS = ("images", "forms")


def is_held_out(split: str = "images") -> Tensor:
    """Which of the 1797 images are kept from training, (1797,), True = held out.

    Examples:
        >>> from attnref.tasks.digits_data import is_held_out
        >>> int(is_held_out("images").sum()), int(is_held_out("forms").sum())
        (360, 382)
    """
    check_choice("digits_data.is_held_out", "split", split, SPLITS)
    if split == "forms":
        return torch.arange(1797) >= 1415
    chosen = torch.randperm(1797, generator=torch.Generator().manual_seed(0))[:360]
    return torch.zeros(1797, dtype=torch.bool).index_fill(0, chosen, True)


def training_digits(size: int = 8, split: str = "images") -> tuple[Tensor, Tensor]:
    """The images to learn from, (n, size, size), from 0 for paper to 1 for ink, and which digits they show."""
    check_images("digits_data.training_digits", size, split)
    images, digits = _digits()
    return enlarge(images[~is_held_out(split)], size), digits[~is_held_out(split)]


def held_out_digits(size: int = 8, split: str = "images") -> tuple[Tensor, Tensor]:
    """The images that are for measuring alone, (n, size, size), and which digits they show."""
    check_images("digits_data.held_out_digits", size, split)
    images, digits = _digits()
    return enlarge(images[is_held_out(split)], size), digits[is_held_out(split)]


def training_batches(steps: int, batch: int, seed: int, split: str = "images") -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of 8 x 8 images, each image moved by up to one pixel; every image comes once before any comes again."""
    generator = torch.Generator().manual_seed(seed)
    images, digits = training_digits(split=split)
    padded, order = nn.functional.pad(images, (1, 1, 1, 1)), torch.empty(0, dtype=torch.long)
    rows = torch.arange(8)
    for _ in range(steps):
        if len(order) < batch:
            order = torch.cat((order, torch.randperm(len(images), generator=generator)))
        chosen, order = order[:batch], order[batch:]
        down, right = torch.randint(3, (2, batch, 1), generator=generator)  # 1 leaves the image where it is
        yield padded[chosen[:, None, None], (rows + down)[:, :, None], (rows + right)[:, None, :]], digits[chosen]


def enlarge(images: Tensor, size: int) -> Tensor:
    """Enlarge 8 x 8 images to the size asked for; pixels in between come from their neighbors (bilinear)."""
    check_images("digits_data.enlarge", size)
    if size == 8:
        return images
    return nn.functional.interpolate(images[:, None], size=(size, size), mode="bilinear")[:, 0]


def check_images(who: str, size: int, split: str = "images") -> None:
    """There are images of this size, and there is such a split."""
    check_int(who, size=size)
    if size not in SIZES:
        raise ValueError(f"{who}: size must be one of {', '.join(map(str, SIZES))}, got {size!r}.")
    check_choice(who, "split", split, SPLITS)


def check_pixels(who: str, images: Tensor, size: int, **weights: Tensor) -> None:
    """The images are (batch, size, size), in the dtype of the weights beside them."""
    check_axes(who, "images", images, f"(batch, {size}, {size})", exactly=3)
    if images.shape[1:] != (size, size):
        raise ValueError(f"{who}: images must be (batch, {size}, {size}), got shape {tuple(images.shape)}.")
    check_floating(who, images=images, **weights)


def check_digits(who: str, images: Tensor, digits: Tensor) -> None:
    """There is at least one image, and one digit for each."""
    check_at_least(who, 1, images=len(images))
    check_same_size(who, "batch", images=(images, 0), digits=(digits, 0))


@functools.cache
def _digits() -> tuple[Tensor, Tensor]:
    """All images, (1797, 8, 8), from 0 to 1, and which digits they show, (1797,)."""
    with np.load(Path(__file__).with_name("data") / "digits.npz") as file:
        return torch.from_numpy(file["images"]).float() / 16, torch.from_numpy(file["digits"]).long()
