"""Korean on the site: found by the words people type, set in the site's own typeface, named as Korean."""

import re
from urllib.parse import urljoin, urlsplit

import hangul
import pytest

from .conftest import SITE, missing, windows
from .test_search import typed

pytestmark = pytest.mark.browser

# What people type, with a particle, a space or none, as a question, and a page that must be one of the first two.
FIRST = {
    "어텐션은": "ko/notes/n1/",
    "어텐션이란 무엇인가?": "ko/notes/n1/",
    "셀프어텐션": "attention/self_attention/",
    "은닉 상태": "sequence/rnn/",
    "은닉상태를": "sequence/rnn/",
    "마스크": "ko/notes/n4/",
    "RNN은": "sequence/rnn/",
}


@pytest.fixture(scope="module")
def opened(chromium, address):
    with windows(chromium, address) as start:
        page = start().open("ko/terms").page
        page.keyboard.press("/")
        yield page


def asked(page, query: str) -> list[str]:
    """The pages that a query finds, best first."""
    field = page.locator("[data-md-component=search-query]")
    for text in ("", query):
        field.fill(text)
        field.press("End")
        said = "[data-md-component=search-result] .md-search-result__meta"
        page.wait_for_function(
            "([said, empty]) => /검색어를/.test(document.querySelector(said).textContent) == empty",
            arg=[said, not text],
        )
    links = page.locator(".md-search-result__link").evaluate_all("links => links.map(link => link.href)")
    return list(dict.fromkeys(urlsplit(link).path.lstrip("/") for link in links))


@pytest.mark.parametrize("query", FIRST)
def test_a_korean_word_finds_the_page_that_is_meant(opened, query):
    assert FIRST[query] in asked(opened, query)[:2]


def test_a_particle_and_a_space_change_nothing(opened):
    for one, others in {
        "어텐션": ("어텐션은", "어텐션에서", "어텐션이란"),
        "은닉상태": ("은닉상태를", "은닉상태는"),
    }.items():
        found = asked(opened, one)
        assert found
        for other in others:
            assert asked(opened, other) == found, other


def test_an_english_page_finds_korean_words_too(visit, address):
    page = visit().open("install").page
    page.keyboard.press("/")
    assert typed(page, "어텐션") > 5
    first = page.locator(".md-search-result__link").first.get_attribute("href")
    assert urlsplit(urljoin(address, first)).path.startswith("/ko/notes/")


def test_every_korean_letter_of_the_site_is_in_its_typeface():
    """Of pages in English, in what they fetch without those of pages in Korean."""
    sheet = SITE / "assets/vendor/typefaces.css"
    if not sheet.exists():
        missing("there is no site/ yet: make site")
    held: dict[str, set[int]] = {}
    for name, ranges in re.findall(
        r"url\(fonts/(plex-sans-kr[\w-]*)\.woff2\)[^}]*unicode-range: ([^;]+);", sheet.read_text(encoding="utf-8")
    ):
        ends = [(int(a, 16), int(b or a, 16)) for a, b in re.findall(r"U\+([0-9A-F]+)(?:-([0-9A-F]+))?", ranges)]
        held[name] = {letter for a, b in ends for letter in range(a, b + 1)}
        assert (sheet.parent / "fonts" / f"{name}.woff2").is_file()
    assert list(held) == list(hangul.FILES)
    everywhere, korean, bold = held.values()
    assert korean == bold
    wrong = {}
    for path in SITE.rglob("*.html"):
        there = korean if path.relative_to(SITE).parts[0] == "ko" else everywhere
        if lost := hangul.letters(path.read_text(encoding="utf-8")) - there:
            wrong[path.relative_to(SITE).as_posix()] = "".join(map(chr, sorted(lost)))
    assert wrong == {}


@pytest.mark.parametrize(("where", "fetched"), [("notes/n3", {""}), ("ko/notes/n3", {"-pages-400", "-pages-600"})])
def test_a_page_fetches_the_korean_letters_that_it_needs(visit, where, fetched):
    window = visit(width=390).open(where)
    assert {part for url in window.requests for part in re.findall(r"/plex-sans-kr([\w-]*)\.woff2", url)} == fetched
    drawn = window.page.evaluate("[...document.fonts].filter(f => /KR/.test(f.family) && f.status == 'loaded').length")
    assert drawn == len(fetched)


def test_a_page_in_korean_speaks_korean_and_says_what_does_not(visit):
    page = visit().open("ko/notes/n1").page
    assert page.locator("html").get_attribute("lang") == "ko"
    assert page.locator("[data-md-component=search-query]").get_attribute("placeholder") == "검색"
    spoken = "element => element.closest('[lang]').lang"
    assert page.get_by_text("Choosing").first.evaluate(spoken) == "en"
    assert page.locator(".md-copyright").evaluate(spoken) == "en"
    assert page.locator(".md-nav__link--active").first.evaluate(spoken) == "ko"
    english = visit().open("notes/n1").page
    assert english.locator(".md-nav__link .md-ellipsis", has_text="용어").first.evaluate(spoken) == "ko"
