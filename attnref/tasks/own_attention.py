"""How often a token, or a word, attends most to itself."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnref.tasks.head_roles import weights_of
from attnref.tasks.stories_data import Chapter
from attnref.tasks.story_model import LanguageModel


class Own(NamedTuple):
    """How often the largest weight is a token's own, and a word's largest sum of weights.

    Attributes:
        tokens: For each layer and head, (num_layers, h), over all tokens but the first of each piece.
        token_chance: How often it would be if every token up to the query were as likely.
        words: The same for words, (num_layers, h): the query is the last subword of a word, and the weights of the
            subwords of each word are added. Marks count as words.
        word_chance: How often it would be if every word up to the query were as likely.
    """

    tokens: Float[Tensor, "num_layers h"]
    token_chance: float
    words: Float[Tensor, "num_layers h"]
    word_chance: float


def words_of(symbols: Sequence[str]) -> list[int]:
    """The number of the word, or the mark, that each subword belongs to, from 0.

    Examples:
        >>> from attnref.tasks.own_attention import words_of
        >>> words_of(["▁Jon", "ah", ",", "▁rise"])
        [0, 0, 1, 2]
    """
    numbers: list[int] = []
    for symbol in symbols:
        begins = not numbers or not symbol[0].isalpha()
        numbers.append((numbers[-1] if numbers else -1) + begins)
    return numbers


def own_largest(model: LanguageModel, chapters: Iterable[Chapter]) -> Own:
    """Measure how often each head gives the largest weight to the query itself, and to its word."""
    hits, chances, counts = [torch.zeros(()), torch.zeros(())], [0.0, 0.0], [0, 0]
    for symbols, weights in weights_of(model, chapters):
        numbers = torch.tensor(words_of(symbols))
        by_word = weights @ nn.functional.one_hot(numbers).float()  # (num_layers, h, n, words)
        ends = torch.cat((numbers[1:] != numbers[:-1], torch.ones(1, dtype=torch.bool)))
        kinds = (
            (weights, torch.arange(len(symbols)), torch.arange(len(symbols)) > 0),
            (by_word, numbers, ends & (numbers > 0)),
        )
        for kind, (given, own, some) in enumerate(kinds):
            hits[kind] = hits[kind] + (given.argmax(-1) == own)[:, :, some].sum(-1)
            chances[kind] += (1 / (own[some] + 1)).sum().item()
            counts[kind] += int(some.sum())
    shares = [hit / count for hit, count in zip(hits, counts, strict=True)]
    return Own(shares[0], chances[0] / counts[0], shares[1], chances[1] / counts[1])


class OwnInSentence(NamedTuple):
    """How much a word of a sentence attends to itself.

    Attributes:
        largest: For each layer and head how often a word's largest weight is its own, (num_layers, h).
        share: The mean of its own weight, (num_layers, h).
        chance: Both, where all keys are alike.
    """

    largest: Float[Tensor, "num_layers h"]
    share: Float[Tensor, "num_layers h"]
    chance: float


def own_in_sentences(
    readings: Iterable[tuple[Sequence[str], Float[Tensor, "num_layers h _ _"]]], *, delimiters: bool = True
) -> OwnInSentence:
    """Measure it over all subwords and marks of sentences between [CLS] and [SEP].

    Args:
        readings: The n symbols of each sentence, and the attention weights, (num_layers, h, n, n).
        delimiters: Whether [CLS] and [SEP] count among the keys. If not, the other weights are scaled to sum to one.
    """
    largest, share, chance, queries = torch.zeros(()), torch.zeros(()), 0.0, 0
    for _, weights in readings:
        n = weights.shape[-1]
        if not delimiters:
            weights = nn.functional.normalize(weights[..., 1:-1], p=1, dim=-1)
        own = torch.arange(1, n - 1) if delimiters else torch.arange(n - 2)
        asked = weights[:, :, 1:-1].double()  # the delimiters are no queries
        largest = largest + (asked.argmax(-1) == own).sum(-1)
        share = share + asked.diagonal(int(own[0]), -2, -1).sum(-1)
        chance, queries = chance + (n - 2) / weights.shape[-1], queries + n - 2
    return OwnInSentence(largest / queries, share / queries, chance / queries)
