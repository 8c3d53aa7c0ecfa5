"""Additive attention: its steps in numbers, what a small weight does, and what a trained model looks at."""

import datetime

import numpy as np
import torch
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

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


def steps() -> Figure:
    """Every number between the encoder's states and the context, one table for each step of the page."""
    from_encoder, from_decoder = H @ U_A.T, S @ W_A.T
    squashed = torch.tanh(from_encoder + from_decoder)
    scores = (squashed @ V_A)[:, None]
    context, weights = additive_attention(S, H, H, w_q=W_A, w_k=U_A, v_a=V_A)

    figure = Figure(figsize=(6.7, 2.85))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(-1.15, 12.4), ylim=(4.55, -1.2), aspect="equal")
    ax.set_axis_off()
    for row, word in enumerate(WORDS):
        ax.text(-0.15, row + 0.5, word, ha="right", va="center")
    _table(ax, 0, 0, H, "1", "states")
    _table(ax, 2.6, 0, from_encoder, "1.1", "linear")
    ax.text(3.6, 3.25, "+", ha="center", va="center")
    _table(ax, 2.6, 3.5, from_decoder)
    ax.text(2.45, 4.0, "decoder", ha="right", va="center")
    _table(ax, 5.2, 0, squashed, "1.2", "tanh")
    _table(ax, 7.8, 0, scores, "1.3", "score")
    _table(ax, 9.3, 0, weights.T, "1.4", "weight", strength=weights.T)
    _table(ax, 10.35, 0, weights.T * H, "1.5", "times state", strength=weights.T)
    ax.text(11.35, 3.25, "sum", ha="center", va="center")
    _table(ax, 10.35, 3.5, context)
    ax.text(10.2, 4.0, "context", ha="right", va="center")
    for x in (2.3, 4.9, 7.5, 9.05):
        ax.text(x, 1.5, "→", ha="center", va="center", color=rcParams["axes.edgecolor"])
    return figure


def _table(
    ax: Axes,
    x: float,
    y: float,
    numbers: torch.Tensor,
    step: str = "",
    title: str = "",
    strength: torch.Tensor | None = None,
) -> None:
    """Numbers in boxes; a box is the fuller, the greater its strength."""
    rows, columns = numbers.shape
    for i in range(rows):
        for j in range(columns):
            corner, fill = (x + j, y + i), 0.0 if strength is None else float(strength[i, 0])
            ax.add_patch(Rectangle(corner, 1, 1, fc="C0", alpha=0.55 * fill, lw=0))
            ax.add_patch(Rectangle(corner, 1, 1, fc="none", ec=rcParams["axes.edgecolor"], lw=0.8))
            ax.text(x + j + 0.5, y + i + 0.5, _short(float(numbers[i, j])), ha="center", va="center", fontsize=11.5)
    ax.text(x + columns / 2, y - 0.2, title, ha="center", va="bottom")
    ax.text(x + columns / 2, y - 0.75, step, ha="center", va="bottom", color=rcParams["axes.edgecolor"], fontsize=11)


def _short(number: float) -> str:
    text = str(round(number)) if number == round(number) else f"{number:.2f}"
    return text.replace("-0.00", "0.00").replace("-", "\N{MINUS SIGN}")


def muted() -> Figure:
    """Move one word's value by the same step: the context follows *chat*, and hardly feels *dort*."""
    figure = Figure(figsize=(6.7, 3.3), layout="constrained")
    step = torch.tensor([0.3, 0.9])
    for ax, moved in zip(figure.subplots(1, 2, sharey=True), (1, 2), strict=True):
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


def alignment() -> Figure:
    """What the trained model looks at as it writes one held-out day, given in Korean and in English."""
    figure = Figure(figsize=(6.7, 5.6), layout="constrained")
    for ax, locale in zip(figure.subplots(2, 1), ("ko", "en"), strict=True):
        text, iso, weights = _read(locale)
        plot.alignment(weights, text, iso, groups=GROUPS, ax=ax)
    return figure


def heat() -> Figure:
    """The same weights, Korean, as a table."""
    text, iso, weights = _read("ko")
    return plot.heat_map(weights, list(iso), list(text))


def _read(locale: str) -> tuple[str, str, np.ndarray]:
    text = dates_data.write(DAY, locale, "full").text
    iso, weights = load("dates", device=device())(text)
    return text, iso, weights.cpu().numpy()
