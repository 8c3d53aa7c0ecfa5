"""The package as it is installed: its metadata, its types, its public names, and what importing it drags in."""

import re
import subprocess
import sys
import tomllib
import types
from importlib import metadata, resources
from pathlib import Path

import pytest

import attnref

ROOT = Path(__file__).resolve().parents[1]


def test_the_metadata_is_that_of_the_source():
    about = metadata.metadata("attnref")
    assert metadata.version("attnref") == attnref.__version__
    assert about["Requires-Python"] == ">=3.11"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_types_are_declared():
    assert resources.files("attnref").joinpath("py.typed").is_file()


def test_all_names_what_is_public_and_nothing_else():
    public = {
        name
        for name, thing in vars(attnref).items()
        if not name.startswith("_") and not isinstance(thing, types.ModuleType)
    }
    assert set(attnref.__all__) == public
    assert attnref.__all__ == sorted(
        attnref.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )


@pytest.mark.parametrize("module", ["attnref", "attnref.tasks"])
def test_importing_needs_no_extra(module):
    extras = ["IPython", "babel", "matplotlib", "safetensors", "tqdm"]
    before = "import sys, torch; before = set(sys.modules)"  # torch itself may bring some
    code = f"{before}; import {module}; print(*set({extras}) & sys.modules.keys() - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_extra_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(need for extra in project["optional-dependencies"].values() for need in extra),
    ]
    names = {re.match(r"[\w.-]+", need)[0].lower() for need in wanted} - {"attnref"}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.lower().split("==") for line in lines if line and not line.startswith("#"))
    assert names <= set(pinned)
    assert all("+" not in version for version in pinned.values())
