"""Heat maps of attention weights: one, and one for each head."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from attnref.plot._checks import Weights, check_labels, read_mask, read_weights
from attnref.plot._figures import new_figure, root_figure
from attnref.plot.styles import FAINT, MUTED, colormap, current_scheme, families, luminance


def heat_map(
    weights: Weights,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    *,
    ax: Axes | None = None,
    annotate: bool = False,
    mask: Weights | None = None,
    max_weight: float | None = None,
    bar: bool = True,
) -> Figure:
    """Draw attention weights as a table of colors: a row for each query, a column for each key.

    Args:
        weights: (n_q, n_k), none negative.
        rows: A label for each query.
        columns: A label for each key.
        ax: Where to draw; a figure of its own when left out, which pyplot does not know and nothing has to close.
        annotate: Whether to write the weight into each cell, to two decimals.
        mask: Bool, broadcastable to (n_q, n_k), True = may attend. The other cells are hatched.
        max_weight: The weight that gets the last color; the greatest of the weights when left out.
        bar: Whether to draw the color bar.

    Returns:
        The figure drawn into.

    Raises:
        TypeError: The mask is not bool.
        ValueError: The weights are not (n_q, n_k), are negative or not finite, or labels or mask do not fit them.

    Examples:
        >>> from attnref.plot import heat_map
        >>> figure = heat_map([[0.9, 0.1], [0.25, 0.75]], rows=["how", "day"], columns=["comment", "journée"])
        >>> [tick.get_text() for tick in figure.axes[0].get_yticklabels()]  # queries stand at the left
        ['how', 'day']
    """
    cells = read_weights("heat_map", weights, "(n_q, n_k)", 2)
    check_labels("heat_map", cells, rows=(rows, 0), columns=(columns, 1))
    n_q, n_k = cells.shape
    if ax is None:
        side = min(0.5, 5.0 / n_k)
        ax = new_figure((1.7 + side * n_k, 0.8 + side * n_q)).add_subplot()
    if max_weight is None:
        max_weight = float(cells.max()) or 1.0

    image = _cells(ax, cells, max_weight)
    _label(ax, rows, columns)
    may = read_mask("heat_map", mask, cells)
    for i, j in np.argwhere(~may):
        ax.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fc="none", ec=MUTED[current_scheme()], lw=0, hatch="////"))
    if annotate:
        for (i, j), weight in np.ndenumerate(cells):
            if not may[i, j]:
                continue
            color = "black" if luminance(image.to_rgba(weight)) > 0.18 else "white"
            ax.text(j, i, f"{weight:.2f}", ha="center", va="center", color=color, fontsize="small")
    if bar:
        _bar(ax, image)
    return root_figure(ax)


def heads(
    weights: Weights,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    *,
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """Draw each head's weights as a heat map of its own, side by side, with one scale of color for all.

    Args:
        weights: (h, n_q, n_k), none negative.
        rows: A label for each query.
        columns: A label for each key.
        axes: Where to draw, one for each head; a figure of its own when left out, four heads to a line.

    Returns:
        The figure drawn into.

    Raises:
        ValueError: The weights are not (h, n_q, n_k), are negative or not finite, or labels or axes do not fit them.

    Examples:
        >>> import torch
        >>> from attnref.plot import heads
        >>> figure = heads(torch.eye(3).expand(2, 3, 3))
        >>> [ax.get_title() for ax in figure.axes[:2]]
        ['head 1', 'head 2']
    """
    cells = read_weights("heads", weights, "(h, n_q, n_k)", 3)
    check_labels("heads", cells, rows=(rows, 1), columns=(columns, 2))
    h, n_q, n_k = cells.shape
    if axes is None:
        wide = min(h, 4)
        side = min(0.4, (5.0 / wide - 0.2) / n_k)
        figure = new_figure((1.7 + wide * (0.2 + side * n_k), math.ceil(h / wide) * (0.8 + side * n_q)))
        grid = figure.subplots(math.ceil(h / wide), wide, squeeze=False, sharex=True, sharey=True)
        axes = list(grid.flat)
        for spare in axes[h:]:
            spare.set_axis_off()
        axes = axes[:h]
    elif len(axes) != h:
        raise ValueError(f"heads: axes must be one for each head, h={h}, got {len(axes)}.")

    max_weight = float(cells.max()) or 1.0
    images = [_cells(ax, head, max_weight) for ax, head in zip(axes, cells, strict=True)]
    for number, ax in enumerate(axes, 1):
        _label(ax, rows, columns)
        ax.label_outer()
        ax.set_title(f"head {number}")
    _bar(axes, images[0])
    return root_figure(axes[0])


def _cells(ax: Axes, cells: np.ndarray, max_weight: float) -> AxesImage:
    """The table of colors, framed, so that its pale cells do not run into the ground."""
    scheme = current_scheme()
    image = ax.imshow(cells, cmap=colormap(scheme), vmin=0, vmax=max_weight, interpolation="none", aspect="equal")
    for spine in ax.spines.values():
        spine.set(visible=True, color=FAINT[scheme], linewidth=0.8)
    return image


def _label(ax: Axes, rows: Sequence[str] | None, columns: Sequence[str] | None) -> None:
    ax.tick_params(length=0)
    for axis, labels, name in ((ax.yaxis, rows, "query"), (ax.xaxis, columns, "key")):
        if labels is None:
            axis.set_major_locator(MaxNLocator(8, integer=True))
            axis.set_label_text(name)
        else:
            axis.set_ticks(range(len(labels)), labels=list(labels), family=families())


def _bar(axes: Axes | Sequence[Axes], image: AxesImage) -> None:
    first = axes if isinstance(axes, Axes) else axes[0]
    bar = root_figure(first).colorbar(image, ax=axes, label="weight", fraction=0.05, aspect=22, pad=0.03)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.ax.tick_params(length=0)
    bar.locator = MaxNLocator(4)
    bar.update_ticks()
