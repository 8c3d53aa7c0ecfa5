"""The laws of the house: who may import whom, and what each mechanism has beside its code."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import laws
import pytest

import attnref

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, DOCS = ROOT / "attnref", ROOT / "docs"
FILES = sorted(PACKAGE.rglob("*.py"))
CODE = [path for path in FILES if path.name != "__init__.py"]
STEMS = sorted((p.parent.name, p.stem) for c in laws.CHAPTERS for p in (PACKAGE / c).glob("[!_]*.py"))
FIGURES = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<path>[^)\s]*assets/figures/[^)\s]+)\)")
each_file = pytest.mark.parametrize("path", CODE, ids=lambda p: p.relative_to(PACKAGE).as_posix())
each_stem = pytest.mark.parametrize(("chapter", "stem"), STEMS, ids=lambda part: part)


def imported(path):
    """Every module named in an import of the file, docstrings left out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            if node.module == "attnref":  # a room, or a public name
                rooms = [a.name for a in node.names if a.name in laws.ALLOWED_IMPORTS]
                yield from (f"attnref.{name}" for name in rooms)
                if len(rooms) < len(node.names):
                    yield "attnref"
            else:
                yield node.module or ""


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@each_file
def test_imports_keep_to_the_rooms(path):
    if path.parent == PACKAGE and path.name == "__main__.py":
        return
    ours, theirs = laws.ALLOWED_IMPORTS[room(path)]
    for name in imported(path):
        top, _, inner = name.partition(".")
        if top == "attnref":
            assert (inner.partition(".")[0] or "attnref") in ours, f"{path} imports {name}"
        elif theirs is not None:
            assert top in {*theirs, *laws.STANDARD_LIBRARY, "warnings", "unicodedata", "io"}, f"{path} imports {name}"


def test_contributing_shows_the_table_of_imports():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for name, (ours, theirs) in laws.ALLOWED_IMPORTS.items():
        cells = [", ".join(f"`{part}`" for part in parts) for parts in (ours, theirs or ())]
        if theirs is None:
            cells[1] = "anything"
        assert f"| `{name}` | {cells[0] or 'nothing'} | {cells[1]} |" in text


def test_no_public_name_is_behind_an_underscore():
    for name in attnref.__all__:
        module = getattr(attnref, name).__module__
        assert "._" not in module, f"{name} is defined in {module}"


@each_stem
def test_a_chapter_lists_the_public_names_of_its_files(chapter, stem):
    module = ast.parse((PACKAGE / chapter / f"{stem}.py").read_text(encoding="utf-8"))
    public = {node.name for node in module.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    listed = importlib.import_module(f"attnref.{chapter}").__all__
    assert {name for name in public if not name.startswith("_")} <= set(listed)


def test_the_root_joins_the_chapters():
    """In the order of the chapters; names of the models chapter stay in attnref.models."""
    found = [c for c in laws.CHAPTERS if (PACKAGE / c).is_dir() and c != "models"]
    assert attnref.__all__ == [n for c in found for n in importlib.import_module(f"attnref.{c}").__all__]
    assert len(set(attnref.__all__)) == len(attnref.__all__)


@each_stem
@pytest.mark.parametrize("where", ["oracle", "test", "mistakes", "page", "figure"])
def test_every_stem_has_its_company(chapter, stem, where):
    page = laws.PAGE_OF.get(stem, stem)
    path = {
        "oracle": PACKAGE / "oracle" / f"{stem}.py",
        "test": ROOT / "tests" / chapter / f"test_{stem}.py",
        "mistakes": ROOT / "tests" / "planted" / f"{stem}.py",
        "page": DOCS / chapter / f"{page}.md",
        "figure": DOCS / "figures" / f"{page}.py",
    }[where]
    if where == "oracle" and stem in laws.COMPOSITIONS:
        assert not path.exists(), f"{stem} has an oracle: it is a mechanism"
    else:
        assert path.is_file(), f"{chapter}/{stem} has no {path.relative_to(ROOT)}"


@pytest.mark.parametrize("other", ["oracle", "fast"])
def test_nothing_beside_a_chapter_without_its_stem(other):
    stems = {stem for _, stem in STEMS}
    assert {p.stem for p in (PACKAGE / other).glob("[!_]*.py")} <= stems


@each_file
def test_a_file_holds_one_idea(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= laws.MOST_LINES, f"{len(lines)} lines: two ideas"
    assert re.fullmatch(r'"""\S.*\.("""|$)', lines[0]), "the first line says what the file holds"


def docstrings():
    """Every docstring of the package that names its source."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                text = ast.get_docstring(node) or ""
                if re.search(r"^Source:$", text, re.MULTILINE):
                    name = getattr(node, "name", "")
                    yield pytest.param(text, id=f"{path.relative_to(PACKAGE).as_posix()}:{name}")


@pytest.mark.parametrize("text", list(docstrings()))
def test_every_source_has_a_link(text):
    source = re.split(r"^Source:\n", text, flags=re.MULTILINE)[1].split("\n\n")[0]
    assert re.search(r"\]\(https?://\S+\)|\]\[attnref\.", source), source


@pytest.mark.parametrize("name", attnref.__all__)
def test_every_public_name_is_told_whole(name):
    thing = getattr(attnref, name)
    told = inspect.getdoc(thing) or ""
    sections = re.findall(r"^(Args|Attributes|Returns|Raises|Examples|Source):$", told, re.MULTILINE)
    assert re.match(r"\S.*[.:]\n\n", told), "a summary line"
    parameters = inspect.signature(thing).parameters
    result = isinstance(thing, type) and issubclass(thing, tuple)  # what a call returns
    needed = ["Source"] + (["Args", "Raises"] if parameters else [])
    needed += ["Returns", "Examples"] if inspect.isfunction(thing) else []
    for section in ["Attributes"] if result else needed:
        assert section in sections, f"{name} has no {section}"
    args = re.split("(?:Args|Attributes):\n", told)[1].split("\n\n")[0] if parameters else ""
    for parameter in parameters:
        assert re.search(rf"^ +{parameter}: ", args, re.MULTILINE), f"{name} does not tell {parameter}"
    assert sections == sorted(sections, key=["Args", "Attributes", "Returns", "Raises", "Examples", "Source"].index)


PAGES = sorted(p for p in DOCS.rglob("*.md") if not {"_site", "node_modules"} & set(p.parts))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(DOCS).as_posix())
def test_figures_are_named_once_and_say_what_there_is_to_see(page):
    for found in FIGURES.finditer(page.read_text(encoding="utf-8")):
        drawn = re.fullmatch(r"(\.\./)*assets/figures/[\w-]+\.svg", found["path"])
        assert drawn, f"{found['path']}: schemes and widths are not named"
        assert len(found["alt"]) >= 30, f"{found['path']}: {found['alt']!r} does not say what there is to see"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(DOCS).as_posix())
def test_captions_with_marks_are_read_as_markdown(page):
    """Without `markdown="span"` a link, a star or a backtick stands on the page as it is typed."""
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page.read_text(encoding="utf-8"), re.DOTALL)
    assert [caption for caption in captions if re.search(r"\]\(|[`*$]", caption)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(DOCS).as_posix())
def test_headings_have_their_own_names(page):
    text = re.sub(r"^( *)(`{3,}).*?^\1\2\s*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^##+ .*$", text, re.MULTILINE):
        assert re.search(r"\{[^}]*#[a-z0-9-]+[^}]*\}\s*$", heading), f"{heading!r} has no {{ #id }}"


def test_the_cheat_sheet_has_every_public_name():
    sheet = (DOCS / "cheat_sheet.md").read_text(encoding="utf-8")
    assert [name for name in attnref.__all__ if not re.search(rf"\b{name}\b", sheet)] == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "planted").glob("*.py")), ids=lambda p: p.stem)
def test_planted_mistakes_quote_the_code_as_it_is(path):
    found = importlib.import_module(f"planted.{path.stem}")
    for file, mistakes in found.MISTAKES.items():
        code = (PACKAGE / file).read_text(encoding="utf-8")
        assert [what for what, right, *_ in mistakes if right not in code] == [], file
