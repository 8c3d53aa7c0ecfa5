"""Generating: the decoder's loop, one distribution under each filter, a tree of beams, and what a KV cache saves."""

import math

import torch
from _kit import PAPER, Block, Canvas, Role, ink
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from attnref import (
    MarkovModel,
    MultiHeadAttention,
    beam_search,
    causal_mask,
    keep_min_p,
    keep_nucleus,
    keep_top_k,
    scale_temperature,
)
from attnref.plot.styles import FAINT, MUTED, current_scheme

WORDS = ["<begin>", "the", "a", "cat", "dog", "bird", "<end>"]
TEXTS = {(0, 1, 3, 6): 12, (0, 1, 4, 6): 9, (0, 1, 5, 6): 9, (0, 2, 3, 6): 2, (0, 2, 4, 6): 18}
NEXT = ["mat", "sofa", "floor", "roof", "moon", "of"]
P = torch.tensor([[0.40, 0.25, 0.15, 0.10, 0.06, 0.04]], dtype=torch.float64)
SIGN = "\N{MINUS SIGN}"


def _chain() -> MarkovModel:
    """The table of the page."""
    return MarkovModel(7).fit(torch.tensor([list(text) for text, count in TEXTS.items() for _ in range(count)]))


def loop(narrow: bool = False) -> Figure:
    """The encoder, once; then decoder, logits, distribution, token, and back."""
    p = _chain().table()[0, [1, 2, 3]].tolist()
    c = Canvas(366 if narrow else 214, narrow=narrow)
    w, h = (90.0, 42.0) if narrow else (90.0, 44.0)
    muted = MUTED[current_scheme()]
    encoder = c.box(*((6, 48) if narrow else (4, 62)), w, h, "encoder", role="key")
    decoder = c.box(*((152, 48) if narrow else (146, 62)), w, h, "decoder", role="query")
    softmax = c.box(152, 128, w, 24, "softmax") if narrow else c.box(284, 70, 62, 28, "softmax")
    inputs: tuple[tuple[Block, str, Role], ...] = ((encoder, "source", "key"), (decoder, WORDS[0], "query"))
    for box, text, role in inputs:
        c.arrow((box.top[0], box.y - 26), box.top, role=role)
        c.text(box.top[0], box.y - 36, text, size=0.9)
    c.text(encoder.bottom[0], encoder.y + h + 14, "runs once", size=0.9, color=muted)
    c.arrow(encoder.right, decoder.left, "memory", role="key")

    if narrow:
        token = c.box(152, 276, w, 24, WORDS[1], role="query", weight="bold")
        c.arrow(decoder.bottom, softmax.top)
        c.text(decoder.bottom[0] + 6, 110, "logits", ha="left", size=0.9)
        c.arrow(softmax.bottom, (softmax.bottom[0], 172))
        bottom = _bars(c, 164, 184, p, 58.0)
        c.arrow((token.top[0], bottom + 2), token.top)
        c.text(token.top[0] + 6, (bottom + token.y) / 2, "choose", ha="left", size=0.9)
        c.path([token.bottom, (token.bottom[0], 322), (124, 322), (124, 80), (decoder.x, 80)], role="query")
        c.text(160, 338, "read it, then write the next", size=0.9, role="query")
    else:
        token = c.box(402, 140, 66, 26, WORDS[1], role="query", weight="bold")
        c.arrow(decoder.right, softmax.left, "logits")
        c.arrow(softmax.right, (368, softmax.right[1]))
        bottom = _bars(c, 396, 64, p, 92.0)
        c.arrow((token.top[0], bottom + 2), token.top)
        c.text(token.top[0] + 6, (bottom + token.y) / 2, "choose", ha="left", size=0.9)
        c.path([token.bottom, (token.bottom[0], 188), (decoder.bottom[0], 188), decoder.bottom], role="query")
        c.text((token.bottom[0] + decoder.bottom[0]) / 2, 201, "read it, then write the next", size=0.9, role="query")
    return c.figure


def _bars(c: Canvas, x: float, y: float, p: list[float], length: float) -> float:
    """Three words with the probability of each, to the right of their names; the y below the last."""
    for i, (word, share) in enumerate(zip(("the", "a", "cat"), p, strict=True)):
        middle = y + 20.0 * i
        c.text(x - 6, middle, word, ha="right", size=0.9)
        _bar(c, x, middle - 7, length * share, 14)
        c.text(x + length * share + 5, middle, f"{share:.1f}" if share else "0", ha="left", size=0.86)
    return y + 50


def _bar(c: Canvas, x: float, y: float, w: float, h: float, *, cut: bool = False) -> None:
    color = ink("weights", fill=True)
    face = "none" if cut else (*to_rgb(color), 0.55)
    edge = FAINT[current_scheme()] if cut else color
    c.ax.add_patch(Rectangle((x, y), w, h, fc=face, ec=edge, lw=1.0, ls="--" if cut else "-"))


def filters(narrow: bool = False) -> Figure:
    """The distribution of the page, and what each setting leaves of it."""
    logits = P.log()
    panels = (
        ("the model's", logits),
        ("temperature 0.5", scale_temperature(logits, 0.5)),
        ("temperature 2", scale_temperature(logits, 2.0)),
        ("top-k, k = 3", keep_top_k(logits, 3)),
        ("nucleus, p = 0.75", keep_nucleus(logits, 0.75)),
        ("min-p, p = 0.2", keep_min_p(logits, 0.2)),
    )
    if narrow:
        c = Canvas(3 * 124 + 4, narrow=True)
        for i, (title, left) in enumerate(panels):
            x, y = (i % 2) * 130 + 2, (i // 2) * 124 + 12
            c.text(x + 62, y, title, weight="bold", size=0.94)
            for j, (word, share) in enumerate(zip(NEXT, left.softmax(dim=-1)[0].tolist(), strict=True)):
                middle, length = y + 22 + 15 * j, 74 * (share or P[0, j].item()) / 0.65
                c.text(x + 26, middle, word, ha="right", size=0.86)
                _bar(c, x + 30, middle - 5.5, length, 11, cut=not share)
                c.text(x + 33 + length, middle, _short(share), ha="left", size=0.86)
        return c.figure

    c, w, h = Canvas(238), 482.0 / 3, 66.0
    for i, (title, left) in enumerate(panels):
        x, y = (i % 3) * w + 4, (i // 3) * 118 + 14
        c.text(x + w / 2 - 4, y, title, weight="bold", size=0.94)
        bottom, step = y + h + 20, (w - 12) / 6
        for j, (word, share) in enumerate(zip(NEXT, left.softmax(dim=-1)[0].tolist(), strict=True)):
            middle, height = x + (j + 0.5) * step, h * (share or P[0, j].item()) / 0.65
            _bar(c, middle - step / 2 + 2, bottom - height, step - 4, height, cut=not share)
            c.text(middle, bottom - height - 7, _short(share), size=0.8)
            c.text(middle, bottom + 9, word, size=0.74)
        c.line((x, bottom), (x + w - 12, bottom), width=0.6)
    return c.figure


def _short(share: float) -> str:
    return f"{share:.2f}".lstrip("0") if share else "0"


def beams(narrow: bool = False) -> Figure:
    """Beginnings of one and of two words with their log-probabilities; two are kept at each step."""
    chain = _chain()
    table = chain.table()
    found = beam_search(chain.start(), torch.tensor([[0]]), beams=2, max_new_tokens=3, end=6, length_penalty=0.0)
    kept = {tuple(text[1:3].tolist()) for text in found.tokens[0]}
    best, greedy = tuple(found.tokens[0, 0, 1:3].tolist()), (1, int(table[1].argmax()))
    c = Canvas(232, narrow=narrow)
    w, h = (56.0, 24.0) if narrow else (78.0, 26.0)
    xs = (2.0, 82.0, 164.0) if narrow else (14.0, 150.0, 300.0)
    begin = c.box(xs[0], 104, w, h, WORDS[0])
    leaves = {1: (18.0, 54.0, 90.0), 2: (142.0, 178.0)}
    for word, ys in leaves.items():
        log_p = math.log(table[0, word])
        y = sum(ys) / len(ys)
        node = c.box(xs[1], y, w, h, WORDS[word], role="weights")
        c.arrow(begin.right, node.left)
        c.text(node.middle[0], node.y + h + 10, f"{log_p:.2f}".replace("-", SIGN), size=0.9, weight="bold")
        for leaf, its_y in zip(table[word].nonzero().flatten().tolist(), ys, strict=True):
            total = log_p + math.log(table[word, leaf])
            on = (word, leaf) in kept
            end = c.box(xs[2], its_y, w, h, WORDS[leaf], role="weights", faint=not on)
            c.path([node.right, end.left], faint=not on)
            label = "  best" if (word, leaf) == best else "  greedy" if (word, leaf) == greedy else ""
            c.text(
                end.x + w + 6, end.middle[1], f"{total:.2f}".replace("-", SIGN) + ("" if narrow else label),
                ha="left", size=0.9, weight="bold" if on else "normal",
                color=ink("plain") if on else MUTED[current_scheme()],
            )  # fmt: skip
    for x, text in zip(xs, ("", "1 word", "2 words"), strict=True):
        c.text(x + w / 2, 222, text, size=0.86, color=MUTED[current_scheme()])
    return c.figure


def cache(narrow: bool = False) -> Figure:
    """The attention weights of five positions: all computed at the fifth step, or the last row alone."""
    torch.manual_seed(0)
    x = torch.randn(1, 5, 16)
    with torch.no_grad():
        _, weights = MultiHeadAttention(16, 1)(2 * x, 2 * x, x, causal_mask(5))
    assert weights is not None
    rows = weights[0, 0].numpy()
    cell = 27.0
    c = Canvas(420 if narrow else 234, narrow=narrow)
    for i, title in enumerate(("without a cache", "with a cache")):
        left, top = (74.0, 40.0 + 204 * i) if narrow else (64.0 + 246 * i, 62.0)
        c.text(left + 2.5 * cell, top - 26, title, weight="bold")
        for q in range(5):
            c.text(left - 8, top + (q + 0.5) * cell, f"query {q + 1}", ha="right", size=0.86)
            for k in range(q + 1):
                new = i == 0 or q == 4
                _cell(c, left + k * cell, top + q * cell, cell, rows[q, k], new=new)
        for k in range(5):
            new = i == 0 or k == 4
            for r, role in enumerate(("key", "value")):
                corner = (left + k * cell + 2, top + 5 * cell + 8 + 12 * r)
                face = (*to_rgb(ink(role, fill=True)), 0.6) if new else PAPER[current_scheme()]
                edge = ink(role) if new else FAINT[current_scheme()]
                c.ax.add_patch(Rectangle(corner, cell - 4, 9, fc=face, ec=edge, lw=1.0))
        c.text(left - 8, top + 5 * cell + 12, "keys", ha="right", size=0.86, role="key")
        c.text(left - 8, top + 5 * cell + 25, "values", ha="right", size=0.86, role="value")
    return c.figure


def _cell(c: Canvas, x: float, y: float, size: float, weight: float, *, new: bool) -> None:
    """One attention weight, filled if this step computes it."""
    color = ink("weights", fill=True)
    face = (*to_rgb(color), 0.15 + 0.6 * float(weight)) if new else "none"
    c.ax.add_patch(Rectangle((x, y), size, size, fc=face, ec=color if new else FAINT[current_scheme()], lw=0.8))
    if new:
        c.text(x + size / 2, y + size / 2, f"{weight:.2f}".lstrip("0"), size=0.8)
