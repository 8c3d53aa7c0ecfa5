"""The selective scan: a linear recurrence whose step size, input and output depend on the token (Gu and Dao 2023)."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref._numerics import at_least_float32, autocast_off
from attnref.models._checks import check_scan

Discretize = Literal["euler", "zoh"]


def selective_scan(
    x: Float[Tensor, "batch n d"],
    delta: Float[Tensor, "batch n d"],
    a: Float[Tensor, "d d_state"],
    b: Float[Tensor, "batch n d_state"],
    c: Float[Tensor, "batch n d_state"],
    d_skip: Float[Tensor, " d"] | None = None,
    state: Float[Tensor, "batch d d_state"] | None = None,
    *,
    discretize: Discretize = "euler",
    token_mask: Bool[Tensor, "batch n"] | None = None,
) -> tuple[Float[Tensor, "batch n d"], Float[Tensor, "batch d d_state"]]:
    r"""Keep a part of the state, add a part of the input, and read the state, as the token at hand decides.

    $$ h_i = \bar a_i \odot h_{i-1} + \bar b_i\, x_i \qquad y_i = c_i^\top h_i + d\, x_i \qquad
       \bar a_i = e^{\Delta_i a} $$

    $$ \bar b_i = \begin{cases} \Delta_i\, b_i & \text{euler} \\
       (\Delta_i a)^{-1} (e^{\Delta_i a} - 1)\, \Delta_i\, b_i & \text{zoh} \end{cases} $$

    This is for one of the d channels, which do not mix: each has a state of d_state numbers of its own, and a row of
    `a`; all channels share b and c. With $a < 0$ a small $\Delta_i$ keeps the state and skips the input, a large one
    forgets the state and takes the input. The loop computes in float32 at least, also under autocast.

    torch.compile, torch.export and torch.jit.trace unroll the loop: a program for each n, with a free batch.

    Args:
        x: The input, d channels.
        delta: The step size Δ of each position and channel, above zero.
        a: The rates, below zero for a state that fades.
        b: What each position writes into the state with.
        c: What each position reads the state with.
        d_skip: The share of the input that goes past the state; none if omitted.
        state: The state before the first position, in float32 at least; zero if omitted.
        discretize: "euler", as the paper's code and Hugging Face have it, or "zoh", the zero-order hold of the paper's
            equation 4, exact for an input that is constant during a step. They agree as Δ goes to zero.
        token_mask: True = a real token, False = padding, where the state does not change and the output is zero.

    Returns:
        y: The output at each position, in the dtype of x.
        state: The state after the last position, in float32 at least.

    Raises:
        TypeError: The inputs are not of one floating dtype, the state is not of float32 at least, or the token mask is
            not bool.
        ValueError: The inputs do not agree in batch, n, d or d_state, there is no position, or `discretize` is neither
            "euler" nor "zoh".

    Examples:
        >>> import torch
        >>> from attnref.models import selective_scan
        >>> x, one = torch.tensor([[[8.0], [1.0], [1.0]]]), torch.ones(1, 3, 1)
        >>> delta = torch.tensor([[[1.0], [0.0], [9.0]]])  # take the first input, skip the second, take the third
        >>> y, state = selective_scan(x, delta, torch.tensor([[-1.0]]), one, one)
        >>> y.flatten(), state
        (tensor([8.0000, 8.0000, 9.0010]), tensor([[[9.0010]]]))
        >>> selective_scan(x, delta, torch.tensor([[-1.0]]), one, one, discretize="zoh")[0].flatten()
        tensor([5.0570, 5.0570, 1.0005])

    Source:
        Gu and Dao 2023, *Mamba: Linear-Time Sequence Modeling with Selective State Spaces*,
        [arXiv:2312.00752](https://arxiv.org/abs/2312.00752), section 2, equations 1 to 4, and section 3.2, algorithm 2.
    """
    check_scan("selective_scan", x, delta, a, b, c, d_skip, state, discretize, token_mask)

    dtype, (x, delta, b, c) = x.dtype, _wide(x, delta, b, c, token_mask=token_mask)
    a = at_least_float32(a)
    h = x.new_zeros(x.shape[0], *a.shape) if state is None else state  # (batch, d, d_state)
    outputs = []
    with autocast_off(x):
        for x_i, delta_i, b_i, c_i in zip(x.unbind(1), delta.unbind(1), b.unbind(1), c.unbind(1), strict=True):
            a_bar, step = _discretized(delta_i[..., None], a, discretize)
            h = a_bar * h + step * x_i[..., None] * b_i[:, None]  # (batch, d, d_state)
            outputs.append((h * c_i[:, None]).sum(-1))  # (batch, d)
        y = torch.stack(outputs, dim=1)  # (batch, n, d)
        if d_skip is not None:
            y = y + d_skip * x
    return y.to(dtype), h


def _wide(*tensors: Tensor, token_mask: Tensor | None) -> list[Tensor]:
    """In float32 at least, and zero at padding: with a step of zero the state stays as it is."""
    if token_mask is not None:
        tensors = tuple(tensor.masked_fill(~token_mask[..., None], 0) for tensor in tensors)
    return [at_least_float32(tensor) for tensor in tensors]


def _discretized(delta: Tensor, a: Tensor, discretize: Discretize) -> tuple[Tensor, Tensor]:
    """What a step leaves of the state, (..., d, d_state), and what it multiplies b with, (..., d, 1 or d_state)."""
    rate = delta * a
    if discretize == "euler":
        return rate.exp(), delta
    still = rate == 0  # where (exp(z) - 1) / z is 1, with a slope of 1/2
    return rate.exp(), delta * torch.where(still, 1 + rate / 2, rate.expm1() / rate.masked_fill(still, 1))
