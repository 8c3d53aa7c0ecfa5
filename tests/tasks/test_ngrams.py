"""Counts of tokens that follow each other, against counts by hand and the package's Markov model."""

import math

import pytest
import torch

from attnref import MarkovModel
from attnref.tasks.ngrams import NGrams

TEXTS = [[0, 1, 0, 2, 0, 1, 0], [2, 1]]


def test_shares_by_hand():
    grams = NGrams(3, TEXTS, order=3)
    expected = [
        [(3 + 1) / 12, 2 / 3, 2 / 3],  # 1 at first, after one token: of three that followed 0, two; no trigram yet
        [(4 + 1) / 12, 2 / 2, 2 / 2],  # 0 after 1, and after 0 1: whenever something followed
        [(2 + 1) / 12, 1 / 3, 1 / 1],  # 2 after 0, one of three; after 1 0, which also ends a text
        [(3 + 1) / 12, 1 / 2, 0.0],  # 1 after 2, one of two; never after 0 2
    ]
    torch.testing.assert_close(grams.shares([0, 1, 0, 2, 1]), torch.tensor(expected))
    torch.testing.assert_close(grams.shares([1, 1, 0])[1], torch.tensor([5 / 12, 1.0, 1.0]))  # 1 1 was never seen


def test_bigrams_are_a_markov_chain():
    text = torch.randint(4, (200,), generator=torch.Generator().manual_seed(0)).tolist()
    chain = MarkovModel(4).fit(torch.tensor([text])).log_conditionals(torch.tensor([text])).exp()[0]
    torch.testing.assert_close(NGrams(4, [text], order=2).shares(text)[:, 1], chain.float())


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_mix_is_a_distribution(order):
    grams = NGrams(3, TEXTS, order).fit_mix([[1, 0, 2, 0, 1]])
    assert grams.mix.sum().item() == pytest.approx(1)
    for before in ([0], [1, 0], [2, 2], [0, 1, 0]):
        total = sum((grams.shares([*before, token]).double()[-1] @ grams.mix.double()).item() for token in range(3))
        assert total == pytest.approx(1)


def test_the_mix_is_the_best_one():
    other = [[1, 0, 2, 0, 1, 2, 0, 0]]
    grams = NGrams(3, TEXTS, order=2).fit_mix(other, rounds=500)
    best = grams.loss(other)
    for step in (-0.02, 0.02):
        grams.mix = grams.mix + torch.tensor([step, -step])
        assert grams.loss(other) > best
        grams.mix = grams.mix - torch.tensor([step, -step])


def test_the_loss_by_hand():
    grams = NGrams(3, TEXTS, order=2)
    assert grams.mix.tolist() == [0.5, 0.5]
    expected = -math.log((4 / 12 + 2 / 3) / 2) - math.log((5 / 12 + 1) / 2) - math.log((5 / 12 + 0) / 2)
    assert grams.loss([[0, 1, 0], [0, 0]]) == pytest.approx(expected)


@pytest.mark.refusal
def test_refuses_no_order(refuses):
    refuses(lambda: NGrams(3, TEXTS, 0), ValueError, "NGrams: order must be at least 1, got 0.")
