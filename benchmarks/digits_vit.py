"""A small Vision Transformer on digits, and whether it looks where it matters: `python benchmarks/digits_vit.py`.

The recipe of the task, `attnref.tasks.digits_vit.train`, runs with a class token or the mean, with scaled dot-product
or efficient attention, and once more with position embeddings that start as small as those of BERT. A seed draws the
same images in the same order for all. Accuracy is measured on the 360 held-out images right after training; so is, for
the class token with scaled dot-product attention, how well attention, rollout and others find the patches whose
deletion costs the answer most (`attnref.tasks.patch_attention`). One thread, so the same machine gives the same
numbers. The tables are printed, and their numbers are written to docs/figures/digits_vit.json.
"""

import sys
import time
from typing import NamedTuple

from _runs import cpu_seconds, options, spread, train_all, write

from attnref.tasks import digits_data, digits_vit, patch_attention

WAYS = {
    "class token, softmax": {},
    "mean, softmax": {"pool": "mean"},
    "class token, efficient": {"attend": "efficient"},
    "mean, efficient": {"pool": "mean", "attend": "efficient"},
    "class token, softmax, small positions": {"positions": 0.02},
}


class Run(NamedTuple):
    """One training: the share of held-out digits that are read, and how well each map agrees with deletion."""

    way: str
    seed: int
    weights: int
    held_out: int
    accuracy: float
    agreements: dict[str, list[float]] | None
    cpu_seconds: float


def run(way: str, seed: int, steps: int) -> Run:
    """Train one reader and measure it."""
    start = time.process_time()
    reader, _ = digits_vit.train(seed, **WAYS[way], steps=steps, progress=False)
    seconds = time.process_time() - start
    images, digits = digits_data.held_out_digits()
    accuracy = digits_vit.measure(reader, images, digits).accuracy
    found = None
    if way == "class token, softmax":
        by_map = patch_attention.agreements(reader, images)
        found = {name: [round(number, 4) for number in agreement] for name, agreement in by_map.items()}
    print(f"{way}, seed {seed}: {accuracy:.4f}, {seconds:.0f} s of CPU time, {found}", file=sys.stderr, flush=True)
    weights = sum(p.numel() for p in reader.parameters())
    return Run(way, seed, weights, len(images), round(accuracy, 4), found, round(seconds, 1))


def main() -> None:
    """Print the tables and write the file."""
    batch = digits_vit.BATCH
    given = options("Accuracy of a small Vision Transformer.", digits_vit.STEPS, f"{batch} images")
    runs = train_all(run, [(way, seed, given.steps) for way in WAYS for seed in given.seeds], given.workers)
    print(f"{given.steps} steps of {batch} images, seeds {given.seeds}; {cpu_seconds(runs):.0f} s of CPU each.")
    print("Held-out accuracy: mean (min-max over the seeds)\n")
    for way in WAYS:
        print(f"{way:<40}{spread([run.accuracy for run in runs if run.way == way], '.3f', '.3f')}")
    print("\nrank correlation with deletion: answer, size, second best; share of images whose top patch is found")
    measured = [run.agreements for run in runs if run.agreements]
    for name in measured[0]:
        cells = (spread([found[name][at] for found in measured], ".2f", ".2f") for at in range(4))
        print(f"{name:<40}{'  '.join(cells)}")
    write(given, "digits_vit", "digits_vit", runs, batch=batch)


if __name__ == "__main__":
    main()
