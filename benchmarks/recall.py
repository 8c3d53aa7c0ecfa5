"""What Mamba, a time-invariant state space and attention recall: `python benchmarks/recall.py`.

The recipe of the task, `attnref.tasks.recall.train`, runs for each question and model. A seed draws the same sequences
for all models. Induction and selective copying are trained at 32 tokens and asked at up to 256; pairs are trained at 4
to 16 and asked at 2 to 32. Induction and pairs take half of the steps of the recipe. Accuracy is measured on sequences
that no training draws. One thread, so the same machine gives the same numbers. The table is printed, and its numbers
are written to docs/figures/recall.json.
"""

import sys
import time
from typing import NamedTuple

from _runs import cpu_seconds, options, spread, train_all, write

from attnref.tasks import recall
from attnref.tasks.recall_data import QUESTIONS
from attnref.tasks.recall_model import MODELS

D_STATE = 8
WAYS = [(question, model, D_STATE) for question in ("induction", "selective_copying") for model in MODELS]
WAYS += [("pairs", "mamba", D_STATE), ("pairs", "relative", D_STATE)]


class Run(NamedTuple):
    """One training, and the share of right answers by size."""

    question: str
    model: str
    d_state: int
    seed: int
    steps: int
    weights: int
    accuracy: list[float]
    cpu_seconds: float


def run(question: str, model: str, d_state: int, seed: int, steps: int) -> Run:
    """Train one model and measure it."""
    steps = steps if question == "selective_copying" else steps // 2
    start = time.process_time()
    reader, _ = recall.train(seed, question=question, model=model, d_state=d_state, steps=steps, progress=False)
    seconds = time.process_time() - start
    found = [round(share, 4) for share in recall.measure(reader, question).by_size.values()]
    print(f"{question}, {model}, {d_state}, seed {seed}: {found}, {seconds:.0f} s", file=sys.stderr, flush=True)
    weights = sum(p.numel() for p in reader.parameters())
    return Run(question, model, d_state, seed, steps, weights, found, round(seconds, 1))


def main() -> None:
    """Print the table and write the file."""
    given = options("Recall of tokens that were read.", recall.STEPS, f"{recall.BATCH} sequences")
    jobs = [(*way, seed, given.steps) for way in WAYS for seed in given.seeds]
    runs = train_all(run, jobs, given.workers)
    print(f"{given.steps} steps, seeds {given.seeds}; {cpu_seconds(runs):.0f} s of CPU each.")
    print("Held-out accuracy by size: mean (min-max over the seeds)\n")
    for question, model, d_state in WAYS:
        some = [run.accuracy for run in runs if (run.question, run.model, run.d_state) == (question, model, d_state)]
        cells = (spread(each, ".2f", ".2f") for each in zip(*some, strict=True))
        print(f"{question:<20}{model:<16}{d_state:<4}{'  '.join(cells)}")
    sizes = {name: list(question.asked) for name, question in QUESTIONS.items()}
    write(given, "recall", "recall", runs, batch=recall.BATCH, sizes=sizes)


if __name__ == "__main__":
    main()
