"""Draw docs/figures/*.py into docs/assets/figures, light and dark: a hook of the site, and a script run by hand.

Every public function without arguments is one figure. A figure is drawn again when its script, the package, the
shipped weights, matplotlib or this file has changed, and deleted when its function is gone.
"""

import ast
import hashlib
import importlib.util
import io
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS, PACKAGE, OUT = ROOT / "docs" / "figures", ROOT / "attnref", ROOT / "docs" / "assets" / "figures"
SCHEMES = ("light", "dark")
SVG = {"svg.fonttype": "none", "svg.hashsalt": "attnref"}  # text stays text; the same ids in every run


def package_key() -> bytes:
    """The package's sources and weights and the installed matplotlib, as a digest."""
    digest = hashlib.sha256(version("matplotlib").encode())
    sources = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.safetensors")]
    for path in [Path(__file__), *sorted(sources)]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()


def figure_names(script: Path) -> list[str]:
    """The functions of a script that draw a figure, found without running it."""
    functions = (node for node in ast.parse(script.read_bytes()).body if isinstance(node, ast.FunctionDef))
    return [f.name for f in functions if not f.name.startswith("_") and not ast.unparse(f.args)]


def targets(script: Path, name: str) -> dict[str, Path]:
    """Where each scheme's drawing goes."""
    stem = f"{script.stem}-{name}".replace("_", "-")
    return {scheme: OUT / f"{stem}.{scheme}.svg" for scheme in SCHEMES}


def draw(module: ModuleType, name: str, scheme: str) -> str:
    """One figure as SVG. The random state is the same for both schemes, so they show the same numbers."""
    import matplotlib.pyplot as plt
    import torch

    from attnref import plot

    torch.manual_seed(0)
    with plot.style(scheme), plt.rc_context(SVG):  # pyright: ignore[reportArgumentType]
        figure, svg = getattr(module, name)(), io.StringIO()
        figure.savefig(
            svg, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None, "Creator": None}
        )
        plt.close("all")
    return svg.getvalue()


def build(stems: list[str] | None = None) -> Iterator[Path]:
    """Draw what has changed, of these scripts or of all, and give the path of each new drawing."""
    scripts, key = sorted(SCRIPTS.glob("[!_]*.py")), package_key()
    wanted = {path for script in scripts for name in figure_names(script) for path in targets(script, name).values()}
    for stale in set(OUT.glob("*.svg")) - wanted:
        stale.unlink()

    for script in scripts:
        if stems and script.stem not in stems:
            continue
        found = (*SCRIPTS.glob(f"{script.stem}.json"), *SCRIPTS.glob(f"{script.stem}_*.json"))
        data = [path.read_bytes() for path in sorted(found)]  # what a benchmark measured
        mark = f"<!-- {hashlib.sha256(b''.join([key, script.read_bytes(), *data])).hexdigest()} -->\n"
        module = None
        for name in figure_names(script):
            for scheme, path in targets(script, name).items():
                if path.exists() and path.read_text(encoding="utf-8").endswith(mark):
                    continue
                module = module or _load(script)
                svg = draw(module, name, scheme)
                OUT.mkdir(parents=True, exist_ok=True)
                path.write_text(svg + mark, encoding="utf-8")
                yield path


def _load(script: Path) -> ModuleType:
    import matplotlib

    matplotlib.use("Agg")
    spec = importlib.util.spec_from_file_location(f"figures_{script.stem}", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def on_pre_build(config: Any) -> None:
    """MkDocs: draw before the pages are read. An error ends the build."""
    from mkdocs.plugins import get_plugin_logger

    for path in build():
        get_plugin_logger("figures").info("drew %s", path.name)


if __name__ == "__main__":
    for drawn in build(sys.argv[1:]):
        print(drawn.relative_to(ROOT))
