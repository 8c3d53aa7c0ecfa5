"""What the benchmarks share: measurements that take turns, and a file of numbers that only the default run writes."""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import NamedTuple

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def runs(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "_runs", raising=False)
    import _runs

    yield _runs
    sys.modules.pop("_runs")


class Run(NamedTuple):
    seed: int
    accuracy: float
    cpu_seconds: float


RUNS = [Run(0, 0.5, 1.0), Run(1, 0.75, 4.0)]


def test_measurements_take_turns_and_warm_up_runs_do_not_count(runs):
    called, times = [], iter([100, 100, 100, 100, 3, 30, 1, 10, 2, 50])

    def measure(name):
        called.append(name)
        return next(times)

    calls = {name: lambda name=name: measure(name) for name in ("first", "second")}
    assert runs.medians(calls, runs=3, warm_up=2) == {"first": 2, "second": 30}
    assert called == ["first", "second"] * 5


def test_spread_over_the_seeds(runs):
    assert runs.spread([50.0, 60.0, 100.0], "8.1f", "3.0f") == "    70.0 ( 50-100)"
    assert runs.cpu_seconds(RUNS) == 2.5


@pytest.mark.parametrize(
    ("line", "usual"),
    [([], True), (["--workers", "2"], True), (["--steps", "8"], False), (["--seeds", "0", "1"], False)],
)
def test_only_the_default_run_writes_the_numbers_of_the_pages(line, usual, runs, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmark", *line])
    monkeypatch.setattr(runs, "FIGURES", tmp_path)
    given = runs.options("purpose", 9, "64 images")
    runs.write(given, "name", "script", RUNS, batch=64)
    file = tmp_path / "name.json"
    assert file.exists() == usual
    if usual:
        text = file.read_text(encoding="utf-8")
        assert json.loads(text)["seeds"] == [0, 1, 2]
        assert '  {"seed": 0, "accuracy": 0.5},\n  {"seed": 1, "accuracy": 0.75}\n]}\n' in text
        assert text.startswith('{"command": "python benchmarks/script.py", "torch": "')
        assert text.splitlines()[0].endswith('"steps": 9, "seeds": [0, 1, 2], "batch": 64, "runs": [')


def test_a_file_that_is_named_is_always_written(runs, tmp_path):
    given = Namespace(out=tmp_path / "mine.json", usual=False, steps=1, seeds=[5])
    runs.write(given, "name", "script", RUNS)
    assert json.loads(given.out.read_text(encoding="utf-8"))["seeds"] == [5]


MEASURED = [
    "captions",
    "cost",
    "digit_patches",
    "digits_from_names",
    "digits_vit",
    "discrete_vae",
    "growing_images",
    "language_model",
    "luong_scores",
    "mamba",
    "masked_language_model",
    "number_words",
    "pooling",
    "recall",
    "seq2seq_lengths",
    "transformer_cost",
    "warm_up",
]


@pytest.mark.parametrize("name", MEASURED)
def test_the_numbers_of_the_pages_say_how_they_came_about(name):
    about = json.loads((BENCHMARKS.parent / "docs" / "figures" / f"{name}.json").read_text(encoding="utf-8"))
    assert about["torch"]
    if name == "cost":
        assert (about["heads"], about["head_dim"]) == (1, 64)
    else:
        script = about["command"].removeprefix("python benchmarks/")
        assert (BENCHMARKS / script).is_file()
