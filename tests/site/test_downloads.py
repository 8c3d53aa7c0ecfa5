"""A page as a notebook and as a script, and its snippets where only the wheel is."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import scripts
from fences import FLAGS, Checker, only_snippets, snippets
from slices import statements

from attnref import doctest

nbformat = pytest.importorskip("nbformat", reason="the extra `docs`")
ROOT = Path(__file__).resolve().parents[2]
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in doctest.pages()}
RUN = list(PAGES) if os.environ.get("ATTNREF_ALL_SCRIPTS") else ["attention/masks", "glossary"]
each_page = pytest.mark.parametrize("name", PAGES)


def shown(name):
    """What the page shows under each statement, as a script prints it."""
    for snippet in snippets(PAGES[name]):
        for statement in statements(snippet):
            yield statement.raises or statement.want


def code_of(text):
    return ast.dump(ast.parse(text))


@each_page
def test_the_notebook_holds_the_statements_of_the_page_and_their_outputs(name):
    made = nbformat.reads(scripts.notebook(PAGES[name]), as_version=4)
    nbformat.validate(made)
    cells = [cell for cell in made.cells if cell.cell_type == "code"]
    page = [statement for snippet in snippets(PAGES[name]) for statement in statements(snippet)]
    assert code_of("\n".join(cell.source for cell in cells)) == code_of("".join(statement.code for statement in page))
    outputs = ["".join(o.get("text") or o["data"]["text/plain"] for o in cell.outputs) for cell in cells]
    assert [o.rstrip("\n") for o in outputs if o] == [s.want.rstrip("\n") for s in page if s.want and not s.raises]
    raising = [cell for cell in cells if "raises-exception" in cell.metadata.get("tags", [])]
    assert len(raising) == len([statement for statement in page if statement.raises])


@each_page
def test_the_script_holds_the_statements_of_the_page(name):
    """In order; a value that the page shows is printed, an error that it shows is caught."""
    page = [statement for snippet in snippets(PAGES[name]) for statement in statements(snippet)]
    written = ast.parse(scripts.script(PAGES[name])).body
    wanted = [node for statement in page for node in ast.parse(scripts.printing(statement)).body]
    assert [ast.dump(node) for node in written] == [ast.dump(node) for node in wanted]
    for statement in page:
        inside = ast.unparse(ast.parse(statement.code).body[-1])
        printed = scripts.printing(statement)
        value_shown = statement.shows and statement.quiet != statement.code
        assert (printed != statement.code) == bool(statement.raises or value_shown)
        assert inside in ast.unparse(ast.parse(printed)) or "\n" in inside, "the statement itself is left as it is"


@each_page
@pytest.mark.parametrize("make", [scripts.script, scripts.notebook])
def test_the_text_has_no_traces_of_the_site(name, make):
    text = make(PAGES[name])
    for trace in ("<figure", "<div", "{ #", "!!! ", "<!--", "--8<--", "](../", ".md)", "svg"):
        assert trace not in text, trace


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_the_script_prints_what_the_page_shows(name, tmp_path):
    path = tmp_path / "page.py"
    path.write_text(scripts.script(PAGES[name]), encoding="utf-8")
    environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    want = "".join(text if text.endswith("\n") else f"{text}\n" for text in shown(name) if text)
    assert Checker().check_output(want, done.stdout, FLAGS), done.stdout


def test_links_lead_to_the_site_where_its_address_is_known():
    text = "See [masks](masks.md#padding), [the API][attnref.LSTM] and [a paper](https://arxiv.org/abs/1)."
    assert scripts.text(text) == "See masks, the API and [a paper](https://arxiv.org/abs/1)."
    assert scripts.text(text, "https://here/attention/").startswith(
        "See [masks](https://here/attention/masks/#padding)"
    )
    assert scripts.text("[home](../index.md)", "https://here/attention/") == "[home](https://here/)"


@each_page
def test_what_the_wheel_holds_of_a_page_is_its_snippets_on_their_lines(name):
    held = only_snippets(PAGES[name])
    assert list(snippets(held)) == list(snippets(PAGES[name]))
    assert len(held) < len(PAGES[name])


def test_the_snippets_of_a_page_run_by_one_line(capsys):
    with pytest.raises(SystemExit) as ended:
        doctest.main(["index"])
    assert ended.value.code == 0
    assert re.fullmatch(r"index: 2 snippets, all as shown \([\d.]+ s\)\n", capsys.readouterr().out)


def test_without_a_name_the_pages_are_listed(capsys):
    doctest.main([])
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed if line.endswith(" snippets")] == list(PAGES)


@pytest.mark.parametrize("address", ["", "https://host/them/attnref"])
def test_pages_link_to_their_source_where_the_repository_is_known(address, monkeypatch):
    load_config = pytest.importorskip("mkdocs.config").load_config
    files, pages = pytest.importorskip("mkdocs.structure.files"), pytest.importorskip("mkdocs.structure.pages")
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("REPO_URL", address)
    monkeypatch.setenv("EDIT_URI", address and "edit/main/docs/")
    config = load_config("mkdocs.yml")
    page = pages.Page(None, files.File("attention/masks.md", config.docs_dir, config.site_dir, True), config)
    assert page.edit_url == ((address and f"{address}/edit/main/docs/attention/masks.md") or None)
    assert "content.action.edit" in config.theme["features"]


@pytest.mark.parametrize(
    ("source", "language", "said"),
    [
        ("attention/masks.md", None, "This page as a [notebook](../downloads/attention/masks.ipynb){ download }"),
        ("ko/register.md", "ko", "이 페이지를 [노트북](../downloads/ko/register.ipynb){ download }"),
    ],
)
def test_a_page_says_in_its_language_how_to_take_it_along(source, language, said):
    downloads = pytest.importorskip("downloads")
    page = SimpleNamespace(file=SimpleNamespace(src_uri=source), meta={"lang": language} if language else {})
    text = downloads.on_page_markdown("Text.", page, SimpleNamespace(get_file_from_path=lambda _: True))
    assert text.startswith("Text.\n\n<div")
    assert said in text
    assert f"`python -m attnref.doctest {source.removesuffix('.md')}`" in text
