"""What the temperature and the penalty do to a discrete VAE of digits: `python benchmarks/discrete_vae.py`.

A small discrete VAE learns the training digits of 8 x 8 pixels, with 32 codes for patches of 2 x 2: with the
temperature of the recipe and others, and with other weights of the penalty. A seed draws the same images in the same
order for all. Measured on the 360 held-out images: the squared error of a pixel after tokens, after soft samples at the
last temperature of the training, and how many codes stand for at least one patch in 200. One thread, so the same
machine gives the same numbers. The table is printed, and its numbers are written to docs/figures/discrete_vae.json.
"""

import sys
import time
from typing import NamedTuple

import torch
from _runs import cpu_seconds, options, spread, train_all, write

from attnref.models import DiscreteVAE, discrete_vae_loss, temperature_schedule
from attnref.tasks import _recipe, digits_data

STEPS, BATCH, RATE, NUM_CODES, D = 400, 128, 4e-3, 32, 32
WAYS = {  # the first and the last temperature, and beta
    "from 1 to 0.3": (1.0, 0.3, 1e-3),
    "from 1 to 1/16": (1.0, 1 / 16, 1e-3),
    "always 1": (1.0, 1.0, 1e-3),
    "always 0.05": (0.05, 0.05, 1e-3),
    "no penalty": (1.0, 0.3, 0.0),
    "a penalty of 0.03": (1.0, 0.3, 0.03),
}


class Run(NamedTuple):
    """One training: errors of held-out pixels, and codes in use."""

    way: str
    seed: int
    weights: int
    error: float
    relaxed: float
    codes: int
    cpu_seconds: float


def run(way: str, seed: int, steps: int) -> Run:
    """Train one model and measure it."""
    begin = time.process_time()
    start, end, beta = WAYS[way]
    with _recipe.drawn_from(seed):
        model = DiscreteVAE(NUM_CODES, image_size=8, patch=2, d_hidden=D, d_code=D)
    draws, temperatures = torch.Generator().manual_seed(seed), iter(range(steps))

    def loss_of(batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        images = batch[0][:, None]
        temperature = temperature_schedule(next(temperatures), num_steps=steps, start=start, end=end)
        reconstruction, logits = model(images, temperature, generator=draws)
        return discrete_vae_loss(images, reconstruction, logits, beta=beta)

    batches = digits_data.training_batches(steps, BATCH, seed)
    _recipe.fit(model, batches, loss_of, steps=steps, rate=RATE, progress=False)
    seconds = time.process_time() - begin
    images = digits_data.held_out_digits()[0][:, None]
    with torch.no_grad():
        tokens = model.tokens(images)
        error = (images - model.decode(tokens)).square().mean()
        relaxed = (images - model(images, end, generator=draws)[0]).square().mean()
    shares = torch.bincount(tokens.flatten(), minlength=NUM_CODES) / tokens.numel()
    codes, weights = int((shares >= 1 / 200).sum()), sum(p.numel() for p in model.parameters())
    found = Run(way, seed, weights, round(float(error), 4), round(float(relaxed), 4), codes, round(seconds, 1))
    print(found, file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Print the table and write the file."""
    given = options("A discrete VAE of digits at several temperatures and penalties.", STEPS, f"{BATCH} images")
    runs = train_all(run, [(way, seed, given.steps) for way in WAYS for seed in given.seeds], given.workers)
    print(f"{given.steps} steps of {BATCH} images, seeds {given.seeds}; {cpu_seconds(runs):.0f} s of CPU each.")
    print("held-out error after tokens, after soft samples, codes in use: mean (min-max over the seeds)\n")
    for way in WAYS:
        of_way = [run for run in runs if run.way == way]
        errors = (spread([getattr(run, what) for run in of_way], ".4f", ".4f") for what in ("error", "relaxed"))
        print(f"{way:<20}{'  '.join(errors)}  {spread([run.codes for run in of_way], '.0f', '.0f')}")
    write(given, "discrete_vae", "discrete_vae", runs, batch=BATCH)


if __name__ == "__main__":
    main()
