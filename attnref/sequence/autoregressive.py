"""The autoregressive model over a fixed window of the past (Yule 1927): a value is a weighted sum of those before."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from attnref._checks import check_at_least, check_axes, check_floating
from attnref.sequence._checks import check_positions
from attnref.sequence._window import past_and_next


class AutoregressiveModel:
    r"""Each value of a series is a weighted sum of the last few, plus noise.

    $$ x_t = b + \sum_{k=1}^{w} a_k\, x_{t-k} + \varepsilon_t \qquad \varepsilon_t \sim \mathcal{N}(0, \sigma^2) $$

    What lies further back than the window has no say. Until `fit` is called, or `weight`, `bias` and `sigma` are set by
    hand, the model is noise of size one about zero.

    Args:
        window: How many past values a value depends on; none at all is allowed.

    Raises:
        TypeError: The window is not a whole number.
        ValueError: The window is negative.

    Examples:
        >>> import torch
        >>> from attnref import AutoregressiveModel
        >>> model = AutoregressiveModel(window=1)
        >>> model.weight, model.bias = torch.tensor([0.5]), torch.tensor(1.0)
        >>> model.predict(torch.tensor([[4.0]]), steps=3)
        tensor([[3.0000, 2.5000, 2.2500]])

    Source:
        Yule 1927, *On a Method of Investigating Periodicities in Disturbed Series*; his series is that of the sunspots.
    """

    def __init__(self, window: int) -> None:
        check_at_least("AutoregressiveModel", 0, window=window)
        self.window = window
        self.weight = torch.zeros(window)  # of the last value, of the one before it, ...
        self.bias = torch.zeros(())
        self.sigma = torch.ones(())

    def fit(self, x: Float[Tensor, "batch n"]) -> "AutoregressiveModel":
        """Take the weights and the bias of least squares, and with them the sigma of maximum likelihood.

        Args:
            x: The series, one a row.

        Returns:
            The model itself.

        Raises:
            TypeError: The series are not floating point.
            ValueError: There are no more values to explain than there are weights to choose.
        """
        self._check(x, self.window + 1)
        past, following = past_and_next(x, self.window)
        rows = torch.cat((past, torch.ones_like(following[..., None])), dim=-1).flatten(0, 1)
        if len(rows) <= self.window + 1:
            raise ValueError(
                f"AutoregressiveModel: x must hold more values to explain than there are weights, "
                f"window + 1={self.window + 1}, got {len(rows)} from shape {tuple(x.shape)}."
            )

        solution = torch.linalg.lstsq(rows, following.reshape(-1, 1)).solution[:, 0]
        self.weight, self.bias = solution[:-1], solution[-1]
        self.sigma = (following - self._mean(past)).square().mean().sqrt()
        return self

    def log_conditionals(self, x: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n_explained"]:
        """Log-density of each value given those before it, from the first value that has a whole window behind it.

        Args:
            x: The series, one a row.

        Returns:
            One number for each value but the first `window`.

        Raises:
            TypeError: The series have not the dtype of the weights.
            ValueError: The series are no longer than the window.
        """
        self._check(x, self.window + 1, weight=self.weight)
        past, following = past_and_next(x, self.window)
        z = (following - self._mean(past)) / self.sigma
        return -0.5 * z.square() - self.sigma.log() - 0.5 * math.log(2 * math.pi)

    def log_likelihood(self, x: Float[Tensor, "batch n"]) -> Float[Tensor, " batch"]:
        """Log-density of each series given its first `window` values: the sum of the log conditionals.

        Args:
            x: The series, one a row.

        Returns:
            One number for each series.

        Raises:
            TypeError: The series have not the dtype of the weights.
            ValueError: The series are no longer than the window.
        """
        return self.log_conditionals(x).sum(-1)

    def predict(self, x: Float[Tensor, "batch n"], steps: int = 1) -> Float[Tensor, "batch steps"]:
        """Expected values after the end of each series: from the second step on, predictions stand in for values.

        Args:
            x: The series, one a row.
            steps: How far to look ahead.

        Returns:
            The expected value at each step.

        Raises:
            TypeError: The series have not the dtype of the weights.
            ValueError: The series are shorter than the window, or there is no step.
        """
        return self._continue(x, steps, lambda mean: mean)

    def sample(self, x: Float[Tensor, "batch n"], steps: int, *, generator: torch.Generator) -> Tensor:
        """Draw a continuation of each series, value by value, each drawn value part of the next one's past.

        Args:
            x: The series, one a row.
            steps: How many values to draw.
            generator: The source of chance.

        Returns:
            The drawn values, (batch, steps).

        Raises:
            TypeError: The series have not the dtype of the weights.
            ValueError: The series are shorter than the window, or there is no step.
        """

        def draw(mean: Tensor) -> Tensor:
            noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
            return mean + self.sigma * noise

        return self._continue(x, steps, draw)

    def _mean(self, past: Tensor) -> Tensor:
        return self.bias + past @ self.weight

    def _continue(self, x: Tensor, steps: int, choose) -> Tensor:
        self._check(x, self.window, weight=self.weight)
        check_at_least("AutoregressiveModel", 1, steps=steps)
        n = x.shape[1]
        for _ in range(steps):
            past = x[:, x.shape[1] - self.window :].flip(-1)
            x = torch.cat((x, choose(self._mean(past))[:, None]), dim=1)
        return x[:, n:]

    def _check(self, x: Tensor, least: int, **like: Tensor) -> None:
        check_axes("AutoregressiveModel", "x", x, "(batch, n)", exactly=2)
        check_floating("AutoregressiveModel", x=x, **like)
        check_positions("AutoregressiveModel", "x", x, least)

    def __repr__(self) -> str:
        return f"AutoregressiveModel(window={self.window})"
