"""Masks as grids over words: padding and causal joined, the softmax under them, and windows."""

import torch
from _kit import Block, Canvas, number
from matplotlib.figure import Figure
from torch import Tensor

from attnref import causal_mask, masked_softmax, padding_mask, window_mask

MINUS_INFINITY = "\N{MINUS SIGN}∞"

# The example of the page: three words, padded to four.
WORDS = ("the", "cat", "sat", "pad")
SCORES = torch.tensor([[1.0, 2.0, 3.0, 0.0], [1.0, 1.0, 9.0, 0.0], [0.0, 0.0, 0.0, 0.0], [2.0, 1.0, 0.0, 5.0]])


def grid(narrow: bool = False) -> Figure:
    """A padding mask and a causal mask, joined with &; scores, masked scores and weights under the joined mask."""
    padding, causal = padding_mask([3], n_k=4)[0], causal_mask(4)
    mask = padding & causal
    weights = masked_softmax(SCORES, mask)
    if narrow:
        c, cell = Canvas(602, narrow=True), (23.0, 19.0)
        at = {
            "padding": (30, 86),
            "causal": (160, 58),
            "both": (30, 214),
            "scores": (30, 370),
            "masked": (160, 370),
            "weights": (30, 514),
        }
        steps = (
            (4, 14, "Two masks"),
            (4, 170, "Join them with &"),
            (4, 326, f"Replace by {MINUS_INFINITY}"),
            (4, 476, "Softmax"),
        )
        legend = (160.0, 236.0)
    else:
        c, cell = Canvas(336), (29.0, 20.0)
        at = {
            "padding": (36, 92),
            "causal": (196, 68),
            "both": (358, 68),
            "scores": (36, 236),
            "masked": (196, 236),
            "weights": (358, 236),
        }
        steps = (
            (6, 16, "Two masks"),
            (318, 16, "Join them with &"),
            (6, 192, f"Replace by {MINUS_INFINITY}"),
            (318, 192, "Softmax"),
        )
        legend = (36.0, 138.0)
    for count, (x, y, text) in enumerate(steps, 1):
        c.step(count, x, y, text)

    left = _mask(c, at["padding"], padding, "padding mask", "(1, n_k = 4)", ("",), WORDS, cell)
    middle = _mask(c, at["causal"], causal, "causal mask", "(n_q = 4, n_k = 4)", WORDS, WORDS, cell)
    both = _mask(c, at["both"], mask, "mask", "(4, 4)", WORDS, WORDS, cell)
    scores = c.matrix(*at["scores"], SCORES, name="scores", shape="(4, 4)", rows=WORDS, cell=cell)
    masked = c.matrix(
        *at["masked"], SCORES * mask, name="masked scores", shape="(4, 4)", rows=WORDS, cell=cell, digits=-1, most=9
    )
    for i, j in torch.cartesian_prod(torch.arange(4), torch.arange(4)).tolist():
        x, y = masked.x + (j + 0.5) * cell[0], masked.y + (i + 0.5) * cell[1]
        c.text(x, y, number(float(SCORES[i, j]), 1) if mask[i, j] else MINUS_INFINITY, size=0.86)
    mixing = c.matrix(
        *at["weights"], weights, role="weights", name="weights", rows=WORDS, cell=cell, digits=2, most=1,
        hidden=(~mask).numpy(), shape="" if narrow else "(4, 4)",
    )  # fmt: skip

    c.text((left.x + left.w + middle.x - 26) / 2, left.middle[1], "&", size=1.15)
    if not narrow:
        c.text((middle.x + middle.w + both.x - 26) / 2, middle.middle[1], "=", size=1.15)
        c.arrow(c.beside(masked, 5), (mixing.x - 27, mixing.middle[1]))
    c.arrow(c.beside(scores, 5), (masked.x - 27, masked.middle[1]))
    for row, (may, meaning) in enumerate(((True, "may attend"), (False, "masked"))):
        x, y = legend[0], legend[1] + row * 1.7 * c.size
        _mask(c, (x, y), torch.tensor([[may]]), "", "", (), (), (13.0, 13.0))
        c.text(x + 20, y + 6.5, meaning, ha="left", size=0.9)
    return c.figure


def windows(narrow: bool = False) -> Figure:
    """A window on both sides, and two causal windows."""
    n = 8
    names = [str(i) for i in range(n)]
    c = Canvas(476 if narrow else 166, narrow=narrow)
    cell = (15.0, 15.0)
    for count, (width, past) in enumerate(((3, False), (3, True), (6, True))):
        corner = (70.0, 36.0 + 160 * count) if narrow else (26.0 + 158 * count, 40.0)
        mask = window_mask(n, width=width) & causal_mask(n) if past else window_mask(n, width=width)
        _mask(c, corner, mask, f"width {width}{', causal' if past else ''}", "", names, names, cell)
    return c.figure


def _mask(
    c: Canvas,
    corner: tuple[float, float],
    mask: Tensor,
    name: str,
    shape: str,
    rows: tuple[str, ...] | list[str],
    columns: tuple[str, ...] | list[str],
    cell: tuple[float, float],
) -> Block:
    """A grid: colored where a query may attend to a key, hatched where it may not."""
    return c.matrix(
        *corner, mask.float(), role="weights", name=name, shape=shape, rows=rows, columns=columns, cell=cell,
        digits=-1, most=1, hidden=(~mask).numpy(),
    )  # fmt: skip
