"""Three attentions in one small vision model: `python benchmarks/patches.py`.

Each reads scikit-learn's digits in patches of 2 x 2 pixels. Nothing differs but what a head does: the weights at the
start, their number, the images and their order are the same for all of one seed. Accuracy is measured on held-out
images, once for each of two ways to hold them out (see `digit_rows_data`): "images" keeps one image in five, "forms"
the last three forms, most of whose writers are new as well. One thread, so the same machine gives the same numbers. The
table goes to the screen and the figures behind it to docs/figures/digit_patches.json.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch

from attnref.tasks import digit_patches, digit_rows_data

SEEDS = [0, 1, 2]
OUT = Path(__file__).parents[1] / "docs" / "figures" / "digit_patches.json"


class Run(NamedTuple):
    """One training, and the share of held-out images that are read right after it."""

    attend: str
    split: str
    seed: int
    accuracy: float
    held_out: int
    weights: int
    cpu_seconds: float


def run(attend: str, split: str, seed: int, steps: int) -> Run:
    """Train one reader and measure it."""
    start = time.process_time()
    reader, _ = digit_patches.train(seed, attend=attend, split=split, steps=steps, progress=False)
    seconds = time.process_time() - start
    images, digits = digit_rows_data.held_out_digits(split=split)
    accuracy = digit_patches.measure(reader, images, digits).accuracy
    print(f"{attend}, {split}, seed {seed}: {accuracy:.4f}, trained in {seconds:.0f} s of CPU time", file=sys.stderr)
    numbers = sum(p.numel() for p in reader.parameters())
    return Run(attend, split, seed, round(accuracy, 4), len(images), numbers, round(seconds, 1))


def kept(run: Run) -> dict[str, Any]:
    """What goes to the file: all that the same machine would measure again, so not the time."""
    return {name: value for name, value in run._asdict().items() if name != "cpu_seconds"}


def table(runs: list[Run]) -> str:
    """Mean over the seeds, then the least and the greatest."""
    lines = [f"{'held out':<10}" + "".join(f"{name:>24}" for name in digit_patches.ATTENDS)]
    for split in digit_rows_data.SPLITS:
        cells = []
        for name in digit_patches.ATTENDS:
            found = [r.accuracy for r in runs if (r.attend, r.split) == (name, split)]
            cells.append(f"{sum(found) / len(found):.3f} ({min(found):.3f}-{max(found):.3f})")
        lines.append(f"{split:<10}" + "".join(f"{cell:>24}" for cell in cells))
    return "\n".join(lines)


def main() -> None:
    """Print the table and write the file."""
    parser = argparse.ArgumentParser(description="Accuracy of one small vision model with three attentions.")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--steps", type=int, default=digit_patches.STEPS, help="batches of 128 images")
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time")
    parser.add_argument("--out", type=Path, help="the file above, if seeds and steps are the usual")
    args = parser.parse_args()

    jobs = [
        (name, split, seed, args.steps)
        for split in digit_rows_data.SPLITS
        for name in digit_patches.ATTENDS
        for seed in args.seeds
    ]
    with ProcessPoolExecutor(args.workers) as pool:
        runs = list(pool.map(run, *zip(*jobs, strict=True)))

    seconds = sum(r.cpu_seconds for r in runs) / len(runs)
    print(f"{args.steps} steps of {digit_patches.BATCH} images, seeds {args.seeds}, {runs[0].weights} weights each;")
    print(f"{seconds:.0f} s of CPU time for one training. Held-out accuracy: mean (least and greatest of the seeds)\n")
    print(table(runs))

    out = args.out or (OUT if (args.seeds, args.steps) == (SEEDS, digit_patches.STEPS) else None)
    if out:
        about = {"command": "python benchmarks/patches.py", "torch": torch.__version__.split("+")[0]}
        about |= {"steps": args.steps, "seeds": args.seeds, "batch": digit_patches.BATCH}
        rows = ",\n".join(f"  {json.dumps(kept(r))}" for r in runs)
        out.write_text(f'{{{json.dumps(about)[1:-1]}, "runs": [\n{rows}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
