"""What a Transformer costs: where the time goes by length, and tokens per second with and without a KV cache."""

import json
from pathlib import Path

from _kit import PAPER
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from attnref.plot.styles import current_scheme

MEASURED = json.loads((Path(__file__).parent / "transformer_cost.json").read_text(encoding="utf-8"))
PARTS = {  # color of each part, in the order of the bars
    "attention": "C3",
    "feed-forward": "C0",
    "layer normalization": "C2",
    "output layer": "C1",
}


def shares(narrow: bool = False) -> Figure:
    """A bar for each length, split by part; the whole of it in milliseconds at its end."""
    figure = Figure(figsize=(3.58, 3.9) if narrow else (6.7, 3.1), layout="constrained")
    ax = figure.add_subplot()
    seconds, lengths = MEASURED["seconds"], MEASURED["lengths"]
    left, inside = [0.0] * len(lengths), PAPER[current_scheme()]
    for part, color in PARTS.items():
        own = list(seconds[part])
        if part == "output layer":
            own = [a + b for a, b in zip(own, seconds["softmax over the vocabulary"], strict=True)]
        widths = [100 * a / b for a, b in zip(own, seconds["all"], strict=True)]
        name = "output layer and softmax" if part == "output layer" else part
        ax.barh(range(len(lengths)), widths, left=left, color=color, height=0.62, label=name)
        for row, (width, start) in enumerate(zip(widths, left, strict=True)):
            if width > (11 if narrow else 6):
                ax.text(start + width / 2, row, f"{width:.0f} %", ha="center", va="center", color=inside, fontsize=9)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for row, whole in enumerate(seconds["all"]):
        ax.text(101.5, row, f"{float(f'{1000 * whole:.3g}'):g} ms", va="center", fontsize=9)
    ax.set_yticks(range(len(lengths)), [f"n = {n}" for n in lengths])
    ax.invert_yaxis()
    ax.set(xlim=(0, 122 if narrow else 113), xlabel="share of the time, %")
    ax.set_xticks([0, 25, 50, 75, 100])
    figure.legend(loc="outside upper center", ncols=1 if narrow else 4, frameon=False, fontsize=9, columnspacing=1.2)
    return figure


def rates(narrow: bool = False) -> Figure:
    """Tokens per second against the number of tokens written, one text at a time."""
    figure = Figure(figsize=(3.58, 3.2) if narrow else (6.7, 3.2), layout="constrained")
    ax = figure.add_subplot()
    found = MEASURED["tokens per second"]["1"]
    for how, color, name in (("with", "C0", "with a KV cache"), ("without", "C1", "without")):
        written = MEASURED["written"][: len(found[how])]
        ax.plot(written, found[how], "o-", color=color)
        ax.annotate(
            name, (written[1], found[how][1]), xytext=(4, 9), textcoords="offset points", color=color, fontsize=10
        )
    ax.set(xscale="log", yscale="log", xlabel="tokens written", ylabel="tokens per second")
    ax.set_xticks(MEASURED["written"], [str(n) for n in MEASURED["written"]])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(8, 500)
    ax.yaxis.set_major_formatter("{x:g}")
    return figure
