"""A small language model: what two of its heads look at in a sentence, and which head looks where."""

import json
from pathlib import Path

from _kit import Canvas, Role, ink
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from attnref import plot
from attnref.tasks import device, load
from attnref.tasks.stories_data import START

SENTENCE = "Then Daniel went to his house, and made the thing known."  # held out: Daniel 2, 17
ASKED = (("start of the word", "el"), ("the token before", "▁the"))  # role and query
MEASURED = json.loads(
    Path(__file__).with_name("language_model.json").read_text(encoding="utf-8")
)  # benchmarks/stories.py
SHIPPED = next(run for run in MEASURED["runs"] if run["seed"] == 0)


def looks(narrow: bool = False) -> Figure:
    """One held-out sentence twice: a query, framed, and how much one head attends to each token."""
    reading = load("language_model", device=device()).read(SENTENCE)
    weights = reading.weights.cpu()
    symbols = reading.symbols[1:]
    c = Canvas(178 if narrow else 122, narrow=narrow)
    y = 12.0
    for role, asks in ASKED:
        (layer, head), query = SHIPPED["heads"][role][:2], symbols.index(asks)
        c.text(4, y, f"layer {layer}, head {head}: {role}", ha="left", weight="bold", size=0.95)
        y += 21
        shares = weights[layer - 1, head - 1, query + 1, 1:].tolist()
        x = 4.0
        for at, (symbol, share) in enumerate(zip(symbols, shares, strict=True)):
            text = symbol.removeprefix(START)
            wide = c.extent(text) + 4
            if symbol[0] == START and at:
                x += 6
                whole = 0.0
                for later in range(at, len(symbols)):
                    if later > at and symbols[later][0] == START:
                        break
                    whole += c.extent(symbols[later].removeprefix(START)) + 4
                if x + whole > c.width - 4:
                    x, y = 4.0, y + 36
            box = Rectangle((x, y - 9), wide, 18, fc=(*to_rgb(ink("weights", fill=True)), min(1.0, 0.85 * share)), lw=0)
            c.ax.add_patch(box)
            if at == query:
                c.ax.add_patch(Rectangle((x, y - 9), wide, 18, fc="none", ec=ink("query"), lw=2, zorder=4))
            color: Role = "query" if at == query else "plain"
            c.text(x + wide / 2, y, text, role=color, zorder=5, **({} if at <= query else {"alpha": 0.45}))
            if share >= 0.1:
                c.text(x + wide / 2, y + 17, f"{share:.2f}", role="weights", size=0.8)
            x += wide
        y += 34 if narrow else 42
    return c.figure


def maps(narrow: bool = False) -> Figure:
    """The attention weights of all eight heads on the same sentence, a small table each."""
    reading = load("language_model", device=device()).read(SENTENCE)
    weights = reading.weights.cpu()
    layers, heads = weights.shape[:2]
    figure = Figure(figsize=(3.58, 7.3) if narrow else (6.7, 3.6), layout="constrained")
    grid = figure.subplots(*((heads, layers) if narrow else (layers, heads)), squeeze=False)
    for layer in range(layers):
        for head in range(heads):
            ax = grid[head, layer] if narrow else grid[layer, head]
            plot.heat_map(weights[layer, head], ax=ax, max_weight=1.0, bar=False)
            ax.set(xticks=[], yticks=[], xlabel="", ylabel="", title=f"layer {layer + 1}, head {head + 1}")
    return figure


def table(narrow: bool = False) -> Figure:
    """For each role, the share of attention that each head gives to its keys; framed: the head that was chosen."""
    shares = SHIPPED["shares"]
    cell = (20.0, 24.0) if narrow else (36.0, 24.0)
    left = 92.0 if narrow else 166.0
    c = Canvas(44 + cell[1] * len(shares) + 6, narrow=narrow)
    names = [_short(name) if narrow else name for name in shares]
    cells = [[share for layer in by_layer for share in layer] for by_layer in shares.values()]
    columns = [f"{layer}.{head}" for layer in (1, 2) for head in (1, 2, 3, 4)]
    block = c.matrix(left, 40, cells, role="weights", rows=names, columns=columns, cell=cell, digits=2, most=1)
    c.text(block.x - 5, 14, "head", ha="right", size=0.9)
    for row, name in enumerate(shares):
        layer, head = SHIPPED["heads"][name][:2]
        corner = (left + cell[0] * (4 * (layer - 1) + head - 1), 40 + cell[1] * row)
        c.ax.add_patch(Rectangle(corner, *cell, fc="none", ec=ink("query"), lw=2, zorder=4))
    return c.figure


def _short(name: str) -> str:
    return {"names, for a pronoun": "names (he, she)"}.get(name, name)
