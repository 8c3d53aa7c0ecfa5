"""Pages are tests: each Python fence of a page is one test, and the fences of a page share one namespace.

A `pycon` fence is a session: every statement's output must be the one shown. A `python` fence must run.
"""

import doctest
import os
import re
from collections.abc import Iterator

from sybil import Document, Example, Region, Sybil
from sybil.evaluators.doctest import NUMBER, DocTest, DocTestRunner
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import SkipParser
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

os.environ.setdefault("MPLBACKEND", "Agg")  # snippets draw, nobody watches

FLAGS = doctest.ELLIPSIS | NUMBER
# ```pycon, ```python, ```{ .pycon .class }, each with any options after it.
FENCE = re.compile(r"[ \t]*\{?[ \t]*\.?(?P<language>pycon|python|py|python3)\b[^\n]*\n")


class PythonFences:
    """Finds the Python fences of a page and knows how to run each."""

    def __init__(self) -> None:
        self.lexer = RawFencedCodeBlockLexer(FENCE)
        self.parser = doctest.DocTestParser()
        self.run_python = PythonEvaluator()

    def __call__(self, document: Document) -> Iterator[Region]:
        """Find the fences, each with its own line, and refuse those that no one would run."""
        for region in self.lexer(document):
            language, source = region.lexemes["language"], region.lexemes["source"]
            where = f"{document.path}:{document.text.count(chr(10), 0, region.start) + 1}"
            session = self.parser.get_examples(source, document.path)
            if language not in ("pycon", "python"):
                raise ValueError(f"{where}: write `pycon` or `python`, not `{language}`.")
            if bool(session) != (language == "pycon"):
                raise ValueError(f"{where}: a `pycon` fence has >>> prompts, a `python` fence has none.")
            if session:
                yield Region(region.start, region.end, session, self.evaluate_session)
            else:
                yield Region(region.start, region.end, source, self.evaluate_python)

    @staticmethod
    def evaluate_session(example: Example) -> str:
        """Run the statements one by one and report every one that is wrong, not the first alone."""
        example.namespace.setdefault("__name__", "__page__")
        wrong = []
        for statement in example.parsed:
            said: list[str] = []
            test = DocTest([statement], example.namespace, example.path, None, statement.lineno, None)
            DocTestRunner(FLAGS).run(test, clear_globs=False, out=said.append)
            if said:
                line = example.line + 1 + statement.lineno
                wrong.append(f"{example.path}:{line}\n>>> {statement.source.splitlines()[0]}\n{''.join(said)}")
        return "\n".join(wrong)

    def evaluate_python(self, example: Example) -> None:
        """Run a plain fence; an exception fails it, with the line of the page."""
        example.namespace.setdefault("__name__", "__page__")
        self.run_python(example)


pytest_collect_file = Sybil(
    parsers=[PythonFences(), SkipParser()],
    patterns=["docs/*.md", "docs/**/*.md", "README.md", "CONTRIBUTING.md"],
    excludes=["docs/_site/**/*.md"],
).pytest()
