"""Look into the archives that the site carries, and try each where nothing else of the checkout is.

The wheel is installed into an environment of its own by the commands that the built site prints; there its docstrings
run, and `stranger.py`. From the source archive the same wheel is built, and the site; its tests run in the environment
that runs this. Figures and notebooks that the checkout has drawn are not drawn again, since they are keyed by code that
has to be the same.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "site"
EXTRAS = ["interop", "plot", "tasks"]
KINDS = {".py", ".typed", ".md", ".safetensors"}  # of the files in the wheel, beside the data of the tasks
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
    about_it = wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    licenses = {f"{about_it}/licenses/{name}" for name in ("LICENSE", "attnref/tasks/data/README.md")}
    assert wanted | licenses <= set(inside), f"the wheel lacks {sorted((wanted | licenses) - set(inside))}"
    held = {path for path in inside if not path.startswith((f"{about_it}/", "attnref/tasks/data/"))}
    stray = [path for path in held if not path.startswith("attnref/") or Path(path).suffix not in KINDS]
    assert not stray, f"the wheel holds {stray}"
    about = message_from_bytes(archive.read(f"{about_it}/METADATA"))
    assert about.get_all("Provides-Extra") == EXTRAS, about.get_all("Provides-Extra")
    assert about["Description-Content-Type"] == "text/markdown"
    links = "\n".join(about.get_all("Project-URL") or [])
    assert all(os.environ.get(known, "") in links for known in ("SITE_URL", "REPO_URL")), links
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB, with {', '.join(sorted(wanted))}")


def contents(wheel: Path) -> dict[str, bytes]:
    """A wheel's files, without those that name what it was built with."""
    archive = zipfile.ZipFile(wheel)
    return {name: archive.read(name) for name in archive.namelist() if not name.endswith(("/WHEEL", "/RECORD"))}


def build_again(tree: Path, wheel: Path) -> None:
    """The source archive builds the wheel that the site carries, with what it says it is built with."""
    again = tree.parent / "again"
    run(sys.executable, "-m", "build", "--wheel", "--outdir", again, tree, cwd=tree.parent)
    one, other = contents(wheel), contents(again / wheel.name)
    assert one == other, f"not the same: {sorted(n for n in one.keys() | other.keys() if one.get(n) != other.get(n))}"


def commands(address: str) -> list[list[str]]:
    """What the page Install prints, as someone would type it who reads it at this address."""
    html = (SITE / "install/index.html").read_text(encoding="utf-8")
    text = unescape(re.sub(r"<[^>]+>", "", html))
    found = re.findall(r"^\$ ((?:pip install|python -m attnref).+?)\s*$", text, re.MULTILINE)
    return [shlex.split(re.sub(r"https://\S+/(?=downloads/)", address, command)) for command in found]


@contextmanager
def served() -> Iterator[str]:
    """The built site, at an address of this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def try_wheel(wheel: Path, outside: Path) -> None:
    """Installed as the site says: the docstrings run, those of the chapters without the extras, then all."""
    home = outside / "venv"
    venv.create(home, with_pip=True)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    held = ("--quiet", "--disable-pip-version-check", "--constraint", ROOT / "constraints.txt")
    pytest = (python, "-m", "pytest", "-q", "-W", "error", "--doctest-modules", "--pyargs")
    stranger = (python, ROOT / "tests/stranger.py")
    with served() as address:
        bare, more, clone, check = commands(address)
        assert bare[-1] == f"attnref @ {address}downloads/{wheel.name}", bare
        assert clone == ["pip", "install", "."], clone
        run(python, "-m", *bare, "pytest", *held, cwd=outside)
        run(*pytest, "attnref.attention", "attnref.sequence", cwd=outside)
        run(*stranger, cwd=outside)
        run(python, *check[1:], cwd=outside)
        run(python, "-m", *more, *held, cwd=outside)
    run(python, "-m", "pip", "install", "attnref[interop]", *held, cwd=outside)
    run(*stranger, *EXTRAS, cwd=outside)
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
    (archive,), (wheel,) = (SITE.glob(f"downloads/attnref-*{ending}") for ending in (".tar.gz", ".whl"))
    with tempfile.TemporaryDirectory() as name:
        outside = Path(name)
        look_into(wheel)
        tree = unpack(archive, outside)
        build_again(tree, wheel)
        try_archive(tree)
        try_wheel(wheel, outside)


if __name__ == "__main__":
    main()
