"""How well a class token and a mean read a digit on a growing image: `python benchmarks/growing_images.py`.

A digit of 8 x 8 pixels lies in the middle of a square canvas, moved by up to one pixel; the canvas is blank, or strewn
with scraps of other digits. So the patches that tell the answer are as many as before, and the others grow with the
canvas. Small Vision Transformers learn to read it on small canvases, with the output of a class token or with the mean
of the patches' outputs, everything else the same: the canvases, their order, the recipe and the number of steps. Then
they are asked on larger ones, with held-out digits. Their position embeddings are either extended, those of the border
repeated beyond it, or stretched over the larger grid (Dosovitskiy et al. 2020, section 3.2). One thread, so the same
machine gives the same numbers. The tables are printed, and their numbers are written to
docs/figures/growing_images.json.
"""

import sys
import time
from collections.abc import Iterator
from itertools import product
from typing import Literal, NamedTuple

import torch
from _runs import cpu_seconds, options, spread, train_all, write
from torch import Tensor, nn

from attnref.fast.scaled_dot_product import scaled_dot_product_attention
from attnref.models import ViT, resize_positions
from attnref.tasks import _recipe, digits_data

STEPS, BATCH, RATE = 400, 64, 4e-3
LAYERS = 2
PATCH, DIGIT, SCRAP = 2, 8, 4  # pixels along one side
TRAINED, ASKED = 12, [12, 16, 24, 32]
HOW = ["extended", "stretched"]  # the positions
Background = Literal["blank", "scraps"]
Pool = Literal["class", "mean"]
BACKGROUNDS: tuple[Background, ...] = ("blank", "scraps")
POOLS: tuple[Pool, ...] = ("class", "mean")


class Run(NamedTuple):
    """One training: the share of held-out digits that are read at each size of `ASKED`, with either positions."""

    background: str
    pool: str
    seed: int
    weights: int
    asked: dict[str, list[float]]
    cpu_seconds: float


def place(images: Tensor, size: int, background: Background, scraps: Tensor, generator: torch.Generator) -> Tensor:
    """Lay each image anywhere on a canvas of its own, (batch, size, size), over one scrap for each 56 free pixels."""
    batch = len(images)
    canvas = torch.zeros(batch, size, size)
    if background == "scraps":
        for _ in range((size**2 - DIGIT**2) // 56):
            cut = scraps[torch.randint(len(scraps), (batch,), generator=generator)]
            corner = torch.randint(DIGIT - SCRAP + 1, (2, batch), generator=generator)
            piece = cut[window(torch.arange(batch), corner, SCRAP)]
            where = window(torch.arange(batch), torch.randint(size - SCRAP + 1, (2, batch), generator=generator), SCRAP)
            canvas[where] = torch.maximum(canvas[where], piece)
    middle = (size - DIGIT) // 2
    where = (middle - 1 + torch.randint(3, (2, batch), generator=generator)).clamp(0, size - DIGIT)
    canvas[window(torch.arange(batch), where, DIGIT)] = images
    return canvas


def window(which: Tensor, corner: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """The indices of a square of each image, from its top left corner on."""
    steps = torch.arange(side)
    return which[:, None, None], (corner[0, :, None] + steps)[:, :, None], (corner[1, :, None] + steps)[:, None, :]


def batches(size: int, background: Background, steps: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Training digits on canvases; every digit comes once before any comes again."""
    generator = torch.Generator().manual_seed(seed)
    images, digits = digits_data.training_digits()
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) < BATCH:
            order = torch.cat((order, torch.randperm(len(images), generator=generator)))
        chosen, order = order[:BATCH], order[BATCH:]
        yield place(images[chosen], size, background, images, generator), digits[chosen]


def build(size: int, pool: Pool) -> ViT:
    """A Vision Transformer for canvases of this size; positions start as large as in the task `digits_vit`."""
    attend = scaled_dot_product_attention
    sizes = {"d_model": 64, "num_heads": 4, "d_ff": 128, "num_layers": LAYERS}
    model = ViT(10, image_size=size, patch=PATCH, channels=1, **sizes, pool=pool, attend=attend)
    nn.init.normal_(model.positions.weight, std=0.5)
    return model


def resized(model: ViT, size: int, pool: Pool, how: str) -> ViT:
    """The same model for a larger canvas: its grid of position embeddings is stretched, or its border goes on."""
    own, old, new = model.positions.weight.detach(), model.image_size[0] // PATCH, size // PATCH
    if how == "stretched":
        table = resize_positions(own, old, new)
    else:
        extra = len(own) - old**2  # 1 with a class token
        grid = own[extra:].T.unflatten(1, (old, old))[None]  # (1, d_model, old, old)
        grid = nn.functional.pad(grid, ((new - old) // 2,) * 4, mode="replicate")
        table = torch.cat((own[:extra], grid[0].flatten(1).T))
    other = build(size, pool)
    other.load_state_dict(model.state_dict() | {"positions.weight": table})
    return other


@torch.no_grad()
def measure(model: ViT, size: int, background: Background) -> float:
    """The share of held-out digits that are read, each on two canvases; the scraps are of held-out digits, too."""
    generator = torch.Generator().manual_seed(2**32)  # far from the seeds of training
    images, digits = digits_data.held_out_digits()
    right = 0
    for _ in range(2):
        canvas = place(images, size, background, images, generator)
        right += int((model(canvas[:, None])[0].argmax(-1) == digits).sum())
    return round(right / 2 / len(digits), 4)


def run(background: Background, pool: Pool, seed: int, steps: int) -> Run:
    """Train one model and measure it."""
    start = time.process_time()
    with _recipe.drawn_from(seed):
        model = build(TRAINED, pool)

    def loss_of(batch: tuple[Tensor, Tensor]) -> Tensor:
        return nn.functional.cross_entropy(model(batch[0][:, None])[0], batch[1])

    _recipe.fit(model, batches(TRAINED, background, steps, seed), loss_of, steps=steps, rate=RATE, progress=False)
    seconds = time.process_time() - start
    asked = {how: [measure(resized(model, size, pool, how), size, background) for size in ASKED] for how in HOW}
    print(f"{background}, {pool}, seed {seed}: {asked}, {seconds:.0f} s of CPU time", file=sys.stderr, flush=True)
    weights = sum(p.numel() for p in model.parameters())
    return Run(background, pool, seed, weights, asked, round(seconds, 1))


def table(runs: list[Run], how: str) -> str:
    """A row for each background and pool, a column for each size."""
    lines = [f"{how:<16}" + "".join(f"{size:>20}" for size in ASKED)]
    for background, pool in ((b, p) for b in BACKGROUNDS for p in POOLS):
        found = [run.asked[how] for run in runs if (run.background, run.pool) == (background, pool)]
        cells = (spread([100 * share for share in each], ".1f", ".1f") for each in zip(*found, strict=True))
        lines.append(f"{background:<8}{pool:<8}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines)


def main() -> None:
    """Print the tables and write the file."""
    given = options("Accuracy on a growing image, with a mean and with a class token.", STEPS, f"{BATCH} images")
    jobs = [(*way, seed, given.steps) for way in product(BACKGROUNDS, POOLS) for seed in given.seeds]
    runs = train_all(run, jobs, given.workers)
    print(f"{given.steps} steps of {BATCH} images, seeds {given.seeds}, {cpu_seconds(runs):.0f} s of CPU each")
    print(f"trained on {TRAINED} pixels; read, % (mean, min-max over the seeds), for each way of the positions")
    for how in HOW:
        print(f"\n{table(runs, how)}")
    write(given, "growing_images", "growing_images", runs, batch=BATCH, trained=TRAINED, sizes=ASKED)


if __name__ == "__main__":
    main()
