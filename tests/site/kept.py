"""What the copies of a page depend on, as one key: copies that passed are not run again while nothing of it changes."""

import hashlib
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNS_THEM = (ROOT / "docs" / "_site", Path(__file__).resolve().parent, ROOT / "conftest.py")


def key(text: str) -> str:
    """Of the page's text, the package with its data, what slices and runs the copies, and all that is installed."""
    return hashlib.sha256(text.encode() + _surroundings()).hexdigest()


@cache
def _surroundings() -> bytes:
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(_files(ROOT / "attnref", *RUNS_THEM)):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    installed = sorted(f"{each.metadata['Name']}=={each.version}" for each in distributions())
    digest.update("\n".join(installed).encode())
    return digest.digest()


def _files(*roots: Path) -> Iterable[Path]:
    for root in roots:
        files = root.rglob("*") if root.is_dir() else [root]
        yield from (path for path in files if path.is_file() and not {"node_modules", "__pycache__"} & set(path.parts))
