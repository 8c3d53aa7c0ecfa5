"""Build the wheel, look inside it, and run its docstrings where nothing else of this repository is."""

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str | Path, cwd: Path) -> None:
    print("$", *command, flush=True)
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    subprocess.run([str(part) for part in command], cwd=cwd, env=clean, check=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        outside = Path(name)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", outside, ROOT, cwd=outside)
        (wheel,) = outside.glob("attnref-*.whl")

        inside = zipfile.ZipFile(wheel).namelist()
        weights, data = (list((ROOT / "attnref/tasks").glob(found)) for found in ("*.safetensors", "data/*"))
        assert weights, "there are no weights below attnref/"
        assert data, "there is no data below attnref/"
        wanted = {str(path.relative_to(ROOT).as_posix()) for path in (*weights, *data)}
        wanted |= {"attnref/py.typed", "attnref/pages/attention/masks.md"}
        assert wanted <= set(inside), f"the wheel lacks {sorted(wanted - set(inside))}"
        stray = [path for path in inside if not path.startswith(("attnref/", "attnref-"))]
        assert not stray, f"the wheel holds {stray}"
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB, with {', '.join(sorted(wanted))}")

        home = outside / "venv"
        venv.create(home, with_pip=True)
        python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        constraints = ("--constraint", ROOT / "constraints.txt")
        pytest = (python, "-m", "pytest", "-q", "-W", "error", "--doctest-modules", "--pyargs")
        install = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *constraints)
        run(*install, wheel, "pytest", cwd=outside)
        run(*pytest, "attnref.attention", "attnref.sequence", cwd=outside)  # without the extras
        run(python, "-m", "attnref.doctest", "attention/masks", cwd=outside)
        run(*install, f"attnref[plot,tasks] @ {wheel.as_uri()}", cwd=outside)
        run(python, "-m", "attnref.doctest", "index", cwd=outside)
        run(*pytest, "attnref", cwd=outside)


if __name__ == "__main__":
    main()
