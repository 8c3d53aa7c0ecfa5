"""Tiled attention: the order in which blocks are visited, and the running sums of one query on the way."""

import torch
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from attnref import causal_mask, scaled_dot_product_attention, tiled_attention
from attnref.tasks import device

SIDE = 4  # blocks


def order() -> Figure:
    """The table of scores in blocks, numbered as they are visited: all of them, and those a causal mask leaves."""
    figure = Figure(figsize=(6.7, 3.2), layout="constrained")
    mask = causal_mask(SIDE)
    for ax, name, seen in zip(
        figure.subplots(1, 2), ("no mask", "causal, fast form"), (mask | True, mask), strict=True
    ):
        number = 0
        for i in range(SIDE):
            for j in range(SIDE):
                may = bool(seen[i, j])
                number += may
                edge = {"facecolor": "none", "edgecolor": rcParams["axes.edgecolor"], "ls": "-" if may else ":"}
                ax.add_patch(Rectangle((j - 0.44, i - 0.44), 0.88, 0.88, lw=0.8, **edge))
                ax.text(j, i, str(number) if may else "", ha="center", va="center")
        ax.set(xlim=(-0.6, SIDE - 0.4), ylim=(SIDE - 0.4, -0.6), title=name, aspect="equal", xlabel="block of keys")
        ax.set_xticks(range(SIDE), [str(j + 1) for j in range(SIDE)])
        ax.set_yticks(range(SIDE), [str(i + 1) for i in range(SIDE)])
        ax.set_ylabel("block of queries")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    return figure


def sums() -> Figure:
    """The highest score, the sum of exponentials and the quotient of one query after each block of four keys."""
    draw = torch.Generator().manual_seed(0)
    key = torch.randn(32, 4, generator=draw).to(device())
    value = torch.randn(32, 1, generator=draw).to(device())
    query = torch.full((1, 4), 1.5, device=device())
    read = range(4, 33, 4)
    scores = (query @ key.T / 2)[0]  # divided by the root of the width
    highest = torch.stack([scores[:n].max() for n in read]).cpu()
    total = torch.stack([(scores[:n] - scores[:n].max()).exp().sum() for n in read]).cpu()
    output = torch.cat([tiled_attention(query, key[:n], value[:n], block=4)[0] for n in read]).cpu()
    whole = scaled_dot_product_attention(query, key, value)[0].item()

    figure = Figure(figsize=(6.7, 2.6), layout="constrained")
    told = (
        ("highest score $m$", highest, "C2"),
        (r"sum $\ell$", total, "C1"),
        (r"quotient $a / \ell$", output[:, 0], "C0"),
    )
    axes = figure.subplots(1, 3)
    for ax, (name, line, color) in zip(axes, told, strict=True):
        ax.plot(read, line.numpy().round(3), color=color, marker="o", ms=4)
        ax.set(title=name, xlabel="keys seen", xlim=(0, 34), xticks=(4, 12, 20, 28))
    axes[2].axhline(whole, color=rcParams["axes.edgecolor"], lw=1, ls=":", zorder=0)
    axes[2].annotate("all at once", (33, whole), (0, 5), textcoords="offset points", ha="right", fontsize="small")
    return figure
