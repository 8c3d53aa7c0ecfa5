"""What attention costs: time and memory against length as measured, and what has to wait for what."""

import json
import math
from pathlib import Path

import torch
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor

from attnref import RNN, scaled_dot_product_attention
from attnref.tasks import device

MEASURED = json.loads((Path(__file__).parent / "cost.json").read_text(encoding="utf-8"))
LINES = {  # color, dashes, and where its name stands by the end of the line: in time, in memory
    "naive": ("C1", "-", "left", "right"),
    "tiled": ("C0", "-", "above", "above"),
    "fused": ("C2", "--", "below", "below"),
    "RNN": ("", ":", "right", "left"),
    "linear, causal": ("C3", "-.", "right", "above"),
    "efficient": ("C3", "-", "right", "below"),
}
PLACES = {
    "right": ((6, 0), "left"),
    "above": ((6, 6), "left"),
    "below": ((6, -7), "left"),
    "left": ((-5, 7), "right"),
}


def growth() -> Figure:
    """Seconds and bytes against the number of words, on logarithmic axes; the exponents stand at the lines."""
    figure = Figure(figsize=(6.7, 7.0), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    for name, (color, dashes, *places) in LINES.items():
        row, color = MEASURED["rows"][name], color or rcParams["text.color"]
        for ax, what, scale, place in ((above, "seconds", 1e3, places[0]), (below, "bytes", 2**-20, places[1])):
            ax.plot(row["n"], [x * scale for x in row[what]], dashes, color=color, marker="o", ms=3)
            said = rf"{name}, $n^{{{row[f'slope_{what}']:.1f}}}$"
            end, (moved, side) = (row["n"][-1], row[what][-1] * scale), PLACES[place]
            style = {"color": color, "fontsize": "small", "va": "center", "ha": side}
            ax.annotate(said, end, moved, textcoords="offset points", **style)
    for name, moved in (("efficient", (7, -8)), ("linear, causal", (7, -8))):
        _mark(above, name, moved)
    told = [f"{one} overtakes fused at n = {n}" for one in ("efficient", "linear, causal") if (n := _meet(one))]
    above.text(0.99, 0.03, "\n".join(told), ha="right", transform=above.transAxes, fontsize="small", linespacing=1.5)
    above.set(title="time, ms", ylim=(0.03, 4000))
    below.set(title="memory beyond the inputs, MiB", xlabel="words n", ylim=(0.03, 1200))
    for ax in (above, below):
        ax.set(xscale="log", yscale="log", xlim=(110, 900000))
        ax.set_xticks([128, 512, 2048, 8192, 32768], ["128", "512", "2048", "8192", "32768"])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter("{x:g}")
    return figure


def _meet(name: str) -> int | None:
    return MEASURED["crossover"][f"{name} / fused"]


def _mark(ax: Axes, name: str, moved: tuple[int, int]) -> None:
    """A ring where the line dips under that of the fused kernel, if it does."""
    if (n := _meet(name)) is None:
        return
    row = MEASURED["rows"]["fused"]
    i = max(k for k, at in enumerate(row["n"]) if at <= n)
    share = math.log(n / row["n"][i]) / math.log(row["n"][i + 1] / row["n"][i])
    ms = 1e3 * row["seconds"][i] ** (1 - share) * row["seconds"][i + 1] ** share
    ax.plot(n, ms, "o", ms=8, mfc="none", mec=rcParams["text.color"], zorder=5)
    ax.annotate(f"{n}", (n, ms), moved, textcoords="offset points", va="center", fontsize="small")


def steps() -> Figure:
    """Which step computes which word, and how long the longest chain of operations is."""
    figure = Figure(figsize=(6.7, 2.9), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.35))
    words = range(1, 9)
    for ax, name, when in ((left, "RNN", list(words)), (middle, "attention", [1] * 8)):
        ax.scatter(when, words, marker="s", s=60, color=rcParams["text.color"] if name == "RNN" else "C1")
        ax.set(xlim=(0.4, 8.6), ylim=(8.6, 0.4), title=name, xlabel="step", ylabel="word" if ax is left else "")
        ax.set_xticks(words)
        ax.set_yticks(words)
        ax.tick_params(length=0)
    sizes = [4, 8, 16, 32, 64, 128, 256, 512]
    rnn = RNN(4, 4).to(device())
    read = [chain(rnn(torch.zeros(1, n, 4, device=device()))[0]) for n in sizes]
    x = torch.zeros(1, 1, 4, device=device(), requires_grad=True)
    met = [chain(scaled_dot_product_attention(*[x.expand(1, n, 4)] * 3)[0]) for n in sizes]
    for name, counted, color, dashes in (("RNN", read, rcParams["text.color"], ":"), ("attention", met, "C1", "-")):
        right.plot(sizes, counted, dashes, color=color)
        right.annotate(name, (sizes[-1], counted[-1]), (-2, 7), textcoords="offset points", color=color, ha="right")
    right.set(xscale="log", yscale="log", title="longest chain", xlabel="words n", ylim=(1, 6000))
    right.set_xticks([4, 32, 256], ["4", "32", "256"])
    right.xaxis.set_minor_locator(NullLocator())
    right.yaxis.set_minor_locator(NullLocator())
    right.yaxis.set_major_formatter("{x:g}")
    return figure


def chain(result: Tensor) -> int:
    """How many operations have to come one after the other before the result is there."""
    length, todo = {}, [result.grad_fn]
    while todo:
        before = [node for node, _ in todo[-1].next_functions if node is not None]  # pyright: ignore[reportOptionalMemberAccess]
        missing = [node for node in before if node not in length]
        if missing:
            todo.extend(missing)
        else:
            length[todo.pop()] = 1 + max((length[node] for node in before), default=0)
    return length[result.grad_fn]
