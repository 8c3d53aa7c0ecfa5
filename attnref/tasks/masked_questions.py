"""What a masked language model is asked: every character of a text once, a seventh of them masked at a time."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from attnref.tasks.masked_model import MaskedLanguageModel
from attnref.tasks.stories_data import Chapter

PARTS = 7  # of each text that is measured, one of them masked at a time: about 15 % of its tokens


class Question(NamedTuple):
    """A piece of a text in which some tokens are asked for.

    Attributes:
        tokens: The piece, (n,).
        asked: True = asked for, and so masked; (n,).
    """

    tokens: Tensor
    asked: Tensor


def questions(model: MaskedLanguageModel, chapters: Iterable[Chapter]) -> Iterator[Question]:
    """Ask for every token of the chapters once, with about a seventh of its piece masked at a time.

    A chapter is cut into pieces that fit the context, each piece's positions are drawn into seven parts, always the
    same, and one part after the other is masked.
    """
    for chapter in chapters:
        tokens = torch.tensor(model.encode(chapter.text)[1:-1])
        for at, piece in enumerate(tokens.split(model.context - 2)):
            part = torch.randperm(len(piece), generator=torch.Generator().manual_seed(at)) % PARTS
            yield from (Question(piece, part == one) for one in range(min(PARTS, len(piece))))


def blanks(model: MaskedLanguageModel, chapters: Iterable[Chapter]) -> Iterator[tuple[list[int | None], int, int]]:
    """The questions one token at a time: the piece with None for what is masked, a position, and its token."""
    for tokens, asked in questions(model, chapters):
        piece, masked = tokens.tolist(), asked.tolist()
        shown = [None if one else token for token, one in zip(piece, masked, strict=True)]
        yield from ((shown, at, piece[at]) for at, one in enumerate(masked) if one)


def batched(asked: Iterable[Question]) -> Iterator[Question]:
    """Questions about pieces of equal length, many at a time."""
    by_length: dict[int, list[Question]] = {}
    for question in asked:
        by_length.setdefault(len(question.tokens), []).append(question)
    for some in by_length.values():
        for at in range(0, len(some), 64):
            yield Question(*(torch.stack(parts) for parts in zip(*some[at : at + 64], strict=True)))


def enclose(model: MaskedLanguageModel, pieces: Tensor) -> Tensor:
    """Put the class token before each piece, and the separator after it: (batch, n) to (batch, n + 2)."""
    first, last = (torch.full((len(pieces), 1), token) for token in (model.class_token, model.separator))
    return torch.cat([first, pieces, last], dim=1)
