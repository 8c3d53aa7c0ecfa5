"""A small masked language model against counts of neighbors: `python benchmarks/masked_language_model.py`.

The task `masked_language_model` is trained with three seeds, attending to both sides and to the left alone; and with
the first seed once more, every chosen token masked instead of 80 % of them. Models of one seed start from the same
weights and read the same pieces of text. Each is measured as it would be shipped, in half precision, on the held-out
chapters: every character is masked once, a seventh of its piece at a time. Beside them are counts of neighbors in the
same training chapters, mixed so that they predict the validation chapters best, and asked the same questions. One
thread, so the same machine gives the same numbers. The table is printed, and the numbers are written to
docs/figures/masked_language_model.json.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from _runs import cpu_seconds, options, spread, train_all, write

from attnref import tasks
from attnref.tasks import masked_language_model, masked_questions, stories_data
from attnref.tasks.masked_model import MaskedLanguageModel
from attnref.tasks.neighbors import WINDOWS, Neighbors

WAYS = (("both", "mixed"), ("left", "mixed"), ("both", "masked"))
LOOKS = 8  # measurements while a model is trained
OFFSETS = 8  # how far to the left and right attention of a masked position is averaged


class Run(NamedTuple):
    """One model, and what was measured of it."""

    model: str
    chosen: str
    seed: int | None
    accuracy: float
    loss: float
    characters: int
    visible_accuracy: float | None  # of characters that are asked for but not masked
    visible_loss: float | None
    curve: list[list[float]]  # steps, accuracy and loss on every third chapter of validation
    offsets: list[list[list[float]]]  # by layer and head: mean attention of masked positions to those around them
    cpu_seconds: float


def transformer(sides: str, chosen: str, seed: int, steps: int) -> Run:
    """Train one model and measure it."""
    few, held_out = stories_data.chapters("validation")[::3], stories_data.chapters("held out")
    curve: list[list[float]] = []
    looking = 0.0

    def watch(step: int, model: MaskedLanguageModel) -> None:
        nonlocal looking
        if step % max(1, steps // LOOKS) == 0:
            began = time.process_time()
            score = masked_language_model.measure(model, few)
            curve.append([step, round(score.accuracy, 4), round(score.loss, 3)])
            looking += time.process_time() - began

    start = time.process_time()
    trained, _ = masked_language_model.train(seed, sides=sides, chosen=chosen, steps=steps, progress=False, watch=watch)
    seconds = time.process_time() - start - looking
    with tempfile.TemporaryDirectory() as folder:
        trained.save(Path(folder) / "half.safetensors")
        model = tasks.load("masked_language_model", Path(folder) / "half.safetensors")
    score = masked_language_model.measure(model, held_out)
    visible = masked_language_model.measure(model, held_out, visible=True)
    print(f"{sides}, {chosen}, seed {seed}: {score}, trained in {seconds:.0f} s of CPU time", file=sys.stderr)
    offsets = masked_language_model.attended_offsets(model, held_out, OFFSETS)
    return Run(
        model=sides,
        chosen=chosen,
        seed=seed,
        **_rounded(score),
        visible_accuracy=round(visible.accuracy, 4),
        visible_loss=round(visible.loss, 3),
        curve=curve,
        offsets=[[[round(share, 4) for share in head] for head in layer] for layer in offsets.tolist()],
        cpu_seconds=round(seconds, 1),
    )


def counts(name: str) -> Run:
    """Count, mix and measure."""
    start = time.process_time()
    model = MaskedLanguageModel(masked_language_model.characters())  # for its tokens
    texts = [model.encode(chapter.text)[1:-1] for chapter in stories_data.chapters("training")]
    neighbors = Neighbors(len(model.vocabulary), texts, WINDOWS[name])
    neighbors.fit_mix(masked_questions.blanks(model, stories_data.chapters("validation")))
    score = masked_language_model.measure_counts(neighbors, model, stories_data.chapters("held out"))
    print(f"counts, {name}: {score}", file=sys.stderr)
    seconds = time.process_time() - start
    return Run(f"counts, {name}", "", None, **_rounded(score), visible_accuracy=None, visible_loss=None, curve=[],
               offsets=[], cpu_seconds=seconds)  # fmt: skip


def _rounded(score: masked_language_model.Score) -> dict:
    return {"accuracy": round(score.accuracy, 4), "loss": round(score.loss, 3), "characters": score.characters}


def main() -> None:
    """Print the table and write the file."""
    batch = masked_language_model.BATCH
    about = f"{batch} pieces of 32 tokens"
    given = options("A small masked language model against counts.", masked_language_model.STEPS, about)
    jobs = [(*way, seed, given.steps) for way in WAYS[:2] for seed in given.seeds]
    jobs.append((*WAYS[2], given.seeds[0], given.steps))
    trained = train_all(transformer, jobs, given.workers)
    counted = [counts(name) for name in WINDOWS]
    print(f"{given.steps} steps of {about}, seeds {given.seeds}; {cpu_seconds(trained):.0f} s of CPU time each\n")
    print(f"{'':<20}{'accuracy':<26}loss")
    for run in counted:
        print(f"{run.model:<20}{run.accuracy:<26.4f}{run.loss:.3f}")
    for sides, chosen in WAYS:
        some = [run for run in trained if (run.model, run.chosen) == (sides, chosen)]
        each = [spread([getattr(run, what) for run in some], ".4f", ".4f") for what in ("accuracy", "loss")]
        seen = statistics.fmean(run.visible_loss or 0 for run in some)
        print(f"{f'BERT, {sides}, {chosen}':<20}{each[0]:<26}{each[1]}, visible {seen:.3f}")
    write(given, "masked_language_model", "masked_language_model", [*counted, *trained], batch=batch)


if __name__ == "__main__":
    main()
