"""Stories in plain English, chapter by chapter, whole books of them held out.

The text is 1.4 MB of the fifteen most narrative books of a modern public-domain translation of the Bible, the World
English Bible (see `data/README.md`). One book is for measuring alone, and three small ones for what has to be chosen.
None of these four is told a second time in another book, as most of the Gospels are.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from attnref._checks import check_at_least, check_choice
from attnref.tasks.subwords import Subwords

SPLITS = {"validation": ("Ruth", "Esther", "Jonah"), "held out": ("Daniel",)}
MERGES = 1000
START = "▁"  # before the first letter of a word: where a space was


class Chapter(NamedTuple):
    """A chapter.

    Attributes:
        book: Its book.
        number: Its number in the book, from 1.
        text: Its sentences, without verse numbers.
    """

    book: str
    number: int
    text: str


@cache
def _all_chapters() -> tuple[Chapter, ...]:
    lines = (Path(__file__).with_name("data") / "stories.txt").read_text(encoding="utf-8").splitlines()
    found = []
    for line in lines:
        name, text = line.split("\t")
        book, number = name.rsplit(" ", 1)
        found.append(Chapter(book, int(number), text))
    return tuple(found)


def chapters(split: str = "training") -> list[Chapter]:
    """The chapters on one side of the split: "training", "validation" or "held out".

    Raises:
        ValueError: There is no such side.

    Examples:
        >>> from attnref.tasks.stories_data import chapters
        >>> len(chapters("training")), len(chapters("validation")), len(chapters("held out"))
        (290, 18, 12)
        >>> chapters("held out")[0].text[:54]
        'In the third year of the reign of Jehoiakim king of Ju'
    """
    check_choice("stories_data.chapters", "split", split, ("training", *SPLITS))
    kept = {book for books in SPLITS.values() for book in books}
    if split == "training":
        return [chapter for chapter in _all_chapters() if chapter.book not in kept]
    return [chapter for chapter in _all_chapters() if chapter.book in SPLITS[split]]


def words(text: str) -> list[str]:
    """Cut a text into words, numbers and single marks; those that had a space before them begin with ▁.

    Whatever white space there was counts as one space, and the text begins as if after one. Nothing else is lost:
    joined, with a space for each ▁, the words are the text again.

    Raises:
        TypeError: The text is not a string.

    Examples:
        >>> from attnref.tasks.stories_data import words
        >>> words("Don't be afraid, Daniel.")
        ['▁Don', "'", 't', '▁be', '▁afraid', ',', '▁Daniel', '.']
    """
    if not isinstance(text, str):
        raise TypeError(f"stories_data.words: text must be a str, got {type(text).__name__}.")
    return re.findall(rf"{START}?(?:[A-Za-z]+|[0-9]+|[^{START}])|{START}", START + START.join(text.split()))


@cache
def learn_subwords() -> Subwords:
    """A thousand merges, learned on the words of the training chapters. Takes a few seconds."""
    counts = Counter(word for chapter in chapters("training") for word in words(chapter.text))
    return Subwords.learn(counts, MERGES)


def training_batches(
    texts: Iterable[Sequence[int]], steps: int, batch: int, context: int, seed: int = 0
) -> Iterator[Tensor]:
    """Pieces of the texts, joined end to end, that start anywhere: (batch, context + 1) tokens."""
    stream = torch.tensor([token for text in texts for token in text])
    check_at_least("stories_data.training_batches", context + 1, tokens=len(stream))
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        starts = torch.randint(len(stream) - context, (batch, 1), generator=generator)
        yield stream[starts + torch.arange(context + 1)]
