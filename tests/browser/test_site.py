"""The site as a whole: its search finds, its switch switches, its links lead somewhere."""

from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from .conftest import SITE, missing

pytestmark = pytest.mark.browser


def search(visit, query: str) -> list[tuple[str, str]]:
    page = visit().open().page
    page.keyboard.press("/")
    page.locator("[data-md-component=search-query]").press_sequentially(query)
    results = page.locator(".md-search-result__link")
    results.first.wait_for()
    page.wait_for_timeout(300)
    return [(link.get_attribute("href"), link.inner_text()) for link in results.all()]


def test_search_finds_a_function_by_one_word_of_its_name(visit):
    found = search(visit, "product")
    assert any("scaled_dot_product_attention" in text for _, text in found), found


def test_search_finds_a_heading_by_its_word(visit):
    found = search(visit, "padding")
    assert any("#" in address and "padding" in text.lower() for address, text in found), found


def test_the_switch_changes_the_scheme_and_the_figures_and_is_remembered(visit):
    page = visit(scheme="light").open().page
    scheme = page.locator("body")
    light, dark = page.locator("img[src$='#only-light']").first, page.locator("img[src$='#only-dark']").first
    assert scheme.get_attribute("data-md-color-scheme") == "default"
    assert (light.is_visible(), dark.is_visible()) == (True, False)

    page.locator("label[for^=__palette_]:visible").first.click()
    page.wait_for_function("document.body.dataset.mdColorScheme == 'slate'")
    assert (light.is_visible(), dark.is_visible()) == (False, True)

    page.reload()
    assert scheme.get_attribute("data-md-color-scheme") == "slate"


class Links(HTMLParser):
    """The links of one page and the ids that others may point to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids |= {name for name in (given.get("id"), given.get("name")) if name}
        if tag != "link" or given.get("rel") != "canonical":
            self.links += [link for link in (given.get("href"), given.get("src")) if link]


def test_every_link_inside_the_site_leads_somewhere():
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in SITE.rglob("*.html") if path.name != "404.html"}
    if not pages:
        missing("there is no site/ yet: make site")
    broken = []
    for path, page in pages.items():
        here = path.relative_to(SITE).as_posix()
        for link in page.links:
            parts = urlsplit(urljoin(f"http://site/{here}", link))
            if parts.netloc != "site" or parts.scheme != "http":
                continue  # another host's, or data
            target = SITE / unquote(parts.path).lstrip("/")
            target = target / "index.html" if target.is_dir() else target
            anchor = unquote(parts.fragment)
            if not target.exists() or (anchor and target in pages and anchor not in pages[target].ids):
                broken.append(f"{here}: {link}")
    assert broken == []
