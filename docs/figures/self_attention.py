"""Self-attention: three projections of one sequence, what a trained model attends to, and order."""

import torch
from _kit import Block, Canvas, Role, ink
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from attnref import plot, scaled_dot_product_attention
from attnref.plot.styles import MUTED, current_scheme
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
        c, small, thin, large = Canvas(492, narrow=True), (17.0, 17.0), (15.0, 17.0), (30.0, 17.0)
        lanes, columns = (52, 150, 248), (36, 90, 172)
        steps = ((4, 14, "Project"), (4, 360, "Compare, softmax"), (152, 360, "Average"))
        at_w, at_o = (34, 408), (188, 408)
    else:
        c, small, thin, large = Canvas(346), (17.0, 18.0), (15.0, 18.0), (30.0, 18.0)
        lanes, columns = (52, 154, 256), (42, 98, 180)
        steps = ((6, 16, "Project"), (252, 16, "Compare, softmax"), (404, 16, "Average"))
        at_w, at_o = (294, 104), (416, 202)
    for count, (x_step, y_step, text) in enumerate(steps, 1):
        c.step(count, x_step, y_step, text)

    tokens = c.matrix(columns[0], lanes[1], x, name="x", shape="(3, 2)", rows=words, cell=small)
    made: list[Block] = []
    roles: tuple[Role, ...] = ("query", "key", "value")
    for y, projected, weight, role, (name, shape, symbol) in zip(
        lanes, (query, key, value), (W_Q, W_K, W_V), roles,
        (("query", "(3, d_k = 4)", "W^Q"), ("key", "(3, d_k = 4)", "W^K"), ("value", "(3, d_v = 2)", "W^V")),
        strict=True,
    ):  # fmt: skip
        cell = (22.0, small[1]) if role == "value" else thin
        w = c.matrix(
            columns[1], y + small[1] / 2, weight, name=f"${symbol}$", shape=f"(2, {weight.shape[1]})", cell=cell
        )
        made.append(c.matrix(columns[2], y, projected, role=role, name=name, shape=shape, cell=(cell[0] + 2, small[1])))
        c.arrow(c.beside(tokens, 4), c.beside(w, -4), role=role)
        c.arrow(c.beside(w, 4), c.beside(made[-1], -4), role=role)
    q, k, v = made
    w = c.matrix(
        *at_w, weights, role="weights", name="weights", shape="(3, 3)", rows=words, columns=words, cell=large,
        digits=2, most=1,
    )  # fmt: skip
    o = c.matrix(*at_o, output, role="value", name="output", shape="(3, d_v = 2)", cell=large)
    if narrow:
        for block, side, (rail, height, turn, enter) in zip(
            (q, k), roles[:2], ((254, 334, 146, 10), (248, 340, 140, 22)), strict=True
        ):
            start = c.beside(block, 4)
            points = [
                start,
                (rail, start[1]),
                (rail, height),
                (turn, height),
                (turn, w.y + enter),
                (w.right[0] + 5, w.y + enter),
            ]
            c.path(points, role=side)
        start = c.beside(v, 4)
        c.path([start, (234, start[1]), (234, o.y - 20)], role="value")
        c.arrow((w.right[0] + 5, w.y + 40), (o.x - 6, w.y + 40), role="weights")
    else:
        c.arrow(c.beside(q, 7), (w.x - 36, w.y + 14), role="query")
        c.arrow(c.beside(k, 7), (w.x - 36, w.y + 40), role="key")
        c.arrow((w.x + w.w + 6, w.y + w.h / 2), (o.x - 7, o.y + 12), role="weights")
        c.arrow(c.beside(v, 7), (o.x - 7, o.y + 42), role="value")
    return c.figure


# Which noun does *it* mean? Three made-up features: a noun, a living thing, a place. The query of *it* depends on what
# it was: only the living get tired, and what is wide is a place.
SENTENCE = ["the", "animal", "did", "not", "cross", "the", "street", "because", "it", "was"]
FEATURES = {"animal": [1.0, 1.0, 0.0], "street": [1.0, 0.0, 1.0]}
ASKED = {"tired": [3.0, 3.0, 0.0], "wide": [3.0, 0.0, 3.0]}


def pronoun(narrow: bool = False) -> Figure:
    """Where *it* looks in two sentences that differ in the last word: weights from made-up features."""
    c = Canvas(228 if narrow else 204, narrow=narrow)
    for place, (last, asked) in enumerate(ASKED.items()):
        words = [*SENTENCE, last]
        features = torch.tensor([FEATURES.get(word, [0.0, 0.0, 0.0]) for word in words])
        _, weights = scaled_dot_product_attention(torch.tensor([asked]), features, features)
        shares = weights[0].tolist()
        it = words.index("it")
        if narrow:
            x = 56 + 122 * place
            spots = [(x, 16.0 + 19.6 * row) for row in range(len(words))]
        else:
            y, widths = 74.0 + 104 * place, [c.extent(word) for word in words]
            gap = (c.width - 14 - sum(widths)) / (len(words) - 1)
            starts = [7 + sum(widths[:i]) + i * gap for i in range(len(words))]
            spots = [(start + width / 2, y) for start, width in zip(starts, widths, strict=True)]
        for row, (word, share, (x, y)) in enumerate(zip(words, shares, spots, strict=True)):
            role: Role = "query" if word == "it" else "key" if word in FEATURES else "plain"
            strong = word in ("it", last) or word in FEATURES
            number_color = ink("weights") if word in FEATURES else MUTED[current_scheme()]
            c.text(x, y, word, role=role, weight="bold" if strong else "normal", ha="right" if narrow else "center")
            if not narrow:
                c.text(x, y + 17, f"{share:.2f}", size=0.82, color=number_color)
            if row == it:
                continue
            if narrow:
                if word in FEATURES:
                    c.text(x + 8, y, f"{share:.2f}", size=0.9, color=number_color, ha="left")
                bow, start, end = 18 + 5 * abs(row - it), (x + 4.0, spots[it][1]), (x + 4.0, y)
                end = (end[0] + (28 if word in FEATURES else 0), end[1])
                bends = ((start[0] + bow, start[1]), (end[0] + bow, end[1]))
            else:
                high = 16 + 0.16 * abs(x - spots[it][0])
                start, end = (spots[it][0], y - 11), (x, y - 11)
                bends = ((start[0], start[1] - high), (end[0], end[1] - high))
            c.curve((start, *bends, end), role="weights", width=0.5 + 8 * share)
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
