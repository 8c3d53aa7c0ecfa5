"""What the pictures share: figures that pyplot does not know, weights in steps, tokens as text that can be drawn."""

import io
import math
import unicodedata
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attnref.plot._checks import significant
from attnref.plot.styles import families

STEPS = 1024  # a multiple of the 256 colors; no simple fraction lies halfway between two steps
LONGEST = 24  # letters of a token; the rest is cut off


class Picture(Figure):
    """A figure of its own: pyplot does not know it, so nothing has to be closed, and a notebook shows it once."""

    def _repr_png_(self) -> bytes:
        png = io.BytesIO()
        self.savefig(png, format="png", dpi=144, bbox_inches="tight")
        return png.getvalue()


def new_figure(inches: tuple[float, float]) -> Figure:
    """An empty figure that makes room for its labels by itself."""
    return Picture(figsize=inches, layout="constrained")


def root_figure(ax: Axes) -> Figure:
    """The whole figure, also for the Axes of a part of it."""
    return ax.figure.canvas.figure


def in_steps(weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Each weight relative to the largest, in steps of 1/1024, and the largest to four digits (1 if all are zero).

    The largest is the one furthest from zero.

    The last bits differ from one device to another. So do six digits, rarely, and then four do not: a number halfway
    between two of four digits has been rounded to itself before.
    """
    largest = float(significant(np.abs(weights).max(keepdims=True), 4).item()) or 1.0
    return np.rint(weights / largest * STEPS).clip(-STEPS, STEPS) / STEPS, largest


def shown(token: str) -> str:
    """The token with what cannot be drawn written as in Python: control characters, half a surrogate pair, ..."""
    text = ""
    for letter in token:
        if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or ord(letter) & 0xFFFE == 0xFFFE:
            letter = letter.encode("unicode_escape").decode()
        if len(text) + len(letter) > LONGEST:
            return text + "…"
        text += letter
    return text


def as_written(*, of_one_width: bool = False) -> dict[str, Any]:
    """Keywords for a text of matplotlib that is a token: no mathematics in it, no TeX."""
    return {"family": families(of_one_width=of_one_width), "parse_math": False, "usetex": False}


def ems(text: str) -> float:
    """About how wide a text is, in units of its font size."""
    return math.fsum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.58 for letter in text)
