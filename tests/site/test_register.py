"""Every mechanism and every statement of the notes is on the site; the register counts them, and tells each error."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("mkdocs", reason="the site's own packages: the group `docs`")
import register
from hooks import statements

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {p.relative_to(DOCS).as_posix(): p.read_text(encoding="utf-8") for p in sorted(DOCS.rglob("*.md"))}
PAGES = {page: text for page, text in PAGES.items() if not page.startswith("_site/")}
REGISTERS = ["register.md", "ko/register.md"]
files = [SimpleNamespace(src_uri=page, content_string=text) for page, text in PAGES.items()]
FOUND = statements.collect(SimpleNamespace(documentation_pages=lambda: files))
MECHANISMS = statements.register()["mechanisms"]
NOTES = statements.register()["notes"]
each_statement = pytest.mark.parametrize("statement", FOUND, ids=lambda s: s.id)
each_register = pytest.mark.parametrize("page", REGISTERS)


def part(page, heading, level=2):
    """What stands below a heading of a page, down to the next one of its level."""
    text = statements.FENCED.sub(lambda fence: fence[0].replace("#", "\0"), PAGES[page])
    said = re.search(
        rf"^{'#' * level} [^\n]*\{{ #{heading}\b[^\n]*\n(.*?)(?=^#{{1,{level}}} |\Z)", text, re.DOTALL | re.MULTILINE
    )
    return said[1].replace("\0", "#")


def listed(text):
    """The mechanisms and statements that a text refers to, as headings call them."""
    return {name.lower() for name in statements.REFERENCE.findall(text)}


def filled(page):
    """A page with its tables."""
    where = register.Where(page, "ko" if page.startswith("ko/") else "en")
    return register.MARK.sub(lambda mark: register.fill(mark["what"], FOUND, where), PAGES[page])


def test_all_28_mechanisms_have_a_page():
    assert list(MECHANISMS) == [f"M{n:02}" for n in range(1, 29)]
    for number, row in MECHANISMS.items():
        assert row.get("page") in PAGES, number
        assert f"#{row.get('anchor', '')}" in PAGES[row["page"]]


def test_all_54_statements_have_a_verdict_and_none_is_to_come():
    assert [s.id for s in FOUND if s.number < 99] == [f"c{n:02}" for n in range(1, 55)]
    assert {s.verdict for s in FOUND} == set(statements.VERDICTS)
    assert not statements.register()["to_come"]


@each_statement
def test_a_verdict_is_given_by_a_snippet(statement):
    assert "```pycon\n>>> " in part(statement.page, statement.id, 3)


@each_statement
@pytest.mark.parametrize("language", ["", "ko/"])
def test_a_statement_is_on_the_pages_of_its_notes_and_on_no_other(statement, language):
    told = [note for note, row in NOTES.items() if statement.id in listed(PAGES[language + row["page"]])]
    assert told == statement.notes.split()


@pytest.mark.parametrize("note", NOTES)
@pytest.mark.parametrize("language", ["", "ko/"])
def test_a_note_s_page_lists_the_note_s_mechanisms(note, language):
    page = language + NOTES[note]["page"]
    text = part(page, "mechanisms")
    assert f"<!-- register: mechanisms of {note} -->" in text
    its = {number for number, row in MECHANISMS.items() if note in row["notes"].split()}
    assert its >= {name.upper() for name in listed(PAGES[page]) if name.upper() in MECHANISMS}
    assert filled(page).count(" · ") == len(its) - 1


@each_register
def test_every_error_and_every_condition_is_told_once(page):
    for heading, verdicts in (("errors", ("refuted", "corrected")), ("qualified", ("qualified",))):
        told = statements.REFERENCE.findall(part(page, heading))
        assert sorted(name.lower() for name in told) == sorted(s.id for s in FOUND if s.verdict in verdicts)


@each_register
def test_an_error_comes_with_what_holds_a_snippet_a_reason_and_better_words(page):
    errors = re.split(r"^### ", part(page, "errors"), flags=re.MULTILINE)[1:-1]
    for error in errors:
        assert len(re.findall(r"^\*\*[^*]+\*\*", error, re.MULTILINE)) == 4, error
        assert error.count("```pycon\n>>> ") == 1, error


@each_register
def test_no_count_of_verdicts_is_typed(page):
    words = [*statements.VERDICTS, "statement", "mechanism", "claim", "error", "메커니즘", "주장", "오류"]
    counted = rf"\b(?:\d+|two|three|seven|ten|다섯|일곱|열)\s*(?:개의\s*)?(?:{'|'.join(words)})"
    assert not re.search(counted, PAGES[page], re.IGNORECASE)


@each_register
def test_the_register_counts_and_lists_what_the_pages_say(page):
    text = filled(page)
    numbered = [s for s in FOUND if s.number < 99]
    of_each = {verdict: str(sum(s.verdict == verdict for s in numbered)) for verdict in statements.VERDICTS}
    assert dict(re.findall(r'<i data-verdict="(\w+)" style="flex-grow: (\d+)"></i>', text)) == of_each
    assert dict(re.findall(r'<span class="verdict" data-verdict="(\w+)">(\d+) ', text)) == of_each
    assert re.search(r"\*\*28(?: of 28)?\*\*|28개 가운데 \*\*28개", text)
    assert re.search(r"\*\*54(?: of 54)?\*\*|54개 가운데 \*\*54개", text)
    last = re.findall(r"^\| (?!\[).*?\| 28 \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    assert last == [(str(len(FOUND)), *(str(sum(s.verdict == v for s in FOUND)) for v in statements.VERDICTS))]
    of_statements = re.sub(r"^\| M\d\d \|.*$", "", text, flags=re.MULTILINE)  # a mechanism may link a statement, too
    for s in FOUND:
        assert of_statements.count(f"{s.page}#{s.id}) | ") == 1, s.id
    for number in MECHANISMS:
        assert f"\n| {number} | [" in text


def test_each_statement_has_its_korean_words():
    said = register.korean_claims()
    assert set(said) == {s.id for s in FOUND}
    assert all(re.search("[가-힣]", text) and "[[" not in text for text in said.values())


def test_what_a_page_does_not_ask_for_is_left_alone():
    page = SimpleNamespace(meta={}, file=SimpleNamespace(src_uri="index.md"))
    files = SimpleNamespace(documentation_pages=list)
    assert register.on_page_markdown("# Title\n<!-- source: x -->", page, files) == "# Title\n<!-- source: x -->"
