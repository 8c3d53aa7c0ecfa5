"""What attention and the doubly stochastic term are worth in captions of digits: `python benchmarks/captions.py`.

The recipe of the task, `attnref.tasks.captions.train`, runs for each kind of reader and seed: as it is, without
attention (every word is given the mean of the grid), and with the doubly stochastic term at the paper's weight of 1. A
seed draws the same pictures for every kind. Each is measured on 1000 pictures of held-out digits, and readers with
attention also with one position for each word ("hard": the one of the largest weight), without training them for it. Of
the reader as it is, the value of the gate and the largest weight are averaged over the words of a kind, and the overlap
of the maps of two digits of one picture, one named right after the other, over all such pairs: the sum of the smaller
of their two weights at each position, 1 for equal maps. One thread, so the same machine gives the same numbers. The
table is printed, and its numbers are written to docs/figures/captions.json.
"""

import sys
import time
from collections import defaultdict
from statistics import fmean
from typing import NamedTuple

import torch
from _runs import cpu_seconds, options, spread, train_all, write

from attnref.tasks import captions, captions_data

KINDS = {
    "soft": {},
    "no attention": {"attention": "none"},
    "doubly stochastic": {"doubly_stochastic": 1.0},
}


class Run(NamedTuple):
    """One training and what is measured after it."""

    kind: str
    seed: int
    exact: float
    share: float
    peak: float
    chance: float
    hard: float | None
    gate: dict[str, float]
    largest: dict[str, float]
    overlap: float | None
    weights: int
    cpu_seconds: float


def run(kind: str, seed: int, steps: int) -> Run:
    """Train one reader and measure it."""
    start = time.process_time()
    reader, _ = captions.train(seed, **KINDS[kind], steps=steps, progress=False)
    seconds = time.process_time() - start
    pictures = captions_data.held_out_pictures()
    score = captions.measure(reader, pictures)
    hard = None if kind == "no attention" else round(captions.measure(reader, pictures, hard=True).exact, 4)
    gate, largest, overlap = by_word(reader, pictures) if kind == "soft" else ({}, {}, None)
    print(f"{kind}, seed {seed}: {score}; hard {hard}, in {seconds:.0f} s of CPU time", file=sys.stderr, flush=True)
    numbers = sum(weight.numel() for weight in reader.parameters())
    exact, share, peak, chance = (round(number, 4) for number in score)
    return Run(kind, seed, exact, share, peak, chance, hard, gate, largest, overlap, numbers, round(seconds, 1))


@torch.no_grad()
def by_word(
    reader: captions.CaptionReader, pictures: list[captions_data.Picture]
) -> tuple[dict[str, float], dict[str, float], float]:
    """The mean gate and the mean largest weight of each kind of word, and the overlap of neighboring digits' maps."""
    tokens = captions_data.encode([picture.caption for picture in pictures])
    images, opened = reader.encode([picture.image for picture in pictures]), []
    gate_proj = reader.model.decoder.gate_proj
    assert gate_proj is not None, "a reader with a gate"
    keep = gate_proj.register_forward_hook(lambda *call: opened.append(torch.sigmoid(call[2])))
    maps = reader.weights(images, tokens[:, :-1])
    keep.remove()
    gates, largest, overlaps = defaultdict(list), defaultdict(list), []
    for looked, beta, picture in zip(maps, torch.cat(opened, 1), pictures, strict=True):
        kinds = [*("digit" if corner else "above" for corner in picture.corners), "end"]
        for index, word in enumerate(kinds):
            gates[word].append(beta[index].item())
            largest[word].append(looked[index].max().item())
            if word == "digit" and index and kinds[index - 1] == "digit":
                overlaps.append(torch.minimum(looked[index], looked[index - 1]).sum().item())
    mean_gate, mean_largest = (
        {word: round(fmean(values), 4) for word, values in found.items()} for found in (gates, largest)
    )
    return mean_gate, mean_largest, round(fmean(overlaps), 4)


def main() -> None:
    """Print the table and write the file."""
    batch = captions.BATCH
    given = options(
        "What attention and the doubly stochastic term are worth in captions.", captions.STEPS, f"{batch} pictures"
    )
    runs = train_all(run, [(kind, seed, given.steps) for kind in KINDS for seed in given.seeds], given.workers)

    print(f"{given.steps} steps of {batch} pictures, seeds {given.seeds}; mean (min-max over the seeds)\n")
    print(f"{'':18}{'exact':>22}{'share':>22}{'peak':>22}{'hard':>22}")
    for kind in KINDS:
        own = [one for one in runs if one.kind == kind]
        columns = [[getattr(one, name) for one in own] for name in ("exact", "share", "peak", "hard")]
        cells = ["" if None in column else spread(column, ".3f", ".3f") for column in columns]
        print(f"{kind:18}" + "".join(f"{cell:>22}" for cell in cells) + f"  {cpu_seconds(own):.0f} s")
    write(given, "captions", "captions", runs, batch=batch, pretraining=captions.PRETRAINING)


if __name__ == "__main__":
    main()
