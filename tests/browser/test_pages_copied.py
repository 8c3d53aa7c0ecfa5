"""What the copy buttons give is what the tests of the pages have run, byte for byte.

Each copy runs by itself when its page is tested (`pytest docs`), the package's code and its docstrings in
tests/site/test_copies.py. Here every button is pressed, after all other tests of the page: pressing leaves other tabs
in front.
"""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from copies import of_page
from fences import snippets
from hooks import source
from slices import copies, for_prompt

from .conftest import ROOT, SITE

pytestmark = pytest.mark.browser

# Every block of code: its language, what it is, what its buttons give, and whether one of them covers code that is
# scrolled to its end. The theme's own listener copies, as when a reader presses.
PRESS = """async () => {
  const found = []
  for (const block of document.querySelectorAll('.md-content .highlight')) {
    if (block.closest('.jupyter-wrapper, .doc-signature')) continue
    const tab = block.closest('.tabbed-block')
    const tabs = tab?.closest('.tabbed-set').querySelectorAll(':scope > input')
    if (tab) tabs[[...tab.parentNode.children].indexOf(tab)].click()
    const code = block.querySelector('code')
    code.scrollLeft = code.scrollWidth
    const right = code.getBoundingClientRect().right
    const texts = []
    let covers = false
    for (const button of block.querySelectorAll('button')) {
      button.click()
      texts.push(await navigator.clipboard.readText())
      covers ||= button.getBoundingClientRect().left < right - 0.5
    }
    const kind = block.closest('.source') ? 'source' : block.closest('.doc-contents') ? 'docstring' : 'page'
    found.push([block.className.match(/language-(\\w+)/)?.[1] ?? '', kind, texts, covers])
  }
  return found
}"""


def markdown(path: str) -> Path:
    page = ROOT / "docs" / path
    return page / "index.md" if path == "." else page.with_name(f"{page.name}.md")


def expected(path: str) -> dict[str, list[list[str]]]:
    """What the buttons of each kind of block must give, in order: of a snippet with something above it, two texts."""
    page = markdown(path)
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    tabs = [source.source(name, checks=not first) for _, name, first in source.marks(text) if name]
    html = (SITE / path / "index.html").read_text(encoding="utf-8")
    own = copies(list(snippets(text)))
    docstrings = of_page(html)[len(own) :]  # on a page of the API they follow what the page itself has
    return {
        "page": [list(dict.fromkeys([copy.text, copy.alone])) for copy in own],
        "source": [[for_prompt(code)] for code in tabs],
        "docstring": [list(dict.fromkeys([copy.text, copy.alone])) for copy in docstrings],
    }


def test_the_buttons_give_what_was_tested(path, desk):
    given: dict[str, list[list[str]]] = {"page": [], "source": [], "docstring": []}
    for language, kind, texts, covers in desk.page.evaluate(PRESS):
        assert texts, f"{language}: no button"
        assert not covers, texts
        if language in ("pycon", "python"):
            given[kind].append(texts)
        elif language == "console":
            assert not any(line.startswith("$ ") for line in texts[0].splitlines()), texts
    wanted = expected(path)
    assert given["page"] == wanted["page"]
    assert given["source"] == wanted["source"]
    if given["docstring"]:
        assert given["docstring"] == wanted["docstring"]


def test_the_buttons_can_be_reached_and_pressed_by_keyboard_and_say_what_they_do(visit):
    page = visit().open("attention/masks").page
    found = copies(list(snippets(markdown("attention/masks").read_text(encoding="utf-8"))))
    number, copy = next((number, copy) for number, copy in enumerate(found) if copy.text != copy.alone)
    page.locator(f"[data-copy-number='{number - 1}'] button").last.focus()
    for wanted, label in ((copy.text, "with what it needs from earlier"), (copy.alone, "alone")):
        for _ in range(20):  # links and what scrolls come first
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches('[data-copy-number=\"{number}\"] button')"):
                break
        assert label in page.locator(":focus").get_attribute("aria-label")
        page.keyboard.press("Enter")
        page.wait_for_function("async wanted => await navigator.clipboard.readText() == wanted", arg=wanted)


def test_the_command_of_install_works_from_where_it_is_read(visit, tmp_path):
    page = visit().open("install").page
    command = page.locator(".highlight button").first.get_attribute("data-clipboard-text")
    assert command in page.locator("pre > code").first.inner_text()
    pip, install, wheel = shlex.split(command)
    assert (pip, install) == ("pip", "install")
    quietly = ["--quiet", "--no-deps", "--disable-pip-version-check", "--root-user-action=ignore", "--target", tmp_path]
    subprocess.run([sys.executable, "-m", pip, install, *quietly, wheel], check=True)
    assert (tmp_path / "attnref" / "pages" / "attention" / "masks.md").is_file()


def test_without_javascript_install_says_what_to_replace(chromium, address):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}install/")
    assert "https://ADDRESS/downloads/attnref-" in page.locator("pre > code").first.inner_text()
    assert "for https://ADDRESS/" in page.locator("noscript").first.inner_text()
    context.close()
