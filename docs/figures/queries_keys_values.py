"""Queries, keys, values: the soft dictionary, kernel regression at three bandwidths, and a graph of tokens."""

import numpy as np
import torch
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from attnref import masked_softmax, plot, scaled_dot_product_attention
from attnref.tasks import device, load

FRUITS = {"apple": [1.0, 0.0], "pear": [0.0, 1.0], "plum": [-1.0, -1.0]}  # the soft dictionary of the page
BANDWIDTHS, POINTS, ASKED = (0.05, 0.4, 2.0), 40, 2.0
TEXT, MIN_WEIGHT, GROUPS = "4 nov. 2001", 0.05, [0, 0, 0, 0, None, 1, 1, None, 2, 2]  # year, month, day of an ISO date


def look_up() -> Figure:
    """The weights of three keys as the query turns once round, soft at the left, hard at the right."""
    angles = torch.linspace(-45, 315, 361)
    query = torch.stack((angles.deg2rad().cos(), angles.deg2rad().sin()), dim=-1).to(device())
    key = torch.tensor(list(FRUITS.values())).to(device())

    figure = Figure(figsize=(6.7, 3.3), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
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


def bandwidth() -> Figure:
    """A curve through noisy points at three bandwidths, and below it the weights of one query."""
    draw = np.random.default_rng(0)
    at = np.sort(draw.uniform(0, 6, POINTS))
    key = torch.tensor(at)[:, None].to(device())
    value = torch.tensor(np.sin(at) + 0.3 * draw.normal(size=POINTS))[:, None].to(device())
    grid = torch.linspace(0, 6, 301, dtype=torch.float64)[:, None].to(device())
    one = torch.tensor([[ASKED]], dtype=torch.float64).to(device())

    figure = Figure(figsize=(6.7, 4.7), layout="constrained")
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
        bottom.set(xlim=(0, 6), ylim=(0, 1), xticks=(1, 3, 5), xlabel="x")
        for ax in (top, bottom):
            ax.axvline(ASKED, color=rcParams["grid.color"], lw=1, zorder=0)
    above[0].set_ylabel("y")
    below[0].set_ylabel("weight\nat x = 2")
    figure.legend(*above[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _weights(query: Tensor, key: Tensor, h: float) -> Tensor:
    return masked_softmax(-((query - key.mT) ** 2) / (2 * h**2))


def graph() -> Figure:
    """The trained model's attention as a graph of characters, and the same weights as its adjacency matrix."""
    iso, weights = load("dates", device=device())(TEXT)
    cells = weights.cpu().numpy().round(3)
    figure = Figure(figsize=(6.7, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _graph(left, cells, iso)
    plot.heat_map(cells, list(iso), ["␣" if c == " " else c for c in TEXT], ax=right, bar=False)
    right.set(xlabel="read: keys", ylabel="written: queries", title="the same as a table", aspect="equal")
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
