"""The Markov model of tokens: the next token depends on the last one, or on the last few, and on nothing before."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attnref._checks import check_at_least
from attnref.sequence._checks import check_positions, check_tokens
from attnref.sequence._window import past_and_next


class MarkovModel:
    r"""The next token is drawn from a row of a table, and the last tokens say which row.

    $$ p(x_1, \ldots, x_n) = p(x_1, \ldots, x_w) \prod_{t=w+1}^{n} p(x_t \mid x_{t-1}, \ldots, x_{t-w})
    \qquad p(v \mid u) = \frac{c(u, v) + \alpha}{\sum_{v'} \bigl( c(u, v') + \alpha \bigr)} $$

    Here $c(u, v)$ counts how often token $v$ followed the tokens $u$. With a window of one this is the first-order
    Markov chain. The rows are kept only for the tokens that were seen together; after any others, each token is as
    likely as the next, which is the limit of little smoothing.

    Args:
        vocab_size: Number of tokens.
        window: How many past tokens the next one depends on; none at all is allowed.
        smoothing: Added to each count, $\alpha$; zero gives the table of maximum likelihood.

    Raises:
        TypeError: A size is not a whole number.
        ValueError: A size is too small, the smoothing is negative, or the windows are too many to be numbered.

    Examples:
        >>> import torch
        >>> from attnref import MarkovModel
        >>> tokens = torch.tensor([[0, 1, 0, 1, 0, 0]])
        >>> chain = MarkovModel(vocab_size=2).fit(tokens)
        >>> chain.table().round(decimals=3).tolist()  # after 0 came 1 twice and 0 once; after 1 came 0
        [[0.333, 0.667], [1.0, 0.0]]

    Source:
        Markov 1913, *An Example of Statistical Investigation of the Text Eugene Onegin*; longer windows: Shannon 1948,
        *A Mathematical Theory of Communication*, section 3.
    """

    def __init__(self, vocab_size: int, window: int = 1, *, smoothing: float = 0.0) -> None:
        check_at_least("MarkovModel", 1, vocab_size=vocab_size)
        check_at_least("MarkovModel", 0, window=window)
        if not smoothing >= 0:
            raise ValueError(f"MarkovModel: smoothing must not be negative, got {smoothing}.")
        if vocab_size**window >= 2**63:
            raise ValueError(f"MarkovModel: vocab_size ** window must be below 2 ** 63, got {vocab_size} ** {window}.")
        self.vocab_size, self.window, self.smoothing = vocab_size, window, smoothing
        self.seen = torch.zeros(0, dtype=torch.long)  # the numbers of the windows seen, in order
        self.counts = torch.zeros(0, vocab_size, dtype=torch.float64)  # for each of them, how often each token followed

    def fit(self, tokens: Int[Tensor, "batch n"]) -> "MarkovModel":
        """Count which token follows which window: the table of maximum likelihood, but for the smoothing.

        Args:
            tokens: The sequences, one a row.

        Returns:
            The model itself.

        Raises:
            TypeError: Tokens are not int32 or int64.
            ValueError: A token is not in the vocabulary, or the sequences are no longer than the window.
        """
        self._check(tokens, self.window + 1)
        past, following = past_and_next(tokens, self.window)
        self.seen, row = torch.unique(self._number(past).flatten(), return_inverse=True)
        pairs, ones = (row, following.flatten().long()), torch.ones(len(row), dtype=torch.float64, device=tokens.device)
        self.counts = ones.new_zeros(len(self.seen), self.vocab_size).index_put(pairs, ones, accumulate=True)
        return self

    def table(self) -> Float[Tensor, "*window vocab_size"]:
        """The whole table: an axis of `vocab_size` for each token of the window, the oldest first, then the next token.

        Returns:
            Probabilities that sum to one along the last axis. There are `vocab_size ** (window + 1)` of them.
        """
        windows = torch.arange(self.vocab_size**self.window, device=self.seen.device)
        return self._rows(windows).reshape([self.vocab_size] * (self.window + 1))

    def log_conditionals(self, tokens: Int[Tensor, "batch n"]) -> Float[Tensor, "batch n_explained"]:
        """Log-probability of each token given those before it, from the first that has a whole window behind it.

        Args:
            tokens: The sequences, one a row.

        Returns:
            One number for each token but the first `window`; minus infinity where the table holds a zero.

        Raises:
            TypeError: Tokens are not int32 or int64.
            ValueError: A token is not in the vocabulary, or the sequences are no longer than the window.
        """
        self._check(tokens, self.window + 1)
        past, following = past_and_next(tokens, self.window)
        return self._rows(self._number(past)).gather(-1, following[..., None].long())[..., 0].log()

    def log_likelihood(self, tokens: Int[Tensor, "batch n"]) -> Float[Tensor, " batch"]:
        """Log-probability of each sequence given its first `window` tokens: the sum of the log conditionals.

        Args:
            tokens: The sequences, one a row.

        Returns:
            One number for each sequence.

        Raises:
            TypeError: Tokens are not int32 or int64.
            ValueError: A token is not in the vocabulary, or the sequences are no longer than the window.
        """
        return self.log_conditionals(tokens).sum(-1)

    def predict(self, tokens: Int[Tensor, "batch n"], steps: int = 1) -> Float[Tensor, "batch steps vocab_size"]:
        """Probability of each token at each of the next places, whatever stands between.

        The second place and those after it need the whole table.

        Args:
            tokens: The sequences, one a row.
            steps: How far to look ahead.

        Returns:
            For each step a distribution over the tokens.

        Raises:
            TypeError: Tokens are not int32 or int64.
            ValueError: A token is not in the vocabulary, a sequence is shorter than the window, or there is no step.
        """
        self._check(tokens, self.window)
        check_at_least("MarkovModel", 1, steps=steps)
        last, windows = self._last(tokens), self.vocab_size**self.window
        places = [self._rows(last)]
        if steps > 1:
            table = self.table().reshape(windows, self.vocab_size)
            chance = torch.eye(windows, dtype=table.dtype, device=table.device)[
                last
            ]  # of each window, to be the last one
            for _ in range(steps - 1):
                joint = chance[:, :, None] * table  # the window, and the token after it
                chance = joint.reshape(len(tokens), self.vocab_size, windows).sum(1)  # the oldest token drops out
                places.append(chance @ table)
        return torch.stack(places, dim=1)

    def sample(self, tokens: Int[Tensor, "batch n"], steps: int, *, generator: torch.Generator) -> Tensor:
        """Draw a continuation of each sequence, token by token.

        Args:
            tokens: The sequences, one a row.
            steps: How many tokens to draw.
            generator: The source of chance.

        Returns:
            The drawn tokens, (batch, steps).

        Raises:
            TypeError: Tokens are not int32 or int64.
            ValueError: A token is not in the vocabulary, a sequence is shorter than the window, or there is no step.
        """
        self._check(tokens, self.window)
        check_at_least("MarkovModel", 1, steps=steps)
        last, drawn = self._last(tokens), list[Tensor]()
        for _ in range(steps):
            drawn.append(torch.multinomial(self._rows(last), 1, generator=generator)[:, 0])
            last = (last * self.vocab_size + drawn[-1]) % self.vocab_size**self.window
        return torch.stack(drawn, dim=1)

    def _number(self, past: Tensor) -> Tensor:
        """One number for each window: its tokens are the digits, the nearest one the last digit."""
        digits = self.vocab_size ** torch.arange(self.window, device=past.device)
        return (past.long() * digits).sum(-1)

    def _last(self, tokens: Tensor) -> Tensor:
        return self._number(tokens[:, tokens.shape[1] - self.window :].flip(-1))

    def _rows(self, windows: Tensor) -> Tensor:
        """The row of the table for each window: counts, smoothed, divided by their sum."""
        counts = self.counts.new_zeros(*windows.shape, self.vocab_size)
        if len(self.seen):
            row = torch.searchsorted(self.seen, windows).clamp(max=len(self.seen) - 1)
            counts = torch.where((self.seen[row] == windows)[..., None], self.counts[row], counts)
        unseen = counts.sum(-1, keepdim=True) == 0
        counts = torch.where(unseen, 1.0, counts + self.smoothing)
        return counts / counts.sum(-1, keepdim=True)

    def _check(self, tokens: Tensor, least: int) -> None:
        check_tokens("MarkovModel", "tokens", tokens, self.vocab_size)
        check_positions("MarkovModel", "tokens", tokens, least)

    def __repr__(self) -> str:
        return f"MarkovModel(vocab_size={self.vocab_size}, window={self.window}, smoothing={self.smoothing})"
