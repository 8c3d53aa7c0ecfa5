"""The command line of the tasks: `python -m attnref.tasks` lists them, with a name it trains or measures one."""

import argparse
import time
from collections.abc import Sequence
from statistics import mean
from typing import Any

import torch

from attnref import tasks


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    if options.task is None:
        for name, about in tasks.TASKS.items():
            print(f"{name:<8} {about}")
        print("\npython -m attnref.tasks NAME trains one; NAME --evaluate measures the shipped weights; NAME --help.")
    elif options.evaluate:
        _evaluate(options)
    else:
        _train(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m attnref.tasks", description="Train or measure a small real task.")
    names = parser.add_subparsers(dest="task", metavar="NAME", title="tasks")
    dates = names.add_parser("dates", help=tasks.TASKS["dates"], description=tasks.TASKS["dates"])
    dates.add_argument("--seeds", "--seed", type=int, nargs="+", default=[0], help="train once for each (default: 0)")
    dates.add_argument("--attention", choices=("additive", "none"), help="default: additive; --evaluate: both")
    dates.add_argument("--steps", type=int, help="batches to learn from (default: the recipe's)")
    dates.add_argument(
        "--device", type=torch.device, default=tasks.device(), help="cpu, cuda, ... (default: %(default)s)"
    )
    dates.add_argument("--out", metavar="FILE", help="write the weights as safetensors (with one seed)")
    dates.add_argument("--evaluate", action="store_true", help="measure the shipped weights on the held-out dates")
    return parser


def _train(options: argparse.Namespace) -> None:
    from attnref.tasks import dates, dates_data

    if options.out and len(options.seeds) > 1:
        raise SystemExit("python -m attnref.tasks dates: --out takes one seed.")
    attention = options.attention != "none"
    samples, scores = dates_data.held_out_samples(), []
    for seed in options.seeds:
        clock, processor = time.perf_counter(), time.process_time()
        reader, losses = dates.train(
            seed, attention=attention, steps=options.steps or dates.STEPS, device=options.device
        )
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
        print(f"seed {seed}: {len(losses)} steps in {clock:.1f} s ({processor:.1f} s of CPU time) on {options.device}")
        scores.append(dates.measure(reader, samples))
        print(_line(scores[-1]))
        if options.out:
            reader.save(options.out)
            print(f"written to {options.out}")
    if len(scores) > 1:
        print(
            f"exact match over {len(scores)} seeds: {mean(s.exact for s in scores):.4f}, "
            f"from {min(s.exact for s in scores):.4f} to {max(s.exact for s in scores):.4f}"
        )


def _evaluate(options: argparse.Namespace) -> None:
    from attnref.tasks import dates, dates_data

    samples = dates_data.held_out_samples()
    print(f"{len(samples)} held-out dates, none of them in training in any language")
    for kind in [options.attention] if options.attention else ["additive", "none"]:
        reader = dates.load(attention=kind == "additive", device=options.device)
        print(f"attention {kind}: {_line(dates.measure(reader, samples))}")


def _line(score: Any) -> str:
    shares = ", ".join(f"{part} {share:.3f}" for part, share in score.shares.items())
    return f"exact match {score.exact:.4f}" + (f"; attention on the right characters: {shares}" if shares else "")


if __name__ == "__main__":
    main()
