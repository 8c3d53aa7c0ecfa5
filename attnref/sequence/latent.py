"""The latent autoregressive model: a hidden state, renewed at each step, sums up the past."""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnref._checks import check_at_least, check_axes, check_floating
from attnref.sequence._checks import check_positions
from attnref.sequence.gru import GRU


class LatentAutoregressiveModel(nn.Module):
    r"""Each value depends on a hidden state, and the hidden state on all values so far.

    $$ h_t = f(h_{t-1}, x_{t-1}) \qquad x_t = b + w^\top h_t + \varepsilon_t
    \qquad \varepsilon_t \sim \mathcal{N}(0, \sigma^2) $$

    The state is a vector of fixed size, however long the past. The series is shifted and scaled to mean zero and
    variance one inside, by the mean and the scale of what `fit` was given.

    Args:
        d_h: Width of the hidden state.
        recurrent: What makes the recurrent net $f$ from the width of an input, 1, and `d_h`: `GRU`, `LSTM`, `RNN`, or
            anything that reads `(x, state)` and gives `(hidden, state)` as they do.

    Raises:
        TypeError: `d_h` is not a whole number.
        ValueError: `d_h` is less than one.

    Examples:
        >>> import torch
        >>> from attnref import LatentAutoregressiveModel
        >>> _ = torch.manual_seed(0)
        >>> model = LatentAutoregressiveModel(d_h=4)
        >>> square = torch.tensor([[0.0, 0.0, 1.0, 1.0] * 5])  # after a 1 comes a 1 or a 0
        >>> losses = model.fit(square, steps=100, learning_rate=0.05).losses
        >>> losses[-1] < losses[0]
        True
        >>> model.predict(square, steps=4).shape
        torch.Size([1, 4])

    Source:
        A. Zhang, Z. Lipton, M. Li and A. Smola, *Dive into Deep Learning*, section 9.1, latent autoregressive models.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, d_h: int, *, recurrent: Callable[[int, int], nn.Module] = GRU) -> None:
        check_at_least("LatentAutoregressiveModel", 1, d_h=d_h)
        super().__init__()
        self.rnn = recurrent(1, d_h)
        self.output_proj = nn.Linear(d_h, 1)
        self.log_sigma = nn.Parameter(torch.zeros(()))
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))
        self.losses: list[float] = []

    def fit(
        self, x: Float[Tensor, "batch n"], *, steps: int = 300, learning_rate: float = 0.01, weight_decay: float = 0.0
    ) -> "LatentAutoregressiveModel":
        """Raise the likelihood by gradient steps (AdamW): there is no closed form, and the best may not be found.

        It starts from the weights the model has, so a seed set before the model is made settles the result.

        Args:
            x: The series, one a row.
            steps: How many gradient steps, each on all of the series.
            learning_rate: Length of the first steps; it falls to zero along a cosine.
            weight_decay: How strongly weights are pulled towards zero.

        Returns:
            The model itself; `losses` holds the mean of the negative log conditionals before each step.

        Raises:
            TypeError: The series have not the dtype of the weights.
            ValueError: The series hold fewer than two values, or there is no step.
        """
        self._check(x, 2)
        check_at_least("LatentAutoregressiveModel", 1, steps=steps)
        self.mean, self.scale = x.mean(), x.std()
        optimizer = torch.optim.AdamW(self.parameters(), lr=learning_rate, weight_decay=weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        self.losses = []
        for _ in range(steps):
            loss = -self.log_conditionals(x).mean()
            self.losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        return self

    def log_conditionals(self, x: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n"]:
        """Log-density of each value given all before it; the first is given nothing.

        Args:
            x: The series, one a row.

        Returns:
            One number for each value.

        Raises:
            TypeError: The series have not the dtype of the weights.
            ValueError: The series are empty.
        """
        self._check(x, 1)
        before = torch.cat((self.mean.expand(len(x), 1), x[:, :-1]), dim=1)  # before the first value stands the mean
        mean, _ = self._read(before, None)
        z = (x - mean) / (self.scale * self.log_sigma.exp())
        return -0.5 * z.square() - self.scale.log() - self.log_sigma - 0.5 * math.log(2 * math.pi)

    def log_likelihood(self, x: Float[Tensor, "batch n"]) -> Float[Tensor, " batch"]:
        """Log-density of each series: the sum of the log conditionals.

        Args:
            x: The series, one a row.

        Returns:
            One number for each series.

        Raises:
            TypeError: The series have not the dtype of the weights.
            ValueError: The series are empty.
        """
        return self.log_conditionals(x).sum(-1)

    def predict(self, x: Float[Tensor, "batch n"], steps: int = 1) -> Float[Tensor, "batch steps"]:
        """Values after the end of each series, each prediction fed back in.

        The first is the expected value. The others are what follows if each prediction comes true, which is the
        expected value only where the net is linear.

        Args:
            x: The series, one a row.
            steps: How far to look ahead.

        Returns:
            The prediction at each step.

        Raises:
            TypeError: The series have not the dtype of the weights.
            ValueError: The series are empty, or there is no step.
        """
        return self._continue(x, steps, lambda mean: mean)

    def sample(self, x: Float[Tensor, "batch n"], steps: int, *, generator: torch.Generator) -> Tensor:
        """Draw a continuation of each series, value by value, each drawn value fed back in.

        Args:
            x: The series, one a row.
            steps: How many values to draw.
            generator: The source of chance.

        Returns:
            The drawn values, (batch, steps).

        Raises:
            TypeError: The series have not the dtype of the weights.
            ValueError: The series are empty, or there is no step.
        """

        def draw(mean: Tensor) -> Tensor:
            noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
            return mean + self.scale * self.log_sigma.exp() * noise

        return self._continue(x, steps, draw)

    def _read(self, before: Tensor, state: Any) -> tuple[Tensor, Any]:
        """From the values before: the mean of each next value, and the state after the last."""
        hidden, state = self.rnn(((before - self.mean) / self.scale)[..., None], state)
        return self.mean + self.scale * self.output_proj(hidden)[..., 0], state

    @torch.no_grad()
    def _continue(self, x: Tensor, steps: int, choose: Callable[[Tensor], Tensor]) -> Tensor:
        self._check(x, 1)
        check_at_least("LatentAutoregressiveModel", 1, steps=steps)
        mean, state = self._read(torch.cat((self.mean.expand(len(x), 1), x), dim=1), None)
        values = [choose(mean[:, -1])]
        for _ in range(steps - 1):
            mean, state = self._read(values[-1][:, None], state)
            values.append(choose(mean[:, 0]))
        return torch.stack(values, dim=1)

    def _check(self, x: Tensor, least: int) -> None:
        who = "LatentAutoregressiveModel"
        check_axes(who, "x", x, "(batch, n)", exactly=2)
        check_floating(who, x=x, weight=self.output_proj.weight)
        check_positions(who, "x", x, least)
