"""What can be asked on the command line of the tasks, and what is refused before anything is trained."""

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

import torch

from attnref import tasks
from attnref.tasks._device import usable
from attnref.tasks._extra import extra
from attnref.tasks._recipe import SEEDS
from attnref.tasks._task import Shipped, Task, find

PROG = "python -m attnref.tasks"


class Parser(argparse.ArgumentParser):
    """Refuses in one sentence, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and exit with 2."""
        sentence = re.sub(r"^argument (--\w+)\S*: must ", r"\1 must ", message).rstrip(".")
        self.exit(2, f"{self.prog}: {sentence}.\n")


def refuse(task: Task, sentence: str) -> NoReturn:
    """Say what is wrong, and exit with 2."""
    print(f"{PROG} {task.name}: {sentence.rstrip('.')}.", file=sys.stderr)
    sys.exit(2)


def parser() -> Parser:
    """The command line: a task, and its options."""
    whole = Parser(prog=PROG, description="Train or measure a small real task.")
    names = whole.add_subparsers(dest="task", metavar="NAME", title="tasks")
    for task in map(find, tasks.TASKS):
        one = names.add_parser(task.name, help=task.about, description=task.about)
        for option in task.options:
            one.add_argument(
                f"--{option.name}",
                type=_one_of(option.choices),
                metavar=f"{{{','.join(option.choices)}}}",
                help=f"{option.about} (default: {option.default}; with --evaluate: all that are shipped)",
            )
        seeds = {"type": _seed, "nargs": "+", "action": "extend", "metavar": "SEED"}
        one.add_argument("--seeds", "--seed", **seeds, help="train once for each (default: 0)")
        one.add_argument("--steps", type=_steps, metavar="N", help=f"batches to learn from (default: {task.steps})")
        default = "ATTNREF_DEVICE if set, else cuda where there is one, else cpu"
        one.add_argument("--device", type=_device, help=f"cpu, cuda, ... (default: {default})")
        one.add_argument("--out", type=_out, metavar="FILE", help="write the weights as safetensors (with one seed)")
        one.add_argument("--evaluate", action="store_true", help="measure the shipped weights on held-out data")
    return whole


def settle(task: Task, options: argparse.Namespace) -> list[Shipped]:
    """Fill in what is left out, refuse what does not go together, and find the shipped weights that are meant."""
    given = {option.name: choice for option in task.options if (choice := getattr(options, option.name)) is not None}
    if options.device is None:
        try:
            options.device = tasks.device()
        except ValueError as error:
            refuse(task, str(error))
    if not options.evaluate:
        options.arguments = task.arguments(given)
        options.steps = options.steps or task.steps
        options.seeds = options.seeds or [0]
        for seed in options.seeds:
            if options.seeds.count(seed) > 1:
                refuse(task, f"--seeds must differ, got {seed} twice")
        if options.out and len(options.seeds) > 1:
            refuse(task, f"--out takes one seed, got {len(options.seeds)}")
        return []
    for name in ("seeds", "steps", "out"):
        if getattr(options, name) is not None:
            refuse(task, f"--evaluate measures the shipped weights and trains nothing: leave out --{name}")
    meant = [shipped for shipped in task.shipped if given.items() <= shipped.choices.items()]
    if not meant:
        there = " and ".join(_written(shipped.choices) for shipped in task.shipped)
        refuse(task, f"--evaluate measures the shipped weights, which are for {there}, got {_written(given)}")
    return meant


def _written(choices: Mapping[str, str]) -> str:
    return " ".join(f"--{name} {choice}" for name, choice in choices.items())


def _one_of(choices: Mapping[str, object]) -> Callable[[str], str]:
    def one(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(choices)}, got {text!r}")
        return text

    return one


def _seed(text: str) -> int:
    return _whole(text, 0, "whole numbers from 0 to 2**64 - 1")


def _steps(text: str) -> int:
    return _whole(text, 1, "a whole number from 1 on")


def _whole(text: str, least: int, rule: str) -> int:
    number = int(text) if text.isdecimal() and len(text) <= len(str(SEEDS)) else -1
    if not least <= number < SEEDS:
        raise argparse.ArgumentTypeError(f"must be {rule}, got {text!r}")
    return number


def _device(text: str) -> torch.device:
    try:
        return usable("", text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).strip()) from error


def _out(text: str) -> Path:
    """A file that can be written. It is tried, since a training may be long; a file that is there stays as it is."""
    path = Path(text)
    try:
        new = not path.exists()
        if new or path.is_file():
            with path.open("ab"):
                pass
            if new:
                path.resolve().unlink()  # not a link that leads there
        elif path.is_dir():
            raise IsADirectoryError(None, "Is a directory")
    except OSError as error:
        reason = f"must be a file that can be written, got {text!r} ({error.strerror})"
        raise argparse.ArgumentTypeError(reason) from error
    extra("safetensors")  # what writes it
    return path
