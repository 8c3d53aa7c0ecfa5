"""What the search reads of a page: its text without mathematics, buttons and drawings, and words people use for it.

The words come from the page's front matter (`search: {synonyms: […]}`) and from names such as MultiHeadAttention, which
are one word to the search. They are searched and not shown.

Korean compounds are written with spaces or without (은닉 상태, 은닉상태): where one stands that the glossary of both
languages names, both are found; and the page in English that the glossary leads to is found by the Korean word.
"""

import posixpath
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import CombinedEvent, event_priority
from mkdocs.structure.pages import Page
from plain import plain

PLUGIN = "material/search"
NOT_READ = (
    "script, style, button, clipboard-copy, .clipboard-copy-txt, .headerlink, .anchor-link, .tabbed-labels, "
    ".source.highlight"  # the code of the package
)
CODE = re.compile(r"<pre\b.*?</pre>", re.DOTALL)
COLORS = re.compile(r"</?(?:span|a)\b[^>]*>")
SET = re.compile(r"\$\$(.+?)\$\$|(?<![\w$])\$([^$\n]+)\$(?![\w$])|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
PARTS = re.compile(r"(?<=[a-z]{2})(?=[A-Z][a-z])")
TERM = re.compile(
    r"^\| [^|]+ \| (?P<korean>[^|]+) \| \[[^]]*\]\((?P<page>[^)#]+)\.md(?P<anchor>#[\w-]+)?\) \|$", re.MULTILINE
)
_pages: dict[str, Page] = {}
_whole: dict[str, str] = {}


@event_priority(100)  # before the plugin reads the page
def _give_text(context: Any, page: Page, **_: Any) -> None:
    _pages[page.url] = page
    _whole[page.url] = page.content or ""
    page.content = text(page.content or "")


@event_priority(-100)
def _give_page(context: Any, page: Page, **_: Any) -> None:
    page.content = _whole.pop(page.url)


on_page_context = CombinedEvent(_give_text, _give_page)


@event_priority(100)  # before the plugin writes its index
def on_post_build(config: MkDocsConfig) -> None:
    """MkDocs: add the words to the entries of the index."""
    for entry in config.plugins[PLUGIN].search_index.entries:  # pyright: ignore[reportAttributeAccessIssue]
        page = _pages.get(entry["location"])
        synonyms = (page.meta.get("search") or {}).get("synonyms", []) if page else []
        names = [" ".join(parts) for name in entry["title"].split() if len(parts := PARTS.split(name)) > 1]
        if words := ", ".join([*synonyms, *names]):
            entry["words"] = words
    add_korean(config.plugins[PLUGIN].search_index.entries, Path(config.docs_dir, "ko", "terms.md"))  # pyright: ignore[reportAttributeAccessIssue]
    _pages.clear()


def terms(glossary: str) -> dict[str, set[str]]:
    """Each term in Korean, with the places that explain it."""
    found = defaultdict(set)
    for row in TERM.finditer(glossary):
        place = posixpath.normpath(posixpath.join("ko", row["page"])) + "/" + (row["anchor"] or "")
        for korean in re.split(r" \(|, |\)", row["korean"]):
            if korean:
                found[korean].add(place)
    return found


def add_korean(entries: list[dict[str, Any]], glossary: Path) -> None:
    """Let Korean words find the entries that hold them in another spelling, or explain them in English."""
    known = terms(glossary.read_text(encoding="utf-8"))
    places = defaultdict(set)
    for korean, there in known.items():
        for place in there:
            places[place] |= {korean, korean.replace(" ", "")}
    for entry in entries:
        words = set(places[entry["location"]])
        if re.search("[가-힣]", entry["title"] + entry["text"]):
            words |= {t.replace(" ", "") for t in known if " " in t and (t in entry["title"] or t in entry["text"])}
        if words:
            entry["korean"] = ", ".join(sorted(words))


def text(html: str) -> str:
    """A page as the search reads it."""
    # Colors of code and drawings are most of a page's elements, and need no parser to be left out.
    html = CODE.sub(lambda found: COLORS.sub("", found[0]), re.sub(r"<svg\b.*?</svg>", "", html, flags=re.DOTALL))
    soup = BeautifulSoup(html, "html.parser")
    for element in soup.select(NOT_READ):
        element.decompose()
    for element in soup.select("math, .katex, .arithmatex"):
        if isinstance(element, Tag) and not element.decomposed:
            source = element.find("annotation", encoding="application/x-tex")
            tex = source.get_text() if source else re.sub(r"^\s*\\[(\[]|\\[)\]]\s*$", "", element.get_text())
            element.replace_with(plain(tex))
    for cell in soup.select("td, th, dt, figcaption, summary, label"):
        cell.append(" ")
    for part in soup.find_all(string=re.compile(r"[$\\]")):  # the text cells of notebooks
        if not part.find_parent(["code", "pre"]):
            part.replace_with(SET.sub(lambda found: plain(next(filter(None, found.groups()))), part))
    return str(soup)
