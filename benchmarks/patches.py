"""Three attentions in one small vision model: `python benchmarks/patches.py`.

Each reads scikit-learn's digits in patches of 2 x 2 pixels. Nothing differs but what a head does: the weights at the
start, their number, the images and their order are the same for all of one seed. Accuracy is measured on held-out
images, for each of two splits (see `digits_data`): "images" holds out one image in five, "forms" the last three forms,
most of whose writers are new as well. One thread, so the same machine gives the same numbers. The table is printed, and
its numbers are written to docs/figures/digit_patches.json.
"""

import sys
import time
from typing import NamedTuple

from _runs import cpu_seconds, options, spread, train_all, write

from attnref.tasks import digit_patches, digits_data


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
    images, digits = digits_data.held_out_digits(split=split)
    accuracy = digit_patches.measure(reader, images, digits).accuracy
    print(f"{attend}, {split}, seed {seed}: {accuracy:.4f}, trained in {seconds:.0f} s of CPU time", file=sys.stderr)
    numbers = sum(p.numel() for p in reader.parameters())
    return Run(attend, split, seed, round(accuracy, 4), len(images), numbers, round(seconds, 1))


def table(runs: list[Run]) -> str:
    """A row for each split, a column for each attention."""
    lines = [f"{'held out':<10}" + "".join(f"{name:>24}" for name in digit_patches.ATTENDS)]
    for split in digits_data.SPLITS:
        cells = []
        for name in digit_patches.ATTENDS:
            found = [r.accuracy for r in runs if (r.attend, r.split) == (name, split)]
            cells.append(spread(found, ".3f", ".3f"))
        lines.append(f"{split:<10}" + "".join(f"{cell:>24}" for cell in cells))
    return "\n".join(lines)


def main() -> None:
    """Print the table and write the file."""
    batch = digit_patches.BATCH
    given = options("Accuracy of one small vision model with three attentions.", digit_patches.STEPS, f"{batch} images")
    jobs = [
        (name, split, seed, given.steps)
        for split in digits_data.SPLITS
        for name in digit_patches.ATTENDS
        for seed in given.seeds
    ]
    runs = train_all(run, jobs, given.workers)
    print(f"{given.steps} steps of {batch} images, seeds {given.seeds}, {runs[0].weights} weights each;")
    print(f"{cpu_seconds(runs):.0f} s of CPU time for one training. Held-out accuracy: mean (min-max over the seeds)\n")
    print(table(runs))
    write(given, "digit_patches", "patches", runs, batch=batch)


if __name__ == "__main__":
    main()
