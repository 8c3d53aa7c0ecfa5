"""Run the snippets of a page where attnref is installed: `python -m attnref.doctest attention/masks`.

Without a name it lists the pages. Each statement's output is compared with the one on the page; numbers are compared to
the digits that are written.
"""

import argparse
import ast
import importlib.util
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from attnref._pages import Snippet, run, snippets

HERE = Path(__file__).resolve().parent
DISTRIBUTIONS = {"sklearn": "scikit-learn"}  # where the name of a package is not the one it is imported by


def main(arguments: Sequence[str] | None = None) -> None:
    """List the pages or run some; exit with 1 where a page shows what is not so, with 2 where it cannot run."""
    parser = argparse.ArgumentParser(prog="python -m attnref.doctest", description="Run the snippets of pages.")
    parser.add_argument("page", nargs="*", help="as in the address of the page: attention/masks; or all")
    names = parser.parse_args(arguments).page
    found = pages()
    if not names:
        print(*(f"{name:<32} {len(held):>3} snippets" for name, held in found.items()), sep="\n")
        print("\npython -m attnref.doctest PAGE runs the snippets of one; all runs those of all.")
        return
    if unknown := [name for name in names if name not in found and name != "all"]:
        parser.error(f"there is no page {', '.join(unknown)}; python -m attnref.doctest lists them")
    wanted = list(found) if "all" in names else names
    os.environ.setdefault("MPLBACKEND", "Agg")  # snippets draw, nobody watches
    sys.exit(max(run_page(name, found[name]) for name in wanted))


def pages() -> dict[str, list[Snippet]]:
    """The pages that have snippets: those in the wheel, or in a checkout those of its docs."""
    folder = HERE / "pages" if (HERE / "pages").is_dir() else HERE.parent / "docs"
    found = {}
    for path in sorted(folder.rglob("*.md")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if not name.startswith("_") and (held := list(snippets(path.read_text(encoding="utf-8")))):
            found[name] = held
    return found


def run_page(name: str, held: Sequence[Snippet]) -> int:
    """Run the snippets of one page in one namespace, in order, and say how it went."""
    if missing := dict(missing_packages(held)):
        extras = ",".join(sorted({extra for extra in missing.values() if extra}))
        command = f"attnref[{extras}]" if extras else " ".join(missing)
        print(f"{name} needs {', '.join(missing)}, which is not installed: pip install '{command}'", file=sys.stderr)
        return 2
    start, namespace = time.perf_counter(), {"__name__": "__page__"}
    wrong = [report for snippet in held if (report := run(snippet, namespace, name))]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    result = f"{len(wrong)} of {len(held)} snippets differ" if wrong else f"{len(held)} snippets, all as shown"
    print(f"{name}: {result} ({time.perf_counter() - start:.1f} s)", flush=True)
    return 1 if wrong else 0


def missing_packages(held: Sequence[Snippet]) -> Iterator[tuple[str, str]]:
    """The packages that a page imports and that are not there, each with the extra of attnref that brings it."""
    extras = list(_extras())
    of_package = dict(reversed(extras))  # the first extra that brings it
    wanted: dict[str, str] = {}
    for module in imported(held):
        root, _, part = module.partition(".")
        if root == "attnref" and part in ("plot", "tasks"):  # of `interop` some functions need torch alone
            wanted |= {name: extra for name, extra in extras if extra == part and not _installed(name)}
        elif root != "attnref" and importlib.util.find_spec(root) is None:
            name = DISTRIBUTIONS.get(root, root)
            wanted[name] = of_package.get(name, "")
    yield from wanted.items()


def imported(held: Sequence[Snippet]) -> set[str]:
    """The modules that snippets import, and what they take from attnref itself."""
    found = set()
    for snippet in held:
        sources = [example.source for example in snippet.examples] or [snippet.code]
        for node in (node for source in sources for node in ast.walk(ast.parse(source))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = {f"attnref.{alias.name}" for alias in node.names} if node.module == "attnref" else set()
                found |= {".".join(node.module.split(".")[:2]), *names}
    return found


def _extras() -> Iterator[tuple[str, str]]:
    """Each package that an extra of attnref brings, with the extra."""
    try:
        needs = metadata.requires("attnref") or []
    except metadata.PackageNotFoundError:  # a folder on the path, not an installation
        needs = []
    for need in needs:
        if found := re.match(r"([\w.-]+).*extra == ['\"]([\w-]+)['\"]", need):
            yield found[1], found[2]


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()
