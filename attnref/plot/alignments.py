"""The alignment of two token sequences: a ribbon for each weight, and the building blocks of such a picture."""

from collections.abc import Sequence

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.path import Path

from attnref._checks import check_at_least
from attnref.plot._checks import (
    AxesLike,
    Groups,
    Number,
    Weights,
    read_axes,
    read_groups,
    read_number,
    read_tokens,
    read_weights,
)
from attnref.plot._drawing import as_written, ems, in_steps, new_figure, root_figure, shown
from attnref.plot.styles import ACCENTS, MUTED, current_scheme

ABOUT = 1 - 1e-5  # weights have six digits: sums that differ by less are equal
Spans = Sequence[tuple[float, float]]  # (middle, half width) of each token of a line


def alignment(
    weights: Weights,
    source: Sequence[str],
    target: Sequence[str],
    *,
    groups: Groups | None = None,
    min_weight: Number | None = None,
    ax: AxesLike | None = None,
) -> Figure:
    """Draw where each target token attends: source above, target below, between them a ribbon as wide as its weight.

    Args:
        weights: (n_q, n_k) = (len(target), len(source)), none negative. They are drawn relative to the largest, and the
            ribbons of the row with the largest sum are together as wide as their token.
        source: The tokens attended to; a string is its characters.
        target: The tokens that were written; a string is its characters.
        groups: A number from 0 for each target token: equal numbers share a color, None is gray. All share the first
            color if omitted. A source token takes the color of the group that gives it most, gray below a fifth of a
            target token's whole weight.
        min_weight: Weights below it are not drawn. A fiftieth of the largest if omitted.
        ax: Where to draw, one Axes. A new figure if omitted, wider where there are many tokens.

    Returns:
        The figure drawn into.

    Raises:
        TypeError: The weights are no numbers (or None), a token is not a string, a group not a whole number, or `ax`
            not an Axes.
        ValueError: The weights are not (len(target), len(source)), negative or not finite, a group is negative, there
            are not as many groups as target tokens, or there is more than one Axes.

    Examples:
        >>> from attnref.plot import alignment
        >>> figure = alignment([[0.9, 0.1], [0.2, 0.8]], ["bon", "jour"], ["good", "day"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['bon', 'jour', 'good', 'day']
    """
    weights = read_weights("alignment", weights, "(n_q, n_k) = (len(target), len(source))", 2)
    source, target = read_tokens("alignment", "source", source), read_tokens("alignment", "target", target)
    if weights.shape != (len(target), len(source)):
        raise ValueError(
            f"alignment: weights must be (n_q, n_k) = (len(target), len(source)) = {(len(target), len(source))}, "
            f"got shape {weights.shape}."
        )
    if groups is not None:
        groups = read_groups("alignment", groups, len(target))
    if min_weight is not None:
        min_weight = read_number("alignment", "min_weight", min_weight, above_zero=False)

    keys, queries = _spans(source), _spans(target)
    width = max(keys[-1][0] + keys[-1][1], queries[-1][0] + queries[-1][1])
    keys, queries = _centered(keys, width), _centered(queries, width)
    if ax is None:
        ax = new_figure((min(max(6.7, width * 10 / 72), 30.0), 2.6)).add_subplot()
    else:
        (ax,) = read_axes("alignment", "ax", ax, 1, "one Axes")
    size = max(min(17.0, ax.bbox.width / root_figure(ax).dpi * 72 / width), 1.0)  # a span is about one em wide
    ax.set(xlim=(-width / 2, width / 2), ylim=(-0.2, 1.2))
    ax.set_axis_off()

    colors = group_colors(groups, len(target))
    above, below = ([(x, min(half, 1.2)) for x, half in spans] for spans in (keys, queries))  # no band for a long word
    ribbons(ax, weights, above, below, colors, top=1.0, bottom=0.0, min_weight=min_weight)
    for token, (x, _), color in zip(source, keys, source_colors(weights, colors), strict=True):
        style = as_written(of_one_width=_are_characters(source))
        ax.text(x, 1.05, shown(token), ha="center", va="bottom", color=color, fontsize=size, **style)
    for token, (x, _), color in zip(target, queries, colors, strict=True):
        style = as_written(of_one_width=_are_characters(target))
        ax.text(x, -0.05, shown(token), ha="center", va="top", color=color, fontsize=size, weight="bold", **style)
    return root_figure(ax)


def ribbons(
    ax: AxesLike,
    weights: Weights,
    keys: Spans,
    queries: Spans,
    colors: Sequence[str],
    *,
    top: float,
    bottom: float,
    min_weight: Number | None = None,
) -> None:
    """Draw one ribbon for each weight, from the query's span (middle, half width) up or down to the key's.

    Args:
        ax: Where to draw; its limits stay as they are.
        weights: (n_q, n_k), none negative.
        keys: The span of each key on the line `top`.
        queries: The span of each query on the line `bottom`.
        colors: The color of each query.
        top: Where the keys are, on the axis y.
        bottom: Where the queries are.
        min_weight: As in `alignment`.

    Raises:
        TypeError: A span is not a pair, or `ax` not an Axes.
        ValueError: There is not one span for each key, one span and one color for each query.
    """
    (ax,) = read_axes("ribbons", "ax", ax, 1, "one Axes")
    weights = read_weights("ribbons", weights, "(n_q, n_k)", 2)
    if (len(queries), len(colors), len(keys)) != (len(weights), *weights.shape):
        raise ValueError(
            f"ribbons: queries and colors must be n_q={len(weights)}, keys n_k={weights.shape[1]}, "
            f"got {len(queries)}, {len(colors)} and {len(keys)}."
        )
    for name, spans in (("keys", keys), ("queries", queries)):
        for span in spans:
            if not (isinstance(span, Sequence | np.ndarray) and len(span) == 2):
                raise TypeError(f"ribbons: {name} must be pairs (middle, half width), got {span!r}.")
    if min_weight is None:
        drawn = weights >= ABOUT * weights.max() / 50
    else:
        drawn = weights >= read_number("ribbons", "min_weight", min_weight, above_zero=False)
    relative, _ = in_steps(weights)
    shares = relative / (relative.sum(1).max() or 1.0)
    bend = top + 0.5 * (bottom - top)
    paths, faces = [], []
    for i, ((x_q, half_q), color) in enumerate(zip(queries, colors, strict=True)):
        edges = x_q + 0.85 * half_q * (2 * np.cumsum([0.0, *shares[i]]) - 1)  # side by side, as wide as the token
        for j in np.flatnonzero(drawn[i] & (relative[i] > 0)):
            (left, right), (x_k, half_k) = edges[j : j + 2], keys[int(j)]
            half = 0.8 * half_k * relative[i, j]
            corners = [
                (x_k - half, top), (x_k - half, bend), (left, bend), (left, bottom),
                (right, bottom), (right, bend), (x_k + half, bend), (x_k + half, top), (x_k - half, top),
            ]  # fmt: skip
            codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
            paths.append(Path(corners, codes))
            faces.append(to_rgba(color, 0.15 + 0.6 * relative[i, j]))
    # In one piece: tens of thousands of ribbons, each an artist of its own, take minutes.
    ax.add_collection(PathCollection(paths, facecolors=faces, edgecolors="none", linewidths=0), autolim=False)


def source_colors(weights: Weights, colors: Sequence[str]) -> list[str]:
    """Color each source token as the group that gives it most, gray below a fifth of a target token's whole weight.

    Args:
        weights: (n_q, n_k), none negative.
        colors: The color of each target token.

    Returns:
        The color of each source token.

    Raises:
        ValueError: There is not one color for each target token.
    """
    weights = read_weights("source_colors", weights, "(n_q, n_k)", 2)
    if len(colors) != len(weights):
        raise ValueError(f"source_colors: colors must be one for each query, n_q={len(weights)}, got {len(colors)}.")
    gray, received = MUTED[current_scheme()], np.zeros(weights.shape[1])
    chosen, needed = [gray] * weights.shape[1], ABOUT * 0.2 * weights.sum(1).max()
    for color in dict.fromkeys(colors):
        if color != gray:
            weight = weights[[c == color for c in colors]].sum(0)
            better = (weight >= needed) & (ABOUT * weight > received)
            chosen = [color if b else c for b, c in zip(better, chosen, strict=True)]
            received = np.maximum(received, weight)
    return chosen


def group_colors(groups: Groups | None, n_q: int) -> list[str]:
    """The color of each target token: an accent for each group, gray for None.

    Args:
        groups: A number from 0 for each target token, or None; all in the first color if omitted.
        n_q: How many target tokens there are.

    Returns:
        The colors, of the scheme that is in use.

    Raises:
        TypeError: A group is neither a whole number nor None.
        ValueError: A group is negative, or there are not n_q of them.
    """
    check_at_least("group_colors", 0, n_q=n_q)
    accents, gray = ACCENTS[current_scheme()], MUTED[current_scheme()]
    chosen = [0] * n_q if groups is None else read_groups("group_colors", groups, n_q)
    return [gray if group is None else accents[group % len(accents)] for group in chosen]


def _spans(tokens: Sequence[str]) -> list[tuple[float, float]]:
    """The span of each token set in a line, in ems: characters stand apart, words as wide as their letters."""
    characters = _are_characters(tokens)
    spans, end = [], 0.0
    for token in tokens:
        width = max(ems(shown(token)) + 0.15, 0.78) if characters else ems(shown(token)) + 1.0
        spans.append((end + width / 2, width / 2))
        end += width
    return spans


def _are_characters(tokens: Sequence[str]) -> bool:
    return all(len(token) == 1 for token in tokens)


def _centered(spans: Spans, width: float) -> list[tuple[float, float]]:
    """The line moved to the middle; a short one is spread out, or its ribbons all lean."""
    own = spans[-1][0] + spans[-1][1]
    stretch = min(width / own, 1.7)
    return [((x - own / 2) * stretch, half * stretch) for x, half in spans]
