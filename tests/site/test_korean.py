"""The pages in Korean hold what the English ones hold, and use one term for one thing, that of the glossary."""

import posixpath
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("mkdocs", reason="the site's own packages: the group `docs`")
from heads import front_matter
from hooks import statements

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [*sorted(page.relative_to(DOCS).as_posix() for page in (DOCS / "notes").glob("*.md")), "register.md"]
KOREAN = sorted(page.relative_to(DOCS / "ko").as_posix() for page in (DOCS / "ko").rglob("*.md"))
FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,}).*?^\1\2", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<address>[^)\s]+)\)")
TERM = re.compile(r"(?P<korean>[가-힣][가-힣 –]*)\((?P<english>[A-Za-z][A-Za-z –-]*(?:, [A-Z]\w+)?)\)")  # noqa: RUF001
NO_TERM = {"context", "reference", "order", "domain", "unroll"}  # what a note calls something, not a term of the site
each_page = pytest.mark.parametrize("page", PAGES)


def text(page):
    """A page without its front matter, in lines as long as its paragraphs."""
    return (DOCS / page).read_text(encoding="utf-8").split("---\n", 2)[2]


def address(page, to):
    """Where a link of a page leads, whatever the language."""
    if "//" in to:
        return to
    file, _, anchor = to.partition("#")
    file = posixpath.normpath(posixpath.join(posixpath.dirname(page), file)) if file else page
    return f"{file.removeprefix('ko/')}#{anchor}"


def held(page):
    """What a page and its translation have in common."""
    said = text(page)
    rows = [line.count("|") for line in said.splitlines() if line.startswith("|")]
    return {
        "headings": re.findall(r"^(#+) .*?(?:\{ (#[\w-]+) \})?$", FENCE.sub("", said), re.MULTILINE),
        "fences": [found[0] for found in FENCE.finditer(said)],
        "equations": re.findall(r"\$\$.+?\$\$|\$[^$\n]+\$", said, re.DOTALL),
        "references": statements.REFERENCE.findall(said),
        "marks": re.findall("<!--.*?-->", said),
        "verdicts": re.findall(r'data-verdict="[\w ]+"', said),
        "rows": rows,
        "list items": [line.split(" ")[0] for line in said.splitlines() if re.match(r"[ \t]*(?:[-*]|\d+\.) ", line)],
        "links": [address(page, to) for to in LINK.findall(said)],
        "words left as they are": re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", said),
        "numbers": sorted(set(re.findall(r"\d+ × \d+|\d{3,}", said))),  # noqa: RUF001
    }


def terms():
    """The Korean word for each English term, from the glossary of both."""
    rows = re.findall(r"^\| ([^|]+?) \| ([^|]+?) \| \[", text("ko/terms.md"), re.MULTILINE)
    names = [(name, korean) for english, korean in rows for name in (english, english.partition(", ")[0])]
    return {name: korean.partition(" (")[0] for name, korean in names}


def test_every_page_on_the_notes_is_there_in_korean_and_no_page_is_without_its_original():
    assert set(PAGES) <= set(KOREAN)
    assert [page for page in KOREAN if not (DOCS / page).is_file()] == ["terms.md"]


@each_page
@pytest.mark.parametrize("what", held(PAGES[0]))
def test_a_korean_page_holds_what_the_english_one_holds(page, what):
    assert held(f"ko/{page}")[what] == held(page)[what]


@pytest.mark.parametrize("page", KOREAN)
def test_a_korean_page_says_its_language_and_is_written_in_it(page):
    said = front_matter(DOCS / "ko" / page)
    assert said["lang"] == "ko"
    whole = re.sub("<!--.*?-->", "", FENCE.sub("", text(f"ko/{page}")))
    for prose in (said["title"], said["description"], *whole.split("\n\n")):
        prose = statements.REFERENCE.sub("", prose)
        words = re.sub(r"\$\$.*?\$\$|\{ #.*?\}|\]\(.*?\)", "", prose, flags=re.DOTALL)
        assert not re.search("[A-Za-z]{2}", words) or prose.startswith("## ") or re.search("[가-힣]", words), prose


@each_page
def test_a_term_stands_in_brackets_once_and_is_the_glossary_s(page):
    known, said = terms(), re.sub(r"\]\([^)]*\)", "]", text(f"ko/{page}").replace("\n", " "))
    found = [(m["korean"], m["english"]) for m in TERM.finditer(said.replace("]", ""))]
    assert len({english for _, english in found}) == len(found)
    for korean, english in found:
        if english not in NO_TERM:
            assert english in known, f"{english} is not in the glossary"
            assert korean.endswith(known[english]), (korean, english, known[english])


def test_every_mechanism_of_the_notes_has_a_term_in_korean():
    linked = {posixpath.normpath(f"ko/{page}") for page in re.findall(r"\]\(([^)#]+\.md)", text("ko/terms.md"))}
    pages = {row["page"] for row in statements.register()["mechanisms"].values() if "page" in row}
    assert len(pages) > 20
    assert pages - linked == set()


def test_a_term_leads_to_a_section_that_is_there():
    places = re.findall(r"\]\(([^)#]+\.md)(#[\w-]+)?\) \|$", text("ko/terms.md"), re.MULTILINE)
    wrong = []
    for page, anchor in places:
        path = DOCS / posixpath.normpath(f"ko/{page}")
        if not path.is_file() or (anchor and f"{{ {anchor} " not in path.read_text(encoding="utf-8")):
            wrong.append(page + anchor)
    assert wrong == []


def test_the_glossary_names_each_thing_once():
    rows = re.findall(r"^\| ([^|]+?) \| [^|]+ \| \[", text("ko/terms.md"), re.MULTILINE)
    assert len(rows) == len(set(rows)) > 50


def test_every_mechanism_and_every_verdict_has_its_korean_words():
    register = statements.register()
    assert set(register["korean"]["mechanisms"]) == set(register["mechanisms"])
    assert set(register["korean"]["verdicts"]) == {*statements.VERDICTS, "to come"}


def test_a_verdict_is_told_in_the_language_of_its_page():
    statement = statements.Statement("c29", "Text", "N1", "refuted", "attention/cross_attention.md")
    for where, said in (("notes/n1.md", "C29 refuted"), ("ko/notes/n1.md", "C29 반증")):
        link = statements.link("C29", {"c29": statement}, where)
        assert link.startswith(f"[{said}](")
        assert link.endswith('attention/cross_attention.md#c29){ .verdict data-verdict="refuted" }')
    waiting = statement._replace(verdict="", page="")
    assert ">C29 예정<" in statements.link("C29", {"c29": waiting}, "ko/notes/n1.md")
    assert ">C29 to come<" in statements.link("C29", {"c29": waiting}, "notes/n1.md")
    assert statements.link("M13", {}, "ko/notes/n1.md").startswith("[셀프 어텐션](")


def test_titles_in_another_language_than_their_page_say_so():
    heads = pytest.importorskip("heads")
    link = '<span class="md-ellipsis">\n {} </span>'
    for language, title, wanted in (
        ("en", "용어 대조표", ' lang="ko"'),
        ("en", "Masks", ""),
        ("ko", "Masks", ' lang="en"'),
        ("ko", "N2: RNN에서", ""),
    ):
        html = f'<html lang="{language}">{link.format(title)}<a title="Switch to dark mode"><div class="md-copyright">'
        made = heads.on_post_page(html, SimpleNamespace(meta={"lang": language}))
        assert f'<span{wanted} class="md-ellipsis">' in made
        assert ("Switch to" in made) == (language == "en")
        assert ('<div lang="en" class="md-copyright">' in made) == (language == "ko")


def test_what_the_site_s_settings_say_is_known_where_it_is_put_into_korean():
    heads = pytest.importorskip("heads")
    settings = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
    assert [label for label in heads.LABELS if label not in settings] == []
