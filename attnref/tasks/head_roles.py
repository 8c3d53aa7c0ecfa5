"""Which head looks where: the share of each head's attention that falls on keys of a known role, on whole chapters."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref.tasks.language_model import pieces
from attnref.tasks.stories_data import START, Chapter
from attnref.tasks.story_model import LanguageModel

PRONOUNS = frozenset(START + word for word in ("he", "him", "his", "she", "her", "He", "His", "She"))
MARKS = frozenset(".,;:?!\"'()-")
ENDS = (".", "?", "!", '"', "'", "<begin>")  # what may stand before a capital letter that makes no name


def roles(symbols: Sequence[str]) -> dict[str, Bool[Tensor, "n n"]]:
    """Which keys play which role for each query, by the name of the role: row i is query i, True = this key does.

    "itself", "the token before" and "the first token" are told by position. "start of the word" is the first subword of
    the query's word, for the others. "same token before" are the earlier copies of the query, and "after the same
    token" the tokens that followed them: what a head must look at to repeat what it has seen (Olsson et al. 2022,
    *In-context Learning and Induction Heads*, [arXiv:2209.11895](https://arxiv.org/abs/2209.11895)). "punctuation" are
    all marks before the query. "names, for a pronoun" are earlier words with a capital letter that begin no sentence:
    the last subword of each, where it has been read to its end. The query is *he*, *him*, *his*, *she* or *her*.

    Examples:
        >>> from attnref.tasks.head_roles import roles
        >>> found = roles(["▁Then", "▁Jon", "ah", "▁rose", ",", "▁and", "▁he"])
        >>> found["names, for a pronoun"][6].tolist()
        [False, False, True, False, False, False, False]
        >>> found["start of the word"].nonzero().tolist()
        [[2, 1]]
    """
    n = len(symbols)
    query, key = torch.arange(n)[:, None], torch.arange(n)
    number = {symbol: at for at, symbol in enumerate(symbols)}
    token = torch.tensor([number[symbol] for symbol in symbols], dtype=torch.long)
    copies = (token[:, None] == token) & (key < query)
    followers = torch.zeros(n, n, dtype=torch.bool)
    followers[:, 1:] = copies[:, :-1]

    word = torch.zeros(n, n, dtype=torch.bool)
    start = None  # of this word
    for at, symbol in enumerate(symbols):
        if symbol[0].isalpha() and start is not None:
            word[at, start] = True
        else:
            start = at if symbol == START or symbol.removeprefix(START).isalpha() else None
    marks = torch.tensor([symbol.removeprefix(START) in MARKS for symbol in symbols])
    pronoun = torch.tensor([symbol in PRONOUNS for symbol in symbols])
    return {
        "itself": key == query,
        "the token before": key == query - 1,
        "the first token": (key == 0) & (key < query),
        "start of the word": word,
        "same token before": copies,
        "after the same token": followers & (key <= query),
        "punctuation": marks & (key < query),
        "names, for a pronoun": pronoun[:, None] & _ends_of_names(symbols) & (key < query),
    }


def _ends_of_names(symbols: Sequence[str]) -> Bool[Tensor, " n"]:
    """Which subwords are the last ones of words that begin with a capital letter in the middle of a sentence."""
    inside, found = False, []
    for at, symbol in enumerate(symbols):
        if not symbol[0].isalpha():  # a word begins, or a mark ends it
            letters = symbol[1:] or "".join(symbols[at + 1 : at + 2])
            named = symbol[0] == START and letters[:1].isupper() and letters not in ("I", "O")
            inside = named and at > 0 and not symbols[at - 1].endswith(ENDS)
        elif inside:
            found[-1] = False  # the name goes on
        found.append(inside)
    return torch.tensor(found)


def sentence_roles(symbols: Sequence[str]) -> dict[str, Bool[Tensor, "n n"]]:
    """Roles of keys in a sentence that is read from both sides, between the delimiters [CLS] and [SEP].

    As `roles`, but keys may come after the query, and the delimiters are no queries: what they attend to is no question
    about words. Nor are they the token before the first word or after the last, so that a head that rests on them gets
    no share for it. "other copies" are the same token elsewhere.

    Examples:
        >>> from attnref.tasks.head_roles import sentence_roles
        >>> found = sentence_roles(["[CLS]", "he", "ate", ".", "[SEP]"])
        >>> found["the token after"].nonzero().tolist()
        [[1, 2], [2, 3]]
        >>> found["[CLS]"].nonzero().tolist()
        [[1, 0], [2, 0], [3, 0]]
    """
    n = len(symbols)
    query, key = torch.arange(n)[:, None], torch.arange(n)
    first, last = key == 0, key == n - 1
    word = ~(first | last)
    copies = torch.tensor([[one == other for other in symbols] for one in symbols]) & (key != query)
    marks = torch.tensor([symbol in MARKS for symbol in symbols])
    found = {
        "itself": key == query,
        "the token before": (key == query - 1) & word,
        "the token after": (key == query + 1) & word,
        "other copies": copies,
        "punctuation": marks & (key != query),
        "[CLS]": first.expand(n, n),
        "[SEP]": last.expand(n, n),
    }
    return {name: role & word[:, None] for name, role in found.items()}


class Share(NamedTuple):
    """How much attention falls on the keys of one role.

    Attributes:
        mean: For each layer and head the share of a query's attention weights, averaged over the queries that have such
            a key, (num_layers, h).
        uniform: What a head would give that attends alike to every key that the query may attend to.
        queries: How many queries have such a key.
    """

    mean: Float[Tensor, "num_layers h"]
    uniform: float
    queries: int

    @property
    def excess(self) -> Float[Tensor, "num_layers h"]:
        """The mean less what uniform attention gives."""
        return self.mean - self.uniform


@torch.no_grad()
def weights_of(
    model: LanguageModel, chapters: Iterable[Chapter]
) -> Iterator[tuple[list[str], Float[Tensor, "num_layers h _ _"]]]:
    """The symbols of each piece of the chapters that is read at once, and the attention weights."""
    device = model.model.embed.tokens.weight.device
    for piece in pieces(model, chapters):
        _, weights = model.model(piece[None, :-1].to(device), return_weights=True)
        yield [model.vocabulary[token] for token in piece[:-1].tolist()], torch.cat(weights).cpu()


def shares(model: LanguageModel, chapters: Iterable[Chapter]) -> dict[str, Share]:
    """Measure the share of every role, by its name. Queries with no key before them are left out."""
    return average(weights_of(model, chapters), roles, causal=True)


def average(
    readings: Iterable[tuple[Sequence[str], Float[Tensor, "num_layers h _ _"]]],
    roles: Callable[[Sequence[str]], dict[str, Bool[Tensor, "n n"]]] = sentence_roles,
    *,
    causal: bool = False,
) -> dict[str, Share]:
    """Average the share of each role over all queries of some texts that have a key of it, by the name of the role.

    Args:
        readings: The n symbols of each text, and the attention weights, (num_layers, h, n, n).
        roles: Which keys play which role.
        causal: Whether a query attends to the keys up to itself alone. The first, which has nothing else, is left out.
    """
    sums: dict[str, Tensor] = {}
    uniform: dict[str, float] = {}
    queries: dict[str, int] = {}
    for symbols, weights in readings:
        n = len(symbols)
        keys = torch.arange(1, n + 1) if causal else torch.full((n,), n)  # of each query
        for name, role in roles(symbols).items():
            some = role.any(-1) & (keys > 1)
            share = (weights * role)[:, :, some].sum((-2, -1), dtype=torch.double)  # (num_layers, h)
            sums[name] = sums.get(name, torch.zeros_like(share)) + share
            uniform[name] = uniform.get(name, 0.0) + (role.sum(-1) / keys)[some].sum().item()
            queries[name] = queries.get(name, 0) + int(some.sum())
    return {
        name: Share(sums[name] / queries[name], uniform[name] / queries[name], queries[name])
        for name in sums
        if queries[name]
    }


class Chosen(NamedTuple):
    """The head that was chosen for a role.

    Attributes:
        layer: Its layer, from 0.
        head: Its number in the layer, from 0.
        share: Its share of attention on the held-out texts.
        uniform: What uniform attention gives there.
        queries: How many queries that is.
    """

    layer: int
    head: int
    share: float
    uniform: float
    queries: int


def choose(validation: dict[str, Share], held_out: dict[str, Share]) -> dict[str, Chosen]:
    """For each role the head with the highest share on validation chapters, and its share on the held-out ones."""
    found = {}
    for name, share in validation.items():
        layer, head = divmod(int(share.mean.argmax()), share.mean.shape[1])
        there = held_out[name]
        found[name] = Chosen(layer, head, there.mean[layer, head].item(), there.uniform, there.queries)
    return found


def table(found: dict[str, Share]) -> str:
    """A row for each role and a column for each head, in text; the last columns: uniform attention, and queries."""
    layers, heads = next(iter(found.values())).mean.shape
    names = [f"{layer + 1}.{head + 1}" for layer in range(layers) for head in range(heads)]
    lines = [f"{'layer.head':<24}" + "".join(f"{name:>6}" for name in names) + f"{'uniform':>9}{'queries':>9}"]
    for name, share in found.items():
        numbers = "".join(f"{number:>6.2f}" for number in share.mean.flatten().tolist())
        lines.append(f"{name:<24}{numbers}{share.uniform:>9.2f}{share.queries:>9}")
    return "\n".join(lines)
