"""What the benchmarks share: measurements that take turns, trainings over several seeds, and the file of numbers."""

import argparse
import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch

FIGURES = Path(__file__).parents[1] / "docs" / "figures"
SEEDS = [0, 1, 2]
Run = TypeVar("Run", bound=NamedTuple)


def medians(measurements: Mapping[str, Callable[[], float]], runs: int, warm_up: int = 0) -> dict[str, float]:
    """The median of each measurement. They take turns, so that all see the same machine in the same minute."""
    measured: dict[str, list[float]] = {name: [] for name in measurements}
    for run in range(warm_up + runs):
        for name, measure in measurements.items():
            value = measure()
            if run >= warm_up:
                measured[name].append(value)
    return {name: statistics.median(values) for name, values in measured.items()}


def options(purpose: str, steps: int, batch: str) -> argparse.Namespace:
    """The command line of a benchmark that trains: its seeds, its steps, how many at a time, and a file."""
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--steps", type=int, default=steps, help=f"batches of {batch}")
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time")
    parser.add_argument("--out", type=Path, help="default: the file of the figures, for the default seeds and steps")
    given = parser.parse_args()
    given.usual = (given.seeds, given.steps) == (SEEDS, steps)
    return given


def train_all(run: Callable[..., Run], jobs: Iterable[Sequence[Any]], workers: int) -> list[Run]:
    """Train in processes of one thread each, so that the same machine gives the same numbers."""
    with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(run, *zip(*jobs, strict=True)))


def cpu_seconds(runs: Iterable[Any]) -> float:
    """CPU time of a training, mean over the runs."""
    return statistics.fmean(run.cpu_seconds for run in runs)


def spread(values: Sequence[float], mean: str, ends: str) -> str:
    """Mean over the seeds, then min and max, in the given formats."""
    return f"{statistics.fmean(values):{mean}} ({min(values):{ends}}-{max(values):{ends}})"


def write(given: argparse.Namespace, name: str, script: str, runs: Iterable[Any], **settings: Any) -> None:
    """Write a line for each run, with all that the same machine would measure again, so without its time.

    Args:
        given: The command line. Seeds and steps other than the default write to `--out` alone.
        name: The file in docs/figures, without `.json`.
        script: The benchmark, without `.py`.
        runs: What was measured.
        settings: What else the numbers depend on.
    """
    path = given.out or (FIGURES / f"{name}.json" if given.usual else None)
    if path is None:
        return
    about = {"command": f"python benchmarks/{script}.py", "torch": torch.__version__.split("+")[0]}
    about |= {"steps": given.steps, "seeds": given.seeds, **settings}
    lines = ({what: value for what, value in run._asdict().items() if what != "cpu_seconds"} for run in runs)
    rows = ",\n".join(f"  {json.dumps(line)}" for line in lines)
    path.write_text(f'{{{json.dumps(about)[1:-1]}, "runs": [\n{rows}\n]}}\n', encoding="utf-8")
