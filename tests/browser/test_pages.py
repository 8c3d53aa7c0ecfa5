"""Each page, as a reader meets it: quiet, self-contained, readable on a phone and by those who do not see it."""

import pytest

from .conftest import AXE, HEIGHT, missing

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

AXE_RUN = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
    .filter(violation => ['serious', 'critical'].includes(violation.impact))
    .flatMap(violation => violation.nodes.map(node => [violation.id, node.target.join(' '), node.failureSummary]))"""


def test_the_page_is_whole_and_asks_no_other_host(desk):
    assert desk.foreign == []
    assert desk.complaints == []
    assert desk.page.evaluate(NOT_LOADED) == []
    assert desk.page.evaluate(SILENT) == [], "pictures that say nothing to those who do not see them"
    assert desk.page.locator(".katex-error").all_inner_texts() == []
    assert desk.page.evaluate(LOW_ROOTS) == 0


def faults(page, scheme: str) -> list:
    if not AXE.exists():
        missing("axe-core is not installed: make setup")
    assert page.locator("body").get_attribute("data-md-color-scheme") == scheme
    page.add_script_tag(path=AXE)
    return [fault for fault in page.evaluate(AXE_RUN) if ALLOWED.get(fault[0], "\0") not in fault[1]]


def test_axe_finds_nothing_serious_in_the_light(desk):
    assert faults(desk.page, "default") == []


def test_the_page_fits_a_phone(phone):
    phone.page.set_viewport_size({"width": 390, "height": HEIGHT})
    assert phone.page.evaluate(TOO_WIDE) == []


def test_axe_finds_nothing_serious_in_the_dark(phone):
    phone.page.set_viewport_size({"width": 1280, "height": HEIGHT})
    assert faults(phone.page, "slate") == []


@pytest.mark.parametrize(("scheme", "name"), [("light", "default"), ("dark", "slate")])
def test_axe_finds_nothing_serious_where_there_is_no_page(visit, scheme, name):
    assert faults(visit(scheme=scheme).open("no/such/page").page, name) == []
