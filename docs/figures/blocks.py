"""Encoder and decoder blocks: two words on their way through one, and where the normalization is."""

import json
from pathlib import Path

import torch
from _kit import Block, Canvas
from matplotlib.figure import Figure
from torch.nn import functional as F

from attnref import EncoderBlock

X = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]])
WORDS = ["dog", "bites"]


def steps(narrow: bool = False) -> Figure:
    """Attend, add and normalize, transform, add and normalize: the numbers of the page."""
    attended, middle, transformed, last = _numbers()
    rows = (("self-attention", X, attended, middle), ("feed-forward", middle, transformed, last))
    if narrow:
        c, cell = Canvas(488, narrow=True), (38.0, 19.0)
        y = 26.0
        block = c.matrix(44, y, X, name="x", rows=WORDS, cell=cell, digits=2)
        for row, (sublayer, _, out, result) in enumerate(rows):
            c.step(2 * row + 1, 4, y + 58, "")
            c.arrow((block.middle[0], y + 42), (block.middle[0], y + 78))
            c.text(block.middle[0] + 6, y + 58, sublayer, ha="left")
            c.matrix(44, y + 84, out, rows=WORDS, cell=cell, digits=2)
            c.step(2 * row + 2, 4, y + 150, "")
            plus = c.node(block.middle[0], y + 146, "+")
            c.arrow((block.middle[0], y + 124), plus.top)
            c.path([block.right, (234, block.right[1]), (234, y + 146), plus.right])
            c.arrow(plus.bottom, (block.middle[0], y + 182))
            c.text(block.middle[0] + 6, y + 168, "normalize", ha="left")
            y += 188
            block = c.matrix(44, y, result, rows=WORDS, cell=cell, digits=2)
        c.text(block.middle[0], y + 54, "output (2, d_model = 4)", size=0.9)
        return c.figure

    c, cell = Canvas(254), (29.0, 20.0)
    for row, (sublayer, before, out, result) in enumerate(rows):
        y = 66 + 126 * row
        c.step(2 * row + 1, 40, y - 50, "Attend" if row == 0 else "Transform each word")
        c.step(2 * row + 2, 314, y - 50, "Add and normalize")
        start = c.matrix(44, y, before, name="x" if row == 0 else "", rows=WORDS, cell=cell, digits=2)
        middle_block = c.matrix(196, y, out, name=sublayer, cell=cell, digits=2)
        end = c.matrix(364, y, result, name="" if row == 0 else "output", cell=cell, digits=2)
        c.arrow(c.beside(start, 4), c.beside(middle_block, -4))
        plus = c.node(338, middle_block.middle[1], "+")
        c.arrow(c.beside(middle_block, 2), c.beside(plus, -1))
        c.arrow(c.beside(plus, 1), c.beside(end, -2))
        _under(c, start, plus, y + 58)
    return c.figure


def _under(c: Canvas, start: Block, plus: Block, y: float) -> None:
    """The residual connection: under the sublayer, to the sum."""
    c.path([start.bottom, (start.bottom[0], y), (plus.bottom[0], y), plus.bottom])


def norms(narrow: bool = False) -> Figure:
    """Post-norm, pre-norm, and a decoder block: boxes from the bottom to the top."""
    c = Canvas(318 if not narrow else 640, narrow=narrow)
    columns = (
        ("post-norm", ("attention", "+", "norm", "feed-forward", "+", "norm")),
        ("pre-norm", ("norm", "attention", "+", "norm", "feed-forward", "+")),
        ("decoder, post-norm", ("attention", "+", "norm", "cross-attention", "+", "norm", "feed-forward", "+", "norm")),
    )
    places = ((64, 296), (192, 296), (128, 632)) if narrow else ((76, 300), (232, 300), (396, 300))
    for (title, parts), (x, bottom) in zip(columns, places, strict=True):
        _column(c, title, parts, x, bottom, step=29.0)
    return c.figure


def _column(c: Canvas, title: str, parts: tuple[str, ...], x: float, bottom: float, step: float) -> None:
    """One block: its input at the bottom, a line past each sublayer to the sum."""
    width, height = 84.0, 19.0
    y, before, opened = bottom - 14, bottom - 14, bottom - 14
    c.text(x, bottom, "x", weight="bold")
    for part in parts:
        y -= step
        if part == "+":
            node = c.node(x, y, "+")
            side = x - width / 2 - 9
            c.path([(x, opened), (side, opened), (side, y), node.left])
            c.arrow((x, before), node.bottom)
            before, opened = node.top[1], node.top[1] - 5
            continue
        role = "weights" if "attention" in part else "plain"
        box = c.box(x - width / 2, y - height / 2, width, height, part, role=role, size=0.92)
        c.arrow((x, before), box.bottom)
        before = box.top[1]
        if part == "cross-attention":
            c.arrow((x + width / 2 + 26, y), (x + width / 2, y), role="key")
            c.text(x + width / 2 + 28, y - 12, "memory", role="key", size=0.86)
        if part == "norm" and title != "pre-norm":
            opened = before - 5
    c.arrow((x, before), (x, y - step + 4))
    c.text(x, y - step - 10, title, weight="bold")


def _numbers() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """What each sublayer of the page's block gives, and what is left after each sum and normalization."""
    block = EncoderBlock(d_model=4, num_heads=1, d_ff=2, bias=False)
    attention, network = block.self_attention, block.feed_forward
    with torch.no_grad():
        for projection in (attention.query_proj, attention.key_proj, attention.value_proj, attention.output_proj):
            projection.weight.copy_(torch.eye(4))
        network.inner_proj.weight.copy_(torch.eye(2, 4))
        network.output_proj.weight.copy_(torch.tensor([[2.0, 0], [0, 0], [0, 0], [0, 2.0]]))
        network.inner_proj.bias.zero_()
        network.output_proj.bias.zero_()
        attended = attention(X, X, X)[0]
        middle = F.layer_norm(X + attended, (4,))
        return attended, middle, network(middle), block(X)[0]


def warm_up(narrow: bool = False) -> Figure:
    """Share of digits right after training at three learning rates, as `benchmarks/warm_up.py` measured it."""
    measured = json.loads(Path(__file__).with_name("warm_up.json").read_text(encoding="utf-8"))
    figure = Figure(figsize=(3.58, 5.0) if narrow else (6.7, 3.2), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True) if narrow else figure.subplots(1, 2, sharey=True)
    places = range(len(measured["rates"]))
    for ax, norm in zip(axes, ("post", "pre"), strict=True):
        for rising, color, marks in ((True, "C0", "o-"), (False, "C1", "s--")):
            columns = [
                [run["right"] for run in measured["runs"] if (run["norm"], run["warm_up"], run["rate"]) == way]
                for way in ((norm, rising, rate) for rate in measured["rates"])
            ]
            low, high = [min(column) for column in columns], [max(column) for column in columns]
            mean = [sum(column) / len(column) for column in columns]
            ax.fill_between(places, low, high, color=color, alpha=0.2, lw=0)
            name = "with warm-up" if rising else "without"
            ax.plot(places, mean, marks, color=color, ms=5, clip_on=False, label=name)
        ax.set_xticks(places, [f"{rate:g}" for rate in measured["rates"]])
        ax.set(ylim=(0, 1.03), yticks=(0, 0.5, 1), title=f"{norm}-norm")
        ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
        if not narrow or ax is axes[-1]:
            ax.set_xlabel("learning rate")
    axes[0].set_ylabel("digits right")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure
