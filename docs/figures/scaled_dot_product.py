"""Scaled dot-product attention: its four steps with numbers, and what the division by the root of d_k is for."""

import numpy as np
import torch
from _kit import Canvas
from matplotlib import rcParams
from matplotlib.figure import Figure

from attnref import scaled_dot_product_attention
from attnref.tasks import device

QUERY = torch.tensor([[2.0, 0.0, 2.0, 0.0], [0.0, 2.0, 0.0, 0.0]])
KEY = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 1.0]])
VALUE = torch.tensor([[10.0, 0.0], [0.0, 10.0], [5.0, 5.0]])


def steps(narrow: bool = False) -> Figure:
    """Compare, divide, softmax, average: the matrices of the page, with their numbers and shapes."""
    output, weights = scaled_dot_product_attention(QUERY, KEY, VALUE)
    products, root = QUERY @ KEY.mT, QUERY.shape[-1] ** 0.5
    # Where each matrix stands: x and y of its corner, in points.
    if narrow:
        c, small, large = Canvas(474, narrow=True), (22.0, 19.0), (31.0, 19.0)
        at = {
            "Q": (14, 66),
            "K": (146, 47),
            "P": (14, 192),
            "S": (168, 192),
            "W": (80, 300),
            "V": (112, 400),
            "O": (186, 409),
        }
        steps = [(4, 14), (4, 154), (4, 264), (4, 364)]
    else:
        c, small, large = Canvas(308), (24.0, 21.0), (39.0, 21.0)
        at = {
            "Q": (14, 88),
            "K": (140, 67),
            "P": (242, 88),
            "S": (396, 88),
            "W": (40, 238),
            "V": (226, 227),
            "O": (344, 238),
        }
        steps = [(10, 16), (300, 16), (10, 190), (216, 190)]
    words = (
        "Compare each query with each key",
        "Divide by the root of d_k",
        "Softmax over each row",
        "Average the values",
    )
    for count, ((x, y), text) in enumerate(zip(steps, words, strict=True), 1):
        c.step(count, x, y, text)

    query = c.matrix(*at["Q"], QUERY, role="query", name="query", shape="(2, d_k = 4)", cell=small)
    key = c.matrix(*at["K"], KEY.mT, role="key", name="keyᵀ", shape="(d_k = 4, 3)", cell=small)
    dots = c.matrix(*at["P"], products, name="dot products", shape="(2, 3)", cell=small)
    scores = c.matrix(*at["S"], products / root, name="scores", shape="(2, 3)", cell=small)
    mixing = c.matrix(*at["W"], weights, role="weights", name="weights", shape="(2, 3)", cell=large, digits=2, most=1)
    value = c.matrix(*at["V"], VALUE, role="value", name="value", shape="(3, d_v = 2)", cell=small)
    mean = c.matrix(*at["O"], output, role="value", name="output", shape="(2, 2)", cell=large, digits=2)
    c.sign(query, key, "@")
    c.arrow(c.beside(dots, 9), c.beside(scores, -9), f"÷ √d_k = {root:.0f}")
    c.sign(value, mean, "=")
    if narrow:
        c.text(60, value.middle[1], "weights", role="weights", weight="bold")
        c.text(98, value.middle[1], "@", size=1.15, color=rcParams["axes.edgecolor"])
    else:
        c.sign(key, dots, "=")
        c.sign(mixing, value, "@")
    return c.figure


def scale(narrow: bool = False) -> Figure:
    """How many keys a query attends to, and the gradient it gets, with and without the division, by d_k."""
    widths = np.array([4, 8, 16, 32, 64, 128, 256, 512])
    figure = Figure(figsize=(3.58, 5.8) if narrow else (6.7, 3.4), layout="constrained")
    left, right = figure.subplots(*((2, 1) if narrow else (1, 2)))
    for name, color, dashes, divided in (("divided", "C0", "-", True), ("not divided", "C1", "--", False)):
        entropy, gradient = np.stack([_ask(int(d_k), divided) for d_k in widths], axis=-1)
        for ax, (low, middle, high) in ((left, entropy), (right, gradient)):
            ax.fill_between(widths, low, high, color=color, alpha=0.2, lw=0)
            ax.plot(widths, middle, dashes, color=color, label=name)
    left.set(ylim=(0, 4.1), yticks=range(5), title="entropy of the weights, bits")
    right.set(ylim=(0, None), title="gradient of the query, norm")
    for ax in (left, right):
        ax.set_xscale("log", base=2)
        ax.set(xticks=(4, 16, 64, 256), xlabel="size of query and key, d_k")
        ax.xaxis.set_major_formatter("{x:.0f}")
        ax.minorticks_off()
    left.axhline(4, color=rcParams["axes.edgecolor"], lw=1, ls=":")
    left.text(512, 3.93, "16 equal weights", ha="right", va="top", fontsize="small", color=rcParams["axes.edgecolor"])
    right.legend(loc="upper left")
    return figure


def _ask(d_k: int, divided: bool, queries: int = 2000, n_k: int = 16) -> np.ndarray:
    """The 10 %, 50 % and 90 % quantiles over queries of entropy in bits and of the norm of d output / d query."""
    draw = torch.Generator().manual_seed(d_k)  # on the CPU: the same numbers on every device
    query = torch.randn(queries, 1, d_k, generator=draw).to(device()).requires_grad_()
    key = torch.randn(queries, n_k, d_k, generator=draw).to(device())
    value = torch.randn(queries, n_k, 1, generator=draw).to(device())
    output, weights = scaled_dot_product_attention(query if divided else query * d_k**0.5, key, value)
    (gradient,) = torch.autograd.grad(output.sum(), query)
    entropy = torch.special.entr(weights).sum(-1) / np.log(2)
    three = torch.tensor([0.1, 0.5, 0.9], device=device())
    measured = torch.stack([x.flatten().quantile(three) for x in (entropy.detach(), gradient.norm(dim=-1))])
    return measured.cpu().numpy().round(3)
