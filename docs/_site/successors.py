"""Build the site with ProperDocs, a fork of MkDocs, and compare its pages with those of site/: `make successors`."""

import os
import subprocess
import sys
from pathlib import Path

from sources import ROOT

FOLDER = ROOT / ".cache" / "successors"


def pages(site: Path) -> set[str]:
    """The pages of a built site."""
    return {path.relative_to(site).as_posix() for path in site.rglob("*.html")}


def build(name: str, *arguments: str, needs: tuple[str, ...] = ()) -> int:
    """Fetch a program into a folder of its own, beside what is installed, and build with it."""
    home = FOLDER / name
    pip = ("pip", "install", "--quiet", "--upgrade", "--target", str(home), name, *needs)
    subprocess.run([sys.executable, "-m", *pip], check=True)
    environment = os.environ | {"PYTHONPATH": str(home)}
    return subprocess.run([sys.executable, "-m", name, "build", *arguments], cwd=ROOT, env=environment).returncode


def differences(site: Path) -> list[str]:
    """What one site has more and less than the one of MkDocs."""
    wanted, found = pages(ROOT / "site"), pages(site)
    return [*(f"- {page}" for page in sorted(wanted - found)), *(f"+ {page}" for page in sorted(found - wanted))]


def main() -> int:
    """Fail where ProperDocs does not do what MkDocs does."""
    site = FOLDER / "site"
    failed = build("properdocs", "-f", "mkdocs.yml", "--strict", "-d", str(site), needs=("--no-deps",))
    told = differences(site)
    print("ProperDocs:", "does not build" if failed else "builds", *(told or ["the same pages"]), sep="\n  ")
    return 1 if failed or told else 0


if __name__ == "__main__":
    sys.exit(main())
