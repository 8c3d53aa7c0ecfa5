"""What a copy button gives is laid out for the prompt; the package's own code and its docstrings run alone too."""

import ast
import builtins
import contextlib
import dis
import io
import os
import types
from pathlib import Path

import kept
import pytest
from checks import differences
from fences import Snippet
from prompt import Prompts
from slices import copies, for_prompt

source = pytest.importorskip("hooks.source", reason="the site's own packages: the extra `docs`")
ROOT = Path(__file__).resolve().parents[2]
MARKS = sorted(
    {
        (name, first)
        for page in (ROOT / "docs").rglob("*.md")
        if "_site" not in page.parts
        for _, name, first in source.marks(page.read_text(encoding="utf-8"))
        if name
    }
)
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the copies run in forks of one process")


@pytest.fixture(scope="module")
def prompts():
    started = Prompts()
    yield started
    started.close()


def docstrings():
    """Every docstring of the package that shows a session."""
    for path in sorted((ROOT / "attnref").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and ">>> " in (text := ast.get_docstring(node) or ""):
                yield f"{path.relative_to(ROOT).as_posix()}:{node.name}", text


def test_the_code_in_the_tabs_runs_as_pasted(prompts):
    codes = [source.source(name, checks=not first) for name, first in MARKS]
    said = prompts.paste([[for_prompt(code)] for code in codes])
    wrong = {mark: answer for mark, (answer,) in zip(MARKS, said, strict=True) if answer}
    assert MARKS
    assert wrong == {}
    for (name, first), code in zip(MARKS, codes, strict=True):
        assert missing_names(code) == set(), f"{name}, {'first' if first else 'another'} tab"


def missing_names(code):
    """What the functions of the code look up, and do not find, when they are called."""
    namespace = {"__name__": "__main__"}
    exec(code, namespace)
    blocks, missing = [compile(code, "tab", "exec")], set()
    while blocks:
        block = blocks.pop()
        blocks += [const for const in block.co_consts if isinstance(const, types.CodeType)]
        missing |= {step.argval for step in dis.get_instructions(block) if step.opname == "LOAD_GLOBAL"}
    return missing - namespace.keys() - vars(builtins).keys()


@pytest.mark.parametrize("name", [name for name, first in MARKS if first])
def test_the_first_tab_holds_no_checks(name):
    short = source.source(name, checks=False)
    statements = [ast.unparse(node) for node in ast.walk(ast.parse(short)) if isinstance(node, ast.Expr)]
    assert [statement for statement in statements if "check" in statement.partition("(")[0]] == []
    assert (source.LEFT_OUT in short) == (short != source.source(name))


def test_code_that_sets_aside_what_is_not_finite_says_why_once_in_each_tab():
    mark, plain = (
        f"    <!-- source: attnref.attention.{name} -->" for name in ("luong.dot_attention", "masks.causal_mask")
    )
    page = f'=== "Function"\n\n{mark}\n\n{mark}\n\n=== "Fast"\n\n{mark}\n\n=== "Mask"\n\n{plain}\n'
    tabs = source.on_page_markdown(page).split("=== ")[1:]
    assert [tab.count("keep NaN and infinity behind a mask from spreading") for tab in tabs] == [1, 1, 0]
    assert "    `set_aside` and `spoil` keep" in tabs[0]


def test_the_examples_of_docstrings_run_as_pasted(prompts):
    found = [(name, copies([Snippet("pycon", 1, text)])[0]) for name, text in docstrings()]
    said = prompts.paste([copy.parts for _, copy in found])
    wrong = [f"{name}: {told}" for (name, copy), answer in zip(found, said, strict=True)
             if (told := differences(copy, answer))]  # fmt: skip
    assert found
    assert "\n".join(wrong) == ""


LAYOUTS = {
    "a block, and what follows it": "for i in range(2):\n    print(i)\nprint('after')\n",
    "blocks one after another": "def f():\n    return 1\ndef g():\n    return 2\nf() + g()\n",
    "a blank line within a block": "def f():\n    a = 1\n\n    return a\n\n\nf()\n",
    "methods apart": "class A:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 2\n\nA().g()\n",
    "decorators": "import functools\n@functools.cache\n\ndef f():\n    return 1\nf()\n",
    "if and else": "if False:\n    print(1)\nelif 0:\n    print(2)\n\nelse:\n    print(3)\n",
    "try": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    print('no')\n\nfinally:\n    print('end')\n",
    "a block on one line": "if True: print(1)\nprint(2)\n",
    "a blank line in a string": 'text = """a\n\nb"""\ntext\n',
    "a blank line in brackets": "x = [\n    1,\n\n    2,\n]\nx\n",
    "a docstring with blank lines": 'def f():\n    """One.\n\n    Two.\n    """\n    return f.__doc__\nf()\n',
    "a comment at the margin": "def f():\n    a = 1\n# here\n    return a\nf()\n",
    "comments alone": "# one\n\n# two\nprint(1)\n# three\n",
    "a backslash": "x = 1 + \\\n    2\nx\n",
    "two on a line": "a = 1; b = 2\na + b\n",
    "with, nested": "import io\nwith io.StringIO() as a:\n    for i in 'ab':\n        a.write(i)\n\n    a.tell()\n",
    "it ends in a block": "for i in range(2):\n    print(i)",
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_code_is_laid_out_for_the_prompt(name, prompts):
    code = LAYOUTS[name]
    laid_out = for_prompt(code)
    assert [line.rstrip() for line in laid_out.split("\n") if line.strip()] == [
        line.rstrip() for line in code.split("\n") if line.strip()
    ]
    assert ast.dump(ast.parse(laid_out)) == ast.dump(ast.parse(code))
    ((answers,),) = prompts.paste([[laid_out]])
    assert [answer.raised for answer in answers if answer.raised] == []
    namespace: dict = {}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        for node in ast.parse(code).body:
            exec(compile(ast.Interactive([node]), "page", "single"), namespace)
    assert "".join(answer.printed for answer in answers) == out.getvalue()


def test_copies_that_passed_are_run_again_when_anything_they_depend_on_has_changed(monkeypatch, tmp_path):
    file = tmp_path / "attnref" / "attention" / "masks.py"
    file.parent.mkdir(parents=True)
    monkeypatch.setattr(kept, "ROOT", tmp_path)
    monkeypatch.setattr(kept, "RUNS_THEM", (tmp_path / "conftest.py",))

    def key(text):
        kept._surroundings.cache_clear()
        return kept.key(text)

    keys = []
    for path, text in (
        (file, "a"),
        (file, "b"),
        (tmp_path / "attnref" / "data.csv", "1"),
        (tmp_path / "conftest.py", ""),
    ):
        path.write_text(text)
        keys += [key("page"), key("another page")]
    assert len(set(keys)) == len(keys)
    assert key("page") == keys[-2]
    monkeypatch.setattr(kept, "distributions", list)
    assert key("page") not in keys
    kept._surroundings.cache_clear()
