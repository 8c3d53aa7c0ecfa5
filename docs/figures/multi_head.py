"""Multi-head attention: heads split, attended with and joined; three heads, three questions; sizes of both forms."""

import itertools

import torch
from _kit import Canvas, ink
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from attnref import MultiHeadAttention, plot
from attnref.tasks import device

# Eight things: two numbers each for color, shape and size.
THINGS = list(itertools.product(("red", "blue"), ("disc", "box"), ("large", "small")))
QUESTIONS = ("color", "shape", "size")


def flow(narrow: bool = False) -> Figure:
    """Project and split, attend in each head, join, project: the example of the page with its numbers."""
    x = torch.tensor([[1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0]])
    eye = torch.eye(4)
    attention = MultiHeadAttention(d_model=4, num_heads=2)
    with torch.no_grad():
        attention.query_proj.weight.copy_(3 * eye)
        attention.key_proj.weight.copy_(eye)
        attention.value_proj.weight.copy_(eye[[2, 3, 0, 1]])  # head 1 takes the shape, head 2 the color
        attention.output_proj.weight.copy_(eye[[2, 3, 0, 1]])
        output, weights = attention(x, x, x)
        parts = [proj(x).unflatten(-1, (2, 2)).unbind(1) for proj in (attention.query_proj, attention.key_proj)]
        values = attention.value_proj(x).unflatten(-1, (2, 2)).unbind(1)
    heads = [weights[i] @ values[i] for i in range(2)]
    things = ["red disc", "red box", "blue disc"]

    c = Canvas(536 if narrow else 392, narrow=narrow)
    small, wide = ((15.0, 15.0), (24.0, 15.0)) if narrow else ((19.0, 16.0), (29.0, 16.0))
    c.step(1, 4, 16, "Project, and split into heads" if narrow else "Project, split into heads")
    if narrow:
        start_at, cell = (96, 62), (18.0, 15.0)
        columns, lanes, last = (2, 40, 84, 168, 208), (184, 306), 446
        c.step(2, 84, 154, "Each head attends")
        c.step(3, 4, 410, "Join")
        c.step(4, 132, 410, "Project")
        joined_x, output_x = 4, 152
    else:
        start_at, cell = (58, 126), (17.0, 16.0)
        columns, lanes, last = (154, 202, 258, 360, 416), (60, 190), 332
        c.step(2, 258, 16, "Each head attends")
        c.step(3, 6, 296, "Join")
        c.step(4, 250, 296, "Project")
        joined_x, output_x = 58, 300
    start = c.matrix(*start_at, x, shape="(3, d_model = 4)", rows=things, cell=cell)
    for part, text in ((0.25, "color"), (0.75, "shape")):
        c.text(start.x + part * start.w, start.y - 0.55 * c.size, text, size=0.82, va="baseline")
    c.line((start.middle[0], start.y), (start.middle[0], start.y + start.h), width=2.2)
    c.text(start.middle[0], start.y - 1.85 * c.size, "x", weight="bold", va="baseline")
    for i, y in enumerate(lanes):
        q = c.matrix(columns[0], y, parts[0][i], role="query", name="q", cell=small)
        k = c.matrix(columns[1], y, parts[1][i], role="key", name="k", cell=small)
        w = c.matrix(columns[2], y, weights[i], role="weights", name=f"weights {i + 1}", cell=wide, digits=2, most=1)
        v = c.matrix(columns[3], y, values[i], role="value", name="v", cell=small)
        o = c.matrix(columns[4], y, heads[i], role="value", name=f"head {i + 1}", cell=wide, digits=2, most=1)
        c.text((q.x + k.right[0]) / 2, y + q.h + 1.15 * c.size, "(3, d_k = 2)", size=0.82)
        c.text(v.middle[0], y + v.h + 1.15 * c.size, "(3, d_v = 2)", size=0.82)
        c.arrow(c.beside(k, 3), c.beside(w, -3), role="weights")
        c.sign(w, v, "\N{MULTIPLICATION SIGN}")
        c.arrow(c.beside(v, 2 if narrow else 4), c.beside(o, -2 if narrow else -4), role="value")
        if not narrow:
            c.arrow(c.beside(start, 6), c.beside(q, -5))
    if narrow:
        down = start.y + start.h + 28
        turn = [c.beside(start, 5), (start.right[0] + 22, start.middle[1]), (start.right[0] + 22, down), (36, down)]
        c.path([*turn, (36, lanes[0] - 16)])
    joined = c.matrix(
        joined_x, last, torch.cat(heads, -1), role="value", name="head 1, head 2", shape="(3, h d_v = 4)", cell=wide,
        digits=2, most=1,
    )  # fmt: skip
    out = c.matrix(output_x, last, output, name="output", shape="(3, d_model = 4)", cell=wide, digits=2, most=1)
    c.line((joined.middle[0], last), (joined.middle[0], last + joined.h), role="value", width=2.2)
    c.arrow(c.beside(joined, 8), c.beside(out, -8), "" if narrow else "output_proj")
    return c.figure


def heads(narrow: bool = False) -> Figure:
    """The weights of a layer of one head, and of three heads with the same projections, one property each."""
    pairs = torch.tensor([[(i, 1 - i) for i in bits] for bits in itertools.product((1, 0), repeat=3)]).float()
    x = pairs.flatten(1).to(device())
    weights = []
    for num_heads in (1, 3):
        layer = MultiHeadAttention(d_model=6, num_heads=num_heads).to(device())
        with torch.no_grad():
            layer.query_proj.weight.copy_(3 * torch.eye(6))
            layer.key_proj.weight.copy_(torch.eye(6))
            weights.append(layer(x, x, x)[1].cpu())

    figure = Figure(figsize=(3.58, 9.0) if narrow else (6.7, 5.6), layout="constrained")
    axes = list(figure.subplots(*((4, 1) if narrow else (2, 2)), sharex=True, sharey=True).flat)
    plot.heads(torch.cat(weights), [f"{size} {color} {shape}" for color, shape, size in THINGS], axes=axes)
    for ax, title in zip(axes, ("one head", *(f"head {i} of 3: {q}" for i, q in enumerate(QUESTIONS, 1))), strict=True):
        ax.set_title(title)
        ax.tick_params(labelbottom=False)
    return figure


WIDTH, HEADS = 512, 8
UNIT = 2.3 / (WIDTH * HEADS)  # inches for one number
HALF = 0.13  # of a bar's thickness, inches
PLACES = {False: (1.45, 3.1, 4.5, 6.15), True: (0.3, 1.35, 2.25, 3.28)}  # inches; narrow or not


def shapes(narrow: bool = False) -> Figure:
    """One token through both forms, each vector a bar as tall as it has numbers; both to one scale."""
    figure = Figure(figsize=(3.58, 5.1) if narrow else (6.7, 4.5))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, figure.get_figwidth()), ylim=(figure.get_figheight(), 0))
    ax.set_axis_off()
    for x, text in zip(
        PLACES[narrow], ("one\ntoken", "values\nof 8 heads", "outputs\nof 8 heads", "output"), strict=True
    ):
        ax.text(x, 0.5, text, ha="center", va="bottom", fontsize=10 if narrow else 12)
    _form(ax, 1.25 if narrow else 1.05, "split", WIDTH // HEADS, narrow)
    _form(ax, 3.75 if narrow else 3.15, "wide", WIDTH, narrow)
    return figure


def _form(ax: Axes, y: float, name: str, d_k: int, narrow: bool) -> None:
    """The vectors and, between them, the projections."""
    layer = MultiHeadAttention(WIDTH, HEADS, d_k=d_k, d_v=d_k)
    parameters = f"{sum(parameter.numel() for parameter in layer.parameters()) / 1e6:.2f} million"
    joined, places = layer.output_proj.in_features, PLACES[narrow]
    if narrow:
        ax.text(
            0.05,
            y - (1.55 if d_k == WIDTH else 0.5),
            f"{name}, {parameters} parameters",
            va="center",
            fontsize=10,
            weight="bold",
        )
    else:
        ax.text(0.1, y - 0.22, name, va="center", weight="bold")
        ax.text(0.1, y + 0.03, parameters, va="center", fontsize=11)
        ax.text(0.1, y + 0.22, "parameters", va="center", fontsize=11)

    projections = (("$W^V$", layer.value_proj), ("attend", None), ("$W^O$", layer.output_proj))
    sizes = (WIDTH, joined, joined, WIDTH)
    for (left, right), (a, b), (text, linear) in zip(
        itertools.pairwise(places), itertools.pairwise(sizes), projections, strict=True
    ):
        a, b, left, right = a * UNIT / 2, b * UNIT / 2, left + HALF, right - HALF
        corners = [(left, y - a), (right, y - b), (right, y + b), (left, y + a)]
        ax.add_patch(Polygon(corners, fc=rcParams["axes.edgecolor"], alpha=0.15, lw=0, zorder=0))
        if linear is not None:
            text += f"\n{linear.in_features} \N{MULTIPLICATION SIGN} {linear.out_features}"
        below = y + 0.2 if d_k < WIDTH else y  # beside the narrow band, inside the broad one
        va = "top" if d_k < WIDTH else "center"
        size = 10 if narrow else 12
        ax.text((left + right) / 2, below, text, ha="center", va=va, fontsize=size, linespacing=1.3)
    for x, size, parts in zip(places, sizes, (1, HEADS, HEADS, 1), strict=True):
        _bar(ax, x, y, size, parts, narrow)


def _bar(ax: Axes, x: float, y: float, size: int, parts: int, narrow: bool) -> None:
    """A vector, cut into its heads."""
    tall, corner = size * UNIT, (x - HALF, y - size * UNIT / 2)
    for part in range(parts):
        stripe = (corner[0], corner[1] + part * tall / parts)
        color = ink("value" if parts > 1 else "plain", fill=True)
        ax.add_patch(Rectangle(stripe, 2 * HALF, tall / parts, fc=color, alpha=0.85 if part % 2 else 0.45, lw=0))
    ax.add_patch(Rectangle(corner, 2 * HALF, tall, fc="none", ec=rcParams["axes.edgecolor"], lw=0.8))
    text = f"{size}" if parts == 1 else f"{parts} · {size // parts}" + ("" if narrow else f" = {size}")
    ax.text(x, corner[1] - 0.05, text, ha="center", va="bottom", fontsize=10 if narrow else 11)
