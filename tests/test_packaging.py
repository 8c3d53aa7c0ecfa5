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
import release
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


def test_every_file_that_names_the_version_names_this_one():
    assert release.found(release.VERSION) == dict.fromkeys(release.VERSION, attnref.__version__)


CITED = {"cff-version", "message", "type", "title", "abstract", "authors", "version", "license", "keywords"}


def test_the_citation_file_holds_what_its_format_asks_for():
    """Keys and types of version 1.2.0, with whose schema the file was validated."""
    yaml = pytest.importorskip("yaml")
    said = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert CITED <= set(said) <= CITED | {"date-released", "doi", "repository-code", "url"}
    assert said["cff-version"] == "1.2.0"
    assert said["type"] == "software"
    assert all(isinstance(said[key], str) for key in CITED - {"authors", "keywords"})
    assert all(set(author) & {"name", "family-names"} for author in said["authors"])


NOT_YET = {
    "attnref/__init__.py": '__version__ = "0.1.0"\n',
    "CHANGELOG.md": "# Changelog\n\n## 0.1.0 (not released yet)\n\n- New.\n",
    "CITATION.cff": "cff-version: 1.2.0\nversion: 0.1.0\n",
    "docs/install.md": "```bibtex\n  version = {0.1.0},\n```\n",
}
DATED = {
    "CHANGELOG.md": NOT_YET["CHANGELOG.md"].replace("not released yet", "2026-12-01"),
    "CITATION.cff": NOT_YET["CITATION.cff"] + 'date-released: "2026-12-01"\n',
}


@pytest.mark.parametrize(
    ("changed", "tag", "missing"),
    [
        ({}, "v0.1.0", ["CHANGELOG.md says no day of release", "CITATION.cff says no day of release"]),
        (DATED, "v0.1.0", []),
        (DATED, "v0.2.0", [f"{file} says version '0.1.0'" for file in NOT_YET]),
        (DATED | {"docs/install.md": "  version = {0.0.9},\n"}, "v0.1.0", ["docs/install.md says version '0.0.9'"]),
        (
            DATED | {"CHANGELOG.md": DATED["CHANGELOG.md"].replace("## ", "## 0.1.0 (not released yet)\n\n## ")},
            "v0.1.0",
            ["CHANGELOG.md says no day of release"],
        ),
        (
            DATED | {"CITATION.cff": DATED["CITATION.cff"].replace("12-01", "12-02")},
            "v0.1.0",
            ["the days differ: {'CHANGELOG.md': '2026-12-01', 'CITATION.cff': '2026-12-02'}"],
        ),
    ],
)
def test_a_release_is_refused_until_every_file_says_it(tmp_path, changed, tag, missing):
    for name, text in (NOT_YET | changed).items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert release.missing(tag, tmp_path) == missing


def test_nothing_is_published_by_a_job_that_runs_what_is_published():
    yaml = pytest.importorskip("yaml")
    jobs = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["build"]["permissions"] == {"contents": "read"}
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert [step for step in jobs["publish"]["steps"] if "run" in step] == []
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action) for action in used), used


@pytest.mark.parametrize(
    "known", [{}, {"SITE_URL": "https://site/"}, {"SITE_URL": "https://site/", "REPO_URL": "https://repo"}]
)
def test_the_package_links_to_the_site_and_the_repository_where_they_are_known(known, monkeypatch):
    core = pytest.importorskip("hatchling.metadata.core")
    plugin = pytest.importorskip("hatchling.plugin.manager")
    for name in ("SITE_URL", "REPO_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, address in known.items():
        monkeypatch.setenv(name, address)
    said = core.ProjectMetadata(str(ROOT), plugin.PluginManager()).core.urls
    assert said == {
        name: address
        for name, address in {
            "Documentation": known.get("SITE_URL"),
            "Source": known.get("REPO_URL"),
            "Issues": known.get("REPO_URL") and f"{known['REPO_URL']}/issues",
        }.items()
        if address
    }
