"""Dates as people write them, each with its ISO form and the characters that carry its year, month and day."""

import datetime
import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from attnref._checks import check_choice
from attnref.tasks._extra import extra

LOCALES = ("en", "fr", "de", "es", "it", "pt", "ko", "ja")
STYLES = ("full", "long", "medium")
FIRST, LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)
SHOWN = datetime.date(2001, 11, 4)  # held out, so that its pictures are of a day the model has never seen

PARTS = {"year": range(4), "month": range(5, 7), "day": range(8, 10)}
"""Which characters of `YYYY-MM-DD` write which part. The two hyphens belong to none."""

_FIELDS = {"y": "year", "M": "month", "L": "month", "d": "day"}  # the letters of CLDR's patterns


class Sample(NamedTuple):
    """One date, written out.

    Attributes:
        text: The date as a person writes it.
        iso: The same date as `YYYY-MM-DD`.
        spans: For "year", "month" and "day" the characters of `text` that carry it, as `(start, stop)`.
        locale: The language, one of `LOCALES`.
        style: How much is written, one of `STYLES`: "full" has the day of the week, "medium" is the shortest.
    """

    text: str
    iso: str
    spans: dict[str, tuple[int, int]]
    locale: str
    style: str


def write(day: datetime.date, locale: str, style: str) -> Sample:
    """Write a day as people of a language do, and note which characters are its year, month and day.

    The pattern is CLDR's, as Babel carries it. A span is the field of the pattern and nothing around it: Spanish
    "de" belongs to no part, while CLDR counts Korean 월 (month) to the month's name and 년 (year) to the pattern.

    Raises:
        ValueError: There is no such locale or style.
    """
    check_choice("dates_data.write", "locale", locale, LOCALES)
    check_choice("dates_data.write", "style", style, STYLES)
    babel_dates, fields, pattern = _pattern(locale, style)
    written = babel_dates.DateTimeFormat(day, locale)
    text, spans = "", {}
    for kind, value in fields:
        piece = value if kind == "chars" else written[value[0] * value[1]]
        if kind == "field" and value[0] in _FIELDS:
            spans[_FIELDS[value[0]]] = (len(text), len(text) + len(piece))
        text += piece
    assert spans.keys() == PARTS.keys(), pattern
    return Sample(text, day.isoformat(), spans, locale, style)


@cache
def _pattern(locale: str, style: str) -> tuple[Any, list[tuple[str, Any]], str]:
    babel_dates = extra("babel.dates")
    pattern = extra("babel").Locale.parse(locale).date_formats[style].pattern
    return babel_dates, babel_dates.tokenize_pattern(pattern), pattern


def is_held_out(day: datetime.date) -> bool:
    """Whether a calendar day is kept from training, in every language: one in ten, by a hash of the date.

    `SHOWN`, the day that the documentation shows, is kept besides.

    Examples:
        >>> import datetime
        >>> from attnref.tasks.dates_data import SHOWN, is_held_out
        >>> is_held_out(SHOWN), is_held_out(datetime.date(2024, 1, 8)), is_held_out(datetime.date(2024, 1, 9))
        (True, False, True)
    """
    return day == SHOWN or int(hashlib.sha256(day.isoformat().encode()).hexdigest(), 16) % 10 == 0


def days(*, held_out: bool) -> list[datetime.date]:
    """Every day of 1950 to 2049 on one side of the split.

    Examples:
        >>> from attnref.tasks.dates_data import days
        >>> len(days(held_out=False)), len(days(held_out=True))
        (32808, 3717)
    """
    every = (FIRST + datetime.timedelta(n) for n in range((LAST - FIRST).days + 1))
    return [day for day in every if is_held_out(day) == held_out]


def held_out_samples(seed: int = 0) -> list[Sample]:
    """Every held-out day once, in random order, each in a language and a style drawn at random."""
    rng = random.Random(f"held out {seed}")
    kept = days(held_out=True)
    rng.shuffle(kept)
    return [write(day, rng.choice(LOCALES), rng.choice(STYLES)) for day in kept]


def training_batches(steps: int, batch: int, seed: int = 0) -> Iterator[list[Sample]]:
    """Draw days, languages and styles at random, in batches of similar length so that little is padding."""
    rng = random.Random(f"training {seed}")
    seen = days(held_out=False)
    together = 25  # batches that are sorted by length together
    for start in range(0, steps, together):
        count = min(together, steps - start)
        pool = [write(rng.choice(seen), rng.choice(LOCALES), rng.choice(STYLES)) for _ in range(count * batch)]
        pool.sort(key=lambda sample: len(sample.text))
        batches = [pool[i : i + batch] for i in range(0, len(pool), batch)]
        rng.shuffle(batches)
        yield from batches


@cache
def characters() -> str:
    """Every character the dates are written with, sorted."""
    year = [datetime.date(2000, 1, 1) + datetime.timedelta(n) for n in range(366)]  # every month's and weekday's name
    texts = (write(day, locale, style).text for day in year for locale in LOCALES for style in STYLES)
    return "".join(sorted(set("0123456789").union(*texts)))


def encode(who: str, texts: Sequence[str], token: Mapping[str, int]) -> tuple[Tensor, Tensor]:
    """Tokens of the texts, (batch, n), zero for padding; and their token mask, True for a character.

    Raises:
        TypeError: A text is no string.
        ValueError: A text is empty, or has a character without a token.
    """
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"{who}: text must be a str, got {type(text).__name__}.")
        if not text:
            raise ValueError(f"{who}: text must hold at least one character, got ''.")
        for position, character in enumerate(text):
            if character not in token:
                rule = "text must be written with the characters of the training dates"
                raise ValueError(f"{who}: {rule}, got {character!r} at position {position} of {text!r}.")
    n = max(map(len, texts))
    source = torch.tensor([[token[c] for c in text] + [0] * (n - len(text)) for text in texts])
    return source, source != 0
