"""The snippets of a page: found in its Markdown, run, and compared with what the page shows.

Only the standard library is imported, so that the site and the tests can load this file by its path, without torch.
"""

import doctest
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

NUMBER = doctest.register_optionflag("NUMBER")
FLAGS = doctest.ELLIPSIS | NUMBER

# ```pycon, ~~~python, ```{ .pycon .class }, each with any options after it.
FENCE = re.compile(r"(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*\{?[ \t]*\.?(?P<language>[\w+-]*)(?P<rest>.*)")
NUMERAL = re.compile(
    r"[+-]?(?:\d*\.(?P<fraction>\d+)|\d+\.(?!\d))(?:[eE](?P<e>[+-]?\d+))?|[+-]?\d+[eE](?P<exponent>[+-]?\d+)"
)


class Snippet(NamedTuple):
    """One Python fence of a page."""

    language: str  # pycon or python
    line: int  # where its code begins on the page, counted from 1
    code: str  # as it is written, prompts and outputs included

    @property
    def examples(self) -> list[doctest.Example]:
        """The statements of a session; none in a fence without prompts."""
        return doctest.DocTestParser().get_examples(self.code) if self.language == "pycon" else []


def snippets(markdown: str) -> Iterator[Snippet]:
    """The Python fences of a page, in order, those in tabs and boxes included."""
    opened, start, held = None, 0, []
    for number, line in enumerate(markdown.split("\n"), 1):
        found = FENCE.fullmatch(line)
        if opened is None:
            if found and "`" not in found["rest"]:
                opened, start, held = found, number + 1, []
        elif found and found["fence"].startswith(opened["fence"]) and line.strip() == found["fence"]:
            if opened["language"] in ("pycon", "python", "py", "python3"):
                yield Snippet(opened["language"], start, "".join(held))
            opened = None
        else:
            indent = len(opened["indent"])
            held.append((line.lstrip() if line[:indent].strip() else line[indent:]) + "\n")


def only_snippets(markdown: str) -> str:
    """The page with everything but its Python fences left blank, each on its line."""
    lines = [""] * (markdown.count("\n") + 1)
    for language, start, code in snippets(markdown):
        fenced = [f"```{language}", *code.split("\n")[:-1], "```"]
        lines[start - 2 : start - 2 + len(fenced)] = fenced
    return "\n".join(lines).rstrip() + "\n"


class Checker(doctest.OutputChecker):
    """Compares numbers to the digits that are written, and leaves out spaces at the ends of lines."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        """Whether what was printed is what the page shows."""
        want, got = (re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE) for text in (want, got))
        same = super().check_output
        return same(want, got, optionflags) or (
            bool(optionflags & NUMBER) and same(want, _to_the_digits(want, got), optionflags)
        )


def _to_the_digits(want: str, got: str) -> str:
    """What was printed, with each number that rounds to the wanted one replaced by it."""
    wanted, printed = list(NUMERAL.finditer(want)), list(NUMERAL.finditer(got))
    if len(wanted) != len(printed):
        return got
    for w, g in reversed(list(zip(wanted, printed, strict=True))):
        digits = len(w["fraction"] or "") - int(w["e"] or w["exponent"] or 0)
        if abs(float(w[0]) - float(g[0])) <= 10.0**-digits * (1 + 1e-9):
            got = got[: g.start()] + w[0] + got[g.end() :]
    return got


def run(snippet: Snippet, namespace: dict[str, Any], page: str) -> str:
    """Run one snippet in the namespace of its page and tell every statement that prints something else."""
    if snippet.language == "python":
        exec(compile("\n" * (snippet.line - 1) + snippet.code, page, "exec"), namespace)
        return ""
    wrong = []
    for example in snippet.examples:
        said: list[str] = []
        test = doctest.DocTest([example], {}, page, None, example.lineno, None)
        test.globs = namespace  # not a copy: the next snippet goes on from here
        doctest.DocTestRunner(Checker(), optionflags=FLAGS).run(test, clear_globs=False, out=said.append)
        if said:
            first = example.source.splitlines()[0]
            wrong.append(f"{page}:{snippet.line + example.lineno}\n>>> {first}\n{''.join(said)}")
    return "\n".join(wrong)
