"""What every task has beside its code, and how trained weights are saved, found and loaded."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from attnref import tasks
from attnref.tasks import (
    caption_reader,
    dates,
    dates_transformer,
    digit_artist,
    digit_judge,
    digit_patches,
    digit_rows,
    digits_vit,
    masked_model,
    number_reader,
    recall_model,
    story_model,
)
from attnref.tasks._task import find

HERE = Path(tasks.__file__).parent
READERS = {
    "dates": dates.DateReader,
    "dates_transformer": dates_transformer.DateTransformer,
    "digit_rows": digit_rows.RowReader,
    "digit_patches": digit_patches.PatchReader,
    "number_words": number_reader.NumberReader,
    "language_model": story_model.LanguageModel,
    "masked_language_model": masked_model.MaskedLanguageModel,
    "captions": caption_reader.CaptionReader,
    "digits_vit": digits_vit.DigitViT,
    "digit_judge": digit_judge.DigitJudge,
    "digits_from_names": digit_artist.DigitArtist,
    "recall": recall_model.RecallModel,
}
MERITS = dict.fromkeys(("dates", "dates_transformer", "number_words"), "exact match")
MERITS |= {"language_model": "held-out nats per character", "captions": "exact captions"}
MERITS |= {"digit_judge": "accuracy on digits that it never saw", "digits_from_names": "drawings judged right"}
SHIPPED = [(name, shipped) for name in tasks.TASKS for shipped in find(name).shipped]
each_task = pytest.mark.parametrize("name", tasks.TASKS)
each_shipped = pytest.mark.parametrize(("name", "shipped"), SHIPPED, ids=lambda part: getattr(part, "stem", part))


# Tasks


def test_the_list_names_every_file_that_ends_in_a_task():
    ends = {
        path.stem
        for path in HERE.glob("*.py")
        if isinstance(last := ast.parse(path.read_text(encoding="utf-8")).body[-1], ast.Assign)
        and ast.unparse(last.targets[0]) == "TASK"
    }
    assert ends == set(tasks.TASKS)
    assert len(tasks.TASKS) == len(set(tasks.TASKS))


@each_task
def test_a_task_says_what_it_is(name):
    task = find(name)
    module = sys.modules[f"attnref.tasks.{name}"]
    assert (task.name, task.steps, task.reader, task.train) == (name, module.STEPS, READERS[name], module.train)
    assert task.merit == MERITS.get(name, "held-out accuracy")
    for option in task.options:
        assert option.default in option.choices
        for choice, arguments in option.choices.items():
            assert task.arguments({option.name: choice}).items() >= arguments.items()


def test_nobody_can_change_a_task():
    with pytest.raises(AttributeError):
        find("dates").steps = 1


def test_arguments_of_choices():
    arguments = find("digit_rows").arguments
    assert arguments({}) == {"model": "lstm", "size": 8, "split": "images"}
    assert arguments({"size": "28", "model": "rnn"}) == {"model": "rnn", "size": 28, "split": "images"}
    assert find("dates").arguments({"attention": "none"}) == {"attention": False, "score": "additive"}


def test_every_file_of_weights_is_shipped_and_small():
    files = {path.stem: path for path in HERE.glob("*.safetensors")}
    assert set(files) == {shipped.stem for _, shipped in SHIPPED}
    for name in tasks.TASKS:
        stems = [shipped.stem for shipped in find(name).shipped]
        assert sum(files[stem].stat().st_size for stem in stems) <= 1_000_000
    dtypes = {tensor.dtype for file in files.values() for tensor in load_file(file).values()}
    assert dtypes == {torch.float16, torch.int64}  # the second for what a batch norm counts


@each_shipped
def test_shipped_weights_are_those_they_are_said_to_be(name, shipped):
    with safe_open(HERE / f"{shipped.stem}.safetensors", framework="pt") as file:
        recipe = json.loads(file.metadata()["reader"])
    task = find(name)
    arguments = task.arguments(shipped.choices)
    assert {key: arguments[key] for key in recipe.keys() & arguments.keys()}.items() <= recipe.items()
    loaded = tasks.load(name, **arguments)
    assert isinstance(loaded, READERS[name])
    assert not loaded.training
    stored = load_file(HERE / f"{shipped.stem}.safetensors")
    weights = task.weights(loaded).state_dict()
    assert weights.keys() == stored.keys()
    assert all(torch.equal(weights[key], stored[key].to(weights[key].dtype)) for key in stored)
    assert {weight.dtype for weight in weights.values() if weight.is_floating_point()} == {torch.float32}
    assert all(weights[key].dtype == stored[key].dtype for key in stored if not stored[key].is_floating_point())


# Loading what is shipped


def test_loads_the_model_that_is_asked_for():
    assert tasks.load("dates").recipe["attention"]
    assert tasks.load("dates", attention=True, score="additive").recipe["attention"]
    assert not tasks.load("dates", attention=False).recipe["attention"]
    assert tasks.load("digit_patches").recipe["attend"] == "softmax"
    assert tasks.load("digit_patches", attend="efficient").recipe["attend"] == "efficient"
    assert tasks.load("number_words").recipe["positions"] == "sinusoidal"
    assert tasks.load("number_words", positions="none").recipe["positions"] == "none"
    assert tasks.load("masked_language_model").recipe["sides"] == "both"
    assert tasks.load("masked_language_model", sides="left").recipe["sides"] == "left"
    assert tasks.load("digit_rows", size=8, split="images").recipe["size"] == 8


@each_task
def test_loads_to_the_device_that_is_asked_for(name):
    assert {weight.device.type for weight in tasks.load(name, device="meta").parameters()} == {"meta"}
    assert {weight.device.type for weight in tasks.load(name).parameters()} == {"cpu"}


@pytest.mark.refusal
def test_refuses_a_device_that_is_not_there():
    words = r"^attnref.tasks.load: device must name a device of this machine \(.*\), got 'gpu'\.$"
    with pytest.raises(ValueError, match=words):
        tasks.load("dates", device="gpu")


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (
            lambda: tasks.load("dances"),
            ValueError,
            "attnref.tasks.load: name must be one of 'dates', 'dates_transformer', 'digit_rows', 'digit_patches', "
            "'number_words', 'language_model', 'masked_language_model', 'captions', 'digits_vit', 'digit_judge', "
            "'digits_from_names', 'recall', got 'dances'.",
        ),
        (
            lambda: tasks.load("digit_rows", attend="softmax"),
            TypeError,
            "attnref.tasks.load: options of 'digit_rows' are model, size, split, got attend.",
        ),
        (
            lambda: tasks.load("digit_rows", model="gru", split="images"),
            ValueError,
            "attnref.tasks.load: weights of 'digit_rows' are shipped for model='lstm', size=8, split='images', "
            "got model='gru', split='images'.",
        ),
        (
            lambda: tasks.load("digit_patches", attend="linear"),
            ValueError,
            "attnref.tasks.load: weights of 'digit_patches' are shipped for attend='softmax', split='images' and for "
            "attend='efficient', split='images', got attend='linear'.",
        ),
        (
            lambda: tasks.load("dates", attention="dot"),
            ValueError,
            "attnref.tasks.load: weights of 'dates' are shipped for attention=True, score='additive' and for "
            "attention=False, score='additive', got attention='dot'.",
        ),
        (
            lambda: tasks.load("dates", HERE / "dates.safetensors", attention=True),
            TypeError,
            "attnref.tasks.load: a path names the model already, got path and attention.",
        ),
    ],
)
def test_refuses_what_is_not_shipped(call, kind, words, refuses):
    refuses(call, kind, words)


# Saving, and loading a file


def untrained(name):
    if name == "dates":
        return dates.DateReader("0123456789 ", score="concat", d_embed=4, d_h=6, d_a=3)
    if name == "dates_transformer":
        return dates_transformer.DateTransformer("0123456789 ", d_model=8, num_heads=2, d_ff=4, encoder_layers=1)
    if name == "digit_rows":
        return digit_rows.RowReader("gru", size=28, d_h=5, num_layers=2)
    if name == "number_words":
        return number_reader.NumberReader("ab_", [("a", "b")], end="_", d_model=8, num_heads=2, d_ff=4)
    if name == "captions":
        return caption_reader.CaptionReader(channels=8, d_h=12)
    if name == "language_model":
        return story_model.LanguageModel("▁abc", [("▁", "a")], d_model=8, num_heads=2, d_ff=4, context=5)
    if name == "masked_language_model":
        return masked_model.MaskedLanguageModel(" abc", "left", d_model=8, num_heads=2, d_ff=4, context=5)
    if name == "digits_vit":
        return digits_vit.DigitViT("mean", "linear", d_model=8, num_heads=2, num_layers=1, d_ff=4)
    if name == "digit_judge":
        return digit_judge.DigitJudge(4)
    if name == "digits_from_names":
        return digit_artist.DigitArtist(5, d_hidden=4, d_model=8, num_heads=2, d_ff=4, num_layers=1)
    if name == "recall":
        return recall_model.RecallModel("relative", d_model=8, num_heads=2, d_ff=4)
    return digit_patches.PatchReader("linear", d_model=8, num_heads=2, num_layers=1, d_ff=4)


@each_task
def test_saved_and_loaded_is_the_same_but_for_half_precision(name, tmp_path):
    made = untrained(name)
    made.save(tmp_path / "one.safetensors")
    made.save(str(tmp_path / "two.safetensors"))
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    loaded = tasks.load(name, str(tmp_path / "one.safetensors"))
    assert type(loaded) is type(made)
    assert (loaded.recipe, loaded.training) == (made.recipe, False)
    rounded = {
        key: weight.half().float() if weight.is_floating_point() else weight
        for key, weight in made.state_dict().items()
    }
    assert loaded.state_dict().keys() == rounded.keys()
    assert all(torch.equal(loaded.state_dict()[key], weight) for key, weight in rounded.items())


def test_writes_into_the_file_that_is_there(tmp_path):
    """A file that is replaced would lose its other names, and /dev/null would become a file."""
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"old")
    link.hardlink_to(file)
    untrained("digit_rows").save(file)
    assert link.read_bytes() == file.read_bytes() != b"old"


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


@pytest.mark.refusal
@each_task
def test_a_file_that_holds_no_weights_is_named(name, tmp_path, refuses):
    file, whole = tmp_path / "new.safetensors", tmp_path / "whole.safetensors"
    untrained(name).save(whole)
    at = f"attnref.tasks.load: '{file}'"
    refuses(lambda: tasks.load(name, file), FileNotFoundError, f"{at} cannot be read: No such file or directory.")
    file.mkdir()
    refuses(lambda: tasks.load(name, file), IsADirectoryError, f"{at} cannot be read: Is a directory.")
    file.rmdir()
    file.write_bytes(POINTER)
    words = f"{at} is a pointer of Git LFS, not the weights; `git lfs pull` fetches them."
    refuses(lambda: tasks.load(name, file), ValueError, words)
    for content in (b"", b"<html>" * 99, whole.read_bytes()[:-1], whole.read_bytes()[:100]):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=rf"^{re.escape(at)} is not a whole safetensors file \(.+\)\.$"):
            tasks.load(name, file)


@pytest.mark.refusal
@each_task
@pytest.mark.parametrize("other", [*tasks.TASKS, "nothing", "words", "a list", "another"])
def test_weights_of_something_else(name, other, tmp_path, refuses):
    file = tmp_path / "new.safetensors"
    metadata = {
        "nothing": None,
        "words": {"reader": "no JSON"},
        "a list": {"reader": "[1, 2]"},
        "another": {"reader": '{"d_x": 3}'},
    }
    if other == name:
        return
    if other in metadata:
        save_file({"weight": torch.zeros(2)}, file, metadata[other])
    else:
        untrained(other).save(file)
    words = f"attnref.tasks.load: '{file}' does not hold weights of the task {name!r}."
    if (name, other) == ("digits_vit", "digit_patches"):  # which takes the same arguments, and more
        words = f"attnref.tasks.load: the weights in '{file}' do not fit the model it describes."
    refuses(lambda: tasks.load(name, file), ValueError, words)


@pytest.mark.refusal
@pytest.mark.parametrize("recipe", ['{"model": "gru", "size": 8}', '{"model": "cnn"}', '{"d_h": "x"}'])
def test_weights_that_do_not_fit_their_model(recipe, tmp_path, refuses):
    file = tmp_path / "new.safetensors"
    save_file(digit_rows.RowReader().state_dict(), file, {"reader": recipe})
    words = f"attnref.tasks.load: the weights in '{file}' do not fit the model it describes."
    refuses(lambda: tasks.load("digit_rows", file), ValueError, words)


@pytest.mark.refusal
def test_a_missing_package_is_named(missing, refuses, tmp_path):
    reader = untrained("digit_rows")
    missing("safetensors")
    words = "attnref.tasks: safetensors is not installed; pip install 'attnref[tasks]'."
    refuses(lambda: tasks.load("dates"), ModuleNotFoundError, words)
    refuses(lambda: reader.save(tmp_path / "new"), ModuleNotFoundError, words)


# Packages and devices


def test_neither_data_nor_digits_need_a_package_for_statistics():
    code = (
        "import sys; from attnref import tasks; from attnref.tasks import digit_patches, digit_rows, digits_data\n"
        "from attnref.tasks.sunspots_data import yearly_sunspots; yearly_sunspots()\n"
        "digit_rows.measure(tasks.load('digit_rows'), *digits_data.held_out_digits())\n"
        "print({'sklearn', 'scipy', 'pandas', 'statsmodels', 'babel', 'matplotlib'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.refusal
def test_device_is_named_by_the_environment(monkeypatch, refuses):
    monkeypatch.setenv("ATTNREF_DEVICE", "cpu:0")
    assert tasks.device() == torch.device("cpu:0")
    for empty in (True, False):
        monkeypatch.setenv("ATTNREF_DEVICE", "") if empty else monkeypatch.delenv("ATTNREF_DEVICE")
        assert tasks.device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert tasks.device() == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("ATTNREF_DEVICE", "banana")
    words = "attnref.tasks.device: ATTNREF_DEVICE must name a device of this machine (cpu, for one), got 'banana'."
    refuses(tasks.device, ValueError, words)
