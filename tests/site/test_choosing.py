"""The page Choosing has every mechanism and model, and each of its links leads to something that is there."""

import posixpath
import re
from pathlib import Path

import pytest

import attnref
from attnref import models

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "choosing.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in TEXT.splitlines() if line.startswith("| **")]
ADDRESS = re.compile(r"\]\((?P<to>[^)\s]+)\)")
ENTRY = re.compile(r"\]\[(?P<name>[\w.]+)\]")
NAMES = {f"attnref.{name}" for name in attnref.__all__} | {f"attnref.models.{name}" for name in models.__all__}
# What a call returns is no mechanism: it is chosen with the call.
LEFT_OUT = {
    "attnref.Beams",
    "attnref.DecoderWeights",
    "attnref.Generated",
    "attnref.TransformerWeights",
    "attnref.models.BERTScores",
    "attnref.models.DALLEScores",
    "attnref.models.HardScores",
    "attnref.models.MaskedTokens",
    "attnref.models.Reranked",
}


def anchors(page):
    """The anchors that a page writes out, those inside its snippets left out."""
    text = re.sub(r"^( *)(`{3,}).*?^\1\2\s*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return set(re.findall(r"\{[^{}\n]*#([\w-]+)[^{}\n]*\}", text))


def test_every_mechanism_and_model_is_on_the_page():
    assert LEFT_OUT < NAMES
    assert set(ENTRY.findall(TEXT)) == NAMES - LEFT_OUT


def test_an_entry_is_linked_by_its_own_name():
    for text, name in re.findall(r"\[`([^`]+)`\]\[([\w.]+)\]", TEXT):
        assert text == name.rpartition(".")[2]


def test_every_entry_is_in_the_reference():
    shown = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md"))
    assert [name for name in ENTRY.findall(TEXT) if f"\n::: {name}\n" not in shown] == []


@pytest.mark.parametrize("to", sorted({to for to in ADDRESS.findall(TEXT) if "//" not in to}))
def test_a_link_leads_to_a_page_and_to_an_anchor_of_it(to):
    page, _, anchor = to.partition("#")
    found = DOCS / posixpath.normpath(page) if page else PAGE
    assert found.is_file()
    assert not anchor or anchor in anchors(found)


def test_links_to_other_sites_are_safe_ones():
    assert [to for to in ADDRESS.findall(TEXT) if "//" in to and not to.startswith("https://")] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: re.sub(r"\W+", "-", row[0].partition("]")[0]).strip("-"))
def test_a_row_has_all_its_cells_and_each_has_a_link(row):
    assert len(row) in (2, 6)
    for cell in row[1:]:
        assert ADDRESS.search(cell) or ENTRY.search(cell) or cell == "none", cell
