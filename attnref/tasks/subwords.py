"""Subwords by byte-pair encoding: the most frequent pair of symbols becomes one symbol, again and again."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from attnref._checks import check_at_least

Pair = tuple[str, str]


class Subwords:
    """Split words into subwords, from single characters to whole words, and put them together again.

    A word starts as its characters; then each merge, in the order in which it was learned, joins every two neighbors
    that are its pair. Frequent words thus end as one symbol, rare ones as several, and no word is unknown as long as
    its characters are not. A space separates words and is in no subword; a mark at the end of each word, where one is
    asked for, tells where a word ends and lets `decode` put the spaces back.

    Args:
        characters: Every character that a word may have, `end` among them.
        merges: The pairs of symbols that are joined, the first learned first.
        end: One character that is added to every word; empty for none.

    Attributes:
        vocabulary: Every symbol: the characters, sorted, then one for each merge. A token is an index into it.

    Raises:
        ValueError: A pair has a symbol that is neither a character nor merged before, or `end` is neither empty nor
            one of the characters.

    Examples:
        >>> from attnref.tasks.subwords import Subwords
        >>> subwords = Subwords.learn({"low": 5, "lowest": 2, "newer": 6, "wider": 3}, merges=4, end="_")
        >>> subwords.merges
        (('e', 'r'), ('er', '_'), ('l', 'o'), ('lo', 'w'))
        >>> subwords.split("lower newest")
        ['low', 'er_', 'n', 'e', 'w', 'e', 's', 't', '_']
        >>> subwords.decode(subwords.encode("lower newest"))
        'lower newest'

    Source:
        Sennrich, Haddow and Birch 2016, *Neural Machine Translation of Rare Words with Subword Units*, section 3.2 and
        Algorithm 1, [arXiv:1508.07909](https://arxiv.org/abs/1508.07909).
    """

    def __init__(self, characters: Iterable[str], merges: Iterable[Sequence[str]], *, end: str = "") -> None:
        self.end = end
        self.merges = tuple((left, right) for left, right in merges)
        self.vocabulary = sorted(set(characters))
        if end and end not in self.vocabulary:
            raise ValueError(f"Subwords: end must be one of the characters, got {end!r}.")
        self._token = {symbol: token for token, symbol in enumerate(self.vocabulary)}
        for pair in self.merges:
            for symbol in pair:
                if symbol not in self._token:
                    raise ValueError(f"Subwords: merges must join symbols that are known by then, got {pair!r}.")
            if (joined := "".join(pair)) not in self._token:  # two pairs may spell the same
                self._token[joined] = len(self.vocabulary)
                self.vocabulary.append(joined)
        self._rank = {pair: rank for rank, pair in enumerate(self.merges)}
        self._known: dict[str, list[str]] = {}

    @classmethod
    def learn(cls, words: Mapping[str, int], merges: int, *, end: str = "") -> "Subwords":
        """Learn merges from words and how often each occurs.

        Of pairs that are equally frequent, the one whose left, then right, symbol comes first in the vocabulary is
        merged. Learning stops early when no pair is left.

        Args:
            words: Each word, without spaces, and its count.
            merges: How many merges to learn: the size of the vocabulary less the number of characters.
            end: One character that is added to every word and is in none of them; empty for none.

        Raises:
            ValueError: There is no word, a count is below 1, `merges` is negative, `end` is longer than one character,
                or a word has a space or `end`.
        """
        check_at_least("Subwords.learn", 0, merges=merges)
        check_at_least("Subwords.learn", 1, words=len(words), **{f"count of {word!r}": n for word, n in words.items()})
        if len(end) > 1:
            raise ValueError(f"Subwords.learn: end must be one character or empty, got {end!r}.")
        for word in words:
            if " " in word or (end and end in word):
                raise ValueError(f"Subwords.learn: words must have neither a space nor end={end!r}, got {word!r}.")

        symbols = [list(word + end) for word in words]
        counts = list(words.values())
        vocabulary = sorted(set().union(*symbols))
        order = {symbol: index for index, symbol in enumerate(vocabulary)}
        frequency: Counter[Pair] = Counter()
        found_in: defaultdict[Pair, set[int]] = defaultdict(set)  # the words that have a pair, or once had it
        for index, word in enumerate(symbols):
            for pair in pairwise(word):
                frequency[pair] += counts[index]
                found_in[pair].add(index)

        learned: list[Pair] = []
        while len(learned) < merges and frequency:
            best = max(frequency, key=lambda pair: (frequency[pair], -order[pair[0]], -order[pair[1]]))
            order.setdefault("".join(best), len(order))
            learned.append(best)
            for index in found_in.pop(best):  # the counts of these words' pairs change, and no others
                for pair in pairwise(symbols[index]):
                    frequency[pair] -= counts[index]
                symbols[index] = _joined(symbols[index], best)
                for pair in pairwise(symbols[index]):
                    frequency[pair] += counts[index]
                    found_in[pair].add(index)
            frequency = +frequency  # without the pairs that are gone
        return cls(vocabulary, learned, end=end)

    def split(self, text: str) -> list[str]:
        """The subwords of a text, word by word.

        Raises:
            TypeError: The text is not a string.
            ValueError: It has a character that is not in the vocabulary.
        """
        if not isinstance(text, str):
            raise TypeError(f"Subwords: text must be a str, got {type(text).__name__}.")
        return [symbol for word in text.split(" ") if word for symbol in self._split_word(word)]

    def encode(self, text: str) -> list[int]:
        """The tokens of a text: the indices of its subwords in the vocabulary; raises as `split` does."""
        return [self._token[symbol] for symbol in self.split(text)]

    def decode(self, tokens: Iterable[int]) -> str:
        """The text that has these tokens. Without `end` nothing tells where a word ends, so the words are joined."""
        text = "".join(self.vocabulary[token] for token in tokens)
        return text.replace(self.end, " ").removesuffix(" ") if self.end else text

    def _split_word(self, word: str) -> list[str]:
        if word not in self._known:
            for position, character in enumerate(word):
                if character not in self._token or character == self.end:
                    rule = "text must be written with the characters that were learned"
                    raise ValueError(f"Subwords: {rule}, got {character!r} at position {position} of {word!r}.")
            symbols = list(word + self.end)
            while pairs := self._rank.keys() & set(pairwise(symbols)):
                symbols = _joined(symbols, min(pairs, key=self._rank.__getitem__))
            self._known[word] = symbols
        return self._known[word]


def _joined(symbols: list[str], pair: Pair) -> list[str]:
    """The symbols with each occurrence of the pair made one, from the left."""
    joined: list[str] = []
    for symbol in symbols:
        if joined and (joined[-1], symbol) == pair:
            joined[-1] += symbol
        else:
            joined.append(symbol)
    return joined
