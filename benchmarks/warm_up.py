"""What trains without a warm-up of the learning rate, post-norm or pre-norm: `python benchmarks/warm_up.py`.

Deep stacks of encoder blocks read random digits and write them in reverse order, all at once. Post-norm and pre-norm
train with a learning rate that rises linearly over the first steps and stays, or has its full value from the first step
on. Nothing else differs: the weights at the start, the sequences and the number of steps are the same for all of one
seed.
Measured on sequences drawn anew. One thread, so the same machine gives the same numbers. The table is printed, and its
numbers are written to docs/figures/warm_up.json.
"""

import sys
import time
from typing import NamedTuple

import torch
from _runs import cpu_seconds, options, spread, train_all, write
from torch import Tensor, nn

from attnref import SinusoidalPositions, TokenEmbedding, TransformerEncoder
from attnref.fast.scaled_dot_product import scaled_dot_product_attention
from attnref.transformer.blocks import Norm

STEPS, BATCH, WARM_UP = 250, 32, 100
LAYERS, D_MODEL, DIGITS, LENGTH = 12, 64, 10, 8
RATES = [3e-4, 1e-3, 3e-3]
NORMS: tuple[Norm, ...] = ("post", "pre")


class Run(NamedTuple):
    """One training: the share of new digits that are right after it, and the loss of its last steps."""

    norm: str
    warm_up: bool
    rate: float
    seed: int
    right: float
    loss: float
    cpu_seconds: float


class Reverser(nn.Module):
    """A stack of encoder blocks that gives the logits of a digit at each position."""

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.embed = nn.Sequential(TokenEmbedding(DIGITS, D_MODEL), SinusoidalPositions(D_MODEL))
        sizes = (D_MODEL, 4, 4 * D_MODEL, LAYERS)  # d_model, num_heads, d_ff, num_layers
        self.encoder = TransformerEncoder(*sizes, norm=norm, attend=scaled_dot_product_attention)
        self.head = nn.Linear(D_MODEL, DIGITS)

    def forward(self, digits: Tensor) -> Tensor:
        """Logits, (batch, n, DIGITS)."""
        return self.head(self.encoder(self.embed(digits))[0])


def train(norm: Norm, warm_up: bool, rate: float, seed: int, steps: int) -> tuple[Reverser, float]:
    """Adam with the betas of the paper, gradients not clipped, since clipping would be a remedy of its own."""
    torch.manual_seed(seed)
    model, generator = Reverser(norm), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.98), eps=1e-9)
    rising = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / WARM_UP) if warm_up else 1.0
    )
    losses = []
    for _ in range(steps):
        digits = torch.randint(DIGITS, (BATCH, LENGTH), generator=generator)
        loss = nn.functional.cross_entropy(model(digits).flatten(0, 1), digits.flip(1).flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rising.step()
        losses.append(loss.item())
    return model, sum(losses[-20:]) / len(losses[-20:])


@torch.no_grad()
def measure(model: Reverser, batch: int = 1000) -> float:
    """The share of digits in their place, of sequences drawn anew."""
    digits = torch.randint(DIGITS, (batch, LENGTH), generator=torch.Generator().manual_seed(2**32))
    return (model(digits).argmax(-1) == digits.flip(1)).float().mean().item()


def run(norm: Norm, warm_up: bool, rate: float, seed: int, steps: int) -> Run:
    """Train one model and measure it."""
    start = time.process_time()
    model, loss = train(norm, warm_up, rate, seed, steps)
    seconds, right = time.process_time() - start, measure(model)
    way = "warm-up" if warm_up else "none"
    print(
        f"{norm}, {way}, {rate:g}, seed {seed}: {seconds:.0f} s of CPU time, {right:.3f}, {loss:.3f}", file=sys.stderr
    )
    return Run(norm, warm_up, rate, seed, round(right, 4), round(loss, 4), round(seconds, 1))


def table(runs: list[Run]) -> str:
    """A row for each norm and way, a column for each learning rate."""
    lines = [f"{'':16}" + "".join(f"{f'rate {rate:g}':>22}" for rate in RATES)]
    for norm in NORMS:
        for warm_up in (False, True):
            own = [run for run in runs if (run.norm, run.warm_up) == (norm, warm_up)]
            shares = ([100 * run.right for run in own if run.rate == rate] for rate in RATES)
            name = f"{norm}, {'warm-up' if warm_up else 'none'}"
            lines.append(f"{name:16}" + "".join(f"{spread(some, '.1f', '.1f'):>22}" for some in shares))
    return "\n".join(lines)


def main() -> None:
    """Print the table and write the file."""
    given = options("What trains without a warm-up of the learning rate.", STEPS, f"{BATCH} sequences")
    jobs = [
        (norm, warm_up, rate, seed, given.steps)
        for norm in NORMS
        for warm_up in (False, True)
        for rate in RATES
        for seed in given.seeds
    ]
    runs = train_all(run, jobs, given.workers)
    print(f"{given.steps} steps of {BATCH} sequences of {LENGTH} digits, {LAYERS} layers, seeds {given.seeds};")
    print(f"{cpu_seconds(runs):.0f} s of CPU time for one training. Digits right, %: mean (min-max over the seeds)\n")
    print(table(runs))
    sizes = {"layers": LAYERS, "d_model": D_MODEL, "digits": LENGTH}
    write(given, "warm_up", "warm_up", runs, batch=BATCH, warm_up=WARM_UP, rates=RATES, **sizes)


if __name__ == "__main__":
    main()
