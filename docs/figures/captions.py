"""Captions of digits: where the trained reader looks for each word; and what 196 positions are on a photograph.

The photograph comes with scikit-learn: china.jpg, by danielbuechele, CC BY 2.0.
"""

import numpy as np
import torch
from _kit import Block, Canvas, ink
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from attnref.plot.styles import INK, MUTED, current_scheme
from attnref.tasks import device, load
from attnref.tasks.captions_data import BEGIN, GRID, WRITTEN, Picture, held_out_pictures

X, WHITE = "\N{MULTIPLICATION SIGN}", "#ffffff"


def words(narrow: bool = False) -> Figure:
    """The first two held-out pictures with captions of five words, once for each word, its attention over them."""
    pictures = [picture for picture in held_out_pictures(20) if len(picture.corners) == 5][:2]
    columns, side, gap = (3, 78.0, 10.0) if narrow else (6, 74.0, 6.4)
    pitch = side + 36
    rows = 6 // columns * len(pictures)
    c = Canvas(rows * pitch + (16 if narrow else 4), narrow=narrow)
    left = (c.width - columns * side - (columns - 1) * gap) / 2
    for number, picture in enumerate(pictures):
        said, maps = _looked_at(picture)
        for index, (word, weights) in enumerate(zip(said, maps, strict=True)):
            row, column = divmod(index, columns)
            x = left + column * (side + gap)
            y = 4 + (row + number * (6 // columns)) * pitch + (12 if narrow else 0) * number
            shown = _panel(c, picture, weights, x, y, side)
            c.text(shown.bottom[0], y + side + 11, "end" if word == "<end>" else word, weight="bold")
            if index < len(picture.corners) and picture.corners[index]:
                share = weights[picture.cells()[index]].sum()
                _outline(c, picture, index, shown)
                c.text(shown.bottom[0], y + side + 24, f"{100 * share:.0f} % inside", role="weights", size=0.86)
    return c.figure


def grid(narrow: bool = False) -> Figure:
    """A photograph of 448 x 448 pixels under a grid of 14 x 14, and what one of its positions is made of."""
    side = 236.0
    c = Canvas(side + 118 if narrow else side + 26, narrow=narrow)
    x, y = ((c.width - side) / 2 if narrow else 6.0), 22.0
    pixels = _photograph()
    _paint(c, nn.functional.interpolate(pixels[None], (300, 300), mode="area")[0], x, y, side)
    cell, row, column = side / GRID, 6, 6
    for k in range(GRID + 1):
        c.ax.plot((x + k * cell, x + k * cell), (y, y + side), color=WHITE, lw=0.5, alpha=0.8)
        c.ax.plot((x, x + side), (y + k * cell, y + k * cell), color=WHITE, lw=0.5, alpha=0.8)
    corner = (x + column * cell, y + row * cell)
    c.ax.add_patch(Rectangle(corner, cell, cell, fc="none", ec=ink("weights"), lw=2.4, zorder=3))
    c.text(x + side / 2, y - 11, f"448 {X} 448 pixels: 14 {X} 14 positions", weight="bold")

    patch = pixels[:, 32 * row : 32 * (row + 1), 32 * column : 32 * (column + 1)]
    if narrow:
        near, small = Block(12, y + side + 34, 52, 52), 15.0
    else:
        near, small = Block(x + side + 44, y + 22, 78, 78), 15.0
    _paint(c, patch, near.x, near.y, near.w)
    c.ax.add_patch(Rectangle((near.x, near.y), near.w, near.h, fc="none", ec=ink("weights"), lw=1.6, zorder=3))
    start = (corner[0] + cell / 2, corner[1] + cell) if narrow else (corner[0] + cell, corner[1] + cell / 2)
    if narrow:
        c.path(
            [start, (start[0], y + side + 12), (near.top[0], y + side + 12), (near.top[0], near.y - 1)], role="weights"
        )
    else:
        c.path(
            [start, (x + side + 22, start[1]), (x + side + 22, near.middle[1]), (near.x - 1, near.middle[1])],
            role="weights",
        )
    lines = (
        f"One position: 32 {X} 32 pixels,",
        "read by ResNet-101 with",
        "their surroundings as a",
        "vector of 2048 numbers.",
    )
    for index, line in enumerate(lines):
        at = (near.right[0] + 12, near.y + 4 + index * small) if narrow else (near.x, near.y + near.h + 20 + index * 17)
        c.text(*at, line, ha="left", size=0.95)
    last = (near.right[0] + 12, near.y + 6 + 4 * small) if narrow else (near.x, near.y + near.h + 28 + 4 * 17)
    c.text(*last, "Each word weighs all 196.", ha="left", role="weights", weight="bold", size=0.95)
    return c.figure


@torch.no_grad()
def _looked_at(picture: Picture) -> tuple[list[str], Tensor]:
    """What the shipped reader writes, the end included, and the map of each word, (n_words + 1, 14, 14)."""
    reader = load("captions", device=device())
    said = reader(picture.image).caption.split()
    fed = torch.tensor([[BEGIN, *map(WRITTEN.index, said)]], device=device())
    return [*said, "<end>"], reader.weights(reader.encode([picture.image]), fed)[0].cpu()


def _panel(c: Canvas, picture: Picture, weights: Tensor, x: float, y: float, side: float) -> Block:
    """The picture in ink, and over it the weights as a glow, equally strong at its maximum in every panel."""
    glow = _smooth(weights)
    _lay(c, 0.6 * picture.image[0].numpy(), INK[current_scheme()], x, y, side)
    _lay(c, 0.9 * glow / glow.max(), ink("weights", fill=True), x, y, side)
    c.ax.add_patch(Rectangle((x, y), side, side, fc="none", ec=MUTED[current_scheme()], lw=0.8))
    return Block(x, y, side, side)


def _outline(c: Canvas, picture: Picture, index: int, block: Block) -> None:
    """The cell of the digit that a word names."""
    at = picture.cells()[index].nonzero()
    (top, left), (bottom, right) = at.min(0).values.tolist(), at.max(0).values.tolist()
    one = block.w / GRID
    corner = (block.x + left * one, block.y + top * one)
    size = ((right - left + 1) * one, (bottom - top + 1) * one)
    c.ax.add_patch(Rectangle(corner, *size, fc="none", ec=ink("weights"), lw=1.0, ls=(0, (3, 2))))


def _smooth(weights: Tensor, times: int = 10) -> np.ndarray:
    """A map enlarged with a Gaussian of 0.9 positions, so that a few positions look like the region they are."""
    large = weights.repeat_interleave(times, 0).repeat_interleave(times, 1)
    at = torch.arange(-3 * times, 3 * times + 1)
    bell = torch.exp(-((at / (0.9 * times)) ** 2) / 2)
    kernel = (bell / bell.sum())[:, None] * (bell / bell.sum())
    return nn.functional.conv2d(large[None, None], kernel[None, None], padding=3 * times)[0, 0].numpy()


def _lay(c: Canvas, alpha: np.ndarray, color: str, x: float, y: float, side: float) -> None:
    """One color, as opaque as the numbers say."""
    image = np.empty((*alpha.shape, 4))
    image[..., :3], image[..., 3] = to_rgb(color), alpha
    c.ax.imshow(image, extent=(x, x + side, y + side, y), interpolation="none", aspect="auto", zorder=1)
    c.ax.set(xlim=(0, c.width), ylim=(c.height, 0))


def _photograph() -> Tensor:
    """A square of the photograph, (3, 448, 448), from 0 to 1."""
    from sklearn.datasets import load_sample_image

    pixels = torch.tensor(load_sample_image("china.jpg")).movedim(-1, 0) / 255  # (3, 427, 640)
    square = pixels[None, :, 10:420, 0:410]
    return nn.functional.interpolate(square, (448, 448), mode="bilinear", antialias=True)[0].clamp(0, 1)


def _paint(c: Canvas, pixels: Tensor, x: float, y: float, side: float) -> None:
    """Pixels (3, height, width) as a square of the canvas."""
    c.ax.imshow(pixels.movedim(0, -1).numpy(), extent=(x, x + side, y + side, y), interpolation="none", aspect="auto")
    c.ax.set(xlim=(0, c.width), ylim=(c.height, 0))
