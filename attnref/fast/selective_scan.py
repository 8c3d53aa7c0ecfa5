"""The selective scan a block of steps at a time: what does not depend on the state is computed for a block at once."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref._numerics import at_least_float32, autocast_off
from attnref.models._checks import check_scan
from attnref.models.selective_scan import Discretize, _discretized, _wide

BLOCK = 16  # steps whose decays and inputs are formed at once; they stay in the cache


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
    """As `attnref.models.selective_scan`, with the exponentials, inputs and outputs of `BLOCK` steps at once.

    Without gradients the memory beside the input and two copies of the output is that of one block, whatever n is.

    Args:
        x: The input, d channels.
        delta: The step size of each position and channel, above zero.
        a: The rates, below zero for a state that fades.
        b: What each position writes into the state with.
        c: What each position reads the state with.
        d_skip: The share of the input that goes past the state; none if omitted.
        state: The state before the first position; zero if omitted.
        discretize: "euler" or "zoh".
        token_mask: True = a real token, False = padding.

    Returns:
        y: The output at each position.
        state: The state after the last position.

    Raises:
        TypeError, ValueError: As of `attnref.models.selective_scan`.
    """
    check_scan("selective_scan", x, delta, a, b, c, d_skip, state, discretize, token_mask)

    dtype, sequences = x.dtype, _wide(x, delta, b, c, token_mask=token_mask)
    x, a = sequences[0], at_least_float32(a)
    h = x.new_zeros(x.shape[0], *a.shape) if state is None else state
    outputs = []
    with autocast_off(x):
        for xs, deltas, bs, cs in zip(*(tensor.split(BLOCK, dim=1) for tensor in sequences), strict=True):
            a_bar, step = _discretized(deltas[..., None], a, discretize)  # (batch, BLOCK, d, d_state)
            added = step * xs[..., None] * bs[:, :, None]
            states = []
            for a_bar_i, added_i in zip(a_bar.unbind(1), added.unbind(1), strict=True):
                h = torch.addcmul(added_i, a_bar_i, h)
                states.append(h)
            y = (torch.stack(states, dim=1) @ cs[..., None]).squeeze(-1)  # (batch, BLOCK, d)
            y = y if d_skip is None else y + d_skip * xs
            outputs.append(y.to(dtype))
    return torch.cat(outputs, dim=1), h
