"""Patches of an image, and the grid that they form (Dosovitskiy et al. 2020, section 3)."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnref._checks import check_at_least, check_axes, check_choice, check_floating
from attnref._numerics import at_least_float32
from attnref.models._images import check_divides, check_images, pair


class PatchEmbedding(nn.Module):
    r"""Cut images into patches that do not overlap, and project each to a vector.

    $$ x_i = W\, \operatorname{flatten}(\text{patch}_i) + b $$

    A convolution whose stride is its kernel size does both: each of its d_model filters gives one number a patch.
    The patches are in reading order, row by row from the top left.

    Args:
        channels: Number of channels of the images, 3 for RGB.
        d_model: Size of each vector.
        patch: Height and width of a patch, in pixels; one number for a square.

    Raises:
        TypeError: A size is not an int, or the patch neither an int nor a pair of ints.
        ValueError: A size is less than one.

    Examples:
        >>> import torch
        >>> from attnref.models import PatchEmbedding
        >>> PatchEmbedding(channels=3, d_model=64, patch=16)(torch.randn(2, 3, 48, 48)).shape  # 9 patches each
        torch.Size([2, 9, 64])

    Source:
        Dosovitskiy et al. 2020, *An Image is Worth 16x16 Words*, [arXiv:2010.11929](https://arxiv.org/abs/2010.11929),
        section 3.1, equation 1.
    """

    def __init__(self, channels: int, d_model: int, patch: int | tuple[int, int]) -> None:
        check_at_least("PatchEmbedding", 1, channels=channels, d_model=d_model)
        super().__init__()
        self.channels, self.d_model = channels, d_model
        self.patch = pair("PatchEmbedding", "patch", patch)
        self.proj = nn.Conv2d(channels, d_model, self.patch, stride=self.patch)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch n d_model"]:
        """Embed the patches.

        Args:
            images: Their height and width divide by those of a patch.

        Returns:
            One vector for each patch.

        Raises:
            TypeError: The images and the weights are not of one floating dtype.
            ValueError: The images are not (batch, channels, height, width), or do not divide into patches.
        """
        check_images("PatchEmbedding", images, self.proj)
        check_divides("PatchEmbedding", images.shape[-2:], self.patch)

        x = self.proj(images)  # (batch, d_model, rows, columns)
        return x.flatten(2).transpose(1, 2)  # (batch, n, d_model)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.proj.reset_parameters()


def resize_positions(
    positions: Float[Tensor, "n d_model"],
    grid: int | tuple[int, int],
    new_grid: int | tuple[int, int],
    *,
    mode: Literal["bicubic", "bilinear"] = "bicubic",
) -> Float[Tensor, "n_new d_model"]:
    r"""Interpolate learned positions from one grid of patches to another: for images of another size.

    Each number of the vectors is taken as a picture of rows by columns and resized. A row of positions beyond the grid,
    the class token's, comes first and is kept.

    Args:
        positions: One vector for each patch, row by row; before them that of the class token, if there is one.
        grid: Rows and columns of patches of the images that the positions were learned from; one number for a square.
        new_grid: Rows and columns of patches of the new images.
        mode: "bicubic" as Hugging Face does, or "bilinear". The paper says "2D interpolation".

    Returns:
        One vector for each patch of the new grid, after the class token's if there was one.

    Raises:
        TypeError: The positions are not floating point, or a grid is not a pair of ints.
        ValueError: The positions are not those of the grid, a size is less than one, or there is no such mode.

    Examples:
        >>> import torch
        >>> from attnref.models import resize_positions
        >>> resize_positions(torch.randn(1 + 9, 64), (3, 3), (4, 6)).shape
        torch.Size([25, 64])

    Source:
        Dosovitskiy et al. 2020, *An Image is Worth 16x16 Words*, [arXiv:2010.11929](https://arxiv.org/abs/2010.11929),
        section 3.2.
    """
    who = "resize_positions"
    (rows, columns), new_grid = pair(who, "grid", grid), pair(who, "new_grid", new_grid)
    check_choice(who, "mode", mode, ("bicubic", "bilinear"))
    check_axes(who, "positions", positions, "(n, d_model)", exactly=2)
    check_floating(who, positions=positions)
    extra = positions.shape[0] - rows * columns
    if extra not in (0, 1):
        rule = f"positions must be one for each of the {rows} x {columns} patches, and one for a class token if any"
        raise ValueError(f"{who}: {rule}, got {positions.shape[0]}.")

    table = at_least_float32(positions[extra:]).T.unflatten(1, (rows, columns))  # (d_model, rows, columns)
    table = nn.functional.interpolate(table[None], new_grid, mode=mode)[0]  # (d_model, new_rows, new_columns)
    return torch.cat((positions[:extra], table.flatten(1).T.to(positions.dtype)))  # (n_new, d_model)
