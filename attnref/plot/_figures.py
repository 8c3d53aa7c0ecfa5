"""Figures that pyplot does not know."""

import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure


class Picture(Figure):
    """A figure of its own: pyplot does not know it, so nothing has to be closed, and a notebook shows it once."""

    def _repr_png_(self) -> bytes:
        png = io.BytesIO()
        self.savefig(png, format="png", dpi=144, bbox_inches="tight")
        return png.getvalue()


def new_figure(inches: tuple[float, float]) -> Figure:
    return Picture(figsize=inches, layout="constrained")


def root_figure(ax: Axes) -> Figure:
    return ax.figure.canvas.figure
