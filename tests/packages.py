"""Build the source archive, and the wheel from it; look inside both; try each where nothing else of the checkout is.

The wheel is installed into an environment of its own, where its docstrings run. The archive builds its site and runs
tests in the environment that runs this; figures and notebooks that the checkout has drawn are not drawn again, since
they are keyed by code that has to be the same.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ["interop", "plot", "tasks"]
# Made by set-up and by the build of the site, which takes minutes to make them again.
MADE = ("docs/_site/node_modules", "docs/assets/vendor", "docs/assets/figures", ".cache")


def run(*command: str | Path, cwd: Path) -> None:
    print("$", *command, flush=True)
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    subprocess.run([str(part) for part in command], cwd=cwd, env=clean, check=True)


def tracked() -> set[str]:
    """What git holds and the tree has; nothing where there is no git."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    return {name for name in done.stdout.splitlines() if (ROOT / name).exists()} if done.returncode == 0 else set()


def unpack(archive: Path, outside: Path) -> Path:
    """Look into the source archive and lay it out."""
    shutil.unpack_archive(archive, outside)
    tree = outside / archive.name.removesuffix(".tar.gz")
    held = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    assert tracked() <= held, f"the source archive lacks {sorted(tracked() - held)}"
    made = [name for name in held if name.startswith((*MADE, ".venv", "site/")) or "node_modules" in name]
    assert not made, f"the source archive holds {made[:5]}"
    print(f"{archive.name}: {archive.stat().st_size / 1e6:.2f} MB, {len(held)} files")
    return tree


def look_into(wheel: Path) -> None:
    """The wheel holds the package, its weights and its data; it asks for nothing that only developers need."""
    archive = zipfile.ZipFile(wheel)
    inside = archive.namelist()
    weights, data = (list((ROOT / "attnref/tasks").glob(found)) for found in ("*.safetensors", "data/*"))
    assert weights, "there are no weights below attnref/"
    assert data, "there is no data below attnref/"
    wanted = {str(path.relative_to(ROOT).as_posix()) for path in (*weights, *data)}
    wanted |= {"attnref/py.typed", "attnref/pages/attention/masks.md"}
    assert wanted <= set(inside), f"the wheel lacks {sorted(wanted - set(inside))}"
    stray = [path for path in inside if not path.startswith(("attnref/", "attnref-"))]
    assert not stray, f"the wheel holds {stray}"
    (about,) = (message_from_bytes(archive.read(name)) for name in inside if name.endswith(".dist-info/METADATA"))
    assert about.get_all("Provides-Extra") == EXTRAS, about.get_all("Provides-Extra")
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB, with {', '.join(sorted(wanted))}")


def try_wheel(wheel: Path, outside: Path) -> None:
    """The docstrings run: those of the chapters without the extras, then all."""
    home = outside / "venv"
    venv.create(home, with_pip=True)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    constraints = ("--constraint", ROOT / "constraints.txt")
    pytest = (python, "-m", "pytest", "-q", "-W", "error", "--doctest-modules", "--pyargs")
    install = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *constraints)
    run(*install, wheel, "pytest", cwd=outside)
    run(*pytest, "attnref.attention", "attnref.sequence", cwd=outside)
    run(python, "-m", "attnref.doctest", "attention/masks", cwd=outside)
    run(*install, f"attnref[{','.join(EXTRAS)}] @ {wheel.as_uri()}", cwd=outside)
    run(python, "-m", "attnref.doctest", "index", cwd=outside)
    run(*pytest, "attnref", cwd=outside)


def try_archive(tree: Path) -> None:
    """Every test of the archive is found, the snippets of some pages and the laws run, the site builds."""
    for name in MADE:
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, tree / name, symlinks=True)
    python = (sys.executable, "-m")
    run(*python, "pytest", "-qq", "--collect-only", cwd=tree)
    run(*python, "pytest", "-q", "README.md", "docs/attention/masks.md", "tests/test_building.py", cwd=tree)
    run(*python, "mkdocs", "build", "--strict", cwd=tree)
    assert (tree / "site/attention/masks/index.html").is_file()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        outside = Path(name)
        run(sys.executable, "-m", "build", "--outdir", outside, ROOT, cwd=outside)
        (archive,), (wheel,) = outside.glob("attnref-*.tar.gz"), outside.glob("attnref-*.whl")
        look_into(wheel)
        try_archive(unpack(archive, outside))
        try_wheel(wheel, outside)


if __name__ == "__main__":
    main()
