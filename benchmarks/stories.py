"""A small language model against counts of subwords: `python benchmarks/stories.py`.

The Transformer of the task `language_model` is trained with three seeds; each is measured as it would be shipped, in
half precision. Beside it are unigrams to 4-grams of the same subwords, counted in the same chapters and mixed so that
they predict the validation chapters best. The loss is that of the held-out chapters. For each role the head that
attends most to its keys in the validation chapters is measured in the held-out ones. One thread, so the same machine
gives the same numbers. The tables are printed, and the numbers are written to docs/figures/language_model.json.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from _runs import cpu_seconds, options, spread, train_all, write

from attnref import tasks
from attnref.tasks import head_roles, language_model, own_attention, stories_data
from attnref.tasks.ngrams import NGrams

ORDERS = (1, 2, 3, 4)


class Run(NamedTuple):
    """One model, and what was measured of it on the held-out chapters."""

    model: str
    seed: int | None
    per_character: float
    per_subword: float
    subwords: int
    heads: dict[str, list[float]]  # for each role: layer and head from 1, share, uniform attention, number of queries
    shares: dict[str, list[list[float]]]  # for each role the share of every head, by layer
    own: dict[str, Any]  # how often each head's largest weight is a token's own, and its word's, and by chance
    cpu_seconds: float


def transformer(seed: int, steps: int) -> Run:
    """Train one model and measure it."""
    start = time.process_time()
    trained, _ = language_model.train(seed, steps=steps, progress=False)
    seconds = time.process_time() - start
    with tempfile.TemporaryDirectory() as folder:
        trained.save(Path(folder) / "half.safetensors")
        model = tasks.load("language_model", Path(folder) / "half.safetensors")
    held_out = stories_data.chapters("held out")
    score = language_model.measure(model, held_out)
    shares = head_roles.shares(model, held_out)
    heads = head_roles.choose(head_roles.shares(model, stories_data.chapters("validation")), shares)
    own = own_attention.own_largest(model, held_out)
    print(f"seed {seed}: {score}, trained in {seconds:.0f} s of CPU time", file=sys.stderr)
    return Run(
        model="Transformer",
        seed=seed,
        **_rounded(score),
        heads={
            name: [one.layer + 1, one.head + 1, round(one.share, 3), round(one.uniform, 3), one.queries]
            for name, one in heads.items()
        },
        shares={name: _rows(share.mean.tolist()) for name, share in shares.items()},
        own={
            "tokens": _rows(own.tokens.tolist()),
            "token_chance": round(own.token_chance, 3),
            "words": _rows(own.words.tolist()),
            "word_chance": round(own.word_chance, 3),
        },
        cpu_seconds=round(seconds, 1),
    )


def counts(order: int) -> Run:
    """Count, mix and measure."""
    model = tasks.load("language_model")  # for its subwords
    start = time.process_time()
    sides = {
        side: [model.encode(chapter.text) for chapter in stories_data.chapters(side)]
        for side in ("training", "validation", "held out")
    }
    grams = NGrams(len(model.vocabulary), sides["training"], order).fit_mix(sides["validation"])
    subwords = sum(len(text) - 1 for text in sides["held out"])
    score = language_model.Score.of(grams.loss(sides["held out"]), stories_data.chapters("held out"), subwords)
    nothing: dict[str, Any] = {"heads": {}, "shares": {}, "own": {}}
    return Run(f"{order}-grams", None, **_rounded(score), **nothing, cpu_seconds=time.process_time() - start)


def _rounded(score: language_model.Score) -> dict[str, Any]:
    return {
        "per_character": round(score.per_character, 4),
        "per_subword": round(score.per_subword, 3),
        "subwords": score.subwords,
    }


def _rows(shares: list[list[float]]) -> list[list[float]]:
    return [[round(share, 5) for share in layer] for layer in shares]


def main() -> None:
    """Print the tables and write the file."""
    batch = language_model.BATCH
    given = options("A small language model against counts.", language_model.STEPS, f"{batch} pieces of 64 subwords")
    trained = train_all(transformer, [(seed, given.steps) for seed in given.seeds], given.workers)
    counted = [counts(order) for order in ORDERS]
    print(f"{given.steps} steps of {batch} pieces, seeds {given.seeds}; {cpu_seconds(trained):.0f} s of CPU time each")
    print("Held-out loss in nats per character\n")
    for run in counted:
        print(f"{run.model:<12}{run.per_character:.4f}")
    print(f"{'Transformer':<12}{spread([run.per_character for run in trained], '.4f', '.4f')}\n")
    for run in trained:
        print(f"seed {run.seed}: how often the largest weight is a token's own, or its word's: {run.own}")
        for name, (layer, head, share, uniform, queries) in run.heads.items():
            print(f"  {name:<24} head {layer}.{head}: {share:.3f}, uniform {uniform:.3f}, {queries:.0f} queries")
    write(given, "language_model", "stories", [*counted, *trained], batch=batch)


if __name__ == "__main__":
    main()
