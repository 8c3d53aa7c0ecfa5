"""Pictures of attention: a heat map, an alignment of two token sequences, several heads side by side."""

import functools
import io
import math
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from attnref._checks import check_axes, check_choice, check_mask

try:
    import matplotlib as mpl
    from cycler import cycler
    from matplotlib import font_manager
    from matplotlib.axes import Axes
    from matplotlib.colors import ListedColormap, to_rgb
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.path import Path
    from matplotlib.ticker import MaxNLocator
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("attnref.plot needs matplotlib: pip install 'attnref[plot]'", name=error.name) from error

Weights = Tensor | np.ndarray | Sequence

INK = {"light": "#16202a", "dark": "#e3e8ec"}
MUTED = {"light": "#6a737d", "dark": "#9aa3ad"}
FAINT = {"light": "#d5d9de", "dark": "#454b57"}
ACCENTS = {
    "light": ("#0a4f9e", "#c4500a", "#00805f", "#8a3ea8"),
    "dark": ("#5aa2f0", "#f59a4c", "#4ee0b0", "#d3a0ee"),
}
FONTS = ("Helvetica Neue", "Arial", "DejaVu Sans")
CJK_FONTS = ("Noto Sans CJK KR", "Noto Sans KR", "Apple SD Gothic Neo", "Malgun Gothic", "NanumGothic", "Hiragino Sans")
# Lightness of the first and the last colour, hue of both, in OKLab; no weight is close to the ground of each scheme.
_RAMPS = {"light": (0.975, 0.30, 225.0, 268.0), "dark": (0.30, 0.97, 268.0, 205.0)}


def colour_map(scheme: Literal["light", "dark"] = "light") -> ListedColormap:
    """One hue, its lightness in even steps (OKLab), so that equal steps of weight look equal, in grey as in colour.

    Args:
        scheme: The ground it is seen on. The more weight, the further from that ground.

    Returns:
        256 colours, from a weight of zero to the greatest.

    Raises:
        ValueError: The scheme is neither "light" nor "dark".

    Examples:
        >>> from attnref.plot import colour_map
        >>> pale, deep = colour_map("light")([0.0, 1.0])
        >>> bool(pale[:3].sum() > deep[:3].sum())
        True

    Source:
        OKLab: Björn Ottosson 2020, *A perceptual color space for image processing*.
    """
    check_choice("colour_map", "scheme", scheme, ("light", "dark"))
    first, last, hue_first, hue_last = _RAMPS[scheme]
    t = np.linspace(0, 1, 256)
    lightness, hue = first + (last - first) * t, np.radians(hue_first + (hue_last - hue_first) * t)
    chroma = 0.125 * np.sin(np.pi * (0.04 + 0.86 * (t if scheme == "light" else 1 - t)))
    lab = np.stack((lightness, chroma * np.cos(hue), chroma * np.sin(hue)))
    lms = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.291485548]]
    )
    rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(rgb @ (lms @ lab) ** 3, 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return ListedColormap(srgb.T.round(4).tolist(), name=f"attnref-{scheme}")


@contextmanager
def style(scheme: Literal["light", "dark"] = "light") -> Iterator[None]:
    """Draw in the style of this documentation: transparent ground, quiet lines, text that stays text in SVG.

    Args:
        scheme: The ground the picture will lie on.

    Raises:
        ValueError: The scheme is neither "light" nor "dark".

    Examples:
        >>> from attnref.plot import heat_map, style
        >>> with style("dark"):
        ...     figure = heat_map([[0.2, 0.8]])
    """
    check_choice("style", "scheme", scheme, ("light", "dark"))
    ink, muted, faint = INK[scheme], MUTED[scheme], FAINT[scheme]
    settings: dict[Any, Any] = {
        "font.family": ["sans-serif", *_cjk_fonts()],
        "font.sans-serif": list(FONTS),
        "font.monospace": ["Menlo", "Consolas", "DejaVu Sans Mono"],
        "font.size": 13,
        "axes.titlesize": 13,
        "axes.labelsize": 13,
        "xtick.labelsize": 12,
        "ytick.labelsize": 12,
        "legend.fontsize": 12,
        "mathtext.fontset": "custom",
        "mathtext.rm": "sans",
        "mathtext.it": "sans:italic",
        "mathtext.cal": "sans",
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.titlecolor": ink,
        "axes.edgecolor": muted,
        "xtick.color": muted,
        "ytick.color": muted,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "grid.color": faint,
        "axes.grid": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": cycler(color=ACCENTS[scheme]),
        "lines.linewidth": 2.2,
        "legend.frameon": False,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "savefig.transparent": True,
        "figure.figsize": (6.7, 3.8),
        "svg.fonttype": "none",
        "svg.hashsalt": "attnref",
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        # The reader's browser has the glyphs that the machine that draws may lack.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def heat_map(
    weights: Weights,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    *,
    ax: Axes | None = None,
    annotate: bool = False,
    mask: Weights | None = None,
    largest: float | None = None,
    bar: bool = True,
) -> Figure:
    """Draw attention weights as a table of colours: a row for each query, a column for each key.

    Args:
        weights: (n_q, n_k), none negative.
        rows: A label for each query.
        columns: A label for each key.
        ax: Where to draw; a figure of its own when left out, which pyplot does not know and nothing has to close.
        annotate: Whether to write the weight into each cell, to two decimals.
        mask: Bool, broadcastable to (n_q, n_k), True = may attend. The other cells are hatched.
        largest: The weight that gets the last colour; the greatest of the weights when left out.
        bar: Whether to draw the colour bar.

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
    cells = _read("heat_map", weights, "(n_q, n_k)", 2)
    _check_labels("heat_map", cells, rows=(rows, 0), columns=(columns, 1))
    n_q, n_k = cells.shape
    if ax is None:
        side = min(0.5, 5.0 / n_k)
        ax = _figure((1.7 + side * n_k, 0.8 + side * n_q)).add_subplot()
    if largest is None:
        largest = float(cells.max()) or 1.0

    image = _cells(ax, cells, largest)
    _label(ax, rows, columns)
    may = _read_mask("heat_map", mask, cells)
    for i, j in np.argwhere(~may):
        ax.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fc="none", ec=MUTED[_scheme()], lw=0, hatch="////"))
    if annotate:
        for (i, j), weight in np.ndenumerate(cells):
            if not may[i, j]:
                continue
            colour = "black" if _luminance(image.to_rgba(weight)) > 0.18 else "white"
            ax.text(j, i, f"{weight:.2f}", ha="center", va="center", color=colour, fontsize="small")
    if bar:
        _bar(ax, image)
    return _root(ax)


def heads(
    weights: Weights,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    *,
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """Draw each head's weights as a heat map of its own, side by side, with one scale of colour for all.

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
    cells = _read("heads", weights, "(h, n_q, n_k)", 3)
    _check_labels("heads", cells, rows=(rows, 1), columns=(columns, 2))
    h, n_q, n_k = cells.shape
    if axes is None:
        wide = min(h, 4)
        side = min(0.4, (5.0 / wide - 0.2) / n_k)
        figure = _figure((1.7 + wide * (0.2 + side * n_k), math.ceil(h / wide) * (0.8 + side * n_q)))
        grid = figure.subplots(math.ceil(h / wide), wide, squeeze=False, sharex=True, sharey=True)
        axes = list(grid.flat)
        for spare in axes[h:]:
            spare.set_axis_off()
        axes = axes[:h]
    elif len(axes) != h:
        raise ValueError(f"heads: axes must be one for each head, h={h}, got {len(axes)}.")

    largest = float(cells.max()) or 1.0
    images = [_cells(ax, head, largest) for ax, head in zip(axes, cells, strict=True)]
    for number, ax in enumerate(axes, 1):
        _label(ax, rows, columns)
        ax.label_outer()
        ax.set_title(f"head {number}")
    _bar(axes, images[0])
    return _root(axes[0])


def alignment(
    weights: Weights,
    source: Sequence[str],
    target: Sequence[str],
    *,
    groups: Sequence[int | None] | None = None,
    least: float = 0.02,
    ax: Axes | None = None,
) -> Figure:
    """Draw where each target token looked: source above, target below, a ribbon as wide as its weight between them.

    Args:
        weights: (n_q, n_k) = (len(target), len(source)), none negative.
        source: The tokens attended to; a string is its characters.
        target: The tokens that were written; a string is its characters.
        groups: A number for each target token: equal numbers share a colour, None is grey. All share the first colour
            when left out. A source token takes the colour of the group that gives it most, grey below a fifth of a
            weight.
        least: Weights below it are not drawn.
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
    cells = _read("alignment", weights, "(n_q, n_k) = (len(target), len(source))", 2)
    source, target = list(source), list(target)
    if cells.shape != (len(target), len(source)):
        raise ValueError(
            f"alignment: weights must be (n_q, n_k) = (len(target), len(source)) = {(len(target), len(source))}, "
            f"got shape {cells.shape}."
        )
    if groups is not None and len(groups) != len(target):
        raise ValueError(f"alignment: groups must be one for each target token, n_q={len(target)}, got {len(groups)}.")

    if ax is None:
        ax = _figure((6.7, 2.6)).add_subplot()
    keys, queries = _places(source), _places(target)
    width = max(keys[-1][0] + keys[-1][1], queries[-1][0] + queries[-1][1])
    keys, queries = _centred(keys, width), _centred(queries, width)
    size = min(17.0, ax.bbox.width / ax.figure.dpi * 72 / width)  # a place is about one em wide
    ax.set(xlim=(-width / 2, width / 2), ylim=(-0.2, 1.2))
    ax.set_axis_off()

    colours = group_colours(groups, len(target))
    above, below = (
        [(x, min(half, 1.2)) for x, half in places] for places in (keys, queries)
    )  # no band for a long word
    ribbons(ax, cells, above, below, colours, top=1.0, bottom=0.0, least=least)
    for token, (x, _), colour in zip(source, keys, source_colours(cells, colours), strict=True):
        family = families(of_one_width=_characters(source))
        ax.text(x, 1.05, token, ha="center", va="bottom", color=colour, fontsize=size, family=family)
    for token, (x, _), colour in zip(target, queries, colours, strict=True):
        family = families(of_one_width=_characters(target))
        ax.text(x, -0.05, token, ha="center", va="top", color=colour, fontsize=size, family=family, weight="bold")
    return _root(ax)


def ribbons(
    ax: Axes,
    cells: np.ndarray,
    keys: Sequence[tuple[float, float]],
    queries: Sequence[tuple[float, float]],
    colours: Sequence[str],
    *,
    top: float,
    bottom: float,
    least: float,
) -> None:
    """Draw one ribbon for each weight, from the query's place (middle, half width) up or down to the key's."""
    bend = top + 0.5 * (bottom - top)
    for (x_q, half_q), row, colour in zip(queries, cells, colours, strict=True):
        half_q *= 0.85
        left = x_q - half_q  # the ribbons of one query lie side by side, as wide together as its token
        for (x_k, half_k), weight in zip(keys, row, strict=True):
            right = left + 2 * half_q * weight
            if weight >= least:
                half = 0.8 * half_k * weight
                corners = [
                    (x_k - half, top), (x_k - half, bend), (left, bend), (left, bottom),
                    (right, bottom), (right, bend), (x_k + half, bend), (x_k + half, top), (x_k - half, top),
                ]  # fmt: skip
                codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
                ax.add_patch(PathPatch(Path(corners, codes), lw=0, fc=colour, alpha=0.15 + 0.6 * float(weight)))
            left = right


def source_colours(cells: np.ndarray, colours: Sequence[str]) -> list[str]:
    """Colour each source token as the group that gives it most, grey where that is below a fifth of a weight."""
    grey, given = MUTED[_scheme()], np.zeros(cells.shape[1])
    chosen = [grey] * cells.shape[1]
    for colour in dict.fromkeys(colours):
        if colour != grey:
            weight = cells[[c == colour for c in colours]].sum(0)
            chosen = [colour if w >= 0.2 and w > g else c for w, g, c in zip(weight, given, chosen, strict=True)]
            given = np.maximum(given, weight)
    return chosen


def _read(who: str, weights: Weights, form: str, axes: int) -> np.ndarray:
    """The weights as an array, refused where no picture could be true to them, in steps of a thousandth.

    The last bits differ from one device to another; the picture should not.
    """
    tensor = weights if isinstance(weights, Tensor) else torch.from_numpy(np.array(weights, dtype=np.float64))
    check_axes(who, "weights", tensor, form, exactly=axes)
    if 0 in tensor.shape:
        raise ValueError(f"{who}: weights must hold at least one query and one key, got shape {tuple(tensor.shape)}.")
    array = tensor.detach().cpu().double().numpy()
    if not np.isfinite(array).all():
        raise ValueError(f"{who}: weights must be finite, got nan or inf.")
    if array.min() < 0:
        raise ValueError(f"{who}: weights must not be negative, got {array.min():.4g}.")
    return array.round(3)


def _check_labels(who: str, cells: np.ndarray, **labels: tuple[Sequence[str] | None, int]) -> None:
    for (name, (given, axis)), letter in zip(labels.items(), ("n_q", "n_k"), strict=True):
        if given is not None and len(given) != cells.shape[axis]:
            raise ValueError(
                f"{who}: {name} must be one label for each, {letter}={cells.shape[axis]}, got {len(given)}."
            )


def _cells(ax: Axes, cells: np.ndarray, largest: float) -> AxesImage:
    """The table of colours, framed, so that its pale cells do not run into the ground."""
    scheme = _scheme()
    image = ax.imshow(cells, cmap=colour_map(scheme), vmin=0, vmax=largest, interpolation="none", aspect="equal")
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


def _read_mask(who: str, mask: Weights | None, cells: np.ndarray) -> np.ndarray:
    if mask is None:
        return np.ones(cells.shape, dtype=bool)
    may = mask if isinstance(mask, Tensor) else torch.from_numpy(np.array(mask))
    check_mask(who, may, cells.shape, "(n_q, n_k)")
    return may.cpu().expand(cells.shape).numpy()


def _bar(axes: Axes | Sequence[Axes], image: AxesImage) -> None:
    first = axes if isinstance(axes, Axes) else axes[0]
    bar = _root(first).colorbar(image, ax=axes, label="weight", fraction=0.05, aspect=22, pad=0.03)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.ax.tick_params(length=0)
    bar.locator = MaxNLocator(4)
    bar.update_ticks()


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


def _centred(places: Sequence[tuple[float, float]], width: float) -> list[tuple[float, float]]:
    """The line moved to the middle; a short one is spread out, or its ribbons all lean."""
    own = places[-1][0] + places[-1][1]
    stretch = min(width / own, 1.7)
    return [((x - own / 2) * stretch, half * stretch) for x, half in places]


def group_colours(groups: Sequence[int | None] | None, n_q: int) -> list[str]:
    """The colour of each target token: an accent for each group, grey for None."""
    accents, grey = ACCENTS[_scheme()], MUTED[_scheme()]
    if groups is None:
        return [accents[0]] * n_q
    return [grey if group is None else accents[group % len(accents)] for group in groups]


def _scheme() -> Literal["light", "dark"]:
    """The ground of the picture, told by the colour of its text: true in `style` and in any style of the user's own."""
    return "dark" if _luminance(mpl.rcParams["text.color"]) > 0.18 else "light"


def _luminance(colour: Any) -> float:
    """The light a colour gives, from 0 to 1; black and white text are equally legible on 0.18."""
    return float(np.array(to_rgb(colour)) ** 2.2 @ (0.2126, 0.7152, 0.0722))


def families(*, of_one_width: bool = False) -> list[str]:
    """The typefaces to try in turn; letters set one by one want a face where all are of one width."""
    return [*(["monospace"] if of_one_width else mpl.rcParams["font.family"]), *_cjk_fonts()]


@functools.cache
def _cjk_fonts() -> tuple[str, ...]:
    """Fonts of this machine that have the Korean and Japanese glyphs which matplotlib's own lacks."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(name for name in CJK_FONTS if name in installed)[:1]


class _Picture(Figure):
    """A figure of its own: pyplot does not know it, so nothing has to be closed, and a notebook shows it once."""

    def _repr_png_(self) -> bytes:
        png = io.BytesIO()
        self.savefig(png, format="png", dpi=144, bbox_inches="tight")
        return png.getvalue()


def _figure(inches: tuple[float, float]) -> Figure:
    return _Picture(figsize=inches, layout="constrained")


def _root(ax: Axes) -> Figure:
    return ax.figure.canvas.figure
