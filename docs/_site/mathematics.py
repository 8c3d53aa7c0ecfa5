"""Set the equations of a page when the site is built: readers fetch no script for it, and need none.

KaTeX runs in one Node for the whole build, and only for equations that no earlier build has set. Pages with an equation
get its style sheet and letters; no other page does.
"""

import html
import json
import re
import subprocess
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority, get_plugin_logger
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url
from nodes import NODE

log = get_plugin_logger("mathematics")

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".cache" / "equations.json"
SHEET = "assets/vendor/katex.min.css"
WRITTEN = re.compile(r'(<(span|div) class="arithmatex">)\s*\\([(\[])(.*?)\\[)\]]\s*(</\2>)', re.DOTALL)
SIZED = {"(": False, "[": True}  # whether the equation stands in lines of its own


class Setter:
    """Sets equations, and remembers those of this build and of the one before."""

    def __init__(self, cache: Path = CACHE) -> None:
        self.cache = cache
        self.process: subprocess.Popen[str] | None = None
        self.version = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]["katex"]
        kept = json.loads(cache.read_text(encoding="utf-8")) if cache.exists() else {}
        self.known: dict[str, str] = kept.get(self.version, {})
        self.used: dict[str, str] = {}

    def set(self, text: str, display: bool) -> str:
        """An equation as HTML; ValueError if it is none."""
        asked = json.dumps([text, display])
        if asked not in self.known:
            self.known[asked] = self._ask(asked)
        self.used[asked] = self.known[asked]
        return self.used[asked]

    def _ask(self, asked: str) -> str:
        if self.process is None:
            self.process = subprocess.Popen(
                [NODE, str(HERE / "mathematics.mjs")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
            )  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(asked + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["html"]

    def close(self) -> None:
        """End the program, and keep what this build has used."""
        if self.process is not None:
            self.process.communicate()
            self.process = None
        self.cache.parent.mkdir(parents=True, exist_ok=True)
        self.cache.write_text(json.dumps({self.version: self.used}), encoding="utf-8")


def with_equations(text: str, setter: Setter, where: str) -> tuple[str, int]:
    """A page with its equations set, and how many there are."""

    def one(found: re.Match[str]) -> str:
        start, _, sign, source, end = found.groups()
        try:
            return start + setter.set(html.unescape(source).strip(), SIZED[sign]) + end
        except ValueError as error:
            log.warning("%s: %s", where, error)
            return found[0]

    return WRITTEN.subn(one, text)


_setter: Setter | None = None


def on_config(config: Any) -> None:
    """MkDocs: read what the last build has set."""
    global _setter
    _setter = Setter()


@event_priority(-50)  # when the page is whole
def on_post_page(output: str, page: Page, **_: Any) -> str:
    """MkDocs: set the equations of a page."""
    assert _setter is not None
    output, count = with_equations(output, _setter, page.file.src_uri)
    if count:
        link = f'<link rel="stylesheet" href="{get_relative_url(SHEET, page.url)}">\n'
        output = output.replace('<link rel="stylesheet"', f'{link}<link rel="stylesheet"', 1)  # ours come after
    return output


def on_post_build(config: Any) -> None:
    """MkDocs: keep what was set."""
    assert _setter is not None
    _setter.close()
