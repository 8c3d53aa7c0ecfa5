"""Read the labels of a drawn figure: what they say, where their ink lies, how large their letters are; what is wrong.

matplotlib draws a label as a group of glyphs and tells its words in a comment. Sub- and superscripts are measured with
the line they stand in.
"""

import re
import sys
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

COLUMN = 358.0  # pixels that a page 390 wide leaves for a figure, which shrinks to fit
SMALLEST = 11.0  # pixels
PIXELS = 4 / 3  # to the point
SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
MOVE = re.compile(r"(\w+)\(([^)]*)\)")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
Box = tuple[float, float, float, float]  # left, top, right, bottom, in points


@dataclass
class Label:
    """Its words, the boxes of its ink (one for each line; for each glyph of a slanted one), the size in points."""

    text: str
    boxes: list[Box]
    size: float


def labels(svg: str) -> list[Label]:
    """The labels of a figure that have ink."""
    root = ElementTree.fromstring(svg, ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True)))
    glyphs = {e.attrib["id"]: _corners(e) for e in root.iter(f"{SVG}path") if "id" in e.attrib}
    found = (_label(e, glyphs) for e in root.iter(f"{SVG}g") if e.get("id", "").startswith("text_"))
    return [label for label in found if label.boxes]


def overlaps(svg: str) -> list[tuple[str, str]]:
    """The pairs of labels that touch."""
    return [
        (a.text, b.text)
        for a, b in combinations(labels(svg), 2)
        if any(_touch(x, y) for x, y in product(a.boxes, b.boxes))
    ]


def smallest(svg: str, column: float = COLUMN) -> float:
    """The size of the smallest letters in pixels, once the drawing has shrunk to a column of this many pixels."""
    width = float(NUMBER.findall(re.search(r'<svg[^>]*?\bwidth="([\d.]+)pt"', svg)[1])[0]) * PIXELS  # pyright: ignore
    return min((label.size for label in labels(svg)), default=100.0) * PIXELS * min(1.0, column / width)


def _label(group: Element, glyphs: dict[str, np.ndarray]) -> Label:
    text = " ".join(e.text.strip() for e in group.iter() if e.tag is ElementTree.Comment and e.text)
    boxes, sizes = [], []
    for line in group.findall(f"{SVG}g"):
        matrix = _matrix(line.get("transform", ""))
        inked = [
            _apply(matrix @ _matrix(e.get("transform", "")), glyphs[e.attrib[LINK][1:]]) for e in line.iter(f"{SVG}use")
        ]
        inked = [points for points in inked if len(points)]
        if not inked:
            continue
        upright = min(abs(matrix[0, 0]), abs(matrix[0, 1])) < 1e-6
        boxes += [_box(points) for points in ([np.concatenate(inked)] if upright else inked)]
        sizes.append(100 * float(np.hypot(matrix[0, 0], matrix[1, 0])))  # matplotlib's glyphs are 100 units high
    return Label(text, boxes, min(sizes, default=100.0))


def _corners(glyph: Element) -> np.ndarray:
    """The points of an outline, with those that steer its curves: its ink lies between them."""
    numbers = np.array(NUMBER.findall(glyph.get("d", "")), dtype=float).reshape(-1, 2)
    return _apply(_matrix(glyph.get("transform", "")), numbers)


def _matrix(transform: str) -> np.ndarray:
    """A transform as SVG writes it, as a 3x3 matrix."""
    whole = np.eye(3)
    for name, text in MOVE.findall(transform):
        given, one = [float(n) for n in NUMBER.findall(text)], np.eye(3)
        if name == "translate":
            one[:2, 2] = given[0], given[1] if len(given) > 1 else 0.0
        elif name == "scale":
            one[0, 0], one[1, 1] = given[0], given[-1]
        elif name == "rotate":
            angle = np.radians(given[0])
            one[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        else:
            raise ValueError(f"labels: {name} is no transform that matplotlib writes")
        whole = whole @ one
    return whole


def _apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def _box(points: np.ndarray) -> Box:
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def _touch(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


if __name__ == "__main__":  # python docs/_site/labels.py docs/assets/figures/*.svg
    for name in sys.argv[1:]:
        drawing = Path(name).read_text(encoding="utf-8")
        print(f"{name}: {smallest(drawing):.1f} px, the smallest, on a phone", *overlaps(drawing), sep="\n  ")
