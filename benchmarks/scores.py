"""Which attention score learns to read dates soonest: `python benchmarks/scores.py`.

The recipe of the dates task, `attnref.tasks.dates.train`, runs once for each score and seed, and is measured on the
way: one cycle of the learning rate over all 300 steps, so a figure at step 100 is that of a model whose rate is still
high, not of one trained for 100 steps. A seed draws the same training dates for every score. The curve is the share of
the first 1000 held-out dates that are read exactly; at the end all held-out dates are read, and the share of attention
on the right characters is taken as `attnref.tasks.dates.measure` says. One thread, so the same machine gives the same
numbers. The table goes to the screen and the figures behind it to docs/figures/luong_scores.json.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch

from attnref.tasks import dates, dates_data

SEEDS, AT, SOME = [0, 1, 2], [50, 100, 150, 200, 300], 1000
OUT = Path(__file__).parents[1] / "docs" / "figures" / "luong_scores.json"


class Run(NamedTuple):
    """One training: the share of dates read exactly at each step of `AT`, and what is measured at the end."""

    score: str
    seed: int
    weights: int
    curve: list[float]
    exact: float
    on_right: float
    cpu_seconds: float


def run(score: dates.Scored, seed: int, steps: int) -> Run:
    """Train one model and measure it on the way."""
    torch.set_num_threads(1)
    samples, curve, measuring = dates_data.held_out_samples(), [], [0.0]

    def watch(step: int, reader: dates.DateReader) -> None:
        if step in AT:
            start = time.process_time()
            curve.append(round(dates.measure(reader, samples[:SOME]).exact, 4))
            measuring[0] += time.process_time() - start

    start = time.process_time()
    reader, _ = dates.train(seed, score=score, steps=steps, progress=False, watch=watch)
    seconds = time.process_time() - start - measuring[0]
    final = dates.measure(reader, samples)
    weights = sum(p.numel() for name, p in reader.named_parameters() if "attend" in name)
    print(f"{score}, seed {seed}: trained in {seconds:.0f} s of CPU time, {curve}", file=sys.stderr, flush=True)
    return Run(score, seed, weights, curve, round(final.exact, 4), round(final.shares["all"], 4), round(seconds, 1))


def kept(run: Run) -> dict[str, Any]:
    """What goes to the file: all that the same machine would measure again, so not the time."""
    return {name: value for name, value in run._asdict().items() if name != "cpu_seconds"}


def cell(shares: list[float]) -> str:
    """Mean over the seeds, then the least and the greatest, in percent."""
    low, mean, high = 100 * min(shares), 100 * sum(shares) / len(shares), 100 * max(shares)
    return f"{mean:.1f} ({low:.1f}-{high:.1f})"


def table(runs: list[Run], steps: list[int]) -> str:
    """A row for each step, then the end, and a column for each score."""
    lines = [f"{'':14}" + "".join(f"{score:>20}" for score in dates.SCORES)]
    columns = {score: [run for run in runs if run.score == score] for score in dates.SCORES}
    for place, step in enumerate(steps):
        cells = [cell([run.curve[place] for run in own]) for own in columns.values()]
        lines.append(f"{f'step {step}':14}" + "".join(f"{text:>20}" for text in cells))
    for name, what in (("exact", "all dates"), ("on_right", "attention")):
        cells = [cell([getattr(run, name) for run in own]) for own in columns.values()]
        lines.append(f"{what:14}" + "".join(f"{text:>20}" for text in cells))
    return "\n".join(lines)


def main() -> None:
    """Print the table and write the file."""
    parser = argparse.ArgumentParser(description="How soon each attention score learns to read dates.")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--steps", type=int, default=dates.STEPS, help="batches of 128 dates")
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time")
    parser.add_argument("--out", type=Path, help="the file above, if seeds and steps are the usual")
    args = parser.parse_args()

    jobs = [(score, seed, args.steps) for score in dates.SCORES for seed in args.seeds]
    with ProcessPoolExecutor(args.workers) as pool:
        runs = list(pool.map(run, *zip(*jobs, strict=True)))

    held_out = len(dates_data.held_out_samples())
    print(f"{args.steps} steps of {dates.BATCH} dates, seeds {args.seeds}, measured on {SOME} of {held_out} held out")
    for score in dates.SCORES:
        own = [run for run in runs if run.score == score]
        seconds = sum(run.cpu_seconds for run in own) / len(own)
        print(f"{score}: {own[0].weights} weights of its own, {seconds:.0f} s of CPU")
    steps = [step for step in AT if step <= args.steps]
    print(f"\nright, % (least and greatest of the seeds)\n{table(runs, steps)}")

    out = args.out or (OUT if (args.seeds, args.steps) == (SEEDS, dates.STEPS) else None)
    if out:
        about = {"command": "python benchmarks/scores.py", "torch": torch.__version__.split("+")[0]}
        about |= {"steps": args.steps, "seeds": args.seeds, "batch": dates.BATCH, "at": steps, "dates": SOME}
        rows = ",\n".join(f"  {json.dumps(kept(run))}" for run in runs)
        head = json.dumps(about)[1:-1]
        out.write_text(f'{{{head}, "runs": [\n{rows}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
