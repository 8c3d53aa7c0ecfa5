"""The snippets of a page, how they are found, run and compared, and the command that does so; with pages made here."""

import os
import re
import tomllib
from pathlib import Path

import pytest

from attnref import _pages, doctest
from attnref._pages import FLAGS, Checker, Snippet, only_snippets, run, snippets

ROOT = Path(__file__).resolve().parents[1]
PAGE = """\
# A page

```pycon
>>> a = 1
>>> a + 1
2
```

=== "A tab"

    ``` { .python .numbered }
    b = 2
      # deeper
  # less deep
    ```

~~~py title="c.py"
```
c = 3
~~~

````markdown
```python
not_code
```
````

`` ```python `` is a word.

```console
$ ls
```

```python3
d = 4
```

```python
never_closed
"""
FOUND = [
    ("pycon", 4, ">>> a = 1\n>>> a + 1\n2\n"),
    ("python", 12, "b = 2\n  # deeper\n# less deep\n"),
    ("py", 18, "```\nc = 3\n"),
    ("python3", 35, "d = 4\n"),
]
pytestmark = pytest.mark.plain  # snippets of its own making


def test_snippets_are_the_python_fences():
    assert [tuple(snippet) for snippet in snippets(PAGE)] == FOUND


def test_a_page_without_its_prose_has_the_same_snippets_on_the_same_lines():
    page = PAGE.replace("```\nc = 3\n", "c = 3\n").replace('~~~py title="c.py"', "```py").replace("~~~", "```")
    held = only_snippets(page)
    assert list(snippets(held)) == list(snippets(page))
    lines = held.split("\n")
    assert lines[:8] == ["", "", "```pycon", ">>> a = 1", ">>> a + 1", "2", "```", ""]
    assert lines[-4:] == ["```python3", "d = 4", "```", ""]
    assert "prose" not in held


def test_snippets_that_follow_each_other_keep_their_lines():
    page = "".join(f"```python\nx = {i}\n```\n" for i in range(5)).rstrip()
    assert only_snippets(page) == page + "\n"


def test_a_session_has_statements_and_a_fence_without_prompts_has_none():
    session, *others = snippets(PAGE)
    assert [(example.source, example.want, example.lineno) for example in session.examples] == [
        ("a = 1\n", "", 0),
        ("a + 1\n", "2\n", 1),
    ]
    assert [other.examples for other in others] == [[]] * 3


def test_snippets_share_a_namespace():
    namespace = {}
    assert run(Snippet("pycon", 1, ">>> a = 1\n"), namespace, "page") == ""
    assert run(Snippet("python", 5, "b = a + 1\n"), namespace, "page") == ""
    assert run(Snippet("pycon", 9, ">>> a + b\n3\n"), namespace, "page") == ""
    assert (namespace["a"], namespace["b"]) == (1, 2)


def test_each_statement_that_prints_something_else_is_told_with_its_line():
    wrong = run(Snippet("pycon", 4, ">>> 1 + 1\n3\n>>> 2 + 2\n4\n>>> if True:\n...     6\n7\n"), {}, "page")
    assert wrong.count("page:") == 2
    first, second = wrong.split("\npage:")
    assert first.startswith("page:4\n>>> 1 + 1\n")
    assert "Expected:\n    3\nGot:\n    2\n" in first
    assert second.startswith("8\n>>> if True:\n")


def test_an_error_of_a_fence_without_prompts_names_the_line_of_the_page():
    with pytest.raises(ZeroDivisionError) as raised:
        run(Snippet("python", 7, "a = 1\n1 / 0\n"), {}, "page")
    assert raised.traceback[-1].lineno + 1 == 8


@pytest.mark.parametrize(
    ("want", "got", "same"),
    [
        ("tensor([0.33, 1.])\n", "tensor([0.3349, 1.0000])\n", True),
        ("0.33\n", "0.36\n", False),
        ("0.33\n", "0.34\n", True),  # one in the last digit that is written
        ("0.33\n", "0.3401\n", False),
        ("3\n", "4\n", False),
        ("3.\n", "3.9\n", True),
        ("3.\n", "4.1\n", False),
        ("1.5e-05\n", "1.52e-05\n", True),
        ("1.5e-05\n", "1.8e-05\n", False),
        ("2e3\n", "2.4e3\n", True),
        ("2e3\n", "3.1e3\n", False),
        ("-0.5\n", "0.5\n", False),
        ("a ... c\n", "a b c\n", True),
        ("two numbers 1.0 2.0\n", "two numbers 1.0\n", False),
        ("0.33 and 0.5\n", "0.3349 and 0.9\n", False),
        ("ends  \nhere\n", "ends\nhere\n", True),
        ("here\n", "here\t \n", True),
        ("True\n", "1\n", False),
    ],
)
def test_numbers_are_compared_to_the_digits_that_are_written(want, got, same):
    assert Checker().check_output(want, got, FLAGS) is same


def test_numbers_are_compared_as_text_where_the_flag_is_off():
    assert not Checker().check_output("0.33\n", "0.3349\n", FLAGS & ~_pages.NUMBER)
    assert Checker().check_output("0.33\n", "0.33\n", 0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A package with pages, as in a wheel."""
    monkeypatch.setattr(doctest, "HERE", tmp_path / "attnref")
    folder = tmp_path / "attnref" / "pages"
    (folder / "part").mkdir(parents=True)
    (folder / "_draft.md").write_text("```pycon\n>>> 1\n2\n```\n")
    (folder / "empty.md").write_text("nothing\n")
    (folder / "part" / "right.md").write_text("```pycon\n>>> x = 1\n```\n\n```pycon\n>>> x\n1\n```\n")
    (folder / "wrong.md").write_text("```pycon\n>>> 1 + 1\n3\n```\n\n```pycon\n>>> 2\n2\n```\n")
    (folder / "lacks.md").write_text("```pycon\n>>> import nowhere\n```\n")
    return folder


def ended(*names):
    with pytest.raises(SystemExit) as end:
        doctest.main(names)
    return end.value.code


def test_without_a_name_the_pages_with_snippets_are_listed(folder, capsys):
    doctest.main([])
    assert capsys.readouterr().out == (
        f"{'lacks':<32}   1 snippets\n{'part/right':<32}   2 snippets\n{'wrong':<32}   2 snippets\n"
        "\npython -m attnref.doctest PAGE runs the snippets of one; all runs those of all.\n"
    )


def test_a_checkout_has_its_pages_in_docs(folder, tmp_path):
    folder.rename(tmp_path / "docs")
    assert list(doctest.pages()) == ["lacks", "part/right", "wrong"]


def test_a_page_that_is_right(folder, capsys, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)
    assert ended("part/right") == 0
    assert re.fullmatch(r"part/right: 2 snippets, all as shown \(\d\.\d s\)\n", capsys.readouterr().out)
    assert os.environ["MPLBACKEND"] == "Agg"


def test_a_page_that_shows_what_is_not_so_is_told_and_the_worst_page_decides(folder, capsys):
    assert ended("wrong", "part/right") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["wrong:2", ">>> 1 + 1"]
    assert re.fullmatch(r"wrong: 1 of 2 snippets differ \(\d\.\d s\)", lines[-2])
    assert lines[-1].startswith("part/right: 2 snippets, all as shown")
    assert ended("all") == 2
    told = capsys.readouterr()
    assert told.err == "lacks needs nowhere, which is not installed: pip install 'nowhere'\n"
    assert [line.split(":")[0] for line in told.out.splitlines() if "snippets" in line] == ["part/right", "wrong"]


def test_a_page_that_is_not_there_is_refused(folder, capsys):
    assert ended("part/right", "none", "nor/this") == 2
    assert "there is no page none, nor/this; python -m attnref.doctest lists them" in capsys.readouterr().err


def held(*sources):
    return [
        Snippet("pycon", 1, "".join(f">>> {source}\n" for source in sources)),
        Snippet("python", 9, "import json\n"),
    ]


def test_what_a_page_imports():
    sources = ("import os.path, torch", "from attnref.plot.styles import INK", "from attnref import plot, RNN", "1 + 1")
    found = {"os.path", "torch", "attnref.plot", "attnref", "attnref.RNN", "json"}
    assert doctest.imported(held(*sources)) == found
    assert doctest.imported(held(sources[1])) == {"attnref.plot", "json"}


@pytest.mark.parametrize(
    ("code", "missing", "command"),
    [
        ("from attnref import tasks", "tqdm", "attnref[tasks]"),
        ("import attnref.tasks", "tqdm", "attnref[tasks]"),
        ("import tqdm.auto", "tqdm", "attnref[tasks]"),
        ("import sklearn.svm", "scikit-learn", "scikit-learn"),
        ("import nowhere", "nowhere", "nowhere"),
        ("import nowhere, tqdm", "nowhere, tqdm", "attnref[tasks]"),
    ],
)
def test_a_page_names_the_packages_that_are_missing(code, missing, command, capsys, monkeypatch):
    monkeypatch.setattr(doctest, "_extras", lambda: [("matplotlib", "plot"), ("tqdm", "tasks"), ("babel", "tasks")])
    monkeypatch.setattr(doctest, "_installed", lambda name: name != "tqdm")
    monkeypatch.setattr(doctest.importlib.util, "find_spec", lambda name: name == "json" or None)
    assert doctest.run_page("page", held(code)) == 2
    told = re.fullmatch(r"page needs (.*), which is not installed: pip install '(.*)'\n", capsys.readouterr().err)
    assert (set(told[1].split(", ")), told[2]) == (set(missing.split(", ")), command)


def test_nothing_is_missing_where_all_is_installed():
    assert dict(doctest.missing_packages(held("import torch", "from attnref import plot, tasks, RNN"))) == {}


def test_the_extras_are_those_of_the_metadata():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = {(re.match(r"[\w.-]+", need)[0], extra) for extra, needs in extras.items() for need in needs}
    assert set(doctest._extras()) == wanted


def test_a_folder_on_the_path_has_no_extras(monkeypatch):
    def none(name):
        raise doctest.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctest.metadata, "requires", none)
    assert list(doctest._extras()) == []
    monkeypatch.setattr(doctest.metadata, "version", none)
    assert not doctest._installed("torch")


def test_what_is_installed():
    assert doctest._installed("torch")
    assert not doctest._installed("no-such-distribution")
