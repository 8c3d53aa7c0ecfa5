"""The style of the pictures: two schemes, their colors, one color scale, a context that sets matplotlib up."""

import functools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib import font_manager
from matplotlib.colors import ListedColormap, to_rgb

from attnref._checks import check_choice

INK = {"light": "#16202a", "dark": "#e3e8ec"}
MUTED = {"light": "#6a737d", "dark": "#9aa3ad"}
FAINT = {"light": "#d5d9de", "dark": "#454b57"}
ACCENTS = {
    "light": ("#0a4f9e", "#c4500a", "#00805f", "#8a3ea8"),
    "dark": ("#5aa2f0", "#f59a4c", "#4ee0b0", "#d3a0ee"),
}
# One color for each thing that attention is made of, the same in every picture.
ROLES = {
    scheme: dict(zip(("query", "key", "value", "weights"), accents, strict=True)) for scheme, accents in ACCENTS.items()
}
FONTS = ("Helvetica Neue", "Arial", "DejaVu Sans")
CJK_FONTS = (
    "IBM Plex Sans KR",
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "NanumGothic",
    "Hiragino Sans",
)
# Lightness of the first and the last color, and their hues, in OKLab; both colors differ from the background.
_LIGHTNESS = {"light": (0.975, 0.30), "dark": (0.30, 0.97)}
_HUES = {"light": (225.0, 268.0), "dark": (268.0, 205.0)}
_HUES_BELOW = {"light": (70.0, 40.0), "dark": (40.0, 80.0)}  # of what is negative


def colormap(scheme: Literal["light", "dark"] = "light", *, signed: bool = False) -> ListedColormap:
    """One hue, its lightness in even steps (OKLab), so that equal steps of weight look equal, in gray as in color.

    Args:
        scheme: The background it is seen on. The more weight, the further from that background.
        signed: Whether the weights may be negative: then these have a second hue, with the same steps.

    Returns:
        256 colors, from a weight of zero to the largest. With `signed`, from the largest below zero to the largest
        above it; zero lies in the middle.

    Raises:
        ValueError: The scheme is neither "light" nor "dark".

    Examples:
        >>> from attnref.plot import colormap
        >>> pale, deep = colormap("light")([0.0, 1.0])
        >>> bool(pale[:3].sum() > deep[:3].sum())
        True

    Source:
        OKLab: Björn Ottosson 2020, [*A perceptual color space for image
        processing*](https://bottosson.github.io/posts/oklab/), section "Converting from linear sRGB to Oklab".
    """
    check_choice("colormap", "scheme", scheme, ("light", "dark"))
    if not signed:
        return ListedColormap(_ramp(scheme, *_HUES[scheme], 256).tolist(), name=f"attnref-{scheme}")
    below, above = (_ramp(scheme, *hues[scheme], 128, gray=0.2) for hues in (_HUES_BELOW, _HUES))
    return ListedColormap([*below[::-1].tolist(), *above.tolist()], name=f"attnref-{scheme}-signed")


def _ramp(
    scheme: Literal["light", "dark"], hue_first: float, hue_last: float, steps: int, *, gray: float = 0.0
) -> np.ndarray:
    """Colors from the background's side to the far side, (steps, 3); if asked, the first fade to gray."""
    first, last = _LIGHTNESS[scheme]
    t = np.linspace(0, 1, steps)
    lightness, hue = first + (last - first) * t, np.radians(hue_first + (hue_last - hue_first) * t)
    chroma = 0.125 * np.sin(np.pi * (0.04 + 0.86 * (t if scheme == "light" else 1 - t)))
    if gray:
        chroma = chroma * np.minimum(1, t / gray)
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
    return srgb.T.round(4)


@contextmanager
def style(scheme: Literal["light", "dark"] = "light") -> Iterator[None]:
    """Draw in the style of this documentation: transparent background, quiet lines, text that stays text in SVG.

    Args:
        scheme: The background the picture will lie on.

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


def current_scheme() -> Literal["light", "dark"]:
    """The scheme that suits the color of text in use: in `style`, and in any style of the user's own."""
    return "dark" if luminance(mpl.rcParams["text.color"]) > 0.18 else "light"


def luminance(color: Any) -> float:
    """The light a color gives, from 0 to 1; black and white text are equally legible on 0.18."""
    return float(np.array(to_rgb(color)) ** 2.2 @ (0.2126, 0.7152, 0.0722))


def families(*, of_one_width: bool = False) -> list[str]:
    """The typefaces to try in turn; letters set one by one want a face where all are of one width."""
    return [*(["monospace"] if of_one_width else mpl.rcParams["font.family"]), *_cjk_fonts()]


@functools.cache
def _cjk_fonts() -> tuple[str, ...]:
    """Fonts of this machine that have the Korean and Japanese glyphs which matplotlib's own lacks."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(name for name in CJK_FONTS if name in installed)[:1]
