"""The glossary: the colors of queries, keys, values and weights, on their way through attention."""

import torch
from _kit import Canvas, Role
from matplotlib.figure import Figure

from attnref import scaled_dot_product_attention


def colors(narrow: bool = False) -> Figure:
    """Query blue, key orange, weights purple, value and output green; everything else gray."""
    draw = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(n, 3, generator=draw) for n in (2, 4, 4))
    output, weights = scaled_dot_product_attention(query, key, value)
    if narrow:
        c, cell = Canvas(172, narrow=True), (15.0, 15.0)
        at = {"query": (6, 36), "key": (76, 28), "weights": (180, 36), "value": (90, 106), "output": (180, 121)}
    else:
        c, cell = Canvas(106), (16.0, 16.0)
        at = {"query": (8, 44), "key": (92, 36), "weights": (192, 44), "value": (292, 28), "output": (380, 44)}
    parts: tuple[tuple[str, Role, torch.Tensor], ...] = (
        ("query", "query", query), ("key", "key", key.mT), ("weights", "weights", weights), ("value", "value", value),
        ("output", "value", output),
    )  # fmt: skip
    blocks = {}
    for name, role, numbers in parts:
        label = "keyᵀ" if name == "key" else name
        blocks[name] = c.matrix(*at[name], numbers, role=role, name=label, cell=cell, digits=-1)
    c.sign(blocks["query"], blocks["key"], "@")
    c.arrow(c.beside(blocks["key"], 6), c.beside(blocks["weights"], -6))
    if narrow:
        c.text(36, blocks["value"].middle[1], "weights", role="weights", weight="bold")
        c.text(74, blocks["value"].middle[1], "@", size=1.15)
    else:
        c.sign(blocks["weights"], blocks["value"], "@")
    c.sign(blocks["value"], blocks["output"], "=")
    return c.figure
