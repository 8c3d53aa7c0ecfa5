"""Which attention score learns to read dates soonest: `python benchmarks/scores.py`.

The recipe of the dates task, `attnref.tasks.dates.train`, runs once for each score and seed, and is measured several
times during the training: one cycle of the learning rate over all 300 steps, so a number at step 100 is that of a model
whose rate is still high, not of one trained for 100 steps. A seed draws the same training dates for every score. The
curve is the share of the first 1000 held-out dates that are read exactly; at the end all held-out dates are read, and
the share of attention on the right characters is that of `attnref.tasks.dates.measure`. One thread, so the same machine
gives the same numbers. The table is printed, and its numbers are written to docs/figures/luong_scores.json.
"""

import sys
import time
from typing import NamedTuple

from _runs import cpu_seconds, options, spread, train_all, write

from attnref.tasks import dates, dates_data

AT, SOME = [50, 100, 150, 200, 300], 1000


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
    """Train one model and measure it at the steps `AT`."""
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


def table(runs: list[Run], steps: list[int]) -> str:
    """A row for each step, then the end, and a column for each score."""
    lines = [f"{'':14}" + "".join(f"{score:>20}" for score in dates.SCORES)]
    columns = {score: [run for run in runs if run.score == score] for score in dates.SCORES}
    for at, step in enumerate(steps):
        cells = [spread([100 * run.curve[at] for run in own], ".1f", ".1f") for own in columns.values()]
        lines.append(f"{f'step {step}':14}" + "".join(f"{text:>20}" for text in cells))
    for name, what in (("exact", "all dates"), ("on_right", "attention")):
        cells = [spread([100 * getattr(run, name) for run in own], ".1f", ".1f") for own in columns.values()]
        lines.append(f"{what:14}" + "".join(f"{text:>20}" for text in cells))
    return "\n".join(lines)


def main() -> None:
    """Print the table and write the file."""
    given = options("How soon each attention score learns to read dates.", dates.STEPS, f"{dates.BATCH} dates")
    jobs = [(score, seed, given.steps) for score in dates.SCORES for seed in given.seeds]
    runs = train_all(run, jobs, given.workers)

    held_out = len(dates_data.held_out_samples())
    print(f"{given.steps} steps of {dates.BATCH} dates, seeds {given.seeds}, measured on {SOME} of {held_out} held out")
    for score in dates.SCORES:
        own = [run for run in runs if run.score == score]
        print(f"{score}: {own[0].weights} weights of its own, {cpu_seconds(own):.0f} s of CPU")
    steps = [step for step in AT if step <= given.steps]
    print(f"\nright, % (mean, min-max over the seeds)\n{table(runs, steps)}")
    write(given, "luong_scores", "scores", runs, batch=dates.BATCH, at=steps, dates=SOME)


if __name__ == "__main__":
    main()
