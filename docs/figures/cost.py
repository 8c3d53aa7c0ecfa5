"""What attention costs: weights against steps, time and memory against length as measured, and what has to wait."""

import json
import math
from pathlib import Path

import torch
from _kit import Canvas
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


def squares(narrow: bool = False) -> Figure:
    """Twice the words: four times the weights of attention, twice the steps of a recurrent network."""
    c, cell, gap = (Canvas(270, narrow=True), 7.0, 22) if narrow else (Canvas(338), 12.0, 52)
    left, top = 6, 46
    c.text(left, 12, "Attention: n \N{MULTIPLICATION SIGN} n weights", ha="left", weight="bold")
    bottom, draw = top + 16 * cell, torch.Generator().manual_seed(0)
    c.text(left, bottom + 46, "Recurrent network: n steps", ha="left", weight="bold")
    for n in (4, 8, 16):
        x = torch.randn(n, 4, generator=draw)
        _, weights = scaled_dot_product_attention(x, x, x)
        y = bottom - n * cell
        c.matrix(left, y, weights, role="weights", cell=(cell, cell), digits=-1, most=1)
        c.text(left + n * cell / 2, y - 0.8 * c.size, f"n = {n}", weight="bold")
        c.text(left + n * cell / 2, bottom + 1.2 * c.size, str(weights.numel()), role="weights")
        c.matrix(left, bottom + 64, torch.zeros(1, n), cell=(cell, 16), digits=-1)
        c.text(left + n * cell / 2, bottom + 80 + 1.1 * c.size, str(n))
        left += n * cell + gap
    return c.figure


def growth(narrow: bool = False) -> Figure:
    """Seconds and bytes against the number of words, on logarithmic axes; the exponents stand at the lines."""
    figure = Figure(figsize=(3.58, 8.2) if narrow else (6.7, 7.0), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    for name, (color, dashes, *places) in LINES.items():
        row, color = MEASURED["rows"][name], color or rcParams["text.color"]
        powers = [rf"$n^{{{row[f'slope_{what}']:.1f}}}$" for what in ("seconds", "bytes")]
        measures = ((above, "seconds", 1e3, places[0], powers[0]), (below, "bytes", 2**-20, places[1], powers[1]))
        for ax, what, scale, place, power in measures:
            label = f"{name}: {', '.join(powers)}" if ax is above else None
            ax.plot(row["n"], [x * scale for x in row[what]], dashes, color=color, marker="o", ms=3, label=label)
            if narrow:
                continue
            end, (moved, side) = (row["n"][-1], row[what][-1] * scale), PLACES[place]
            style = {"color": color, "fontsize": "small", "va": "center", "ha": side}
            ax.annotate(f"{name}, {power}", end, moved, textcoords="offset points", **style)
    for name, moved in (("efficient", (7, -8)), ("linear, causal", (7, -8))):
        _mark(above, name, moved)
    if narrow:
        figure.legend(loc="outside lower left", title="time, memory", alignment="left")
    else:
        both = [f"{one} overtakes fused at n = {n}" for one in ("efficient", "linear, causal") if (n := _meet(one))]
        above.text(
            0.99, 0.03, "\n".join(both), ha="right", transform=above.transAxes, fontsize="small", linespacing=1.5
        )
    above.set(title="time, ms", ylim=(0.03, 4000))
    below.set(title="memory beyond the inputs, MiB", xlabel="words n", ylim=(0.03, 1200))
    ticks = [128, 2048, 32768] if narrow else [128, 512, 2048, 8192, 32768]
    for ax in (above, below):
        ax.set(xscale="log", yscale="log", xlim=(110, 90000 if narrow else 900000))
        ax.set_xticks(ticks, [str(n) for n in ticks])
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


def steps(narrow: bool = False) -> Figure:
    """Which step computes which word, and how long the longest chain of operations is."""
    figure = Figure(figsize=(3.58, 7.8) if narrow else (6.7, 2.9), layout="constrained")
    if narrow:
        left, middle, right = figure.subplots(3, 1)
    else:
        left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.35))
    words = range(1, 9)
    for ax, name, when in ((left, "RNN", list(words)), (middle, "attention", [1] * 8)):
        ax.scatter(when, words, marker="s", s=60, color=rcParams["text.color"] if name == "RNN" else "C1")
        ax.set(
            xlim=(0.4, 8.6), ylim=(8.6, 0.4), title=name, xlabel="step", ylabel="word" if narrow or ax is left else ""
        )
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
