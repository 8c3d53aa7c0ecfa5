"""Digits drawn from their names: a sheet of them, beside real ones, growing, their nearest training images, styles."""

from functools import cache

import numpy as np
import torch
from _kit import Canvas, Role, ink
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from attnref.plot.styles import FAINT, INK, MUTED, current_scheme
from attnref.tasks import digit_drawings, digits_data, load
from attnref.tasks.digit_artist import DigitArtist, Drawn
from attnref.tasks.digits_from_names_data import NAMES, STYLES, spread
from attnref.tasks.digits_from_names_data import ink as amount_of_ink

PHRASE = "three, thick"


def sheet(narrow: bool = False) -> Figure:
    """The first drawings of each name, at temperature 1; none is left out."""
    count, side, gap = (6, 29.6, 3.7) if narrow else (12, 30.4, 3.8)
    drawn = _drawn(tuple(name for name in NAMES for _ in range(12))).images.unflatten(0, (10, 12))
    c = Canvas(10 * (side + gap) + 4, narrow=narrow)
    left = c.width - count * (side + gap)
    for row, (name, images) in enumerate(zip(NAMES, drawn, strict=True)):
        y = 2 + row * (side + gap)
        c.text(left - 10, y + side / 2, name, ha="right", weight="bold")
        _paint(c, images[:count], left, y, side)
    return c.figure


def beside(narrow: bool = False) -> Figure:
    """Of each name: real digits that were held out, the same from their tokens, and drawings."""
    count, side, gap = (2, 25.6, 3.2) if narrow else (4, 25.6, 3.2)
    images, digits = digits_data.held_out_digits()
    artist: DigitArtist = load("digits_from_names")
    drawn = _drawn(tuple(name for name in NAMES for _ in range(12))).images.unflatten(0, (10, 12))
    c = Canvas(10 * (side + gap) + 24, narrow=narrow)
    block = count * (side + gap)
    between = (c.width - 46 - 3 * block) / 2.2
    for column, title in enumerate(("real", "from tokens", "drawn")):
        c.text(46 + column * (block + between) + (block - gap) / 2, 9, title, weight="bold")
    for row, name in enumerate(NAMES):
        y = 22 + row * (side + gap)
        c.text(38, y + side / 2, name, ha="right")
        real = images[digits == row][:count]
        for column, some in enumerate((real, artist.decode(artist.tokens(real)), drawn[row, :count])):
            _paint(c, some, 46 + column * (block + between), y, side)
    return c.figure


def growing(narrow: bool = False) -> Figure:
    """A drawing token by token, and what each token attended to, mean over layers and heads."""
    artist: DigitArtist = load("digits_from_names")
    drawn = _drawn((PHRASE,))
    looked = digit_drawings.text_attention(artist, [PHRASE], drawn.tokens).mean((0, 1))  # (16, 5)
    columns, side, pitch = (4, 52.0, 61.0) if narrow else (8, 50.0, 59.0)
    rows, legend = 16 // columns, 34.0 if narrow else 20.0
    c = Canvas(rows * (side + 24) + legend + 4, narrow=narrow)
    left = (c.width - columns * pitch + pitch - side) / 2
    colors = {
        "three": ink("query"),
        "thick": ink("key"),
        "tokens before": ink("value"),
        "starts": FAINT[current_scheme()],
    }
    parts = torch.stack((looked[:, 1], looked[:, 2], looked[:, 4], looked[:, 0] + looked[:, 3]), dim=1)
    for step in range(16):
        x, y = left + step % columns * pitch, 2 + step // columns * (side + 24)
        known = torch.zeros(16)
        known[: step + 1] = 1
        seen = known.reshape(4, 4).repeat_interleave(2, 0).repeat_interleave(2, 1)
        _paint(c, drawn.images * seen, x, y, side)
        cell = side / 4
        corner = (x + step % 4 * cell, y + step // 4 * cell)
        c.ax.add_patch(Rectangle(corner, cell, cell, fc="none", ec=ink("weights"), lw=1.6, zorder=3))
        at = x
        for color, share in zip(colors.values(), parts[step].tolist(), strict=True):
            c.ax.add_patch(Rectangle((at, y + side + 5), round(share, 3) * side, 9, fc=color, lw=0))
            at += round(share, 3) * side
    y = c.height - legend + 8
    x, per_row = left, 2 if narrow else 4
    for number, (what, color) in enumerate(colors.items()):
        if number % per_row == 0:
            x, y = left, y + (15 if number else 0)
        c.ax.add_patch(Rectangle((x, y - 4.5), 9, 9, fc=color, lw=0))
        c.text(x + 14, y, what, ha="left")
        x += c.width / per_row - 8
    return c.figure


def attention(narrow: bool = False) -> Figure:
    """For each head the attention to the name, for each of the 16 tokens where it lies in the image."""
    artist: DigitArtist = load("digits_from_names")
    drawn = _drawn(tuple(name for name in NAMES for _ in range(12)))
    names = [name for name in NAMES for _ in range(12)]
    to_name = digit_drawings.text_attention(artist, names, drawn.tokens)[..., 1]  # (3, 4, 16)
    images, digits = digits_data.held_out_digits()
    matters = digit_drawings.effect_of_the_name(artist, artist.tokens(images), digits)
    side, gap, large = (46.0, 5.0, 92.0) if narrow else (62.0, 9.0, 100.0)
    c = Canvas(3 * (side + gap) + (large + 46 if narrow else 16), narrow=narrow)
    left = 46.0
    for head in range(4):
        c.text(left + head * (side + gap) + side / 2, 9, f"head {head + 1}", size=0.9)
    for layer in range(3):
        y = 20 + layer * (side + gap)
        c.text(left - 6, y + side / 2, f"layer {layer + 1}", ha="right", size=0.9)
        for head in range(4):
            _numbers(c, to_name[layer, head], left + head * (side + gap), y, side, "weights", float(to_name.max()))
    x, y = (left, 3 * (side + gap) + 42) if narrow else (c.width - large - 2, 20 + side + gap - 10)
    c.text(x + large / 2, y - 12, "nats at stake", weight="bold", size=0.95)
    _numbers(c, matters, x, y, large, "query", float(matters.max()))
    return c.figure


def nearest(narrow: bool = False) -> Figure:
    """The first drawing of each name, the training image nearest to it, and their distance; below, a held-out image."""
    drawn = _drawn(tuple(name for name in NAMES for _ in range(12))).images[::12]
    images, digits = digits_data.held_out_digits()
    real = torch.stack([images[digits == digit][0] for digit in range(10)])
    columns, side = (5, 36.0) if narrow else (10, 36.0)
    pitch = 9 / 8 * side
    bands, height = 10 // columns, 2 * (side + 3) + 20
    label = 44.0 if narrow else 68.0
    c = Canvas(2 * bands * height + 14, narrow=narrow)
    for which, (title, some) in enumerate((("drawn", drawn), ("held out", real))):
        found = digit_drawings.nearest(some)
        for digit in range(10):
            band, column = divmod(digit, columns)
            x, y = label + column * pitch, 2 + (which * bands + band) * height + 14 * which
            if column == 0:
                these = slice(digit, digit + columns)
                _paint(c, some[these], x, y, side)
                _paint(c, digits_data.training_digits()[0][found.numbers[these]], x, y + side + 3, side)
            c.text(x + side / 2, y + 2 * side + 13, f"{found.distances[digit]:.2f}", size=0.9)
            if column == 0:
                c.text(label - 6, y + side / 2, title, ha="right", weight="bold", size=0.95)
                c.text(label - 6, y + 1.5 * side + 3, "nearest", ha="right", size=0.95)
    return c.figure


def styles(narrow: bool = False) -> Figure:
    """Each name with each word of style, the best of 16 by the scorer, and what the rule measures."""
    columns, side = (5, 36.0) if narrow else (10, 36.0)
    pitch = 9 / 8 * side
    bands, label = 10 // columns, 52.0 if narrow else 66.0
    height = 4 * (side + 18) + 14
    c = Canvas(bands * height - 10, narrow=narrow)
    for row, word in enumerate(STYLES):
        images = _drawn(tuple(f"{name}, {word}" for name in NAMES), best_of=16).images
        measured = amount_of_ink(images) if row < 2 else spread(images)
        for digit in range(10):
            band, column = divmod(digit, columns)
            x, y = label + column * pitch, 2 + band * height + row * (side + 18) + (6 if row > 1 else 0)
            if column == 0:
                _paint(c, images[digit : digit + columns], x, y, side)
            c.text(x + side / 2, y + side + 8, f"{measured[digit]:.{1 if row < 2 else 2}f}", size=0.86)
            if column == 0:
                c.text(label - 6, y + side / 2, word, ha="right", weight="bold", size=0.95)
    return c.figure


@cache
def _drawn(phrases: tuple[str, ...], best_of: int = 1) -> Drawn:
    """Drawings of the shipped artist at temperature 1, from the seed 0."""
    return load("digits_from_names").draw(phrases, best_of=best_of, generator=torch.Generator().manual_seed(0))


def _paint(c: Canvas, images: Tensor, x: float, y: float, side: float) -> None:
    """Images (n, 8, 8) of ink in a row, each on a faint frame, an eighth of a side apart; one picture, to be small."""
    n = len(images)
    row = torch.nn.functional.pad(images, (0, 1)).movedim(0, 1).flatten(1)[:, :-1]  # (8, 9 n - 1)
    picture = np.empty((*row.shape, 4))
    picture[..., :3], picture[..., 3] = to_rgb(INK[current_scheme()]), 0.92 * row.numpy().round(2)
    extent = (x, x + (9 * n - 1) / 8 * side, y + side, y)
    c.ax.imshow(picture, extent=extent, interpolation="none", aspect="auto", zorder=1)
    frames = [Rectangle((x + 9 / 8 * side * k, y), side, side) for k in range(n)]
    c.ax.add_collection(PatchCollection(frames, fc="none", ec=FAINT[current_scheme()], lw=0.6, zorder=2))
    c.ax.set(xlim=(0, c.width), ylim=(c.height, 0))


def _numbers(c: Canvas, numbers: Tensor, x: float, y: float, side: float, role: Role, most: float) -> None:
    """Sixteen numbers as a grid of 4 x 4 squares, each the darker the larger, with digits where they can be read."""
    cell = side / 4
    for at, number in enumerate(numbers.tolist()):
        corner = (x + at % 4 * cell, y + at // 4 * cell)
        alpha = min(1.0, max(0.0, round(number / most, 3)))
        c.ax.add_patch(Rectangle(corner, cell, cell, fc=(*to_rgb(ink(role, fill=True)), 0.9 * alpha), lw=0))
        if cell > 20:
            c.text(corner[0] + cell / 2, corner[1] + cell / 2, f"{number:.1f}", size=0.8)
    c.ax.add_patch(Rectangle((x, y), side, side, fc="none", ec=MUTED[current_scheme()], lw=0.8))
