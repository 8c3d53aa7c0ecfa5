"""Gumbel-softmax: a soft sample of a category, with a gradient (Jang, Gu, Poole 2016; Maddison, Mnih, Teh 2016)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from attnref._checks import check_at_least, check_axes, check_floating, check_int, kind_of, shape_of
from attnref._numerics import at_least_float32
from attnref.sequence._checks import check_generator, check_number


def gumbel_softmax(
    logits: Float[Tensor, "*batch num_codes"],
    temperature: float = 1.0,
    *,
    hard: bool = False,
    noise: Float[Tensor, "*batch num_codes"] | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*batch num_codes"]:
    r"""Draw a soft one-hot vector: add Gumbel noise to the logits, then softmax at a temperature.

    $$ y_k = \frac{\exp((z_k + g_k) / \tau)}{\sum_j \exp((z_j + g_j) / \tau)} \qquad g_k = -\log(-\log u_k), \quad
       u_k \sim \operatorname{Uniform}(0, 1) $$

    The largest $z_k + g_k$ is at code $k$ with probability $\operatorname{softmax}(z)_k$, at every temperature. As
    $\tau \to 0$ the sample becomes the one-hot vector of that code; as $\tau \to \infty$ it becomes uniform. In between
    it has a gradient by the logits, which a draw has not.

    Args:
        logits: The unnormalized log probabilities of the codes.
        temperature: $\tau$, above zero.
        hard: Straight-through: return the one-hot vector, with the gradient of the soft one.
        noise: The Gumbel noise $g$, if it is not to be drawn.
        generator: The source of randomness of the noise; torch's own if omitted.

    Returns:
        The sample: not negative, and its sum over the codes is one.

    Raises:
        TypeError: Logits or noise are not floating point of one dtype, `hard` is not a bool, the temperature not a
            number, or the generator not one.
        ValueError: There is no axis of codes, the noise has another shape, the temperature is not above zero, or both
            noise and generator are given.

    Examples:
        >>> import torch
        >>> from attnref.models import gumbel_softmax
        >>> logits, noise = torch.tensor([2.0, 1.0, 0.0]), torch.tensor([-0.5, 1.0, 0.3])
        >>> gumbel_softmax(logits, noise=noise)
        tensor([0.3390, 0.5589, 0.1021])
        >>> gumbel_softmax(logits, 0.1, noise=noise).round(decimals=3)
        tensor([0.0070, 0.9930, 0.0000])
        >>> gumbel_softmax(logits, noise=noise, hard=True)
        tensor([0., 1., 0.])

    Source:
        Jang, Gu and Poole 2016, *Categorical Reparameterization with Gumbel-Softmax*,
        [arXiv:1611.01144](https://arxiv.org/abs/1611.01144), section 2, equations 1 and 2, section 2.2 for `hard`;
        Maddison, Mnih and Teh 2016, *The Concrete Distribution*,
        [arXiv:1611.00712](https://arxiv.org/abs/1611.00712), section 3.1, equation 10.
    """
    who = "gumbel_softmax"
    check_axes(who, "logits", logits, "(..., num_codes)")
    check_floating(who, logits=logits)
    check_at_least(who, 1, num_codes=logits.shape[-1])
    check_number(who, 0, above=True, temperature=temperature)
    if not isinstance(hard, bool):
        raise TypeError(f"{who}: hard must be a bool, got {kind_of(hard)}.")
    _check_noise(who, logits, noise, generator)

    noise = _draw(logits, generator) if noise is None else noise
    scores = at_least_float32(logits) + at_least_float32(noise)  # (..., num_codes)
    soft = (scores / temperature).softmax(-1)
    if hard:
        one_hot = torch.zeros_like(soft).scatter(-1, scores.argmax(-1, keepdim=True), 1.0)
        soft = one_hot + (soft - soft.detach())  # exactly one-hot: what is added is zero
    return soft.to(logits.dtype)


def temperature_schedule(step: int, *, num_steps: int, start: float = 1.0, end: float = 1 / 16) -> float:
    r"""The temperature at a step of training: half a cosine from `start` down to `end`, then constant.

    $$ \tau_t = \tau_\text{end} + \tfrac12 (\tau_\text{start} - \tau_\text{end})
       \bigl(1 + \cos(\pi \min(t / T, 1))\bigr) $$

    Args:
        step: $t$, counted from zero.
        num_steps: $T$, after which the temperature no longer changes.
        start: The first temperature.
        end: The last one.

    Returns:
        The temperature.

    Raises:
        TypeError: A step is not an int, or a temperature not a number.
        ValueError: The step is below zero, `num_steps` is less than one, or a temperature is not above zero.

    Examples:
        >>> from attnref.models import temperature_schedule
        >>> [round(temperature_schedule(step, num_steps=100), 3) for step in (0, 25, 50, 75, 100, 200)]
        [1.0, 0.863, 0.531, 0.2, 0.062, 0.062]

    Source:
        Ramesh et al. 2021, *Zero-Shot Text-to-Image Generation*,
        [arXiv:2102.12092](https://arxiv.org/abs/2102.12092), appendix A.2: from 1 to 1/16 over 150,000 updates.
    """
    who = "temperature_schedule"
    check_int(who, step=step)
    check_at_least(who, 0, step=step)
    check_at_least(who, 1, num_steps=num_steps)
    check_number(who, 0, above=True, start=start, end=end)

    return end + (start - end) * (1 + math.cos(math.pi * min(step / num_steps, 1))) / 2


def _draw(logits: Tensor, generator: torch.Generator | None) -> Tensor:
    """Gumbel noise: minus the logarithm of what is drawn from the exponential distribution, which is -log(u)."""
    return -torch.empty_like(at_least_float32(logits.detach())).exponential_(generator=generator).log()


def _check_noise(who: str, logits: Tensor, noise: Tensor | None, generator: torch.Generator | None) -> None:
    """The noise is as many numbers as there are logits, or is drawn; not both."""
    if generator is not None:
        check_generator(who, generator, logits)
    if noise is None:
        return
    check_axes(who, "noise", noise, "(..., num_codes)")
    check_floating(who, logits=logits, noise=noise)
    if noise.shape != logits.shape:
        given = f"logits {shape_of(logits)}, noise {shape_of(noise)}"
        raise ValueError(f"{who}: noise must have the shape of the logits, got {given}.")
    if generator is not None:
        raise ValueError(f"{who}: noise and generator must not both be given: the noise is given, or drawn.")
