"""Up to which length a model copies its input, with attention and without: `python benchmarks/lengths.py`.

Models read random digits and copy them. In training every length from 1 to 30 is equally likely, so one model serves
all lengths; it is then measured at each length on sequences drawn anew, fed its own output. Every model of a seed draws
the same training sequences, and all are measured on the same ones. One thread, so the same machine gives the same
numbers. The tables are printed, and their numbers are written to docs/figures/seq2seq_lengths.json.
"""

import sys
import time
from typing import NamedTuple

import torch
from _runs import cpu_seconds, options, spread, train_all, write
from torch import Tensor, nn

from attnref import AdditiveAttention, Seq2Seq

STEPS, BATCH, RATE, LONGEST = 1200, 64, 5e-3, 30
LENGTHS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 35, 40]
BEGIN, VOCAB = 0, 11  # token 0 begins; 1 to 10 are the digits


class Kind(NamedTuple):
    """A model to measure: with attention or without, its hidden size, and how many times the steps it trains for."""

    attention: bool
    d_h: int = 64
    times: int = 1


KINDS = {
    "attention": Kind(True),
    "last state": Kind(False),
    "twice the width": Kind(False, d_h=128),
    "twice the steps": Kind(False, times=2),
}


class Run(NamedTuple):
    """One training: the share of sequences and of tokens that are right, at each of `LENGTHS`."""

    kind: str
    seed: int
    weights: int
    exact: list[float]
    tokens: list[float]
    cpu_seconds: float


def build(kind: Kind) -> Seq2Seq:
    """The model, not trained yet."""
    attend = AdditiveAttention(kind.d_h, kind.d_h, 32) if kind.attention else None
    return Seq2Seq(VOCAB, VOCAB, d_embed=16, d_h=kind.d_h, attend=attend)


def draw(batch: int, n: int, generator: torch.Generator) -> Tensor:
    """Random digits, (batch, n)."""
    return torch.randint(1, VOCAB, (batch, n), generator=generator)


def train(kind: Kind, seed: int, steps: int) -> Seq2Seq:
    """AdamW, one cycle of the learning rate, gradients clipped to norm 1; each batch holds one length."""
    torch.manual_seed(seed)
    model, generator = build(kind), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(steps):
        n = int(torch.randint(1, LONGEST + 1, (), generator=generator))
        source = draw(BATCH, n, generator)
        fed = torch.cat((torch.full((BATCH, 1), BEGIN), source[:, :-1]), dim=1)
        logits, _ = model(source, fed)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), source.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model


def measure(model: Seq2Seq, batch: int = 1000) -> tuple[list[float], list[float]]:
    """The share of sequences, and of tokens, written as they were read."""
    generator = torch.Generator().manual_seed(2**32)  # far from the seeds of training
    exact, tokens = [], []
    for n in LENGTHS:
        source = draw(batch, n, generator)
        right = model.generate(source, begin=BEGIN, length=n)[0] == source
        exact.append(round(right.all(dim=1).float().mean().item(), 4))
        tokens.append(round(right.float().mean().item(), 4))
    return exact, tokens


def run(name: str, seed: int, steps: int) -> Run:
    """Train one model and measure it."""
    kind, start = KINDS[name], time.process_time()
    model = train(kind, seed, kind.times * steps)
    seconds = time.process_time() - start
    print(f"{name}, seed {seed}: trained in {seconds:.0f} s of CPU time", file=sys.stderr, flush=True)
    return Run(name, seed, sum(p.numel() for p in model.parameters()), *measure(model), round(seconds, 1))


def table(runs: list[Run], share: str) -> str:
    """A row for each length, a column for each model, in percent."""
    lines = [f"{'length':>6}" + "".join(f"{name:>18}" for name in KINDS)]
    for at, n in enumerate(LENGTHS):
        cells = []
        for name in KINDS:
            cells.append(spread([100 * getattr(run, share)[at] for run in runs if run.kind == name], "8.1f", "3.0f"))
        lines.append(f"{n:6}" + "".join(f"{cell:>18}" for cell in cells))
    return "\n".join(lines)


def main() -> None:
    """Print the tables and write the file."""
    given = options("Accuracy against input length, with and without attention.", STEPS, f"{BATCH} sequences")
    jobs = [(name, seed, given.steps) for name in KINDS for seed in given.seeds]
    runs = train_all(run, jobs, given.workers)

    print(f"{given.steps} steps of {BATCH} sequences of 1 to {LONGEST} digits, seeds {given.seeds}")
    for name, kind in KINDS.items():
        own = [run for run in runs if run.kind == name]
        steps, seconds = kind.times * given.steps, cpu_seconds(own)
        print(f"{name}: d_h={kind.d_h}, {own[0].weights} weights, {steps} steps, {seconds:.0f} s of CPU")
    for share, what in (("exact", "sequences"), ("tokens", "tokens")):
        print(f"\n{what} right, % (mean, min-max over the seeds)\n{table(runs, share)}")
    write(given, "seq2seq_lengths", "lengths", runs, batch=BATCH, longest=LONGEST, lengths=LENGTHS)


if __name__ == "__main__":
    main()
