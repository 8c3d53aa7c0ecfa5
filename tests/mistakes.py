"""Plants one deliberate mistake at a time in a copy of the package and shows which test catches it.

`python tests/mistakes.py` takes the files of tests/planted whose code, tests or mistakes have changed: since
`--since COMMIT`; else since this branch left origin/main; else in the day before the newest commit. `--all` takes
every file, and `python tests/mistakes.py masks gru` these two. Tests against another library (the mark `interop`)
are run where the file says INTEROP = True. Prints the table, and exits 1 if a mistake survives.
"""

import argparse
import importlib
import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from planting import ROOT, TESTS, each, outcome

SAMPLE = {"masks"}  # taken whatever has changed: the planting itself has to work
SHARED = ("tests/conftest.py", "tests/laws.py", "constraints.txt")  # what all tests stand on
DAY = 24 * 60 * 60
OTHERS = [
    f"transformers.models.{name}.modeling_{name}" for name in ("bert", "gpt2", "mamba", "marian", "resnet", "vit")
]


class Mistake(NamedTuple):
    """Text of a file that is replaced, everywhere it stands, and the tests that have to notice."""

    what: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]
    only: str  # pytest's -k
    marked: str = "not interop"  # pytest's -m

    def __call__(self, package: Path) -> None:
        """Make the mistake in a copy of the package."""
        if self.what:
            path = package / self.file
            right = path.read_text(encoding="utf-8")
            if self.right not in right:
                raise LookupError(f"{self.what}: {self.file} no longer holds {self.right!r}")
            path.write_text(right.replace(self.right, self.wrong), encoding="utf-8")


def planted(stem: str) -> list[Mistake]:
    """The mistakes of one file of tests/planted; first none at all: tests that fail anyway catch nothing."""
    found = importlib.import_module(f"planted.{stem}")
    only = "not compiles" + (f" and ({found.ONLY})" if hasattr(found, "ONLY") else "")
    rows = [("", "", "", ""), *((what, file, *texts) for file, of in found.MISTAKES.items() for what, *texts in of)]
    marked = "" if needs_others(stem) else "not interop"
    return [Mistake(*row, tests=found.TESTS, only=only, marked=marked) for row in rows]


def needs_others(stem: str) -> bool:
    """Whether the mistakes of a stem are caught by the tests against another library alone."""
    return getattr(importlib.import_module(f"planted.{stem}"), "INTEROP", False)


def caught_by(mistake: Mistake) -> str:
    """The first test that fails in a copy with the mistake, or nothing. Runs in a process of its own."""
    tests = (f"tests/{test}" for test in mistake.tests)
    code, test, said = outcome(mistake, ["-m", mistake.marked, "-k", mistake.only, *tests])
    if code not in (0, 1) or (code == 1 and not test):
        raise RuntimeError(f"{mistake.what}: pytest broke off with {code}:\n{said}")
    return test


def git(*command: str) -> str:
    done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def base() -> str:
    """The commit to compare with where none is named; nothing where there is no history to tell."""
    head, left = git("rev-parse", "HEAD"), git("merge-base", "HEAD", "origin/main")
    if left and left != head:
        return left
    newest = git("show", "--no-patch", "--format=%ct", "HEAD")
    return git("rev-list", "-1", f"--before={int(newest) - DAY}", "HEAD") if newest else ""


def changed_since(commit: str) -> set[str]:
    """The files that differ from a commit, with those that are not committed yet."""
    return {
        *git("diff", "--name-only", commit).split("\n"),
        *git("ls-files", "--others", "--exclude-standard").split("\n"),
    }


def concerns(stem: str) -> set[str]:
    """The files on which it depends whether the mistakes of a stem are caught."""
    found = importlib.import_module(f"planted.{stem}")
    versions = (f"attnref/{room}/{stem}.py" for room in ("oracle", "fast"))
    code, tests = (f"attnref/{file}" for file in found.MISTAKES), (f"tests/{test}" for test in found.TESTS)
    return {f"tests/planted/{stem}.py", *versions, *code, *tests, *SHARED}


def chosen(stems: list[str], since: str) -> list[str]:
    """Those of these stems that a change concerns; all of them where it is not known what has changed."""
    commit = git("rev-parse", "--verify", f"{since}^{{commit}}") if since else base()
    if not commit:
        print(f"{f'There is no commit {since}' if since else 'There is no history'}, so every mistake is planted.")
        return stems
    changed = changed_since(commit)
    kept = [stem for stem in stems if stem in SAMPLE or concerns(stem) & changed]
    print(f"Changed since {git('show', '--no-patch', '--format=%h, %ci', commit)}: {', '.join(kept)} of {len(stems)}.")
    return kept


def main() -> int:
    """Choose, plant, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stems", nargs="*", help="files of tests/planted")
    parser.add_argument("--all", action="store_true", help="every file of tests/planted")
    parser.add_argument("--since", default="", metavar="COMMIT", help="what has changed since this commit")
    given = parser.parse_args()
    start, survivors = time.monotonic(), 0
    every = sorted(path.stem for path in (TESTS / "planted").glob("*.py"))
    stems = given.stems or (every if given.all else chosen(every, given.since))
    if left := [stem for stem in stems if needs_others(stem) and not importlib.util.find_spec("transformers")]:
        print(f"Without transformers, which is not installed, nothing catches the mistakes of {', '.join(left)}.")
        stems = [stem for stem in stems if stem not in left]
    mistakes = [mistake for stem in stems for mistake in planted(stem)]
    width = max(len(mistake.what) for mistake in mistakes)
    print(f"{'mistake':{width}}  caught by")
    preload = OTHERS if any(map(needs_others, stems)) else []
    for mistake, test in zip(mistakes, each(caught_by, mistakes, preload), strict=True):
        if not mistake.what:
            if test:
                print(f"With nothing planted, {test} fails. Mend that first.")
                return 1
            continue
        survivors += not test
        print(f"{mistake.what:{width}}  {test or 'NOTHING: it survives'}", flush=True)
    count = sum(bool(mistake.what) for mistake in mistakes)
    print(f"{count - survivors} of {count} caught in {time.monotonic() - start:.0f} s.")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
