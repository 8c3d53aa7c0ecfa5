"""Self-attention: three projections of one sequence, what a trained model attends to, and order."""

import torch
from _kit import Canvas, ink
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from attnref import plot, scaled_dot_product_attention
from attnref.tasks import device, digits_data, load

IMAGE = 3  # of the held-out ones
QUERIES = (1, 6, 9, 15)  # patches that ask
HEADS = ((1, 3), (4, 3))  # (layer, head), counted from 1

# The example of the page, with its positions.
WORDS = {"dog": [1.0, 0.0], "bites": [0.0, 1.0], "man": [1.0, 1.0]}
W_Q = torch.tensor([[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, -1.0]])
W_K = torch.tensor([[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0]])
W_V = torch.tensor([[10.0, 0.0], [0.0, 20.0]])
PLACES = torch.tensor([[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]])


def projections(narrow: bool = False) -> Figure:
    """One sequence becomes queries, keys and values; queries and keys give weights; weights and values the output."""
    x = torch.tensor(list(WORDS.values()))
    query, key, value = x @ W_Q, x @ W_K, x @ W_V
    output, weights = scaled_dot_product_attention(query, key, value)
    words = list(WORDS)
    if narrow:
        c, small, large = Canvas(478, narrow=True), (19.0, 17.0), (30.0, 17.0)
        at = {"x": (40, 150), "q": (146, 52), "k": (146, 150), "v": (146, 248), "w": (40, 392), "o": (180, 392)}
        steps = ((4, 14, "Project"), (4, 348, "Compare, softmax"), (146, 348, "Average"))
    else:
        c, small, large = Canvas(346), (20.0, 18.0), (34.0, 18.0)
        at = {"x": (46, 154), "q": (136, 52), "k": (136, 154), "v": (136, 256), "w": (264, 104), "o": (408, 202)}
        steps = ((6, 16, "Project"), (226, 16, "Compare, softmax"), (394, 16, "Average"))
    for count, (x_step, y_step, text) in enumerate(steps, 1):
        c.step(count, x_step, y_step, text)

    tokens = c.matrix(*at["x"], x, name="x", shape="(3, 2)", rows=words, cell=small)
    q = c.matrix(*at["q"], query, role="query", name="query", shape="(3, d_k = 4)", cell=small)
    k = c.matrix(*at["k"], key, role="key", name="key", shape="(3, d_k = 4)", cell=small)
    v = c.matrix(*at["v"], value, role="value", name="value", shape="(3, d_v = 2)", cell=(24.0, small[1]))
    w = c.matrix(
        *at["w"], weights, role="weights", name="weights", shape="(3, 3)", rows=words, columns=words, cell=large,
        digits=2, most=1,
    )  # fmt: skip
    o = c.matrix(*at["o"], output, role="value", name="output", shape="(3, d_v = 2)", cell=large)
    c.arrow(c.beside(tokens, 7), c.beside(q, -7), role="query")
    c.arrow(c.beside(tokens, 7), c.beside(k, -7), role="key")
    c.arrow(c.beside(tokens, 7), c.beside(v, -7), role="value")
    if narrow:
        c.arrow(c.beside(w, 9), c.beside(o, -9))
    else:
        c.arrow(c.beside(q, 7), (w.x - 38, w.y + 14), role="query")
        c.arrow(c.beside(k, 7), (w.x - 38, w.y + 40), role="key")
        c.arrow((w.x + w.w + 8, w.y + w.h / 2), (o.x - 9, o.y + 12))
        c.arrow(c.beside(v, 7), (o.x - 9, o.y + 42), role="value")
    return c.figure


def digit(narrow: bool = False) -> Figure:
    """A held-out digit, four of its patches as queries, and what two heads of the trained model attend to for each."""
    images, _ = digits_data.held_out_digits()
    reader = load("digit_patches", device=device())
    weights = reader.read(images[IMAGE : IMAGE + 1].to(device())).weights[0].cpu()

    figure = Figure(figsize=(3.58, 7.2) if narrow else (6.7, 3.85), layout="constrained")
    grid = figure.subplots(*((4, 2) if narrow else (len(HEADS), len(QUERIES)))).reshape(len(HEADS), len(QUERIES))
    for row, (layer, head) in zip(grid, HEADS, strict=True):
        for ax, query in zip(row, QUERIES, strict=True):
            _looks(ax, images[IMAGE], weights[layer - 1, head - 1, query], query)
        row[0].set_ylabel(f"layer {layer}, head {head}")
    asks = Rectangle((0, 0), 1, 1, fc="none", ec=ink("query"), lw=2.4)
    taken = Rectangle((0, 0), 1, 1, fc=ink("weights"), lw=0)
    said = ["the query's patch", "area: the weight of a key"]
    figure.legend([asks, taken], said, loc="outside lower center", ncols=2, handlelength=1, handleheight=1)
    return figure


def _looks(ax: Axes, image: Tensor, weights: Tensor, query: int) -> None:
    """The image in gray, a square on each patch as large as its weight, a frame about the patch that asks."""
    edge = rcParams["axes.edgecolor"]
    gray = LinearSegmentedColormap.from_list("ink", [to_rgba(edge, 0.0), to_rgba(edge, 0.75)])
    ax.imshow(image.numpy(), cmap=gray, vmin=0, vmax=1, interpolation="none")
    for patch, weight in enumerate(weights.numpy().round(3)):
        corner = (2 * (patch % 4) - 0.5, 2 * (patch // 4) - 0.5)
        ax.add_patch(Rectangle(corner, 2, 2, fc="none", ec=rcParams["grid.color"], lw=0.6))
        side = 2 * float(weight) ** 0.5  # the area is the weight: a whole patch for a weight of one
        middle = (corner[0] + 1 - side / 2, corner[1] + 1 - side / 2)
        ax.add_patch(Rectangle(middle, side, side, fc=ink("weights"), lw=0, zorder=3))
    corner = (2 * (query % 4) - 0.5, 2 * (query // 4) - 0.5)
    ax.add_patch(Rectangle(corner, 2, 2, fc="none", ec=ink("query"), lw=2.4, zorder=4))
    ax.set(xticks=(), yticks=())
    ax.spines[:].set_visible(False)


def order(narrow: bool = False) -> Figure:
    """The weights of three words in two orders: without positions the same numbers, moved; with positions others."""
    figure = Figure(figsize=(3.58, 8.6) if narrow else (6.7, 4.0), layout="constrained")
    sentences = (["dog", "bites", "man"], ["man", "bites", "dog"])
    for row, positions, title in zip(
        figure.subplots(*((4, 1) if narrow else (2, 2))).reshape(2, 2),
        (0 * PLACES, PLACES),
        ("without positions", "with positions"),
        strict=True,
    ):
        for ax, words in zip(row, sentences, strict=True):
            x = torch.tensor([WORDS[word] for word in words]) + positions
            _, weights = scaled_dot_product_attention(x @ W_Q, x @ W_K, x)
            plot.heat_map(weights, words, words, ax=ax, annotate=True, max_weight=1.0, bar=False)
            at = words.index("dog")  # the row of one word, framed
            ax.add_patch(Rectangle((-0.5, at - 0.5), 3, 1, fc="none", ec="C1", lw=2.4, clip_on=False))
            ax.set(title=title, aspect="auto")
    return figure
