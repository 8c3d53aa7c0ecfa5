"""Counts of tokens beside others, against counts by hand and the n-grams of the language model."""

import pytest
import torch

from attnref.tasks.neighbors import WINDOWS, Neighbors
from attnref.tasks.ngrams import NGrams

TEXTS = [[0, 1, 0, 2, 0, 1, 0], [2, 1]]
ALONE = torch.tensor([5.0, 4.0, 3.0]) / 12  # one added to each count


def between(windows):
    return Neighbors(3, TEXTS, windows)


def test_shares_by_hand():
    one = between([(), (-1,), (1,), (-1, 1)])
    left, right, both = [0, 2 / 3, 1 / 3], [0, 2 / 3, 1 / 3], [0, 2 / 3, 1 / 3]  # beside 0, which never stands twice
    expected = (ALONE + torch.tensor(left) + torch.tensor(right) + torch.tensor(both)) / 4
    torch.testing.assert_close(one([0, None, 0], 1), expected)
    torch.testing.assert_close(one([0, 2, 0], 1), expected)  # the token that is asked for is not looked at
    before_1 = (ALONE + torch.tensor([2 / 3, 0, 1 / 3])) / 2
    torch.testing.assert_close(one([None, 1], 0), before_1)  # nothing before it
    torch.testing.assert_close(one([None, None, 1], 1), before_1)  # or masked
    torch.testing.assert_close(one([None, None, None], 1), ALONE)


def test_a_window_needs_all_its_neighbors():
    two = between([(), (-2, -1)])
    torch.testing.assert_close(two([0, 1, None], 2), (ALONE + torch.tensor([1.0, 0, 0])) / 2)
    for tokens in ([0, None, None], [None, 1, None], [2, 1, None]):  # masked, masked, never seen
        torch.testing.assert_close(two(tokens, 2), ALONE)
    torch.testing.assert_close(two([1, None], 1), ALONE)  # only one token before it


def test_to_the_left_alone_they_are_ngrams():
    text = torch.randint(4, (300,), generator=torch.Generator().manual_seed(0)).tolist()
    shares = NGrams(4, [text], order=2).shares(text)
    bigrams = Neighbors(4, [text], WINDOWS["left, 1"])
    for at in range(1, 50):
        torch.testing.assert_close(bigrams([*text[:at], None], at)[text[at]], shares[at - 1].mean())


@pytest.mark.parametrize("name", WINDOWS)
def test_the_chances_are_a_distribution(name):
    text = torch.randint(3, (60,), generator=torch.Generator().manual_seed(1)).tolist()
    other = torch.randint(3, (60,), generator=torch.Generator().manual_seed(2)).tolist()
    model = Neighbors(3, [text], WINDOWS[name]).fit_mix([(other, at, other[at]) for at in range(0, 60, 2)])
    for at in range(60):
        chances = model([*other[:at], None, *other[at + 1 :]], at)
        assert chances.min() > 0
        assert chances.sum().item() == pytest.approx(1, abs=1e-5)


def test_the_mix_predicts_better_than_equal_parts():
    """After 0 comes 1 in every case, so the neighbor gets nearly all of the mix."""
    text = [0, 1, 2, 2] * 50
    model = Neighbors(3, [text], [(), (-1,)])
    asked = [([0, None], 1, 1)] * 40
    before = model([0, None], 1)[1]
    assert model.fit_mix(asked).mix.keys() == {(True, True)}
    assert model([0, None], 1)[1] > 0.95 > before
    mix = model.mix[True, True]
    assert mix.sum().item() == pytest.approx(1)
    loss = -model([0, None], 1)[1].log()
    model.mix[True, True] = mix + torch.tensor([0.1, -0.1])
    assert -model([0, None], 1)[1].log() > loss


def test_windows_of_both_sides_hold_those_of_one():
    assert WINDOWS["both, 1"] == ((), (1,), (-1,), (-1, 1))
    assert (-3, -2, -1, 1, 2, 3) in WINDOWS["both, 3"]
    assert set(WINDOWS["left, 2"]) < set(WINDOWS["both, 2"])
    assert set(WINDOWS["both, 1"]) < set(WINDOWS["both, 2"]) < set(WINDOWS["both, 3"])
    assert all(window[0] == () for window in WINDOWS.values())
    assert all(max(offsets) < 0 for name in WINDOWS if name.startswith("left") for offsets in WINDOWS[name][1:])
    assert not any(0 in offsets for window in WINDOWS.values() for offsets in window)


@pytest.mark.refusal
def test_refusals(refuses):
    refuses(lambda: between([]), ValueError, "Neighbors: windows must be at least 1, got 0.")
    refuses(lambda: between([(-1,)]), ValueError, "Neighbors: the first window must be (), got (-1,).")
    refuses(lambda: Neighbors(0, [], [()]), ValueError, "Neighbors: vocab_size must be at least 1, got 0.")
