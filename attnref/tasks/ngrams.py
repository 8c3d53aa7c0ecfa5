"""Counts of subwords that follow each other: what a language model has to beat."""

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from attnref._checks import check_at_least


class NGrams:
    r"""Mix the shares of a token after no token, after the last one, after the last two, and so on.

    $$ p(t_i \mid t_{<i}) = \sum_{k=1}^{N} \lambda_k \, \hat p_k(t_i \mid t_{i-k+1} \ldots t_{i-1})
       \qquad \sum_k \lambda_k = 1 $$

    Each $\hat p_k$ is a share of counts; after tokens that were never seen together, it is $\hat p_{k-1}$. One is added
    to each count of $\hat p_1$, so that no token is impossible. The $\lambda_k$ are equal until `fit_mix` finds those
    that predict other texts best, by expectation maximization.

    Args:
        vocab_size: Number of different tokens.
        texts: The texts that are counted.
        order: N: 1 for unigrams, 2 for bigrams, 3 for trigrams.

    Raises:
        ValueError: A number is less than one.

    Examples:
        >>> from attnref.tasks.ngrams import NGrams
        >>> bigrams = NGrams(2, [[0, 1, 0, 1, 0]], order=2)
        >>> bigrams.shares([0, 1]).tolist()  # of 1 after 0: 3 of 7 by unigrams, always by bigrams
        [[0.4285714328289032, 1.0]]

    Source:
        Jelinek and Mercer 1980, *Interpolated Estimation of Markov Source Parameters from Sparse Data*; as told by Chen
        and Goodman 1996, [arXiv:cmp-lg/9606011](https://arxiv.org/abs/cmp-lg/9606011), section 2.
    """

    def __init__(self, vocab_size: int, texts: Iterable[Sequence[int]], order: int) -> None:
        check_at_least("NGrams", 1, vocab_size=vocab_size, order=order)
        self.vocab_size, self.order, self.mix = vocab_size, order, torch.full((order,), 1 / order)
        self.counts: Counter[tuple[int, ...]] = Counter()
        self.before: Counter[tuple[int, ...]] = Counter()  # how often something followed these tokens
        for text in texts:
            for k in range(1, order + 1):
                for at in range(k - 1, len(text)):
                    tokens = tuple(text[at - k + 1 : at + 1])
                    self.counts[tokens] += 1
                    self.before[tokens[:-1]] += 1

    def shares(self, text: Sequence[int]) -> Tensor:
        """The share of each token but the first, by each length of count, (n - 1, order)."""
        rows = []
        for at in range(1, len(text)):
            row = [(self.counts[(text[at],)] + 1) / (self.before[()] + self.vocab_size)]
            for k in range(2, self.order + 1):
                tokens = tuple(text[max(at - k + 1, 0) : at + 1])
                known = len(tokens) == k and self.before[tokens[:-1]]
                row.append(self.counts[tokens] / known if known else row[-1])
            rows.append(row)
        return torch.tensor(rows)

    def fit_mix(self, texts: Iterable[Sequence[int]], rounds: int = 50) -> "NGrams":
        """Find the mix that predicts these texts best; they should not be among the counted ones."""
        shares = torch.cat([self.shares(text) for text in texts]).double()
        self.mix = torch.full((self.order,), 1 / self.order, dtype=torch.double)
        for _ in range(rounds):
            parts = self.mix * shares
            self.mix = (parts / parts.sum(-1, keepdim=True)).mean(0)
        return self

    def loss(self, texts: Iterable[Sequence[int]]) -> float:
        """The sum of the losses of all tokens but the first of each text, in nats."""
        return sum(-(self.shares(text).double() @ self.mix.double()).log().sum().item() for text in texts)
