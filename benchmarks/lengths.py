"""How long an input the last state can carry, and attention: `python benchmarks/lengths.py`.

Models read random digits and write them down again. In training every length from 1 to 30 comes up alike, so one model
serves all lengths; it is then measured at each on sequences drawn anew, writing on its own. Every model of a seed draws
the same training sequences, and all are measured on the same ones. One thread, so the same machine gives the same
numbers. The table goes to the screen and the figures behind it to docs/figures/seq2seq_lengths.json.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from attnref import AdditiveAttention, Seq2Seq

STEPS, SEEDS, BATCH, RATE, LONGEST = 1200, [0, 1, 2], 64, 5e-3, 30
LENGTHS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 35, 40]
BEGIN, VOCAB = 0, 11  # token 0 begins; 1 to 10 are the digits
OUT = Path(__file__).parents[1] / "docs" / "figures" / "seq2seq_lengths.json"


class Kind(NamedTuple):
    """A model to measure: its link, its width, and how many times the steps it learns for."""

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
    torch.set_num_threads(1)
    kind, start = KINDS[name], time.process_time()
    model = train(kind, seed, kind.times * steps)
    seconds = time.process_time() - start
    print(f"{name}, seed {seed}: trained in {seconds:.0f} s of CPU time", file=sys.stderr, flush=True)
    return Run(name, seed, sum(p.numel() for p in model.parameters()), *measure(model), round(seconds, 1))


def kept(run: Run) -> dict[str, Any]:
    """What goes to the file: all that the same machine would measure again, so not the time."""
    return {name: value for name, value in run._asdict().items() if name != "cpu_seconds"}


def table(runs: list[Run], share: str) -> str:
    """Mean over the seeds, then the least and the greatest, in percent."""
    lines = [f"{'length':>6}" + "".join(f"{name:>18}" for name in KINDS)]
    for place, n in enumerate(LENGTHS):
        cells = []
        for name in KINDS:
            shares = [100 * getattr(run, share)[place] for run in runs if run.kind == name]
            cells.append(f"{sum(shares) / len(shares):8.1f} ({min(shares):3.0f}-{max(shares):3.0f})")
        lines.append(f"{n:6}" + "".join(f"{cell:>18}" for cell in cells))
    return "\n".join(lines)


def main() -> None:
    """Print the tables and write the file."""
    parser = argparse.ArgumentParser(description="Accuracy against input length, with and without attention.")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--steps", type=int, default=STEPS, help="batches of 64 sequences")
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time")
    parser.add_argument("--out", type=Path, help="the file above, if seeds and steps are the usual")
    args = parser.parse_args()

    jobs = [(name, seed, args.steps) for name in KINDS for seed in args.seeds]
    with ProcessPoolExecutor(args.workers) as pool:
        runs = list(pool.map(run, *zip(*jobs, strict=True)))

    print(f"{args.steps} steps of {BATCH} sequences of 1 to {LONGEST} digits, seeds {args.seeds}")
    for name, kind in KINDS.items():
        own = [run for run in runs if run.kind == name]
        seconds = sum(run.cpu_seconds for run in own) / len(own)
        print(
            f"{name}: d_h={kind.d_h}, {own[0].weights} weights, {kind.times * args.steps} steps, {seconds:.0f} s of CPU"
        )
    for share, what in (("exact", "sequences"), ("tokens", "tokens")):
        print(f"\n{what} right, % (least and greatest of the seeds)\n{table(runs, share)}")

    out = args.out or (OUT if (args.seeds, args.steps) == (SEEDS, STEPS) else None)
    if out:
        about = {"command": "python benchmarks/lengths.py", "torch": torch.__version__.split("+")[0]}
        about |= {"steps": args.steps, "seeds": args.seeds, "batch": BATCH, "longest": LONGEST, "lengths": LENGTHS}
        rows = ",\n".join(f"  {json.dumps(kept(run))}" for run in runs)
        head = json.dumps(about)[1:-1]
        out.write_text(f'{{{head}, "runs": [\n{rows}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
