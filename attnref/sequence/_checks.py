"""The checks of the sequence models: tokens, series, the step and the sequence of a recurrent net."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from attnref._checks import (
    check_axes,
    check_bool,
    check_floating,
    check_int,
    check_range,
    check_same_size,
    check_size,
    check_tensor,
    has_values,
    kind_of,
    listed,
    shape_of,
)


def check_tokens(who: str, name: str, tokens: Tensor, vocab_size: int) -> None:
    """Tokens are integers, (batch, n), at least one in each sample, and each is in the vocabulary."""
    check_token_axes(who, name, tokens)
    check_range(who, name, tokens, vocab_size - 1, "0 and vocab_size - 1")


def check_token_axes(who: str, name: str, tokens: Tensor) -> None:
    """Tokens of a vocabulary that is not known here: integers, (batch, n), at least one in each sample."""
    check_tensor(who, **{name: tokens})
    if tokens.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"{who}: {name} must hold tokens as int32 or int64, got {tokens.dtype}.")
    check_axes(who, name, tokens, "(batch, n)", exactly=2)
    if tokens.shape[1] < 1:
        raise ValueError(f"{who}: {name} must hold at least one token a sample, got shape {shape_of(tokens)}.")


def check_token(who: str, name: str, token: int, vocab_size: int) -> None:
    """One token, in the vocabulary."""
    check_int(who, **{name: token})
    if not 0 <= token < vocab_size:
        raise ValueError(f"{who}: {name} must lie between 0 and vocab_size - 1={vocab_size - 1}, got {token}.")


def check_positions(who: str, name: str, tensor: Tensor, at_least: int) -> None:
    """Each sequence of (batch, n) is long enough."""
    if tensor.shape[1] < at_least:
        raise ValueError(f"{who}: {name} must hold n >= {at_least} positions, got shape {shape_of(tensor)}.")


def check_token_mask(who: str, name: str, token_mask: Tensor | None, like: Tensor) -> None:
    """The mask is bool, (batch, n), one for each token of `like`; an attention mask is refused with what to pass."""
    if token_mask is None:
        return
    check_bool(who, name, token_mask, "a real token")
    if token_mask.shape != like.shape[:2]:
        wanted = tuple(like.shape[:2])
        hint = ""
        if token_mask.ndim == 3 and token_mask.shape[1] == 1:
            hint = f"; an attention mask has an axis for the queries, which is not wanted here: pass {name}[:, 0]"
        raise ValueError(f"{who}: {name} must be (batch, n) = {wanted}, got shape {shape_of(token_mask)}{hint}.")
    if token_mask.device != like.device:
        raise ValueError(
            f"{who}: {name} must be on the device of the tokens, "
            f"got {name} on {token_mask.device}, tokens on {like.device}."
        )


def check_even(who: str, d_h: int) -> None:
    """Half of d_h is for each direction."""
    if d_h % 2:
        raise ValueError(f"{who}: d_h must be even, half for each direction, got d_h={d_h}.")


def check_maker(who: str, recurrent: object) -> None:
    """What makes recurrent nets is a class such as GRU, or a function, not a net that is made already."""
    if isinstance(recurrent, nn.Module) or not callable(recurrent):
        given = f"an instance of {kind_of(recurrent)}"
        raise TypeError(f"{who}: recurrent must be a maker of recurrent nets, such as GRU, got {given}.")


def check_state(who: str, state: object, parts: Sequence[str]) -> dict[str, Tensor]:
    """A recurrent state is one tensor, or a tuple of as many tensors as it has parts; they are returned by name."""
    given = state if len(parts) > 1 else (state,)
    if not (isinstance(given, tuple) and len(given) == len(parts)):
        raise TypeError(f"{who}: state must be a tuple ({', '.join(parts)}), got {_kind_and_length(state)}.")
    named: dict[str, Tensor] = {}
    for name, part in zip(parts, given, strict=True):
        if not isinstance(part, Tensor):
            raise TypeError(f"{who}: {name} must be a torch.Tensor, got {_kind_and_length(part)}.")
        named[name] = part
    return named


def check_state_sizes(who: str, states: dict[str, Tensor], form: str, sizes: tuple[int, ...], **beside: Tensor) -> None:
    """Each part of a state has the sizes of the net and of the batch, and the dtype of the tensor beside it."""
    for name, state in states.items():
        if state.shape != sizes:
            raise ValueError(f"{who}: {name} must be {form} = {sizes}, got shape {shape_of(state)}.")
        check_floating(who, **beside, **{name: state})


def _kind_and_length(thing: object) -> str:
    return f"{kind_of(thing)} of {len(thing)}" if isinstance(thing, tuple | list) else kind_of(thing)


def check_recurrent_step(
    who: str, gates: int, x: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor, b_h: Tensor, **states: Tensor
) -> None:
    """The input, the parts of the state and the weights of a recurrent step fit each other."""
    rows = "d_h" if gates == 1 else f"{gates} d_h"
    check_tensor(who, x=x, w_x=w_x, w_h=w_h, b_x=b_x, b_h=b_h)
    for name, weight, columns in (("w_x", w_x, "d_x"), ("w_h", w_h, "d_h")):
        check_axes(who, name, weight, f"({rows}, {columns})", exactly=2)
    for name, bias in (("b_x", b_x), ("b_h", b_h)):
        check_axes(who, name, bias, f"({rows},)", exactly=1)
    check_floating(who, w_x=w_x, w_h=w_h, b_x=b_x, b_h=b_h)
    check_size(who, rows, gates * w_h.shape[1], "w_h", w_h, 0)
    check_same_size(who, rows, w_x=(w_x, 0), w_h=(w_h, 0), b_x=(b_x, 0), b_h=(b_h, 0))
    check_axes(who, "x", x, "(..., d_x)")
    for name, state in states.items():
        check_axes(who, name, state, "(..., d_h)")
    check_floating(who, x=x, **states, w_x=w_x)
    check_same_size(who, "d_x", x=(x, -1), w_x=(w_x, 1))
    check_same_size(who, "d_h", **{name: (state, -1) for name, state in states.items()}, w_h=(w_h, 1))
    if any(state.shape[:-1] != x.shape[:-1] for state in states.values()):
        given = ", ".join(f"{name} {shape_of(tensor)}" for name, tensor in {"x": x, **states}.items())
        raise ValueError(f"{who}: {listed(['x', *states])} must agree in their leading axes, got {given}.")


def check_number(
    who: str, at_least: int, at_most: int | float = math.inf, *, above: bool = False, **given: object
) -> None:
    """Settings are finite numbers within the bounds; with `above`, the lower bound itself is refused too."""
    for name, number in given.items():
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise TypeError(f"{who}: {name} must be a number, got {kind_of(number)}.")
        largest = min(at_most, torch.finfo(torch.float64).max)  # an int may be larger than any float
        if not at_least <= number <= largest or (above and number == at_least):
            rule = f"{'above' if above else 'at least'} {at_least}"
            rule += "" if at_most == math.inf else f" and at most {at_most}"
            raise ValueError(f"{who}: {name} must be finite and {rule}, got {number}.")


def check_finite(who: str, name: str, tensor: Tensor) -> None:
    """The tensor holds values, and all of them are finite: what a fit reads."""
    if tensor.numel() == 0:
        return
    if not has_values(tensor):
        raise ValueError(f"{who}: {name} must hold values, got a tensor without any on the device {tensor.device}.")
    if not tensor.isfinite().all():
        index = tensor.isfinite().logical_not().nonzero()[0].tolist()
        raise ValueError(f"{who}: {name} must be finite, got {tensor[tuple(index)].item()} at {index}.")


def check_generator(who: str, generator: torch.Generator, like: Tensor) -> None:
    """The source of chance is a generator, on the device of what it is drawn for; the device meta draws nothing."""
    check_tensor(who, x=like)
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"{who}: generator must be a torch.Generator, got {kind_of(generator)}.")
    if generator.device.type != like.device.type and not like.is_meta:
        raise ValueError(
            f"{who}: generator must be on the device of the values, "
            f"got generator on {generator.device}, values on {like.device}."
        )
