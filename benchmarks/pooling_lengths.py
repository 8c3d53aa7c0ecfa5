"""How well a class token and a mean classify inputs that grow: `python benchmarks/pooling_lengths.py`.

A sequence holds the letters A and B at random, one of them marked. Two questions are asked about it: which letter is
the marked one, and which letter is in the majority. The first answer lies in one token, the second in all of them.
Small encoders learn one question each, with the mean of the outputs or with a class token, everything else the same:
the sequences, their order, the recipe and the number of steps. They train on short sequences, on short and long ones,
or on short ones with sinusoidal positions, which neither question needs. Each is measured on sequences drawn anew, of
lengths that grow far past those of training. One thread, so the same machine gives the same numbers. The tables are
printed, and their numbers are written to docs/figures/pooling.json.
"""

import sys
import time
from typing import Literal, NamedTuple

import torch
from _runs import cpu_seconds, options, spread, train_all, write
from torch import Tensor, nn

from attnref import ClassToken, SinusoidalPositions, TokenEmbedding, TransformerEncoder, mean_pooling
from attnref.fast.scaled_dot_product import scaled_dot_product_attention

STEPS, BATCH, RATE = 600, 64, 2e-3
LENGTHS = [7, 15, 31, 63, 127, 255]  # odd, so that one letter is always in the majority
Question = Literal["marked", "majority"]
Pooling = Literal["mean", "class token"]
QUESTIONS: tuple[Question, ...] = ("marked", "majority")
POOLINGS: tuple[Pooling, ...] = ("mean", "class token")


class Setting(NamedTuple):
    """The longest sequence of training, and whether there are positions."""

    longest: int
    positions: bool = False


SETTINGS = {"short": Setting(15), "short and long": Setting(63), "short, positions": Setting(15, positions=True)}


class Run(NamedTuple):
    """One training: the share of sequences that are classified right, at each of `LENGTHS`."""

    question: str
    pooling: str
    setting: str
    seed: int
    weights: int
    accuracy: list[float]
    cpu_seconds: float


class Classifier(nn.Module):
    """Two encoder blocks, then one vector for the sequence, then a linear layer."""

    def __init__(self, pooling: Pooling, positions: bool, d_model: int = 32) -> None:
        super().__init__()
        self.embed = TokenEmbedding(4, d_model)
        self.positions = SinusoidalPositions(d_model) if positions else nn.Identity()
        self.encoder = TransformerEncoder(d_model, 2, 64, 2, norm="pre", attend=scaled_dot_product_attention)
        self.head = nn.Linear(d_model, 2)
        self.class_token = ClassToken(d_model) if pooling == "class token" else None

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the two letters, (batch, 2)."""
        x = self.positions(self.embed(tokens))
        if self.class_token is None:
            return self.head(mean_pooling(self.encoder(x)[0]))
        return self.head(self.encoder(self.class_token(x)[0])[0][:, 0])


def draw(question: Question, batch: int, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Letters 0 and 1, the marked one plus 2, (batch, n); and the answers, (batch,)."""
    letters = torch.randint(2, (batch, n), generator=generator)
    at = torch.randint(n, (batch, 1), generator=generator)
    answer = letters.gather(1, at)[:, 0] if question == "marked" else (2 * letters.sum(1) > n).long()
    return letters + 2 * (torch.arange(n) == at), answer


def train(question: Question, pooling: Pooling, setting: Setting, seed: int, steps: int) -> Classifier:
    """AdamW, one cycle of the learning rate, gradients clipped to norm 1; each batch holds one odd length."""
    torch.manual_seed(seed)
    model, generator = Classifier(pooling, setting.positions), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(steps):
        n = 2 * int(torch.randint(1, (setting.longest + 1) // 2, (), generator=generator)) + 1
        tokens, answer = draw(question, BATCH, n, generator)
        loss = nn.functional.cross_entropy(model(tokens), answer)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model


@torch.no_grad()
def measure(model: Classifier, question: Question, batch: int = 1000) -> list[float]:
    """The share of new sequences of each length whose answer is right."""
    generator = torch.Generator().manual_seed(2**32)  # far from the seeds of training
    found = []
    for n in LENGTHS:
        tokens, answer = draw(question, batch, n, generator)
        found.append(round((model(tokens).argmax(-1) == answer).float().mean().item(), 4))
    return found


def run(question: Question, pooling: Pooling, setting: str, seed: int, steps: int) -> Run:
    """Train one model and measure it."""
    start = time.process_time()
    model = train(question, pooling, SETTINGS[setting], seed, steps)
    seconds = time.process_time() - start
    accuracy, weights = measure(model, question), sum(p.numel() for p in model.parameters())
    print(f"{question}, {pooling}, {setting}, seed {seed}: {seconds:.0f} s of CPU time, {accuracy}", file=sys.stderr)
    return Run(question, pooling, setting, seed, weights, accuracy, round(seconds, 1))


def table(runs: list[Run]) -> str:
    """A row for each length, a column for each way."""
    lines = [f"{'length':>6}" + "".join(f"{name:>20}" for name in POOLINGS)]
    for at, n in enumerate(LENGTHS):
        shares = ([100 * run.accuracy[at] for run in runs if run.pooling == name] for name in POOLINGS)
        lines.append(f"{n:6}" + "".join(f"{spread(own, '.1f', '.1f'):>20}" for own in shares))
    return "\n".join(lines)


def main() -> None:
    """Print the tables and write the file."""
    given = options("Accuracy against length, with a mean and with a class token.", STEPS, f"{BATCH} sequences")
    jobs = [
        (question, pooling, setting, seed, given.steps)
        for setting in SETTINGS
        for question in QUESTIONS
        for pooling in POOLINGS
        for seed in given.seeds
    ]
    runs = train_all(run, jobs, given.workers)
    print(f"{given.steps} steps of {BATCH} sequences, seeds {given.seeds}, {runs[0].weights} weights")
    for setting, (longest, positions) in SETTINGS.items():
        own = [run for run in runs if run.setting == setting]
        print(f"\ntrained on 3 to {longest} letters, {'with' if positions else 'no'} positions, ", end="")
        print(f"{cpu_seconds(own):.0f} s of CPU each")
        for question in QUESTIONS:
            print(f"{question}: right, % (mean, min-max over the seeds)")
            print(table([run for run in own if run.question == question]))
    settings = {name: list(setting) for name, setting in SETTINGS.items()}
    write(given, "pooling", "pooling_lengths", runs, batch=BATCH, lengths=LENGTHS, settings=settings)


if __name__ == "__main__":
    main()
