"""The Markov model of tokens (Markov 1913): the next token depends on the last one, or the last few, and no others."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attnref._checks import check_at_least
from attnref.sequence._checks import check_finite, check_generator, check_number, check_positions, check_tokens
from attnref.sequence._reading import Reading
from attnref.sequence._window import next_number, window_numbers


class MarkovModel:
    r"""The next token is drawn from a row of a table; the last tokens say which row.

    $$ p(x_1, \ldots, x_n) = p(x_1, \ldots, x_w) \prod_{t=w+1}^{n} p(x_t \mid x_{t-1}, \ldots, x_{t-w})
    \qquad p(v \mid u) = \frac{c(u, v) + \alpha}{\sum_{v'} \bigl( c(u, v') + \alpha \bigr)} $$

    Here $c(u, v)$ counts how often token $v$ followed the tokens $u$. With a window of one this is the first-order
    Markov chain. Rows are kept only for the windows that were seen; after any other, all tokens are equally likely,
    which is the limit of little smoothing. Before `fit`, and after a fit to an empty batch, no window was seen.

    Counts and probabilities are float64 (float32 on MPS, exact up to 2 ** 24).

    Args:
        vocab_size: Number of tokens.
        window: How many past tokens the next one depends on; zero is allowed.
        smoothing: Added to each count, $\alpha$; zero gives the table of maximum likelihood.

    Raises:
        TypeError: A size is not an int, or the smoothing is not a number.
        ValueError: A size is too small, the smoothing is negative or not finite, or the windows are too many to be
            numbered in int64.

    Examples:
        >>> import torch
        >>> from attnref import MarkovModel
        >>> tokens = torch.tensor([[0, 1, 0, 1, 0, 0]])
        >>> chain = MarkovModel(vocab_size=2).fit(tokens)
        >>> chain.table().round(decimals=3).tolist()  # after 0 came 1 twice and 0 once; after 1 came 0
        [[0.333, 0.667], [1.0, 0.0]]

    Source:
        Markov 1913, *An Example of Statistical Investigation of the Text Eugene Onegin Concerning the Connection of
        Samples in Chains*, [doi:10.1017/S0269889706001074](https://doi.org/10.1017/S0269889706001074); longer windows:
        Shannon 1948, *A Mathematical Theory of Communication*, section 3,
        [doi:10.1002/j.1538-7305.1948.tb01338.x](https://doi.org/10.1002/j.1538-7305.1948.tb01338.x).
    """

    def __init__(self, vocab_size: int, window: int = 1, *, smoothing: float = 0.0) -> None:
        check_at_least("MarkovModel", 1, vocab_size=vocab_size)
        check_at_least("MarkovModel", 0, window=window)
        if vocab_size >= 2**63:
            raise ValueError(f"MarkovModel: vocab_size must be below 2 ** 63, got {vocab_size}.")
        if vocab_size ** min(window, 63) >= 2**63:
            raise ValueError(f"MarkovModel: vocab_size ** window must be below 2 ** 63, got {vocab_size} ** {window}.")
        check_number("MarkovModel", 0, smoothing=smoothing)
        if math.isinf(vocab_size * smoothing):
            raise ValueError(f"MarkovModel: vocab_size * smoothing must be finite, got {vocab_size} * {smoothing}.")
        self.vocab_size, self.window, self.smoothing = vocab_size, window, smoothing
        self.seen = torch.zeros(0, dtype=torch.long)  # the numbers of the windows seen, in order
        # For each of them, how often each token followed: (windows seen, vocab_size).
        self.counts = torch.zeros(0, vocab_size, dtype=_float(self.seen))

    def fit(self, tokens: Int[Tensor, "batch n"]) -> "MarkovModel":
        """Count which token follows which window: the table of maximum likelihood, apart from the smoothing.

        Earlier counts are dropped. Memory: the counts, and a few numbers for each token.

        Args:
            tokens: The sequences, one per row.

        Returns:
            The model itself.

        Raises:
            TypeError: Tokens are not int32 or int64.
            ValueError: A token is not in the vocabulary, or the sequences are no longer than the window.
        """
        check_tokens("MarkovModel.fit", "tokens", tokens, self.vocab_size)
        check_positions("MarkovModel.fit", "tokens", tokens, self.window + 1)
        check_finite("MarkovModel.fit", "tokens", tokens)

        windows, following = self._pairs(tokens)
        self.seen, row = torch.unique(windows.flatten(), return_inverse=True)
        self.counts = torch.zeros(len(self.seen), self.vocab_size, dtype=_float(tokens), device=tokens.device)
        self.counts.index_put_((row, following.flatten()), self.counts.new_ones(()), accumulate=True)
        return self

    def table(self) -> Float[Tensor, "*window vocab_size"]:
        """The whole table: an axis of `vocab_size` for each token of the window, the oldest first, then the next token.

        Returns:
            Probabilities that sum to one along the last axis. There are `vocab_size ** (window + 1)` of them.
        """
        return self._rows(self._all()).reshape([self.vocab_size] * (self.window + 1))

    def log_conditionals(self, tokens: Int[Tensor, "batch n"]) -> Float[Tensor, "batch n_explained"]:
        """Log-probability of each token given those before it, from the first token with a whole window before it.

        Args:
            tokens: The sequences, one per row.

        Returns:
            One number, in nats, for each token but the first `window`; minus infinity where the table holds a zero.

        Raises:
            TypeError: Tokens are not int32 or int64.
            ValueError: A token is not in the vocabulary, or the sequences are no longer than the window.
        """
        return self._log_conditionals("MarkovModel.log_conditionals", tokens)

    def log_likelihood(self, tokens: Int[Tensor, "batch n"]) -> Float[Tensor, " batch"]:
        """Log-probability of each sequence in nats, the sum of its log conditionals; takes and refuses the same."""
        return self._log_conditionals("MarkovModel.log_likelihood", tokens).sum(-1)

    def predict(self, tokens: Int[Tensor, "batch n"], steps: int = 1) -> Float[Tensor, "batch steps vocab_size"]:
        r"""Probability of each token at each of the next positions, summed over all tokens in between.

        $$ p_1(v \mid u) = p(v \mid u) \qquad p_{k+1}(v \mid u) = \sum_t p(t \mid u)\, p_k(v \mid u\,t) $$

        Here $u\,t$ is the window $u$ without its oldest token and with $t$ after it. Memory: the result; with several
        steps also a few times the whole table, `vocab_size ** (window + 1)` numbers, whatever the batch.

        Args:
            tokens: The sequences, one per row.
            steps: How many positions to predict.

        Returns:
            For each step a distribution over the tokens.

        Raises:
            TypeError: Tokens are not int32 or int64, or `steps` is not an int.
            ValueError: A token is not in the vocabulary, a sequence is shorter than the window, or `steps` is < 1.
        """
        self._check("MarkovModel.predict", tokens, self.window)
        check_at_least("MarkovModel.predict", 1, steps=steps)

        last = self._last(tokens)
        ahead = self._rows(last)  # (batch, vocab_size)
        if steps == 1 or self.window == 0:  # without a window every position has the same distribution
            return ahead[:, None].repeat(1, steps, 1)
        result = ahead.new_empty(len(tokens), steps, self.vocab_size)
        result[:, 0] = ahead
        later = self._rows(self._all())  # p_k: (windows, vocab_size)
        table = later.reshape(self.vocab_size, -1, self.vocab_size)  # p: (oldest token, rest of the window, t)
        for k in range(1, steps):
            later = later.reshape(-1, self.vocab_size, self.vocab_size)  # (rest of the window, t, v)
            later = torch.einsum("ort,rtv->orv", table, later).reshape(-1, self.vocab_size)
            result[:, k] = later[last]
        return result

    def sample(
        self, tokens: Int[Tensor, "batch n"], steps: int, *, generator: torch.Generator
    ) -> Int[Tensor, "batch steps"]:
        """Draw a continuation of each sequence, token by token. Memory: a few rows of the table for each sequence.

        Args:
            tokens: The sequences, one per row.
            steps: How many tokens to draw.
            generator: The source of randomness, on the device of the tokens.

        Returns:
            The drawn tokens, int64.

        Raises:
            TypeError: Tokens are not int32 or int64, `steps` is not an int, or the generator is none.
            ValueError: A token is not in the vocabulary, a sequence is shorter than the window, `steps` is less than
                one, or the generator is on another device.
        """
        self._check("MarkovModel.sample", tokens, self.window)
        check_at_least("MarkovModel.sample", 1, steps=steps)
        check_generator("MarkovModel.sample", generator, tokens)

        last, drawn = self._last(tokens), list[Tensor]()
        for _ in range(steps):
            drawn.append(torch.multinomial(self._rows(last), 1, generator=generator)[:, 0])
            last = next_number(last, drawn[-1], self.window, self.vocab_size)
        return torch.stack(drawn, dim=1)

    def start(self) -> Reading:
        """Be ready to write: an `attnref.protocols.NextToken`, as `attnref.generate` takes it."""
        return Reading(lambda tokens, _: self.predict(tokens)[:, 0].log())

    def _pairs(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The number of each window that a token follows, and that token: (batch, n_explained) each."""
        return window_numbers(tokens[:, :-1], self.window, self.vocab_size), tokens[:, self.window :].long()

    def _last(self, tokens: Tensor) -> Tensor:
        """The number of the last window of each sequence: (batch,)."""
        return window_numbers(tokens[:, tokens.shape[1] - self.window :], self.window, self.vocab_size)[:, 0]

    def _all(self) -> Tensor:
        """The numbers of all windows, seen or not."""
        return torch.arange(self.vocab_size**self.window, device=self.seen.device)

    def _find(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """The row of `counts` for each window, and whether the window was seen at all."""
        row = torch.searchsorted(self.seen, windows).clamp_(max=len(self.seen) - 1)
        return row, self.seen[row] == windows

    def _rows(self, windows: Tensor) -> Tensor:
        """The row of the table for each window, (windows, vocab_size): counts, smoothed, divided by their sum.

        Each step works in place, so that no other tensor is as large as the result.
        """
        if len(self.seen) == 0:
            return self.counts.new_full((len(windows), self.vocab_size), 1 / self.vocab_size)
        row, seen = self._find(windows)
        rows = self.counts[row].masked_fill_(~seen[:, None], 0).add_(self.smoothing)
        rows.masked_fill_(rows.sum(-1, keepdim=True) == 0, 1)
        return rows.div_(rows.sum(-1, keepdim=True))

    def _log_conditionals(self, who: str, tokens: Tensor) -> Tensor:
        """Looks up one count and one sum for each token, and not its whole row of the table."""
        self._check(who, tokens, self.window + 1)
        windows, following = self._pairs(tokens)
        if len(self.seen) == 0:
            return self.counts.new_full(windows.shape, -math.log(self.vocab_size))
        row, seen = self._find(windows)
        count = self.counts[row, following].mul_(seen).add_(self.smoothing)
        total = self.counts.sum(-1)[row].mul_(seen).add_(self.smoothing * self.vocab_size)
        return torch.where(total == 0, 1 / self.vocab_size, count / total).log()

    def _check(self, who: str, tokens: Tensor, at_least: int) -> None:
        check_tokens(who, "tokens", tokens, self.vocab_size)
        check_positions(who, "tokens", tokens, at_least)
        if tokens.device != self.counts.device:
            given = f"tokens on {tokens.device}, counts on {self.counts.device}"
            raise ValueError(f"{who}: tokens and counts must be on one device, got {given}.")

    def __repr__(self) -> str:
        return f"MarkovModel(vocab_size={self.vocab_size}, window={self.window}, smoothing={self.smoothing})"


def _float(like: Tensor) -> torch.dtype:
    """float64, or float32 on MPS, which has none."""
    return torch.float32 if like.device.type == "mps" else torch.float64
