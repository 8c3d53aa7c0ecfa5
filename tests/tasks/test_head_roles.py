"""Which head looks where: the roles, by hand, and what is measured of a model whose weights are known."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from attnref import tasks
from attnref.tasks import head_roles
from attnref.tasks.head_roles import Share, average, choose, roles, sentence_roles, shares, table
from attnref.tasks.own_attention import own_in_sentences, own_largest, words_of
from attnref.tasks.stories_data import Chapter, chapters

ROOT = Path(__file__).resolve().parents[2]
SYMBOLS = ["<begin>", "▁Then", "▁Jon", "ah", "▁said", ",", '▁"', "O", "▁Lord", '"', ",", "▁and", "▁he", "▁said", "ah"]


def pairs(role):
    return [tuple(pair) for pair in role.nonzero().tolist()]


def test_roles_by_hand():
    found = roles(SYMBOLS)
    n = len(SYMBOLS)
    assert pairs(found["itself"]) == [(at, at) for at in range(n)]
    assert pairs(found["the token before"]) == [(at, at - 1) for at in range(1, n)]
    assert pairs(found["the first token"]) == [(at, 0) for at in range(1, n)]
    assert pairs(found["start of the word"]) == [(3, 2), (14, 13)]
    assert pairs(found["same token before"]) == [(10, 5), (13, 4), (14, 3)]
    assert pairs(found["after the same token"]) == [(10, 6), (13, 5), (14, 4)]
    assert pairs(found["punctuation"]) == [(i, j) for i in range(n) for j in (5, 6, 9, 10) if j < i]
    assert pairs(found["names, for a pronoun"]) == [(12, 3), (12, 8)]


def test_a_repeated_token_may_follow_itself():
    found = roles(["▁a", "▁a", "▁a"])
    assert pairs(found["same token before"]) == [(1, 0), (2, 0), (2, 1)]
    assert pairs(found["after the same token"]) == [(1, 1), (2, 1), (2, 2)]


def test_no_role_looks_ahead():
    for symbols in (SYMBOLS, ["▁and", "▁he", "▁saw", "▁Ruth"]):
        for name, role in roles(symbols).items():
            assert not role.triu(1).any(), name


SENTENCE = ["[CLS]", "he", "ate", ",", "he", ".", "[SEP]"]


def test_roles_in_a_sentence_by_hand():
    found, words = sentence_roles(SENTENCE), range(1, 6)
    assert pairs(found["itself"]) == [(at, at) for at in words]
    assert pairs(found["the token before"]) == [(2, 1), (3, 2), (4, 3), (5, 4)]
    assert pairs(found["the token after"]) == [(1, 2), (2, 3), (3, 4), (4, 5)]
    assert pairs(found["other copies"]) == [(1, 4), (4, 1)]
    assert pairs(found["punctuation"]) == [(i, j) for i in words for j in (3, 5) if i != j]
    assert pairs(found["[CLS]"]) == [(at, 0) for at in words]
    assert pairs(found["[SEP]"]) == [(at, 6) for at in words]


def test_shares_in_sentences_by_hand():
    """Two sentences; a key counts wherever it is, and the delimiters are not asked."""
    torch.manual_seed(1)
    one, other = torch.rand(2, 3, 7, 7).softmax(-1), torch.rand(2, 3, 4, 4).softmax(-1)
    found = average([(SENTENCE, one), (["[CLS]", "he", "ate", "[SEP]"], other)])
    after = [one[:, :, at, at + 1] for at in (1, 2, 3, 4)] + [other[:, :, 1, 2]]
    torch.testing.assert_close(found["the token after"].mean, torch.stack(after).double().mean(0))
    assert found["the token after"].queries == 5
    assert found["the token after"].uniform == pytest.approx((4 / 7 + 1 / 4) / 5)
    first = [one[:, :, at, 0] for at in (1, 2, 3, 4, 5)] + [other[:, :, at, 0] for at in (1, 2)]
    torch.testing.assert_close(found["[CLS]"].mean, torch.stack(first).double().mean(0))
    marks = [one[:, :, at, key].sum(-1) for at, key in ((1, [3, 5]), (2, [3, 5]), (3, [5]), (4, [3, 5]), (5, [3]))]
    torch.testing.assert_close(found["punctuation"].mean, torch.stack(marks).double().mean(0))
    assert found["punctuation"].uniform == pytest.approx(8 / 7 / 5)


def test_own_weights_in_sentences_by_hand():
    """Of two words the first attends most to itself among the words, the second with the delimiters too."""
    weights = torch.tensor([[1.0, 0, 0, 0], [0.5, 0.3, 0.1, 0.1], [0.2, 0.1, 0.4, 0.3], [0, 1.0, 0, 0]]).expand(
        2, 3, 4, 4
    )
    given = [(["[CLS]", "he", "ate", "[SEP]"], weights)]
    own, words = own_in_sentences(given), own_in_sentences(given, delimiters=False)
    torch.testing.assert_close(own.largest.float(), torch.full((2, 3), 0.5))
    torch.testing.assert_close(own.share.float(), torch.full((2, 3), 0.35))
    assert own.chance == 0.25
    torch.testing.assert_close(words.largest.float(), torch.full((2, 3), 1.0))
    torch.testing.assert_close(words.share.float(), torch.full((2, 3), (0.75 + 0.8) / 2))
    assert words.chance == 0.5


def test_own_weights_in_sentences_of_several_lengths():
    torch.manual_seed(1)
    one, other = torch.rand(2, 3, 7, 7).softmax(-1), torch.rand(2, 3, 4, 4).softmax(-1)
    own = own_in_sentences([(SENTENCE, one), (SENTENCE[:4], other)])
    each = [one[:, :, at, at] for at in range(1, 6)] + [other[:, :, at, at] for at in (1, 2)]
    torch.testing.assert_close(own.share, torch.stack(each).double().mean(0))
    assert own.chance == pytest.approx((5 / 7 + 2 / 4) / 7)


@pytest.mark.parametrize(
    ("symbols", "names"),
    [
        (["▁Ruth", "▁saw", "▁Ruth"], [2]),  # the first word of a piece may begin a sentence
        ([".", "▁Ruth", "▁saw", "▁Bo", "az", ";"], [4]),
        (["▁and", "▁I", "▁and", "▁O", "▁king"], []),
        (["▁of", "▁God", "'", "s", "▁S", "pirit"], [1, 5]),
        (["?", "▁Who", '"', "▁He", "'", "▁She", "▁to", "▁Abed", "-", "nego"], [7]),
        (["▁of", "▁", "Z", "ion", "▁he"], [3]),  # a capital letter that no merge joins to its space
    ],
)
def test_names(symbols, names):
    assert head_roles._ends_of_names(symbols).nonzero().flatten().tolist() == names


def test_marks_are_single_symbols_of_the_shipped_vocabulary():
    """The roles know them by these."""
    vocabulary = tasks.load("language_model").vocabulary
    assert {'"', '▁"', *head_roles.PRONOUNS} <= set(vocabulary)
    assert not [symbol for symbol in vocabulary if '"' in symbol and symbol not in ('"', '▁"')]


class Told:
    """A model of two layers of two heads, whose attention weights are those given for each piece."""

    def __init__(self, weights):
        self.vocabulary, self.context, self.given = [*SYMBOLS[:3], SYMBOLS[5]], 4, iter(weights)
        self.model = self
        self.embed = SimpleNamespace(tokens=torch.nn.Embedding(4, 1))

    def encode(self, text):
        return [int(digit) for digit in text]

    def __call__(self, tokens, *, return_weights):
        weights = next(self.given)
        assert tokens.shape[1] == weights.shape[-1]
        return None, tuple(weights[:, None])


def told(*lengths):
    torch.manual_seed(1)
    return [torch.rand(2, 2, n, n).tril().log().softmax(-1) for n in lengths]


@pytest.mark.plain
def test_shares_by_hand():
    weights = told(4, 2, 3)
    found = shares(Told(weights), [Chapter("", 1, "0123123"), Chapter("", 2, "0111")])
    mean = torch.stack([w[:, :, at, at - 1] for w in weights for at in range(1, w.shape[-1])]).double().mean(0)
    torch.testing.assert_close(found["the token before"].mean, mean)
    assert found["the token before"].queries == 6
    assert found["the token before"].uniform == pytest.approx((1 / 2 + 1 / 3 + 1 / 4 + 1 / 2 + 1 / 2 + 1 / 3) / 6)
    copy = weights[2][:, :, 2, 1].double()  # pieces 0123, 12, 011
    torch.testing.assert_close(found["same token before"].mean, copy)
    torch.testing.assert_close(found["same token before"].excess, copy - 1 / 3)
    assert found["same token before"].queries == 1
    assert "names, for a pronoun" not in found
    own = torch.stack([w[:, :, at, at] for w in weights for at in range(1, w.shape[-1])]).double().mean(0)
    torch.testing.assert_close(found["itself"].mean, own)  # without the first query, which has nothing else


@pytest.mark.plain
def test_own_weights_by_hand():
    weights = told(4, 2, 3)
    own = own_largest(Told(weights), [Chapter("", 1, "0123123"), Chapter("", 2, "0111")])
    largest = [w[:, :, at, at] >= w[:, :, at].amax(-1) for w in weights for at in range(1, w.shape[-1])]
    torch.testing.assert_close(own.tokens, torch.stack(largest).float().mean(0))
    assert own.token_chance == pytest.approx((1 / 2 + 1 / 3 + 1 / 4 + 1 / 2 + 1 / 2 + 1 / 3) / 6)
    torch.testing.assert_close(own.words, own.tokens)  # here each subword is a word
    assert own.word_chance == pytest.approx(own.token_chance)


@pytest.mark.plain
def test_the_weights_of_a_word_are_those_of_its_subwords():
    """Three subwords, the last two one word: on the word lies 0.6, though the largest weight is the first's."""
    model = Told([torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0], [0.4, 0.35, 0.25]]).expand(2, 2, 3, 3)])
    model.vocabulary = ["▁and", "▁Jon", "ah", "."]
    own = own_largest(model, [Chapter("", 1, "0123")])
    assert own.words.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert own.word_chance == 0.5
    assert own.tokens.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_marks_are_words():
    assert words_of(["▁He", "▁said", ",", '▁"', "A", "men", "."]) == [0, 1, 2, 3, 3, 3, 4]


def test_heads_are_chosen_on_validation_and_told_held_out():
    validation = {"itself": Share(torch.tensor([[0.1, 0.2], [0.4, 0.3]]), 0.1, 7)}
    held_out = {"itself": Share(torch.tensor([[0.9, 0.2], [0.25, 0.3]]), 0.05, 8)}
    assert choose(validation, held_out) == {"itself": (1, 0, 0.25, pytest.approx(0.05), 8)}


def test_a_table_has_a_row_for_each_role_and_a_column_for_each_head():
    text = table({"itself": Share(torch.tensor([[0.1, 0.2], [0.4, 0.3]]), 0.05, 7)})
    head, row = text.splitlines()
    assert head.split() == ["layer.head", "1.1", "1.2", "2.1", "2.2", "uniform", "queries"]
    assert row.split() == ["itself", "0.10", "0.20", "0.40", "0.30", "0.05", "7"]


@pytest.mark.slow
def test_shipped_heads_are_those_that_were_measured():
    """Those of the page: docs/figures/language_model.json, for the first seed."""
    written = json.loads((ROOT / "docs" / "figures" / "language_model.json").read_text(encoding="utf-8"))
    (run,) = (run for run in written["runs"] if run["seed"] == 0)
    model = tasks.load("language_model")
    for name, share in shares(model, chapters("held out")).items():
        assert share.mean.tolist() == [pytest.approx(layer, abs=0.01) for layer in run["shares"][name]], name
        assert [pytest.approx(share.uniform, abs=0.001), share.queries] == run["heads"][name][3:], name
    own = own_largest(model, chapters("held out"))
    for name in ("tokens", "words"):
        assert getattr(own, name).tolist() == [pytest.approx(layer, abs=0.02) for layer in run["own"][name]]
