"""The command line of the tasks: `python -m attnref.tasks` lists them, with a name it trains or measures one."""

import argparse
import time
from collections.abc import Iterator, Sequence
from statistics import mean
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from attnref import tasks
from attnref.tasks import dates, dates_data, digit_patches, digit_rows, digit_rows_data


@runtime_checkable
class Task(Protocol):
    """What the command line asks of a task: the rest is the same for all."""

    figure: str  # of merit, in words

    def options(self, parser: argparse.ArgumentParser) -> None:
        """Add what no other task has."""
        ...

    def train(self, seed: int, options: argparse.Namespace) -> tuple[Any, list[float]]:
        """Train a reader, and hand it back with the loss of each step."""
        ...

    def measure(self, reader: Any, options: argparse.Namespace) -> tuple[float, str]:
        """Measure the figure of merit on held-out data; and say it, with whatever else is worth a line."""
        ...

    def shipped(self, options: argparse.Namespace) -> Iterator[tuple[str, nn.Module]]:
        """Say what is measured, then load the shipped readers, each with a few words about it."""
        ...


class Dates:
    """Dates, with attention by each score, and without."""

    figure = "exact match"

    def options(self, parser: argparse.ArgumentParser) -> None:
        """Add what no other task has."""
        choices = (*dates.SCORES, "none")
        parser.add_argument("--attention", choices=choices, help="default: additive; --evaluate: additive and none")

    def train(self, seed: int, options: argparse.Namespace) -> tuple[dates.DateReader, list[float]]:
        """Train a reader, and hand it back with the loss of each step."""
        steps, attention = options.steps or dates.STEPS, options.attention != "none"
        score = options.attention if options.attention in dates.SCORES else "additive"
        return dates.train(seed, attention=attention, score=score, steps=steps, device=options.device)

    def measure(self, reader: dates.DateReader, options: argparse.Namespace) -> tuple[float, str]:
        """Measure the figure of merit on held-out data; and say it."""
        score = dates.measure(reader, dates_data.held_out_samples())
        shares = ", ".join(f"{part} {share:.3f}" for part, share in score.shares.items())
        line = f"exact match {score.exact:.4f}"
        return score.exact, line + (f"; attention on the right characters: {shares}" if shares else "")

    def shipped(self, options: argparse.Namespace) -> Iterator[tuple[str, nn.Module]]:
        """Say what is measured, then load the shipped readers."""
        if options.attention not in ("additive", "none", None):
            raise SystemExit("python -m attnref.tasks dates: weights are shipped for --attention additive and none.")
        print(f"{len(dates_data.held_out_samples())} held-out dates, none of them in training in any language")
        for kind in [options.attention] if options.attention else ["additive", "none"]:
            yield f"attention {kind}", dates.load(attention=kind == "additive", device=options.device)


class DigitRows:
    """Handwritten digits, by net and by size."""

    figure = "held-out accuracy"

    def options(self, parser: argparse.ArgumentParser) -> None:
        """Add what no other task has."""
        parser.add_argument("--model", choices=tuple(digit_rows.MODELS), default="lstm", help="default: %(default)s")
        parser.add_argument(
            "--size", type=int, choices=digit_rows_data.SIZES, default=8, help="rows and columns (default: %(default)s)"
        )
        parser.add_argument(
            "--split", choices=digit_rows_data.SPLITS, default="images", help="what is held out (default: %(default)s)"
        )

    def train(self, seed: int, options: argparse.Namespace) -> tuple[digit_rows.RowReader, list[float]]:
        """Train a reader, and hand it back with the loss of each step."""
        steps = options.steps or digit_rows.STEPS
        named = {"model": options.model, "size": options.size, "split": options.split}
        return digit_rows.train(seed, **named, steps=steps, device=options.device)

    def measure(self, reader: digit_rows.RowReader, options: argparse.Namespace) -> tuple[float, str]:
        """Measure the figure of merit on held-out data; and say it."""
        score = digit_rows.measure(reader, *digit_rows_data.held_out_digits(reader.size, options.split))
        quarter = reader.size // 4
        shares = ", ".join(f"{score.rows[row - 1]:.3f}" for row in range(quarter, reader.size + 1, quarter))
        return score.accuracy, f"held-out accuracy {score.accuracy:.4f}; after each quarter of the rows: {shares}"

    def shipped(self, options: argparse.Namespace) -> Iterator[tuple[str, nn.Module]]:
        """Say what is measured, then load the shipped readers."""
        if options.split != "images":
            raise SystemExit("python -m attnref.tasks digit_rows: the shipped weights were trained on --split images.")
        print(f"{len(digit_rows_data.held_out_digits()[0])} held-out digits, none of them in training")
        yield "LSTM, 8 x 8", digit_rows.load(device=options.device)


class DigitPatches:
    """Handwritten digits in patches, by attention."""

    figure = "held-out accuracy"

    def options(self, parser: argparse.ArgumentParser) -> None:
        """Add what no other task has."""
        kinds = tuple(digit_patches.ATTENDS)
        parser.add_argument("--attend", choices=kinds, help="default: softmax; --evaluate: all that are shipped")
        parser.add_argument(
            "--split", choices=digit_rows_data.SPLITS, default="images", help="what is held out (default: %(default)s)"
        )

    def train(self, seed: int, options: argparse.Namespace) -> tuple[digit_patches.PatchReader, list[float]]:
        """Train a reader, and hand it back with the loss of each step."""
        named = {"attend": options.attend or "softmax", "split": options.split, "device": options.device}
        return digit_patches.train(seed, **named, steps=options.steps or digit_patches.STEPS)

    def measure(self, reader: digit_patches.PatchReader, options: argparse.Namespace) -> tuple[float, str]:
        """Measure the figure of merit on held-out data; and say it."""
        score = digit_patches.measure(reader, *digit_rows_data.held_out_digits(split=options.split))
        line = f"held-out accuracy {score.accuracy:.4f}"
        own = "" if score.own is None else f"; a patch's largest weight is its own in {score.own.mean():.4f} of all"
        return score.accuracy, line + own

    def shipped(self, options: argparse.Namespace) -> Iterator[tuple[str, nn.Module]]:
        """Say what is measured, then load the shipped readers."""
        if options.split != "images":
            raise SystemExit("python -m attnref.tasks digit_patches: shipped weights are those of --split images.")
        if options.attend not in (None, *digit_patches.SHIPPED):
            kinds = " and ".join(digit_patches.SHIPPED)
            raise SystemExit(f"python -m attnref.tasks digit_patches: only {kinds} weights are shipped.")
        print(f"{len(digit_rows_data.held_out_digits()[0])} held-out digits, none of them in training")
        for kind in [options.attend] if options.attend else digit_patches.SHIPPED:
            yield f"attention {kind}", digit_patches.load(attend=kind, device=options.device)


COMMANDS: dict[str, Task] = {"dates": Dates(), "digit_rows": DigitRows(), "digit_patches": DigitPatches()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    if options.task is None:
        width = max(map(len, tasks.TASKS))
        for name, about in tasks.TASKS.items():
            print(f"{name:<{width}} {about}")
        print("\npython -m attnref.tasks NAME trains one; NAME --evaluate measures the shipped weights; NAME --help.")
    elif options.evaluate:
        for what, reader in COMMANDS[options.task].shipped(options):
            print(f"{what}: {COMMANDS[options.task].measure(reader, options)[1]}")
    else:
        _train(COMMANDS[options.task], options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m attnref.tasks", description="Train or measure a small real task.")
    names = parser.add_subparsers(dest="task", metavar="NAME", title="tasks")
    for name, about in tasks.TASKS.items():
        one = names.add_parser(name, help=about, description=about)
        one.add_argument("--seeds", "--seed", type=int, nargs="+", default=[0], help="train once for each (default: 0)")
        COMMANDS[name].options(one)
        one.add_argument("--steps", type=int, help="batches to learn from (default: the recipe's)")
        one.add_argument(
            "--device", type=torch.device, default=tasks.device(), help="cpu, cuda, ... (default: %(default)s)"
        )
        one.add_argument("--out", metavar="FILE", help="write the weights as safetensors (with one seed)")
        one.add_argument("--evaluate", action="store_true", help="measure the shipped weights on held-out data")
    return parser


def _train(task: Task, options: argparse.Namespace) -> None:
    if options.out and len(options.seeds) > 1:
        raise SystemExit(f"python -m attnref.tasks {options.task}: --out takes one seed.")
    scores = []
    for seed in options.seeds:
        clock, processor = time.perf_counter(), time.process_time()
        reader, losses = task.train(seed, options)
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
        print(f"seed {seed}: {len(losses)} steps in {clock:.1f} s ({processor:.1f} s of CPU time) on {options.device}")
        score, line = task.measure(reader, options)
        scores.append(score)
        print(line)
        if options.out:
            reader.save(options.out)
            print(f"written to {options.out}")
    if len(scores) > 1:
        print(
            f"{task.figure} over {len(scores)} seeds: {mean(scores):.4f}, from {min(scores):.4f} to {max(scores):.4f}"
        )


if __name__ == "__main__":
    main()
