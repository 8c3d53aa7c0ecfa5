"""Replace `<!-- source: dotted.name -->` by that object's code: its imports on top, docstrings left out.

What stands on the page runs as it stands: whatever the object uses is imported, from where the module has it or from
the module itself. In the first tab of a set the checks of the arguments are left out as well, and a comment says so.
Where the code sets aside what is not finite, a line under it says what that is for, once in each tab.
The source is read, never imported.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

ROOT = Path(__file__).resolve().parents[3]
MARK = re.compile(r"^(?P<indent>[ \t]*)<!-- source: (?P<name>[\w.]+) -->[ \t]*$")
FENCE = re.compile(r"^[ \t]*(?P<fence>`{3,}|~{3,})")
LINE_LENGTH = 100
CHECK = re.compile(r"(^|[._])(check|refuse)[a-z_]*$")
LEFT_OUT = "# input checks left out"
ASIDE = re.compile(r"\b(?:set_aside(?:_causal)?|spoil)(?=\()")
Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs: fill in the marks of a page."""
    lines, said = [], False
    for line, name, first in marks(markdown):
        if not name:
            lines.append(line)
            said = said and not line.startswith("=== ")
            continue
        text = source(name, checks=not first)
        code = ["```{ .python .source }", *text.split("\n"), "```"]
        if not said and (note := _aside(text)):
            code, said = [*code, "", note], True
        indent = line[: len(line) - len(line.lstrip())]
        lines.extend(f"{indent}{part}" if part else "" for part in code)
    return "\n".join(lines)


def _aside(text: str) -> str:
    """What the calls are for that keep NaN behind a mask, if the code has any."""
    names = [f"`{name}`" for name in dict.fromkeys(ASIDE.findall(text))]
    if not names:
        return ""
    keeps = "keep" if len(names) > 1 else "keeps"
    them = "them" if len(names) > 1 else "it"
    reason = f"{keeps} NaN and infinity behind a mask from spreading; skip {them} on a first reading."
    return f"{' and '.join(names)} {reason}"


def marks(markdown: str) -> Iterator[tuple[str, str, bool]]:
    """Each line, the object it names, if it is a mark outside a fence, and whether that stands in a first tab."""
    fence, tabs = "", 0
    for line in markdown.split("\n"):
        if line.startswith("=== "):
            tabs += 1
        elif line.strip() and not line[0].isspace():
            tabs = 0
        if found := FENCE.match(line):
            if not fence:
                fence = found["fence"]
            elif found["fence"].startswith(fence) and line.strip() == found["fence"]:
                fence = ""
        mark = None if fence else MARK.match(line)
        yield line, mark["name"] if mark else "", tabs == 1


def source(name: str, checks: bool = True) -> str:
    """The code of an object of this repository, ready to paste, with its checks or without them."""
    module, path, wanted = _find(name)
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    defined = {label: node for node in tree.body if isinstance(node, Definition) for label in _labels(node)}
    if wanted not in defined:
        raise PluginError(f"source: {module} defines no {wanted!r}")
    node = defined[wanted]

    left_out = set() if checks else _checks(node)
    used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and part.lineno not in left_out}
    imports = [kept for statement in tree.body if (kept := _kept(statement, used))]
    if local := sorted(used & defined.keys() - set(_labels(node))):
        imports.append(f"from {module} import {', '.join(local)}")
    code = _without_docstrings(text, node, left_out)
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


def _checks(node: ast.AST) -> set[int]:
    """The lines of the checks within a definition, and of what is written for them alone."""
    lines: set[int] = set()
    for part in ast.walk(node):
        for statement in getattr(part, "body", []) if not isinstance(part, ast.Lambda | ast.IfExp) else []:
            if _is_check(statement):
                lines |= _lines(statement)
    if not lines:
        return lines
    for part in ast.walk(node):  # who = "additive_attention"
        if (
            isinstance(part, ast.Assign)
            and isinstance(part.value, ast.Constant)
            and isinstance(part.targets[0], ast.Name)
        ):
            name = part.targets[0].id
            uses = [n for n in ast.walk(node) if isinstance(n, ast.Name) and n.id == name and n is not part.targets[0]]
            if uses and all(use.lineno in lines for use in uses):
                lines |= _lines(part)
    return lines


def _is_check(statement: ast.AST) -> bool:
    """A call of a check, a method that is one, an `if` that raises, or a block of nothing else."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return bool(CHECK.search(ast.unparse(statement.value.func)))
    if isinstance(statement, ast.FunctionDef):
        return bool(CHECK.search(statement.name))
    if isinstance(statement, ast.If | ast.For):
        return not statement.orelse and all(isinstance(s, ast.Raise) or _is_check(s) for s in statement.body)
    return False


def _lines(node: ast.stmt) -> set[int]:
    assert node.end_lineno is not None
    return set(range(node.lineno, node.end_lineno + 1))


def _without_docstrings(text: str, node: Definition, left_out: set[int]) -> str:
    """The lines of a definition, decorators included, without docstrings; a comment where its checks are left out."""
    lines = text.splitlines()
    dropped, notes = set(left_out), set()
    for part in ast.walk(node):
        if not isinstance(part, ast.FunctionDef | ast.ClassDef):
            continue
        if part is not node and part.lineno in left_out:  # a method that checks
            dropped |= _with_blank(_lines(part), lines)
            continue
        if ast.get_docstring(part) is not None and len(part.body) > 1:
            dropped |= _with_blank(_lines(part.body[0]), lines)
        inside = [n for s in part.body for n in sorted(_lines(s) & left_out)]
        if isinstance(part, ast.FunctionDef) and inside:
            first = inside[0]
            indent = len(lines[first - 1]) - len(lines[first - 1].lstrip())
            lines[first - 1] = f"{' ' * indent}{LEFT_OUT}"
            notes.add(first)
            run = {n for n in inside if set(range(first, n)) <= left_out | {first}}
            dropped |= _with_blank(run, lines)
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    first = min([node.lineno, *(d.lineno for d in decorators)])
    assert node.end_lineno is not None
    return "\n".join(lines[n - 1] for n in range(first, node.end_lineno + 1) if n not in dropped - notes)


def _with_blank(numbers: set[int], lines: list[str]) -> set[int]:
    """Lines, and the blank one that follows."""
    after = max(numbers) + 1
    return numbers | {after} if after <= len(lines) and not lines[after - 1].strip() else numbers
