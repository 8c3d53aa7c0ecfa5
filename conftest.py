"""Pages are tests: each Python fence of a page is one test, and what its copy button gives is another.

The fences of a page share one namespace, in order. A `pycon` fence is a session: every statement's output must be the
one shown. A `python` fence must run. What is copied runs alone, at a prompt that has seen nothing else.
"""

import gc
import os
import re
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from fences import Snippet, run, snippets

os.environ.setdefault("MPLBACKEND", "Agg")  # snippets draw, nobody watches

ROOT = Path(__file__).resolve().parent
ALONE = hasattr(os, "fork")  # the copies run in forks of one process


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "Page | None":
    """Pages below docs, and the two that stand above it."""
    page = file_path.suffix == ".md" and (
        file_path.name in ("README.md", "CONTRIBUTING.md") or (ROOT / "docs") in file_path.parents
    )
    return Page.from_parent(parent, path=file_path) if page else None


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the process that the copies ran in."""
    if prompts := config.stash.get(PROMPTS, None):
        prompts.close()


PROMPTS = pytest.StashKey[Any]()


class Page(pytest.File):
    """One page."""

    def collect(self) -> Iterator[pytest.Item]:
        """A test for each fence in its turn, and one for each copy."""
        found = list(snippets(self.path.read_text(encoding="utf-8")))
        self.namespace: dict[str, Any] = {"__name__": "__page__"}
        for snippet in found:
            self._refuse(snippet)
            yield InTurn.from_parent(self, name=f"line {snippet.line}", snippet=snippet)
        for number, snippet in enumerate(found if ALONE else ()):
            yield Alone.from_parent(self, name=f"line {snippet.line}, copied", snippet=snippet, number=number)
        self.found: list[Snippet] = found
        self.wrong: list[str] | None = None

    def teardown(self) -> None:
        """What a page has made is not held while the next one runs."""
        self.namespace.clear()
        gc.collect()

    def _refuse(self, snippet: Snippet) -> None:
        """Refuse what no one would run."""
        where = f"{self.path}:{snippet.line}"
        if snippet.language not in ("pycon", "python"):
            raise self.CollectError(f"{where}: write `pycon` or `python`, not `{snippet.language}`.")
        prompts = any(line.startswith(">>>") for line in snippet.code.splitlines())
        if prompts != (snippet.language == "pycon"):
            raise self.CollectError(f"{where}: a `pycon` fence has >>> prompts, a `python` fence has none.")

    def difference(self, number: int) -> str:
        """What is wrong with one of the page's copies. All of them are run at once, the first time.

        Those that were right stay so while nothing they depend on changes; CI, and `--cache-clear`, run all.
        """
        from kept import key

        if self.wrong is None:
            name, now = f"copies/{self.nodeid}", key(self.path.read_text(encoding="utf-8"))
            kept = self.config.cache.get(name, None) if self.config.cache and not os.environ.get("CI") else None
            self.wrong = [""] * len(self.found) if kept == now else self._run_copies()
            if self.config.cache and not any(self.wrong):
                self.config.cache.set(name, now)
        return self.wrong[number]

    def _run_copies(self) -> list[str]:
        from checks import differences
        from prompt import Prompts
        from slices import copies

        prompts = self.config.stash.setdefault(PROMPTS, None) or Prompts()
        self.config.stash[PROMPTS] = prompts
        made = copies(self.found)
        wrong = []
        for copy, said in zip(made, prompts.paste([copy.parts for copy in made]), strict=True):
            difference = differences(copy, said)
            wrong.append(difference and f"{copy.text}\n\n{difference}")
        return wrong


class Fence(pytest.Item):
    """A test of one fence."""

    def __init__(self, *, snippet: Snippet, number: int = 0, **given: Any) -> None:
        super().__init__(**given)
        self.snippet, self.number = snippet, number

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it stands."""
        return self.path, self.snippet.line - 1, self.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What is wrong with it, without the lines of the test."""
        return str(excinfo.value) if isinstance(excinfo.value, Wrong) else super().repr_failure(excinfo, style)


class Wrong(Exception):
    """A page that shows what is not so."""


class InTurn(Fence):
    """The fence runs after those before it."""

    parent: Page

    def runtest(self) -> None:
        """Run it in the page's namespace."""
        if wrong := run(self.snippet, self.parent.namespace, str(self.path)):
            raise Wrong(wrong)


class Alone(Fence):
    """What the copy button gives runs by itself."""

    parent: Page

    def runtest(self) -> None:
        """Compare what the prompt said with the page."""
        if wrong := self.parent.difference(self.number):
            raise Wrong(wrong)


PLAIN = re.compile(r"compile|export")  # what torch makes of the code itself, not of the code with its shapes enforced
MOST_MEMORY = 5 * 2**28  # bytes: a machine with 8 GB runs the tests in four processes and has room for the rest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark snippets of pages, what has to run without enforced shapes, and what takes long."""
    for item in items:
        if item.path.suffix == ".md":
            item.add_marker("page")
        elif PLAIN.search(item.name):
            item.add_marker("plain")
            item.add_marker("slow")
        elif item.get_closest_marker("refusal"):
            item.add_marker("plain")


def peak_memory() -> int:
    """The most memory that this process has held so far, in bytes; 0 where the system does not say."""
    torch = sys.modules.get("torch")
    if sys.platform == "win32" or (torch and torch.version.cuda):  # CUDA's libraries alone are past any limit
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail the test that takes its process past the limit."""
    before = peak_memory()
    yield
    if before <= MOST_MEMORY < (after := peak_memory()):
        grown = f"from {before / 1e9:.2f} to {after / 1e9:.2f} GB"
        pytest.fail(f"This takes the process {grown}; the limit is {MOST_MEMORY / 1e9:.2f}.")
