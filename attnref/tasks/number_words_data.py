"""Numbers in German or Korean words, each with its English words and the characters that each of them translates."""

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor

from attnref._checks import check_choice
from attnref.tasks._extra import extra
from attnref.tasks.subwords import Subwords

SOURCES = ("de", "ko")
DIGITS = range(1, 7)  # from 1 to 999 999
_GROUPS = {"de": (1000, ""), "ko": (10_000, " ")}  # what a language counts in, and what is written between
SHOWN = 47  # held out, so that its pictures are of a number the model has never seen

_UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
WORDS = (*_UNITS, *_TEENS, *_TENS, "hundred", "thousand")
"""The English words that every number up to 999 999 is written with."""


class Sample(NamedTuple):
    """One number, written out.

    Attributes:
        number: The number.
        text: Its words in the source language: "siebenundvierzig".
        words: Its English words, without hyphens, commas and "and": ("forty", "seven").
        spans: For each English word the characters of `text` that say the same, as `(start, stop)`: "vierzig" for
            "forty", "sieben" for "seven"; German "und" belongs to no English word. None where the source is Korean,
            which counts in ten thousands.
    """

    number: int
    text: str
    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...] | None


def write(number: int, source: str = "de") -> Sample:
    """Write a number in words, as the package num2words does, and note which of them translate each other.

    Raises:
        ValueError: There is no such source, or the number is not one of 1 to 999 999.

    Examples:
        >>> from attnref.tasks.number_words_data import write
        >>> sample = write(47)
        >>> sample.text, sample.words
        ('siebenundvierzig', ('forty', 'seven'))
        >>> [sample.text[start:stop] for start, stop in sample.spans]
        ['vierzig', 'sieben']
    """
    check_choice("number_words_data.write", "source", source, SOURCES)
    if not 1 <= number <= 999_999:
        raise ValueError(f"number_words_data.write: number must be from 1 to 999 999, got {number}.")
    group, space = _GROUPS[source]
    text = space.join(filter(None, (_words(number - number % group, source), _words(number % group, source))))
    words = [*_english(number - number % 1000), *_english(number % 1000)]
    return Sample(number, text, tuple(words), _spans(text, words) if source == "de" else None)


def translates(sample: Sample, subwords: Sequence[str]) -> Bool[Tensor, "n_q n_k"]:
    """Which subwords have a character of the part that says the same as each English word.

    Args:
        sample: A number in German.
        subwords: The parts that `sample.text` was split into, in their order.

    Examples:
        >>> from attnref.tasks.number_words_data import translates, write
        >>> translates(write(47), ["sieben", "und", "vier", "zig"]).int()  # a row for "forty", one for "seven"
        tensor([[0, 0, 1, 1],
                [1, 0, 0, 0]], dtype=torch.int32)
    """
    if sample.spans is None or "".join(subwords) != sample.text:
        rule = "subwords must spell a German text"
        raise ValueError(f"number_words_data.translates: {rule}, got {list(subwords)!r} for {sample.text!r}.")
    stops = list(accumulate(map(len, subwords)))
    places = list(zip([0, *stops], stops, strict=False))
    return torch.tensor([[first < stop and start < last for first, last in places] for start, stop in sample.spans])


def _spans(text: str, words: list[str]) -> tuple[tuple[int, int], ...]:
    """Walk through the German word, which has the parts of the English ones in order, but the unit before the ten."""
    order = list(range(len(words)))
    for index in order[1:]:
        if words[index - 1] in _TENS and words[index] in _UNITS:
            order[index - 1], order[index] = index, index - 1
    spans, at = {}, 0
    for index in order:
        at += len("und") if text.startswith("und", at) else 0
        part = _parts()[words[index]]
        stop = at + len(part) + text.startswith("eins", at)
        assert text.startswith(part, at), text
        spans[index], at = (at, stop), stop
    assert at == len(text), text
    return tuple(spans[index] for index in range(len(words)))


@cache
def _words(number: int, language: str) -> str:
    """A number that is round, or small: num2words is slow, and the others are two of them, one after the other."""
    return extra("num2words").num2words(number, lang=language) if number else ""


@cache
def _english(number: int) -> list[str]:
    return _words(number, "en").replace("-", " ").replace(" and ", " ").split()


@cache
def _parts() -> dict[str, str]:
    """The German part for each English word, as it is inside longer numbers."""
    num2words = extra("num2words").num2words
    values = dict(zip(WORDS, [*range(1, 20), *range(20, 100, 10)], strict=False))
    parts = {word: num2words(value, lang="de") for word, value in values.items()}
    return parts | {"one": "ein", "hundred": "hundert", "thousand": "tausend"}


def is_held_out(number: int) -> bool:
    """Whether a number is kept from training, in every language: one in ten, by a hash of its digits.

    `SHOWN`, the number that the documentation shows, is kept besides.

    Examples:
        >>> from attnref.tasks.number_words_data import is_held_out
        >>> [number for number in range(1, 100) if is_held_out(number)]
        [18, 47, 72, 74, 87, 96]
    """
    return number == SHOWN or int(hashlib.sha256(str(number).encode()).hexdigest(), 16) % 10 == 0


def held_out_samples(source: str = "de", seed: int = 0) -> list[Sample]:
    """The held-out numbers below 1000, and 600 each of four, five and six digits, in random order."""
    rng = random.Random(f"held out {seed}")
    kept = [number for digits in DIGITS[:3] for number in _held_out(digits)]
    for digits in DIGITS[3:]:
        kept += rng.sample(_held_out(digits), 600)
    rng.shuffle(kept)
    return [write(number, source) for number in kept]


@cache
def _held_out(digits: int) -> list[int]:
    return [number for number in range(10 ** (digits - 1), 10**digits) if is_held_out(number)]


def training_samples(count: int, source: str = "de", seed: int = 0) -> list[Sample]:
    """Numbers that are not held out, drawn as in training: what may be looked at before anything is measured."""
    rng = random.Random(f"number words seen {seed}")
    return [write(_draw(rng), source) for _ in range(count)]


def training_batches(steps: int, batch: int, seed: int = 0, source: str = "de") -> Iterator[list[Sample]]:
    """Draw numbers of one to six digits, equally often of each length, in batches of similar length."""
    rng = random.Random(f"number words {seed}")
    together = 25  # batches that are sorted by length together
    for start in range(0, steps, together):
        count = min(together, steps - start)
        pool = [write(_draw(rng), source) for _ in range(count * batch)]
        pool.sort(key=lambda sample: len(sample.text))
        batches = [pool[i : i + batch] for i in range(0, len(pool), batch)]
        rng.shuffle(batches)
        yield from batches


def _draw(rng: random.Random) -> int:
    """A number that is not held out: first how many digits it has, then the digits."""
    while True:
        digits = rng.choice(DIGITS)
        number = rng.randrange(10 ** (digits - 1), 10**digits)
        if not is_held_out(number):
            return number


@cache
def learn_subwords(source: str, merges: int) -> Subwords:
    """Learn the subwords of a source from the words of 3000 training numbers; none but characters without a merge.

    Only Korean has spaces, so only its words get a mark at their end.
    """
    rng = random.Random("subwords")
    words = Counter(word for _ in range(3000) for word in write(_draw(rng), source).text.split(" "))
    return Subwords.learn(words, merges, end="_" if source == "ko" else "")
