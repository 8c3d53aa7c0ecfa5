"""Makes random mistakes of one token each, all over attnref, and prints those that no test catches.

`python tests/mutants.py --count 200 --seed 7`; the seed is printed, so that a draw can be made again. Nothing is chosen
by hand: the places are drawn from all operators, numbers, names of functions and keywords of the package. A survivor
is a test that is missing, or a change that changes nothing, which a person has to tell apart.

Each mutant meets the tests that reach its file, its own first, and the examples of its docstrings.
"""

import argparse
import ast
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import mechanisms
import pytest
from planting import ROOT, TESTS, each, outcome

sys.path.insert(0, str(ROOT / "docs" / "_site"))
from sources import Sources

PACKAGE = ROOT / "attnref"
LIMIT = 240  # seconds of the processor for the tests of one mutant: without a change they take less than half of it
# Tests that read the repository rather than run the code.
OTHER = (
    "browser",
    "site",
    "test_benchmarks.py",
    "test_building.py",
    "test_layout.py",
    "test_measured.py",
    "test_packaging.py",
)
STEMS = {mechanism.stem for mechanism in mechanisms.MECHANISMS}
SHARED = ("test_attend.py",)  # what every attention must do: it finds them by name, not by import
COMPILING = ("test_ways_of_torch",)  # slow, so they are tried last
OPERATORS = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"), ast.Pow: ("**", "*"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"), ast.BitXor: ("^", "&"),
    ast.And: ("and", "or"), ast.Or: ("or", "and"),
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"), ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}  # fmt: skip
PAIRS = [
    ("sum", "mean"), ("amax", "amin"), ("max", "min"), ("any", "all"), ("zeros", "ones"), ("zeros_like", "ones_like"),
    ("argmax", "argmin"), ("sigmoid", "tanh"), ("exp", "expm1"), ("log", "log1p"), ("softmax", "log_softmax"),
    ("tril", "triu"), ("floor", "ceil"), ("add_", "sub_"), ("mul", "div"), ("unsqueeze", "squeeze"),
    ("logical_and", "logical_or"), ("cumsum", "cumprod"), ("square", "abs"), ("sqrt", "square"), ("rsqrt", "sqrt"),
    ("append", "extend"), ("minimum", "maximum"), ("new_zeros", "new_ones"), ("train", "eval"), ("sin", "cos"),
]  # fmt: skip
OTHER_NAME = dict(PAIRS) | {second: first for first, second in reversed(PAIRS)}


class Mutant(NamedTuple):
    """One token of a file, what takes its place, and the tests that meet it."""

    file: str
    line: int
    start: int  # in the file, in bytes
    right: str
    wrong: str
    tests: tuple[str, ...]

    def __call__(self, package: Path) -> None:
        """Make the mistake in a copy of the package."""
        path = package / self.file
        text = path.read_bytes()
        stop = self.start + len(self.right.encode())
        assert text[self.start : stop].decode() == self.right, f"{self.file}:{self.line} has changed"
        path.write_bytes(text[: self.start] + self.wrong.encode() + text[stop:])

    def __str__(self) -> str:
        source = (PACKAGE / self.file).read_text(encoding="utf-8").splitlines()[self.line - 1].strip()
        return f"{self.file}:{self.line}  `{self.right}` -> `{self.wrong}`  in  {source}"


class Places:
    """Where one file can be changed by one token. Imports, annotations, docstrings and messages are left alone."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_bytes()
        self.lines = [0]
        for line in self.text.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))
        self.tree = ast.parse(self.text)

    def __iter__(self) -> Iterator[tuple[int, int, str, str]]:
        """Line, start, the right token, the wrong one."""
        for node in self._code(self.tree):
            for start, right, wrong in self._changes(node):
                yield node.lineno, start, right, wrong

    def _code(self, node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
        for name, field in ast.iter_fields(node):
            if name in ("annotation", "returns", "type_params"):
                continue
            for child in field if isinstance(field, list) else [field]:
                if not isinstance(child, ast.AST) or isinstance(child, ast.Import | ast.ImportFrom | ast.Raise):
                    continue
                if isinstance(child, ast.JoinedStr):  # said to people; and without positions of its own
                    continue
                if isinstance(child, ast.expr | ast.stmt):
                    yield child
                yield from self._code(child)

    def _changes(self, node: ast.expr | ast.stmt) -> Iterator[tuple[int, str, str]]:
        match node:
            case ast.BinOp() | ast.AugAssign():
                left, right = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
                yield from self._between(left, right, node.op)
            case ast.BoolOp():
                yield from self._between(node.values[0], node.values[1], node.op)
            case ast.Compare():
                yield from self._between(node.left, node.comparators[0], node.ops[0])
            case ast.UnaryOp(op=ast.Not()):
                yield self._start(node), "not ", ""
            case ast.UnaryOp(op=ast.USub()):
                yield self._start(node), "-", ""
            case ast.UnaryOp(op=ast.Invert()):
                yield self._start(node), "~", ""
            case ast.Constant(value=bool()):
                yield self._start(node), str(node.value), str(not node.value)
            case ast.Constant(value=int() | float()):
                written = self.text[self._start(node) : self._stop(node)].decode()
                for other in (node.value + 1, node.value - 1 if node.value else node.value + 2):
                    yield self._start(node), written, repr(other)
            case ast.Call(func=ast.Attribute(attr=name)) if name in OTHER_NAME:
                stop = self._stop(node.func)
                yield stop - len(name), name, OTHER_NAME[name]
            case ast.Call(func=ast.Name(id=name)) if name in OTHER_NAME:
                yield self._start(node.func), name, OTHER_NAME[name]
            case ast.IfExp():
                yield from self._between(node.body, node.test, None)
            case ast.Break():
                yield self._start(node), "break", "continue"
            case ast.Continue():
                yield self._start(node), "continue", "break"

    def _between(self, left: ast.expr, right: ast.expr, op: ast.AST | None) -> Iterator[tuple[int, str, str]]:
        """The operator that stands between two expressions; of `a if b else c`, the test made the contrary."""
        begin = self._stop(left)
        between = self.text[begin : self._start(right)].decode()
        if op is None:
            if between.strip(" \n()") == "if":
                yield self._start(right), "", "not "
        elif type(op) in OPERATORS:
            token, other = OPERATORS[type(op)]
            found = between.rstrip(" \n(").rfind(token)
            if found >= 0 and "#" not in between:
                equals = isinstance(op, ast.operator) and between[found + len(token) :].startswith("=")
                yield begin + len(between[:found].encode()), token + "=" * equals, other + "=" * equals

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self.lines[node.lineno - 1] + node.col_offset

    def _stop(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.lines[node.end_lineno - 1] + node.end_col_offset


def parses(path: Path, start: int, right: str, wrong: str) -> bool:
    """Whether the file is still Python. `not x` without its `not` may be `else x`, but an empty one is nothing."""
    text = path.read_bytes()
    try:
        ast.parse(text[:start] + wrong.encode() + text[start + len(right.encode()) :])
    except SyntaxError:
        return False
    return True


def meeting(path: Path, reached: dict[Path, set[Path]]) -> tuple[str, ...]:
    """The tests that reach a file, those of its own name first and those that compile last, and its docstrings."""
    tests = [test for test, files in reached.items() if path in files or (path.stem in STEMS and test.name in SHARED)]
    own = path.stem.strip("_")
    tests.sort(key=lambda test: (test.stem in COMPILING, own not in test.stem, len(reached[test]), test))
    last = [test for test in tests if test.stem in COMPILING]
    first = [test for test in tests if test not in last]
    return tuple(test.relative_to(ROOT).as_posix() for test in (*first, path, *last))


def draw(count: int, seed: int, only: str) -> list[Mutant]:
    """So many mutants of the files whose path holds a text, each place as likely as any other."""
    sources = Sources()
    tests = [test for test in TESTS.rglob("test_*.py") if not {test.name, test.parent.name} & set(OTHER)]
    reached = {test: sources.behind(test) for test in tests}
    places = [
        (path, *place)
        for path in sorted(PACKAGE.rglob("*.py"))
        if only in path.relative_to(PACKAGE).as_posix()
        for place in Places(path)
        if parses(path, *place[1:])
    ]
    drawn = random.Random(seed).sample(places, min(count, len(places)))
    print(f"seed {seed}: {len(drawn)} of {len(places)} places in {len({path for path, *_ in places})} files")
    return [Mutant(path.relative_to(PACKAGE).as_posix(), *place, meeting(path, reached)) for path, *place in drawn]


def caught_by(mutant: Mutant) -> str:
    """The first test that fails, or the words that say that none could run. Runs in a process of its own."""
    code, test, said = outcome(mutant, mutant.tests, LIMIT)
    if code in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
        return ""
    return test or f"(pytest broke off with {code}: {said.strip().splitlines()[-1] if said.strip() else ''})"


def main() -> int:
    """Draw, try, print the survivors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", default="", metavar="TEXT", help="files of attnref whose path holds this text")
    parser.add_argument("--list", action="store_true", help="print the mutants and try nothing")
    given = parser.parse_args()
    start = time.monotonic()
    mutants = draw(given.count, given.seed, given.only)
    if given.list:
        print(*mutants, sep="\n")
        return 0
    survivors = []
    for number, (mutant, test) in enumerate(zip(mutants, each(caught_by, mutants), strict=True), 1):
        survivors += [] if test else [mutant]
        print(f"{number:4}  {mutant}\n      {test or 'NOTHING: it survives'}", flush=True)
    print(f"\n{len(mutants) - len(survivors)} of {len(mutants)} caught in {time.monotonic() - start:.0f} s.")
    if survivors:
        print("survivors, each a test that is missing or a change that changes nothing:")
        print(*survivors, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
