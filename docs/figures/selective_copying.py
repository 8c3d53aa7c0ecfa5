"""Induction and selective copying: what is asked, who answers at which length, step sizes, and what is not recalled."""

import json
from functools import cache
from pathlib import Path

import torch
from _kit import Canvas, ink
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from torch import Tensor

from attnref.fast.selective_scan import selective_scan
from attnref.plot.styles import FAINT, MUTED, current_scheme
from attnref.tasks import load, recall_data
from attnref.tasks.recall_data import MARKER, NOISE, Batch

MEASURED = json.loads(Path(__file__).with_name("recall.json").read_text(encoding="utf-8"))
LOOKS = {
    "mamba": ("Mamba", "C2", "o-"),
    "time_invariant": ("time-invariant", "C3", "^--"),
    "relative": ("attention, relative positions", "C1", "s-"),
    "learned": ("attention, learned positions", "C0", "v--"),
}
MARK, DELTA = "?", "\N{GREEK CAPITAL LETTER DELTA}"


def tasks(narrow: bool = False) -> Figure:
    """One sequence of each of the two tasks, and where the answers are."""
    c = Canvas(216 if narrow else 236, narrow=narrow)
    n = 9 if narrow else 14
    first = recall_data.induction(1, n, torch.Generator().manual_seed(7))
    at = first.tokens[0].tolist().index(MARKER) + 1
    c.text(0, 12, "Induction: what followed the mark?", ha="left", weight="bold")
    _row(c, 26, first, {n - 1: at}, 56)
    second = recall_data.selective_copying(1, 12 if narrow else 14, torch.Generator().manual_seed(29))
    data = (second.tokens[0] < recall_data.DATA).nonzero().flatten().tolist()
    top = 124 if narrow else 134
    c.text(0, top - 14, "Selective copying: repeat the data", ha="left", weight="bold")
    _row(
        c,
        top,
        second,
        dict(zip(range(second.tokens.shape[1] - len(data), second.tokens.shape[1]), data, strict=True)),
        72,
    )
    return c.figure


def _row(c: Canvas, top: float, batch: Batch, sources: dict[int, int], deep: float) -> None:
    """A sequence in cells: data in green, noise empty, the mark in blue; under it each answer, and where it is from."""
    tokens = batch.tokens[0].tolist()
    side = min(c.width / len(tokens), 34.0)
    tall, below = min(side, 24.0), top + min(side, 24.0) + deep - 24
    taken = set(sources.values())
    for i, token in enumerate(tokens):
        role = "query" if token == MARKER else "value" if i in taken else "plain"
        alpha = 0.55 if i in taken else 0.3 if token == MARKER else 0.0
        color = ink(role, fill=role != "plain")
        edge = FAINT[current_scheme()]
        c.ax.add_patch(Rectangle((i * side, top), side, tall, fc=(*to_rgb(color), alpha), ec=edge, lw=0.8))
        if token != NOISE:
            c.text((i + 0.5) * side, top + tall / 2, MARK if token == MARKER else chr(ord("A") + token), size=0.95)
    for i, source in sources.items():
        c.ax.add_patch(Rectangle((i * side, below), side, tall, fc=(*to_rgb(ink("value", fill=True)), 0.55), ec="none"))
        c.text((i + 0.5) * side, below + tall / 2, chr(ord("A") + tokens[source]), size=0.95, weight="bold")
        start, end = ((source + 0.5) * side, top + tall + 1), (i * side + 0.5 * side, below - 1)
        middle = (top + tall + below) / 2
        c.curve([start, (start[0], middle + 6), (end[0], middle - 6), end], role="value", width=1.2)


def lengths(narrow: bool = False) -> Figure:
    """Share of right answers against the length, for both tasks and all models; as measured."""
    figure = Figure(figsize=(3.58, 6.6) if narrow else (6.7, 3.7), layout="constrained")
    axes = figure.subplots(2, 1) if narrow else figure.subplots(1, 2, sharey=True)
    for ax, question, title in zip(
        axes, ("induction", "selective_copying"), ("induction", "selective copying"), strict=True
    ):
        for model in LOOKS:
            _curve(ax, question, model)
        ax.axvline(32, color=MUTED[current_scheme()], lw=0.8, ls=":")
        ax.set(title=title, xscale="log", ylim=(0, 1.04))
        ax.set_xticks(MEASURED["sizes"][question], MEASURED["sizes"][question])
        ax.minorticks_off()
        ax.set_xlabel("length (trained at 32)")
        ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    axes[0].set_ylabel("right answers")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=1 if narrow else 2)
    return figure


def pairs(narrow: bool = False) -> Figure:
    """Share of keys whose value is recalled against the number of pairs; as measured."""
    figure = Figure(figsize=(3.58, 3.9) if narrow else (5.4, 3.6), layout="constrained")
    ax = figure.subplots()
    sizes = MEASURED["sizes"]["pairs"]
    for model, d_state, name, color, line in (
        ("relative", 8, "attention", "C1", "s-"),
        ("mamba", 8, "Mamba", "C2", "o-"),
    ):
        _curve(ax, "pairs", model, d_state, name, color, line)
    ax.set(xscale="log", ylim=(0, 1.04), xlabel="pairs to be recalled", ylabel="right values")
    ax.set_xticks(sizes, sizes)
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=1)
    return figure


def _curve(
    ax: Axes, question: str, model: str, d_state: int = 8, name: str = "", color: str = "", line: str = ""
) -> None:
    """Mean over the seeds, and their range."""
    name, color, line = (name, color, line) if name else LOOKS[model]
    wanted = (question, model, d_state)
    some = [run["accuracy"] for run in MEASURED["runs"] if (run["question"], run["model"], run["d_state"]) == wanted]
    columns, sizes = list(zip(*some, strict=True)), MEASURED["sizes"][question]
    ax.fill_between(sizes, [*map(min, columns)], [*map(max, columns)], color=color, alpha=0.2, lw=0)
    mean = [sum(column) / len(column) for column in columns]
    ax.plot(sizes, mean, line, color=color, ms=5, clip_on=False, label=name)


def steps(narrow: bool = False) -> Figure:
    """What trained models put into the state: step sizes in induction, what is added in selective copying."""
    figure = Figure(figsize=(3.58, 4.6) if narrow else (6.7, 4.1), layout="constrained")
    upper, lower = figure.subplots(2, 1)
    one, seen = _read("induction", 20)
    at = one.index(MARKER) + 1
    _bars(upper, one, seen[0][0], {at})
    upper.set(title=f"induction, layer 1: {DELTA}")
    other, seen = _read("selective_copying", 20)
    _bars(lower, other, seen[1][1], {i for i, token in enumerate(other) if token < recall_data.DATA})
    lower.set(title="selective copying, layer 2: added to the state")
    colors = {"answers": ink("value"), "other tokens": MUTED[current_scheme()], "marker": ink("query")}
    patches = [Patch(color=color, label=name) for name, color in colors.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=3, handlelength=1, handleheight=1)
    return figure


def _bars(ax: Axes, tokens: list[int], numbers: Tensor, answers: set[int]) -> None:
    """A bar for each token, with its letter below."""
    muted = MUTED[current_scheme()]
    colors = [ink("query") if t == MARKER else ink("value") if i in answers else muted for i, t in enumerate(tokens)]
    ax.bar(range(len(tokens)), [round(float(number), 4) for number in numbers], color=colors, width=0.8)
    names = [MARK if t == MARKER else "" if t == NOISE else chr(ord("A") + t) for t in tokens]
    ax.set_xticks(range(len(tokens)), names)
    ax.tick_params(axis="x", length=0)
    ax.set(xlim=(-0.6, len(tokens) - 0.4))


@cache
def _read(question: str, n: int) -> tuple[list[int], list[tuple[Tensor, Tensor]]]:
    """A held-out sequence; for each layer, at each token, the mean step size and the size of what is added."""
    reader, seen = load("recall", question=question), []

    def watch(x: Tensor, delta: Tensor, a: Tensor, b: Tensor, *given: Tensor, **options: Tensor):
        added = (delta * x)[0, :, :, None] * b[0, :, None]  # (n, d, d_state)
        seen.append((delta[0].mean(-1), added.norm(dim=(1, 2))))
        return selective_scan(x, delta, a, b, *given, **options)  # pyright: ignore[reportArgumentType]

    for layer in reader.model.layers:
        layer.mixer.scan = watch
    tokens = recall_data.held_out(question, n).tokens[:1]
    with torch.no_grad():
        reader(tokens)
    return tokens[0].tolist(), seen
