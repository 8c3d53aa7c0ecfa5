"""A hook of the site: the page *The register* counts and lists what came of the notes, a note's page its mechanisms.

A page says where: `<!-- register: summary -->`, `notes`, `mechanisms`, `mechanisms of N3`, or a verdict, whose
statements it lists. Every number is counted from the headings of the pages and from register.yml.
"""

import re
from pathlib import Path
from typing import NamedTuple

from hooks import statements
from hooks.statements import VERDICTS, Statement
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

MARK = re.compile(r"<!-- register: (?P<what>[\w ]+) -->")
CLAIM = re.compile(r"^\| (?P<text>.+?) \| \[\[(?P<id>C\d\d|[a-z-]+)\]\] \|$", re.MULTILINE)
ENGLISH = re.compile(r"(?<=[가-힣])\([A-Za-z][^()가-힣]*\)")
KOREAN = Path(__file__).resolve().parents[1] / "ko" / "notes"
WORDS = {
    "en": {
        "mechanisms": "**{done} of {all}** mechanisms have a page.",
        "statements": "**{done} of {all}** numbered statements have a verdict:",
        "smaller": "Beside them, {n} smaller claims have no number: {count}.",
        "heads": "| Note | Mechanisms | Statements | {verdicts} |",
        "together": "all, each once",
        "statement heads": "| Number | Statement | Notes |",
        "mechanism heads": "| Number | Mechanism | Notes |",
    },
    "ko": {
        "mechanisms": "메커니즘 {all}개 가운데 **{done}개**에 페이지가 있다.",
        "statements": "번호를 붙인 주장 {all}개 가운데 **{done}개**에 판정이 있다.",
        "smaller": "그 밖에 번호가 없는 작은 주장이 {n}개 있다: {count}.",
        "heads": "| 노트 | 메커니즘 | 주장 | {verdicts} |",
        "together": "겹침 없이 모두",
        "statement heads": "| 번호 | 주장 | 노트 |",
        "mechanism heads": "| 번호 | 메커니즘 | 노트 |",
    },
}


class Where(NamedTuple):
    """The page that is filled in, and its language."""

    page: str
    language: str

    def says(self, what: str, **given: object) -> str:
        """Words of the page's language."""
        return WORDS[self.language][what].format(**given)

    def to(self, page: str) -> str:
        """The address of another page."""
        return get_relative_url(page, self.page)


def on_page_markdown(markdown: str, page: Page, files: Files, **_: object) -> str:
    """MkDocs: fill in what a page asks for."""
    if not MARK.search(markdown):
        return markdown
    found = statements.collect(files)
    where = Where(page.file.src_uri, page.meta.get("lang", "en"))
    return MARK.sub(lambda mark: fill(mark["what"], found, where), markdown)


def fill(what: str, found: list[Statement], where: Where) -> str:
    """What stands in the place of a mark."""
    what, _, note = what.partition(" of ")
    if note:
        return mechanism_list(note, where)
    if what in VERDICTS:
        return statement_table([s for s in found if s.verdict == what], where)
    return {"summary": summary, "notes": notes_table, "mechanisms": mechanism_table}[what](found, where)


def counts(found: list[Statement]) -> dict[str, int]:
    """How many statements have each verdict."""
    return {verdict: sum(s.verdict == verdict for s in found) for verdict in VERDICTS}


def summary(found: list[Statement], where: Where) -> str:
    """How much is done, and a bar of the verdicts of the numbered statements."""
    mechanisms = statements.register()["mechanisms"].values()
    numbered, smaller = [s for s in found if s.number < 99], [s for s in found if s.number == 99]
    done = {"done": sum("page" in row for row in mechanisms), "all": len(mechanisms)}
    judged = {"done": sum(bool(s.verdict) for s in numbered), "all": len(numbered)}
    bar = "".join(f'<i data-verdict="{v}" style="flex-grow: {n}"></i>' for v, n in counts(numbered).items())
    legend = " ".join(badge(verdict, where, n) for verdict, n in counts(numbered).items())
    rest = ", ".join(f"{n} {word(verdict, where)}" for verdict, n in counts(smaller).items() if n)
    return "\n\n".join(
        [
            f"{where.says('mechanisms', **done)} {where.says('statements', **judged)}",
            f'<div class="tally" aria-hidden="true">{bar}</div>',
            legend,
            where.says("smaller", n=len(smaller), count=rest),
        ]
    )


def notes_table(found: list[Statement], where: Where) -> str:
    """Mechanisms, statements and verdicts of each note, and of all."""
    register, rows = statements.register(), []
    badges = " | ".join(badge(verdict, where) for verdict in VERDICTS)
    rows = [where.says("heads", verdicts=badges), "|---|" + "--:|" * (2 + len(VERDICTS))]
    for note, told in [*register["notes"].items(), ("", {})]:
        mechanisms = [row for row in register["mechanisms"].values() if not note or note in row["notes"].split()]
        its = [s for s in found if not note or note in s.notes.split()]
        name = f"[{note}]({where.to(note_page(told['page'], where))})" if note else where.says("together")
        numbers = [len(mechanisms), len(its), *counts(its).values()]
        rows.append(f"| {name} | " + " | ".join(map(str, numbers)) + " |")
    return "\n".join(rows)


def statement_table(found: list[Statement], where: Where) -> str:
    """Statements, each linked to its snippet."""
    said = korean_claims() if where.language == "ko" else {}
    rows = [where.says("statement heads"), "|---|---|---|"]
    for s in found:
        text = said.get(s.id, s.text).replace("|", "\\|")
        number = s.id.upper() if s.number < 99 else ""
        rows.append(f"| {number} | [{text}]({where.to(s.page)}#{s.id}) | {note_links(s.notes, where)} |")
    return "\n".join(rows)


def mechanism_table(_: list[Statement], where: Where) -> str:
    """The mechanisms, each linked to its page."""
    rows = [where.says("mechanism heads"), "|---|---|---|"]
    for number, row in statements.register()["mechanisms"].items():
        rows.append(f"| {number} | {statements.link(number, {}, where.page)} | {note_links(row['notes'], where)} |")
    return "\n".join(rows)


def mechanism_list(note: str, where: Where) -> str:
    """The mechanisms of a note in one paragraph, each linked to its page."""
    mechanisms = statements.register()["mechanisms"].items()
    its = [number for number, row in mechanisms if note in row["notes"].split()]
    return " · ".join(statements.link(number, {}, where.page) for number in its)


def korean_claims() -> dict[str, str]:
    """Each statement in Korean, as the first Korean page on a note puts it, without English terms in brackets."""
    said: dict[str, str] = {}
    for page in sorted(KOREAN.glob("n?.md")):
        for claim in CLAIM.finditer(page.read_text(encoding="utf-8")):
            said.setdefault(claim["id"].lower(), ENGLISH.sub("", claim["text"]))
    return said


def note_page(page: str, where: Where) -> str:
    """A note's page, in the language of the page that links to it."""
    return f"ko/{page}" if where.language == "ko" else page


def note_links(names: str, where: Where) -> str:
    """The notes as links to the pages that follow them."""
    pages = statements.register()["notes"]
    return " ".join(f"[{name}]({where.to(note_page(pages[name]['page'], where))})" for name in names.split())


def word(verdict: str, where: Where) -> str:
    """A verdict in the language of the page."""
    return statements.register()["korean"]["verdicts"][verdict] if where.language == "ko" else verdict


def badge(verdict: str, where: Where, n: int | None = None) -> str:
    """A verdict as the pages show it, with how often it is given."""
    said = word(verdict, where) if n is None else f"{n} {word(verdict, where)}"
    return f'<span class="verdict" data-verdict="{verdict}">{said}</span>'
