"""Run targets of make one after another, and end with a table of what each has taken.

`python tests/parts.py NAME MAKE target…`: a run inside another one adds its rows to the outer table. The first target
that fails ends the run. Needs nothing that is not in Python.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LOG = "ATTNREF_PARTS"  # the file in which an inner run leaves its rows for the outer one
Row = tuple[int, str, float]


def spent(seconds: float) -> str:
    """A duration as people say it."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def run(make: str, target: str) -> tuple[int, list[Row]]:
    """One target: its exit code, its row, and the rows of runs inside it."""
    print(f"== {target}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "rows")
        start = time.monotonic()
        code = subprocess.run([make, "--no-print-directory", target], env=os.environ | {LOG: str(log)}).returncode
        row = (0, target, time.monotonic() - start)
        inner = json.loads(log.read_text(encoding="utf-8")) if log.exists() else []
    return code, [row, *((depth + 1, name, seconds) for depth, name, seconds in inner)]


def main(name: str, make: str, *targets: str) -> int:
    """Run, print, and leave the rows for an outer run."""
    rows: list[Row] = []
    code = 0
    for target in targets:
        code, more = run(make, target)
        rows += more
        if code:
            break
    if outer := os.environ.get(LOG):
        Path(outer).write_text(json.dumps(rows), encoding="utf-8")
    total = (0, f"{name}, all of it", sum(seconds for depth, _, seconds in rows if not depth))
    width = max(len(label) + 2 * depth for depth, label, _ in [*rows, total])
    print("\nwhat each part took")
    for depth, label, seconds in [*rows, total]:
        print(f"  {'  ' * depth}{label:{width - 2 * depth}}  {spent(seconds):>12}")
    if code:
        print(f"{targets[sum(not depth for depth, _, _ in rows) - 1]} failed")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
