"""What subwords and positions are worth in reading number words: `python benchmarks/number_words.py`.

The recipe of the task, `attnref.tasks.number_words.train`, runs for each kind of reader and seed, and is measured
several times during the training: one cycle of the learning rate over all 700 steps, so a number at step 200 is that of
a model whose rate is still high, not of one trained for 200 steps. A seed draws the same training numbers for every
kind. The curve is the share of the first 600 held-out numbers that are read exactly; at the end all are read, and the
share of cross-attention on the right subwords is that of `attnref.tasks.number_words.measure`. One thread, so the same
machine gives the same numbers. The table is printed, and its numbers are written to docs/figures/number_words.json.
"""

import sys
import time
from typing import NamedTuple

from _runs import cpu_seconds, options, spread, train_all, write

from attnref.tasks import number_words, number_words_data

AT, SOME = [50, 100, 150, 200, 300, 400, 500, 600, 700], 600
KINDS = {
    "subwords": {},
    "characters": {"units": "characters"},
    "no positions": {"positions": "none"},
    "korean": {"source": "ko"},
}


class Run(NamedTuple):
    """One training: the share of numbers read exactly at each step of `AT`, and what is measured at the end."""

    kind: str
    seed: int
    curve: list[float]
    exact: float
    small: float
    large: float
    head: list[int] | None
    shares: dict[str, float]
    cpu_seconds: float


def run(kind: str, seed: int, steps: int) -> Run:
    """Train one model and measure it at the steps `AT`."""
    choices = KINDS[kind]
    samples = number_words_data.held_out_samples(choices.get("source", "de"))
    curve, measuring = [], [0.0]

    def watch(step: int, reader: number_words.NumberReader) -> None:
        if step in AT:
            start = time.process_time()
            some = samples[:SOME]
            readings = reader.read([sample.text for sample in some])
            right = [reading.english == " ".join(sample.words) for sample, reading in zip(some, readings, strict=True)]
            curve.append(round(sum(right) / SOME, 4))
            measuring[0] += time.process_time() - start

    start = time.process_time()
    reader, _ = number_words.train(seed, **choices, steps=steps, progress=False, watch=watch)
    seconds = time.process_time() - start - measuring[0]
    final = number_words.measure(reader, samples)
    print(f"{kind}, seed {seed}: trained in {seconds:.0f} s of CPU time, {curve}, {final}", file=sys.stderr, flush=True)
    exact, small, large = (round(share, 4) for share in final[:3])
    shares = {name: round(share, 4) for name, share in final.shares.items()}
    head = list(final.head) if final.head else None
    return Run(kind, seed, curve, exact, small, large, head, shares, round(seconds, 1))


def table(runs: list[Run], steps: list[int]) -> str:
    """A row for each step, then the end, and a column for each kind."""
    lines = [f"{'':14}" + "".join(f"{kind:>20}" for kind in KINDS)]
    columns = {kind: [run for run in runs if run.kind == kind] for kind in KINDS}
    for at, step in enumerate(steps):
        cells = [spread([100 * run.curve[at] for run in own], ".1f", ".1f") for own in columns.values()]
        lines.append(f"{f'step {step}':14}" + "".join(f"{text:>20}" for text in cells))
    for name, what in (("exact", "all numbers"), ("small", "below 1000"), ("large", "from 1000 on")):
        cells = [spread([100 * getattr(run, name) for run in own], ".1f", ".1f") for own in columns.values()]
        lines.append(f"{what:14}" + "".join(f"{text:>20}" for text in cells))
    return "\n".join(lines)


def main() -> None:
    """Print the table and write the file."""
    given = options("What subwords and positions are worth.", number_words.STEPS, f"{number_words.BATCH} numbers")
    jobs = [(kind, seed, given.steps) for kind in KINDS for seed in given.seeds]
    runs = train_all(run, jobs, given.workers)

    held_out = len(number_words_data.held_out_samples())
    numbers = f"{given.steps} steps of {number_words.BATCH} numbers"
    print(f"{numbers}, seeds {given.seeds}, measured on {SOME} of {held_out} held out")
    for kind in KINDS:
        own = [run for run in runs if run.kind == kind]
        shares = ", ".join(f"{run.shares['head']:.3f}" for run in own if run.shares)
        told = f"; cross-attention of the chosen head on the right subwords {shares}" if shares else ""
        print(f"{kind}: {cpu_seconds(own):.0f} s of CPU{told}")
    steps = [step for step in AT if step <= given.steps]
    print(f"\nright, % (mean, min-max over the seeds)\n{table(runs, steps)}")
    write(given, "number_words", "number_words", runs, batch=number_words.BATCH, at=steps, numbers=SOME)


if __name__ == "__main__":
    main()
