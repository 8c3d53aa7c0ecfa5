"""Ways from page to page: every page on home, the page that teaches each entry of the API, and one way on at the end.

The foot of a page leads to the one before and the next (the theme's `navigation.footer`), so the line `[Next: …]` of a
page's text, which leads on wherever else the text is read, is left out.
"""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import Files
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page

log = get_plugin_logger("ways")

ROOT = Path(__file__).resolve().parents[3]
REGISTER = Path(__file__).resolve().parents[1] / "register.yml"
NEXT = re.compile(r"^\[Next: [^\n]*\]\((?P<page>[^)\n]+)\)\{ \.next \}[ \t]*$", re.MULTILINE)
MARK = "<!-- pages -->"
ENTRY = re.compile(r'<h\d id="(?P<name>attnref\.[\w.]+)" class="doc doc-heading">.*?</h\d>', re.DOTALL)
_nav: Navigation | None = None


def on_nav(nav: Navigation, **_: Any) -> None:
    """MkDocs: keep the navigation."""
    global _nav
    _nav = nav


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs: list the pages where the mark is; leave out the way on."""
    return NEXT.sub("", markdown).replace(MARK, _pages() if MARK in markdown else "")


def _pages() -> str:
    """Every page but home, those of a chapter in a line."""
    assert _nav is not None
    rows = []
    for item in _nav.items:
        pages = [child for child in item.children or [item] if isinstance(child, Page) and not child.is_homepage]
        links = " · ".join(f"[{page.title}]({page.file.src_uri})" for page in pages)
        if links:
            rows.append(f"- **{item.title}** {links}" if item.children else f"- {links}")
    return '<div class="all-pages" markdown>\n\n' + "\n".join(rows) + "\n\n</div>"


def on_page_content(html: str, page: Page, files: Files, **_: Any) -> str:
    """MkDocs: under each entry of the API, a link to the page that teaches it."""
    if not page.file.src_uri.startswith("api/"):
        return html

    def with_page(entry: re.Match[str]) -> str:
        taught = taught_on(entry["name"])
        file = files.get_file_from_path(taught) if taught else None
        if not file or not file.page:
            if taught:
                log.warning("register.yml: there is no page %s, which teaches %s", taught, entry["name"])
            return entry[0]
        link = f'<a href="{file.url_relative_to(page.file)}">{file.page.title}</a>'
        return f'{entry[0]}\n<p class="taught" data-search-exclude>Page: {link}</p>'

    return ENTRY.sub(with_page, html)


def taught_on(name: str) -> str:
    """The page that teaches a public name of the package: what the register says of it, or the page of its file."""
    said = yaml.safe_load(REGISTER.read_text(encoding="utf-8"))["taught_on"]
    if name in said:
        return said[name]
    chapter, stem = files_of_names().get(name.removeprefix("attnref."), ("", ""))
    return said.get(stem, f"{chapter}/{stem}.md") if stem else ""


@cache
def files_of_names() -> dict[str, tuple[str, str]]:
    """The chapter and the stem of each public name, read from the imports of the chapters."""
    found = {}
    for init in (
        init for init in (ROOT / "attnref").glob("*/__init__.py") if (ROOT / "docs" / init.parent.name).is_dir()
    ):
        for node in ast.parse(init.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"attnref.{init.parent.name}."):
                stem = str(node.module).rpartition(".")[2]
                found |= {alias.name: (init.parent.name, stem) for alias in node.names}
    return found
