"""Counts of tokens beside other tokens, left, right or both: what a masked language model has to beat."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from attnref._checks import check_at_least

Window = tuple[int, ...]
Seen = tuple[bool, ...]
LEFT: tuple[Window, ...] = ((), (-1,), (-2, -1), (-3, -2, -1), (-4, -3, -2, -1))
RIGHT: tuple[Window, ...] = ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4))
WINDOWS = {
    "none": LEFT[:1],
    **{f"left, {n}": LEFT[: n + 1] for n in (1, 2, 3, 4)},
    **{f"both, {n}": tuple((*a, *b) for a in LEFT[: n + 1] for b in RIGHT[: n + 1]) for n in (1, 2, 3)},
}


class Neighbors:
    r"""Mix how often each token stood between the neighbors that are there, for several choices of neighbors.

    $$ p(t_i \mid \text{neighbors}) = \sum_{w} \lambda_w \, \hat p_w(t_i \mid t_{i+o},\; o \in w)
       \qquad \sum_w \lambda_w = 1 $$

    Each window w is a set of offsets: (-1,) is the token before, (-1, 1) the tokens on both sides, () nothing at all.
    Each $\hat p_w$ is a share of counts. Neighbors that are masked, or were never seen together, have none; so there is
    a mix for each set of windows that have a share. One is added to each count of the window without neighbors, so that
    no token is impossible. The $\lambda_w$ are equal until `fit_mix` finds those that predict other texts best, by
    expectation maximization.

    Args:
        vocab_size: Number of different tokens.
        texts: The texts that are counted.
        windows: The offsets of the neighbors of each share, in ascending order; the first window is ().

    Raises:
        ValueError: There is no token, or the first window has neighbors.

    Examples:
        >>> from attnref.tasks.neighbors import Neighbors
        >>> both = Neighbors(3, [[0, 1, 0, 2, 0, 1, 0]], windows=[(), (-1, 1)])
        >>> both([0, None, 0], 1)  # between 0 and 0: 1 in two of three, mixed with (count + 1) / 10
        tensor([0.2500, 0.4833, 0.2667])
    """

    def __init__(self, vocab_size: int, texts: Iterable[Sequence[int]], windows: Sequence[Window]) -> None:
        check_at_least("Neighbors", 1, vocab_size=vocab_size, windows=len(windows))
        if tuple(windows[0]) != ():
            raise ValueError(f"Neighbors: the first window must be (), got {tuple(windows[0])}.")
        self.vocab_size, self.windows = vocab_size, [tuple(window) for window in windows]
        self.mix: dict[Seen, Tensor] = {}
        self.counts: list[defaultdict[tuple[int | None, ...], Counter[int]]] = [defaultdict(Counter) for _ in windows]
        for text in texts:
            for at, token in enumerate(text):
                for window, counts in zip(self.windows, self.counts, strict=True):
                    if (found := _neighbors(text, at, window)) is not None:
                        counts[found][token] += 1
        alone = torch.ones(vocab_size)
        for token, count in self.counts[0][()].items():
            alone[token] += count
        self.alone = alone / alone.sum()

    def __call__(self, tokens: Sequence[int | None], at: int) -> Tensor:
        """The probability of each token at one position, (vocab_size,).

        Args:
            tokens: A text; None where a token is masked.
            at: The position that is asked for. Its own token is not looked at.
        """
        found = self._found(tokens, at)
        mix = self._mix(tuple(one is not None for one in found))
        chances = mix[0] * self.alone
        for part, counts in zip(mix[1:].tolist(), found[1:], strict=True):
            if counts:
                where, count = torch.tensor(list(counts)), torch.tensor(list(counts.values()))
                chances[where] += part * count / counts.total()
        return chances

    def fit_mix(self, questions: Iterable[tuple[Sequence[int | None], int, int]], rounds: int = 50) -> "Neighbors":
        """Find the mixes that answer questions about other texts best: (tokens, position, the right answer) each."""
        shares: defaultdict[Seen, list[list[float]]] = defaultdict(list)
        for tokens, at, right in questions:
            found = self._found(tokens, at)
            row = [self.alone[right].item()] + [counts[right] / counts.total() for counts in found[1:] if counts]
            shares[tuple(one is not None for one in found)].append(row)
        for seen, rows in shares.items():
            share = torch.tensor(rows, dtype=torch.double)
            mix = torch.full((share.shape[1],), 1 / share.shape[1], dtype=torch.double)
            for _ in range(rounds):
                parts = mix * share
                mix = (parts / parts.sum(-1, keepdim=True)).sum(0) + 1  # one more for each: few questions decide little
                mix = mix / mix.sum()
            whole = torch.zeros(len(seen), dtype=torch.double)
            whole[torch.tensor(seen)] = mix
            self.mix[seen] = whole.float()
        return self

    def _found(self, tokens: Sequence[int | None], at: int) -> list[Counter[int] | None]:
        """For each window what was counted between these neighbors; None where nothing was."""
        found: list[Counter[int] | None] = []
        for window, counts in zip(self.windows, self.counts, strict=True):
            neighbors = _neighbors(tokens, at, window)
            found.append(None if neighbors is None else counts.get(neighbors))
        return found

    def _mix(self, seen: Seen) -> Tensor:
        return self.mix.get(seen, torch.tensor(seen) / sum(seen))


def _neighbors(tokens: Sequence[int | None], at: int, window: Window) -> tuple[int | None, ...] | None:
    """The tokens at the offsets of a window, None for a masked one, which no count has; None where the text ends."""
    if window and (at + window[0] < 0 or at + window[-1] >= len(tokens)):
        return None
    return tuple(tokens[at + offset] for offset in window)
