"""The laws of the house: who may import whom, and what each mechanism has beside its code."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import attnref

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, DOCS = ROOT / "attnref", ROOT / "docs"
CHAPTERS = ("sequence", "attention", "transformer", "models")
# What each room may import of attnref ("" is its public names), and of others.
OURS = {
    "sequence": ("_checks", "sequence"),
    "attention": ("_checks", "sequence", "attention"),
    "transformer": ("_checks", "sequence", "attention", "transformer"),
    "models": ("_checks", "sequence", "attention", "transformer", "models"),
    "oracle": ("oracle",),
    "fast": ("_checks", "attention.masks", "attention._features", "fast"),
    "plot": ("_checks", "plot"),
    "tasks": ("", "_checks", "sequence", "attention", "transformer", "models", "fast", "tasks", "plot"),
}
THEIRS = {room: {"torch", "jaxtyping"} for room in (*CHAPTERS, "fast")} | {"oracle": {"numpy"}}
STANDARD = {"collections", "dataclasses", "functools", "itertools", "math", "typing"}

FILES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py")
STEMS = sorted((p.parent.name, p.stem) for c in CHAPTERS for p in (PACKAGE / c).glob("[!_]*.py"))
FIGURES = re.compile(
    r"!\[(?P<alt>[^\]]*)\]\((?P<path>[^)\s]+?)\.(?P<scheme>light|dark)\.svg#only-(?P<shown>light|dark)\)"
)


def imported(path):
    """Every module named in an import of the file, docstrings left out; `from a import b` gives both a and a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_keep_to_the_rooms(path):
    here = room(path)
    for name in imported(path):
        top, _, inner = name.partition(".")
        if top == "attnref" and here in OURS:
            allowed = OURS[here]
            assert any(inner == own or (own and inner.startswith(own + ".")) for own in allowed), (
                f"{path} imports {name}"
            )
        elif top == "attnref":  # _checks stands alone
            raise AssertionError(f"{path} imports {name}")
        elif here in THEIRS:
            assert top in THEIRS[here] | STANDARD, f"{path} imports {name}"


def test_the_front_door_opens_every_public_name_and_nothing_else():
    source = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    names = {alias.name for node in source.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(attnref.__all__) == names
    for chapter, stem in STEMS:
        module = ast.parse((PACKAGE / chapter / f"{stem}.py").read_text(encoding="utf-8"))
        public = {node.name for node in module.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        assert {name for name in public if not name.startswith("_")} <= names, f"{chapter}/{stem}"


@pytest.mark.parametrize(("chapter", "stem"), STEMS, ids=lambda part: part)
@pytest.mark.parametrize("where", ["oracle", "test", "mistakes", "page", "figure"])
def test_every_mechanism_has_its_company(chapter, stem, where):
    path = {
        "oracle": PACKAGE / "oracle" / f"{stem}.py",
        "test": ROOT / "tests" / chapter / f"test_{stem}.py",
        "mistakes": ROOT / "tests" / "planted" / f"{stem}.py",
        "page": DOCS / chapter / f"{stem}.md",
        "figure": DOCS / "figures" / f"{stem}.py",
    }[where]
    assert path.is_file(), f"{chapter}/{stem} has no {path.relative_to(ROOT)}"


@pytest.mark.parametrize("other", ["oracle", "fast"])
def test_no_twin_without_its_mechanism(other):
    stems = {stem for _, stem in STEMS}
    assert {p.stem for p in (PACKAGE / other).glob("[!_]*.py")} <= stems


@pytest.mark.parametrize(("chapter", "stem"), STEMS, ids=lambda part: part)
def test_a_file_holds_one_idea(chapter, stem):
    lines = (PACKAGE / chapter / f"{stem}.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 240, f"{len(lines)} lines: two ideas"
    assert re.fullmatch(r'"""\S.*\."""', lines[0]), "the first line says the mechanism and its source"


@pytest.mark.parametrize("name", attnref.__all__)
def test_every_public_name_is_told_whole(name):
    thing = getattr(attnref, name)
    told = inspect.getdoc(thing) or ""
    sections = re.findall(r"^(Args|Returns|Raises|Examples|Source):$", told, re.MULTILINE)
    assert re.match(r"\S.*[.:]\n\n", told), "a summary line"
    for section in ["Args", "Raises", "Source"] + (["Returns", "Examples"] if inspect.isfunction(thing) else []):
        assert section in sections, f"{name} has no {section}"
    args = told.split("Args:\n")[1].split("\n\n")[0]
    for parameter in inspect.signature(thing).parameters:
        assert re.search(rf"^ +{parameter}: ", args, re.MULTILINE), f"{name} does not tell {parameter}"
    assert sections == sorted(sections, key=["Args", "Returns", "Raises", "Examples", "Source"].index)


PAGES = sorted(p for p in DOCS.rglob("*.md") if not {"_site", "node_modules"} & set(p.parts))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(DOCS).as_posix())
def test_figures_come_in_light_and_dark_and_say_what_there_is_to_see(page):
    told = {}
    for found in FIGURES.finditer(page.read_text(encoding="utf-8")):
        assert found["scheme"] == found["shown"], found[0]
        told.setdefault(found["path"], {})[found["scheme"]] = found["alt"]
    for path, alts in told.items():
        assert set(alts) == {"light", "dark"}, f"{path} has only {set(alts)}"
        assert alts["light"] == alts["dark"], f"{path} is told in two ways"
        assert len(alts["light"]) >= 30, f"{path}: {alts['light']!r} does not say what there is to see"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(DOCS).as_posix())
def test_headings_have_their_own_names(page):
    text = re.sub(r"^( *)(`{3,}).*?^\1\2\s*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^##+ .*$", text, re.MULTILINE):
        assert re.search(r"\{[^}]*#[a-z0-9-]+[^}]*\}\s*$", heading), f"{heading!r} has no {{ #id }}"
