"""The checks of this chapter."""

from torch import Tensor

from attnref._checks import (
    check_at_least,
    check_attend,
    check_axes,
    check_choice,
    check_floating,
    check_size,
    kind_of,
)

NORMS = ("post", "pre")


def check_block(
    who: str, d_model: int, num_heads: int, d_ff: int, *, dropout: float, norm: str, activation: str, **attends: object
) -> None:
    """What an encoder or a decoder block is made of."""
    check_at_least(who, 1, d_model=d_model, num_heads=num_heads, d_ff=d_ff)
    if d_model % num_heads:
        raise ValueError(f"{who}: d_model must divide by num_heads, got d_model={d_model} and num_heads={num_heads}.")
    check_dropout(who, dropout)
    check_choice(who, "norm", norm, NORMS)
    check_choice(who, "activation", activation, ("relu", "gelu"))
    for attend in attends.values():
        check_attend(who, attend, optional=False)


def check_dropout(who: str, dropout: float) -> None:
    """A probability. At one nothing would be left."""
    if isinstance(dropout, bool) or not isinstance(dropout, int | float):
        raise TypeError(f"{who}: dropout must be a number, got {kind_of(dropout)}.")
    if not 0 <= dropout < 1:
        raise ValueError(f"{who}: dropout must be at least 0 and less than 1, got {dropout}.")


def check_vectors(who: str, name: str, x: Tensor, d_model: int, weight: Tensor) -> None:
    """A sequence of vectors of the size and dtype of the weights."""
    check_axes(who, name, x, "(..., n, d_model)", at_least=2)
    check_size(who, "d_model", d_model, name, x, -1)
    check_floating(who, **{name: x, "weights": weight})
