"""Say whether the tree is the release that a tag names: `python tests/release.py v0.1.0`. Needs nothing but Python.

The version stands in the package, in the changelog, in the file for those who cite and on the page that shows it; the
day of the release stands in two of them.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Where the version is, and where the day is, as the first group of each.
VERSION = {
    "attnref/__init__.py": r'^__version__ = "(.+)"$',
    "CHANGELOG.md": r"^## (\S+) \(.+\)$",
    "CITATION.cff": r"^version: (\S+)$",
    "docs/install.md": r"^  version = \{(.+)\},?$",
}
DAY = {
    "CHANGELOG.md": r"^## \S+ \((\d{4}-\d\d-\d\d)\)$",
    "CITATION.cff": r'^date-released: "(\d{4}-\d\d-\d\d)"$',
}


def found(where: dict[str, str], root: Path = ROOT) -> dict[str, str]:
    """What each file says, where it says it first; nothing where it does not."""
    said = {}
    for file, pattern in where.items():
        match = re.search(pattern, (root / file).read_text(encoding="utf-8"), re.MULTILINE)
        said[file] = match[1] if match else ""
    return said


def missing(tag: str, root: Path = ROOT) -> list[str]:
    """What must be changed before this tag may be set."""
    newest = re.search(r"^## .*$", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    wrong = [f"{file} says version {said!r}" for file, said in found(VERSION, root).items() if f"v{said}" != tag]
    days = found(DAY, root)
    if newest and days["CHANGELOG.md"] not in newest[0]:  # the day of an older release
        days["CHANGELOG.md"] = ""
    wrong += [f"{file} says no day of release" for file, day in days.items() if not day]
    if not wrong and len(set(days.values())) > 1:
        wrong.append(f"the days differ: {days}")
    return wrong


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/release.py vX.Y.Z")
    if wrong := missing(sys.argv[1]):
        sys.exit(f"this is not yet {sys.argv[1]}:\n  " + "\n  ".join(wrong))
    print(f"this is {sys.argv[1]}, of {found(DAY)['CHANGELOG.md']}")
