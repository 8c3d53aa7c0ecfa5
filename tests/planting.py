"""Try tests on a copy of the package with one change: shared by mistakes.py and mutants.py. The tree is never touched.

Each try is a fresh process, forked from one that has torch and pytest loaded already; as many at a time as there are
cores.
"""

import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
PRELOAD = ["hypothesis", "jaxtyping", "numpy", "torch", "torch.distributed.tensor", "torch.testing", "xdist.plugin"]
MEMORY = 8 * 2**30  # a change can make a size explode
Job, Result = TypeVar("Job"), TypeVar("Result")


class Outcome(NamedTuple):
    """What pytest came back with, the first test that failed, and all that was said."""

    code: int
    test: str
    said: str


class First:
    """A plugin that remembers the first test that fails, or the file whose tests cannot even be collected.

    What is quick runs first: refusals; compilation comes last.
    """

    def __init__(self) -> None:
        self.test = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: ("compile" in item.name) - (item.get_closest_marker("refusal") is not None))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._remember(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._remember(report)

    def _remember(self, report: pytest.CollectReport | pytest.TestReport) -> None:
        if report.failed and not self.test:
            self.test = report.nodeid.removeprefix("tests/")


class OutOfTime(BaseException):
    """A test ran past the limit, which is not for the code under test to catch."""


def outcome(change: Callable[[Path], None], arguments: Iterable[str], limit: int = 0) -> Outcome:
    """Change a copy of the package and run pytest in it. The process is spent: it has loaded the copy."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("attnref", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        change(copy / "attnref")

        os.chdir(copy)
        sys.path.insert(0, folder)
        sys.dont_write_bytecode = True
        # Nothing is rewritten for assertions, so that modules may be loaded before.
        options = ["-x", "-q", "-p", "no:cacheprovider", "--tb=short", "--assert=plain", "-m", "not interop"]
        first = First()
        with open("said", "w", encoding="utf-8") as said, contextlib.redirect_stdout(said), _bounds(limit):
            try:
                code = int(pytest.main([*options, *arguments], plugins=[first]))
            except OutOfTime:
                code, first.test = 1, first.test or f"(more than {limit} s)"
        text = Path("said").read_text(encoding="utf-8")
        os.chdir(ROOT)
    where = str(getattr(sys.modules.get("attnref"), "__file__", folder))
    if not where.startswith(folder):
        raise RuntimeError(f"the tests took attnref from {where}, not from the copy")
    return Outcome(code, first.test, text)


@contextlib.contextmanager
def _bounds(seconds: int) -> Iterator[None]:
    """Hold the process to this time of the processor, and to a bounded memory; 0 for neither."""

    def stop(*_: Any) -> None:
        raise OutOfTime

    if not seconds or os.name != "posix":
        yield
        return
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # Of the processor, so that a loaded machine counts no slow test as a failure; by the clock only what sleeps.
    for alarm, timer, limit in (
        (signal.SIGPROF, signal.ITIMER_PROF, seconds),
        (signal.SIGALRM, signal.ITIMER_REAL, 8 * seconds),
    ):
        signal.signal(alarm, stop)
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def each(function: Callable[[Job], Result], jobs: list[Job], preload: Sequence[str] = ()) -> Iterator[Result]:
    """Run the jobs, each in a process of its own, and give the results in their order."""
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    if os.name == "posix":
        context.set_forkserver_preload([*PRELOAD, *preload])
    with context.Pool(os.cpu_count() or 1, maxtasksperchild=1) as pool:
        yield from pool.imap(function, jobs)
