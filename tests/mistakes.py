"""Plants one deliberate mistake at a time in a copy of the package and shows which test catches it.

`python tests/mistakes.py` prints the table and exits 1 if a mistake survives; `python tests/mistakes.py masks gru`
takes only two files of tests/planted. The tree itself is never touched.
"""

import contextlib
import importlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
PRELOAD = ["hypothesis", "jaxtyping", "numpy", "torch", "torch.distributed.tensor", "torch.testing", "xdist.plugin"]


class Mistake(NamedTuple):
    """Text of a file that is replaced, everywhere it stands, and the tests that have to notice."""

    what: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]
    only: str  # pytest's -k


class First:
    """A plugin that remembers the first test that fails. Refusals run first: there are many, and they take no time."""

    test = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: item.get_closest_marker("refusal") is None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.test:
            self.test = report.nodeid.removeprefix("tests/")


def planted(stem: str) -> list[Mistake]:
    """The mistakes of one file of tests/planted; first none at all: tests that fail anyway catch nothing."""
    found = importlib.import_module(f"planted.{stem}")
    only = "not compiles" + (f" and ({found.ONLY})" if hasattr(found, "ONLY") else "")
    rows = [("", "", "", ""), *((what, file, *texts) for file, of in found.MISTAKES.items() for what, *texts in of)]
    return [Mistake(*row, tests=found.TESTS, only=only) for row in rows]


def caught_by(mistake: Mistake) -> str:
    """The first test that fails in a copy with the mistake, or nothing. Runs in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("attnref", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        if mistake.what:
            path = copy / "attnref" / mistake.file
            right = path.read_text(encoding="utf-8")
            if mistake.right not in right:
                raise LookupError(f"{mistake.what}: {mistake.file} no longer holds {mistake.right!r}")
            path.write_text(right.replace(mistake.right, mistake.wrong), encoding="utf-8")

        os.chdir(copy)
        sys.path.insert(0, str(copy))
        sys.dont_write_bytecode = True
        options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not interop", "--tb=short", "-k", mistake.only]
        options.append("--assert=plain")  # nothing is rewritten, so that it may be loaded before
        first = First()
        with open(copy / "said", "w", encoding="utf-8") as said, contextlib.redirect_stdout(said):
            code = pytest.main([*options, *(f"tests/{test}" for test in mistake.tests)], plugins=[first])
        text = (copy / "said").read_text(encoding="utf-8")
        os.chdir(ROOT)
    if code not in (0, 1) or (code == 1 and not first.test):
        raise RuntimeError(f"{mistake.what}: pytest broke off with {code}:\n{text}")
    where = getattr(sys.modules.get("attnref"), "__file__", "")
    if not str(where).startswith(folder):
        raise RuntimeError(f"{mistake.what}: the tests took attnref from {where}, not from the copy")
    return first.test


def main() -> int:
    """Plant, run, print: two at a time, each in a fresh process that has torch and pytest loaded already."""
    start, survivors = time.monotonic(), 0
    os.environ["OMP_NUM_THREADS"] = "1"
    stems = sys.argv[1:] or sorted(path.stem for path in (TESTS / "planted").glob("*.py"))
    mistakes = [mistake for stem in stems for mistake in planted(stem)]
    width = max(len(mistake.what) for mistake in mistakes)
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    if os.name == "posix":
        context.set_forkserver_preload(PRELOAD)
    print(f"{'mistake':{width}}  caught by")
    with context.Pool(os.cpu_count() or 1, maxtasksperchild=1) as pool:
        for mistake, test in zip(mistakes, pool.imap(caught_by, mistakes), strict=True):
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
