"""DALL·E: one sequence under one causal mask, an image token by token, reranking, and the sparse masks of the paper."""

from functools import cache

import numpy as np
import torch
from _kit import Canvas, Role, ink
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from attnref import causal_mask
from attnref.models import DALLE, rerank
from attnref.plot.styles import FAINT, INK, MUTED, current_scheme
from attnref.tasks import load
from attnref.tasks.digit_artist import Drawn
from attnref.tasks.digits_from_names_data import encode

WORDS, CODES, GRID = ("a", "blue", "cup"), (7, 2, 2, 5, 5, 1), (2, 3)
N_TEXT, N_IMAGE = len(WORDS), len(CODES)
START = "start"
PHRASE, CANDIDATES, BEST = "three, thick", 8, 3


def sequence(narrow: bool = False) -> Figure:
    """What the model reads, which score is read where, and the four quadrants of the mask."""
    c = Canvas(435 if narrow else 377, narrow=narrow)
    bottom = _stream(c)
    _quadrants(c, bottom + 14)
    return c.figure


def _stream(c: Canvas) -> float:
    """The sequence below, the decoder above it, and above that the token that each output scores."""
    n = N_TEXT + 1 + N_IMAGE
    wide = c.width / n
    box, high = wide - (2.0 if c.narrow else 6.0), 20.0
    muted = MUTED[current_scheme()]
    scored = [*WORDS, "", *map(str, CODES)]
    read = [START, *WORDS, START, *map(str, CODES[:-1])]
    top = 26.0
    decoder, below = top + high + 20, top + high + 66
    c.text(0, 9, "scores of the next token", ha="left", color=muted)
    c.box(1, decoder, c.width - 2, 26, "decoder, causal mask", weight="bold")
    for k in range(n):
        x = k * wide + (wide - box) / 2
        middle = x + box / 2
        role: Role = "query" if k <= N_TEXT else "key"
        c.box(x, below, box, high, read[k], role=role, size=0.9)
        c.arrow((middle, below - 1), (middle, decoder + 28))
        if scored[k]:
            c.box(x, top, box, high, scored[k], role="query" if k < N_TEXT else "key", size=0.9)
            c.arrow((middle, decoder - 1), (middle, top + high + 2))
        else:
            c.text(middle, top + high / 2, "unused", size=0.82, color=muted, rotation=90 if c.narrow else 0)
    brackets: tuple[tuple[str, int, int, Role], ...] = (
        ("text", 0, N_TEXT + 1, "query"),
        ("image tokens, row by row", N_TEXT + 1, n, "key"),
    )
    for words, first, end, role in brackets:
        y = below + high + 7
        c.line((first * wide + 4, y), (end * wide - 4, y), role=role, width=1.2)
        c.text((first + end) * wide / 2, y + 12, words, role=role, weight="bold")
    return below + high + 26


def _quadrants(c: Canvas, y: float) -> None:
    """The attention weights of a head, with text and image told apart on both sides."""
    weights = _weights()
    n, cut = len(weights), N_TEXT + 1
    cell = (19.0, 15.0) if c.narrow else (20.0, 17.0)
    left, top = (52.0, y + 25) if c.narrow else (64.0, y + 25)
    c.matrix(left, top, weights, role="weights", cell=cell, digits=-1, hidden=~causal_mask(n).numpy(), most=0.5)
    w, h = cell
    sides: tuple[tuple[int, int, Role, str], ...] = ((0, cut, "query", "text"), (cut, n, "key", "image"))
    for first, end, role, words in sides:
        middle = (first + end) / 2
        c.text(left + middle * w, top - 13, f"keys: {words}", role=role)
        c.text(left - 8, top + middle * h, words, role=role, ha="right")
        c.line((left - 4, top + first * h + 2), (left - 4, top + end * h - 2), role=role, width=2.4)
        c.line((left + first * w + 2, top - 3), (left + end * w - 2, top - 3), role=role, width=2.4)
    for x0, y0, x1, y1 in ((cut, 0, cut, n), (0, cut, n, cut)):
        c.line((left + x0 * w, top + y0 * h), (left + x1 * w, top + y1 * h), width=2.0)
    told = (
        ("text to text", "the words so far"),
        ("text to image", "masked, since it comes later"),
        ("image to text", "all of it, as in cross-attention"),
        ("image to image", "what is drawn so far"),
    )
    for k, (which, how) in enumerate(told):
        if c.narrow:
            at = (0, top + n * h + 20 + 18 * k)
            c.text(*at, f"{which}: {how}", ha="left")
        else:
            x, at = left + n * w + 24, top + 16 + 42 * k
            c.text(x, at, which, ha="left", weight="bold")
            c.text(x, at + 16, how, ha="left")


@cache
@torch.no_grad()
def _weights() -> Tensor:
    """Of one head of a model with random weights, drawn wide enough to differ."""
    torch.manual_seed(2)
    model = DALLE(8, 8, n_text=N_TEXT, grid=GRID, d_model=16, num_heads=1, d_ff=16, num_layers=1)
    for table in model.embed.parameters():
        nn.init.normal_(table, std=1.4)
    text, image_tokens = torch.arange(N_TEXT)[None], torch.tensor([CODES])
    layers = model(text, image_tokens, return_weights=True).weights
    assert layers is not None
    return layers[0][0, 0]


def drawing(narrow: bool = False) -> Figure:
    """An image of a trained model, four tokens at a time; and eight images of the phrase, the best scored first."""
    drawn, scores = _drawn()
    c = Canvas(278 if narrow else 226, narrow=narrow)
    side, pitch = (42.0, 53.5) if narrow else (66.0, 100.0)
    c.step(1, 0, 12, f"write: {PHRASE}")
    first = (c.width - 4 * pitch - side) / 2
    for k in range(5):
        x, y = first + k * pitch, 30.0
        picture(c, drawn.images[0], x, y, side, written=4 * k)
        words = f"{4 * k} of 16" if narrow else f"{4 * k} of 16 tokens"
        c.text(x + side / 2, y + side + 12, words, size=0.9)
        if k:
            c.arrow((x - pitch + side + 3, y + side / 2), (x - 3, y + side / 2))
    below = 30 + side + 40
    c.step(2, 0, below, f"rerank: {CANDIDATES} images, the best {BEST} are kept")
    best = rerank(drawn.images[None], scores[None], CANDIDATES)
    each = 4 if narrow else 8
    side, pitch = (46.0, 62.0) if narrow else (48.0, 60.0)
    first = (c.width - (each - 1) * pitch - side) / 2
    for k, (image, score) in enumerate(zip(best.candidates[0], best.scores[0].tolist(), strict=True)):
        x, y = first + k % each * pitch, below + 18 + k // each * (side + 30)
        picture(c, image, x, y, side)
        if k < BEST:
            c.ax.add_patch(Rectangle((x - 2, y - 2), side + 4, side + 4, fc="none", ec=ink("value"), lw=2.4))
        c.text(x + side / 2, y + side + 13, f"{score:.1f}", role="value" if k < BEST else "plain", size=0.9)
    c.ax.set(xlim=(0, c.width), ylim=(c.height, 0))
    return c.figure


def picture(c: Canvas, image: Tensor, x: float, y: float, side: float, written: int = 16) -> None:
    """A digit in ink, without the patches that are not written yet, and a grid of the patches while there are such."""
    shown, scheme = np.empty((*image.shape, 4)), current_scheme()
    shown[..., :3], shown[..., 3] = to_rgb(INK[scheme]), 0.92 * image.numpy()
    for k in range(written, 16):
        row, column = 2 * (k // 4), 2 * (k % 4)
        shown[row : row + 2, column : column + 2, 3] = 0
    c.ax.imshow(shown.round(2), extent=(x, x + side, y + side, y), interpolation="none", aspect="auto")
    if written < 16:
        for k in range(1, 4):
            at = side * k / 4
            c.ax.plot((x + at, x + at), (y, y + side), color=FAINT[scheme], lw=0.6)
            c.ax.plot((x, x + side), (y + at, y + at), color=FAINT[scheme], lw=0.6)
    c.ax.add_patch(Rectangle((x, y), side, side, fc="none", ec=MUTED[scheme], lw=0.8))


@cache
def _drawn() -> tuple[Drawn, Tensor]:
    """Eight images of the phrase at temperature 1, and the scorer's scores of them."""
    artist = load("digits_from_names")
    drawn = artist.draw([PHRASE] * CANDIDATES, generator=torch.Generator().manual_seed(0))
    return drawn, artist.scorer.score(drawn.images, encode([PHRASE])[0])


def masks(narrow: bool = False) -> Figure:
    """Dense, row, column and convolutional masks over four text tokens and sixteen image tokens."""
    n_text, side, n = 4, 4, 20
    size = 5.6 if narrow else 5.3
    pitch = (c_width := 258.0 if narrow else 482.0) / (2 if narrow else 4)
    high = n * size
    c = Canvas(2 * (high + 40) + 20 if narrow else high + 52, narrow=narrow)
    assert c.width == c_width
    for number, name in enumerate(("dense", "row", "column", "convolution")):
        column, row = (number % 2, number // 2) if narrow else (number, 0)
        x, y = column * pitch + (pitch - high) / 2, 24 + row * (high + 40)
        mask = causal_mask(n)
        if name != "dense":
            mask[n_text:, n_text:] &= image_mask(name, side, side)
        c.text(x + high / 2, y - 11, name, weight="bold")
        for i in range(n):
            for first, end, inside in _runs(mask[i].tolist(), n_text):
                role: Role = "weights" if not inside and i >= n_text else "query" if i < n_text else "key"
                corner, color = (x + first * size, y + i * size), to_rgb(ink(role))
                c.ax.add_patch(Rectangle(corner, (end - first) * size, size, fc=(*color, 0.6), ec="none"))
        faint = FAINT[current_scheme()]
        c.ax.add_patch(Rectangle((x, y), high, high, fc="none", ec=MUTED[current_scheme()], lw=0.8))
        for at in range(n_text, n, side):  # rows of the image
            c.ax.plot((x, x + high), (y + at * size,) * 2, color=faint, lw=0.5)
            c.ax.plot((x + at * size,) * 2, (y, y + high), color=faint, lw=0.5)
    parts: tuple[tuple[str, Role], ...] = (
        ("text to text", "query"),
        ("image to text", "key"),
        ("image to image", "weights"),
    )
    spread = 86.0 if narrow else 130.0
    for k, (words, role) in enumerate(parts):
        c.text(c.width / 2 + (k - 1) * spread, c.height - 11, words, role=role, size=0.9)
    return c.figure


def image_mask(kind: str, n: int, m: int) -> Tensor:
    """Which of n · m image tokens attends to which, as on the page: True = may attend."""
    i = torch.arange(n * m)
    back = i[:, None] - i
    near = (back <= 1) | ((back - m).abs() <= 1)
    return {"row": back <= m, "column": back % m == 0, "convolution": near}[kind] & (back >= 0)


def _runs(row: list[bool], cut: int) -> list[tuple[int, int, bool]]:
    """Where the row is True without a gap: first, end, and whether among the text's keys."""
    runs, first = [], None
    for j, here in enumerate([*row, False]):
        if first is not None and (not here or j == cut):
            runs.append((first, j, first < cut))
            first = None
        if here and first is None:
            first = j
    return runs
