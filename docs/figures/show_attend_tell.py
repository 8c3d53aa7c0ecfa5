"""Show, Attend and Tell: one word in numbers."""

from typing import NamedTuple

import torch
from _kit import Block, Canvas, Point
from matplotlib.figure import Figure
from torch import Tensor, nn

from attnref.models import ShowAttendTell
from attnref.plot.styles import current_scheme
from attnref.tasks.digits_data import held_out_digits

WORDS = ("end", "seven", "two")
GRID = torch.tensor([[[3.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 3.0]]])[None]  # the example of the page
X = "\N{MULTIPLICATION SIGN}"


class Numbers(NamedTuple):
    """Everything the page computes."""

    features: Tensor
    h0: Tensor
    scores: Tensor
    weights: Tensor
    mean: Tensor
    beta: float
    context: Tensor
    h1: Tensor
    logits: Tensor


@torch.no_grad()
def _numbers() -> Numbers:
    """One step of the model of the page."""
    model = ShowAttendTell(nn.Identity(), 3, d_features=2, d_embed=2, d_h=2, d_attention=2)
    for weight in model.parameters():
        nn.init.zeros_(weight)
    decoder, eye, candidate = model.decoder, torch.eye(2), torch.zeros(8, 4)
    candidate[4:6, 2:] = eye
    named = {
        "init_h.weight": torch.diag(torch.tensor([1.0, -1.0])),
        "query_proj.weight": eye,
        "key_proj.weight": eye,
        "attend.score_proj.weight": torch.tensor([[4.0, -4.0]]),
        "gate_proj.weight": torch.tensor([[1.0, -1.0]]),
        "rnn.weight_ih_l0": candidate,
        "rnn.bias_ih_l0": torch.tensor([2.0, 2, 0, 0, 0, 0, 2, 2]),
        "hidden_proj.weight": eye,
        "context_proj.weight": eye,
        "output_proj.weight": torch.tensor([[-1.0, -1.0], [2.0, 0.0], [0.0, 2.0]]),
    }
    decoder.load_state_dict(named, strict=False)
    features = model.features(GRID)
    state, keys = decoder.start(features), decoder.key_proj(features)
    hidden, context, _, weights, _ = decoder.step(torch.zeros(1, 2), state, features, keys)
    assert weights is not None
    h0 = state[0][0]
    scores = torch.tanh(keys + decoder.query_proj(h0)[:, None]) @ torch.tensor([4.0, -4.0])
    assert torch.equal(decoder.attend(decoder.query_proj(h0)[:, None], keys, features)[1][:, 0], weights)  # pyright: ignore[reportOptionalSubscript]
    return Numbers(
        features[0],
        h0,
        scores.T,
        weights[0].unflatten(0, (2, 2)),
        weights @ features[0],
        float(torch.sigmoid(h0[0, 0] - h0[0, 1])),
        context,
        hidden,
        decoder.logits(torch.zeros(1, 2), hidden, context).T,
    )


def picture(c: Canvas, x: float, y: float, side: float) -> Block:
    """A handwritten 7 at the top left and a 2 at the bottom right, with the grid over them."""
    images, labels = held_out_digits()
    canvas = torch.zeros(20, 20)
    for digit, number, at in ((7, 5, 1), (2, 0, 11)):
        canvas[at : at + 8, at : at + 8] = images[int((labels == digit).nonzero()[number])]
    ink = (1 - canvas) if current_scheme() == "light" else canvas
    c.ax.imshow(ink.numpy(), cmap="gray", vmin=0, vmax=1, extent=(x, x + side, y + side, y), aspect="auto", zorder=1)
    c.ax.set(xlim=(0, c.width), ylim=(c.height, 0))
    for k in range(3):
        at = side * k / 2
        c.line((x + at, y), (x + at, y + side), width=1.0)
        c.line((x, y + at), (x + side, y + at), width=1.0)
    return Block(x, y, side, side)


def word(narrow: bool = False) -> Figure:
    """Every number of the page, from the image to the scores of the words."""
    n = _numbers()
    at: dict[str, Point]
    if narrow:
        c, cell, small = Canvas(508, narrow=True), (32.0, 18.0), (27.0, 18.0)
        steps = ((4, 12), (170, 12), (116, 162), (56, 266), (4, 342), (4, 432))
        at = {
            "image": (6, 30), "features": (104, 33), "scores": (196, 33), "h0": (8, 170), "weights": (140, 180),
            "mean": (8, 292), "context": (168, 292), "word": (8, 372), "lstm": (104, 360), "h1": (196, 372),
            "logits": (160, 448),
        }  # fmt: skip
        side, square, box = 74.0, (36.0, 28.0), (62.0, 42.0)
    else:
        c, cell, small = Canvas(306), (34.0, 19.0), (27.0, 19.0)
        steps = ((4, 14), (204, 14), (290, 14), (388, 14), (200, 184), (372, 292))
        at = {
            "image": (8, 38), "features": (112, 38), "scores": (222, 38), "h0": (112, 200), "weights": (306, 40),
            "mean": (408, 40), "context": (408, 117), "word": (112, 252), "lstm": (236, 202), "h1": (306, 218.5),
            "logits": (420, 202),
        }  # fmt: skip
        side, square, box = 76.0, (36.0, 36.0), (54.0, 52.0)
    titles = ("Encode", "Score", "Softmax", "Average, gate", "Read", "Score words")
    for count, ((x, y), text) in enumerate(zip(steps, titles, strict=True), 1):
        c.step(count, x, y, text)
    image = picture(c, *at["image"], side)
    features = c.matrix(*at["features"], n.features, role="value", shape="(4, d_features = 2)", cell=cell)
    scores = c.matrix(*at["scores"], n.scores, shape="(4, 1)", cell=(44.0, cell[1]), digits=2)
    c.matrix(*at["h0"], n.h0, role="query", name="query h₀", cell=cell, digits=2, most=1)
    total = f"2 {X} 2, sum 1"
    weights = c.matrix(*at["weights"], n.weights, role="weights", shape=total, cell=square, digits=2, most=1)
    mean = c.matrix(*at["mean"], n.mean, role="value", cell=cell, digits=2, most=3)
    context = c.matrix(*at["context"], n.context, role="value", shape="context", cell=cell, digits=2, most=3)
    before = c.matrix(*at["word"], torch.zeros(1, 2), shape="word before", cell=cell)
    lstm = c.box(*at["lstm"], *box, "LSTM")
    h1 = c.matrix(*at["h1"], n.h1, role="query", shape="h₁", cell=small, digits=2, most=1)
    c.matrix(*at["logits"], n.logits, rows=WORDS, cell=(44.0, cell[1]), digits=2)

    c.arrow(c.beside(image, 5), (features.x - 5, image.middle[1]))
    c.arrow((features.x + features.w + 5, scores.middle[1]), c.beside(scores, -5), role="value")
    c.arrow(c.beside(lstm, 4), c.beside(h1, -4))
    gate = f"gate {n.beta:.2f}"
    if narrow:
        c.path([(120, 124), (120, 140), (42, 140), (42, 152)], role="value")
        c.text(48, 131, "mean, tanh", ha="left", size=0.9)
        c.path([(77, 179), (104, 179), (104, 146), (218, 146), (218, 127)], role="query")
        c.path([(245, 69), (253, 69), (253, 208), (217, 208)])
        c.path([(135, 208), (42, 208), (42, 286)], role="weights")
        node = c.node(120, 301, X)
        c.text(120, 322, gate, size=0.9)
        c.arrow(c.beside(mean, 4), c.beside(node, -3), role="value")
        c.arrow(c.beside(node, 3), c.beside(context, -4), role="value")
        c.path([(200, 331), (200, 342), (135, 342), (135, 357)], role="value")
        c.arrow(c.beside(before, 5), c.beside(lstm, -4))
        c.path([(223, 410), (223, 424), (182, 424), (182, 444)], role="query")
        c.text(8, 460, "from h₁, context", ha="left", size=0.9)
        c.text(8, 476, "and word before", ha="left", size=0.9)
    else:
        c.path([(146, 134), (146, 182)], role="value")
        c.text(140, 156, "mean, tanh", ha="right", size=0.9)
        c.path([(184, 204), (192, 204), (192, 152), (244, 152), (244, 134)], role="query")
        c.arrow((184, 215), (232, 215), role="query")
        c.arrow(c.beside(scores, 5), c.beside(weights, -5))
        c.path([(383, 76), (396, 76), (396, 49), (404, 49)], role="weights")
        node = c.node(442, 88, X)
        c.text(428, 88, gate, size=0.9, ha="right")
        c.arrow((442, 62), (442, node.y - 3), role="value")
        c.arrow((442, node.y + node.h + 2), (442, 113), role="value")
        c.path([(442, 158), (442, 170), (442, 198)], role="value")
        c.path([(442, 170), (263, 170), (263, 198)], role="value")
        c.path([(184, 261), (212, 261), (212, 240), (232, 240)])
        c.path([(212, 261), (212, 275), (442, 275), (442, 263)])
        c.arrow((h1.x + h1.w + 4, h1.middle[1]), (374, h1.middle[1]), role="query")
    return c.figure
