"""Write a drawn figure as HTML: `![what there is to see](../assets/figures/tiled-steps.svg)` is all a page says.

Each figure is drawn light and dark, and narrow too where its script can. The browser fetches only the one it shows: the
other scheme's image is not displayed, and lazy images that are not displayed are not fetched. Sizes are given, so
nothing moves when they arrive. What the script marked as a link (`Canvas.link`) is one: an image cannot hold it, so it
lies over the image, as a link of the page, which MkDocs resolves and checks like any other.
"""

import html
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

FIGURES = Path(__file__).resolve().parents[2] / "assets" / "figures"
SCHEMES = ("light", "dark")
PHONE = "(max-width: 45em)"
IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?:\.\./)*assets/figures/(?P<name>[\w-]+)\.svg\)")
FENCE = re.compile(r"^[ \t]*(```|~~~)")
SIZE = re.compile(r'<svg[^>]*?\b(width|height)="([\d.]+)pt"[^>]*?\b(width|height)="([\d.]+)pt"')
AREA = re.compile(r'<g id="(?P<link>\[[^"]+\]\([^"]+\))">\s*<path d="(?P<path>[^"]+)"')


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """MkDocs: write every figure of the page, leaving fences alone."""
    lines, fenced = [], False
    for line in markdown.split("\n"):
        if FENCE.match(line):
            fenced = not fenced
        lines.append(line if fenced else IMAGE.sub(lambda found: picture(found["name"], found["alt"], page.url), line))
    return "\n".join(lines)


def picture(name: str, alt: str, url: str) -> str:
    """The two schemes of a figure, of which the stylesheet shows one; and its links, if it has any."""
    shown = "".join(_one(name, scheme, html.escape(alt), url) for scheme in SCHEMES)
    wide, narrow = (_links(f"{name}{width}.{SCHEMES[0]}.svg") for width in ("", "-narrow"))
    if not wide:
        return shown
    layers = f'<span class="links wide">{wide}</span><span class="links narrow">{narrow}</span>' if narrow else wide
    return f'<span class="linked">{shown}{layers}</span>'


def _links(file: str) -> str:
    """The links of a drawing, in Markdown, each placed over its box in percent of the drawing."""
    if not (FIGURES / file).is_file():
        return ""
    drawing = (FIGURES / file).read_text(encoding="utf-8")
    width, height = _points(file)
    links = []
    for found in AREA.finditer(drawing):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", found["path"])]
        (left, right), (top, bottom) = ((min(side), max(side)) for side in (numbers[::2], numbers[1::2]))
        across = {"left": left / width, "width": (right - left) / width}
        down = {"top": top / height, "height": (bottom - top) / height}
        style = "; ".join(f"{side}: {100 * part:.2f}%" for side, part in (across | down).items())
        links.append(f'{found["link"]}{{ style="{style}" }}')
    return "".join(links)


def _one(name: str, scheme: str, alt: str, url: str) -> str:
    narrow = ""
    if (FIGURES / f"{name}-narrow.{scheme}.svg").is_file():
        address, size = _address(f"{name}-narrow.{scheme}.svg", url), _size(f"{name}-narrow.{scheme}.svg")
        narrow = f'<source media="{PHONE}" srcset="{address}" {size}>'
    address, size = _address(f"{name}.{scheme}.svg", url), _size(f"{name}.{scheme}.svg")
    return f'<picture>{narrow}<img src="{address}#only-{scheme}" alt="{alt}" {size} loading="lazy"></picture>'


def _address(file: str, url: str) -> str:
    return get_relative_url(f"assets/figures/{file}", url)


def _size(file: str) -> str:
    """Width and height in pixels."""
    return " ".join(f'{side}="{round(p * 4 / 3)}"' for side, p in zip(("width", "height"), _points(file), strict=True))


def _points(file: str) -> tuple[float, float]:
    """Width and height in points, as the file says them."""
    try:
        start = (FIGURES / file).read_text(encoding="utf-8")[:2000]
    except FileNotFoundError as error:
        raise PluginError(f"pictures: no script draws {file}") from error
    found = SIZE.search(start)
    if not found:
        raise PluginError(f"pictures: {file} does not say its size in points")
    points = {found[1]: float(found[2]), found[3]: float(found[4])}
    return points["width"], points["height"]
