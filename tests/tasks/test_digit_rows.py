"""The digit rows: their data, the training, the shipped weights, and the words when something is refused."""

from pathlib import Path

import pytest
import torch

from attnref import tasks
from attnref.tasks import __main__ as command
from attnref.tasks import digit_rows, digits_data
from attnref.tasks.digit_rows import RowReader, measure

HERE = Path(digit_rows.__file__).parent


@pytest.fixture(scope="module")
def reader():
    return tasks.load("digit_rows")


@pytest.mark.parametrize(("split", "held_out"), [("images", 360), ("forms", 382)])
def test_the_split_loses_no_image_and_uses_none_twice(split, held_out):
    kept, _ = digits_data.training_digits(split=split)
    measured, digits = digits_data.held_out_digits(split=split)
    assert (len(kept), len(measured)) == (1797 - held_out, held_out)
    assert set(digits.tolist()) == set(range(10))
    seen = {tuple(image.flatten().tolist()) for image in kept}
    assert not any(tuple(image.flatten().tolist()) in seen for image in measured)


def test_every_image_comes_before_any_comes_again():
    batches = digits_data.training_batches(22, 64, seed=1)
    counts = torch.cat([digits for _, digits in batches]).bincount()
    expected = digits_data.training_digits()[1].bincount()
    assert (counts <= expected).all()
    assert counts.sum() == 22 * 64


def test_enlarging_keeps_the_picture():
    images, _ = digits_data.held_out_digits()
    large, _ = digits_data.held_out_digits(28)
    assert large.shape == (360, 28, 28)
    torch.testing.assert_close(
        torch.nn.functional.adaptive_avg_pool2d(large, 4).mean(), images.mean(), rtol=0.02, atol=0
    )


@pytest.mark.parametrize("model", ["rnn", "gru", "lstm"])
def test_loss_falls(model):
    _, losses = digit_rows.train(0, model=model, steps=60, progress=False)
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


def test_seed_decides():
    one, again, other = (digit_rows.train(s, steps=1, progress=False)[0].state_dict() for s in (3, 3, 4))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["output_proj.weight"], other["output_proj.weight"])


def test_a_guess_needs_the_rows_above_it_alone(reader):
    images, _ = digits_data.held_out_digits()
    whole = reader.read(images[:8]).confidence
    torch.testing.assert_close(reader.read(images[:8, :5]).confidence, whole[:, :5])
    changed = images[:8].clone()
    changed[:, 5:] = 0.5
    torch.testing.assert_close(reader.read(changed).confidence[:, :5], whole[:, :5])
    assert not torch.allclose(reader.read(changed).confidence[:, 5:], whole[:, 5:])


def test_shipped_weights_hold_their_figure(reader):
    assert measure(reader, *digits_data.held_out_digits()).accuracy >= 0.95


def test_shipped_weights_are_small():
    assert (HERE / "digit_rows.safetensors").stat().st_size <= 300_000


def test_saved_and_loaded_is_the_same_but_for_half_precision(tmp_path):
    made, _ = digit_rows.train(5, model="gru", size=28, steps=1, progress=False)
    made.save(tmp_path / "one.safetensors")
    loaded = tasks.load("digit_rows", tmp_path / "one.safetensors")
    assert (loaded.recipe, loaded.training) == (made.recipe, False)
    rounded = {name: weight.half().float() for name, weight in made.state_dict().items()}
    assert all(torch.equal(loaded.state_dict()[name], weight) for name, weight in rounded.items())


def test_command_trains_and_measures(capsys, tmp_path):
    out = tmp_path / "new.safetensors"
    command.main(["digit_rows", "--steps", "2", "--model", "rnn", "--split", "forms", "--out", str(out)])
    assert "held-out accuracy" in capsys.readouterr().out
    assert tasks.load("digit_rows", out).recipe["model"] == "rnn"
    command.main(["digit_rows", "--evaluate"])
    assert capsys.readouterr().out.startswith("360 held-out digits, none of them in training\nLSTM, 8 x 8: held-out")


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: RowReader("cnn"), "RowReader: model must be one of 'rnn', 'gru', 'lstm', got 'cnn'."),
        (
            lambda: RowReader()(torch.zeros(2, 8, 28)),
            "RowReader: images must have rows of size=8 pixels, got shape (2, 8, 28).",
        ),
        (
            lambda: RowReader()(torch.zeros(8, 8)),
            "RowReader: images must be (batch, n, size), got shape (8, 8).",
        ),
        (
            lambda: digits_data.held_out_digits(split="hands"),
            "digits_data.held_out_digits: split must be one of 'images', 'forms', got 'hands'.",
        ),
        (
            lambda: digits_data.enlarge(torch.zeros(1, 8, 8), 9),
            "digits_data.enlarge: size must be one of 8, 28, got 9.",
        ),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the words are compared whole
        call()
    assert str(refusal.value) == words
