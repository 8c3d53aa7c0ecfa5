"""The autoregressive model over a fixed window of the past (Yule 1927): a value is a weighted sum of those before."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from attnref._checks import check_at_least, check_axes, check_floating, check_tensor, has_values, shape_of
from attnref._numerics import at_least_float32
from attnref.sequence._checks import check_finite, check_generator, check_positions
from attnref.sequence._least_squares import least_squares
from attnref.sequence._window import past_and_next


class AutoregressiveModel:
    r"""Each value of a series is a weighted sum of the last few, plus noise.

    $$ x_t = b + \sum_{k=1}^{w} a_k\, x_{t-k} + \varepsilon_t \qquad \varepsilon_t \sim \mathcal{N}(0, \sigma^2) $$

    Values before the window have no influence. Until `fit` is called, or `weight`, `bias` and `sigma` are set by hand,
    the model is noise of standard deviation one around zero. Series in half precision are computed with in float32, and
    the results rounded to the dtype of x. Outside `fit` a NaN in x is carried on to what depends on it.

    Args:
        window: How many past values a value depends on; zero is allowed.

    Raises:
        TypeError: The window is not an int.
        ValueError: The window is negative.

    Examples:
        >>> import torch
        >>> from attnref import AutoregressiveModel
        >>> model = AutoregressiveModel(window=1)
        >>> model.weight, model.bias = torch.tensor([0.5]), torch.tensor(1.0)
        >>> model.predict(torch.tensor([[4.0]]), steps=3)
        tensor([[3.0000, 2.5000, 2.2500]])

    Source:
        Yule 1927, *On a Method of Investigating Periodicities in Disturbed Series, with Special Reference to Wolfer's
        Sunspot Numbers*, [doi:10.1098/rsta.1927.0007](https://doi.org/10.1098/rsta.1927.0007).
    """

    def __init__(self, window: int) -> None:
        check_at_least("AutoregressiveModel", 0, window=window)
        self.window = window
        self.weight = torch.zeros(window)  # of the last value, of the one before it, ...
        self.bias = torch.zeros(())
        self.sigma = torch.ones(())

    def fit(self, x: Float[Tensor, "batch n"]) -> "AutoregressiveModel":
        """Take the weights and the bias of least squares, and with them the sigma of maximum likelihood.

        Solved in float64 on the CPU, whatever the device, and returned in the dtype and on the device of x: the numbers
        are those of `fit(x.double())`, rounded. No gradient flows through them.

        A series that follows its window exactly gives a sigma of zero: it can be predicted, but has no density.

        Args:
            x: The series, one per row, in any unit; bias and sigma are in the same unit.

        Returns:
            The model itself.

        Raises:
            TypeError: The series are not floating point.
            ValueError: A value is NaN or infinite; there are no more values to explain than weights and bias; the
                windows leave the weights open, because the series never change (`window=0` fits those) or because a
                shorter window predicts them exactly; the dtype of x cannot hold the result.
        """
        who = "AutoregressiveModel.fit"
        self._check_x(who, x, self.window + 1)
        explained = len(x) * (x.shape[1] - self.window)
        if explained <= self.window + 1:
            raise ValueError(
                f"{who}: x must hold more values to explain than there are weights and bias, "
                f"window + 1={self.window + 1}, got {explained} from shape {shape_of(x)}."
            )
        check_finite(who, "x", x)

        weight, bias, sigma, rank = least_squares(x, self.window)
        if rank < self.window:
            raise ValueError(
                f"{who}: x must settle window={self.window} weights, got series that settle only {rank}; "
                f"AutoregressiveModel(window={rank}) may fit them."
            )
        largest = torch.cat((weight, bias[None], sigma[None])).abs().max().item()
        if not largest <= torch.finfo(x.dtype).max:
            raise ValueError(f"{who}: weight, bias and sigma must fit into {x.dtype}, got one of size {largest:.2g}.")
        self.weight, self.bias, self.sigma = weight.to(x), bias.to(x), sigma.to(x)
        return self

    def log_conditionals(self, x: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n_explained"]:
        """Log-density of each value given those before it, from the first value with a whole window before it.

        Args:
            x: The series, one per row.

        Returns:
            One number, in nats, for each value but the first `window`.

        Raises:
            TypeError: The series have not the dtype of the weights.
            ValueError: The series are no longer than the window, or sigma is zero: there is no density.
        """
        return self._log_conditionals("AutoregressiveModel.log_conditionals", x).to(x.dtype)

    def log_likelihood(self, x: Float[Tensor, "batch n"]) -> Float[Tensor, " batch"]:
        """Log-density of each series in nats, the sum of its log conditionals; takes and refuses the same series."""
        return self._log_conditionals("AutoregressiveModel.log_likelihood", x).sum(-1).to(x.dtype)

    def predict(self, x: Float[Tensor, "batch n"], steps: int = 1) -> Float[Tensor, "batch steps"]:
        """Expected values after the end of each series; from the second step on, predictions take the place of values.

        Args:
            x: The series, one per row.
            steps: How many values to predict.

        Returns:
            The expected value at each step.

        Raises:
            TypeError: The series have not the dtype of the weights, or `steps` is not an int.
            ValueError: The series are shorter than the window, or `steps` is less than one.
        """
        return self._continue("AutoregressiveModel.predict", x, steps, lambda mean: mean)

    def sample(
        self, x: Float[Tensor, "batch n"], steps: int, *, generator: torch.Generator
    ) -> Float[Tensor, "batch steps"]:
        """Draw a continuation of each series, value by value; each drawn value is part of the next one's window.

        Args:
            x: The series, one per row.
            steps: How many values to draw.
            generator: The source of the noise, on the device of x.

        Returns:
            The drawn values.

        Raises:
            TypeError: The series have not the dtype of the weights, `steps` is not an int, or the generator is none.
            ValueError: The series are shorter than the window, `steps` is less than one, sigma is negative or not
                finite, or the generator is on another device.
        """
        who = "AutoregressiveModel.sample"
        self._check(who, x, self.window)
        check_generator(who, generator, x)
        self._check_sigma(who)

        def draw(mean: Tensor) -> Tensor:
            noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
            return mean + self.sigma * noise

        return self._continue(who, x, steps, draw)

    def _mean(self, past: Tensor) -> Tensor:
        """The expected value after each window, in float32 at least; a sum and not `@`, which autocast would round."""
        return self.bias + (past * self.weight).sum(-1)

    def _log_conditionals(self, who: str, x: Tensor) -> Tensor:
        self._check(who, x, self.window + 1)
        self._check_sigma(who, above=True)

        past, following = past_and_next(at_least_float32(x), self.window)  # (batch, n_explained, window), ...
        z = (following - self._mean(past)) / self.sigma
        return -0.5 * z.square() - at_least_float32(self.sigma).log() - 0.5 * math.log(2 * math.pi)

    def _continue(self, who: str, x: Tensor, steps: int, choose: Callable[[Tensor], Tensor]) -> Tensor:
        self._check(who, x, self.window)
        check_at_least(who, 1, steps=steps)

        past, values = at_least_float32(x[:, x.shape[1] - self.window :].flip(-1)), []
        for _ in range(steps):
            values.append(choose(self._mean(past)))
            past = torch.cat((values[-1][:, None], past), dim=1)[:, : self.window]
        return torch.stack(values, dim=1).to(x.dtype)

    def _check_x(self, who: str, x: Tensor, at_least: int) -> None:
        check_tensor(who, x=x)
        check_axes(who, "x", x, "(batch, n)", exactly=2)
        check_floating(who, x=x)
        check_positions(who, "x", x, at_least)

    def _check(self, who: str, x: Tensor, at_least: int) -> None:
        """The series, and the weights, which may have been set by hand."""
        self._check_x(who, x, at_least)
        check_tensor(who, weight=self.weight, bias=self.bias, sigma=self.sigma)
        for name, shape in (("weight", (self.window,)), ("bias", ()), ("sigma", ())):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{who}: {name} must have shape {shape}, got {shape_of(getattr(self, name))}.")
        check_floating(who, x=x, weight=self.weight, bias=self.bias, sigma=self.sigma)

    def _check_sigma(self, who: str, *, above: bool = False) -> None:
        """Sigma is a standard deviation; one of zero leaves no density."""
        if has_values(self.sigma) and not (self.sigma.isfinite() and (self.sigma > 0 if above else self.sigma >= 0)):
            rule = "above 0, or there is no density" if above else "at least 0"
            raise ValueError(f"{who}: sigma must be finite and {rule}, got {self.sigma.item()}.")

    def __repr__(self) -> str:
        return f"AutoregressiveModel(window={self.window})"
