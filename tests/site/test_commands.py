"""No command that a page shows fails: each names what is there."""

import re
import shlex
from pathlib import Path

import pytest

from attnref import doctest
from attnref.tasks import _options

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
CONSOLE = re.compile(r"^([ \t]*)```console[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    ((?:python|pip|pytest|make|npm|mkdocs)\b.*)$", re.MULTILINE)
INLINE = re.compile(r"(?<![`\w])`((?:python|pip|pytest|make) [^`]+)`")


def commands():
    """Every command of every page, with the page."""
    for page in PAGES:
        if {"_site", "node_modules"} & set(page.parts):
            continue
        text = page.read_text(encoding="utf-8")
        fenced = [line for _, block in CONSOLE.findall(text) for line in block.splitlines()]
        found = [line.strip().removeprefix("$ ") for line in fenced if line.strip().startswith("$ ")]
        found += INLINE.findall(text) + (INDENTED.findall(text) if page.parent == ROOT else [])
        for command in found:
            where = page.relative_to(ROOT).as_posix()
            yield pytest.param(" ".join(command.split()), id=f"{where}: {' '.join(command.split())}")


@pytest.mark.parametrize("command", dict.fromkeys(commands()))
def test_a_command_names_what_is_there(command):
    words = shlex.split(command, comments=True)
    if words[0].endswith("mkdocs") or words[0] == "npm":
        return
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert words[1] in targets
    elif words[0] == "pip" or words[1:3] == ["-m", "pip"]:
        wanted = [word for word in words if "attnref" in word]
        # By name alone it is found only where it is installed already, to add an extra.
        assert all("[" in word or "@ https://ADDRESS/downloads/" in word for word in wanted)
    elif words[1:3] == ["-m", "attnref.tasks"]:
        given = [word for word in words[3:] if word != "NAME"]
        _options.parser().parse_args(given)
    elif words[1:3] == ["-m", "attnref.doctest"]:
        assert set(words[3:]) <= {*doctest.pages(), "PAGE"}
    elif "pytest" in words or words[0] == "pytest":
        paths = [word for word in words if "/" in word and not word.endswith(("/python", "/pytest"))]
        assert all((ROOT / path).exists() for path in paths)
    else:
        script = words[1]
        assert (ROOT / script).exists(), script
