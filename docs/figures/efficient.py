"""Efficient attention: the order of the products to scale, what each can look up, and what the maps have learned."""

import torch
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional as F

from attnref import efficient_attention, plot, scaled_dot_product_attention
from attnref.tasks import device, digits_data, load

N, D = 1000, 64  # positions, and the width of queries, keys and values


def order() -> Figure:
    """Both orders of the product of Q, K and V, every matrix as large as its numbers are many."""
    figure = Figure(figsize=(6.7, 6.3))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(-70, 3100), ylim=(2960, 0), aspect="equal")
    ax.set_axis_off()

    ax.text(0, 90, "queries meet keys first", va="center", fontweight="bold")
    _matrix(ax, 0, 360, D, N, "$Q$")
    _matrix(ax, 150, 360, N, D, r"$K^\top$")
    _sign(ax, 1275, 392)
    _matrix(ax, 1400, 360, N, N, "weights, 1000 \N{MULTIPLICATION SIGN} 1000:\n1 000 000 numbers", made=True)
    _matrix(ax, 2500, 360, D, N, "$V$")
    _sign(ax, 2680, 392)
    _matrix(ax, 2800, 360, D, N, "output")

    ax.text(0, 1600, "keys meet values first", va="center", fontweight="bold")
    _matrix(ax, 0, 1870, N, D, r"$K^\top$")
    _matrix(ax, 1090, 1870, D, N, "$V$")
    _sign(ax, 1275, 1902)
    _matrix(ax, 1400, 1870, D, D, "", made=True)
    ax.text(1400, 2100, "context, 64 \N{MULTIPLICATION SIGN} 64:\n4 096 numbers", va="center")
    _matrix(ax, 2350, 1870, D, N, "$Q$")
    _matrix(ax, 2500, 1870, D, D, "", made=True)
    _sign(ax, 2680, 1902)
    _matrix(ax, 2800, 1870, D, N, "output")
    return figure


def _matrix(ax: Axes, x: float, y: float, wide: float, high: float, name: str, *, made: bool = False) -> None:
    """A matrix to scale; what has to be made on the way is in another color, its name inside where there is room."""
    color = "C1" if made else "C0"
    ax.add_patch(Rectangle((x, y), wide, high, facecolor=color, alpha=0.35, lw=0))
    ax.add_patch(Rectangle((x, y), wide, high, facecolor="none", edgecolor=color, lw=1.2))
    inside = min(wide, high) > D
    for i, line in enumerate(name.split("\n")):  # one by one: each is centred by whoever shows the figure
        place = y + high / 2 + 90 * i - 45 if inside else y - 35
        ax.text(x + wide / 2, place, line, ha="center", va="center" if inside else "bottom")


def _sign(ax: Axes, x: float, y: float) -> None:
    ax.text(x, y, "=", ha="center", va="center", fontsize=14, color=rcParams["axes.edgecolor"])


def look_up() -> Figure:
    """Twenty-four tokens, each of which asks for itself: the weights of softmax attention, and the implied ones."""
    x = 8 * F.normalize(torch.randn(24, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    _, exact = scaled_dot_product_attention(x, x, x)
    implied, _ = efficient_attention(x, x, torch.eye(24))
    figure = Figure(figsize=(6.7, 3.6), layout="constrained")
    for ax, weights, name in zip(figure.subplots(1, 2), (exact, implied), ("softmax", "efficient"), strict=True):
        plot.heat_map(weights, ax=ax, max_weight=1.0, bar=False)
        own = float(weights.diagonal().sum())
        ax.set_title(f"{name}: {own:.1f} of 24 on the diagonal")
        ax.set(xticks=[], yticks=[], xlabel="key", ylabel="query")
    return figure


def maps() -> Figure:
    """Four held-out digits, and where the first six features of a trained head look, in layer 1 and in layer 3."""
    images, _ = digits_data.held_out_digits()
    blocks = [(layer, _maps(images[:4], layer)[:, :6]) for layer in (1, 3)]
    figure = Figure(figsize=(6.7, 2.75))
    for row in range(4):
        _picture(figure, row, 0, images[row], float(images.max()))
        for block, (_, found) in enumerate(blocks):
            for i, one in enumerate(found[row]):
                _picture(figure, row, 1.25 + 6.25 * block + i, one, 0.5)
    for block, (layer, _) in enumerate(blocks):
        middle = (0.06 + 0.48 * (1.25 + 6.25 * block + 3)) / 6.7
        figure.text(middle, 0.985, f"layer {layer}, features 1 to 6", ha="center", va="top")
    return figure


def _picture(figure: Figure, row: int, column: float, cells: Tensor, max_weight: float) -> None:
    wide, high = figure.get_size_inches()
    box = ((0.06 + 0.48 * column) / wide, 1 - (0.82 + 0.62 * row) / high, 0.44 / wide, 0.44 / high)
    ax = figure.add_axes(box)
    plot.heat_map(cells, ax=ax, max_weight=max_weight, bar=False)
    ax.set(xticks=[], yticks=[], xlabel="", ylabel="")


def _maps(images: Tensor, layer: int) -> Tensor:
    """The softmax over the positions of every feature of the first head's keys, (batch, d_k, 4, 4)."""
    reader, kept = load("digit_patches", attend="efficient", device=device()), []
    attention = reader.blocks[layer - 1].attention

    def keep(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> tuple[Tensor, None]:
        kept.append(key.softmax(dim=-2))
        return efficient_attention(query, key, value, mask)

    attention.attend = keep
    reader.read(images.to(device()))
    return kept[0][:, 0].mT.unflatten(-1, (4, 4)).cpu().round(decimals=3)
