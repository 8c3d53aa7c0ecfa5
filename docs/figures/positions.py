"""Embeddings and positions: their sum with numbers, the waves of the sinusoids, and how alike two positions are."""

import torch
from _kit import PAPER, Canvas, ink
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from attnref import sinusoidal_positions
from attnref.plot.styles import current_scheme

TABLE = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
WORDS = ["dog", "bites", "man"]


def steps(narrow: bool = False) -> Figure:
    """Look up, scale, add the position: the matrices of the page, with their numbers and shapes."""
    scaled, positions = TABLE * 4**0.5, sinusoidal_positions(3, 4)
    if narrow:
        c, cell = Canvas(372, narrow=True), (36.0, 19.0)
        at = {"E": (64, 54), "P": (64, 182), "x": (64, 300)}
        rings = [(4, 14), (4, 142), (4, 262)]
    else:
        c, cell = Canvas(154), (32.0, 21.0)
        at = {"E": (46, 68), "P": (204, 68), "x": (350, 68)}
        rings = [(4, 16), (192, 16), (338, 16)]
    words = ("Look up, times √d_model", "Add the position", "Input")
    for count, ((x, y), text) in enumerate(zip(rings, words, strict=True), 1):
        c.step(count, x, y, text)
    embedded = c.matrix(*at["E"], scaled, name="2 · embedding", shape="(3, d_model = 4)", rows=WORDS, cell=cell)
    rows = ["0", "1", "2"]
    where = c.matrix(*at["P"], positions, name="positions", shape="(3, 4)", rows=rows, cell=cell, digits=2)
    result = c.matrix(
        *at["x"], scaled + positions, name="x", shape="(3, 4)", rows=WORDS if narrow else (), cell=cell, digits=2
    )
    if narrow:
        c.text(18, where.middle[1], "+", size=1.3)
        c.text(18, result.middle[1], "=", size=1.3)
    else:
        c.text((embedded.right[0] + where.left[0]) / 2 - 6, where.middle[1], "+", size=1.3)
        c.sign(where, result, "=")
    return c.figure


def waves(narrow: bool = False) -> Figure:
    """The encodings of 64 positions, one row each: from fast waves to columns that hardly change."""
    figure = Figure(figsize=(3.58, 3.9) if narrow else (6.7, 3.9), layout="constrained")
    ax = figure.add_subplot()
    image = ax.pcolormesh(sinusoidal_positions(64, 32), cmap=_diverging(), vmin=-1, vmax=1, rasterized=True)
    ax.set(xlabel="column", ylabel="position", yticks=(0.5, 16.5, 32.5, 48.5), yticklabels=(0, 16, 32, 48))
    ax.set(xticks=(0.5, 8.5, 16.5, 24.5, 31.5), xticklabels=(0, 8, 16, 24, 31))
    ax.invert_yaxis()
    ax.grid(False)
    bar = figure.colorbar(image, ticks=(-1, 0, 1), shrink=0.7)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    return figure


def similarity(narrow: bool = False) -> Figure:
    """The cosine between two positions: all pairs of 64, and against the distance."""
    figure = Figure(figsize=(3.58, 6.0) if narrow else (6.7, 3.1), layout="constrained")
    left, right = figure.subplots(2, 1, height_ratios=(1.25, 1)) if narrow else figure.subplots(1, 2)
    positions = sinusoidal_positions(64, 32, dtype=torch.float64)
    left.pcolormesh(positions @ positions.T / 16, cmap=_diverging(), vmin=-1, vmax=1, rasterized=True)
    left.set(xlabel="position", ylabel="position", aspect="equal", title="cosine, d_model = 32")
    left.set(xticks=(0.5, 16.5, 32.5, 48.5), xticklabels=(0, 16, 32, 48))
    left.set(yticks=(0.5, 16.5, 32.5, 48.5), yticklabels=(0, 16, 32, 48))
    left.invert_yaxis()
    left.grid(False)
    for d_model, color, dashes in ((32, "C1", "--"), (512, "C0", "-")):
        many = sinusoidal_positions(400, d_model, dtype=torch.float64)
        right.plot(many @ many[0] / (d_model / 2), dashes, color=color, label=f"d_model = {d_model}")
    right.set(ylim=(0, 1.02), xlim=(0, 400), xlabel="distance", title="cosine")
    right.legend(loc="upper right")
    return figure


def _diverging() -> LinearSegmentedColormap:
    """From the color of keys through the paper to that of queries."""
    return LinearSegmentedColormap.from_list("signed", [ink("key"), PAPER[current_scheme()], ink("query")])
