"""Efficient attention: the order of the products to scale, what each can look up, and what the maps have learned."""

import torch
from _kit import Canvas, Role, ink
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional as F

from attnref import efficient_attention, plot, scaled_dot_product_attention
from attnref.tasks import device, digits_data, load

# The example of the page: logarithms, so that exponentials give whole numbers.
QUERY = torch.tensor([[3.0, 1.0], [1.0, 1.0], [1.0, 3.0], [7.0, 1.0]]).log()
KEY = torch.tensor([[1.0, 4.0], [2.0, 1.0], [1.0, 2.0], [4.0, 1.0]]).log()
VALUE = torch.tensor([[8.0, 0.0], [0.0, 8.0], [16.0, 0.0], [0.0, 16.0]])

N, D = 1000, 64  # positions, and the size of queries, keys and values


def steps(narrow: bool = False) -> Figure:
    """Keys times values first: four positions become a context of two by two, which four queries read."""
    rho_q, rho_k = QUERY.softmax(dim=-1), KEY.softmax(dim=-2).mT
    context, output = rho_k @ VALUE, efficient_attention(QUERY, KEY, VALUE)[0]
    if narrow:
        c, weight, small, large = Canvas(384, narrow=True), (31.0, 18.0), (22.0, 18.0), (32.0, 18.0)
        at = {"k": (4, 96), "v": (145, 78), "c": (208, 96), "q": (14, 266), "again": (105, 284), "o": (182, 266)}
        steps = ((4, 12), (4, 34), (4, 200), (4, 222))
    else:
        c, weight, small, large = Canvas(338), (38.0, 20.0), (28.0, 20.0), (40.0, 20.0)
        at = {"k": (14, 80), "v": (196, 60), "c": (292, 80), "q": (182, 222), "again": (292, 242), "o": (388, 222)}
        steps = ((10, 14), (250, 14), (10, 222), (10, 262))
    words = ("Softmax of keys over the positions", "Keys meet values", "Softmax of queries", "Queries meet context")
    for count, ((x, y), text) in enumerate(zip(steps, words, strict=True), 1):
        c.step(count, x, y, text)

    key = c.matrix(
        *at["k"], rho_k, role="key", name="softmax(key)ᵀ", shape="(d_k = 2, n_k = 4)", cell=weight, digits=3, most=1
    )
    value = c.matrix(*at["v"], VALUE, role="value", name="value", shape="(4, d_v = 2)", cell=small)
    table = c.matrix(*at["c"], context, name="context", shape="(2, 2)", cell=small)
    query = c.matrix(
        *at["q"], rho_q, role="query", name="softmax(query)", shape="(n_q = 4, 2)", cell=weight, digits=3, most=1
    )
    again = c.matrix(*at["again"], context, name="context", shape="(2, 2)", cell=small)
    mean = c.matrix(*at["o"], output, role="value", name="output", shape="(4, 2)", cell=large, digits=3)
    for left, right, sign in ((key, value, "@"), (value, table, "="), (query, again, "@"), (again, mean, "=")):
        c.sign(left, right, sign)
    if not narrow:
        c.arrow((table.middle[0], table.y + table.h + 26), (again.middle[0], again.y - 24))
    return c.figure


def order(narrow: bool = False) -> Figure:
    """Both orders of the product of Q, K and V, every matrix as large as its numbers are many."""
    figure = Figure(figsize=(3.58, 3.75) if narrow else (6.7, 6.3))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(-70, 3100), ylim=(3020, -300) if narrow else (2960, 0), aspect="equal")
    ax.set_axis_off()
    times, line, size = "\N{MULTIPLICATION SIGN}", *((130, 9.5) if narrow else (90, rcParams["font.size"]))
    above = 300 if narrow else 270  # of the headings over the matrices

    ax.text(0, 360 - above, "queries meet keys first", va="center", fontweight="bold", fontsize=size)
    _matrix(ax, 0, 360, D, N, "$Q$", size, "query")
    _matrix(ax, 150, 360, N, D, r"$K^\top$", size, "key")
    _sign(ax, 1275, 392)
    _matrix(ax, 1400, 360, N, N, "", size, "weights")
    weights = ("weights", f"1000 {times} 1000") if narrow else ("weights", f"1000 {times} 1000:", "1 000 000 numbers")
    _lines(ax, 1900, 860, weights, line, size)
    _matrix(ax, 2500, 360, D, N, "$V$", size, "value")
    _sign(ax, 2680, 392)
    _matrix(ax, 2800, 360, D, N, "output", size, "value")

    ax.text(0, 1870 - above, "keys times values first", va="center", fontweight="bold", fontsize=size)
    _matrix(ax, 0, 1870, N, D, r"$K^\top$", size, "key")
    _matrix(ax, 1090, 1870, D, N, "$V$", size, "value")
    _sign(ax, 1275, 1902)
    _matrix(ax, 1400, 1870, D, D, "", size)
    context = ("context", f"64 {times} 64") if narrow else ("context", f"64 {times} 64:", "4 096 numbers")
    _lines(ax, 1432 if narrow else 1750, 2160, context, line, size)
    _matrix(ax, 2350, 1870, D, N, "$Q$", size, "query")
    _matrix(ax, 2500, 1870, D, D, "", size)
    _sign(ax, 2680, 1902)
    _matrix(ax, 2800, 1870, D, N, "output", size, "value")
    return figure


def _matrix(
    ax: Axes, x: float, y: float, wide: float, high: float, name: str, size: float, role: Role = "plain"
) -> None:
    """A matrix to scale, its name above."""
    color = ink(role)
    ax.add_patch(Rectangle((x, y), wide, high, facecolor=color, alpha=0.35, lw=0))
    ax.add_patch(Rectangle((x, y), wide, high, facecolor="none", edgecolor=color, lw=1.2))
    ax.text(x + wide / 2, y - 35, name, ha="center", va="bottom", fontsize=size)


def _lines(ax: Axes, x: float, y: float, lines: tuple[str, ...], high: float, size: float) -> None:
    """Lines of text about a point, one by one: the browser sets each by itself."""
    for i, line in enumerate(lines):
        ax.text(x, y + high * (i - (len(lines) - 1) / 2), line, ha="center", va="center", fontsize=size)


def _sign(ax: Axes, x: float, y: float) -> None:
    ax.text(x, y, "=", ha="center", va="center", fontsize=14, color=rcParams["axes.edgecolor"])


def look_up(narrow: bool = False) -> Figure:
    """Twenty-four tokens, each a query for itself: the weights of softmax attention, and the implied ones."""
    x = 8 * F.normalize(torch.randn(24, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    _, exact = scaled_dot_product_attention(x, x, x)
    implied, _ = efficient_attention(x, x, torch.eye(24))
    figure = Figure(figsize=(3.58, 7.4) if narrow else (6.7, 3.6), layout="constrained")
    axes = figure.subplots(*((2, 1) if narrow else (1, 2)))
    for ax, weights, name in zip(axes, (exact, implied), ("softmax", "efficient"), strict=True):
        plot.heat_map(weights, ax=ax, max_weight=1.0, bar=False)
        own = float(weights.diagonal().sum())
        ax.set_title(f"{name}: {own:.1f} of 24 on the diagonal")
        ax.set(xticks=[], yticks=[], xlabel="key", ylabel="query")
    return figure


def maps(narrow: bool = False) -> Figure:
    """Four held-out digits, and where the first six features of a trained head look, in layer 1 and in layer 3."""
    images, _ = digits_data.held_out_digits()
    figure = Figure(figsize=(3.58, 5.6) if narrow else (6.7, 2.75))
    for block, layer in enumerate((1, 3)):
        column, top = (1.25, 2.8 * block) if narrow else (1.25 + 6.25 * block, 0.0)
        for row, found in enumerate(_maps(images[:4], layer)[:, :6]):
            if narrow or block == 0:
                _picture(figure, top + 0.62 * row, 0, images[row], float(images.max()))
            for i, one in enumerate(found):
                _picture(figure, top + 0.62 * row, column + i, one, 0.5)
        wide, high = figure.get_size_inches()
        middle = (0.06 + 0.48 * (column + 3)) / wide
        figure.text(middle, 1 - (top + 0.05) / high, f"layer {layer}, features 1 to 6", ha="center", va="top")
    return figure


def _picture(figure: Figure, top: float, column: float, cells: Tensor, max_weight: float) -> None:
    wide, high = figure.get_size_inches()
    box = ((0.06 + 0.48 * column) / wide, 1 - (0.82 + top) / high, 0.44 / wide, 0.44 / high)
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
