"""Queries, keys, values: the soft dictionary, kernel regression at three bandwidths, and a graph of tokens."""

import numpy as np
import torch
from _kit import Canvas
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from attnref import masked_softmax, plot, scaled_dot_product_attention
from attnref.tasks import device, load

FRUITS = {"apple": [1.0, 0.0], "pear": [0.0, 1.0], "plum": [-1.0, -1.0]}  # the soft dictionary of the page
TIMES = "\N{MULTIPLICATION SIGN}"
PRICES, QUINCE = [2.0, 4.0, 9.0], [1.0, 0.5]
BANDWIDTHS, POINTS, ASKED = (0.05, 0.4, 2.0), 40, 2.0
TEXT, MIN_WEIGHT, GROUPS = "4 nov. 2001", 0.05, [0, 0, 0, 0, None, 1, 1, None, 2, 2]  # year, month, day of an ISO date


def steps(narrow: bool = False) -> Figure:
    """One query meets three keys; the scores become weights; the weights average three values."""
    query = torch.tensor([QUINCE])
    key, value = torch.tensor(list(FRUITS.values())), torch.tensor(PRICES)[:, None]
    scores = key @ query.mT
    weights = scores.softmax(dim=0)
    if narrow:
        c, cell, one = Canvas(360, narrow=True), (26.0, 20.0), (42.0, 20.0)
        at = {"query": (8, 84), "key": (110, 64), "scores": (200, 64), "weights": (52, 214), "value": (164, 214)}
        titles = ((4, 14, "Compare the query with each key"), (4, 164, "Softmax"), (132, 164, "Average"))
        end = (196.0, 324.0)
    else:
        c, cell, one = Canvas(208), (27.0, 21.0), (42.0, 21.0)
        at = {"query": (14, 89), "key": (132, 68), "scores": (226, 68), "weights": (320, 68), "value": (416, 68)}
        titles = ((6, 16, "Compare the query with each key"), (288, 16, "Softmax"), (390, 16, "Average"))
        end = (412.0, 172.0)
    for count, (x, y, text) in enumerate(titles, 1):
        c.step(count, x, y, text)

    asked = c.matrix(*at["query"], query, role="query", name="query", shape="(d_k = 2)", cell=cell)
    keys = c.matrix(*at["key"], key, role="key", name="key", shape="(3, d_k = 2)", rows=list(FRUITS), cell=cell)
    found = c.matrix(*at["scores"], scores, name="scores", shape="(3)", cell=one)
    mixing = c.matrix(
        *at["weights"], weights, role="weights", name="weights", shape="(3)", cell=one, digits=2, most=1,
        rows=list(FRUITS) if narrow else (),
    )  # fmt: skip
    given = c.matrix(*at["value"], value, role="value", name="value", shape="(3, d_v = 1)", cell=one)
    for row in range(3):
        y = keys.y + (row + 0.5) * cell[1]
        c.arrow(c.beside(asked, 4), (keys.x - (38 if narrow else 44), y), role="query", width=1.0)
        c.arrow((keys.x + keys.w + 5, y), (found.x - 5, y), width=1.0)
        if not narrow:
            c.arrow((found.x + found.w + 10, y), (mixing.x - 10, y), width=1.0)
        c.text((mixing.x + mixing.w + given.x) / 2, mixing.y + (row + 0.5) * cell[1], TIMES, size=1.1)
    sums = " + ".join(f"{w:.2f} {TIMES} {v:g}" for w, v in zip(weights[:, 0].tolist(), PRICES, strict=True))
    c.matrix(*end, weights.mT @ value, role="value", cell=(50.0, 21.0), digits=2)
    if narrow:
        c.text(end[0] + 25, end[1] - 9, "output", role="value", weight="bold", va="baseline")
        c.text(end[0] - 6, end[1] + 10.5, f"{sums} =", ha="right", size=0.94)
    else:
        c.text(end[0] - 6, end[1] + 10.5, f"{sums} =", ha="right")
        c.text(end[0] - 176, end[1] + 10.5, "output =", role="value", weight="bold", ha="right")
    return c.figure


def look_up(narrow: bool = False) -> Figure:
    """The weights of three keys as the query turns once round, soft at the left, hard at the right."""
    angles = torch.linspace(-45, 315, 361)
    query = torch.stack((angles.deg2rad().cos(), angles.deg2rad().sin()), dim=-1).to(device())
    key = torch.tensor(list(FRUITS.values())).to(device())

    figure = Figure(figsize=(3.58, 5.8) if narrow else (6.7, 3.3), layout="constrained")
    axes = figure.subplots(*((2, 1) if narrow else (1, 2)), sharey=True)
    for ax, sharpness in zip(axes, (1, 16), strict=True):
        _, weights = scaled_dot_product_attention(query * sharpness * 2**0.5, key, key)  # undoes the division
        for fruit, line, dashes in zip(FRUITS, weights.T.cpu().numpy().round(3), ("-", "--", "-."), strict=True):
            ax.plot(angles, line, dashes, label=fruit)
        for fruit, at, color in zip(FRUITS, (0, 90, 225), ("C0", "C1", "C2"), strict=True):  # where the keys point
            ax.axvline(at, color=rcParams["grid.color"], lw=1, zorder=0)
            ax.annotate(fruit, (at, 1.03), xycoords=("data", "axes fraction"), ha="center", color=color)
        ax.set(xlim=(-45, 315), ylim=(0, 1.02), xticks=(0, 90, 180, 270), xlabel="direction of the query")
        ax.set_title(f"sharpness {sharpness}", pad=26)
        ax.xaxis.set_major_formatter("{x:.0f}°")
    axes[0].set_ylabel("weight")
    return figure


def bandwidth(narrow: bool = False) -> Figure:
    """A curve through noisy points at three bandwidths, and below it the weights of one query."""
    draw = np.random.default_rng(0)
    at = np.sort(draw.uniform(0, 6, POINTS))
    key = torch.tensor(at)[:, None].to(device())
    value = torch.tensor(np.sin(at) + 0.3 * draw.normal(size=POINTS))[:, None].to(device())
    grid = torch.linspace(0, 6, 301, dtype=torch.float64)[:, None].to(device())
    one = torch.tensor([[ASKED]], dtype=torch.float64).to(device())

    figure = Figure(figsize=(3.58, 9.0) if narrow else (6.7, 4.7), layout="constrained")
    if narrow:
        axes = figure.subplots(6, 1, sharex=True, height_ratios=(2.2, 1) * 3)
        above, below = axes[::2], axes[1::2]
    else:
        above, below = figure.subplots(2, 3, sharex=True, sharey="row", height_ratios=(2.2, 1))
    for top, bottom, h in zip(above, below, BANDWIDTHS, strict=True):
        curve, weights = _weights(grid, key, h) @ value, _weights(one, key, h)[0]
        error = float((curve - grid.sin()).square().mean().sqrt())
        top.plot(at, value.cpu().numpy().round(3), "o", color="C1", ms=3.5, label="measured")
        top.plot(grid.cpu(), curve.cpu().numpy().round(3), color="C0", label="predicted")
        top.plot(grid.cpu(), grid.sin().cpu().numpy().round(3), ":", color=rcParams["text.color"], lw=1.5, label="sine")
        top.set(title=f"h = {h:g}", ylim=(-1.9, 2.3))
        top.text(3, 2.3, f"error {error:.2f}", ha="center", va="top", fontsize="small")
        bottom.vlines(at, 0, weights.cpu().numpy().round(3), color="C0", lw=2)
        bottom.set(xlim=(0, 6), ylim=(0, 1), xticks=(1, 3, 5), xlabel="x" if not narrow or h == BANDWIDTHS[-1] else "")
        for ax in (top, bottom):
            ax.axvline(ASKED, color=rcParams["grid.color"], lw=1, zorder=0)
    for top, bottom in zip(above[: 3 if narrow else 1], below, strict=False):
        top.set_ylabel("y")
        bottom.set_ylabel("weight\nat x = 2")
    figure.legend(*above[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _weights(query: Tensor, key: Tensor, h: float) -> Tensor:
    return masked_softmax(-((query - key.mT) ** 2) / (2 * h**2))


def graph(narrow: bool = False) -> Figure:
    """The trained model's attention as a graph of characters, and the same weights as its adjacency matrix."""
    iso, weights = load("dates", device=device())(TEXT)
    cells = weights.cpu().numpy().round(3)
    figure = Figure(figsize=(3.58, 7.4) if narrow else (6.7, 4.0), layout="constrained")
    left, right = figure.subplots(2, 1) if narrow else figure.subplots(1, 2, width_ratios=(1.15, 1))
    _graph(left, cells, iso)
    plot.heat_map(cells, list(iso), ["␣" if c == " " else c for c in TEXT], ax=right, bar=False)
    right.set(xlabel="read: keys", ylabel="written: queries", title="the same as a matrix", aspect="equal")
    return figure


def _graph(ax: Axes, cells: np.ndarray, iso: str) -> None:
    """Queries at the left, keys at the right, an edge as wide as its weight."""
    n_q, n_k = cells.shape
    queries, keys = np.linspace(0.5, n_k - 1.5, n_q), np.arange(n_k)
    colors = plot.group_colors(GROUPS, n_q)
    for i, j in np.argwhere(cells >= MIN_WEIGHT):
        ends = (queries[i], keys[j])
        ax.plot((0.4, 4.6), ends, color=colors[i], lw=7 * cells[i, j], alpha=0.75, solid_capstyle="butt")
    for x, places, letters in ((0, queries, iso), (5, keys, TEXT)):
        for y, letter in zip(places, letters, strict=True):
            ax.plot(x, y, "o", ms=17, mfc="none", mec=rcParams["axes.edgecolor"], mew=1)
            if letter == " ":
                ax.text(x, y - 0.15, "␣", ha="center", va="center_baseline")
            else:
                ax.text(x, y, letter, ha="center", va="center_baseline")
    ax.text(0, -0.7, "written", ha="center", va="bottom")
    ax.text(5, -0.7, "read", ha="center", va="bottom")
    ax.set(xlim=(-0.8, 5.8), ylim=(n_k - 0.4, -1.2), title="a graph")
    ax.set_axis_off()
