"""Draw docs/figures/*.py into docs/assets/figures, light and dark: a hook of the site, and a script run by hand.

Every public function is one figure; one that takes `narrow` is drawn for a phone too. A figure is drawn again when its
script, what that imports of the package, data it reads, matplotlib, torch or this file has changed, and deleted when
its function is gone.
"""

import ast
import importlib.util
import io
import multiprocessing
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import typefaces
from sources import ROOT, Sources

SCRIPTS, OUT = ROOT / "docs" / "figures", ROOT / "docs" / "assets" / "figures"
SCHEMES = ("light", "dark")
NARROW = "narrow: bool=False"  # the one argument that a figure may take


def figure_names(script: Path) -> dict[str, bool]:
    """The functions of a script that draw a figure, and whether each can draw it narrow; found without running it."""
    functions = (node for node in ast.parse(script.read_bytes()).body if isinstance(node, ast.FunctionDef))
    found = {f.name: ast.unparse(f.args) for f in functions if not f.name.startswith("_")}
    return {name: bool(args) for name, args in found.items() if args in ("", NARROW)}


def targets(script: Path, name: str) -> dict[tuple[str, bool], Path]:
    """Where the drawing of each scheme and width goes."""
    stem = f"{script.stem}-{name}".replace("_", "-")
    widths = {False: stem, True: f"{stem}-narrow"} if figure_names(script)[name] else {False: stem}
    return {(scheme, width): OUT / f"{file}.{scheme}.svg" for width, file in widths.items() for scheme in SCHEMES}


def outdated(stems: list[str] | None = None) -> dict[Path, tuple[str, list[str]]]:
    """The scripts, these or all, that have figures to draw: the mark of a fresh drawing, and the figures' names."""
    sources, scripts = Sources(), sorted(SCRIPTS.glob("[!_]*.py"))
    packages = [f"{name} {version(name)}" for name in ("matplotlib", "torch")]
    shared = (sources.key(Path(__file__)), *packages, *typefaces.versions())
    found = {}
    for script in scripts:
        mark = f"<!-- {sources.key(script, *shared)} -->\n"
        names = [name for name in figure_names(script) if not _fresh(script, name, mark)]
        if names and (not stems or script.stem in stems):
            found[script] = mark, names
    return found


def _fresh(script: Path, name: str, mark: str) -> bool:
    paths = targets(script, name).values()
    return all(path.exists() and path.read_text(encoding="utf-8").endswith(mark) for path in paths)


def draw_script(script: Path, mark: str, names: list[str]) -> list[str]:
    """Draw the figures of one script in both schemes, and say how long each has taken."""
    module, said = _load(script), []
    OUT.mkdir(parents=True, exist_ok=True)
    for name in names:
        start = time.perf_counter()
        for (scheme, narrow), path in targets(script, name).items():
            path.write_text(draw(module, name, scheme, narrow) + mark, encoding="utf-8")
        said.append(f"drew {script.stem}-{name} in {time.perf_counter() - start:.1f} s")
    return said


def draw(module: ModuleType, name: str, scheme: str, narrow: bool) -> str:
    """One figure as SVG. The random state is the same for both schemes, and what takes long is computed for the first.

    Functions of the script that compute what both schemes show keep it with `functools.cache`.
    """
    import matplotlib.pyplot as plt
    import torch

    from attnref import plot

    torch.manual_seed(0)
    lettering = typefaces.settings()  # before the style looks for typefaces
    trains = scheme == SCHEMES[0] and not narrow
    with plot.style(scheme), plt.rc_context(lettering), warnings.catch_warnings(), _training(allowed=trains):  # pyright: ignore[reportArgumentType]
        warnings.filterwarnings("error", message="Glyph .* missing from")  # an outline has to be drawn here
        figure, svg = getattr(module, name)(**({"narrow": True} if narrow else {})), io.StringIO()
        figure.savefig(
            svg,
            format="svg",
            transparent=True,
            bbox_inches="tight",
            pad_inches=0.04,
            metadata={"Date": None, "Creator": None},
        )
        plt.close("all")
    return svg.getvalue()


@contextmanager
def _training(*, allowed: bool) -> Iterator[None]:
    """Refuse the steps of any optimizer, unless they are allowed."""
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    def refuse(*_: Any) -> None:
        raise RuntimeError("The figure trains once more for the other scheme: keep the result with functools.cache.")

    if allowed:
        yield
        return
    hook = register_optimizer_step_pre_hook(refuse)
    try:
        yield
    finally:
        hook.remove()


def _load(script: Path) -> ModuleType:
    import matplotlib

    matplotlib.use("Agg")
    if str(SCRIPTS) not in sys.path:
        sys.path.append(str(SCRIPTS))  # for what the scripts share: _kit.py
    spec = importlib.util.spec_from_file_location(f"figures_{script.stem}", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(stems: list[str]) -> None:
    """Draw what is outdated, a few scripts at a time, each in a process of its own."""
    if not typefaces.FONTS.exists():
        raise SystemExit("No typefaces. Run: npm ci --prefix docs/_site && python docs/_site/vendor.py")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path.insert(0, str(ROOT))  # the package beside these figures, wherever another one is installed
    scripts = SCRIPTS.glob("[!_]*.py")
    wanted = [targets(script, name).values() for script in scripts for name in figure_names(script)]
    for stale in set(OUT.glob("*.svg")).difference(*wanted):
        stale.unlink()
    jobs = [(script, mark, names) for script, (mark, names) in outdated(stems).items()]
    if not jobs:
        return
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    if os.name == "posix":
        context.set_forkserver_preload(["torch", "matplotlib.pyplot"])
    with context.Pool(min(os.cpu_count() or 1, len(jobs), 8), maxtasksperchild=1) as pool:
        for said in pool.imap_unordered(_job, jobs):
            print(*said, sep="\n", flush=True)


def _job(job: tuple[Path, str, list[str]]) -> list[str]:
    return draw_script(*job)


def on_pre_build(config: Any) -> None:
    """MkDocs: draw before the pages are read, in another process, which sees the package as it is now."""
    from mkdocs.exceptions import PluginError
    from mkdocs.plugins import get_plugin_logger

    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            get_plugin_logger("figures").info(line.rstrip())
    if process.returncode:
        raise PluginError("A figure could not be drawn; the error stands above.")


if __name__ == "__main__":
    main(sys.argv[1:])
