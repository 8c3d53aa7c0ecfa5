"""Byte-pair encoding: against a count of every pair at every step, against Hugging Face's, and back to the text."""

import re
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnref.tasks.subwords import Subwords

WORDS = {"low": 5, "lower": 2, "newest": 6, "widest": 3}  # the dictionary of Sennrich et al., Algorithm 1
texts = st.text("abcd", min_size=1, max_size=9)
counted = st.dictionaries(texts, st.integers(1, 9), min_size=1, max_size=12)


def learned_slowly(words, merges, end=""):
    """Algorithm 1 as it stands: count every pair of every word anew for each merge."""
    split = {word: [*word, *end] for word in words}
    known, learned = sorted({symbol for symbols in split.values() for symbol in symbols}), []
    for _ in range(merges):
        pairs = Counter()
        for word, symbols in split.items():
            for pair in pairwise(symbols):
                pairs[pair] += words[word]
        if not pairs:
            break
        most = max(pairs.values())
        tied = [pair for pair, count in pairs.items() if count == most]
        left, right = min(tied, key=lambda pair: (known.index(pair[0]), known.index(pair[1])))
        learned.append((left, right))
        known += [left + right] * (left + right not in known)
        for word, symbols in split.items():
            line = re.sub(rf"(?<!\S){left} {right}(?!\S)", left + right, " ".join(symbols))
            split[word] = line.split(" ")
    return tuple(learned), known, split


def test_the_words_of_the_paper():
    """The symbols of its program, though `t` and the end of the word, as frequent as `es` and `t`, are merged first."""
    subwords = Subwords.learn(WORDS, merges=5, end="·")
    assert subwords.merges == (("e", "s"), ("t", "·"), ("es", "t·"), ("l", "o"), ("lo", "w"))
    assert subwords.vocabulary == [*"deilnorstw·", "es", "t·", "est·", "lo", "low"]
    assert subwords.split("lowest") == ["low", "est·"]  # a word that was not there
    assert subwords.split("lower west") == ["low", "e", "r", "·", "w", "est·"]
    assert subwords.encode("lowest") == [15, 13]
    assert subwords.decode([15, 13, 15, 10]) == "lowest low"


@given(counted, st.integers(0, 15), st.sampled_from(["", "_"]))
def test_learns_what_counting_anew_learns(words, merges, end):
    subwords = Subwords.learn(words, merges, end=end)
    learned, known, split = learned_slowly(words, merges, end)
    assert (subwords.merges, subwords.vocabulary) == (learned, known)
    assert {word: subwords.split(word) for word in words} == split


@pytest.mark.interop
@given(counted, st.integers(0, 15), texts)
def test_learns_and_splits_as_hugging_face_does(words, merges, text):
    tokenizers = pytest.importorskip("tokenizers")
    ours = Subwords.learn(words, merges)
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=len(ours.vocabulary), show_progress=False)
    theirs.train_from_iterator([word for word, count in words.items() for _ in range(count)], trainer)
    assert theirs.get_vocab() == {symbol: token for token, symbol in enumerate(ours.vocabulary)}
    text = "".join(character for character in text if character in ours.vocabulary)
    assert theirs.encode(text).tokens == ours.split(text)


@given(counted, st.integers(0, 15), st.lists(texts, max_size=4))
def test_text_comes_back(words, merges, others):
    subwords = Subwords.learn({**words, "abcd": 1}, merges, end="_")
    for text in (" ".join(others), " ".join(words)):
        assert subwords.decode(subwords.encode(text)) == text
        assert "".join(subwords.split(text)) == "".join(f"{word}_" for word in text.split())
    joined = Subwords.learn({**words, "abcd": 1}, merges)
    assert joined.decode(joined.encode(" ".join(others))) == "".join(others)


@given(counted, st.integers(0, 15), texts)
def test_built_again_from_its_characters_and_merges(words, merges, text):
    made = Subwords.learn({**words, "abcd": 1}, merges, end="_")
    again = Subwords("_dcba" + "".join(words), [list(pair) for pair in made.merges], end="_")  # as JSON keeps pairs
    assert (again.vocabulary, again.merges, again.end) == (made.vocabulary, made.merges, "_")
    assert again.encode(text) == made.encode(text)


def test_no_merges_are_characters():
    assert Subwords.learn({"abba": 1}, 0).split("abba ab") == [*"abbaab"]


def test_stops_when_every_word_is_one_symbol():
    subwords = Subwords.learn({"aba": 2, "b": 1}, 100)
    assert subwords.merges == (("a", "b"), ("ab", "a"))
    assert subwords.split("aba b") == ["aba", "b"]


def test_the_earliest_merge_goes_first():
    subwords = Subwords("abc", [("b", "c"), ("a", "b")])
    assert subwords.split("abcab") == ["a", "bc", "ab"]


def test_a_pair_that_overlaps_itself_is_joined_from_the_left():
    assert Subwords("a", [("a", "a")]).split("aaaaa") == ["aa", "aa", "a"]


def test_two_pairs_may_spell_the_same_symbol():
    subwords = Subwords("abc", [("a", "b"), ("ab", "c"), ("b", "c"), ("a", "bc")])
    assert subwords.vocabulary == ["a", "b", "c", "ab", "abc", "bc"]
    assert subwords.decode(subwords.encode("abc")) == "abc"


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (
            lambda: Subwords.learn({"low": 1}, 1).split("lown"),
            ValueError,
            "Subwords: text must be written with the characters that were learned, got 'n' at position 3 of 'lown'.",
        ),
        (
            lambda: Subwords.learn({"low": 1}, 1, end="_").encode("low lo_w"),
            ValueError,
            "Subwords: text must be written with the characters that were learned, got '_' at position 2 of 'lo_w'.",
        ),
        (lambda: Subwords("ab", []).split(12), TypeError, "Subwords: text must be a str, got int."),
        (
            lambda: Subwords("ab", [("a", "b"), ("ab", "c")]),
            ValueError,
            "Subwords: merges must join symbols that are known by then, got ('ab', 'c').",
        ),
        (
            lambda: Subwords("ab", [], end="_"),
            ValueError,
            "Subwords: end must be one of the characters, got '_'.",
        ),
        (lambda: Subwords.learn({}, 1), ValueError, "Subwords.learn: words must be at least 1, got 0."),
        (lambda: Subwords.learn({"a": 1}, -1), ValueError, "Subwords.learn: merges must be at least 0, got -1."),
        (
            lambda: Subwords.learn({"low": 0}, 1),
            ValueError,
            "Subwords.learn: count of 'low' must be at least 1, got 0.",
        ),
        (
            lambda: Subwords.learn({"low": 1}, 1, end="</w>"),
            ValueError,
            "Subwords.learn: end must be one character or empty, got '</w>'.",
        ),
        (
            lambda: Subwords.learn({"lo w": 1}, 1),
            ValueError,
            "Subwords.learn: words must have neither a space nor end='', got 'lo w'.",
        ),
        (
            lambda: Subwords.learn({"lo_w": 1}, 1, end="_"),
            ValueError,
            "Subwords.learn: words must have neither a space nor end='_', got 'lo_w'.",
        ),
    ],
)
def test_refusals(call, kind, words, refuses):
    refuses(call, kind, words)
