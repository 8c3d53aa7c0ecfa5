"""Heat maps of attention weights: one, and one for each head."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from attnref.plot._checks import AxesLike, Number, Weights, read_axes, read_mask, read_number, read_weights
from attnref.plot._drawing import in_steps, new_figure, root_figure
from attnref.plot._labels import (
    Inches,
    cell_inside,
    cell_size,
    label_cells,
    label_outer,
    label_space,
    points_of,
    read_labels,
)
from attnref.plot.styles import FAINT, MUTED, colormap, current_scheme, luminance


def heat_map(
    weights: Weights,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    *,
    ax: AxesLike | None = None,
    annotate: bool = False,
    mask: Weights | None = None,
    max_weight: Number | None = None,
    bar: bool = True,
) -> Figure:
    """Draw attention weights as a table of colors: a row for each query, a column for each key.

    If any is negative, as scores, gradients and differences of weights are, the colors have two hues, and no color at
    zero, from which both go equally far.

    Args:
        weights: (n_q, n_k). Colors show them relative to `max_weight`, so rows need not sum to one: the mean or the sum
            of several heads is drawn as well.
        rows: A label for each query.
        columns: A label for each key.
        ax: Where to draw, one Axes. A new figure if omitted; pyplot does not know it, so nothing has to be closed.
        annotate: Whether to write the weight into each cell: two decimals, more if all weights are small.
        mask: Bool, broadcastable to (n_q, n_k), True = may attend. The other cells are hatched.
        max_weight: The weight that gets the last color, and with its sign turned, where there are negative ones, the
            first. If omitted, the weight furthest from zero.
        bar: Whether to draw the color bar.

    Returns:
        The figure drawn into.

    Raises:
        TypeError: The weights are no numbers (or None, which an attention returns that never forms them), the mask is
            not bool, a label is not a string, or `ax` is not an Axes.
        ValueError: The weights are not (n_q, n_k) or not finite, labels or mask do not fit them, there is more than one
            Axes, or `max_weight` is not above zero.

    Examples:
        >>> from attnref.plot import heat_map
        >>> figure = heat_map([[0.9, 0.1], [0.25, 0.75]], rows=["how", "day"], columns=["comment", "journée"])
        >>> [tick.get_text() for tick in figure.axes[0].get_yticklabels()]  # the queries label the rows
        ['how', 'day']
        >>> image = heat_map([[-2.0, 0.5], [1.0, 0.0]]).axes[0].images[0]  # signed: zero in the middle of the scale
        >>> image.get_clim()
        (-2.0, 2.0)
    """
    weights = read_weights("heat_map", weights, "(n_q, n_k)", 2, signed=True)
    n_q, n_k = weights.shape
    labels = read_labels("heat_map", rows, columns, n_q, n_k)
    may = read_mask("heat_map", mask, weights.shape)
    relative, largest = in_steps(weights)
    top = largest if max_weight is None else read_number("heat_map", "max_weight", max_weight, above_zero=True)
    cell = cell_size(n_q, n_k, 0.5, (5.0, 7.0))
    if ax is None:
        left, below = label_space(labels, cell)
        ax = new_figure((1.7 + left + cell[0] * n_k, 0.8 + below + cell[1] * n_q)).add_subplot()
        inside = cell
    else:
        (ax,) = read_axes("heat_map", "ax", ax, 1, "one Axes")
        inside = cell_inside(ax, n_q, n_k, square=cell[0] == cell[1])

    image = _draw_cells(ax, relative, largest, top, cell)
    label_cells(ax, labels, inside)
    _hatch(ax, ~may)
    if annotate:
        _annotate(image, weights, may, inside)
    if bar:
        _draw_bar([ax], image, inside[0] * n_k)
    return root_figure(ax)


def heads(
    weights: Weights,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    *,
    axes: AxesLike | None = None,
) -> Figure:
    """Draw each head's weights as a heat map of its own, side by side, with one color scale for all.

    Args:
        weights: (h, n_q, n_k), none negative, of one sample.
        rows: A label for each query.
        columns: A label for each key.
        axes: Where to draw, one Axes for each head, as `plt.subplots` returns them. A new figure if omitted, with four
            heads to a line.

    Returns:
        The figure drawn into.

    Raises:
        TypeError: The weights are no numbers (or None), a label is not a string, or `axes` are not Axes.
        ValueError: The weights are not (h, n_q, n_k), negative or not finite, or labels or axes do not fit them.

    Examples:
        >>> import torch
        >>> from attnref.plot import heads
        >>> figure = heads(torch.eye(3).expand(2, 3, 3))
        >>> [ax.get_title() for ax in figure.axes[:2]]
        ['head 1', 'head 2']
    """
    weights = read_weights("heads", weights, "(h, n_q, n_k)", 3)
    h, n_q, n_k = weights.shape
    labels = read_labels("heads", rows, columns, n_q, n_k)
    across = min(h, 4)
    lines = math.ceil(h / across)
    cell = inside = cell_size(n_q, n_k, 0.4, (5.0 / across - 0.2, max(1.0, 7.0 / lines)))
    if axes is None:
        left, below = label_space(labels, cell)
        size = 1.7 + left + across * (0.2 + cell[0] * n_k), min(lines, 2) * below + lines * (0.8 + cell[1] * n_q)
        grid = list(new_figure(size).subplots(lines, across, squeeze=False, sharex=True, sharey=True).flat)
        for spare in grid[h:]:
            spare.set_axis_off()
        panels = grid[:h]
    else:
        panels = read_axes("heads", "axes", axes, h, f"one for each head, h={h}")
        inside = cell_inside(panels[0], n_q, n_k, square=cell[0] == cell[1])

    relative, largest = in_steps(weights)
    images = [_draw_cells(ax, head, largest, largest, cell) for ax, head in zip(panels, relative, strict=True)]
    for number, ax in enumerate(panels, 1):
        label_cells(ax, labels, inside)
        label_outer(ax, panels)
        ax.set_title(f"head {number}")
    _draw_bar(panels, images[0], inside[0] * n_k * across)
    return root_figure(panels[0])


def _draw_cells(ax: Axes, relative: np.ndarray, largest: float, top: float, cell: Inches) -> AxesImage:
    """The table of colors, framed, so that its pale cells do not run into the background."""
    cells = relative * largest
    short = cells / largest < relative  # a rounding must not cost a step of color
    cells = np.where(short, np.nextafter(cells, np.inf), cells)
    scheme, aspect, signed = current_scheme(), "equal" if cell[0] == cell[1] else "auto", bool(cells.min() < 0)
    first = -top if signed else 0
    colors = colormap(scheme, signed=signed)
    image = ax.imshow(cells, cmap=colors, vmin=first, vmax=top, interpolation="none", aspect=aspect)
    for spine in ax.spines.values():
        spine.set(visible=True, color=FAINT[scheme], linewidth=0.8)
    return image


def _hatch(ax: Axes, masked: np.ndarray) -> None:
    """Hatch the masked cells, side by side in one piece: there may be many."""
    for i, row in enumerate(masked):
        for hatched, run in itertools.groupby(range(len(row)), key=row.__getitem__):
            if hatched:
                start, *rest = run
                corner = (start - 0.5, i - 0.5)
                ax.add_patch(
                    Rectangle(corner, 1 + len(rest), 1, fc="none", ec=MUTED[current_scheme()], lw=0, hatch="////")
                )


def _annotate(image: AxesImage, weights: np.ndarray, may: np.ndarray, cell: Inches) -> None:
    """Write each weight into its cell, black or white, whichever is legible there."""
    texts = {(j, i): _write(float(weights[i, j]), np.abs(weights).max()) for i, j in np.argwhere(may)}
    longest = max(map(len, texts.values()), default=1)
    size = min(points_of("font.size") * 0.833, 72 * cell[0] / (0.62 * longest), 72 * cell[1] / 1.2)
    for (j, i), text in texts.items():
        color = "black" if luminance(image.to_rgba(weights[i, j : j + 1])[0]) > 0.18 else "white"
        image.axes.text(j, i, text, ha="center", va="center", color=color, fontsize=size)


def _write(weight: float, largest: float) -> str:
    """Two decimals, or as many as show two digits of the largest weight; powers of ten if those are too many."""
    exponent = int(f"{largest:e}".partition("e")[2])
    if -3 <= exponent <= 2:
        text = f"{abs(weight):.{max(2, 1 - exponent)}f}"
    else:
        digits, exponent = f"{abs(weight):.1e}".split("e")
        text = f"{digits}e{int(exponent)}" if weight else "0"
    return f"\N{MINUS SIGN}{text}" if weight < 0 and float(text) else text


def _draw_bar(axes: list[Axes], image: AxesImage, width: float) -> None:
    """A bar beside maps that are as wide together, in inches; not thinner than a tenth of an inch."""
    fraction = max(0.05, 0.1 / width)
    bar = root_figure(axes[0]).colorbar(image, ax=axes, label="weight", fraction=fraction, aspect=22, pad=0.03)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.ax.tick_params(length=0)
    bar.locator = MaxNLocator(4)
    bar.update_ticks()
