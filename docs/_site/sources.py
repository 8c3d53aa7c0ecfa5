"""What a script is made of: the modules of this package behind it and the data beside them, found without importing.

A figure or a notebook is made again when its key changes. Comments, docstrings and layout are no part of it, nor are
modules that the script never reaches.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class Code:
    """One Python file without its comments, docstrings and layout."""

    def __init__(self, path: Path) -> None:
        self.tree = ast.parse(path.read_bytes())
        for node in ast.walk(self.tree):
            if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
                del node.body[0]

    @cached_property
    def text(self) -> bytes:
        """The same for files that differ in nothing that runs."""
        return ast.dump(self.tree).encode()

    @cached_property
    def imports(self) -> list[tuple[str, str]]:
        """Modules and what is imported of them, wherever in the file; nothing where it is the module itself."""
        found: list[tuple[str, str]] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [(alias.name, "") for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                found += [(node.module, alias.name) for alias in node.names]
        return found

    @cached_property
    def strings(self) -> set[str]:
        """Every constant text in it."""
        constants = (node.value for node in ast.walk(self.tree) if isinstance(node, ast.Constant))
        return {value for value in constants if isinstance(value, str)}


class Sources:
    """One reading of the package: a file is parsed once, so take a new one after files have changed."""

    def __init__(self, root: Path = ROOT, package: str = "attnref") -> None:
        self.root, self.package = root, package
        self._codes: dict[Path, Code] = {}
        self._reached: dict[Path, set[Path]] = {}

    def key(self, script: Path, *others: str) -> str:
        """A digest of the script's code, of all that is behind it, and of what else is named."""
        digest = hashlib.sha256("\n".join(others).encode())
        for path in sorted(self.behind(script)):
            content = self._code(path).text if path.suffix == ".py" else path.read_bytes()
            name = path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.name
            digest.update(f"\n{name} {len(content)}\n".encode() + content)
        return digest.hexdigest()

    def behind(self, script: Path) -> set[Path]:
        """The script, every module of the package that it reaches, and the data files of all of them."""
        found, left = {script}, [*self._imported(script), *self._loaded_by_name(script)]
        while left:
            path = left.pop()
            if path not in found:
                found.add(path)
                left += self._imported(path)
        return found | {data for path in found for data in self._data(path)}

    def _imported(self, path: Path) -> set[Path]:
        """The files of the package that a file imports."""
        if path not in self._reached:
            found = (self._origin(module, name) or _beside(path, module) for module, name in self._code(path).imports)
            self._reached[path] = {file for file in found if file}
        return self._reached[path]

    def _loaded_by_name(self, script: Path) -> Iterator[Path]:
        """Tasks that are loaded by name, as in `load("dates")`."""
        for text in self._code(script).strings:
            if text.isidentifier() and (path := self._file(f"{self.package}.tasks.{text}")):
                yield path

    def _origin(self, module: str, name: str) -> Path | None:
        """The file that defines what `from module import name` gives; where that is not to be seen, the module's."""
        path = self._file(module)
        if path is None:
            return None
        if name and (inner := self._file(f"{module}.{name}")):
            return inner
        for source, alias in self._reexported(path):
            if name == (alias.asname or alias.name):
                return self._origin(source, alias.name) or path
            if alias.name == "*" and name in self._exported(source):
                return self._origin(source, name)
        return path

    def _reexported(self, path: Path) -> Iterator[tuple[str, ast.alias]]:
        """The top-level `from module import name` of a file."""
        for node in self._code(path).tree.body:
            if isinstance(node, ast.ImportFrom) and node.module:
                yield from ((node.module, alias) for alias in node.names)

    def _exported(self, module: str) -> set[str]:
        """The names that a module of the package defines or imports."""
        path, names = self._file(module), set[str]()
        if path is None:
            return names
        for source, alias in self._reexported(path):
            names |= self._exported(source) if alias.name == "*" else {alias.asname or alias.name}
        for node in self._code(path).tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                names |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        return names

    def _data(self, path: Path) -> Iterator[Path]:
        """The data files of one file: those whose names begin with its own, those it names, those nobody claims."""
        modules = list(path.parent.glob("*.py"))
        for data in (*path.parent.glob("*.*"), *path.parent.glob("data/*.*")):
            if data.suffix in (".py", ".md", ".typed"):
                continue
            owners = [m for m in modules if data.name.startswith(m.stem) or data.name in self._code(m).strings]
            if path in owners or (not owners and path.is_relative_to(self.root / self.package)):
                yield data

    def _file(self, module: str) -> Path | None:
        """The file of a module of the package; nothing for any other."""
        if module.partition(".")[0] != self.package:
            return None
        folder = self.root.joinpath(*module.split("."))
        return next((path for path in (folder.with_suffix(".py"), folder / "__init__.py") if path.is_file()), None)

    def _code(self, path: Path) -> Code:
        if path not in self._codes:
            self._codes[path] = Code(path)
        return self._codes[path]


def _beside(path: Path, module: str) -> Path | None:
    """A module in the folder of the script: what scripts share."""
    file = path.with_name(f"{module}.py")
    return file if module.startswith("_") and file.is_file() else None
