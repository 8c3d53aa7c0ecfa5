"""What a reader copies: a snippet of a page with the statements it needs from earlier on the page above it.

The statements are found by going backwards from the snippet: whatever binds or changes a name that is needed is needed
too, with the names it reads itself (`slicing` tells which). When in doubt, more is taken.
"""

import ast
import io
import textwrap
import tokenize
from collections.abc import Sequence
from typing import NamedTuple

from fences import Snippet
from slicing.names import Effect
from slicing.reader import Reader

EARLIER = "# From earlier on this page:"
SNIPPET = "# The snippet:"


class Statement(NamedTuple):
    """One statement of a snippet, and what the page shows under it."""

    code: str
    want: str  # what is printed
    raises: str  # the error it ends in
    session: bool  # it stands behind a prompt, so the page shows what it prints

    @property
    def shows(self) -> bool:
        """Whether it is an expression whose value the page shows."""
        return bool(self.want) and isinstance(ast.parse(self.code).body[-1], ast.Expr)

    @property
    def quiet(self) -> str:
        """The statement for those who want its effect and not its value."""
        nodes = ast.parse(self.code).body
        if self.raises:
            error = self.raises.partition(":")[0].strip()
            return f"try:\n{textwrap.indent(self.code, '    ')}except {error}:\n    pass\n"
        if not self.shows or len(nodes) > 1 or _is_print(nodes[0]):
            return self.code
        lines = self.code.splitlines(keepends=True)
        lines[nodes[0].lineno - 1] = f"_ = {lines[nodes[0].lineno - 1]}"
        return "".join(lines)


class Copy(NamedTuple):
    """What the copy button of one snippet gives."""

    earlier: list[Statement]
    own: list[Statement]
    snippet: Snippet
    reads_underscore: bool  # so that values cannot be put into `_` to keep them from being shown

    @property
    def alone(self) -> str:
        """The snippet by itself, laid out for the interactive prompt."""
        return for_prompt("".join(statement.code for statement in self.own))

    @property
    def above(self) -> list[str]:
        """What it needs, laid out likewise, statement by statement."""
        return [for_prompt(s.code if self.reads_underscore else s.quiet) for s in self.earlier]

    @property
    def parts(self) -> list[str]:
        """The snippet with what it needs, in the order in which it is copied."""
        return [f"{EARLIER}\n", *self.above, f"\n{SNIPPET}\n", self.alone] if self.earlier else [self.alone]

    @property
    def text(self) -> str:
        """What is copied."""
        return "".join(self.parts)


def copies(snippets: Sequence[Snippet]) -> list[Copy]:
    """What the buttons of a page give, for its snippets in order."""
    reader, before, found = Reader(), [], []
    for snippet in snippets:
        own = [(statement, reader.read(statement.code, statement.shows)) for statement in statements(snippet)]
        underscore = any("_" in effect.reads for _, effect in [*before, *own])
        found.append(Copy(needed(before, own), [statement for statement, _ in own], snippet, underscore))
        for statement, effect in own:
            before.append((statement, Effect(effect.reads, set(), effect.changes) if statement.raises else effect))
    return found


def needed(before: list[tuple[Statement, Effect]], own: list[tuple[Statement, Effect]]) -> list[Statement]:
    """The statements among those before that the snippet's own depend on."""
    wanted: set[str] = set()
    for _, effect in reversed(own):
        wanted = _with(effect, wanted)
    taken = []
    for statement, effect in reversed(before):
        gives = effect.binds | effect.changes
        if gives & wanted or "*" in wanted or ("*" in gives and any(name.isidentifier() for name in wanted)):
            taken.append(statement)
            wanted = _with(effect, wanted)
    return taken[::-1]


def _with(effect: Effect, wanted: set[str]) -> set[str]:
    """What is wanted before a statement, given what is wanted after it."""
    gradients = {name for name in effect.binds & wanted if name.endswith(".grad")}
    passed_on = {f"{name}.grad" for name in effect.reads if name.isidentifier()} if gradients else set()
    return (wanted - effect.binds) | effect.reads | passed_on


def statements(snippet: Snippet) -> list[Statement]:
    """The statements of a snippet, each with the comments above it."""
    if snippet.language != "pycon":
        return [Statement(code, "", "", False) for code in split(snippet.code)]
    examples = {example.lineno: example for example in snippet.examples}
    found, comments = [], ""
    for number, line in enumerate(snippet.code.split("\n")):
        if number in examples:
            example = examples[number]
            found.append(Statement(comments + example.source, example.want, example.exc_msg or "", True))
            comments = ""
        elif line.startswith(">>> #"):
            comments += line.removeprefix(">>> ") + "\n"
    return found


def split(code: str) -> list[str]:
    """Code without prompts as its statements, each with the lines above it that belong to none."""
    lines, found, start = code.splitlines(keepends=True), [], 0
    for node in ast.parse(code).body:
        assert node.end_lineno is not None
        if node.end_lineno > start:  # not a second one on the same line
            found.append("".join(lines[start : node.end_lineno]))
            start = node.end_lineno
    return found


def for_prompt(code: str) -> str:
    """Lay code out for the interactive prompt, where a blank line ends a block and nothing else does.

    A blank line within a block gets the spaces of the next line, which the prompt passes over; behind a block comes a
    blank line.
    """
    lines = code.rstrip().split("\n")
    blank = {
        token.start[0] - 1
        for token in tokenize.generate_tokens(io.StringIO(code).readline)
        if token.type == tokenize.NL and not token.line.strip()
    }
    laid_out: list[str] = []
    done = 0
    for node in ast.parse(code).body:
        assert node.end_lineno is not None
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)]) - 1
        laid_out += lines[done : max(first, done)]
        for number in range(max(first, done), node.end_lineno):
            following = next((line for line in lines[number:] if line.strip()), "")
            indent = following[: len(following) - len(following.lstrip())] or "    "
            laid_out.append(indent if number in blank else lines[number])
        done = max(done, node.end_lineno)
        ends = done == len(lines)
        if hasattr(node, "body") and (ends or lines[done].strip()):
            laid_out.append("")
    return "\n".join(laid_out + lines[done:]) + "\n"


def _is_print(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "print"
