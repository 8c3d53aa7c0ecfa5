"""Multi-head attention: three heads that answer three questions, and how wide a token is in each of the two forms."""

import itertools

import torch
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from attnref import MultiHeadAttention, plot
from attnref.tasks import device

# Eight things: two numbers each for color, shape and size.
THINGS = list(itertools.product(("red", "blue"), ("disc", "box"), ("large", "small")))
QUESTIONS = ("colour", "shape", "size")


def heads() -> Figure:
    """The weights of a layer of one head, and of three heads with the same maps, which compare one property each."""
    pairs = torch.tensor([[(i, 1 - i) for i in bits] for bits in itertools.product((1, 0), repeat=3)]).float()
    x = pairs.flatten(1).to(device())
    weights = []
    for num_heads in (1, 3):
        layer = MultiHeadAttention(d_model=6, num_heads=num_heads).to(device())
        with torch.no_grad():
            layer.query_proj.weight.copy_(3 * torch.eye(6))
            layer.key_proj.weight.copy_(torch.eye(6))
            weights.append(layer(x, x, x)[1].cpu())

    figure = Figure(figsize=(6.7, 5.6), layout="constrained")
    axes = list(figure.subplots(2, 2, sharex=True, sharey=True).flat)
    plot.heads(torch.cat(weights), [f"{size} {color} {shape}" for color, shape, size in THINGS], axes=axes)
    for ax, title in zip(axes, ("one head", *(f"head {i} of 3: {q}" for i, q in enumerate(QUESTIONS, 1))), strict=True):
        ax.set_title(title)
        ax.tick_params(labelbottom=False)
    return figure


WIDTH, HEADS = 512, 8
UNIT = 2.3 / (WIDTH * HEADS)  # inches for one number
HALF = 0.13  # of a bar's thickness, inches
PLACES = (1.45, 3.1, 4.5, 6.15)


def shapes() -> Figure:
    """One token through both forms, each vector a bar as tall as it is wide; both to one scale."""
    figure = Figure(figsize=(6.7, 4.5))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 6.7), ylim=(4.5, 0))
    ax.set_axis_off()
    for x, text in zip(PLACES, ("one token", "values\nof 8 heads", "outputs\nof 8 heads", "output"), strict=True):
        ax.text(x, 0.5, text, ha="center", va="bottom")
    _form(ax, 1.05, "split", WIDTH // HEADS)
    _form(ax, 3.15, "wide", WIDTH)
    return figure


def _form(ax: Axes, y: float, name: str, width: int) -> None:
    """The vectors and, between them, the maps."""
    layer = MultiHeadAttention(WIDTH, HEADS, d_k=width, d_v=width)
    parameters = sum(parameter.numel() for parameter in layer.parameters())
    joined = layer.output_proj.in_features
    ax.text(0.1, y - 0.22, name, va="center", weight="bold")
    ax.text(0.1, y + 0.03, f"{parameters / 1e6:.2f} million", va="center", fontsize=11)
    ax.text(0.1, y + 0.22, "parameters", va="center", fontsize=11)

    maps = (("$W^V$", layer.value_proj), ("attend", None), ("$W^O$", layer.output_proj))
    sizes = (WIDTH, joined, joined, WIDTH)
    for (left, right), (a, b), (text, linear) in zip(
        itertools.pairwise(PLACES), itertools.pairwise(sizes), maps, strict=True
    ):
        a, b, left, right = a * UNIT / 2, b * UNIT / 2, left + HALF, right - HALF
        corners = [(left, y - a), (right, y - b), (right, y + b), (left, y + a)]
        ax.add_patch(Polygon(corners, fc=rcParams["axes.edgecolor"], alpha=0.15, lw=0, zorder=0))
        if linear is not None:
            text += f"\n{linear.in_features} \N{MULTIPLICATION SIGN} {linear.out_features}"
        below = y + 0.2 if width < WIDTH else y  # beside the narrow band, inside the broad one
        va = "top" if width < WIDTH else "center"
        ax.text((left + right) / 2, below, text, ha="center", va=va, fontsize=12, linespacing=1.3)
    for x, size, parts in zip(PLACES, sizes, (1, HEADS, HEADS, 1), strict=True):
        _bar(ax, x, y, size, parts)


def _bar(ax: Axes, x: float, y: float, size: int, parts: int) -> None:
    """A vector, cut into its heads."""
    tall, corner = size * UNIT, (x - HALF, y - size * UNIT / 2)
    for part in range(parts):
        stripe = (corner[0], corner[1] + part * tall / parts)
        ax.add_patch(Rectangle(stripe, 2 * HALF, tall / parts, fc="C0", alpha=0.85 if part % 2 else 0.45, lw=0))
    ax.add_patch(Rectangle(corner, 2 * HALF, tall, fc="none", ec=rcParams["axes.edgecolor"], lw=0.8))
    text = f"{size}" if parts == 1 else f"{parts} · {size // parts} = {size}"
    ax.text(x, corner[1] - 0.05, text, ha="center", va="bottom", fontsize=11)
