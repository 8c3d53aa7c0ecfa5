"""What make does with a set-up that is fresh, half-made, moved or done. Python and npm are stand-ins with a log."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
pytestmark = pytest.mark.skipif(os.name != "posix" or not shutil.which("make"), reason="needs make and a shell")

# One program that is all of them: the machine's Python, that of .venv, and npm.
STAND_IN = r"""#!/bin/sh
here=$(dirname "$0")
case "$(basename "$0") $*" in
  *" -c "*) exit 0 ;;
  *"-m pip --version") test -e "$here/pip" ; exit ;;
esac
echo "$(basename "$0") $*" >> "$LOG"
env | grep '^PIP_' > "$LOG.pip"
case "$(basename "$0") $*" in
  *"-m venv --clear "*)
    rm -rf "$4"; mkdir -p "$4/bin"; cp "$0" "$4/bin/python"
    if [ "$FAIL" = venv ]; then exit 1; fi
    cp "$0" "$4/bin/pip"; cp "$0" "$4/bin/npm" ;;
  *"-m pip install --editable"*) if [ "$FAIL" = pip ]; then exit 1; fi ;;
  "npm ci "*)
    mkdir -p docs/_site/node_modules
    if [ "$FAIL" = npm ]; then exit 1; fi
    touch docs/_site/node_modules/.package-lock.json ;;
  *"docs/_site/vendor.py") mkdir -p docs/assets/vendor; touch docs/assets/vendor/katex.min.css ;;
esac
"""
VENV = "machine -m venv --clear .venv"
PIP = "python -m pip install --upgrade pip>=25.1 --constraint constraints.txt"
DEV, DOCS = (
    f"python -m pip install --editable .[plot,tasks] --group {group} --constraint constraints.txt"
    for group in ("dev", "docs")
)
NPM = "npm ci --prefix docs/_site --ignore-scripts --no-audit --no-fund"
VENDOR = "python docs/_site/vendor.py"


class Checkout:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        (self.folder / "docs/_site/hooks").mkdir(parents=True)
        for name in ("pyproject.toml", "constraints.txt", "docs/_site/package-lock.json", "docs/_site/vendor.py"):
            (self.folder / name).touch()
        shutil.copy(ROOT / "Makefile", self.folder)
        shutil.copy(ROOT / "docs/_site/hooks/serving.py", self.folder / "docs/_site/hooks")
        self.machine, self.log = folder / "machine", folder / "log"
        self.machine.write_text(STAND_IN)
        self.machine.chmod(0o755)

    def make(self, target: str, fail: str = "", **others: str) -> list[str]:
        """The programs that a target has called."""
        self.log.write_text("")
        command = ["make", target, f"PYTHON={self.machine}"]
        variables = {"PATH": "/usr/bin:/bin", "LOG": str(self.log), "FAIL": fail} | others
        done = subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True)
        assert (done.returncode != 0) == bool(fail), done.stderr
        return self.log.read_text().splitlines()


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


def test_a_fresh_clone_is_set_up_once(checkout):
    assert checkout.make("setup") == [VENV, PIP, DEV, NPM, VENDOR]
    assert checkout.make("setup") == []


def test_the_weekly_build_holds_no_version_back_and_leaves_the_file_that_tests_read(checkout):
    weekly = (ROOT / ".github/workflows/weekly.yml").read_text(encoding="utf-8")
    assert "constraints.txt\n" not in re.sub(r"cache-dependency-path: .*", "", weekly).replace("constraints.txt}", "")
    (variable,) = re.findall(r"make test (\w+)=/dev/null", weekly)
    calls = checkout.make("setup", MAKEFLAGS=f"-- {variable}=/dev/null")
    free = [call.replace("constraints.txt", "/dev/null") for call in (PIP, DEV)]
    assert calls == [VENV, *free, NPM, VENDOR]


def test_the_site_asks_for_no_more_than_it_needs(checkout):
    assert checkout.make("docs/assets/vendor/katex.min.css") == [VENV, PIP, DOCS, NPM, VENDOR]
    assert checkout.make("setup") == [DEV]
    assert checkout.make("docs/assets/vendor/katex.min.css") == []


@pytest.mark.parametrize(
    ("fail", "done", "left"),
    [
        ("venv", [VENV], [VENV, PIP, DEV, NPM, VENDOR]),  # as without ensurepip
        ("pip", [VENV, PIP, DEV], [DEV, NPM, VENDOR]),
        ("npm", [VENV, PIP, DEV, NPM], [NPM, VENDOR]),
    ],
)
def test_a_set_up_that_was_cut_off_goes_on(checkout, fail, done, left):
    assert checkout.make("setup", fail=fail) == done
    assert checkout.make("setup") == left


def test_an_environment_whose_python_is_gone_is_made_anew(checkout):
    checkout.make("setup")
    (checkout.folder / ".venv/bin/python").unlink()
    assert checkout.make("setup") == [VENV, PIP, DEV]


def test_an_environment_that_was_moved_is_made_anew(checkout):
    checkout.make("setup")
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("elsewhere"))
    assert checkout.make("setup") == [VENV, PIP, DEV]


def test_an_environment_that_someone_else_made_is_kept(checkout):
    """The README says to install a CPU build of torch into it first."""
    subprocess.run([checkout.machine, "-m", "venv", "--clear", checkout.folder / ".venv"], env={"LOG": "/dev/null"})
    assert checkout.make("setup") == [PIP, DEV, NPM, VENDOR]


def test_what_pip_is_told_for_other_folders_does_not_count_here(checkout):
    told = {"PIP_USER": "1", "PIP_QUIET": "2", "PIP_TARGET": "/", "PIP_PREFIX": "/", "PIP_DRY_RUN": "1"}
    kept = {"PIP_EXTRA_INDEX_URL": "file:///kept"}
    checkout.make("setup", **told, **kept)
    seen = dict(line.split("=", 1) for line in checkout.log.with_name("log.pip").read_text().splitlines())
    assert seen.keys() & {"PIP_TARGET", "PIP_PREFIX", "PIP_EXTRA_INDEX_URL"} == {"PIP_EXTRA_INDEX_URL"}
    assert seen["PIP_USER"] == seen["PIP_QUIET"] == seen["PIP_DRY_RUN"] == "0"


def test_front_end_packages_that_are_gone_are_fetched(checkout):
    checkout.make("setup")
    shutil.rmtree(checkout.folder / "docs/assets/vendor")
    assert checkout.make("setup") == [VENDOR]
    shutil.rmtree(checkout.folder / "docs/_site/node_modules")
    assert checkout.make("setup") == [NPM, VENDOR]


def test_every_program_of_the_environment_is_called_by_its_path():
    """Not every make looks for programs in a PATH that it exports itself."""
    recipes = [line.strip().lstrip("@") for line in MAKEFILE.splitlines() if line.startswith("\t")]
    programs = {re.split(r"[\s;]", recipe)[0] for recipe in recipes}
    shell = {"if", "echo", "cd", "mkdir", "mv", "rm", "sed", "touch", "find", "printf", "{"}
    assert programs - shell == {"$(RUN)", "$(BIN)/python", "$(BIN)/npm", "$(PYTHON)"}


def test_help_lists_every_target_for_people():
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = re.findall(r"^  make ([a-z-]+)  +\S", said, re.MULTILINE)
    phony = set(re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split())
    phony |= set(re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split())
    assert set(listed) == phony - {"help", "address", "FORCE"} | {"help"}


def test_the_lock_of_the_front_end_holds_no_address():
    """Whatever registry a machine has serves the packages, and their hashes hold them."""
    lock = (ROOT / "docs" / "_site" / "package-lock.json").read_text(encoding="utf-8")
    assert "://" not in lock
    assert lock.count('"integrity"') > 5
