"""Replace `<!-- source: dotted.name -->` by that object's code: its imports on top, docstrings left out.

What stands on the page runs as it stands: whatever the object uses is imported, from where the module has it or from
the module itself. The source is read, never imported.
"""

import ast
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

ROOT = Path(__file__).resolve().parents[3]
MARK = re.compile(r"^(?P<indent>[ \t]*)<!-- source: (?P<name>[\w.]+) -->[ \t]*$")
FENCE = re.compile(r"^[ \t]*(?P<fence>`{3,}|~{3,})")
LINE_LENGTH = 100
Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs: fill in the marks of a page, leaving those inside a fence alone."""
    lines, fence = [], ""
    for line in markdown.split("\n"):
        if found := FENCE.match(line):
            if not fence:
                fence = found["fence"]
            elif found["fence"].startswith(fence) and line.strip() == found["fence"]:
                fence = ""
        mark = None if fence else MARK.match(line)
        if mark is None:
            lines.append(line)
        else:
            code = ["```{ .python .source }", *source(mark["name"]).split("\n"), "```"]
            lines.extend(f"{mark['indent']}{part}" if part else "" for part in code)
    return "\n".join(lines)


def source(name: str) -> str:
    """The code of an object of this repository, ready to paste."""
    module, path, wanted = _find(name)
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    defined = {label: node for node in tree.body if isinstance(node, Definition) for label in _labels(node)}
    if wanted not in defined:
        raise PluginError(f"source: {module} defines no {wanted!r}")
    node = defined[wanted]

    used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    imports = [kept for statement in tree.body if (kept := _kept(statement, used))]
    if local := sorted(used & defined.keys() - set(_labels(node))):
        imports.append(f"from {module} import {', '.join(local)}")
    code = _without_docstrings(text, node)
    return "\n\n\n".join(part for part in (_grouped(imports), code) if part)


def _find(name: str) -> tuple[str, Path, str]:
    """Split a dotted name into a module, its file, and the object in it."""
    module, _, wanted = name.rpartition(".")
    folder = ROOT.joinpath(*module.split("."))
    for path in (folder.with_suffix(".py"), folder / "__init__.py"):
        if module and path.is_file():
            return module, path, wanted
    raise PluginError(f"source: there is no module {module!r} for {name!r}")


def _labels(node: Definition) -> list[str]:
    """The names a top-level statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    goals = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [part.id for goal in goals for part in ast.walk(goal) if isinstance(part, ast.Name)]


def _kept(statement: ast.stmt, used: set[str]) -> str:
    """An import statement with only the names in use, or nothing."""
    if not isinstance(statement, ast.Import | ast.ImportFrom):
        return ""
    names = [a for a in statement.names if (a.asname or a.name.partition(".")[0]) in used]
    if not names:
        return ""
    if isinstance(statement, ast.Import):
        return ast.unparse(ast.Import(names))
    return ast.unparse(ast.ImportFrom(statement.module, names, statement.level))


def _grouped(imports: list[str]) -> str:
    """Imports as formatters write them: standard library, packages, this package; long ones one name to a line."""
    groups: list[list[str]] = [[], [], []]
    for line in imports:
        root = re.split(r"[ .]", line)[1]
        groups[0 if root in sys.stdlib_module_names else 2 if root == "attnref" else 1].append(_wrapped(line))
    return "\n\n".join("\n".join(group) for group in groups if group)


def _wrapped(line: str) -> str:
    if len(line) <= LINE_LENGTH:
        return line
    head, _, names = line.partition(" import ")
    return f"{head} import (\n" + "".join(f"    {name},\n" for name in names.split(", ")) + ")"


def _without_docstrings(text: str, node: Definition) -> str:
    """The lines of a definition, decorators included, without its docstrings and those of what it holds."""
    lines = text.splitlines()
    dropped: set[int] = set()
    for part in ast.walk(node):
        if not isinstance(part, ast.FunctionDef | ast.ClassDef) or ast.get_docstring(part) is None:
            continue
        doc = part.body[0]
        if len(part.body) == 1 or doc.end_lineno is None:
            continue
        dropped.update(range(doc.lineno, doc.end_lineno + 1))
        if not lines[doc.end_lineno].strip():  # the blank line that follows
            dropped.add(doc.end_lineno + 1)
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    first = min([node.lineno, *(d.lineno for d in decorators)])
    assert node.end_lineno is not None
    return "\n".join(lines[n - 1] for n in range(first, node.end_lineno + 1) if n not in dropped)
