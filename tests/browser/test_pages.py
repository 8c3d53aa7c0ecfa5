"""Each page, as a reader meets it: quiet, self-contained, readable on a phone and by those who do not see it."""

import pytest

from .conftest import AXE, missing

pytestmark = pytest.mark.browser

# Faults of the theme itself that axe calls serious: rule, and the elements it may name.
ALLOWED: dict[str, str] = {}

NOT_LOADED = """() => [...document.images]
    .filter(image => getComputedStyle(image).display != 'none' && !(image.complete && image.naturalWidth))
    .map(image => image.src)"""

SILENT = "() => [...document.querySelectorAll('.md-content img')].filter(i => i.alt.length < 5).map(i => i.src)"

TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth
  if (document.documentElement.scrollWidth <= width) return []
  const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > width + 1)
  return [`${document.documentElement.scrollWidth} > ${width}`, ...wide.slice(0, 8).map(e => e.outerHTML.slice(0, 120))]
}"""

AXE_RUN = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
    .filter(violation => ['serious', 'critical'].includes(violation.impact))
    .flatMap(violation => violation.nodes.map(node => [violation.id, node.target.join(' '), node.failureSummary]))"""


def test_the_page_is_whole_and_asks_no_other_host(path, visit):
    seen = visit().open(path)
    assert seen.foreign == []
    assert seen.complaints == []
    assert seen.page.evaluate(NOT_LOADED) == []
    assert seen.page.evaluate(SILENT) == [], "pictures that say nothing to those who do not see them"
    assert seen.page.locator(".katex-error").all_inner_texts() == []


def test_the_page_fits_a_phone(path, visit):
    assert visit(width=390).open(path).page.evaluate(TOO_WIDE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(path, scheme, visit):
    if not AXE.exists():
        missing("axe-core is not installed: make setup")
    page = visit(scheme=scheme).open(path).page
    assert page.locator("body").get_attribute("data-md-color-scheme") == {"light": "default", "dark": "slate"}[scheme]
    page.add_script_tag(path=AXE)
    found = [fault for fault in page.evaluate(AXE_RUN) if ALLOWED.get(fault[0], "\0") not in fault[1]]
    assert found == []
