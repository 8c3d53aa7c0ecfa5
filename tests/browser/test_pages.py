"""Each page, as a reader meets it: quiet, self-contained, readable on a phone and by those who do not see it."""

import pytest

from .conftest import AXE, HEIGHT, NARROW, SITE, WIDE, missing

pytestmark = pytest.mark.browser

# Faults of the theme itself that axe calls serious: rule, and the elements it may name.
ALLOWED: dict[str, str] = {}

# Pictures further down are fetched when a reader comes near them: all that are shown are fetched at once here.
NOT_LOADED = """async () => {
  const shown = [...document.images].filter(image => getComputedStyle(image).display != 'none')
  for (const image of shown) image.loading = 'eager'
  await Promise.allSettled(shown.map(image => image.decode()))
  return shown.filter(image => !(image.complete && image.naturalWidth)).map(image => image.src)
}"""

SILENT = "() => [...document.querySelectorAll('.md-content img')].filter(i => i.alt.length < 5).map(i => i.src)"

# A root sign is as high as what it stands over: the theme has a rule for drawings that takes its height.
LOW_ROOTS = """() => [...document.querySelectorAll('.katex svg')].filter(sign =>
  sign.getBoundingClientRect().height < sign.parentElement.getBoundingClientRect().height - 1).length"""

TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth
  if (document.documentElement.scrollWidth <= width) return []
  const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > width + 1)
  return [`${document.documentElement.scrollWidth} > ${width}`, ...wide.slice(0, 8).map(e => e.outerHTML.slice(0, 120))]
}"""

# Thousands of words of code and letters of equations look like one another: of each look axe gets one, which takes it
# a fifth of the time, and then the page gets the others back. Of headings and links nothing is taken.
AXE_RUN = """async options => {
  const AROUND = 'pre, .katex-html, .katex-mathml, li, td, p', looks = new Set(), taken = []
  const take = element => {
    taken.push([element, element.parentNode, element.nextSibling])
    element.remove()
  }
  const look = element => {
    const { color, backgroundColor, fontSize, fontWeight } = getComputedStyle(element), around = element.closest(AROUND)
    const behind = getComputedStyle(around.parentElement).backgroundColor
    return [color, backgroundColor, fontSize, fontWeight, behind, around.localName].join()
  }
  const isLeaf = element => !element.children.length || element.matches('.katex-mathml')
  const stays = element => !element.checkVisibility() || element.closest('a, h1, h2, h3, h4, h5, h6')
  const isEmpty = line => !line.textContent.trim() && !line.querySelector('a[href]')
  const all = selector => [...document.querySelectorAll(selector)]

  all('pre code span, .katex-html *, .katex-mathml, :is(li, td, p) code')
    .filter(element => isLeaf(element) && !stays(element))
    .filter(element => looks.size == looks.add(look(element)).size)
    .forEach(take)
  all('pre code > span').filter(isEmpty).forEach(take)
  const { violations } = await axe.run(document, { resultTypes: ['violations'], ...options })
  taken.reverse().forEach(([element, parent, next]) => parent.insertBefore(element, next))
  return violations.flatMap(({ id, nodes }) => nodes.map(node => [id, node.target.join(' '), node.failureSummary]))
}"""
COLORS = {"runOnly": ["color-contrast", "link-in-text-block"]}  # what may differ between the schemes

UNSIZED = "() => [...document.querySelectorAll('.md-content img')].filter(i => !i.width || !i.height).map(i => i.src)"

# What scrolls sideways and is shown, and cannot be reached by keyboard or does not say what it is.
# Of tabs each is reached.
OUT_OF_REACH = """() => [...document.querySelectorAll('.md-content *, .md-footer *')].filter(element => {
  const style = getComputedStyle(element)
  return /auto|scroll/.test(style.overflowX) && element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0
    && element.checkVisibility() && !element.matches('.tabbed-labels')
    && !(element.tabIndex == 0 && (element.ariaLabel || element.matches('a, button')))
}).map(element => element.outerHTML.slice(0, 120))"""

ON_PAPER = """() => {
  const body = getComputedStyle(document.body)
  const shown = selector => [...document.querySelectorAll(selector)].filter(element => element.checkVisibility())
  const all = selector => document.querySelectorAll(selector).length
  const wide = element => element.scrollWidth > element.clientWidth + 1
  const cut = element => wide(element) && getComputedStyle(element).overflowX != 'visible'
  return {
    paper: body.backgroundColor, ink: getComputedStyle(document.querySelector('h1')).color,
    scheme: body.colorScheme,
    tabs: all('.tabbed-block') - shown('.tabbed-block').length,
    folded: all('.md-content details > *') - shown('.md-content details > *').length,
    controls: shown('.md-header, .md-sidebar, .md-code__nav, .headerlink').length,
    cut: [...document.querySelectorAll('.md-content pre, .md-content pre > code')].filter(cut).length,
    dark: shown('img[src$="#only-dark"]').filter(image => !getComputedStyle(image).filter.includes('invert')).length,
  }
}"""
PAPER = {
    "paper": "rgb(255, 255, 255)", "ink": "rgb(0, 0, 0)", "scheme": "light",
    "tabs": 0, "folded": 0, "controls": 0, "cut": 0, "dark": 0,
}  # fmt: skip


def test_the_page_is_whole_and_asks_no_other_host(desk):
    assert desk.foreign == []
    assert desk.complaints == []
    assert desk.page.evaluate(NOT_LOADED) == []
    assert desk.page.evaluate(SILENT) == [], "pictures that say nothing to those who do not see them"
    assert desk.page.locator(".katex-error").all_inner_texts() == []
    assert desk.page.evaluate(LOW_ROOTS) == 0
    assert desk.page.evaluate(UNSIZED) == []


@pytest.fixture(params=["desk", "phone"])
def window(request, desk, phone):
    return {"desk": desk, "phone": phone}[request.param]


def test_the_page_is_light_and_nothing_on_it_moves(window):
    assert window.moved <= 0.05
    assert sum(window.weight.values()) <= 250_000, sorted(window.weight.items(), key=lambda file: -file[1])[:12]


def test_equations_need_no_script_and_no_letters_of_theirs_are_fetched_without_one(window):
    asked = [url for url in window.requests if "katex" in url.lower()]
    assert not [url for url in asked if url.endswith(".js")]
    assert asked == [] or window.page.locator(".katex").count()


def test_only_the_drawings_of_the_scheme_and_the_width_are_fetched(desk, phone):
    def drawings(window):
        return [url.rpartition("/")[2] for url in window.requests if "/assets/figures/" in url]

    assert [name for name in drawings(desk) if ".dark." in name or "-narrow." in name] == []
    wide = [name for name in drawings(phone) if "-narrow." not in name]
    assert [name for name in drawings(phone) if ".light." in name] == []
    assert [name for name in wide if (SITE / "assets/figures" / name.replace(".dark", "-narrow.dark")).exists()] == []


def faults(page, scheme: str, width: int, **options) -> list:
    if not AXE.exists():
        missing("axe-core is not installed: make setup")
    page.set_viewport_size({"width": width, "height": HEIGHT})
    assert page.locator("body").get_attribute("data-md-color-scheme") == scheme
    if page.evaluate("typeof axe") == "undefined":
        page.add_script_tag(path=AXE)
    return [fault for fault in page.evaluate(AXE_RUN, options) if ALLOWED.get(fault[0], "\0") not in fault[1]]


def test_axe_finds_nothing_in_the_light(desk):
    assert desk.page.evaluate(OUT_OF_REACH) == []
    assert faults(desk.page, "default", WIDE) == []


def test_the_page_fits_a_phone(phone):
    phone.page.set_viewport_size({"width": NARROW, "height": HEIGHT})
    assert phone.page.evaluate(TOO_WIDE) == []
    assert phone.page.evaluate(OUT_OF_REACH) == []


def test_axe_finds_nothing_in_the_dark(phone):
    assert faults(phone.page, "slate", NARROW) == []


@pytest.mark.parametrize("where", ["", "attention/masks/", "register/"])
def test_colors_do_not_depend_on_the_width(visit, where):
    assert faults(visit(scheme="light").open(where).page, "default", NARROW, **COLORS) == []
    assert faults(visit(scheme="dark").open(where).page, "slate", WIDE, **COLORS) == []


def test_paper_is_white_and_shows_all_that_is_folded(phone):
    phone.page.emulate_media(media="print")
    try:
        assert phone.page.evaluate(ON_PAPER) == PAPER
    finally:
        phone.page.emulate_media(media="screen")


def test_what_is_folded_is_unfolded_to_be_printed_and_folded_again(visit):
    page = visit().open("attention/scaled_dot_product").page
    page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = false")
    closed, count = page.locator(".md-content details:not([open])"), page.locator(".md-content details").count()
    for event, left in (("beforeprint", 0), ("afterprint", count)):
        page.evaluate(f"dispatchEvent(new Event('{event}'))")
        assert closed.count() == left


def test_equations_show_without_javascript(chromium, address):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}attention/scaled_dot_product/")
    assert page.locator(".katex-display").first.bounding_box()["height"] > 20
    assert page.locator(".arithmatex:not(:has(.katex))").count() == 0
    context.close()


@pytest.mark.parametrize(("scheme", "name"), [("light", "default"), ("dark", "slate")])
def test_axe_finds_nothing_where_there_is_no_page(visit, scheme, name):
    assert faults(visit(scheme=scheme).open("no/such/page").page, name, WIDE) == []
