"""What readers copy runs: every copy button of a page, pasted in order into a fresh interpreter."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.browser

# Each block with a copy button. `alone`: the example of a docstring, or the source of an object in a tab.
# Signatures are no code to run, and cells of a notebook ran when the site was built.
BLOCKS = """() => [...document.querySelectorAll('.md-content .highlight')]
    .filter(block => !block.closest('.jupyter-wrapper, .doc-signature'))
    .filter(block => block.matches('.language-pycon, .language-python, .language-console'))
    .map((block, i) => {
      block.dataset.block = i
      const raised = [...block.querySelectorAll('.gr')].at(-1)
      return {
        block: i,
        language: block.className.match(/language-(\\w+)/)[1],
        alone: !!block.closest('.doc-object, .source, .tabbed-block'),
        raises: block.querySelector('.gt') ? (raised ? raised.innerText : '') : null,
      }
    })"""

SHOW = """block => {
  const tab = block.closest('.tabbed-block')
  if (tab) {
    const tabs = tab.closest('.tabbed-set').querySelectorAll(':scope > input')
    tabs[[...tab.parentNode.children].indexOf(tab)].click()
  }
  block.scrollIntoView({block: 'center'})
}"""

# Runs groups of blocks, each group in a namespace of its own, and ends with all that went wrong.
RUNNER = r"""
import json, sys, traceback
wrong = []
for group in json.load(sys.stdin):
    namespace = {"__name__": "__main__"}
    for block in group:
        raised = None
        try:
            exec(compile(block["copied"], f"block {block['block']}", "exec"), namespace)
        except Exception as error:
            raised = error
        if (raised is None) != (block["raises"] is None) or (raised and type(raised).__name__ not in block["raises"]):
            said = "".join(traceback.format_exception(raised)) if raised else "nothing was raised"
            wrong.append("\n".join([block["copied"], f"-- the page shows: {block['raises'] or 'no error'}", said]))
sys.exit(("\n" + "-" * 80 + "\n").join(wrong) or 0)
"""


def copy(page, block: dict) -> str:
    shown = page.locator(f"[data-block='{block['block']}']")
    shown.evaluate(SHOW)
    page.evaluate("navigator.clipboard.writeText('nothing was copied')")
    shown.hover()
    shown.locator("button[data-md-type=copy], button.md-clipboard").first.click()
    page.wait_for_function("async () => await navigator.clipboard.readText() != 'nothing was copied'")
    return page.evaluate("navigator.clipboard.readText()")


def test_what_readers_copy_runs(path, visit, tmp_path):
    page = visit().open(path).page
    blocks = page.evaluate(BLOCKS)
    for block in blocks:
        block["copied"] = copied = copy(page, block)
        assert not any(line.startswith((">>>", "...", "$ ")) for line in copied.splitlines()), copied

    python = [block for block in blocks if block["language"] != "console"]
    together = [block for block in python if not block["alone"]]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUNNER],
        input=json.dumps([together, *([block] for block in python if block["alone"])]),
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
