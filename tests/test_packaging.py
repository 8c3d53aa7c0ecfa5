"""The package as it is installed: its metadata, its types, its public names, and what importing it drags in."""

import contextlib
import re
import subprocess
import sys
import tomllib
import types
from importlib import metadata, resources
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

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
    assert len(attnref.__all__) == len(public), "a name is there twice"
    chapters = [module for module in vars(attnref).values() if public >= set(getattr(module, "__all__", [0]))]
    assert {name for chapter in chapters for name in chapter.__all__} == public
    for chapter in chapters:
        assert chapter.__all__ == sorted(chapter.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n))


@pytest.mark.parametrize("module", ["attnref", "attnref.tasks"])
def test_importing_needs_no_extra(module):
    extras = ["IPython", "babel", "matplotlib", "num2words", "safetensors", "tqdm"]
    before = "import sys, torch; before = set(sys.modules)"  # torch itself may bring some
    code = f"{before}; import {module}; print(*set({extras}) & sys.modules.keys() - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def needs(table):
    """The names of the packages in a table of lists of requirements."""
    found = (need for needed in table.values() for need in needed if isinstance(need, str))
    return {re.match(r"[\w.-]+", need)[0].lower() for need in found}


def test_what_only_developers_need_is_no_extra():
    read = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras, groups = read["project"]["optional-dependencies"], read["dependency-groups"]
    assert set(extras) == {"interop", "plot", "tasks"}
    assert needs(extras) & needs(groups) == {"transformers"}  # whose models the tests compare with, and some exchange
    assert {group["include-group"] for group in groups["dev"]} == set(groups) - {"dev"}


def test_everything_that_is_installed_is_pinned():
    read = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = read["project"]
    wanted = needs({"": project["dependencies"]}) | needs(project["optional-dependencies"])
    wanted |= needs(read["dependency-groups"]) | {"pip"}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.lower().split("==") for line in lines if line and not line.startswith("#"))
    assert wanted <= set(pinned)
    assert all("+" not in version for version in pinned.values())


def test_what_is_pinned_runs_on_the_oldest_python():
    """On its very first release: Debian 12 has 3.11.2, and a pin may ask for 3.11.5."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    asked = {}
    for line in lines:
        if line and not line.startswith("#"):
            with contextlib.suppress(metadata.PackageNotFoundError):  # of another platform
                asked[line] = metadata.metadata(line.split("==")[0]).get("Requires-Python") or ""
    assert len(asked) > 20
    assert {line: python for line, python in asked.items() if "3.11.0" not in SpecifierSet(python)} == {}
