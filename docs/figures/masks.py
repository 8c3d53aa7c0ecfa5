"""Masks: padding, look-ahead, both together, and windows, as tables of may and may not."""

from typing import Literal

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from attnref import causal_mask, padding_mask, window_mask

LENGTHS, N = (5, 8, 3), 8  # the samples of note N4
CELL, TOP, BOTTOM = 0.2, 0.32, 0.55  # inches


def three() -> Figure:
    """The padding mask of three samples, the look-ahead mask, and both for the first sample."""
    padding, look_ahead = padding_mask(LENGTHS, N), causal_mask(N)
    figure = Figure(figsize=(6.7, TOP + N * CELL + BOTTOM))
    _table(figure, 0.8, padding[:, 0], "padding", "", [f"length {n}" for n in LENGTHS])
    _table(figure, 2.92, look_ahead, "look-ahead", "query", [str(i) for i in range(N)])
    _table(figure, 5.04, padding[0] & look_ahead, "both, length 5", "query", [str(i) for i in range(N)])
    _legend(figure, "lower left")
    return figure


def windows() -> Figure:
    """A window on both sides, and two windows of the last places."""
    figure = Figure(figsize=(6.7, TOP + N * CELL + BOTTOM + 0.3))
    places = [str(i) for i in range(N)]
    for left, width, behind in ((0.8, 3, False), (2.92, 3, True), (5.04, 6, True)):
        mask = window_mask(N, width=width) & causal_mask(N) if behind else window_mask(N, width=width)
        _table(figure, left, mask, f"width {width}" + (", look-ahead" if behind else ""), "query", places)
    _legend(figure, "lower center", ncols=2)
    return figure


def _legend(figure: Figure, where: Literal["lower left", "lower center"], ncols: int = 1) -> None:
    handles, said = [_cell(0, 0, True), _cell(0, 0, False)], ["may attend", "may not"]
    figure.legend(handles, said, loc=where, ncols=ncols, handlelength=1, handleheight=1, borderpad=0)


def _table(figure: Figure, left: float, mask: Tensor, title: str, rows: str, labels: list[str]) -> Axes:
    wide, high = figure.get_size_inches()
    n_q, n_k = mask.shape
    box = (left / wide, 1 - (TOP + n_q * CELL) / high, n_k * CELL / wide, n_q * CELL / high)
    ax = figure.add_axes(box)
    for i in range(n_q):
        for j in range(n_k):
            ax.add_patch(_cell(i, j, bool(mask[i, j])))
    ax.set(xlim=(-0.5, n_k - 0.5), ylim=(n_q - 0.5, -0.5), title=title, xlabel="key", ylabel=rows)
    ax.set_yticks(range(n_q), labels)
    ax.set_xticks(range(n_k))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def _cell(i: int, j: int, may: bool) -> Rectangle:
    """Full or empty, so that it reads without color."""
    corner, muted = (j - 0.41, i - 0.41), rcParams["axes.edgecolor"]
    if may:
        return Rectangle(corner, 0.82, 0.82, facecolor="C0", edgecolor="C0", lw=0.8)
    return Rectangle(corner, 0.82, 0.82, facecolor="none", edgecolor=muted, lw=0.8)
