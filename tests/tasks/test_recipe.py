"""The training that all tasks share, against the same steps written out."""

import pytest
import torch
from torch import nn

from attnref.tasks import (
    _recipe,
    dates,
    digit_patches,
    digit_rows,
    digits_vit,
    language_model,
    masked_language_model,
    recall,
)

TASKS = [dates, digit_rows, digit_patches, language_model, masked_language_model, digits_vit, recall]


def batches(count):
    generator = torch.Generator().manual_seed(1)
    return [
        (100 * torch.randn(4, 3, generator=generator), torch.randn(4, 2, generator=generator)) for _ in range(count)
    ]


def loss_of(model):
    return lambda batch: nn.functional.mse_loss(model(batch[0]), batch[1])


def model():
    with _recipe.drawn_from(5):
        return nn.Linear(3, 2)


def test_fit_is_adamw_with_one_cycle_and_clipped_gradients():
    ours, theirs, steps, rate = model(), model(), 7, 0.3
    seen = []
    losses = _recipe.fit(
        ours, batches(steps), loss_of(ours), steps=steps, rate=rate, progress=False, watch=lambda *now: seen.append(now)
    )
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    expected, clipped = [], 0
    for batch in batches(steps):
        theirs.zero_grad()
        loss = loss_of(theirs)(batch)
        loss.backward()
        clipped += nn.utils.clip_grad_norm_(theirs.parameters(), 1.0) > 1
        optimizer.step()
        schedule.step()
        expected.append(loss.item())
    assert clipped == steps  # or the clipping would not be seen
    assert losses == expected
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)
    assert seen == [(step, ours) for step in range(1, steps + 1)]


@pytest.mark.parametrize("progress", [True, False])
def test_the_progress_bar_is_shown_when_asked_for(progress, capsys):
    one = model()
    losses = _recipe.fit(one, batches(2), loss_of(one), steps=2, rate=0.1, progress=progress)
    said = capsys.readouterr().err
    assert ("Linear: " in said) == ("2/2" in said) == (f"loss={losses[-1]:.4f}" in said) == progress
    assert not progress or said.endswith("\n")


def test_one_thread_inside_and_as_many_as_before_outside():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        seen = []
        with pytest.raises(ZeroDivisionError), _recipe.one_thread():
            seen.append(torch.get_num_threads() / (torch.get_num_threads() - 1))
        with _recipe.one_thread():
            seen.append(torch.get_num_threads())
        assert seen == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("task", TASKS)
def test_a_training_is_decided_by_its_seed_alone(task):
    threads, seen = [], []
    before = torch.random.get_rng_state()
    one, losses = task.train(3, steps=2, progress=False, watch=lambda *now: seen.append(now))
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(1)  # what was drawn before does not matter
    again, same = task.train(3, steps=2, progress=False, watch=lambda *_: threads.append(torch.get_num_threads()))
    other, different = task.train(4, steps=2, progress=False)
    assert losses == same
    assert not set(losses) & set(different)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True) if a.ndim > 1)
    assert seen == [(1, one), (2, one)]
    assert threads == [1, 1]
    assert not one.training


def test_first_weights_are_drawn_from_the_seed():
    drawn = []
    for seed in (0, 3, 4, 3):
        with _recipe.drawn_from(seed):
            drawn.append(torch.rand(5))
    assert torch.equal(drawn[1], drawn[3])
    assert not any(torch.equal(drawn[one], drawn[other]) for one, other in ((0, 1), (0, 2), (1, 2)))


@pytest.mark.parametrize("task", TASKS)
def test_the_recipe_is_the_default(task, monkeypatch):
    asked = []
    monkeypatch.setattr(_recipe, "fit", lambda *_, **given: asked.append(given) or [])
    task.train()
    watch = asked[0].pop("watch")
    assert asked == [{"steps": task.STEPS, "rate": task.RATE, "progress": True}]
    assert watch is None


@pytest.mark.refusal
@pytest.mark.parametrize("task", TASKS)
def test_refuses_a_seed_or_a_number_of_steps(task, refuses):
    who = f"{task.TASK.name}.train"
    refuses(lambda: task.train(steps=0), ValueError, f"{who}: steps must be at least 1, got 0.")
    refuses(lambda: task.train(steps=2.0), TypeError, f"{who}: steps must be an int, got float.")
    refuses(lambda: task.train(-1, steps=1), ValueError, f"{who}: seed must be at least 0, got -1.")
    refuses(lambda: task.train(2**64, steps=1), ValueError, f"{who}: seed must be below 2**64, got {2**64}.")
    for device in ("gpu", "meta"):
        with pytest.raises(
            ValueError, match=rf"^{who}: device must name a device of this machine \(.*\), got '{device}'\.$"
        ):
            task.train(steps=1, device=device)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("task", "choice", "words"),
    [
        (dates, {"score": "x"}, "dates.train: score must be one of 'additive', 'dot', 'general', 'concat', got 'x'."),
        (digit_rows, {"model": "x"}, "digit_rows.train: model must be one of 'rnn', 'gru', 'lstm', got 'x'."),
        (digit_rows, {"size": 9}, "digit_rows.train: size must be one of 8, 28, got 9."),
        (digit_rows, {"split": "x"}, "digit_rows.train: split must be one of 'images', 'forms', got 'x'."),
        (
            digit_patches,
            {"attend": "x"},
            "digit_patches.train: attend must be one of 'softmax', 'efficient', 'linear', got 'x'.",
        ),
        (digits_vit, {"pool": "x"}, "digits_vit.train: pool must be one of 'class', 'mean', got 'x'."),
        (
            digits_vit,
            {"attend": "x"},
            "digits_vit.train: attend must be one of 'softmax', 'efficient', 'linear', got 'x'.",
        ),
        (digits_vit, {"split": "x"}, "digits_vit.train: split must be one of 'images', 'forms', got 'x'."),
        (digit_patches, {"split": "x"}, "digit_patches.train: split must be one of 'images', 'forms', got 'x'."),
    ],
)
def test_refuses_what_there_is_not_in_its_own_name(task, choice, words, refuses):
    refuses(lambda: task.train(**choice), ValueError, words)


@pytest.mark.refusal
@pytest.mark.parametrize("task", TASKS)
def test_a_missing_package_is_named(task, missing, refuses):
    torch.optim.SGD([torch.zeros(1)])  # torch's first optimizer imports tqdm for its own use
    missing("tqdm")
    words = "attnref.tasks: tqdm is not installed; pip install 'attnref[tasks]'."
    refuses(lambda: task.train(steps=1), ModuleNotFoundError, words)
