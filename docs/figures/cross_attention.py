"""Cross-attention: the three places where attention stands, and who may attend to whom at each of them."""

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from torch import Tensor

from attnref import causal_mask, padding_mask

SOURCE, TARGET = ["le", "chat", "noir", "dort", "(pad)"], ["(start)", "the", "black", "cat"]
LEFT, RIGHT, BUS = 1.45, 5.05, 3.12  # inches: middle of the encoder, of the decoder, the memory's way between them
HIGH, WIDE = 0.42, 2.3


def places() -> Figure:
    """Two blocks of encoder and decoder: where queries (C0), keys and values (C1) come from."""
    figure = Figure(figsize=(6.7, 5.75))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 6.7), ylim=(0, 5.75))
    ax.set_axis_off()

    for x, top, title, words in (
        (LEFT, 4.3, "encoder", "source words"),
        (RIGHT, 5.6, "decoder", "target words so far"),
    ):
        ax.text(x, top, title, ha="center", va="center", weight="bold")
        ax.text(x, 0.16, words, ha="center", va="center")

    for low, y in ((0.33, 0.85), (1.77, 2.3)):  # encoder blocks
        _three(ax, LEFT, low, y)
        _box(ax, LEFT, y, "self-attention")
        _arrow(ax, (LEFT, y + HIGH), (LEFT, y + 0.68))
        _box(ax, LEFT, y + 0.68, "feed-forward", high=0.24, quiet=True)
    _arrow(ax, (LEFT, 3.22), (LEFT, 3.62))
    _box(ax, LEFT, 3.62, "memory", quiet=False, dashes="--")

    for low, y in ((0.33, 0.85), (2.59, 3.08)):  # decoder blocks
        _three(ax, RIGHT, low, y)
        _box(ax, RIGHT, y, "masked self-attention")
        _arrow(ax, (RIGHT, y + HIGH), (RIGHT, y + 0.88), "C0", "q")
        _box(ax, RIGHT, y + 0.88, "cross-attention")
        _arrow(ax, (RIGHT, y + 0.88 + HIGH), (RIGHT, y + 1.5))
        _box(ax, RIGHT, y + 1.5, "feed-forward", high=0.24, quiet=True)
        middle = y + 0.88 + HIGH / 2
        ax.plot([BUS, BUS], [3.62 + HIGH / 2, middle], color="C1", lw=1.8, solid_capstyle="round")
        _arrow(ax, (BUS, middle), (RIGHT - WIDE / 2, middle), "C1", "k, v")
    ax.plot([LEFT + WIDE / 2, BUS], [3.62 + HIGH / 2] * 2, color="C1", lw=1.8, solid_capstyle="round")
    _arrow(ax, (RIGHT, 4.82), (RIGHT, 5.08))
    ax.text(RIGHT, 5.2, "next words", ha="center", va="center")
    return figure


def tables() -> Figure:
    """Who may attend to whom at each place, for a padded source of five tokens and a target of four."""
    n_s, n_t = len(SOURCE), len(TARGET)
    real = padding_mask([4], n_s)[0]
    figure = Figure(figsize=(6.7, 3.0))
    places = (
        (0.72, "encoder", real.expand(n_s, n_s), SOURCE, SOURCE),
        (2.98, "decoder", causal_mask(n_t), TARGET, TARGET),
        (5.12, "cross-attention", real.expand(n_t, n_s), TARGET, SOURCE),
    )
    for left, title, mask, rows, columns in places:
        _table(figure, left, title, mask, rows, columns)
    figure.axes[0].set_ylabel("query")
    handles = [_cell(0, 0, True), _cell(0, 0, False)]
    figure.legend(
        handles, ["may attend", "may not"], loc="lower left", ncols=2, handlelength=1, handleheight=1, borderpad=0
    )
    return figure


def _box(ax: Axes, x: float, y: float, name: str, high: float = HIGH, quiet: bool = False, dashes: str = "-") -> None:
    edge = rcParams["axes.edgecolor" if quiet else "text.color"]
    style = "round,pad=0,rounding_size=0.08"
    ax.add_patch(
        FancyBboxPatch((x - WIDE / 2, y), WIDE, high, style, fc="none", ec=edge, lw=0.9 if quiet else 1.5, ls=dashes)
    )
    color = rcParams["axes.edgecolor"] if quiet else rcParams["text.color"]
    size = "small" if quiet else "medium"
    ax.text(x, y + high / 2, name, ha="center", va="center_baseline", color=color, fontsize=size)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], color: str = "", letter: str = "") -> None:
    color = color or rcParams["axes.edgecolor"]
    arrow = {"arrowstyle": "-|>", "color": color, "lw": 1.8 if letter else 1.0, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops={**arrow, "mutation_scale": 11})
    if letter:
        x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        across = start[1] == end[1]
        at = (x, y + 0.07) if across else (x + 0.07, y + 0.03)
        ax.text(*at, letter, color=color, ha="center" if across else "left", va="bottom" if across else "center")


def _three(ax: Axes, x: float, low: float, high: float) -> None:
    """Query, key and value from one and the same place."""
    for shift, letter, color in ((-0.6, "q", "C0"), (0.0, "k", "C1"), (0.6, "v", "C1")):
        ax.plot([x, x + shift], [low, low + 0.14], color=color, lw=1.8, solid_capstyle="round")
        _arrow(ax, (x + shift, low + 0.14), (x + shift, high), color, letter)


def _table(figure: Figure, left: float, title: str, mask: Tensor, rows: list[str], columns: list[str]) -> None:
    wide, high = figure.get_size_inches()
    n_q, n_k, cell = len(rows), len(columns), 0.27
    ax = figure.add_axes((left / wide, 1 - (0.3 + n_q * cell) / high, n_k * cell / wide, n_q * cell / high))
    for i in range(n_q):
        for j in range(n_k):
            ax.add_patch(_cell(i, j, bool(mask[i, j])))
    ax.set(xlim=(-0.5, n_k - 0.5), ylim=(n_q - 0.5, -0.5), xlabel="key")
    ax.set_title(title, loc="left")
    ax.set_yticks(range(n_q), rows)
    ax.set_xticks(range(n_k), columns, rotation=90)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _cell(i: int, j: int, may: bool) -> Rectangle:
    """Full or empty, so that it reads without color."""
    corner, muted = (j - 0.41, i - 0.41), rcParams["axes.edgecolor"]
    if may:
        return Rectangle(corner, 0.82, 0.82, facecolor="C0", edgecolor="C0", lw=0.8)
    return Rectangle(corner, 0.82, 0.82, facecolor="none", edgecolor=muted, lw=0.8)
