"""Tiled attention: one query with its running sums, the order of the tiles, and the running sums over many keys."""

import torch
from _kit import Canvas
from matplotlib import rcParams
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from attnref import causal_mask, scaled_dot_product_attention, tiled_attention
from attnref.tasks import device

SIDE = 4  # blocks

# The example of the page: scores of one query with four keys, in blocks of two, and the values.
SCORES = torch.tensor([1.0, 2.0, 4.0, 3.0])
VALUES = torch.tensor([10.0, 20.0, 30.0, 40.0])
ROLES = ("plain", "weights", "value")  # of scores and their max, of exponentials and their sum, of values and theirs


def steps(narrow: bool = False) -> Figure:
    """Two blocks of keys: the sums of the first, rescaled to the new max, then with the second, then divided."""
    (scores_1, scores_2), (values_1, values_2) = SCORES.view(2, 2), VALUES.view(2, 2)
    max_1, max_2 = scores_1.max(), SCORES.max()
    exp_1, exp_2 = (scores_1 - max_1).exp(), (scores_2 - max_2).exp()
    rescale = (max_1 - max_2).exp()
    first = torch.stack([max_1, exp_1.sum(), exp_1 @ values_1])
    rescaled = torch.stack([max_2, rescale * first[1], rescale * first[2]])
    both = torch.stack([max_2, rescaled[1] + exp_2.sum(), rescaled[2] + exp_2 @ values_2])
    output, _ = tiled_attention(torch.ones(1, 1), SCORES[:, None], VALUES[:, None], block=2)

    blocks = ((scores_1, exp_1, values_1), (scores_2, exp_2, values_2))
    if narrow:
        c, cell, columns, rows = Canvas(392, narrow=True), (34.0, 18.0), (92, 178), (32, 66, 100)
        at = {"first": (104, 170), "rescaled": (190, 170), "both": (104, 290), "output": (190, 326)}
        steps = ((4, 148, "Sum block 1"), (156, 148, "Rescale"), (4, 268, "Add block 2"), (156, 268, "Divide"))
    else:
        c, cell, columns, rows = Canvas(272), (38.0, 20.0), (128, 318), (36, 74, 112)
        at = {"first": (141, 196), "rescaled": (236, 196), "both": (331, 196), "output": (426, 236)}
        steps = ((141, 176, "Sum"), (234, 176, "Rescale"), (331, 176, "Add"), (418, 176, "Divide"))
    bottom = rows[-1] + cell[1]
    for x, block, name in zip(columns, blocks, ("block 1", "block 2"), strict=True):
        c.text(x + cell[0], rows[0] - 0.9 * c.size, name, weight="bold")
        for y, cells, role in zip(rows, block, ROLES, strict=True):
            c.matrix(x, y, cells, role=role, cell=cell, digits=2)
        if not narrow:
            c.arrow((x + cell[0], bottom + 4), (x + cell[0], 162))
    for y, name, role in zip(rows, ("scores", "exp(scores \N{MINUS SIGN} max)", "values"), ROLES, strict=True):
        c.text(columns[0] - 10, y + cell[1] / 2, name, role=role, ha="right")
    for count, (x, y, text) in enumerate(steps, 1):
        c.step(count, x, y, text)

    names, wide = ("row_max", "row_sum", "acc"), (cell[0] + 12, cell[1])
    sums = {}
    for name, numbers in (("first", first), ("rescaled", rescaled), ("both", both)):
        x, y = at[name]
        labels = names if name == "first" or (narrow and name == "both") else ("", "", "")
        for row, (entry, role, label) in enumerate(zip(numbers, ROLES, labels, strict=True)):
            sums[name] = c.matrix(x, y + row * wide[1], [[entry]], role=role, cell=wide, digits=2, most=50)
            c.text(x - 10, y + (row + 0.5) * wide[1], label, role=role, ha="right")
    mean = c.matrix(*at["output"], output, role="value", cell=wide, digits=2, most=50)
    c.text(mean.middle[0], mean.y + mean.h + 1.1 * c.size, "output", role="value", weight="bold")
    times = f"\N{MULTIPLICATION SIGN} {rescale:.2f}"
    for row in (1, 2):
        (x, y), (end, _) = at["first"], at["rescaled"]
        y += (row + 0.5) * wide[1]
        c.arrow((x + wide[0] + 4, y), (end - 4, y), times if row == 1 else "")
    if not narrow:
        c.arrow(c.beside(sums["rescaled"], 8), c.beside(sums["both"], -8))
    c.arrow(c.beside(sums["both"], 5), c.beside(mean, -5), f"\N{DIVISION SIGN} {both[1]:.2f}")
    return c.figure


def order(narrow: bool = False) -> Figure:
    """The scores in tiles, numbered in the order of computation: all of them, and those that a causal mask leaves."""
    figure = Figure(figsize=(3.58, 6.2) if narrow else (6.7, 3.2), layout="constrained")
    mask = causal_mask(SIDE)
    axes = figure.subplots(*((2, 1) if narrow else (1, 2)))
    for ax, name, seen in zip(axes, ("no mask", "causal mask, fast version"), (mask | True, mask), strict=True):
        number = 0
        for i in range(SIDE):
            for j in range(SIDE):
                may = bool(seen[i, j])
                number += may
                edge = {
                    "facecolor": to_rgba("C3", 0.2 * may),
                    "edgecolor": rcParams["axes.edgecolor"],
                    "ls": "-" if may else ":",
                }
                ax.add_patch(Rectangle((j - 0.44, i - 0.44), 0.88, 0.88, lw=0.8, **edge))
                ax.text(j, i, str(number) if may else "", ha="center", va="center")
        ax.set(xlim=(-0.6, SIDE - 0.4), ylim=(SIDE - 0.4, -0.6), title=name, aspect="equal", xlabel="block of keys")
        ax.set_xticks(range(SIDE), [str(j + 1) for j in range(SIDE)])
        ax.set_yticks(range(SIDE), [str(i + 1) for i in range(SIDE)])
        ax.set_ylabel("block of queries")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    return figure


def sums(narrow: bool = False) -> Figure:
    """The max score, the sum of exponentials and the quotient of one query after each block of four keys."""
    draw = torch.Generator().manual_seed(0)
    key = torch.randn(32, 4, generator=draw).to(device())
    value = torch.randn(32, 1, generator=draw).to(device())
    query = torch.full((1, 4), 1.5, device=device())
    read = range(4, 33, 4)
    scores = (query @ key.T / 2)[0]  # divided by the root of d_k
    row_max = torch.stack([scores[:n].max() for n in read]).cpu()
    row_sum = torch.stack([(scores[:n] - scores[:n].max()).exp().sum() for n in read]).cpu()
    output = torch.cat([tiled_attention(query, key[:n], value[:n], block=4)[0] for n in read]).cpu()
    whole = scaled_dot_product_attention(query, key, value)[0].item()

    figure = Figure(figsize=(3.58, 6.4) if narrow else (6.7, 2.6), layout="constrained")
    lines = (
        ("max score $m$", row_max, rcParams["text.color"]),
        (r"sum $\ell$", row_sum, "C3"),
        (r"quotient $a / \ell$", output[:, 0], "C2"),
    )
    axes = figure.subplots(*((3, 1) if narrow else (1, 3)))
    for ax, (name, line, color) in zip(axes, lines, strict=True):
        ax.plot(read, line.numpy().round(3), color=color, marker="o", ms=4)
        ax.set(title=name, xlabel="keys seen", xlim=(0, 34), xticks=(4, 12, 20, 28))
    axes[2].axhline(whole, color=rcParams["axes.edgecolor"], lw=1, ls=":", zorder=0)
    axes[2].annotate("all at once", (33, whole), (0, 5), textcoords="offset points", ha="right", fontsize="small")
    return figure
