"""A hook of the site: the card of each page, shown where somebody shares its address; and no sitemap without addresses.

Cards are drawn where the site knows its address, by which they are fetched, and again when what they say changes.
"""

import hashlib
import io
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import typefaces
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.nav import Section
from mkdocs.structure.pages import Page
from sources import ROOT

CACHE = ROOT / ".cache" / "cards"
WIDTH, HEIGHT, DPI = 1200, 630, 100  # pixels; the drawing counts in them, from the top left
INK, PAPER, MUTED, LINE, ACCENT, FAINT = "#1f2328", "#fdfdfc", "#565e66", "#dfe2e3", "#0b5fa9", "#d3e2f0"
_drawn: dict[str, Path] = {}


def on_page_context(context: Any, page: Page, config: MkDocsConfig, **_: Any) -> None:
    """MkDocs: give a page its card, and the template the card's address."""
    if config.site_url and page.meta.get("description"):
        chapter = page.parent.title if isinstance(page.parent, Section) else ""
        name = f"assets/cards/{page.file.src_uri.rpartition('.')[0].replace('/', '-')}.png"
        _drawn[name] = card(str(page.meta.get("title", page.title)), str(page.meta["description"]), chapter)
        page.meta["card"] = urljoin(config.site_url, name)


def on_post_template(output_content: str, template_name: str, config: MkDocsConfig) -> str:
    """MkDocs: without the site's address a sitemap would be empty, and is left out."""
    return "" if template_name == "sitemap.xml" and not config.site_url else output_content


def on_post_build(config: MkDocsConfig) -> None:
    """MkDocs: put the cards into the site, and throw away what no page says any more."""
    for name, file in _drawn.items():
        target = Path(config.site_dir, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    for old in set(CACHE.glob("*.png")).difference(_drawn.values()) if _drawn else ():
        old.unlink()
    _drawn.clear()


def card(title: str, description: str, chapter: str) -> Path:
    """The drawing of a card, made when there is none of it yet."""
    said = (title, description, chapter, Path(__file__).read_text(encoding="utf-8"), *typefaces.versions())
    file = CACHE / f"{hashlib.sha256(repr(said).encode()).hexdigest()[:16]}.png"
    if not file.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        file.write_bytes(draw(title, description, chapter))
    return file


def draw(title: str, description: str, chapter: str) -> bytes:
    """A card as PNG: the mark and the name of the site, the chapter, the title, the description."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from numpy import asarray
    from PIL import Image

    with mpl.rc_context(typefaces.settings()):  # pyright: ignore[reportArgumentType]
        figure = Figure((WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor=PAPER)
        canvas = FigureCanvasAgg(figure)
        paper = figure.add_axes((0, 0, 1, 1))
        paper.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))
        paper.axis("off")
        _mark(paper, 80, 56, 2.5)
        _mark(paper, 925, 345, 8, faint=True)
        paper.axhline(HEIGHT - 8, color=ACCENT, linewidth=12)

        paper.text(178, 112, "attnref", fontsize=points(46), weight="bold", color=INK)
        size, title_lines, description_lines = fitted(canvas, title, description)
        paper.text(80, 224, chapter, fontsize=points(30), va="baseline", color=ACCENT)
        y = 268.6
        parts = [(line, size, INK, "bold") for line in title_lines]
        for text, pixels, color, weight in (*parts, *((line, 29, MUTED, "normal") for line in description_lines)):
            paper.text(80, y + 0.4 * pixels, text, fontsize=points(pixels), va="baseline", color=color, weight=weight)
            y += 1.22 * pixels
        canvas.draw()
        image = Image.fromarray(asarray(canvas.buffer_rgba())).convert("RGB").quantize(64)
        image.save(png := io.BytesIO(), format="png", optimize=True)
    return png.getvalue()


def fitted(canvas: Any, title: str, description: str) -> tuple[int, list[str], list[str]]:
    """The size of the title, in pixels, and the lines of both."""
    for size in (78, 66, 56):
        if len(found := lines(canvas, title, size, 1040, "bold")) <= 2:
            break
    return size, found, lines(canvas, description, 29, 800, "normal")


def lines(canvas: Any, text: str, pixels: float, width: float, weight: str) -> list[str]:
    """A text in lines that are not wider than this many pixels."""
    from matplotlib.font_manager import FontProperties

    font, found = FontProperties(size=points(pixels), weight=weight), [""]
    for word in text.split():
        longer = f"{found[-1]} {word}".strip()
        if canvas.get_renderer().get_text_width_height_descent(longer, font, ismath=False)[0] <= width:
            found[-1] = longer
        else:
            found.append(word)
    return found


def points(pixels: float) -> float:
    """Pixels as the points in which matplotlib counts letters and lines."""
    return pixels * 72 / DPI


def _mark(paper: Any, x: float, y: float, scale: float, faint: bool = False) -> None:
    """The mark of the site, as in overrides/partials/logo.html: one query looks at three keys, at one of them most."""
    from matplotlib.patches import Circle, PathPatch
    from matplotlib.path import Path as Curve

    line, dot, most = (LINE, LINE, FAINT) if faint else (MUTED, INK, ACCENT)
    for end, color, width in ((6, line, 1.5), (16, line, 1.5), (26, most, 4)):
        bend = [(16, 26), (16, 15 if end != 16 else 17), (end, 18 if end != 16 else 16), (end, 7)]
        curve = Curve([(x + scale * a, y + scale * b) for a, b in bend], [1, 4, 4, 4])
        paper.add_patch(PathPatch(curve, facecolor="none", edgecolor=color, linewidth=points(width * scale)))
    for a, b, radius, color in ((6, 6, 2.5, dot), (16, 6, 2.5, dot), (26, 6, 3.5, most), (16, 27, 3.5, dot)):
        paper.add_patch(Circle((x + scale * a, y + scale * b), scale * radius, facecolor=color, edgecolor="none"))
