"""Checks of the models of this chapter and of their fast versions."""

import torch
from torch import Tensor

from attnref._checks import check_axes, check_choice, check_floating, check_same_size, has_values, shape_of
from attnref._numerics import float32_or_wider
from attnref.sequence._checks import check_positions, check_token_mask

FORMS = {"x": "(batch, n, d)", "delta": "(batch, n, d)", "b": "(batch, n, d_state)", "c": "(batch, n, d_state)"}


def check_scan(
    who: str,
    x: Tensor,
    delta: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    d_skip: Tensor | None,
    state: Tensor | None,
    discretize: str,
    token_mask: Tensor | None,
) -> None:
    """Inputs, step sizes and the matrices of a state space fit each other."""
    check_choice(who, "discretize", discretize, ("euler", "zoh"))
    sequences = {"x": x, "delta": delta, "b": b, "c": c}
    for name, tensor in sequences.items():
        check_axes(who, name, tensor, FORMS[name], exactly=3)
    check_axes(who, "a", a, "(d, d_state)", exactly=2)
    skip = {} if d_skip is None else {"d_skip": d_skip}
    for tensor in skip.values():
        check_axes(who, "d_skip", tensor, "(d)", exactly=1)
    check_floating(who, **sequences, a=a, **skip)
    check_same_size(who, "batch", **{name: (tensor, 0) for name, tensor in sequences.items()})
    check_same_size(who, "n", **{name: (tensor, 1) for name, tensor in sequences.items()})
    check_same_size(who, "d", x=(x, 2), delta=(delta, 2), a=(a, 0), **{k: (t, 0) for k, t in skip.items()})
    check_same_size(who, "d_state", a=(a, 1), b=(b, 2), c=(c, 2))
    check_positions(who, "x", x, 1)
    if state is not None:
        check_state(who, "state", state, "(batch, d, d_state)", (x.shape[0], *a.shape), x)
    check_token_mask(who, "token_mask", token_mask, x)


def check_state(who: str, name: str, state: Tensor, form: str, sizes: tuple[int, ...], x: Tensor) -> None:
    """A part of a state has the sizes of the batch and of the model, in float32 at least, on the input's device."""
    check_axes(who, name, state, form, exactly=len(sizes))
    if state.shape != sizes:
        raise ValueError(f"{who}: {name} must be {form} = {tuple(sizes)}, got shape {shape_of(state)}.")
    if state.dtype != float32_or_wider(x.dtype):
        raise TypeError(f"{who}: {name} must be {float32_or_wider(x.dtype)} for x {x.dtype}, got {state.dtype}.")
    if state.device != x.device:
        raise ValueError(f"{who}: {name} and x must be on one device, got {state.device} and {x.device}.")


def check_right_padding(who: str, token_mask: Tensor | None, name: str = "token_mask") -> None:
    """Padding comes after the real tokens. Reads values, so it is left out where there are none to read."""
    if token_mask is None or not has_values(token_mask):
        return
    if (token_mask[:, 1:] & ~token_mask[:, :-1]).any():
        row = int(torch.nonzero((token_mask[:, 1:] & ~token_mask[:, :-1]).any(1))[0])
        raise ValueError(f"{who}: {name} must have its padding on the right, got padding before a token in row {row}.")
