"""The alignment of two token sequences: a ribbon for each weight, and the building blocks of such a picture."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from attnref.plot._checks import Weights, read_weights
from attnref.plot._figures import new_figure, root_figure
from attnref.plot.styles import ACCENTS, MUTED, current_scheme, families


def alignment(
    weights: Weights,
    source: Sequence[str],
    target: Sequence[str],
    *,
    groups: Sequence[int | None] | None = None,
    min_weight: float = 0.02,
    ax: Axes | None = None,
) -> Figure:
    """Draw where each target token looked: source above, target below, a ribbon as wide as its weight between them.

    Args:
        weights: (n_q, n_k) = (len(target), len(source)), none negative.
        source: The tokens attended to; a string is its characters.
        target: The tokens that were written; a string is its characters.
        groups: A number for each target token: equal numbers share a color, None is gray. All share the first color
            when left out. A source token takes the color of the group that gives it most, gray below a fifth of a
            weight.
        min_weight: Weights below it are not drawn.
        ax: Where to draw; a figure of its own when left out.

    Returns:
        The figure drawn into.

    Raises:
        ValueError: The weights are not (len(target), len(source)), are negative or not finite, or there are not as many
            groups as target tokens.

    Examples:
        >>> from attnref.plot import alignment
        >>> figure = alignment([[0.9, 0.1], [0.2, 0.8]], ["bon", "jour"], ["good", "day"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['bon', 'jour', 'good', 'day']
    """
    cells = read_weights("alignment", weights, "(n_q, n_k) = (len(target), len(source))", 2)
    source, target = list(source), list(target)
    if cells.shape != (len(target), len(source)):
        raise ValueError(
            f"alignment: weights must be (n_q, n_k) = (len(target), len(source)) = {(len(target), len(source))}, "
            f"got shape {cells.shape}."
        )
    if groups is not None and len(groups) != len(target):
        raise ValueError(f"alignment: groups must be one for each target token, n_q={len(target)}, got {len(groups)}.")

    if ax is None:
        ax = new_figure((6.7, 2.6)).add_subplot()
    keys, queries = _places(source), _places(target)
    width = max(keys[-1][0] + keys[-1][1], queries[-1][0] + queries[-1][1])
    keys, queries = _centered(keys, width), _centered(queries, width)
    size = min(17.0, ax.bbox.width / ax.figure.dpi * 72 / width)  # a place is about one em wide
    ax.set(xlim=(-width / 2, width / 2), ylim=(-0.2, 1.2))
    ax.set_axis_off()

    colors = group_colors(groups, len(target))
    above, below = (
        [(x, min(half, 1.2)) for x, half in places] for places in (keys, queries)
    )  # no band for a long word
    ribbons(ax, cells, above, below, colors, top=1.0, bottom=0.0, min_weight=min_weight)
    for token, (x, _), color in zip(source, keys, source_colors(cells, colors), strict=True):
        family = families(of_one_width=_characters(source))
        ax.text(x, 1.05, token, ha="center", va="bottom", color=color, fontsize=size, family=family)
    for token, (x, _), color in zip(target, queries, colors, strict=True):
        family = families(of_one_width=_characters(target))
        ax.text(x, -0.05, token, ha="center", va="top", color=color, fontsize=size, family=family, weight="bold")
    return root_figure(ax)


def ribbons(
    ax: Axes,
    cells: np.ndarray,
    keys: Sequence[tuple[float, float]],
    queries: Sequence[tuple[float, float]],
    colors: Sequence[str],
    *,
    top: float,
    bottom: float,
    min_weight: float,
) -> None:
    """Draw one ribbon for each weight, from the query's place (middle, half width) up or down to the key's."""
    bend = top + 0.5 * (bottom - top)
    for (x_q, half_q), row, color in zip(queries, cells, colors, strict=True):
        half_q *= 0.85
        left = x_q - half_q  # the ribbons of one query lie side by side, as wide together as its token
        for (x_k, half_k), weight in zip(keys, row, strict=True):
            right = left + 2 * half_q * weight
            if weight >= min_weight:
                half = 0.8 * half_k * weight
                corners = [
                    (x_k - half, top), (x_k - half, bend), (left, bend), (left, bottom),
                    (right, bottom), (right, bend), (x_k + half, bend), (x_k + half, top), (x_k - half, top),
                ]  # fmt: skip
                codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
                ax.add_patch(PathPatch(Path(corners, codes), lw=0, fc=color, alpha=0.15 + 0.6 * float(weight)))
            left = right


def source_colors(cells: np.ndarray, colors: Sequence[str]) -> list[str]:
    """Color each source token as the group that gives it most, gray where that is below a fifth of a weight."""
    gray, given = MUTED[current_scheme()], np.zeros(cells.shape[1])
    chosen = [gray] * cells.shape[1]
    for color in dict.fromkeys(colors):
        if color != gray:
            weight = cells[[c == color for c in colors]].sum(0)
            chosen = [color if w >= 0.2 and w > g else c for w, g, c in zip(weight, given, chosen, strict=True)]
            given = np.maximum(given, weight)
    return chosen


def _places(tokens: Sequence[str]) -> list[tuple[float, float]]:
    """(middle, half width) of each token set in a line: characters stand apart, words as wide as their letters."""
    characters = _characters(tokens)
    places, end = [], 0.0
    for token in tokens:
        ems = sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.58 for letter in token)
        wide = max(ems + 0.15, 0.78) if characters else ems + 1.0
        places.append((end + wide / 2, wide / 2))
        end += wide
    return places


def _characters(tokens: Sequence[str]) -> bool:
    return all(len(token) == 1 for token in tokens)


def _centered(places: Sequence[tuple[float, float]], width: float) -> list[tuple[float, float]]:
    """The line moved to the middle; a short one is spread out, or its ribbons all lean."""
    own = places[-1][0] + places[-1][1]
    stretch = min(width / own, 1.7)
    return [((x - own / 2) * stretch, half * stretch) for x, half in places]


def group_colors(groups: Sequence[int | None] | None, n_q: int) -> list[str]:
    """The color of each target token: an accent for each group, gray for None."""
    accents, gray = ACCENTS[current_scheme()], MUTED[current_scheme()]
    if groups is None:
        return [accents[0]] * n_q
    return [gray if group is None else accents[group % len(accents)] for group in groups]
