"""Run targets of make one after another, and end with a table of what each has taken.

`python tests/parts.py NAME MAKE target…`: a run inside another one adds its rows to the outer table. The first target
that fails ends the run. `site+doctest` runs two side by side: the one fills the cores that the other leaves idle.
Needs nothing that is not in Python.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import IO

LOG = "ATTNREF_PARTS"  # the file in which an inner run leaves its rows for the outer one
Row = tuple[int, str, float]


def spent(seconds: float) -> str:
    """A duration as people say it."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def run(make: str, target: str, said: IO[str] | None = None) -> tuple[int, list[Row]]:
    """One target: its exit code, its row, and the rows of runs inside it; what it says may go to a file."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "rows")
        start = time.monotonic()
        command = [make, "--no-print-directory", target]
        code = subprocess.run(command, env=os.environ | {LOG: str(log)}, stdout=said, stderr=said).returncode
        row = (0, target, time.monotonic() - start)
        inner = json.loads(log.read_text(encoding="utf-8")) if log.exists() else []
    return code, [row, *((depth + 1, name, seconds) for depth, name, seconds in inner)]


def side_by_side(make: str, targets: list[str]) -> tuple[dict[str, int], list[Row]]:
    """Several targets at a time: the exit code of each, and all rows. What the later ones say is shown in the end."""
    print("==", ", and beside it ".join(targets), flush=True)
    with ThreadPoolExecutor() as pool, ExitStack() as files:
        later = [(target, files.enter_context(tempfile.TemporaryFile("w+"))) for target in targets[1:]]
        futures = [pool.submit(run, make, target, said) for target, said in later]
        done = [run(make, targets[0]), *(future.result() for future in futures)]
        for target, said in later:
            said.seek(0)
            print(f"== {target}", said.read(), sep="\n", end="", flush=True)
    codes = {target: code for target, (code, _) in zip(targets, done, strict=True)}
    return codes, [row for _, rows in done for row in rows]


def main(name: str, make: str, *steps: str) -> int:
    """Run, print, and leave the rows for an outer run."""
    rows: list[Row] = []
    start, failed = time.monotonic(), {}
    for step in steps:
        codes, more = side_by_side(make, step.split("+"))
        rows += more
        if failed := {target: code for target, code in codes.items() if code}:
            break
    if outer := os.environ.get(LOG):
        Path(outer).write_text(json.dumps(rows), encoding="utf-8")
    total = (0, f"{name}, all of it", time.monotonic() - start)
    width = max(len(label) + 2 * depth for depth, label, _ in [*rows, total])
    print("\nwhat each part took")
    for depth, label, seconds in [*rows, total]:
        print(f"  {'  ' * depth}{label:{width - 2 * depth}}  {spent(seconds):>12}")
    if failed:
        print(f"{', '.join(failed)} failed")
    return next(iter(failed.values()), 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
