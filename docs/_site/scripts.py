"""A page as a notebook and as a script: its own snippets, and its text between them."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urljoin

from fences import Snippet, snippets
from slices import Statement, statements

FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
MARK = re.compile(r"<!-- source: ([\w.]+) -->")
ATTRIBUTES = re.compile(r"[ \t]*\{:?[ \t]*[#.][^}\n]*\}")
LINK = re.compile(r"(?<!!)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\](?:\((?P<target>[^)\s]+)[^)]*\)|\[[^\]]*\])")
FIGURE = re.compile(r"<figure.*?<figcaption>(.*?)</figcaption>.*?</figure>", re.DOTALL)


class Part(NamedTuple):
    """A stretch of text, or a snippet."""

    text: str
    snippet: Snippet | None


def parts(markdown: str, address: str = "") -> Iterator[Part]:
    """The text and the snippets of a page in order. Links lead to the site, given the address of the page's folder."""
    lines, start = markdown.split("\n"), 0
    for snippet in snippets(markdown):
        yield Part(text("\n".join(lines[start : snippet.line - 2]), address), None)
        yield Part("", snippet)
        start = snippet.line + snippet.code.count("\n")
    yield Part(text("\n".join(lines[start:]), address), None)


def text(markdown: str, address: str = "") -> str:
    """A stretch of a page as plain Markdown: no figures, no boxes, no attributes."""

    def link(found: re.Match[str]) -> str:
        target = re.sub(r"\.(md|py)(?=#|$)", "/", found["target"] or "")
        target = re.sub(r"(^|/)index/", r"\1", target)
        if re.match(r"https?:", target):
            return found[0]
        return f"[{found['text']}]({urljoin(address, target)})" if address and target else found["text"]

    markdown = FRONT_MATTER.sub("", markdown)
    markdown = re.sub(r"^[ \t]*--8<--.*$", "", markdown, flags=re.MULTILINE)
    markdown = FIGURE.sub(r"*Figure: \1*", markdown)
    markdown = re.sub(r"^[ \t]*!\[.*$", "", markdown, flags=re.MULTILINE)
    markdown = re.sub(r'^=== "(.+)"$', r"- The code, \1:", markdown, flags=re.MULTILINE)
    markdown = re.sub(r'^(?:!!!|\?\?\?\+?)[ \t]*\w+(?:[ \t]+"(.*)")?$', r"**\1**", markdown, flags=re.MULTILINE)
    markdown = markdown.replace("****", "")
    markdown = LINK.sub(link, ATTRIBUTES.sub("", MARK.sub(r"`\1`", markdown)))
    markdown = re.sub(r"</?(?:div|figure|picture|source|img|span)[^>]*>", "", markdown)
    markdown = re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL)
    markdown = re.sub(r"^ {4}(?=\S)", "", markdown, flags=re.MULTILINE)
    return re.sub(r"\n\s*\n\s*\n+", "\n\n", markdown).strip()


def notebook(markdown: str, address: str = "") -> str:
    """The page as an .ipynb, with the outputs that the page shows."""
    cells: list[dict[str, Any]] = []
    for part in parts(markdown, address):
        if part.text:
            cells.append({"cell_type": "markdown", "metadata": {}, "source": part.text})
        for code, last in _cells(part.snippet) if part.snippet else ():
            metadata = {"tags": ["raises-exception"]} if last.raises else {}
            outputs = _outputs(last)
            cells.append(
                {"cell_type": "code", "execution_count": None, "metadata": metadata, "outputs": outputs, "source": code}
            )
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def _cells(snippet: Snippet) -> Iterator[tuple[str, Statement]]:
    """A snippet cut behind every statement that shows something: a notebook shows the last value of a cell alone."""
    held = ""
    last = None
    for last in statements(snippet):
        held += last.code
        if last.want or last.raises:
            yield held.rstrip(), last
            held = ""
    if held.strip() and last:
        yield held.strip(), last


def _outputs(statement: Statement) -> list[dict[str, Any]]:
    if not statement.want or statement.raises:
        return []
    if statement.shows and statement.quiet != statement.code:
        data = {"text/plain": statement.want.rstrip("\n")}
        return [{"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": data}]
    return [{"output_type": "stream", "name": "stdout", "text": statement.want}]


def script(markdown: str, address: str = "") -> str:
    """The page as a script that prints what the page shows, with its text as comments."""
    blocks = []
    for part in parts(markdown, address):
        if part.text:
            blocks.append("# %% [markdown]\n" + "\n".join(f"# {line}".rstrip() for line in part.text.split("\n")))
        elif part.snippet:
            blocks.append("# %%\n" + "".join(printing(statement) for statement in statements(part.snippet)).rstrip())
    return "\n\n".join(blocks) + "\n"


def printing(statement: Statement) -> str:
    """A statement that prints the value, or the error, that the page shows under it."""
    if statement.raises:
        indented = "".join(f"    {line}" for line in statement.code.splitlines(keepends=True))
        return f'try:\n{indented}except Exception as error:\n    print(f"{{type(error).__name__}}: {{error}}")\n'
    if not statement.shows or statement.quiet == statement.code:
        return statement.code
    node = ast.parse(statement.code).body[-1]
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    lines = statement.code.splitlines(keepends=True)
    # Arrays, strings and the numbers of NumPy are not printed as the prompt shows them.
    as_shown = re.match(r"tensor\(|torch\.|[\[({\d]|-\d|True|False", statement.want)
    before, after = ("print(", ")") if as_shown else ("print(repr(", "))")
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Tuple):
        before, after = f"{before}(", f"){after}"
    end = lines[node.end_lineno - 1].encode()
    lines[node.end_lineno - 1] = (end[: node.end_col_offset] + after.encode() + end[node.end_col_offset :]).decode()
    lines[node.lineno - 1] = before + lines[node.lineno - 1]
    return "".join(lines)
