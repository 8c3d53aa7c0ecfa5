"""What runs the tests, tested: the table of times, the choice of mistakes to plant, the places of random ones."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mistakes
import mutants
import parts
import pytest

ROOT = Path(__file__).resolve().parents[1]
APART = {name: value for name, value in os.environ.items() if name != parts.LOG}  # from a run that this one is part of
needs_git = pytest.mark.skipif(not shutil.which("git"), reason="needs git")


@pytest.mark.skipif(os.name != "posix" or not shutil.which("make"), reason="needs make")
def test_parts_are_timed_with_those_inside_them_and_the_first_that_fails_ends_the_run(tmp_path):
    script = ROOT / "tests" / "parts.py"
    inner = f'\t@{sys.executable} {script} "make outer" "$(MAKE)" first second\n'
    (tmp_path / "Makefile").write_text(f"outer:\n{inner}first:\n\t@sleep 1\nsecond:\n\t@true\nwrong:\n\t@exit 3\n")
    command = [sys.executable, script, "all", "make", "outer", "wrong", "second"]
    done = subprocess.run(command, cwd=tmp_path, env=APART, capture_output=True, text=True)
    table = done.stdout.split("what each part took\n")[-1].splitlines()
    assert [line.split("  ")[1 + line.startswith("    ")] for line in table[:-2]] == [
        "outer",
        "first",
        "second",
        "wrong",
    ]
    assert [line.startswith("    ") for line in table[:4]] == [False, True, True, False]
    assert table[1].endswith("1 s")
    assert table[-1] == "wrong failed"
    assert done.returncode == 2  # make's own


@pytest.mark.skipif(os.name != "posix" or not shutil.which("make"), reason="needs make")
def test_parts_with_a_plus_between_them_run_side_by_side_and_speak_one_after_the_other(tmp_path):
    meet = "\t@touch {0}; for i in $$(seq 100); do test -f {1} && break; sleep 0.1; done; test -f {1} && echo {0} met\n"
    rules = f"one:\n{meet.format('one.txt', 'two.txt')}two:\n{meet.format('two.txt', 'one.txt')}\t@exit 4\n"
    (tmp_path / "Makefile").write_text(f"{rules}three:\n\t@true\n")
    command = [sys.executable, ROOT / "tests" / "parts.py", "all", "make", "one+two", "three"]
    done = subprocess.run(command, cwd=tmp_path, env=APART, capture_output=True, text=True)
    said = done.stdout.splitlines()
    assert said[:4] == ["== one, and beside it two", "one.txt met", "== two", "two.txt met"]
    assert said[-1] == "two failed"
    assert not any("three" in line for line in said)
    assert done.returncode == 2


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s")])
def test_times_are_said_as_people_say_them(seconds, said):
    assert parts.spent(seconds) == said


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A history of three commits: long ago, an hour ago, now; each changes one file."""
    monkeypatch.setattr(mistakes, "ROOT", tmp_path)

    def git(*command, at=0):
        stamp = f"{1_700_000_000 + at} +0000"
        who = {f"GIT_{role}_{what}": "x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        dates = {"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp}
        environment = os.environ | who | dates
        subprocess.run(["git", *command], cwd=tmp_path, env=environment, check=True, capture_output=True)

    def commit(file, at):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(at))
        git("add", "-A")
        git("commit", "-m", file, at=at)

    git("init", "-b", "main")
    commit("attnref/sequence/lstm.py", -10 * mistakes.DAY)
    commit("attnref/sequence/gru.py", -3600)
    commit("README.md", 0)
    return git, tmp_path


STEMS = ["gru", "lstm", "masks", "rnn"]


@needs_git
def test_mistakes_are_planted_where_the_last_day_has_changed_something(repository):
    assert mistakes.chosen(STEMS, "") == ["gru", "masks"]  # masks: always


@needs_git
def test_mistakes_are_planted_where_a_branch_has_changed_something(repository):
    git, _ = repository
    git("update-ref", "refs/remotes/origin/main", "HEAD^")
    assert mistakes.chosen(STEMS, "") == ["masks"]
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    assert mistakes.chosen(STEMS, "") == ["gru", "masks"]


@needs_git
def test_mistakes_are_planted_where_something_has_changed_since_a_commit(repository):
    assert mistakes.chosen(STEMS, "HEAD") == ["masks"]
    assert mistakes.chosen(STEMS, "HEAD^^") == ["gru", "masks"]


@needs_git
@pytest.mark.parametrize(
    "file",
    ["tests/planted/rnn.py", "tests/sequence/test_rnn.py", "attnref/oracle/rnn.py", "attnref/fast/rnn.py"],
)
def test_a_stem_is_more_than_its_code_and_what_is_not_committed_counts(repository, file):
    _, folder = repository
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).touch()
    assert mistakes.chosen(STEMS, "HEAD") == ["masks", "rnn"]


@needs_git
def test_all_mistakes_are_planted_where_nothing_tells_what_has_changed(repository, tmp_path, monkeypatch):
    assert mistakes.chosen(STEMS, "0" * 40) == STEMS
    monkeypatch.setattr(mistakes, "ROOT", tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert mistakes.chosen(STEMS, "") == STEMS


CODE = '''"""A docstring with 1 + 1."""
import a
N = 3  # 1 + 1
def f(x: "n 4", y=True) -> "n 5":
    """Another, 1 < 2."""
    if not x < -N and y is not None:
        raise ValueError("1 + 1", 7)
    x += x.sum(dim=(-1)) if y else max(x)
    return f"{x + 1}"
'''
WRONG = [
    "3 -> 4", "3 -> 2", "True -> False", "and -> or", "not  -> ", "< -> <=", "- -> ", "is not -> is", "+= -> -=",
    " -> not ", "sum -> mean", "- -> ", "1 -> 2", "1 -> 0", "max -> min",
]  # fmt: skip


def test_random_mistakes_fall_on_code_alone(tmp_path):
    path = tmp_path / "code.py"
    path.write_text(CODE)
    found = list(mutants.Places(path))
    assert sorted(f"{right} -> {wrong}" for _, _, right, wrong in found) == sorted(WRONG)
    for line, start, right, wrong in found:
        assert CODE[start:].startswith(right)
        assert CODE[:start].count("\n") + 1 == line
        ast.parse(CODE[:start] + wrong + CODE[start + len(right) :])


def test_a_random_mistake_meets_the_tests_of_its_file_first():
    (mutant,) = mutants.draw(1, 0, "attention/masks.py")
    assert mutant.tests[0] == "tests/attention/test_masks.py"
    assert "tests/attention/test_attend.py" in mutant.tests
    assert "tests/sequence/test_gru.py" not in mutant.tests
    *soon, own = [test for test in mutant.tests if "ways_of_torch" not in test]
    assert own == "attnref/attention/masks.py"  # its doctests
    assert all("ways_of_torch" in test for test in mutant.tests[len(soon) + 1 :])
