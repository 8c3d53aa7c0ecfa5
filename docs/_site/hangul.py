"""A hook of the site: Korean in the site's own typeface, wherever it stands.

Of thousands of letters the pages have a few hundred. They are cut out when all pages are built: those of pages in
English, which list the Korean ones, into one small file, and those of pages in Korean into a file for each weight,
which such a page asks for at once.
"""

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url
from webfonts import FACE, HERE, SOURCE, cut, ranges

CACHE = HERE.parents[1] / ".cache" / "hangul"
# The family, the weights that it stands for and the weight of the typeface, of each file. Pages in English name a few
# pages in Korean, in one weight.
FILES = {
    "plex-sans-kr": ("Plex Sans KR", "400 700", "400"),
    "plex-sans-kr-pages-400": ("Plex Sans KR Pages", "400 500", "400"),
    "plex-sans-kr-pages-600": ("Plex Sans KR Pages", "600 700", "600"),
}
EARLY = [name for name in FILES if "-pages-" in name]  # what a page in Korean is set in
LETTER = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
ESCAPED = re.compile(r"\\u([0-9a-f]{4})")  # what the theme tells its script
_letters: dict[bool, set[int]] = {}  # of pages in Korean, and of all others


def on_pre_build(**_: Any) -> None:
    """MkDocs: begin with none."""
    _letters.update({True: set(), False: set()})


@event_priority(-90)  # when the page is whole
def on_post_page(output: str, page: Page, **_: Any) -> str:
    """MkDocs: note the letters, and let a page ask for those of its text."""
    korean = page.meta.get("lang") == "ko"
    _letters[korean] |= letters(output)
    names = EARLY if korean else ["plex-sans-kr"] if letters(page.content or "") else []
    return early(output, get_relative_url("assets/vendor/fonts", page.url), names)


def on_post_build(config: MkDocsConfig, **_: Any) -> None:
    """MkDocs: write the files beside the other typefaces, and say in their stylesheet when to fetch them."""
    vendor = Path(config.site_dir, "assets", "vendor")
    parts, css = [], ""
    for name, (family, weights, weight) in FILES.items():
        held = _letters[name in EARLY]
        file = SOURCE / f"ibm-plex-sans-kr/files/ibm-plex-sans-kr-korean-{weight}-normal.woff2"
        text = "".join(map(chr, sorted(held)))
        parts.append({"from": str(file), "to": name, "text": text, "noHinting": True})
        css += FACE.format(family, weights, "normal", "swap", f"{name}.woff2", ranges(held)) if held else ""
    for file in made(parts):
        shutil.copy(file, vendor / "fonts")
    with (vendor / "typefaces.css").open("a", encoding="utf-8") as sheet:
        sheet.write(css)


def letters(html: str) -> set[int]:
    """The Korean letters of a page."""
    html = ESCAPED.sub(lambda found: chr(int(found[1], 16)), html)
    return set(map(ord, LETTER.findall(html)))


def early(html: str, folder: str, names: list[str]) -> str:
    """A page that asks at once, in its head, for these files."""
    links = (f'<link rel="preload" href="{folder}/{n}.woff2" as="font" type="font/woff2" crossorigin>\n' for n in names)
    return html.replace('<link rel="stylesheet"', "".join(links) + '<link rel="stylesheet"', 1)


def made(parts: list[dict]) -> list[Path]:
    """The files of these parts: cut anew when a letter or the typeface has changed."""
    version = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    named = [part | {"from": Path(part["from"]).name} for part in parts]  # wherever the checkout lies
    folder = CACHE / hashlib.sha256(json.dumps([named, version]).encode()).hexdigest()[:16]
    if not folder.exists():
        shutil.rmtree(CACHE, ignore_errors=True)
        half = folder.with_suffix(".part")
        half.mkdir(parents=True)
        cut([part | {"to": str(half / f"{part['to']}.woff2")} for part in parts if part["text"]])
        half.rename(folder)
    return sorted(folder.iterdir())
