"""Fill in what pages say of the lecture notes: what they are, and `[[C12]]`, a verdict with its link.

Pages hold the verdicts, each in a heading `### Shown: … { #c12 data-notes="N4" data-verdict="shown" }`. The register,
docs/_site/register.yml, holds the mechanisms and what is still to come. Its tables: docs/_site/register.py.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

log = get_plugin_logger("statements")

VERDICTS = ("shown", "qualified", "corrected", "refuted")
CHAPTERS = {"transformer": "with the Transformer", "models": "with the models"}
REGISTER = Path(__file__).resolve().parents[1] / "register.yml"
HEADING = re.compile(
    r"^#{2,4}[ ]+(?P<text>.+?)[ ]*\{:?[ ]*#(?P<id>[\w-]+)\b(?P<attributes>[^}]*data-verdict[^}]*)\}[ ]*$", re.MULTILINE
)
ATTRIBUTE = re.compile(r'data-(notes|verdict)="([^"]*)"')
FENCED = re.compile(r"^([ \t]*)(`{3,}|~{3,}).*?^\1\2", re.MULTILINE | re.DOTALL)
NOTES = re.compile(r"^## .*\{ #notes \}$", re.MULTILINE)
REFERENCE = re.compile(r"\[\[(?P<id>[A-Z]\d\d|[a-z][a-z-]+)\]\]")


class Statement(NamedTuple):
    """One statement of the lecture notes, as a page puts it; without a page and a verdict it is still to come."""

    id: str
    text: str
    notes: str
    verdict: str
    page: str
    chapter: str = ""

    @property
    def number(self) -> int:
        """Of the numbered statements, C01 to C54; the others come after them."""
        return int(self.id[1:]) if re.fullmatch(r"c\d+", self.id) else 99


@cache
def register() -> dict[str, Any]:
    """The mechanisms, and the statements that no page has yet."""
    return yaml.safe_load(REGISTER.read_text(encoding="utf-8"))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """MkDocs: fill in what the notes are, and the references."""
    markdown = NOTES.sub(lambda heading: f"{heading[0]}\n\n{introduction(page.file.src_uri)}", markdown)
    if not REFERENCE.search(FENCED.sub("", markdown)):
        return markdown
    found = {s.id: s for s in collect(files)}
    return REFERENCE.sub(lambda reference: link(reference["id"], found, page.file.src_uri), markdown)


def introduction(where: str) -> str:
    """What the notes are, and how their statements are told."""
    address = get_relative_url("notes/index.md", where)
    return (
        f"Five [lecture notes]({address}), N0 to N4, make claims about attention and sequence models. Here those on "
        "this page's subject are tested; each heading begins with the verdict."
    )


def collect(files: Files) -> list[Statement]:
    """Every statement, in the order of their numbers, those still to come included."""
    found: dict[str, Statement] = {}
    for file in files.documentation_pages():
        if not file.src_uri.endswith(".md"):
            continue
        for heading in HEADING.finditer(FENCED.sub("", file.content_string)):
            given = dict(ATTRIBUTE.findall(heading["attributes"]))
            name, where = heading["id"], file.src_uri
            verdict = given.get("verdict", "")
            word, colon, text = heading["text"].partition(": ")
            if verdict not in VERDICTS or not given.get("notes"):
                log.warning("%s: statement %s needs data-notes and data-verdict, one of %s", where, name, VERDICTS)
            if not colon or word.lower() != verdict:
                log.warning("%s: the heading of %s must begin with its verdict, %r", where, name, verdict.capitalize())
            if name in found:
                log.warning("%s: statement %s stands on %s too", where, name, found[name].page)
            found[name] = Statement(name, text[:1].upper() + text[1:], given.get("notes", ""), verdict, where)
    for name, row in register()["to_come"].items():
        if name.lower() in found:
            log.warning("register.yml: %s is on %s, no longer to come", name, found[name.lower()].page)
        else:
            found[name.lower()] = Statement(name.lower(), row["text"], row["notes"], "", "", row["chapter"])
    return sorted(found.values(), key=lambda s: (s.number, s.page))


def link(name: str, statements: dict[str, Statement], where: str) -> str:
    """A verdict as a link to its snippet, or when it is to come; a mechanism as a link to its page."""
    korean = register()["korean"] if where.startswith("ko/") else {"mechanisms": {}, "verdicts": {}}
    if name in register()["mechanisms"]:
        row = register()["mechanisms"][name]
        said = korean["mechanisms"].get(name, row["name"])
        if "page" not in row:
            return f"{said} ({korean['verdicts'].get('to come', 'to come ' + CHAPTERS[row['chapter']])})"
        anchor = f"#{row['anchor']}" if "anchor" in row else ""
        return f"[{said}]({get_relative_url(row['page'], where)}{anchor})"
    statement = statements.get(name.lower())
    if statement is None:
        log.warning("%s: [[%s]] names no statement", where, name)
        return name
    number = f"{statement.id.upper()} " if statement.number < 99 else ""
    verdict = statement.verdict or "to come"
    said = number + korean["verdicts"].get(verdict, verdict)
    if not statement.page:
        return f'<span class="verdict" data-verdict="to come">{said}</span>'
    address = f"{get_relative_url(statement.page, where)}#{statement.id}"
    return f'[{said}]({address}){{ .verdict data-verdict="{statement.verdict}" }}'
