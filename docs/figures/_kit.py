"""One visual language for the pictures of mechanisms: matrices with their numbers, boxes, arrows, one color a role.

Everything is laid out in points on a canvas of a given width, so letters have the size they are given. A wide canvas is
as wide as a page's column, a narrow one fits a phone; `canvas` says how wide.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from numpy.typing import ArrayLike

from attnref.plot import ROLES
from attnref.plot.styles import FAINT, INK, MUTED, current_scheme

WIDE, NARROW = 482.0, 258.0  # points
SIZE = {"wide": 11.5, "narrow": 9.5}  # of letters, in points
SMALLEST = 8.4  # points: 11 pixels, and a little for the margin of the drawing
PAPER = {"light": "#fdfdfc", "dark": "#12161b"}  # what a picture lies on
Role = Literal["query", "key", "value", "weights", "plain"]
Point = tuple[float, float]


class Canvas:
    """A drawing in points: x to the right, y **down** from the top, as one reads."""

    def __init__(self, height: float, *, narrow: bool = False) -> None:
        self.width, self.height, self.narrow = (NARROW if narrow else WIDE), height, narrow
        self.size = SIZE["narrow" if narrow else "wide"]
        self.figure = Figure(figsize=(self.width / 72, height / 72))
        self.ax: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.ax.set(xlim=(0, self.width), ylim=(height, 0))
        self.ax.set_axis_off()

    def text(self, x: float, y: float, text: str, *, role: Role = "plain", size: float = 1.0, **options) -> None:
        """Letters about a point; `size` is relative to the canvas's own, and stops where letters get too small."""
        options = {"ha": "center", "va": "center_baseline", "color": ink(role), **options}
        self.ax.text(x, y, text, fontsize=max(self.size * size, SMALLEST), **options)

    def matrix(
        self,
        x: float,
        y: float,
        cells: ArrayLike,
        *,
        role: Role = "plain",
        name: str = "",
        shape: str = "",
        rows: Sequence[str] = (),
        columns: Sequence[str] = (),
        cell: Point = (30.0, 20.0),
        digits: int = 1,
        hidden: np.ndarray | None = None,
        most: float | None = None,
    ) -> "Block":
        """A matrix with its numbers in its cells, tinted by size; its name and shape above, labels at its sides."""
        cells = np.atleast_2d(np.asarray(cells, dtype=float))
        (n, m), (w, h) = cells.shape, cell
        most = float(np.abs(cells).max()) or 1.0 if most is None else most
        for i in range(n):
            for j in range(m):
                masked = hidden is not None and hidden[i, j]
                alpha = 0.0 if masked else 0.10 + 0.62 * min(1.0, abs(cells[i, j]) / most)
                corner = (x + j * w, y + i * h)
                self.ax.add_patch(Rectangle(corner, w, h, fc=(*to_rgb(ink(role, fill=True)), alpha), ec="none"))
                if masked:
                    self.ax.add_patch(
                        Rectangle(corner, w, h, fc="none", ec=MUTED[current_scheme()], lw=0, hatch="////")
                    )
                elif digits >= 0:
                    self.text(x + (j + 0.5) * w, y + (i + 0.5) * h, number(cells[i, j], digits), size=0.86)
        for i in range(n + 1):
            edge = i in (0, n)
            self.line((x, y + i * h), (x + m * w, y + i * h), role=role, width=1.2 if edge else 0.4)
        for j in range(m + 1):
            edge = j in (0, m)
            self.line((x + j * w, y), (x + j * w, y + n * h), role=role, width=1.2 if edge else 0.4)
        for i, label in enumerate(rows):
            self.text(x - 5, y + (i + 0.5) * h, label, ha="right", size=0.9)
        for j, label in enumerate(columns):
            self.text(x + (j + 0.5) * w, y - 0.55 * self.size, label, size=0.9, va="baseline")
        block = Block(x, y, m * w, n * h)
        above = y - (1.95 if columns else 0.75) * self.size
        if name:
            self.text(block.middle[0], above, name, role=role, weight="bold", va="baseline")
        if shape:
            self.text(block.middle[0], y + n * h + 1.15 * self.size, shape, size=0.82, color=MUTED[current_scheme()])
        return block

    def box(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        text: str = "",
        *,
        role: Role = "plain",
        faint: bool = False,
        **options,
    ) -> "Block":
        """A rounded box with words in it."""
        edge = FAINT[current_scheme()] if faint else ink(role)
        shape = FancyBboxPatch(
            (x, y), w, h, boxstyle="round,pad=0,rounding_size=4",
            fc=(*to_rgb(edge if faint else ink(role, fill=True)), 0.14), ec=edge, lw=1.2,
        )  # fmt: skip
        self.ax.add_patch(shape)
        if text:
            self.text(x + w / 2, y + h / 2, text, **({"color": edge} if faint else {}), **options)
        return Block(x, y, w, h)

    def arrow(
        self, start: Point, end: Point, text: str = "", *, role: Role = "plain", bend: float = 0.0, width: float = 1.4
    ) -> None:
        """An arrow, bent if asked, with a word above its middle."""
        color = MUTED[current_scheme()] if role == "plain" else ink(role)
        self.ax.add_patch(
            FancyArrowPatch(
                start,
                end,
                arrowstyle="-|>,head_length=4,head_width=2.4",
                connectionstyle=f"arc3,rad={bend}",
                color=color,
                lw=width,
                shrinkA=0,
                shrinkB=0,
                joinstyle="miter",
            )
        )
        if text:
            self.text(
                (start[0] + end[0]) / 2, (start[1] + end[1]) / 2 - 0.55 * self.size, text, size=0.86, va="baseline"
            )

    def path(
        self,
        points: Sequence[Point],
        *,
        role: Role = "plain",
        width: float = 1.4,
        head: bool = True,
        faint: bool = False,
    ) -> None:
        """A line with corners, an arrow at its end unless told otherwise."""
        color = FAINT[current_scheme()] if faint else INK[current_scheme()] if role == "plain" else ink(role)
        points = list(points)
        straight = points[:-1] if head else points
        self.ax.plot(*zip(*straight, strict=True), "-", color=color, lw=width, solid_joinstyle="round")
        if head:
            tip = FancyArrowPatch(
                points[-2], points[-1], arrowstyle="-|>,head_length=4,head_width=2.4", color=color, lw=width,
                shrinkA=0, shrinkB=0,
            )  # fmt: skip
            self.ax.add_patch(tip)

    def curve(self, points: Sequence[Point], *, role: Role = "plain", width: float = 1.4) -> None:
        """A line from the first point to the last, drawn towards the two between them."""
        codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
        line = PathPatch(Path(points, codes), fc="none", ec=ink(role), lw=width, alpha=0.85, capstyle="butt")
        self.ax.add_patch(line)

    def extent(self, text: str) -> float:
        """How wide letters of the canvas's size are."""
        return float(TextPath((0, 0), text, size=self.size).get_extents().width)

    def node(self, x: float, y: float, sign: str, *, role: Role = "plain", faint: bool = False) -> "Block":
        """An operation on numbers, in a circle: a product, a sum."""
        r = 0.85 * self.size
        color = FAINT[current_scheme()] if faint else ink(role)
        self.ax.add_patch(Circle((x, y), r, fc=PAPER[current_scheme()], ec=color, lw=1.3, zorder=3))
        self.text(x, y, sign, size=1.1, color=color, zorder=4)
        return Block(x - r, y - r, 2 * r, 2 * r)

    def step(self, count: int, x: float, y: float, text: str) -> None:
        """A numbered step, as the page counts them: the number in a ring, then what is done."""
        r = 0.82 * self.size
        self.ax.add_patch(Circle((x + r, y), r, fc="none", ec=MUTED[current_scheme()], lw=1))
        self.text(x + r, y, str(count), size=0.86, weight="bold")
        self.text(x + 2 * r + 6, y, text, ha="left")

    def link(self, block: "Block", text: str, target: str) -> None:
        """Make a block a link on the page that shows the drawing; `target` is written as that page writes its links."""
        area = Rectangle((block.x, block.y), block.w, block.h, fc="none", ec="none", lw=0)
        area.set_gid(f"[{text}]({target})")  # docs/_site/hooks/pictures.py finds it in the SVG
        self.ax.add_patch(area)

    def beside(self, block: "Block", gap: float) -> Point:
        """A point to the right of a block's middle, or to the left if the gap is negative."""
        x, y = block.right if gap > 0 else block.left
        return x + gap, y

    def sign(self, left: "Block", right: "Block", sign: str) -> None:
        """An operator between two matrices."""
        self.text((left.x + left.w + right.x) / 2, left.middle[1], sign, size=1.15, color=MUTED[current_scheme()])

    def line(self, start: Point, end: Point, *, role: Role = "plain", width: float = 1.0, dashes: str = "-") -> None:
        """A straight line."""
        color = FAINT[current_scheme()] if role == "plain" and width < 1 else ink(role)
        self.ax.plot(*zip(start, end, strict=True), dashes, color=color, lw=width, solid_capstyle="projecting")


class Block:
    """Where something was drawn, to lead arrows from and to."""

    def __init__(self, x: float, y: float, w: float, h: float) -> None:
        self.x, self.y, self.w, self.h = x, y, w, h
        self.left, self.right = (x, y + h / 2), (x + w, y + h / 2)
        self.top, self.bottom = (x + w / 2, y), (x + w / 2, y + h)
        self.middle = (x + w / 2, y + h / 2)


def ink(role: Role, *, fill: bool = False) -> str:
    """The color of a role; what has no role is ink, and its cells are gray."""
    scheme = current_scheme()
    if role == "plain":
        return MUTED[scheme] if fill else INK[scheme]
    return ROLES[scheme][role]


def number(x: float, digits: int) -> str:
    """A number as short as it can be: 1, 0.5, -2, with a real minus sign."""
    text = f"{x:.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text.replace("-", "\N{MINUS SIGN}")
