"""A small masked language model: blanks it fills, where it looks for them, and how it compares with counts."""

import json
from pathlib import Path
from statistics import mean

from _kit import Canvas, Role, ink
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from attnref.tasks import device, load

SENTENCE = "Then D_niel we_t to his h_use,"  # held out: Daniel 2, 17
MEASURED = json.loads(
    Path(__file__).with_name("masked_language_model.json").read_text(encoding="utf-8")
)  # benchmarks/masked_language_model.py
RUNS = MEASURED["runs"]
HEADS = [f"{layer}.{head}" for layer in (1, 2) for head in (1, 2, 3, 4)]


def fills(narrow: bool = False) -> Figure:
    """A held-out text with three masked characters, and the three most likely characters for each."""
    filling = load("masked_language_model", device=device()).fill(SENTENCE)
    symbols = filling.symbols[1:-1]
    pitch = 8.3 if narrow else 15.4
    c = Canvas(112 if narrow else 124, narrow=narrow)
    left, y, down = (c.width - pitch * len(symbols)) / 2, 16.0, 50.0
    for at, symbol in enumerate(symbols):
        x = left + (at + 0.5) * pitch
        if symbol == "[MASK]":
            c.ax.add_patch(Rectangle((x - pitch / 2, y - 10), pitch, 20, fc="none", ec=ink("query"), lw=2, zorder=4))
        else:
            c.text(x, y, symbol)
    wide = 62.0 if narrow else 84.0
    for at, best in zip(filling.blanks, filling.best(3), strict=True):
        x = left + (at - 0.5) * pitch
        middle = min(max(x, wide / 2 + 2), c.width - wide / 2 - 2)
        c.arrow((x, y + 12), (middle, down - 4), role="query")
        for row, (character, chance) in enumerate(best):
            top = down + row * 19
            share = (*to_rgb(ink("weights", fill=True)), 0.55)
            c.ax.add_patch(Rectangle((middle - wide / 2 + 14, top), (wide - 44) * chance, 15, fc=share, lw=0))
            c.text(middle - wide / 2 + 6, top + 8, "space" if character == " " else character)
            c.text(middle + wide / 2, top + 8, f"{chance:.2f}", ha="right", role="weights", size=0.9)
    return c.figure


def looks(narrow: bool = False) -> Figure:
    """One masked character, framed, and how much each head attends to each character."""
    filling = load("masked_language_model", device=device()).fill(SENTENCE)
    asked = filling.blanks[0]
    weights = filling.weights[:, :, asked].flatten(0, 1).cpu()  # (8, n)
    shown = range(18 if narrow else len(filling.symbols))
    pitch, high, left = (12.6, 17.0, 28.0) if narrow else (14.0, 18.0, 32.0)
    c = Canvas(34 + 8 * high, narrow=narrow)
    for column, at in enumerate(shown):
        symbol, x = filling.symbols[at], left + (column + 0.5) * pitch
        name = "_" if at in filling.blanks else symbol if len(symbol) == 1 else ""
        c.text(x, 14, name, role="query" if at == asked else "plain", weight="bold" if at == asked else "normal")
        for head in range(8):
            alpha = min(1.0, 0.05 + 0.95 * float(weights[head, at]))
            corner = (left + column * pitch, 26 + head * high)
            c.ax.add_patch(Rectangle(corner, pitch, high, fc=(*to_rgb(ink("weights", fill=True)), alpha), lw=0))
    for head, name in enumerate(HEADS):
        c.text(left - 5, 26 + (head + 0.5) * high, name, ha="right", size=0.9)
    for head in range(9):
        c.line((left, 26 + head * high), (left + len(shown) * pitch, 26 + head * high), width=0.4)
    corner = (left + asked * pitch, 4)
    c.ax.add_patch(Rectangle(corner, pitch, 22 + 8 * high, fc="none", ec=ink("query"), lw=1.6, zorder=4))
    return c.figure


def offsets(narrow: bool = False) -> Figure:
    """How far from a masked character each head's attention goes, mean over the held-out book."""
    (shipped,) = (run for run in RUNS if (run["model"], run["chosen"], run["seed"]) == ("both", "mixed", 0))
    rows = [head for layer in shipped["offsets"] for head in layer]
    middle, most = len(rows[0]) // 2, 4 if narrow else 6
    cells = [row[middle - most : middle + most + 1] for row in rows]
    cell = (24.0, 20.0) if narrow else (33.0, 22.0)
    left = 30.0 if narrow else 40.0
    c = Canvas(42 + 8 * cell[1] + 4, narrow=narrow)
    columns = [f"{offset:+d}".replace("-", "\N{MINUS SIGN}") if offset else "_" for offset in range(-most, most + 1)]
    block = c.matrix(left, 38, cells, role="weights", rows=HEADS, columns=columns, cell=cell, digits=2, most=1)
    c.text(block.x - 5, 14, "head", ha="right", size=0.9)
    c.text(block.x + block.w / 2, 10, "to the left, to the right", size=0.9)
    return c.figure


def accuracy(narrow: bool = False) -> Figure:
    """Held-out accuracy of the counts and of the models, a point for each seed."""
    named: list[tuple[str, list[float], Role]] = []
    for run in RUNS:
        if run["seed"] is None:
            named.append((NAMES[run["model"]], [run["accuracy"]], "plain"))
    for sides, name in (("left", "model, left only"), ("both", "model, both sides")):
        some = [run["accuracy"] for run in RUNS if (run["model"], run["chosen"]) == (sides, "mixed")]
        named.append((name, some, "weights"))
    named.sort(key=lambda one: mean(one[1]))
    left, high = (106.0, 20.0) if narrow else (180.0, 21.0)
    c = Canvas(26 + high * len(named), narrow=narrow)
    right = c.width - 44
    for row, (name, values, role) in enumerate(named):
        y = 14 + row * high
        c.text(left - 8, y, name, ha="right", role=role, size=0.95)
        end = left + (right - left) * mean(values)
        c.ax.add_patch(Rectangle((left, y - 6), end - left, 12, fc=(*to_rgb(ink(role, fill=True)), 0.35), lw=0))
        for value in values if len(values) > 1 else ():
            x = left + (right - left) * value
            c.line((x, y - 7), (x, y + 7), role=role, width=1.4)
        c.text(end + 8, y, f"{mean(values):.3f}", ha="left", role=role, size=0.95)
    return c.figure


NAMES = {
    "counts, none": "counts: no neighbor",
    "counts, left, 1": "counts: 1 left",
    "counts, left, 2": "counts: 2 left",
    "counts, left, 3": "counts: 3 left",
    "counts, left, 4": "counts: 4 left",
    "counts, both, 1": "counts: 1 + 1",
    "counts, both, 2": "counts: 2 + 2",
    "counts, both, 3": "counts: 3 + 3",
}


def curve(narrow: bool = False) -> Figure:
    """Accuracy on the validation books while the models learn, three seeds each."""
    figure = Figure(figsize=(3.58, 2.6) if narrow else (6.7, 2.9), layout="constrained")
    ax = figure.subplots()
    lines: tuple[tuple[str, Role, str], ...] = (("both", "weights", "both sides"), ("left", "key", "left only"))
    for sides, role, name in lines:
        some = [run for run in RUNS if (run["model"], run["chosen"]) == (sides, "mixed")]
        for run in some:
            steps, accuracies, _ = zip(*run["curve"], strict=True)
            ax.plot(steps, accuracies, color=ink(role), lw=1.6)
        end = mean(run["curve"][-1][1] for run in some)
        ax.annotate(
            name, (MEASURED["steps"], end), xytext=(4, 0), textcoords="offset points", color=ink(role), va="center"
        )
    ax.set(xlabel="step", ylabel="accuracy", ylim=(0, 1))
    ax.set_xlim(0, MEASURED["steps"] * (1.3 if narrow else 1.16))
    return figure
