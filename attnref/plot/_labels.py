"""The cells of a heat map in inches, and the labels of its rows and columns."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator

from attnref.plot._checks import read_tokens
from attnref.plot._drawing import as_written, root_figure, shown
from attnref.plot.styles import families

Inches = tuple[float, float]  # width, height
Labels = tuple[list[str] | None, list[str] | None]  # of the rows, of the columns


def read_labels(who: str, rows: Sequence[str] | None, columns: Sequence[str] | None, n_q: int, n_k: int) -> Labels:
    """The labels as they will be drawn, one for each row and for each column."""

    def read(name: str, labels: Sequence[str] | None, each: str, wanted: int) -> list[str] | None:
        return None if labels is None else [shown(token) for token in read_tokens(who, name, labels, each, wanted)]

    return read("rows", rows, "query, n_q", n_q), read("columns", columns, "key, n_k", n_k)


def cell_size(n_q: int, n_k: int, largest: float, most: Inches) -> Inches:
    """Square cells, unless the map would be thinner than half an inch: then up to one inch."""
    side = min(largest, most[0] / n_k, most[1] / n_q)
    width, height = (side if side * n >= 0.5 else min(largest, 1.0 / n) for n in (n_k, n_q))
    return width, height


def cell_inside(ax: Axes, n_q: int, n_k: int, *, square: bool) -> Inches:
    """About as large as a cell will be in Axes that are given."""
    box, dpi = ax.get_window_extent(), root_figure(ax).dpi
    width, height = box.width / dpi / n_k, box.height / dpi / n_q
    side = min(width, height)
    return (side, side) if square else (width, height)


def label_space(labels: Labels, cell: Inches) -> Inches:
    """What long labels need at the left and below, in inches, beyond what a figure has for short ones."""
    rows, columns = labels
    left, below = _longest(rows or [], "ytick.labelsize"), _longest(columns or [], "xtick.labelsize")
    return max(0.0, left - 0.6), max(0.0, below - 0.3) if below > cell[0] else 0.0


def _longest(texts: Sequence[str], setting: str) -> float:
    """The length of the longest text in inches."""
    font = FontProperties(family=families(), size=points_of(setting))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # told when it is drawn
        lengths = [text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] for text in texts]
    return max(lengths, default=0.0) / 72


def points_of(setting: Any) -> float:
    """The size of a font in matplotlib's settings, where it may be a word."""
    return FontProperties(size=rcParams[setting]).get_size_in_points()


def label_cells(ax: Axes, labels: Labels, cell: Inches) -> None:
    """A label for each row and column, smaller where cells are small, and not for each where they are tiny."""
    ax.tick_params(length=0)
    sides = (("query", ax.yaxis, "ytick", cell[1]), ("key", ax.xaxis, "xtick", cell[0]))
    for texts, (name, axis, tick, side) in zip(labels, sides, strict=True):
        if texts is None:
            axis.set_major_locator(MaxNLocator(8, integer=True))
            axis.set_label_text(name)
            continue
        size, points = points_of(f"{tick}.labelsize"), 72 * side
        style = as_written()
        if tick == "ytick" or _longest(texts, f"{tick}.labelsize") > side:
            size = min(size, max(points / 1.1, 5.0))
            style |= {"fontsize": size, "rotation": 0 if tick == "ytick" else 90}
        every = math.ceil(5.0 / points) if points < 5.0 else 1
        axis.set_ticks(range(0, len(texts), every), labels=texts[::every], **style)


def label_outer(ax: Axes, panels: Sequence[Axes]) -> None:
    """Labels at the left of each line and below each column of panels, also where a line is not full."""
    own = ax.get_subplotspec()
    specs = [spec for panel in panels if (spec := panel.get_subplotspec())]
    same = [(spec, own) for spec in specs if own and spec.get_gridspec() is own.get_gridspec()]
    first = not any(s.rowspan == o.rowspan and s.colspan.start < o.colspan.start for s, o in same)
    last = not any(s.colspan == o.colspan and s.rowspan.start > o.rowspan.start for s, o in same)
    ax.tick_params(labelleft=first, labelbottom=last)
    if not first:
        ax.set_ylabel("")
    if not last:
        ax.set_xlabel("")
