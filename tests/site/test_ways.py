"""From every page readers get on: to the next page, from code to its page and back, from home to everything."""

import posixpath
import re
from pathlib import Path

import laws
import pytest
import yaml

import attnref

mkdocs = pytest.importorskip("mkdocs.utils.yaml", reason="the site's own packages: the group `docs`")
from hooks import statements, ways  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\((?P<page>[^)#\s]+\.(?:md|py))(?:#[\w.-]+)?\)")


def pages(nav):
    """The pages of a navigation, in the order in which they are read."""
    for item in nav:
        (inner,) = item.values() if isinstance(item, dict) else (item,)
        yield from [inner] if isinstance(inner, str) else pages(inner)


NAV = list(pages(mkdocs.yaml_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
TEXTS = {page: (DOCS / page).read_text(encoding="utf-8") for page in NAV}


def linked(page):
    """The pages that a page links to."""
    return {posixpath.normpath(posixpath.join(posixpath.dirname(page), to)) for to in LINK.findall(TEXTS[page])}


def test_every_page_is_in_the_navigation():
    assert sorted(NAV) == sorted(set(NAV))
    found = [*DOCS.rglob("*.md"), *(DOCS / "notebooks").glob("*.py")]
    assert {p.relative_to(DOCS).as_posix() for p in found if "_site" not in p.parts} == set(NAV)


@pytest.mark.parametrize("page", [page for page in NAV if ways.NEXT.search(TEXTS[page])])
def test_the_way_on_that_a_page_names_is_the_next_page(page):
    (found,) = ways.NEXT.finditer(TEXTS[page])
    named = posixpath.normpath(posixpath.join(posixpath.dirname(page), found["page"]))
    assert named == NAV[NAV.index(page) + 1]


def test_home_leads_to_every_page():
    assert ways.MARK in TEXTS["index.md"] or set(NAV) - linked("index.md") == {"index.md"}


@pytest.mark.parametrize("page", [page for page in NAV if statements.HEADING.search(TEXTS[page])])
def test_a_page_with_statements_says_what_the_notes_are_before_the_first(page):
    told, first = statements.NOTES.search(TEXTS[page]), statements.HEADING.search(TEXTS[page])
    assert told is not None
    assert first is not None
    assert told.start() < first.start()
    assert f"]({posixpath.relpath('notes', posixpath.dirname(page))}/" in statements.introduction(page)


@pytest.mark.parametrize("name", attnref.__all__)
def test_an_entry_of_the_api_leads_to_its_page_and_the_page_to_the_entry(name):
    page = ways.taught_on(f"attnref.{name}")
    assert page in NAV
    assert re.search(rf"\]\[attnref\.{name}\]|\]\([./]*api/\w+\.md#attnref\.{name}\)", TEXTS[page])


def test_the_register_and_the_laws_agree_on_whose_page_teaches_a_stem():
    said = yaml.safe_load(ways.REGISTER.read_text(encoding="utf-8"))["taught_on"]
    assert {stem: Path(page).stem for stem, page in said.items() if "." not in stem} == laws.PAGE_OF
    assert set(said.values()) <= set(NAV)
    shown = "".join(text for page, text in TEXTS.items() if page.startswith("api/"))
    for name in (name for name in said if "." in name):
        assert f"::: {name}\n" in f"{shown}\n" or f"::: {name.rpartition('.')[0]}\n" in shown
