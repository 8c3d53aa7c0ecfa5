"""A hook of the site: gives each page the texts of its copy buttons, which assets/javascripts/copy.js attaches.

A page's snippets are taken from its HTML, in order: those of the page itself, those of each docstring, and each piece
of the package's code by itself.
"""

import json
import re
from html.parser import HTMLParser
from typing import Any

from fences import Snippet
from mkdocs.plugins import event_priority
from slices import Copy, copies

BLOCK = re.compile(r'<div class="(?P<classes>language-(?P<language>pycon|python)[^"]*)"')
SIGNATURE = "doc-signature"


class Blocks(HTMLParser):
    """The Python code of a page, each block with what it belongs to: the page, a docstring, or nothing else."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, Snippet]] = []
        self._open: list[tuple[str, str]] = []  # the divs around, each with what its snippets belong to
        self._code: list[str] | None = None
        self._count = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A div may begin a docstring or a block of code."""
        classes = dict(attrs).get("class") or ""
        if tag == "div":
            self._count += 1
            owner = self._open[-1][0] if self._open else "page"
            if "doc-contents" in classes.split() or "source" in classes.split():
                owner = f"part {self._count}"
            self._open.append((owner, classes if BLOCK.match(f'<div class="{classes}"') else ""))
        elif tag == "code" and self._open and self._open[-1][1]:
            self._code = []

    def handle_endtag(self, tag: str) -> None:
        """The end of a block, or of what it belongs to."""
        if tag == "div" and self._open:
            self._open.pop()
        elif tag == "code" and self._code is not None:
            owner, classes = self._open[-1]
            if SIGNATURE not in classes:
                language = "pycon" if "language-pycon" in classes else "python"
                self.found.append((owner, Snippet(language, len(self.found), "".join(self._code))))
            self._code = None

    def handle_data(self, data: str) -> None:
        """The code itself, its colors left out."""
        if self._code is not None:
            self._code.append(data)


def of_page(html: str) -> list[Copy]:
    """What the buttons of a page give, in the order of the blocks."""
    found = Blocks(html).found
    given: dict[int, Copy] = {}
    for owner in dict.fromkeys(owner for owner, _ in found):
        snippets = [snippet for belongs, snippet in found if belongs == owner]
        for copy in copies(snippets):
            given[copy.snippet.line] = copy
    return [given[number] for number in range(len(found))]


def as_json(found: list[Copy]) -> str:
    """Each statement that stands above a snippet once, and each copy by the numbers of those and its own text."""
    earlier: dict[str, int] = {}
    buttons = []
    for copy in found:
        buttons.append([[earlier.setdefault(text, len(earlier)) for text in copy.above], copy.alone])
    return json.dumps({"earlier": list(earlier), "copies": buttons}, ensure_ascii=False, separators=(",", ":"))


@event_priority(-80)
def on_post_page(output: str, **_: Any) -> str:
    """MkDocs: number the blocks of a page and put the texts of their buttons at its end."""
    if not (found := of_page(output)):
        return output
    numbers = iter(range(len(found)))

    def numbered(block: re.Match[str]) -> str:
        return block[0] if SIGNATURE in block["classes"] else f'{block[0]} data-copy-number="{next(numbers)}"'

    output = BLOCK.sub(numbered, output)
    texts = as_json(found).replace("</", "<\\/")
    return output.replace("</body>", f'<script type="application/json" data-copies>{texts}</script>\n</body>')
