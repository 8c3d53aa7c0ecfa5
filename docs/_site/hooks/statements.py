"""Build the table of the page Statements from the marks `### … { #c12 data-notes="N4" data-verdict="shown" }`."""

import re
from typing import NamedTuple

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

log = get_plugin_logger("statements")

VERDICTS = ("shown", "qualified", "corrected", "refuted")
MARK = "<!-- statements -->"
HEADING = re.compile(r"^#{2,4}[ ]+(?P<text>.+?)[ ]*\{:?[ ]*#(?P<id>c\d+)\b(?P<attributes>[^}]*)\}[ ]*$", re.MULTILINE)
ATTRIBUTE = re.compile(r'data-(notes|verdict)="([^"]*)"')
FENCED = re.compile(r"^([ \t]*)(`{3,}|~{3,}).*?^\1\2", re.MULTILINE | re.DOTALL)


class Statement(NamedTuple):
    """One statement of the lecture notes, as a page puts it."""

    id: str
    text: str
    notes: str
    verdict: str
    page: str


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """MkDocs: fill in the mark, on the one page that has it."""
    if MARK not in markdown:
        return markdown
    return markdown.replace(MARK, table(collect(files), page.file.src_uri))


def collect(files: Files) -> list[Statement]:
    """Every statement of every page, in the order of their numbers."""
    found: dict[str, Statement] = {}
    for file in files.documentation_pages():
        if not file.src_uri.endswith(".md"):
            continue
        for heading in HEADING.finditer(FENCED.sub("", file.content_string)):
            given = dict(ATTRIBUTE.findall(heading["attributes"]))
            name, where = heading["id"], file.src_uri
            statement = Statement(name, heading["text"], given.get("notes", ""), given.get("verdict", ""), where)
            if statement.verdict not in VERDICTS or not statement.notes:
                log.warning("%s: statement %s needs data-notes and data-verdict, one of %s", where, name, VERDICTS)
            if name in found:
                log.warning("%s: statement %s stands on %s too", where, name, found[name].page)
            found[name] = statement
    return sorted(found.values(), key=lambda statement: int(statement.id[1:]))


def table(statements: list[Statement], where: str) -> str:
    """The statements as a Markdown table, with a line that counts the verdicts."""
    counts = {verdict: sum(s.verdict == verdict for s in statements) for verdict in VERDICTS}
    count = ", ".join(f"{n} {badge(verdict)}" for verdict, n in counts.items() if n)
    noun = "statement" if len(statements) == 1 else "statements"
    rows = [f"{len(statements)} {noun}: {count}.", "", "| | Statement | Verdict | Notes |", "|---|---|---|---|"]
    for s in statements:
        link = get_relative_url(s.page, where)
        text = s.text.replace("|", "\\|")
        rows.append(f"| {s.id.upper()} | [{text}]({link}#{s.id}) | {badge(s.verdict)} | {s.notes} |")
    return "\n".join(rows)


def badge(verdict: str) -> str:
    """A verdict as the pages show it."""
    return f'<span class="verdict" data-verdict="{verdict}">{verdict}</span>'
