"""The command line of the tasks: every option is honored or refused, and refused before anything is trained."""

import dataclasses
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from attnref import tasks
from attnref.tasks import __main__ as command
from attnref.tasks import _device, digit_rows
from attnref.tasks._task import find

PACKAGE = Path(tasks.__file__).parents[1]
HERE = "cpu or cuda" if torch.cuda.is_available() else "cpu, for one"
# The usual device of these tests; options that choose another one are tested by name.
ON_CPU = ("--device", "cpu")


class Trainings:
    """Stands in for the training of a task and remembers what it was asked to do."""

    def __init__(self, monkeypatch, name):
        self.asked, self.reader, self.scores = [], tasks.load(name), {}
        module = importlib.import_module(f"attnref.tasks.{name}")
        replaced = dataclasses.replace(module.TASK, train=self.train, measure=self.measure)
        monkeypatch.setattr(module, "TASK", replaced)

    def train(self, seed, *, watch, **asked):
        self.asked.append({"seed": seed, **asked})
        return self.reader, [0.5] * asked["steps"]

    def measure(self, reader, arguments):
        assert reader is self.reader
        self.asked[-1]["measured"] = arguments
        return (self.scores.get(self.asked[-1]["seed"], 0.25),)


@pytest.fixture
def training(monkeypatch):
    return lambda name: Trainings(monkeypatch, name)


@pytest.fixture
def exits(capsys):
    """The command line exits with this code; what it said comes back."""

    def run(*arguments, code):
        with pytest.raises(SystemExit) as exit:
            command.main(list(map(str, arguments)))
        said = capsys.readouterr()
        assert exit.value.code == code, said
        return said

    return run


def run(*arguments, **options):
    """The command line in a process of its own."""
    line = [sys.executable, "-m", "attnref.tasks", *map(str, arguments)]
    options = {"cwd": PACKAGE.parent, "text": True, "timeout": 120, **options}
    return subprocess.run(line, capture_output="stdout" not in options, check=False, **options)


# What is asked for is done


def test_lists_the_tasks(capsys):
    command.main([])
    *lines, empty, last = capsys.readouterr().out.splitlines()
    assert (empty, last) == (
        "",
        "python -m attnref.tasks NAME trains one; NAME --evaluate measures the shipped weights; NAME --help.",
    )
    assert [line.split()[0] for line in lines] == list(tasks.TASKS)
    for line, name in zip(lines, tasks.TASKS, strict=True):
        assert line == f"{name:<{max(map(len, tasks.TASKS))}} {find(name).about}"


@pytest.mark.parametrize("name", tasks.TASKS)
def test_help_names_every_option_and_its_default(name, exits):
    text = " ".join(exits(name, "--help", code=0).out.split())
    task = find(name)
    for option in task.options:
        assert f"--{option.name} {{{','.join(option.choices)}}} {option.about} (default: {option.default};" in text
    assert text.startswith(f"usage: python -m attnref.tasks {name} [-h] ")
    for words in (
        task.about,
        f"--steps N batches to learn from (default: {task.steps})",
        "--seed SEED [SEED ...] train once for each (default: 0)",
        "cpu, cuda, ... (default: ATTNREF_DEVICE if set, else cuda where there is one, else cpu)",
        "--out FILE write the weights as safetensors (with one seed)",
        "--evaluate measure the shipped weights on held-out data",
    ):
        assert words in text


@pytest.mark.parametrize("name", tasks.TASKS)
def test_defaults_are_those_of_the_task(name, training, capsys):
    trainings, task = training(name), find(name)
    command.main([name, *ON_CPU])
    arguments = task.arguments({})
    expected = {"seed": 0, "steps": task.steps, "device": torch.device("cpu"), "measured": arguments, **arguments}
    assert trainings.asked == [expected]
    assert f"seed 0: {task.steps} steps in " in capsys.readouterr().out


VIT = {"pool": "class", "attend": "softmax", "positions": 0.5, "split": "images"}


@pytest.mark.parametrize(
    ("name", "option", "choice", "arguments"),
    [
        ("dates", "--attention", "additive", {"attention": True, "score": "additive"}),
        ("dates", "--attention", "dot", {"attention": True, "score": "dot"}),
        ("dates", "--attention", "general", {"attention": True, "score": "general"}),
        ("dates", "--attention", "concat", {"attention": True, "score": "concat"}),
        ("dates", "--attention", "none", {"attention": False, "score": "additive"}),
        ("digit_rows", "--model", "rnn", {"model": "rnn", "size": 8, "split": "images"}),
        ("digit_rows", "--model", "gru", {"model": "gru", "size": 8, "split": "images"}),
        ("digit_rows", "--size", "28", {"model": "lstm", "size": 28, "split": "images"}),
        ("digit_rows", "--split", "forms", {"model": "lstm", "size": 8, "split": "forms"}),
        ("digit_patches", "--attend", "efficient", {"attend": "efficient", "split": "images"}),
        ("digit_patches", "--attend", "linear", {"attend": "linear", "split": "images"}),
        ("digit_patches", "--split", "forms", {"attend": "softmax", "split": "forms"}),
        ("digits_vit", "--pool", "mean", VIT | {"pool": "mean"}),
        ("digits_vit", "--attend", "efficient", VIT | {"attend": "efficient"}),
        ("digits_vit", "--positions", "0.02", VIT | {"positions": 0.02}),
        ("digits_vit", "--split", "forms", VIT | {"split": "forms"}),
        ("recall", "--question", "pairs", {"question": "pairs", "model": "mamba"}),
        ("recall", "--model", "relative", {"question": "selective_copying", "model": "relative"}),
    ],
)
def test_every_choice_reaches_the_training_and_the_measuring(name, option, choice, arguments, training):
    trainings = training(name)
    command.main([name, option, choice, "--steps", "3", "--seed", "7", *ON_CPU])
    (asked,) = trainings.asked
    assert asked == {"seed": 7, "steps": 3, "device": torch.device("cpu"), "measured": arguments, **arguments}


def test_every_seed_is_trained_and_the_scores_are_summed_up(training, capsys):
    trainings = training("digit_rows")
    trainings.scores = {4: 0.5, 2: 0.8, 18446744073709551615: 0.9}
    command.main(["digit_rows", "--seeds", "4", "2", "--seed", "18446744073709551615", "--steps", "1", *ON_CPU])
    assert [asked["seed"] for asked in trainings.asked] == [4, 2, 2**64 - 1]
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "held-out accuracy over 3 seeds: 0.7333, from 0.5000 to 0.9000"
    assert [line.partition(":")[0] for line in said[:-1:2]] == ["seed 4", "seed 2", "seed 18446744073709551615"]


def test_one_seed_has_no_summary(training, capsys):
    training("digit_rows")
    command.main(["digit_rows", "--steps", "1", *ON_CPU])
    assert "over" not in capsys.readouterr().out


def test_trains_measures_and_writes(tmp_path, capsys):
    out = tmp_path / "new.safetensors"
    command.main(["digit_rows", "--steps", "2", "--model", "gru", "--split", "forms", "--out", str(out), *ON_CPU])
    said = capsys.readouterr()
    seed, written, measured = said.out.splitlines()
    assert seed.startswith("seed 0: 2 steps in ")
    assert seed.endswith(" on cpu")
    assert written == f"weights written to {out}"
    assert "2/2" in said.err  # the progress bar
    made, _ = digit_rows.train(0, model="gru", split="forms", steps=2, progress=False)
    loaded = tasks.load("digit_rows", out)
    assert loaded.recipe == made.recipe
    assert all(torch.equal(loaded.state_dict()[name], weight.half()) for name, weight in made.state_dict().items())
    forms = digit_rows.digits_data.held_out_digits(split="forms")
    assert measured == str(digit_rows.measure(made, *forms))


def test_weights_are_written_before_they_are_measured(training, tmp_path, monkeypatch):
    trainings, out = training("digit_rows"), tmp_path / "new.safetensors"
    monkeypatch.setattr(trainings, "measure", lambda *_: pytest.fail("measured first") if not out.exists() else (1.0,))
    module = importlib.import_module("attnref.tasks.digit_rows")
    monkeypatch.setattr(module, "TASK", dataclasses.replace(module.TASK, measure=trainings.measure))
    command.main(["digit_rows", "--steps", "1", "--out", str(out), *ON_CPU])


# Measuring what is shipped


def alike(line, expected):
    """The same words, and the same numbers but for two images: rounding may differ from machine to machine."""
    number = re.compile(r"0\.\d+")
    near = [abs(float(a) - float(b)) <= 2 / 360 for a, b in zip(*map(number.findall, (line, expected)), strict=True)]
    return number.sub("", line) == number.sub("", expected) and all(near)


ROWS = "LSTM, 8 x 8: held-out accuracy 0.9917; after each quarter of the rows: 0.364, 0.800, 0.961, 0.992"
SOFTMAX = "attention softmax: held-out accuracy 0.9889; a patch's largest weight is its own in 0.0413 of all"
CLASS_TOKEN = "class token, attention softmax: held-out accuracy 0.9806"
EFFICIENT = "attention efficient: held-out accuracy 0.9750"


@pytest.mark.parametrize(
    ("name", "options", "measured"),
    [
        ("digit_rows", [], [ROWS]),
        ("digit_rows", ["--model", "lstm", "--size", "8", "--split", "images"], [ROWS]),
        ("digit_patches", [], [SOFTMAX, EFFICIENT]),
        ("digit_patches", ["--attend", "softmax"], [SOFTMAX]),
        ("digit_patches", ["--attend", "efficient", "--split", "images"], [EFFICIENT]),
        ("digits_vit", ["--positions", "0.5"], [CLASS_TOKEN]),
    ],
)
def test_evaluates_what_is_shipped(name, options, measured, capsys):
    command.main([name, "--evaluate", *options, *ON_CPU])
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "360 held-out digits, none of them in training"
    assert len(lines) == len(measured)
    assert all(map(alike, lines, measured))


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ([], ["attention additive", "attention none"]),
        (["--attention", "additive"], ["attention additive"]),
        (["--attention", "none"], ["attention none"]),
    ],
)
def test_evaluates_the_dates_that_are_asked_for(options, kinds, capsys, monkeypatch):
    from attnref.tasks import dates

    few = dates.held_out_samples()[:40]
    monkeypatch.setattr(dates, "held_out_samples", lambda: few)
    command.main(["dates", "--evaluate", *options, *ON_CPU])
    first, *measured = capsys.readouterr().out.splitlines()
    assert first == "40 held-out dates, none of them in training in any language"
    assert [line.partition(":")[0] for line in measured] == kinds
    for line in measured:
        assert ("attention on the right characters" in line) == line.startswith("attention additive")


def test_evaluates_without_a_home_and_writes_nothing(tmp_path):
    """The package is copied and made read-only; for root, who may write all the same, the files are compared."""
    package = tmp_path / "attnref"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (*package.rglob("*"), package, tmp_path):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        env = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        env |= {"PYTHONDONTWRITEBYTECODE": "1", "ATTNREF_DEVICE": "cpu", "HOME": str(tmp_path / "nowhere")}
        done = run("digit_rows", "--evaluate", cwd=tmp_path, env=env)
        assert (done.returncode, done.stderr) == (0, "")
        assert alike(done.stdout.splitlines()[1], ROWS)
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    finally:
        for path in (tmp_path, package, *package.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)


# What is refused

TRAINS_NOTHING = "--evaluate measures the shipped weights and trains nothing: leave out"
IS_FOR = "--evaluate measures the shipped weights, which are for"
SEEDS = "--seeds must be whole numbers from 0 to 2**64 - 1, got"
STEPS = "--steps must be a whole number from 1 on, got"


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("digit_rows --steps 0", f"{STEPS} '0'."),
        ("digit_rows --steps -5", f"{STEPS} '-5'."),
        ("digit_rows --steps 2.5", f"{STEPS} '2.5'."),
        (f"digit_rows --steps {2**64}", f"{STEPS} '18446744073709551616'."),
        ("digit_rows --seeds -1", f"{SEEDS} '-1'."),
        ("digit_rows --seeds 0 x", f"{SEEDS} 'x'."),
        (f"digit_rows --seed {2**64}", f"{SEEDS} '18446744073709551616'."),
        (f"digit_rows --seed 1{'0' * 5000}", f"{SEEDS} '1{'0' * 5000}'."),
        ("digit_rows --seeds 3 1 3", "--seeds must differ, got 3 twice."),
        ("digit_rows --seeds 3 --seed 3", "--seeds must differ, got 3 twice."),
        ("digit_rows --seeds 0 1 --out new.safetensors", "--out takes one seed, got 2."),
        ("digit_rows --model cnn", "--model must be one of rnn, gru, lstm, got 'cnn'."),
        ("digit_rows --size 9", "--size must be one of 8, 28, got '9'."),
        ("digit_rows --split hands", "--split must be one of images, forms, got 'hands'."),
        ("digit_patches --attend dot", "--attend must be one of softmax, efficient, linear, got 'dot'."),
        ("dates --attention x", "--attention must be one of additive, dot, general, concat, none, got 'x'."),
        ("digit_rows --device banana", f"--device must name a device of this machine ({HERE}), got 'banana'."),
        ("digit_rows --device cuda:99", f"--device must name a device of this machine ({HERE}), got 'cuda:99'."),
        ("digit_rows --device meta", f"--device must name a device of this machine ({HERE}), got 'meta'."),
        ("digit_rows --device cuda:x", f"--device must name a device of this machine ({HERE}), got 'cuda:x'."),
        ("digit_rows --evaluate --steps 3", f"{TRAINS_NOTHING} --steps."),
        ("digit_rows --evaluate --seeds 0", f"{TRAINS_NOTHING} --seeds."),
        ("digit_rows --evaluate --out new.safetensors", f"{TRAINS_NOTHING} --out."),
        ("digit_rows --evaluate --model gru", f"{IS_FOR} --model lstm --size 8 --split images, got --model gru."),
        ("digit_rows --evaluate --size 28", f"{IS_FOR} --model lstm --size 8 --split images, got --size 28."),
        ("digit_rows --evaluate --split forms", f"{IS_FOR} --model lstm --size 8 --split images, got --split forms."),
        (
            "digit_patches --evaluate --attend linear",
            f"{IS_FOR} --attend softmax --split images and --attend efficient --split images, got --attend linear.",
        ),
        (
            "digit_patches --evaluate --attend softmax --split forms",
            f"{IS_FOR} --attend softmax --split images and --attend efficient --split images, "
            "got --attend softmax --split forms.",
        ),
        (
            "dates --evaluate --attention dot",
            f"{IS_FOR} --attention additive and --attention none, got --attention dot.",
        ),
    ],
)
def test_refuses_before_anything_is_trained(arguments, words, exits, training, tmp_path, monkeypatch):
    name, *options = arguments.split()
    trainings = training(name)
    monkeypatch.chdir(tmp_path)
    said = exits(name, *options, code=2)
    assert said.out == ""
    assert said.err == f"python -m attnref.tasks {name}: {words}\n"
    assert trainings.asked == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dances"], "python -m attnref.tasks: argument NAME: invalid choice: 'dances' "),
        (["--evaluate"], "python -m attnref.tasks: unrecognized arguments: --evaluate."),
        (["digit_rows", "--epochs", "3"], "python -m attnref.tasks: unrecognized arguments: --epochs 3."),
        (["digit_rows", "--steps"], "python -m attnref.tasks digit_rows: argument --steps: expected one argument."),
    ],
)
def test_refuses_what_there_is_not_in_one_line(arguments, words, exits):
    said = exits(*arguments, code=2)
    assert said.err.startswith(words)
    assert said.err.count("\n") == 1


@pytest.mark.refusal
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_refuses_cuda_where_there_is_none(exits):
    said = exits("digit_rows", "--device", "cuda", code=2)
    assert said.err.endswith("--device must name a device of this machine (cpu, for one), got 'cuda'.\n")


@pytest.mark.refusal
@pytest.mark.parametrize("name", ["banana", "meta", "cuda:99"])
def test_refuses_a_device_of_the_environment(name, exits, training, monkeypatch):
    trainings = training("digit_rows")
    monkeypatch.setenv("ATTNREF_DEVICE", name)
    said = exits("digit_rows", code=2)
    words = f"attnref.tasks.device: ATTNREF_DEVICE must name a device of this machine ({HERE}), got {name!r}."
    assert said.err == f"python -m attnref.tasks digit_rows: {words}\n"
    assert trainings.asked == []
    command.main(["digit_rows", "--steps", "1", "--device", "cpu"])  # a device on the command line comes first
    assert len(trainings.asked) == 1
    command.main([])  # and the list of tasks needs none


def test_the_environment_chooses_the_device(training, monkeypatch):
    trainings = training("digit_rows")
    monkeypatch.setenv("ATTNREF_DEVICE", "cpu:0")
    command.main(["digit_rows"])
    assert trainings.asked[0]["device"] == torch.device("cpu:0")


def test_the_devices_named_are_those_that_are_there(monkeypatch, refuses):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    words = "who must name a device of this machine (cpu or cuda), got 'banana'."
    refuses(lambda: _device.usable("who", "banana"), ValueError, words)
    assert _device.usable("who", "cpu") == torch.device("cpu")


def _folder(path):
    return path, "Is a directory"


def _in_no_folder(path):
    return path / "none" / "new.safetensors", "No such file or directory"


def _below_a_file(path):
    (path / "file").write_bytes(b"kept")
    return path / "file" / "new.safetensors", "Not a directory"


def _too_long(path):
    return path / ("x" * 300), "File name too long"


def _read_only(path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    path.chmod(0o500)
    return path / "new.safetensors", "Permission denied"


@pytest.mark.refusal
@pytest.mark.parametrize("place", [_folder, _in_no_folder, _below_a_file, _too_long, _read_only])
def test_refuses_to_write_where_it_cannot(place, exits, training, tmp_path):
    trainings = training("digit_rows")
    out, reason = place(tmp_path)
    said = exits("digit_rows", "--out", out, code=2)
    words = f"--out must be a file that can be written, got '{out}' ({reason})."
    assert said.err == f"python -m attnref.tasks digit_rows: {words}\n"
    assert trainings.asked == []


def test_a_link_to_a_file_that_is_not_there_yet_stays_one(exits, training, tmp_path):
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    exits("dates", "--out", link, "--steps", "0", code=2)
    assert link.is_symlink()
    assert not target.exists()


@pytest.mark.refusal
def test_refuses_a_file_without_a_name(exits, training):
    training("digit_rows")
    assert "--out must be a file that can be written, got ''" in exits("digit_rows", "--out", "", code=2).err


def test_trying_to_write_leaves_a_file_as_it_was(exits, training, tmp_path):
    training("digit_rows")
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"kept")
    for out in (old, new):
        exits("digit_rows", "--seeds", "0", "1", "--out", out, code=2)
    assert old.read_bytes() == b"kept"
    assert not new.exists()


def test_weights_that_cannot_be_written_in_the_end(exits, training, monkeypatch, tmp_path):
    trainings = training("digit_rows")

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trainings.reader, "save", full)
    out = tmp_path / "new"
    said = exits("digit_rows", "--steps", "1", "--out", out, *ON_CPU, code=2)
    words = f"the weights could not be written to '{out}' (No space left on device)."
    assert said.err == f"python -m attnref.tasks digit_rows: {words}\n"


@pytest.mark.refusal
def test_missing_packages_are_named_in_one_line(exits, missing, tmp_path, training):
    said = "attnref.tasks: {} is not installed; pip install 'attnref[tasks]'.\n"
    trainings = training("digit_rows")
    missing("safetensors")
    assert exits("digit_rows", "--out", tmp_path / "new", code=2).err == said.format("safetensors")
    assert trainings.asked == []
    assert exits("digit_patches", "--evaluate", *ON_CPU, code=2).err == said.format("safetensors")
    torch.optim.SGD([torch.zeros(1)])  # torch's first optimizer imports tqdm for its own use
    missing("tqdm")
    assert exits("digit_patches", "--steps", "1", *ON_CPU, code=2).err == said.format("tqdm")


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "is a pointer of Git LFS"),
        (b"x" * 100, "is not a whole safetensors file"),
        (None, "cannot be read: No such file or directory."),
    ],
)
def test_shipped_weights_that_are_not_there(content, words, exits, monkeypatch, tmp_path):
    monkeypatch.setattr(tasks, "__file__", str(tmp_path / "__init__.py"))
    file = tmp_path / "digit_rows.safetensors"
    if content:
        file.write_bytes(content)
    said = exits("digit_rows", "--evaluate", *ON_CPU, code=2)
    assert said.err.startswith(f"python -m attnref.tasks digit_rows: attnref.tasks.load: '{file}' {words}")
    assert said.err.count("\n") == 1


# Interrupted


class Interrupted(Trainings):
    """A training of three steps that is interrupted in the middle of the next."""

    whole = 3

    def train(self, seed, *, watch, **asked):
        super().train(seed, watch=watch, **asked)
        weight = self.reader.output_proj.bias.data
        for step in range(1, self.whole + 1):
            weight.fill_(step)
            watch(step, self.reader)
        weight[:5] = 9.0
        raise KeyboardInterrupt


def test_an_interrupt_keeps_the_weights_of_the_last_whole_step(exits, monkeypatch, tmp_path):
    Interrupted(monkeypatch, "digit_rows")
    out = tmp_path / "new.safetensors"
    said = exits("digit_rows", "--seed", "5", "--steps", "8", "--out", out, *ON_CPU, code=130)
    words = f"interrupted after 3 of 8 steps of seed 5; the weights of those steps are in {out}."
    assert said.err == f"python -m attnref.tasks: {words}\n"
    assert tasks.load("digit_rows", out).output_proj.bias.tolist() == [3.0] * 10


def test_an_interrupt_without_a_file_or_without_a_step(exits, monkeypatch, tmp_path):
    trainings = Interrupted(monkeypatch, "digit_rows")
    said = exits("digit_rows", "--steps", "8", *ON_CPU, code=130)
    assert said.err == "python -m attnref.tasks: interrupted after 3 of 8 steps of seed 0.\n"
    trainings.whole, out = 0, tmp_path / "new.safetensors"
    said = exits("digit_rows", "--steps", "8", "--out", out, *ON_CPU, code=130)
    words = f"interrupted after 0 of 8 steps of seed 0; nothing was written to {out}."
    assert said.err == f"python -m attnref.tasks: {words}\n"
    assert not out.exists()


def test_an_interrupt_of_the_measuring(exits, training, monkeypatch, tmp_path):
    trainings, out = training("digit_rows"), tmp_path / "new.safetensors"
    monkeypatch.setattr(digit_rows, "TASK", dataclasses.replace(digit_rows.TASK, measure=_interrupt))
    said = exits("digit_rows", "--steps", "1", "--out", out, *ON_CPU, code=130)
    assert said.err == "python -m attnref.tasks: interrupted.\n"
    assert said.out.endswith(f"weights written to {out}\n")
    assert len(trainings.asked) == 1


def _interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT for another process")
def test_control_c_ends_in_one_line(tmp_path):
    out, errors = tmp_path / "new.safetensors", tmp_path / "errors"
    # A process in the background, and so the tests there, may be deaf to SIGINT, and hands that on.
    heard = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heard}; runpy.run_module('attnref.tasks', run_name='__main__', alter_sys=True)"
    line = [sys.executable, "-c", code, "digit_rows", "--steps", "1000000", "--out", str(out), *ON_CPU]
    with (
        errors.open("wb") as file,
        subprocess.Popen(line, cwd=PACKAGE.parent, stdout=subprocess.PIPE, stderr=file) as process,
    ):
        try:
            until = time.monotonic() + 60
            while b"loss=" not in errors.read_bytes() and time.monotonic() < until:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, said) == (130, b"")
    text = errors.read_text(encoding="utf-8")
    assert "Traceback" not in text
    last = text.splitlines()[-1]
    assert last.startswith("python -m attnref.tasks: interrupted after ")
    assert last.endswith(f" of 1000000 steps of seed 0; the weights of those steps are in {out}.")
    assert tasks.load("digit_rows", out).recipe["model"] == "lstm"


@pytest.mark.skipif(os.name == "nt", reason="no broken pipes")
def test_a_reader_that_has_read_enough_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    try:
        done = run("digit_rows", "--help", stdout=writing, stderr=subprocess.PIPE, env=env)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
