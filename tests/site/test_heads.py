"""Each page says of itself what a search engine, a card and the site's own search need."""

from collections import Counter
from pathlib import Path

import pytest

front_matter = pytest.importorskip("heads", reason="the site's own packages: the group `docs`").front_matter

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(p for p in [*DOCS.rglob("*.md"), *(DOCS / "notebooks").glob("*.py")] if "_site" not in p.parts)
FOUND = {page.relative_to(DOCS).as_posix(): front_matter(page) for page in PAGES}
each_page = pytest.mark.parametrize("page", FOUND)


@each_page
def test_a_page_has_a_title_and_a_description_that_search_results_show_whole(page):
    said = FOUND[page]
    assert said.get("title"), "no title in the front matter"
    assert 60 <= len(said.get("description", "")) <= 160, "no description of 60 to 160 characters in the front matter"
    assert said["description"].endswith(".")


@each_page
def test_a_page_lists_the_words_that_people_search_for(page):
    words = FOUND[page].get("search", {}).get("synonyms", [])
    assert words or page == "index.md"
    assert all(isinstance(word, str) and word.strip() == word for word in words)
    assert len({word.lower() for word in words}) == len(words)


@pytest.mark.parametrize("key", ["title", "description"])
def test_no_two_pages_say_the_same(key):
    assert [said for said, n in Counter(page.get(key) for page in FOUND.values()).items() if n > 1] == []
