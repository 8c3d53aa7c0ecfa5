"""Cross-attention: its steps with numbers, where a Transformer has attention, and the mask of each of the three."""

import torch
from _kit import Block, Canvas, Role
from matplotlib.figure import Figure

from attnref import causal_mask, padding_mask, scaled_dot_product_attention
from attnref.plot.styles import MUTED, current_scheme

# The example of the page.
SOURCE, TARGET = ("le", "chat", "dort"), ("the", "cat")
MEMORY_ROWS = torch.tensor([[0.0, 2.0], [2.0, 0.0], [1.0, 1.0]])
TARGET_ROWS = torch.eye(2)
W_Q, W_K, W_V = torch.tensor([[0.0, 2.0], [2.0, 0.0]]), torch.eye(2), 10 * torch.eye(2)


def steps(narrow: bool = False) -> Figure:
    """Queries come from the decoder, keys and values from the encoder; weights and output have a row for each query."""
    query, key, value = TARGET_ROWS @ W_Q, MEMORY_ROWS @ W_K, MEMORY_ROWS @ W_V
    output, weights = scaled_dot_product_attention(query, key, value)
    if narrow:
        c, cell, large = Canvas(490, narrow=True), (24.0, 19.0), (34.0, 19.0)
        at = {
            "target": (44, 84),
            "memory": (44, 224),
            "query": (172, 84),
            "key": (172, 180),
            "value": (172, 276),
            "weights": (34, 424),
            "output": (180, 424),
        }
        titles = ((4, 14, "Project"), (4, 378, "Compare, softmax"), (150, 378, "Average"))
        boxes = ((6, 36, 114), (6, 176, 134))
    else:
        c, cell, large = Canvas(366), (24.0, 20.0), (36.0, 20.0)
        at = {
            "target": (50, 88),
            "memory": (50, 232),
            "query": (164, 88),
            "key": (164, 180),
            "value": (164, 282),
            "weights": (282, 122),
            "output": (394, 292),
        }
        titles = ((6, 16, "Project"), (242, 56, "Compare, softmax"), (290, 240, "Average"))
        boxes = ((8, 38, 116), (8, 182, 136))
    for count, (x, y, text) in enumerate(titles, 1):
        c.step(count, x, y, text)
    for (x, y, high), name in zip(boxes, ("decoder", "encoder"), strict=True):
        c.box(x, y, 102, high, faint=True)
        c.text(x + 51, y + 12, name, size=0.9)

    target = c.matrix(*at["target"], TARGET_ROWS, name="target", shape="(n_t = 2, 2)", rows=TARGET, cell=cell)
    memory = c.matrix(*at["memory"], MEMORY_ROWS, name="memory", shape="(n_s = 3, 2)", rows=SOURCE, cell=cell)
    q = c.matrix(*at["query"], query, role="query", name="query", shape="(2, d_k = 2)", cell=cell)
    k = c.matrix(*at["key"], key, role="key", name="key", shape="(3, d_k = 2)", cell=cell)
    v = c.matrix(*at["value"], value, role="value", name="value", shape="(3, d_v = 2)", cell=cell)
    w = c.matrix(
        *at["weights"], weights, role="weights", name="weights", shape="(2, 3)", rows=TARGET, columns=SOURCE,
        cell=large, digits=2, most=1,
    )  # fmt: skip
    o = c.matrix(*at["output"], output, role="value", name="output", shape="(2, d_v = 2)", cell=large)
    c.arrow((target.x + target.w + 16, target.middle[1]), c.beside(q, -7), role="query")
    c.arrow((memory.x + memory.w + 16, memory.middle[1] - 8), c.beside(k, -7), role="key")
    c.arrow((memory.x + memory.w + 16, memory.middle[1] + 8), c.beside(v, -7), role="value")
    if narrow:
        c.arrow(c.beside(w, 8), c.beside(o, -8))
    else:
        c.arrow(c.beside(q, 7), (w.x - 30, w.y + 12), role="query")
        c.arrow(c.beside(k, 7), (w.x - 30, w.y + 30), role="key")
        c.arrow((w.x + w.w + 8, w.middle[1]), (o.x + 36, o.y - 22), bend=-0.2)
        c.arrow(c.beside(v, 7), c.beside(o, -8), role="value")
    return c.figure


def places(narrow: bool = False) -> Figure:
    """Encoder and decoder of two blocks each: where the queries, keys and values of every attention come from."""
    c = Canvas(398, narrow=narrow)
    if narrow:
        left, right, bus, wide, step = 60.0, 194.0, 123.0, 108.0, 30.0
    else:
        left, right, bus, wide, step = 104.0, 364.0, 226.0, 166.0, 43.0
    c.text(left, 84, "encoder", weight="bold")
    c.text(right, 12, "decoder", weight="bold")
    c.text(left, 390, "source words")
    c.text(right, 390, "target words so far")

    for y in (316.0, 212.0):  # encoder blocks; y is the top of the attention
        _projections(c, left, y + 62, y + 30, step)
        block = c.box(left - wide / 2, y, wide, 30, "self-attention")
        c.arrow(block.top, (left, y - 20))
        _feed_forward(c, left - wide / 2, y - 38, wide)
    c.arrow((left, 174), (left, 134))
    memory = c.box(left - wide / 2, 104, wide, 30, "memory", weight="bold")

    for y in (316.0, 156.0):  # decoder blocks
        _projections(c, right, y + 62, y + 30, step)
        block = c.box(right - wide / 2, y, wide, 30, "causal self-attention")
        cross = c.box(right - wide / 2, y - 62, wide, 30, "cross-attention", weight="bold")
        c.arrow(block.top, cross.bottom, role="query")
        c.text(right + 6, y - 16, "query", role="query", ha="left", size=0.9)
        c.arrow(cross.top, (right, y - 82))
        _feed_forward(c, right - wide / 2, y - 100, wide)
        _bus(c, memory, bus - 2, (cross.x, cross.middle[1] - 6), "key")
        _bus(c, memory, bus + 2, (cross.x, cross.middle[1] + 6), "value")
        if not narrow:
            c.text((bus + cross.x) / 2 + 4, cross.middle[1] - 16, "key", role="key", size=0.9)
            c.text((bus + cross.x) / 2 + 4, cross.middle[1] + 17, "value", role="value", size=0.9)
    c.arrow((right, 56), (right, 42))
    c.text(right, 32, "next words")
    return c.figure


def tables(narrow: bool = False) -> Figure:
    """The mask of each attention, for a source of three words and one padding, and a target of three tokens."""
    source, target = (*SOURCE, "pad"), ("start", *TARGET)
    real = padding_mask([3], n_k=4)[0]
    cell = (30.0, 19.0)
    cases = (
        ("encoder", real.expand(4, 4), source, source),
        ("decoder", causal_mask(3), target, target),
        ("cross-attention", real.expand(3, 4), target, source),
    )
    c = Canvas(392 if narrow else 140, narrow=narrow)
    for count, (name, mask, rows, columns) in enumerate(cases):
        x, y = (72.0, 40.0 + 134 * count) if narrow else ((40.0, 208.0, 352.0)[count], 44.0)
        c.matrix(
            x, y, mask.float(), role="weights", name=name, rows=rows, columns=columns, cell=cell, digits=-1, most=1,
            hidden=(~mask).numpy(),
        )  # fmt: skip
    return c.figure


def _projections(c: Canvas, x: float, low: float, high: float, step: float) -> None:
    """Query, key and value from one and the same vectors."""
    roles: tuple[Role, ...] = ("query", "key", "value")
    for shift, role in zip((-step, 0.0, step), roles, strict=True):
        c.path([(x, low - 10), (x + shift, low - 10), (x + shift, high)], role=role)
    c.line((x, low), (x, low - 9))


def _bus(c: Canvas, memory: Block, x: float, end: tuple[float, float], role: Role) -> None:
    """From the memory to one cross-attention."""
    y = memory.middle[1] + (-3 if role == "key" else 3)
    c.path([(memory.x + memory.w, y), (x, y), (x, end[1]), end], role=role)


def _feed_forward(c: Canvas, x: float, y: float, wide: float) -> None:
    """The part of a block that is no attention, in gray."""
    block = c.box(x, y, wide, 18, faint=True)
    c.text(*block.middle, "feed-forward", size=0.9, color=MUTED[current_scheme()])
