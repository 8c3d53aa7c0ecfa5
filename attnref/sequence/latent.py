"""The latent autoregressive model (Zhang et al., section 9.1): a hidden state sums up the past."""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnref._checks import check_at_least, check_axes, check_floating, check_tensor, has_values, shape_of
from attnref._numerics import at_least_float32, float32_or_wider
from attnref.sequence._checks import check_finite, check_generator, check_number, check_positions
from attnref.sequence._net import check_learns, checked_net, checked_read, draw_anew
from attnref.sequence._scale import mean_and_scale
from attnref.sequence.gru import GRU


class LatentAutoregressiveModel(nn.Module):
    r"""Each value depends on a hidden state, and the hidden state on all values so far.

    $$ h_t = f(h_{t-1}, x_{t-1}) \qquad x_t = b + w^\top h_t + \varepsilon_t
    \qquad \varepsilon_t \sim \mathcal{N}(0, \sigma^2) $$

    The hidden state is a vector of fixed size, however long the past. The series is standardized inside, by the mean
    and the standard deviation of what `fit` was given: the buffers `mean` and `scale`, saved with the weights. Called
    as a Module, the model gives its log conditionals. A NaN in x is refused by `fit`, and elsewhere carried on to
    what comes after it.

    Args:
        d_h: Size of the hidden state.
        recurrent: What makes the recurrent net $f$ from the size of an input, 1, and `d_h`: `GRU`, `LSTM`, `RNN`, a
            fast version, `partial(torch.nn.GRU, batch_first=True)`, or any maker of a Module that reads `(x, state)`
            forward in time and returns `(hidden, state)`, with hidden states of size `d_h`.

    Raises:
        TypeError: `d_h` is not an int, or `recurrent` is not a maker of recurrent nets.
        ValueError: `d_h` is less than one, or the net does not put the batch first.

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
        A. Zhang, Z. Lipton, M. Li and A. Smola, *Dive into Deep Learning*, section 9.1, latent autoregressive models,
        [d2l.ai](https://d2l.ai/chapter_recurrent-neural-networks/sequence.html).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, d_h: int, *, recurrent: Callable[[int, int], nn.Module] = GRU) -> None:
        check_at_least("LatentAutoregressiveModel", 1, d_h=d_h)
        super().__init__()
        self.d_h = d_h
        self.rnn = checked_net("LatentAutoregressiveModel", recurrent, 1, d_h)
        self.output_proj = nn.Linear(d_h, 1)
        self.log_sigma = nn.Parameter(torch.zeros(()))  # of the standardized series
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))
        self.losses: list[float] = []

    def reset_parameters(self) -> None:
        """Draw the weights anew, and forget the mean and the scale: the model as it was before `fit`."""
        draw_anew(*self.children())
        nn.init.zeros_(self.log_sigma)
        nn.init.zeros_(self.mean)
        nn.init.ones_(self.scale)
        self.losses = []

    @torch.inference_mode(False)  # with gradients, whatever the caller has switched off
    def fit(
        self, x: Float[Tensor, "batch n"], *, steps: int = 300, learning_rate: float = 0.01, weight_decay: float = 0.0
    ) -> "LatentAutoregressiveModel":
        """Raise the likelihood by gradient steps (AdamW): there is no closed form, and the maximum may not be found.

        It starts from the weights the model has, so a seed set before the model is made settles the result. A model in
        half precision is fitted in float32 and rounded at the end.

        Args:
            x: The series, one per row, in any unit.
            steps: How many gradient steps, each on all of the series.
            learning_rate: Of the first step, above zero; it falls to zero along a cosine.
            weight_decay: Each step shrinks the weights by `learning_rate * weight_decay` of themselves.

        Returns:
            The model itself; `losses` holds the mean of the negative log conditionals, in nats, before each step.

        Raises:
            TypeError: The series have not the dtype of the weights, or a setting is not a number.
            ValueError: A series holds fewer than two values, or values that are not finite; the series never change,
                and the likelihood has no maximum; a setting is out of range, or too large for a finite loss.
        """
        who = "LatentAutoregressiveModel.fit"
        self._check(who, x, 2)
        check_at_least(who, 1, steps=steps)
        check_number(who, 0, 1e6, above=True, learning_rate=learning_rate)
        check_number(who, 0, 1e6, weight_decay=weight_decay)
        if len(x) == 0:
            raise ValueError(f"{who}: x must hold at least one series, got shape {shape_of(x)}.")
        check_finite(who, "x", x)
        check_learns(who, self)
        (mean, scale), dtype = mean_and_scale(who, x), self.log_sigma.dtype
        self.to(float32_or_wider(dtype))
        try:
            self.mean, self.scale = mean.to(self.log_sigma), scale.to(self.log_sigma)
            self._descend(who, self._standardize(x.detach()), steps, learning_rate, weight_decay)
        finally:
            self.to(dtype)
        return self

    def forward(self, x: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n"]:
        """As `log_conditionals`: what the model computes when it is called."""
        return self.log_conditionals(x)

    def log_conditionals(self, x: Float[Tensor, "batch n"]) -> Float[Tensor, "batch n"]:
        """Log-density of each value given all before it; the first is given nothing.

        Args:
            x: The series, one per row.

        Returns:
            One number, in nats, for each value.

        Raises:
            TypeError: The series have not the dtype of the weights.
            ValueError: The series are empty, or the scale is zero.
        """
        self._check("LatentAutoregressiveModel.log_conditionals", x, 1)
        return self._log_conditionals(self._standardize(x)).to(x.dtype)

    def log_likelihood(self, x: Float[Tensor, "batch n"]) -> Float[Tensor, " batch"]:
        """Log-density of each series in nats, the sum of its log conditionals; takes and refuses the same series."""
        self._check("LatentAutoregressiveModel.log_likelihood", x, 1)
        return self._log_conditionals(self._standardize(x)).sum(-1).to(x.dtype)

    def predict(self, x: Float[Tensor, "batch n"], steps: int = 1) -> Float[Tensor, "batch steps"]:
        """Values after the end of each series, each prediction fed back as the next input; without gradients.

        The first is the expected value. The others are what follows if each prediction comes true, which is the
        expected value only where the net is linear.

        Args:
            x: The series, one per row.
            steps: How many values to predict.

        Returns:
            The prediction at each step.

        Raises:
            TypeError: The series have not the dtype of the weights, or `steps` is not an int.
            ValueError: The series are empty, `steps` is less than one, or the scale is zero.
        """
        return self._continue("LatentAutoregressiveModel.predict", x, steps, lambda mean: mean)

    def sample(self, x: Float[Tensor, "batch n"], steps: int, *, generator: torch.Generator) -> Tensor:
        """Draw a continuation of each series, each drawn value fed back as the next input; without gradients.

        Args:
            x: The series, one per row.
            steps: How many values to draw.
            generator: The source of the noise, on the device of x.

        Returns:
            The drawn values, (batch, steps).

        Raises:
            TypeError: As in `predict`, or the generator is none.
            ValueError: As in `predict`, or the generator is on another device.
        """
        who = "LatentAutoregressiveModel.sample"
        check_generator(who, generator, x)

        def draw(mean: Tensor) -> Tensor:
            noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
            return mean + self.log_sigma.exp() * noise

        return self._continue(who, x, steps, draw)

    def _standardize(self, x: Tensor) -> Tensor:
        return (at_least_float32(x) - self.mean) / self.scale

    def _read(self, before: Tensor, state: Any) -> tuple[Tensor, Any]:
        """From the values before: the mean of each next value, and the state after the last; all standardized."""
        read = self.rnn(before[..., None].to(self.output_proj.weight.dtype), state)  # (batch, n, d_h), state
        hidden, state = checked_read("LatentAutoregressiveModel", read, (*before.shape, self.d_h))
        return at_least_float32(self.output_proj(hidden)[..., 0]), state

    def _log_conditionals(self, z: Tensor) -> Tensor:
        before = torch.cat((torch.zeros_like(z[:, :1]), z[:, :-1]), dim=1)  # the mean comes before the first value
        mean, _ = self._read(before, None)
        log_sigma = at_least_float32(self.log_sigma)
        error = (z - mean) / log_sigma.exp()
        return -0.5 * error.square() - log_sigma - at_least_float32(self.scale).log() - 0.5 * math.log(2 * math.pi)

    def _descend(self, who: str, z: Tensor, steps: int, learning_rate: float, weight_decay: float) -> None:
        optimizer = torch.optim.AdamW(self.parameters(), lr=learning_rate, weight_decay=weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        self.losses = []
        for step in range(steps):
            loss = -self._log_conditionals(z).mean()
            self.losses.append(loss.item())
            if not math.isfinite(self.losses[-1]):
                given = f"{learning_rate} and {weight_decay}, and a loss of {self.losses[-1]} after step {step}"
                raise ValueError(f"{who}: learning_rate and weight_decay must give a finite loss, got {given}.")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters(), 1.0)
            optimizer.step()
            schedule.step()

    @torch.no_grad()
    def _continue(self, who: str, x: Tensor, steps: int, choose: Callable[[Tensor], Tensor]) -> Tensor:
        self._check(who, x, 1)
        check_at_least(who, 1, steps=steps)

        z = self._standardize(x)
        mean, state = self._read(torch.cat((torch.zeros_like(z[:, :1]), z), dim=1), None)
        values = [choose(mean[:, -1])]
        for _ in range(steps - 1):
            mean, state = self._read(values[-1][:, None], state)
            values.append(choose(mean[:, 0]))
        return (self.mean + self.scale * torch.stack(values, dim=1)).to(x.dtype)

    def _check(self, who: str, x: Tensor, at_least: int) -> None:
        check_tensor(who, x=x)
        check_axes(who, "x", x, "(batch, n)", exactly=2)
        check_floating(who, x=x, weight=self.output_proj.weight)
        check_positions(who, "x", x, at_least)
        if has_values(self.scale) and not (self.mean.isfinite() and 0 < self.scale < math.inf):
            given = f"mean {self.mean.item()}, scale {self.scale.item()} in {self.scale.dtype}"
            raise ValueError(f"{who}: mean and scale must be finite, and scale above 0, got {given}.")
