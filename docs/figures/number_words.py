"""Number words: where the model looks as it writes, how subwords are merged, and what they and positions are worth."""

import json
from pathlib import Path

from _kit import Canvas
from matplotlib import rcParams
from matplotlib.figure import Figure

from attnref import plot
from attnref.tasks import device, load
from attnref.tasks.subwords import Subwords

SHOWN = {"siebenundvierzig": (0, 1), "neununddreißigtausendsiebenundvierzig": (2, 3, None, 0, 1)}
MEASURED = json.loads(Path(__file__).with_name("number_words.json").read_text(encoding="utf-8"))


def crossing(narrow: bool = False) -> Figure:
    """The subwords of two held-out numbers above, the words written below, the weights of one head as ribbons."""
    reader = load("number_words", device=device())
    layer, head = next(run["head"] for run in MEASURED["runs"] if run["kind"] == "subwords" and run["seed"] == 0)
    figure = Figure(figsize=(3.58, 3.9) if narrow else (6.7, 4.6), layout="constrained")
    axes = figure.subplots(2, 1)
    for ax, (text, groups) in zip(axes, SHOWN.items(), strict=True):
        english, subwords, weights = reader(text)
        plot.alignment(weights[layer, head].cpu(), subwords, english.split(), groups=groups, ax=ax)
        for token in ax.texts:
            token.set_fontsize(max(9.5, token.get_fontsize()))
    return figure


def heads(narrow: bool = False) -> Figure:
    """Every head of the cross-attention over the subwords of the longer number."""
    english, subwords, weights = load("number_words", device=device())(list(SHOWN)[1])
    figure = Figure(figsize=(3.58, 3.9) if narrow else (6.9, 2.9), layout="constrained")
    axes = figure.subplots(*((2, 2) if narrow else (1, 4)), sharex=True, sharey=True)
    plot.heads(weights[0].cpu(), rows=english.split(), columns=subwords, axes=list(axes.flat))
    return figure


def merges(narrow: bool = False) -> Figure:
    """A German number as its characters, and after more and more of the merges."""
    reader, word = load("number_words"), "siebenundvierzig"
    after = (0, 15, 30, 45, 70)
    c = Canvas(178 if narrow else 200, narrow=narrow)
    left, cell, high, gap = (62, 12.2, 22.0, 1.2) if narrow else (120, 22.0, 26.0, 2.0)
    for row, count in enumerate(after):
        y = 8 + row * (high + 14)
        c.text(left - 10, y + high / 2, f"{count} merges", ha="right")
        at = 0
        for symbol in Subwords(reader.recipe["characters"], reader.subwords.merges[:count]).split(word):
            c.box(left + at * cell + gap / 2, y, len(symbol) * cell - gap, high, symbol)
            at += len(symbol)
    return c.figure


def learning(narrow: bool = False) -> Figure:
    """Held-out numbers read exactly against the steps of training, as `benchmarks/number_words.py` measured it."""
    figure = Figure(figsize=(3.58, 3.6) if narrow else (6.7, 3.6), layout="constrained")
    ax = figure.add_subplot()
    looks = (
        ("subwords", "subwords", "C0", "o-"),
        ("characters", "characters", "C1", "s-"),
        ("no positions", "subwords, no positions", "C2", "^--"),
    )
    for kind, name, color, marks in looks:
        columns = list(zip(*(run["curve"] for run in MEASURED["runs"] if run["kind"] == kind), strict=True))
        low, high = [min(column) for column in columns], [max(column) for column in columns]
        mean = [sum(column) / len(column) for column in columns]
        ax.fill_between(MEASURED["at"], low, high, color=color, alpha=0.25, lw=0)
        ax.plot(MEASURED["at"], mean, marks, color=color, ms=6, clip_on=False, label=name)
    ax.set(xlim=(0, 720), ylim=(0, 1.03), yticks=(0, 0.5, 1), xlabel="steps of 64 numbers", ylabel="numbers right")
    ax.set_xticks([100, 300, 500, 700])
    ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    ax.grid(axis="y", color=rcParams["grid.color"], lw=0.5)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=1 if narrow else 3)
    return figure
