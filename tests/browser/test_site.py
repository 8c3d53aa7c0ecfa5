"""The site as a whole: its switch switches, its links lead somewhere, its pages say what they are."""

import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

import pytest

import attnref

from .conftest import PAGES, SITE, missing

pytestmark = pytest.mark.browser


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


def test_no_cell_of_a_notebook_warns():
    """What a library writes to standard error stands in the page, in red."""
    pages = sorted((SITE / "notebooks").glob("*/index.html"))
    assert pages
    assert [page.parent.name for page in pages if "jupyter.stderr" in page.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("width", [1440, 390])
def test_the_boxes_of_a_drawing_are_links_that_the_keyboard_reaches(visit, width):
    page = visit(width=width).open("transformer/transformer").page
    drawing = page.locator(".linked").first
    whole, links = drawing.bounding_box(), drawing.locator("a:visible")
    assert links.count() > 20
    for box in (link.bounding_box() for link in links.all()):
        assert min(box["width"], box["height"]) >= 24, "too small for a finger"
        assert whole["x"] - 1 <= box["x"] <= box["x"] + box["width"] <= whole["x"] + whole["width"] + 1
        assert whole["y"] - 1 <= box["y"] <= box["y"] + box["height"] <= whole["y"] + whole["height"] + 1
    links.filter(has_text="add and norm").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/transformer/blocks/#norm")


@pytest.mark.parametrize("lost", ["no_such_page", "attention/multi_hed/", "a/b/c/d.html"])
def test_where_there_is_no_page_a_reader_finds_on(visit, lost):
    window = visit(width=390)
    page = window.page
    assert page.goto(window.address + lost).status == 404
    assert page.locator("h1").inner_text() == "Page not found"
    assert window.foreign == []
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(wide)
    links = page.locator("article a").evaluate_all("links => links.map(link => link.href)")
    assert len(links) == len(set(links)) == len(PAGES)
    for link in links:
        assert page.request.get(link).ok
    page.locator("article input").fill("LSTM")
    page.locator("article button").click()
    page.locator(".md-search-result__link[href*='sequence/lstm/']").first.wait_for()


def test_every_page_leads_to_the_one_before_and_the_next_and_says_so_once():
    ways = {}
    for path in PAGES:
        html = (SITE / path / "index.html").read_text(encoding="utf-8")
        head = [re.findall(rf'<link rel="{way}" href="([^"]+)"', html) for way in ("prev", "next")]
        foot = [
            re.findall(rf'<a href="([^"]+)" class="md-footer__link md-footer__link--{way}"', html)
            for way in ("prev", "next")
        ]
        assert head == foot, path
        assert 'class="next"' not in html
        before, after = ([urljoin(f"/{path}/".replace("/./", "/"), link) for link in links] for links in foot)
        ways[f"/{path}/".replace("/./", "/")] = before, after
    first, last = [[path for path, way in ways.items() if not way[k]] for k in (0, 1)]
    assert first == ["/"]
    assert len(last) == 1
    seen, here = [], "/"
    while ways[here][1]:
        seen.append(here)
        (here,) = ways[here][1]
        assert ways[here][0] == seen[-1:]
    assert len(seen) + 1 == len(PAGES)


def test_every_entry_of_the_api_names_its_page():
    below = re.compile(
        r'<h\d id="attnref\.(\w+)" class="doc doc-heading">(?:(?!</h\d>).)*</h\d>\s*<p class="taught"', re.DOTALL
    )
    html = "".join(page.read_text(encoding="utf-8") for page in SITE.glob("api/*/index.html"))
    assert sorted(below.findall(html)) == sorted(attnref.__all__)


def test_every_page_has_its_own_title_and_description_and_says_them_where_it_is_shared():
    said = []
    for path in PAGES:
        html = unescape((SITE / path / "index.html").read_text(encoding="utf-8"))
        (title,) = re.findall(r"<title>(.+?) - attnref</title>", html)
        (description,) = re.findall(r'<meta name="description" content="([^"]+)">', html)
        assert re.findall(r'<meta property="og:title" content="([^"]+)">', html) == [title], path
        assert re.findall(r'<meta property="og:description" content="([^"]+)">', html) == [description], path
        said += [title, description]
    assert len(set(said)) == 2 * len(PAGES)


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_cheat_sheet_prints_on_two_sides(visit, scheme):
    pdf = visit(scheme=scheme).open("cheat_sheet/").page.pdf(format="A4", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page[^s]", pdf)) == 2
