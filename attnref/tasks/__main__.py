"""The command line of the tasks: `python -m attnref.tasks` lists them, with a name it trains or measures one."""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from torch import Tensor

from attnref import tasks
from attnref.tasks._extra import MissingExtra
from attnref.tasks._options import PROG, parser, refuse, settle
from attnref.tasks._task import Shipped, Task, find


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; it exits with 2 when something is refused, with 130 when it is interrupted."""
    try:
        try:
            _run(parser().parse_args(arguments))
        finally:
            sys.stdout.flush()
    except MissingExtra as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as interrupt:
        print(f"{PROG}: interrupted{interrupt}.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # whoever read the output, `head` for one, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python flushes when it exits
        sys.exit(141)


def _run(options: argparse.Namespace) -> None:
    if options.task is None:
        for name in tasks.TASKS:
            print(f"{name:<{max(map(len, tasks.TASKS))}} {find(name).about}")
        print("\npython -m attnref.tasks NAME trains one; NAME --evaluate measures the shipped weights; NAME --help.")
        return
    task = find(options.task)
    shipped = settle(task, options)
    if shipped:
        _evaluate(task, shipped, options)
    else:
        _train(task, options)


def _evaluate(task: Task, these: Iterable[Shipped], options: argparse.Namespace) -> None:
    print(task.held_out())
    for shipped in these:
        arguments = task.arguments(shipped.choices)
        try:
            reader = tasks.load(task.name, device=options.device, **arguments)
        except (OSError, ValueError) as error:
            refuse(task, str(error))
        print(f"{shipped.about}: {task.measure(reader, arguments)}", flush=True)


def _train(task: Task, options: argparse.Namespace) -> None:
    scores = []
    for seed in options.seeds:
        checkpoint, clock, processor = _Checkpoint(), time.perf_counter(), time.process_time()
        try:
            reader, losses = task.train(
                seed, **options.arguments, steps=options.steps, device=options.device, watch=checkpoint.keep
            )
        except KeyboardInterrupt as interrupt:
            done = f" after {checkpoint.steps} of {options.steps} steps of seed {seed}"
            raise KeyboardInterrupt(done + _rescue(task, checkpoint, options.out)) from interrupt
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
        if options.out:  # before anything else can go wrong
            _save(task, reader, options.out)
        print(f"seed {seed}: {len(losses)} steps in {clock:.1f} s ({processor:.1f} s of CPU time) on {options.device}")
        if options.out:
            print(f"weights written to {options.out}", flush=True)
        score = task.measure(reader, options.arguments)
        scores.append(score[0])
        print(score, flush=True)
    if len(scores) > 1:
        print(f"{task.merit} over {len(scores)} seeds: {mean(scores):.4f}, from {min(scores):.4f} to {max(scores):.4f}")


class _Checkpoint:
    """The weights after the last whole step: an interrupted one may have updated some of them and not others."""

    steps = 0
    reader: Any = None
    weights: dict[str, Tensor]

    def keep(self, step: int, reader: Any) -> None:
        """Take note of a step, and of the weights after it."""
        weights = {name: weight.clone() for name, weight in reader.state_dict().items()}
        self.steps, self.reader, self.weights = step, reader, weights


def _rescue(task: Task, checkpoint: _Checkpoint, out: Path | None) -> str:
    """Write the weights trained so far, if a file was named; and say so."""
    if out is None:
        return ""
    if checkpoint.reader is None:
        return f"; nothing was written to {out}"
    checkpoint.reader.load_state_dict(checkpoint.weights)
    _save(task, checkpoint.reader, out)
    return f"; the weights of those steps are in {out}"


def _save(task: Task, reader: Any, out: Path) -> None:
    try:
        reader.save(out)
    except OSError as error:
        refuse(task, f"the weights could not be written to '{out}' ({error.strerror})")


if __name__ == "__main__":
    main()
