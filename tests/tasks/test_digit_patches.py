"""The digit patches: the training, the shipped weights, what attention alone cannot see, and the refusals."""

from pathlib import Path

import pytest
import torch

from attnref import tasks
from attnref.tasks import __main__ as command
from attnref.tasks import digit_patches, digits_data
from attnref.tasks.digit_patches import ATTENDS, TASK, PatchReader, measure, patches

HERE = Path(digit_patches.__file__).parent


@pytest.fixture(scope="module", params=["softmax", "efficient"])
def reader(request):
    return tasks.load("digit_patches", attend=request.param)


def joined(cut):
    """The images that were cut into patches."""
    return cut.unflatten(2, (2, 2)).unflatten(1, (4, 4)).transpose(2, 3).flatten(3, 4).flatten(1, 2)


def test_patches_are_cut_row_by_row():
    images = torch.arange(128.0).reshape(2, 8, 8)
    cut = patches(images)
    for token in range(16):
        top, left = 2 * (token // 4), 2 * (token % 4)
        assert torch.equal(cut[:, token], images[:, top : top + 2, left : left + 2].flatten(1))
    assert torch.equal(joined(cut), images)


def test_all_readers_have_equally_many_weights_and_start_alike():
    first, *others = (digit_patches.train(3, attend=name, steps=1, progress=False)[0] for name in ATTENDS)
    assert first.recipe["attend"] == "softmax"
    for other in others:
        assert [p.shape for p in first.parameters()] == [p.shape for p in other.parameters()]
    torch.manual_seed(0)
    starts = []
    for name in ATTENDS:
        torch.manual_seed(0)
        starts.append(PatchReader(name).state_dict())
    assert all(torch.equal(starts[0][name], start[name]) for start in starts for name in starts[0])


@pytest.mark.parametrize("attend", ATTENDS)
def test_loss_falls(attend):
    _, losses = digit_patches.train(0, attend=attend, steps=80, progress=False)
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_seed_decides():
    one, again, other = (digit_patches.train(s, steps=1, progress=False)[0].state_dict() for s in (3, 3, 4))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["output_proj.weight"], other["output_proj.weight"])


def test_the_callers_random_numbers_go_on():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    digit_patches.train(0, steps=1, progress=False)
    assert torch.equal(torch.rand(1), expected)


def test_no_held_out_image_is_learned_from(monkeypatch):
    seen = []
    batches = digit_patches.training_batches
    monkeypatch.setattr(digit_patches, "training_batches", lambda *args: seen.append(args) or batches(*args))
    digit_patches.train(7, split="forms", steps=1, progress=False)
    assert seen == [(1, 128, 7, "forms")]


def test_weights_are_shown_for_every_layer_and_head():
    images, _ = digits_data.held_out_digits()
    reading = tasks.load("digit_patches").read(images[:5])
    assert reading.weights.shape == (5, 4, 4, 16, 16)
    torch.testing.assert_close(reading.weights.sum(-1), torch.ones(5, 4, 4, 16))
    assert not reading.weights.requires_grad
    assert tasks.load("digit_patches", attend="efficient").read(images[:5]).weights is None


def test_positions_alone_tell_the_order(reader):
    """The patches in another order, each with its position, give the same answer; without its position, another."""
    images, _ = digits_data.held_out_digits()
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    images, plain = images[:32], reader(images[:32])
    shuffled = joined(patches(images)[:, order])
    assert not torch.allclose(reader(shuffled), plain, atol=1e-1)
    kept = reader.positions.data
    try:
        reader.positions.data = kept[order]
        torch.testing.assert_close(reader(shuffled), plain, rtol=1e-4, atol=1e-4)
        reader.positions.data = torch.zeros_like(kept)
        torch.testing.assert_close(reader(shuffled), reader(images), rtol=1e-4, atol=1e-4)
    finally:
        reader.positions.data = kept


def test_shares_of_the_own_patch_are_counted_by_hand():
    images, digits = digits_data.held_out_digits()
    reader = tasks.load("digit_patches")
    weights, own = reader.read(images[:3]).weights, measure(reader, images[:3], digits[:3]).own
    for layer in range(4):
        for head in range(4):
            hits = [int(weights[b, layer, head, i].argmax()) == i for b in range(3) for i in range(16)]
            assert own[layer, head].item() == pytest.approx(sum(hits) / 48)


def test_shipped_weights_hold_their_figure(reader):
    score = measure(reader, *digits_data.held_out_digits())
    assert score.accuracy >= 0.96
    assert (score.own is None) == (reader.recipe["attend"] == "efficient")


@pytest.mark.parametrize("stem", [shipped.stem for shipped in TASK.shipped])
def test_shipped_weights_are_small(stem):
    assert (HERE / f"{stem}.safetensors").stat().st_size <= 300_000


def test_saved_and_loaded_is_the_same_but_for_half_precision(tmp_path):
    made, _ = digit_patches.train(5, attend="linear", steps=1, progress=False)
    made.save(tmp_path / "one.safetensors")
    loaded = tasks.load("digit_patches", tmp_path / "one.safetensors")
    assert (loaded.recipe, loaded.training) == (made.recipe, False)
    rounded = {name: weight.half().float() for name, weight in made.state_dict().items()}
    assert all(torch.equal(loaded.state_dict()[name], weight) for name, weight in rounded.items())


def test_command_trains_and_measures(capsys, tmp_path):
    out = tmp_path / "new.safetensors"
    options = ["--steps", "2", "--attend", "linear", "--split", "forms", "--device", "cpu", "--out", str(out)]
    command.main(["digit_patches", *options])
    assert "held-out accuracy" in capsys.readouterr().out
    assert tasks.load("digit_patches", out).recipe["attend"] == "linear"
    command.main(["digit_patches", "--evaluate"])
    first, softmax, efficient = capsys.readouterr().out.splitlines()
    assert first == "360 held-out digits, none of them in training"
    assert softmax.startswith("attention softmax: held-out accuracy 0.9")
    assert "a patch's largest weight is its own in 0.0" in softmax
    assert efficient.startswith("attention efficient: held-out accuracy 0.9")
    command.main(["digit_patches", "--evaluate", "--attend", "efficient"])
    assert capsys.readouterr().out.splitlines() == [first, efficient]


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--attend", "linear"], "--attend efficient --split images, got --attend linear.\n"),
        (["--split", "forms"], "--attend efficient --split images, got --split forms.\n"),
    ],
)
def test_the_command_refuses_what_is_not_shipped(options, words, capsys):
    with pytest.raises(SystemExit):
        command.main(["digit_patches", "--evaluate", *options])
    assert capsys.readouterr().err.endswith(words)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: PatchReader("sigmoid"),
            "PatchReader: attend must be one of 'softmax', 'efficient', 'linear', got 'sigmoid'.",
        ),
        (
            lambda: PatchReader()(torch.zeros(2, 1, 8, 8)),
            "PatchReader: images must be (batch, 8, 8), got shape (2, 1, 8, 8).",
        ),
        (
            lambda: PatchReader()(torch.zeros(2, 8, 9)),
            "PatchReader: images must be (batch, 8, 8), got shape (2, 8, 9).",
        ),
        (
            lambda: tasks.load("digit_patches", attend="linear"),
            "attnref.tasks.load: weights of 'digit_patches' are shipped for attend='softmax', split='images' "
            "and for attend='efficient', split='images', got attend='linear'.",
        ),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the words are compared whole
        call()
    assert str(refusal.value) == words
