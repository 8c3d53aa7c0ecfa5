"""Digits drawn from their names, and from phrases: `python benchmarks/digits_from_names.py`.

The recipe of the task, `attnref.tasks.digits_from_names.train`, runs for each seed. Then 100 digits of each name are
drawn at each temperature, with all tokens or the five best, and judged by the shipped judge, which has learned from the
held-out digits alone. Beside the share that is right: the distance to the nearest training image, the distance of two
drawings of one digit, and the share of drawings whose 16 tokens are those of a training image. The same is measured of
held-out images, and of what the discrete VAE makes of them. Then 50 digits of each name are each the best of 16 by the
scorer; and 100 of each name are drawn with each word of style, of which is measured by its rule how many it is true of.
Attention to the text is averaged over the 1000 drawings of temperature 1; the effect of a wrong name is the mean over
the held-out images. The artist is measured as it is saved, in half precision. One thread, so the same machine gives the
same numbers. The tables are printed, and their numbers are written to docs/figures/digits_from_names.json.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from _runs import cpu_seconds, options, spread, train_all, write

from attnref import tasks
from attnref.tasks import digit_drawings, digits_data
from attnref.tasks import digits_from_names as task
from attnref.tasks.digit_artist import DigitArtist, Drawn
from attnref.tasks.digits_from_names_data import NAMES, STYLES, encode, fits

WAYS = {
    "1.0": {},
    "0.7": {"temperature": 0.7},
    "0.5": {"temperature": 0.5},
    "1.0, top 5": {"top_k": 5},
    "0.7, top 5": {"temperature": 0.7, "top_k": 5},
}
BEST_OF = 16
COLUMNS = ("right", "distance", "variety", "copies")


class Run(NamedTuple):
    """One training and what is measured after it."""

    seed: int
    weights: int
    nats: dict[str, float]
    vae: dict[str, float]
    scorer: dict[str, float]
    real: dict[str, dict[str, float]]
    drawn: dict[str, dict[str, float]]
    by_name: dict[str, float]
    reranked: dict[str, float]
    styles: dict[str, dict[str, list[float]]]
    looks: dict[str, list[float]]
    wrong_name: list[float]
    cpu_seconds: float


def run(seed: int, steps: int) -> Run:
    """Train one artist and measure it."""
    start = time.process_time()
    trained, _ = task.train(seed, steps=steps, progress=False)
    seconds = time.process_time() - start
    with tempfile.TemporaryDirectory() as folder:
        trained.save(Path(folder) / "artist.safetensors")
        artist: DigitArtist = tasks.load("digits_from_names", Path(folder) / "artist.safetensors")
    known, held_out = digits_data.training_digits(), digits_data.held_out_digits()
    taken = {tuple(row) for row in artist.tokens(known[0]).tolist()}  # the tokens of the training images

    names = [name for name in NAMES for _ in range(task.SAMPLES)]
    drawings = {way: draw(artist, names, **how) for way, how in WAYS.items()}
    drawn = {way: about(found, names, taken) for way, found in drawings.items()}
    judged = {
        name: task.judged_right(drawings["1.0"].images[at : at + task.SAMPLES], names[at : at + task.SAMPLES])
        for at, name in zip(range(0, len(names), task.SAMPLES), NAMES, strict=True)
    }
    said = [NAMES[digit] for digit in held_out[1].tolist()]
    tokens = artist.tokens(held_out[0])
    real = {
        "held-out images": about(Drawn(held_out[0], tokens), said, taken),
        "held-out images, from their tokens": about(Drawn(artist.decode(tokens), tokens), said, taken),
    }
    few = [name for name in NAMES for _ in range(task.SAMPLES // 2)]
    looked = digit_drawings.text_attention(artist, names, drawings["1.0"].tokens).mean((0, 1))  # (16, 5)
    parts = ("start of text", "name", "style", "start of image", "image")
    result = Run(
        seed,
        sum(weight.numel() for weight in artist.dalle.parameters()),
        {
            "training": round(task.nats_per_token(artist, *known), 4),
            "held-out": round(task.nats_per_token(artist, *held_out), 4),
        },
        describe_vae(artist, known, held_out),
        describe_scorer(artist, *held_out),
        real,
        drawn,
        {name: round(share, 4) for name, share in judged.items()},
        about(draw(artist, few, best_of=BEST_OF), few, taken),
        {style: by_style(artist, style, held_out) for style in STYLES},
        {part: rounded(looked[:, at]) for at, part in enumerate(parts)},
        rounded(digit_drawings.effect_of_the_name(artist, tokens, held_out[1])),
        round(seconds, 1),
    )
    print(f"seed {seed}: {drawn}, {seconds:.0f} s of CPU time", file=sys.stderr, flush=True)
    return result


def draw(artist: DigitArtist, phrases: list[str], **how: Any) -> Drawn:
    """Draw one digit for each phrase, always from the same random numbers."""
    return artist.draw(phrases, **how, generator=torch.Generator().manual_seed(0))


def digits_of(phrases: list[str]) -> torch.Tensor:
    """The digits that the phrases name."""
    return encode(phrases)[:, 0] - 1


def about(found: Drawn, phrases: list[str], taken: set[tuple[int, ...]]) -> dict[str, float]:
    """What is measured of all drawings, and of held-out images beside them."""
    numbers = {
        "right": task.judged_right(found.images, phrases),
        "distance": digit_drawings.nearest(found.images).distances.mean().item(),
        "variety": digit_drawings.variety(found.images, digits_of(phrases)),
        "copies": sum(tuple(row) in taken for row in found.tokens.tolist()) / len(phrases),
    }
    return {name: round(number, 4) for name, number in numbers.items()}


def describe_vae(
    artist: DigitArtist, known: tuple[torch.Tensor, torch.Tensor], held_out: tuple[torch.Tensor, torch.Tensor]
) -> dict[str, float]:
    """The squared error of a pixel, how many codes are in use, and how the judge reads what is decoded.

    The judge reads the training images, since it has learned from the held-out ones.
    """
    decoded = artist.decode(artist.tokens(known[0]))
    error = (artist.decode(artist.tokens(held_out[0])) - held_out[0]).square().mean().item()
    right = task.judged_right(decoded, [NAMES[digit] for digit in known[1].tolist()])
    codes = len(artist.tokens(known[0]).unique())
    return {"error": round(error, 5), "codes": codes, "right": round(right, 4)}


def describe_scorer(artist: DigitArtist, images: torch.Tensor, digits: torch.Tensor) -> dict[str, float]:
    """How often the scorer prefers the right name of a held-out image, and the right word of style."""
    with torch.no_grad():
        found = {"name": (artist.scorer(images, encode(NAMES)).argmax(1) == digits).double().mean().item()}
        for high, low in (("thick", "thin"), ("wide", "narrow")):
            each = [artist.scorer(images, encode([f"{name}, {word}" for name in NAMES])) for word in (high, low)]
            more = (each[0] > each[1])[torch.arange(len(digits)), digits]
            found[f"{high} or {low}"] = (more == fits(images, digits, high)).double().mean().item()
    return {name: round(share, 4) for name, share in found.items()}


def by_style(artist: DigitArtist, style: str, held_out: tuple[torch.Tensor, torch.Tensor]) -> dict[str, list[float]]:
    """For a word of style: share that it is true of, mean of what it measures, share judged right.

    Of drawings with the word, of the best of 16 of them by the scorer, and of drawings without any word. Then of the
    held-out images that the word is true of: after the discrete VAE has decoded their tokens; and as they are.
    """
    names = [name for name in NAMES for _ in range(task.SAMPLES)]
    phrases = [f"{name}, {style}" for name in names]
    found = {}
    for who, said, how in (
        ("drawn", phrases, {}),
        ("best", phrases[::2], {"best_of": BEST_OF}),
        ("without", names, {}),
    ):
        images = draw(artist, said, **how).images
        found[who] = [*digit_drawings.effect(images, digits_of(said), style), task.judged_right(images, said)]
    own = fits(*held_out, style)
    images, digits = held_out[0][own], held_out[1][own]
    said = [NAMES[digit] for digit in digits.tolist()]
    for who, some in (("decoded", artist.decode(artist.tokens(images))), ("real", images)):
        found[who] = [*digit_drawings.effect(some, digits, style), task.judged_right(some, said)]
    return {who: [round(number, 4) for number in numbers] for who, numbers in found.items()}


def rounded(numbers: torch.Tensor) -> list[float]:
    """Four decimals of each."""
    return [round(number, 4) for number in numbers.tolist()]


def main() -> None:
    """Print the tables and write the file."""
    batch = task.BATCH
    given = options("Digits drawn from their names.", task.STEPS, f"{batch} images")
    runs = train_all(run, [(seed, given.steps) for seed in given.seeds], given.workers)
    print(f"{given.steps} steps of {batch} images, seeds {given.seeds}; {cpu_seconds(runs):.0f} s of CPU each.")
    print(f"\n{'':<36}" + "".join(f"{column:<24}" for column in COLUMNS))
    for kind in ("drawn", "real"):
        for way in getattr(runs[0], kind):
            each = [getattr(run, kind)[way] for run in runs]
            print(f"{way:<36}" + "".join(f"{spread([one[c] for one in each], '.3f', '.3f'):<24}" for c in COLUMNS))
    best = [run.reranked for run in runs]
    print(
        f"{f'1.0, best of {BEST_OF}':<36}"
        + "".join(f"{spread([o[c] for o in best], '.3f', '.3f'):<24}" for c in COLUMNS)
    )
    print(f"\n{'':<16}share that the word is true of; what it measures; judged right")
    for style in STYLES:
        for who in runs[0].styles[style]:
            each = zip(*(run.styles[style][who] for run in runs), strict=True)
            print(f"{style:<8}{who:<8}" + "  ".join(spread(one, ".3f", ".3f") for one in each))
    print("\nheld-out nats per token", spread([run.nats["held-out"] for run in runs], ".3f", ".3f"))
    print("training", spread([run.nats["training"] for run in runs], ".3f", ".3f"))
    write(given, "digits_from_names", "digits_from_names", runs, batch=batch, samples=task.SAMPLES, best_of=BEST_OF)


if __name__ == "__main__":
    main()
