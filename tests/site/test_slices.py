"""What stands above a snippet when it is copied: everything that it needs, and little else."""

import contextlib
import io
import textwrap

import pages_to_slice as pages
import pytest
from fences import Snippet
from slices import copies, split

ALL = {name: page for group in (pages.NAMES, pages.FUNCTIONS, pages.OBJECTS, pages.TENSORS, pages.RANDOM)
       for name, page in group.items()}  # fmt: skip


def printed(code, namespace):
    """What the prompt prints under each statement of the code."""
    said = []
    for statement in split(code):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            try:
                exec(compile(statement, "page", "single"), namespace)
            except Exception as error:
                print(f"{type(error).__name__}: {error}")
        said.append((statement, out.getvalue()))
    return said


def session(said):
    """A fence with prompts that shows what was printed."""
    lines = []
    for statement, output in said:
        first, *others = statement.rstrip().split("\n")
        lines += [f">>> {first}", *(f"... {line}".rstrip() for line in others)]
        if ": " in output and output.partition(":")[0].endswith("Error"):
            lines += ["Traceback (most recent call last):", "    ..."]
        lines.append(output.rstrip())
    return "\n".join(line for line in lines if line) + "\n"


def run_page(page):
    """The page's snippets as fences, run in turn, and what the last of them prints."""
    namespace, fences, said = {"__name__": "__main__"}, [], []
    for code in textwrap.dedent(page).strip().split("----\n"):
        said = printed(code, namespace)
        fences.append(Snippet("pycon", 1, session(said)))
    return fences, [output for _, output in said]


@pytest.mark.parametrize("name", ALL)
def test_the_copy_prints_what_the_page_shows(name):
    fences, wanted = run_page(ALL[name])
    copy = copies(fences)[-1]
    above = "".join(copy.above)
    namespace = {"__name__": "__main__"}
    said = [output for _, output in printed(above, namespace) if "Error" in output]
    said += [output for _, output in printed(copy.alone, namespace)]
    assert said == wanted, copy.text
    for line in textwrap.dedent(ALL[name]).splitlines():
        assert not line.endswith("# idle") or line.strip() not in copy.text, copy.text


def test_the_same_page_gives_the_same_copies_whatever_was_read_before():
    page = "\n".join(session([(line, "") for line in split(textwrap.dedent(code).replace("----\n", ""))])
                     for code in [*pages.OBJECTS.values(), *pages.RANDOM.values()])  # fmt: skip
    once = [copy.text for copy in copies([Snippet("pycon", 1, page)] * 2)]
    keep = [copies(run_page(code)[0]) for code in pages.TENSORS.values()]
    assert keep
    assert [copy.text for copy in copies([Snippet("pycon", 1, page)] * 2)] == once
