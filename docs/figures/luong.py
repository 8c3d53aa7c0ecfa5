"""Luong's scores: the shape of each over the plane of keys, where the query comes from, and how soon each learns."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from _kit import Block, Canvas, ink
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Tensor

from attnref import concat_attention, dot_attention, general_attention

# The example of the page.
WORDS = ("le", "chat", "dort")
H = torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, -1.0]])
NARROW, WIDE = (
    torch.tensor([[2.0, 1.0]]),
    torch.tensor([[1.0, 0.0, 1.0]]),
)  # states of the decoder
GENERAL = torch.tensor([[0.0, 2.0], [1.0, 1.0], [1.0, 0.0]])
CONCAT = torch.tensor([[1.0, 0.0, 0.0, 1.0, 0.0], [0.0, 0.0, -1.0, 1.0, 1.0]])
V_A = torch.tensor([4.0, 2.0])

Point = tuple[float, float]


def scores(narrow: bool = False) -> Figure:
    """Query and keys become scores in three ways, and scores become weights in one."""
    _, dot = dot_attention(NARROW, H, H)
    _, general = general_attention(WIDE, H, H, w_a=GENERAL)
    _, concat = concat_attention(WIDE, H, H, w_a=CONCAT, v_a=V_A)
    pairs = torch.cat((WIDE.expand(3, 3), H), -1)
    tanh = torch.tanh(pairs @ CONCAT.T)
    if narrow:
        c, cell, wide = Canvas(616, narrow=True), (20.0, 18.0), (32.0, 18.0)
        left, middle, right, at_scores, at_weights = 14.0, 104.0, 182.0, 14.0, 150.0
        tops, below = (64.0, 258.0, 472.0), (88.0, 106.0, 104.0)
    else:
        c, cell, wide = Canvas(384), (21.0, 19.0), (32.0, 19.0)
        left, middle, right, at_scores, at_weights = 8.0, 98.0, 162.0, 258.0, 382.0
        tops, below = (62.0, 176.0, 312.0), (9.5, 19.0, 19.0)

    def finish(count: int, top: float, found: Tensor, weights: Tensor) -> Block:
        """The scores and their weights: beside the keys, or below them where the canvas is narrow."""
        y = top + below[count]
        block = c.matrix(at_scores, y, found, name="scores", shape="(1, 3)", columns=WORDS, cell=wide, digits=2)
        mixing = c.matrix(
            at_weights, y, weights, role="weights", name="weights", shape="(1, 3)", columns=WORDS, cell=wide,
            digits=2, most=1,
        )  # fmt: skip
        c.arrow(c.beside(block, 4), c.beside(mixing, -4))
        return block

    words = ("dot: query times key", "general: a matrix in between", "concat: tanh(pair @ w_aᵀ) @ v_a")
    for count, text in enumerate(words):
        c.step(count + 1, 4 if narrow else 6, tops[count] - 48, text)

    y = tops[0]
    query = c.matrix(
        left if narrow else middle, y + cell[1] / 2, NARROW, role="query", name="query", shape="(1, 2)",
        cell=cell,
    )  # fmt: skip
    key = c.matrix(middle if narrow else right, y, H.T, role="key", name="keyᵀ", shape="(2, 3)", cell=cell)
    c.sign(query, key, "@")
    done = finish(0, y, NARROW @ H.T, dot)
    if not narrow:
        c.sign(key, done, "=")

    y = tops[1]
    query = c.matrix(left, y + cell[1], WIDE, role="query", name="query", shape="(1, 3)", cell=cell)
    matrix = c.matrix(middle, y, GENERAL, name="w_a", shape="(3, 2)", cell=cell)
    key = c.matrix(right, y + cell[1] / 2, H.T, role="key", name="keyᵀ", shape="(2, 3)", cell=cell)
    c.sign(query, matrix, "@")
    c.sign(matrix, key, "@")
    done = finish(1, y, WIDE @ GENERAL @ H.T, general)
    if not narrow:
        c.sign(key, done, "=")

    y = tops[2]
    query = c.matrix(left, y, WIDE.expand(3, 3), role="query", name="query", cell=cell)
    key = c.matrix(query.x + query.w, y, H, role="key", name="key", cell=cell)
    c.text(
        query.x + 2.5 * cell[0],
        y + 3 * cell[1] + 1.15 * c.size,
        "(3, 3 + 2)",
        size=0.82,
        color=rcParams["axes.edgecolor"],
    )
    layer = c.matrix(
        right - 4,
        y,
        tanh,
        name="tanh",
        shape="(3, 2)",
        cell=wide,
        digits=2,
    )
    c.arrow(c.beside(key, 4), c.beside(layer, -4))
    done = finish(2, y, (tanh @ V_A)[None], concat)
    if not narrow:
        c.arrow(c.beside(layer, 3), c.beside(done, -3))
    return c.figure


def fields(narrow: bool = False) -> Figure:
    """The score of every key of the plane under each of the three, and the weights of the three words."""
    _, dot = dot_attention(NARROW, H, H)
    _, general = general_attention(WIDE, H, H, w_a=GENERAL)
    _, concat = concat_attention(WIDE, H, H, w_a=CONCAT, v_a=V_A)

    figure = Figure(figsize=(3.58, 9.2) if narrow else (6.7, 2.8), layout="constrained")
    panels = figure.subplots(*((3, 1) if narrow else (1, 3)), sharey=True)
    _field(panels[0], "dot", dot, lambda keys: keys @ NARROW[0], NARROW[0])
    _field(panels[1], "general", general, lambda keys: keys @ GENERAL.T @ WIDE[0], WIDE[0] @ GENERAL)

    def network(keys: Tensor) -> Tensor:
        return torch.tanh(torch.cat((WIDE.expand(*keys.shape[:-1], 3), keys), -1) @ CONCAT.T) @ V_A

    _field(panels[2], "concat", concat, network)
    return figure


def _field(ax: Axes, title: str, weights: Tensor, score: Callable, towards: Tensor | None = None) -> None:
    axis = torch.linspace(-2, 2, 25)
    keys = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
    grid = (axis, axis, score(keys).numpy().round(3))
    bands = [to_rgba(ink("plain", fill=True), alpha) for alpha in (0.02, 0.09, 0.17, 0.26, 0.36, 0.47)]
    ax.contourf(*grid, levels=(-9, -4, -2, 0, 2, 4, 9), colors=bands)
    ax.contour(*grid, levels=(-4, -2, 0, 2, 4), colors=ink("plain", fill=True), linewidths=0.5, linestyles="-")
    if towards is not None:
        arrow = {"arrowstyle": "-|>", "color": ink("query"), "lw": 2, "shrinkA": 0, "shrinkB": 0}
        x, y = (towards / towards.norm() * 1.5).tolist()
        ax.annotate("", (x, y), (0, 0), arrowprops=arrow, zorder=4)
    ax.scatter(*H.T.numpy(), s=16 + 90 * weights[0].numpy(), color=rcParams["text.color"], zorder=3)
    for word, point, below in zip(WORDS, H.numpy(), (False, True, True), strict=True):
        lies = {"ha": "center", "va": "top" if below else "bottom", "zorder": 5}
        ax.annotate(word, point, (0, -7 if below else 7), textcoords="offset points", **lies)
    told = " · ".join(f"{word} {weight:.2f}" for word, weight in zip(WORDS, weights[0].tolist(), strict=True))
    ax.set(title=title, xlim=(-2, 2), ylim=(-2, 2), aspect="equal", xticks=(), yticks=())
    ax.set_xlabel(told, fontsize=10)
    ax.spines[:].set_visible(False)
    for level, place in _edges(score):
        text = f"{level}".replace("-", "\N{MINUS SIGN}")
        ax.annotate(text, place, fontsize=10, ha="center", va="center", color=rcParams["text.color"])


def _edges(score: Callable) -> Iterator[tuple[int, Point]]:
    """Where the score passes an even number along the top of the plane, then down its right side."""
    along = torch.linspace(-1.8, 1.8, 361)
    top = torch.stack((along, torch.full_like(along, 1.8)), -1)
    side = torch.stack((torch.full_like(along, 1.8), -along), -1)
    path = torch.cat((top, side))
    scores = score(path)
    for level in (-4, -2, 0, 2, 4):
        nearest = int((scores - level).abs().argmin())
        if abs(float(scores[nearest]) - level) < 0.05:
            yield level, (float(path[nearest, 0]), float(path[nearest, 1]))


def order(narrow: bool = False) -> Figure:
    """Where the query comes from and where the context goes: before the step, and after it."""
    figure = Figure(figsize=(3.58, 6.6) if narrow else (6.7, 3.5), layout="constrained")
    for ax, luong in zip(figure.subplots(*((2, 1) if narrow else (1, 2))), (False, True), strict=True):
        title = "Luong: step, then attend" if luong else "Bahdanau: attend, then step"
        ax.set(xlim=(-0.45, 2.9), ylim=(-0.35, 2.75), title=title)
        ax.set_axis_off()
        _box(ax, (0, 0), (0.4, 0.3), "state\nbefore")
        _box(ax, (2.4, 0), (0.4, 0.3), "state\nafter")
        _box(ax, (0.9, 1.15), (0.4, 0.18), "attend")
        _box(ax, (0.9, 2.4), (0.5, 0.3), "encoder\nstates")
        _box(ax, (2.4, 1.15), (0.32, 0.18), "[c; s]")
        _box(ax, (2.4, 2.4), (0.4, 0.3), "next\nword")
        _arrow(ax, (0.42, 0), (1.96, 0))
        _arrow(ax, (0.9, 2.08), (0.9, 1.37))
        _arrow(ax, (2.4, 0.32), (2.4, 0.93))
        _arrow(ax, (2.4, 1.35), (2.4, 2.06))
        _arrow(ax, (1.32, 1.15), (2.04, 1.15), ink("value"), 3)
        if luong:
            _arrow(ax, (2.05, 0.33), (1.22, 0.93), ink("query"), 3)
        else:
            _arrow(ax, (0.15, 0.33), (0.66, 0.93), ink("query"), 3)
            _arrow(ax, (1.2, 0.95), (2.03, 0.33), ink("value"), 3)
        ax.text(2.3, 1.7, "tanh, linear" if luong else "linear", ha="right", va="center")
        ax.text(1.5 if luong else 0.22, 0.62, "query", ha="right", va="center", color=ink("query"))
        ax.text(1.68, 1.25, "context", ha="center", va="bottom", color=ink("value"))
    return figure


def _box(ax: Axes, middle: Point, half: Point, text: str) -> None:
    corner, size = (middle[0] - half[0], middle[1] - half[1]), (2 * half[0], 2 * half[1])
    style = "round,pad=0,rounding_size=0.06"
    ax.add_patch(FancyBboxPatch(corner, *size, boxstyle=style, fc="none", ec=rcParams["axes.edgecolor"]))
    ax.text(*middle, text, ha="center", va="center", fontsize=12)


def _arrow(ax: Axes, start: Point, stop: Point, color: str = "", width: float = 1.5) -> None:
    color = color or rcParams["axes.edgecolor"]
    style = f"-|>,head_length={3 + width},head_width={1.5 + 0.6 * width}"
    arrow = FancyArrowPatch(start, stop, arrowstyle=style, color=color, lw=width, shrinkA=0, shrinkB=0)
    ax.add_patch(arrow)


def learning(narrow: bool = False) -> Figure:
    """Share of held-out dates read exactly against the steps of training, as `benchmarks/scores.py` measured it."""
    measured = json.loads(Path(__file__).with_name("luong_scores.json").read_text(encoding="utf-8"))
    figure = Figure(figsize=(3.58, 3.4) if narrow else (6.7, 3.6), layout="constrained")
    ax = figure.add_subplot()
    looks = (("dot", "C0", "o-"), ("general", "C1", "s-"), ("concat", "C2", "^--"), ("additive", "C3", "D:"))
    for score, color, marks in looks:
        columns = list(zip(*(run["curve"] for run in measured["runs"] if run["score"] == score), strict=True))
        low, high = [min(column) for column in columns], [max(column) for column in columns]
        mean = [sum(column) / len(column) for column in columns]
        ax.fill_between(measured["at"], low, high, color=color, alpha=0.25, lw=0)
        ax.plot(measured["at"], mean, marks, color=color, ms=6, clip_on=False, label=score)
    ax.set(xlim=(40, 310), ylim=(0, 1.03), yticks=(0, 0.5, 1), xlabel="steps of 128 dates", ylabel="dates right")
    ax.set_xticks(measured["at"])
    ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=2 if narrow else 4)
    return figure
