"""Sequence to sequence: two links between encoder and decoder, and what each is worth, on dates and by length."""

import functools
import json
from pathlib import Path

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from attnref.tasks import dates_data, device, load

SOURCE, TARGET = ("le", "chat", "dort"), ("the", "cat", "sleeps")
ENCODER, DECODER, HALF = 0.75, 2.85, 0.24  # heights of the two rows, half the side of a box
Point = tuple[float, float]


def bottleneck(narrow: bool = False) -> Figure:
    """The link through the last state alone, and the link through attention to all states."""
    figure = Figure(figsize=(3.58, 7.0) if narrow else (6.7, 3.9), layout="constrained")
    left, right = figure.subplots(2, 1) if narrow else figure.subplots(1, 2)
    for ax, title in ((left, "the last state alone"), (right, "attention to all states")):
        ax.set(xlim=(-0.55, 2.55), ylim=(-0.1, 3.7), aspect="equal", title=title)
        ax.set_axis_off()
        for i in range(3):
            _box(ax, (i, ENCODER), "C0")
            _box(ax, (i, DECODER), "C1")
            _arrow(ax, (i, 0.2), (i, ENCODER - HALF))
            _arrow(ax, (i, DECODER + HALF), (i, DECODER + 0.52))
            ax.text(i, 0.12, SOURCE[i], ha="center", va="top")
            ax.text(i, DECODER + 0.58, TARGET[i], ha="center", va="bottom")
        for i in range(2):
            _arrow(ax, (i + HALF, ENCODER), (i + 1 - HALF, ENCODER))
            _arrow(ax, (i + HALF, DECODER), (i + 1 - HALF, DECODER))
    _arrow(left, (2, ENCODER + HALF), (0, DECODER - HALF), "C0", 4)
    for step in range(3):  # one step stands out, so that nine lines can be told apart
        for word in range(3):
            color, width = ("C0", 4) if step == 1 else (rcParams["grid.color"], 1.5)
            _arrow(
                right,
                (word, ENCODER + HALF),
                (step + 0.16 * (word - 1), DECODER - HALF),
                color,
                width,
                zorder=2 if step == 1 else 1,
            )
    return figure


def learned(narrow: bool = False) -> Figure:
    """Share of held-out dates whose year, month, day and whole are right, with and without attention."""
    figure = Figure(figsize=(3.58, 3.6) if narrow else (6.7, 3.3), layout="constrained")
    ax = figure.add_subplot()
    looks = (("with attention", True, "C0", ""), ("last state alone", False, "none", "///"))
    parts, sign = list(_shares(True)), "" if narrow else " %"
    half = 0.21 if narrow else 0.2
    for shift, (name, attention, fill, hatch) in zip((-half, half), looks, strict=True):
        shares = list(_shares(attention).values())
        places = [x + shift for x in range(len(parts))]
        bars = ax.bar(
            places, shares, 1.8 * half, fc=fill, ec="C0" if attention else "C1", hatch=hatch, lw=1.5, label=name
        )
        ax.bar_label(bars, [f"{100 * share:.3g}{sign}" for share in shares], padding=2, fontsize=9 if narrow else 12)
    ax.set(ylim=(0, 1.12), yticks=(0, 0.5, 1), ylabel="" if narrow else "share right")
    ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    ax.set_xticks(range(len(parts)), parts)
    ax.tick_params(axis="x", length=0)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=1 if narrow else 2)
    return figure


@functools.cache
def _shares(attention: bool) -> dict[str, float]:
    """How many of the held-out dates the shipped model writes with this part right."""
    samples, reader = dates_data.held_out_samples(), load("dates", attention=attention, device=device())
    written = [reading.iso for reading in reader.read([sample.text for sample in samples])]
    pairs = list(zip(written, (sample.iso for sample in samples), strict=True))
    parts = {name: slice(digits.start, digits.stop) for name, digits in dates_data.PARTS.items()}
    parts["whole date"] = slice(0, 10)
    return {name: round(sum(w[part] == t[part] for w, t in pairs) / len(pairs), 3) for name, part in parts.items()}


def lengths(narrow: bool = False) -> Figure:
    """Share of sequences copied without a mistake against their length, as `benchmarks/lengths.py` measured it."""
    measured = json.loads(Path(__file__).with_name("seq2seq_lengths.json").read_text(encoding="utf-8"))
    figure = Figure(figsize=(3.58 if narrow else 6.7, 3.8), layout="constrained")
    ax = figure.add_subplot()
    looks = (
        ("attention", "with attention", "C0", "o-"),
        ("last state", "last state alone", "C1", "s-"),
        ("twice the width", "last state, twice as wide", "C1", "s--"),
    )
    for kind, name, color, marks in looks:
        runs = [run["exact"] for run in measured["runs"] if run["kind"] == kind]
        columns = list(zip(*runs, strict=True))
        low, high = [min(column) for column in columns], [max(column) for column in columns]
        mean = [sum(column) / len(column) for column in columns]
        ax.fill_between(measured["lengths"], low, high, color=color, alpha=0.3, lw=0)
        fill = "none" if kind == "twice the width" else color
        ax.plot(measured["lengths"], mean, marks, color=color, mfc=fill, ms=5, clip_on=False, label=name)
    ax.axvline(measured["longest"], color=rcParams["axes.edgecolor"], lw=1, ls=":", zorder=0)
    ax.text(measured["longest"] - 0.6, 0.5, "longest in training", rotation=90, ha="right", va="center")
    ax.set(xlim=(0, 41), ylim=(0, 1.03), yticks=(0, 0.5, 1), xlabel="digits to copy", ylabel="sequences right")
    ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=1 if narrow else 2)
    return figure


def _box(ax: Axes, middle: Point, color: str) -> None:
    corner = (middle[0] - HALF, middle[1] - HALF)
    style = "round,pad=0,rounding_size=0.06"
    ax.add_patch(FancyBboxPatch(corner, 2 * HALF, 2 * HALF, boxstyle=style, fc=color, ec="none", zorder=3))


def _arrow(ax: Axes, start: Point, stop: Point, color: str = "", width: float = 1.5, zorder: float = 1) -> None:
    color = color or rcParams["axes.edgecolor"]
    style = f"-|>,head_length={3 + width},head_width={1.5 + 0.6 * width}"
    arrow = FancyArrowPatch(start, stop, arrowstyle=style, color=color, lw=width, shrinkA=1, shrinkB=1, zorder=zorder)
    ax.add_patch(arrow)
