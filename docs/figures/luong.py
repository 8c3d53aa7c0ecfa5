"""Luong's scores: the shape of each over the plane of keys, where the query comes from, and how soon each learns."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
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


def fields() -> Figure:
    """The score of every key of the plane under each of the three, and the weights of the three words."""
    _, dot = dot_attention(NARROW, H, H)
    _, general = general_attention(WIDE, H, H, w_a=GENERAL)
    _, concat = concat_attention(WIDE, H, H, w_a=CONCAT, v_a=V_A)

    figure = Figure(figsize=(6.7, 2.8), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
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
    bands = [to_rgba("C0", alpha) for alpha in (0.02, 0.09, 0.17, 0.26, 0.36, 0.47)]
    ax.contourf(*grid, levels=(-9, -4, -2, 0, 2, 4, 9), colors=bands)
    ax.contour(*grid, levels=(-4, -2, 0, 2, 4), colors="C0", linewidths=0.5, linestyles="-")
    if towards is not None:
        arrow = {"arrowstyle": "-|>", "color": "C1", "lw": 2, "shrinkA": 0, "shrinkB": 0}
        x, y = (towards / towards.norm() * 1.5).tolist()
        ax.annotate("", (x, y), (0, 0), arrowprops=arrow, zorder=4)
    ax.scatter(*H.T.numpy(), s=16 + 90 * weights[0].numpy(), color=rcParams["text.color"], zorder=3)
    for word, point, below in zip(WORDS, H.numpy(), (False, True, True), strict=True):
        lies = {"ha": "center", "va": "top" if below else "bottom", "zorder": 5}
        ax.annotate(word, point, (0, -7 if below else 7), textcoords="offset points", **lies)
    told = " · ".join(f"{word} {weight:.2f}" for word, weight in zip(WORDS, weights[0].tolist(), strict=True))
    ax.set(title=title, xlim=(-2, 2), ylim=(-2, 2), aspect="equal", xticks=(), yticks=())
    ax.set_xlabel(told, fontsize=11)
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


def order() -> Figure:
    """Where the query comes from and where the context goes: before the step, and after it."""
    figure = Figure(figsize=(6.7, 3.5), layout="constrained")
    for ax, luong in zip(figure.subplots(1, 2), (False, True), strict=True):
        title = "Luong: step, then look" if luong else "Bahdanau: look, then step"
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
        _arrow(ax, (1.32, 1.15), (2.04, 1.15), "C0", 3)
        if luong:
            _arrow(ax, (2.05, 0.33), (1.22, 0.93), "C1", 3)
        else:
            _arrow(ax, (0.15, 0.33), (0.66, 0.93), "C1", 3)
            _arrow(ax, (1.2, 0.95), (2.03, 0.33), "C0", 3)
        ax.text(2.3, 1.7, "tanh, linear" if luong else "linear", ha="right", va="center")
        ax.text(1.5 if luong else 0.22, 0.62, "query", ha="right", va="center", color="C1")
        ax.text(1.68, 1.25, "context", ha="center", va="bottom", color="C0")
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


def learning() -> Figure:
    """Share of held-out dates read exactly against the steps of training, as `benchmarks/scores.py` measured it."""
    measured = json.loads(Path(__file__).with_name("luong_scores.json").read_text(encoding="utf-8"))
    figure = Figure(figsize=(6.7, 3.6), layout="constrained")
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
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure
