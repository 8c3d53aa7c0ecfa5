"""Additive attention: its steps in numbers, what a small weight does, and what a trained model looks at."""

import datetime

import numpy as np
import torch
from _kit import Canvas
from matplotlib import rcParams
from matplotlib.figure import Figure

from attnref import additive_attention, plot
from attnref.tasks import dates_data, device, load

# The example of the page.
WORDS = ("le", "chat", "dort")
H = torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, -1.0]])
S = torch.tensor([[1.0, 0.0, 1.0]])
U_A = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
W_A = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
V_A = torch.tensor([4.0, 2.0])

GROUPS = [0, 0, 0, 0, None, 1, 1, None, 2, 2]  # year, month, day of an ISO date
DAY = datetime.date(2001, 11, 4)  # held out: the model has never seen this day in any language


def steps(narrow: bool = False) -> Figure:
    """Project both sides, add, tanh, one score for each key; softmax; average: every number of the page."""
    from_encoder, from_decoder = H @ U_A.T, S @ W_A.T
    hidden = torch.tanh(from_encoder + from_decoder)
    output, weights = additive_attention(S, H, H, w_q=W_A, w_k=U_A, v_a=V_A)
    if narrow:
        c, small, large = Canvas(530, narrow=True), (22.0, 19.0), (34.0, 19.0)
        at = {
            "key": (34, 62),
            "projected key": (160, 62),
            "query": (23, 156),
            "projected query": (160, 156),
            "hidden": (34, 246),
            "scores": (176, 246),
            "weights": (34, 376),
            "value": (102, 462),
            "output": (180, 471),
        }
        titles = ("Project to one size", "Add, tanh", "Score", "Softmax", "Average")
        places = ((4, 14), (4, 210), (146, 210), (4, 340), (4, 424))
    else:
        c, small, large = Canvas(318), (23.0, 20.0), (38.0, 20.0)
        at = {
            "key": (38, 66),
            "projected key": (148, 66),
            "query": (28, 172),
            "projected query": (148, 172),
            "hidden": (286, 100),
            "scores": (424, 100),
            "weights": (38, 268),
            "value": (232, 248),
            "output": (334, 258),
        }
        titles = ("Project both to one size", "Add, tanh", "Score", "Softmax", "Average the values")
        places = ((6, 16), (268, 54), (408, 54), (6, 226), (212, 214))
    for count, ((x, y), text) in enumerate(zip(places, titles, strict=True), 1):
        c.step(count, x, y, text)

    key = c.matrix(*at["key"], H, role="key", name="key", shape="(3, d_k = 2)", rows=WORDS, cell=small)
    keys = c.matrix(*at["projected key"], from_encoder, role="key", shape="(3, d_a = 2)", cell=small)
    query = c.matrix(*at["query"], S, role="query", name="query", shape="(1, d_q = 3)", cell=small)
    queries = c.matrix(*at["projected query"], from_decoder, role="query", shape="(1, d_a = 2)", cell=small)
    sums = c.matrix(*at["hidden"], hidden, name="tanh", rows=WORDS, shape="(3, d_a = 2)", cell=large, digits=2, most=1)
    scores = c.matrix(*at["scores"], hidden @ V_A[:, None], shape="(3, 1)", cell=(44.0, large[1]), digits=2)
    c.matrix(*at["weights"], weights, role="weights", shape="(1, 3)", columns=WORDS, cell=large, digits=2, most=1)
    value = c.matrix(*at["value"], H, role="value", name="value = key", shape="(3, d_v = 2)", rows=WORDS, cell=small)
    context = c.matrix(*at["output"], output, role="value", name="output", shape="(1, 2)", cell=large, digits=2)

    c.arrow(c.beside(key, 7), c.beside(keys, -7), "w_k", role="key")
    c.arrow(c.beside(query, 7), c.beside(queries, -7), "w_q", role="query")
    c.sign(value, context, "=")
    if narrow:
        c.text(keys.middle[0], (keys.y + keys.h + queries.y) / 2 + 10, "+", size=1.3)
        c.arrow(c.beside(sums, 7), c.beside(scores, -7), "@ v_a")
        c.text(28, value.middle[1], "weights", role="weights", weight="bold")
        c.text(61, value.middle[1], "@", size=1.15)
    else:
        plus = c.node(221, sums.middle[1], "+")
        c.path([c.beside(keys, 6), (plus.middle[0], keys.middle[1]), (plus.middle[0], plus.y - 2)], role="key")
        below = (plus.middle[0], plus.y + plus.h + 2)
        c.path([c.beside(queries, 6), (plus.middle[0], queries.middle[1]), below], role="query")
        c.arrow(c.beside(plus, 3), (sums.x - 33, sums.middle[1]))
        c.arrow(c.beside(sums, 7), c.beside(scores, -7), "@ v_a")
        c.text(value.x - 52, value.middle[1], "@", size=1.15)
    return c.figure


def muted(narrow: bool = False) -> Figure:
    """Move one word's value by the same step: the context follows *chat*, and hardly feels *dort*."""
    figure = Figure(figsize=(3.58, 6.4) if narrow else (6.7, 3.3), layout="constrained")
    step = torch.tensor([0.3, 0.9])
    for ax, moved in zip(figure.subplots(*((2, 1) if narrow else (1, 2)), sharey=True), (1, 2), strict=True):
        value = H.clone()
        value[moved] += step
        (old, new), _ = additive_attention(
            S.expand(2, 1, 3), H.expand(2, 3, 2), torch.stack((H, value)), w_q=W_A, w_k=U_A, v_a=V_A
        )
        _, weights = additive_attention(S, H, H, w_q=W_A, w_k=U_A, v_a=V_A)
        length = float((new - old).norm() / step.norm())
        ax.fill(*H.T.numpy(), fc="none", ec=rcParams["grid.color"], lw=1.5)
        ax.scatter(*H.T.numpy(), s=40 + 360 * weights[0].numpy(), color="C0", zorder=3)
        for word, point, weight, below in zip(WORDS, H.numpy(), weights[0].tolist(), (False, True, True), strict=True):
            ax.annotate(
                f"{word} {weight:.3f}", point, (0, -14 if below else 14), textcoords="offset points",
                ha="center", va="top" if below else "bottom",
            )  # fmt: skip
        for start, stop, color in ((H[moved], value[moved], "C0"), (old[0], new[0], "C1")):
            if (stop - start).norm() > 0.1:  # a shorter one would be all head
                arrow = {"arrowstyle": "->", "color": color, "lw": 2, "shrinkA": 0, "shrinkB": 0}
                ax.annotate("", stop.numpy(), start.numpy(), arrowprops=arrow)
        ax.plot(*old[0].numpy(), "D", color="C1", ms=8, zorder=4)
        ax.annotate(
            "context", old[0].numpy(), (-9, -6), textcoords="offset points", ha="right", va="center", color="C1"
        )
        ax.set(xlim=(-1.8, 1.8), ylim=(-1.75, 1.7), aspect="equal", xticks=(), yticks=())
        ax.spines[:].set_visible(False)
        ax.set_title(f"{WORDS[moved]} moves by 1, the context by {length:.3f}")
    return figure


def alignment(narrow: bool = False) -> Figure:
    """What the trained model looks at as it writes one held-out day, given in Korean and in English."""
    figure = Figure(figsize=(3.58, 5.0) if narrow else (6.7, 5.6), layout="constrained")
    for ax, locale in zip(figure.subplots(2, 1), ("ko", "en"), strict=True):
        text, iso, weights = _read(locale)
        plot.alignment(weights, text, iso, groups=GROUPS, ax=ax)
    return figure


def _read(locale: str) -> tuple[str, str, np.ndarray]:
    text = dates_data.write(DAY, locale, "full").text
    iso, weights = load("dates", device=device())(text)
    return text, iso, weights.cpu().numpy()
