"""The checks of this chapter."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from attnref._checks import (
    check_at_least,
    check_attend,
    check_axes,
    check_choice,
    check_floating,
    check_mask,
    check_same_size,
    check_size,
    kind_of,
)

NORMS = ("post", "pre")
ACTIVATIONS = ("relu", "gelu", "gelu_tanh", "silu")


def check_block(
    who: str,
    d_model: int,
    num_heads: int,
    d_ff: int,
    *,
    dropout: float,
    norm: str,
    activation: str,
    norm_eps: float,
    **attends: object,
) -> None:
    """What an encoder or a decoder block is made of."""
    check_at_least(who, 1, d_model=d_model, num_heads=num_heads, d_ff=d_ff)
    if d_model % num_heads:
        raise ValueError(f"{who}: d_model must divide by num_heads, got d_model={d_model} and num_heads={num_heads}.")
    check_dropout(who, dropout)
    check_choice(who, "norm", norm, NORMS)
    check_choice(who, "activation", activation, ACTIVATIONS)
    check_norm_eps(who, norm_eps)
    for name, attend in attends.items():
        check_attend(who, attend, optional=False, name=name)


def check_dropout(who: str, dropout: float) -> None:
    """A probability. At one nothing would be left."""
    if isinstance(dropout, bool) or not isinstance(dropout, int | float):
        raise TypeError(f"{who}: dropout must be a number, got {kind_of(dropout)}.")
    if not 0 <= dropout < 1:
        raise ValueError(f"{who}: dropout must be at least 0 and less than 1, got {dropout}.")


def check_norm_eps(who: str, norm_eps: float) -> None:
    """A positive number: at zero a constant vector would be divided by zero."""
    if isinstance(norm_eps, bool) or not isinstance(norm_eps, int | float):
        raise TypeError(f"{who}: norm_eps must be a number, got {kind_of(norm_eps)}.")
    if not 0 < norm_eps < math.inf:
        raise ValueError(f"{who}: norm_eps must be positive and finite, got {norm_eps}.")


def check_vectors(who: str, name: str, x: Tensor, d_model: int, weight: Tensor) -> None:
    """A sequence of vectors of the size and dtype of the weights."""
    check_axes(who, name, x, "(..., n, d_model)", at_least=2)
    check_size(who, "d_model", d_model, name, x, -1)
    check_floating(who, **{name: x, "weights": weight})


def check_encoder_inputs(who: str, d_model: int, x: Tensor, mask: Tensor | None, cache: Any, weight: Tensor) -> None:
    """A sequence of vectors, and the mask of its self-attention; with a cache the keys are all positions so far."""
    check_vectors(who, "x", x, d_model, weight)
    past, form = (0, "(..., n, n)") if cache is None else (cache.length, "(..., n, past + n)")
    check_mask(who, mask, (*x.shape[:-1], past + x.shape[-2]), form, x=x)


def check_decoder_inputs(
    who: str,
    d_model: int,
    x: Tensor,
    memory: Tensor,
    mask: Tensor | None,
    memory_mask: Tensor | None,
    cache: Any,
    weight: Tensor,
) -> None:
    """As of an encoder, and the encoder's output with its mask."""
    check_vectors(who, "x", x, d_model, weight)
    check_vectors(who, "memory", memory, d_model, weight)
    if x.ndim != memory.ndim:
        given = f"x {tuple(x.shape)}, memory {tuple(memory.shape)}"
        raise ValueError(f"{who}: x and memory must agree in their leading axes, got {given}.")
    for axis in range(x.ndim - 2):
        check_same_size(who, "batch", x=(x, axis), memory=(memory, axis))
    check_encoder_inputs(who, d_model, x, mask, cache, weight)
    check_mask(who, memory_mask, (*x.shape[:-1], memory.shape[-2]), "(..., n, n_k)", x=x)


def check_caches(who: str, cache: Sequence[object] | None, num_layers: int, kind: type) -> None:
    """One cache for each layer, of the kind that its block takes."""
    if cache is None:
        return
    given = ", ".join(kind_of(one) for one in cache) if isinstance(cache, list | tuple) else kind_of(cache)
    if not isinstance(cache, list | tuple) or not all(isinstance(one, kind) for one in cache):
        raise TypeError(f"{who}: cache must be a list of {kind.__name__}, one for each layer, got {given}.")
    if len(cache) != num_layers:
        raise ValueError(f"{who}: cache must hold one for each of the {num_layers} layers, got {len(cache)}.")
    parts = [id(part) for one in cache for part in (one if isinstance(one, tuple) else (one,))]
    if len(set(parts)) < len(parts):
        raise ValueError(f"{who}: cache must hold one of its own for each layer, got the same one twice.")


def check_cache(who: str, cache: object, kind: type) -> None:
    """A block takes a cache of its own kind."""
    if cache is not None and not isinstance(cache, kind):
        raise TypeError(f"{who}: cache must be a {kind.__name__}, got {kind_of(cache)}.")


def check_drops_nothing(who: str, model: nn.Module) -> None:
    """A model that writes is not in training mode, where dropout would change its scores at random."""
    for module in model.modules():
        if isinstance(module, nn.Dropout) and module.training and module.p > 0:
            rule = "dropout must be off while the model writes"
            raise ValueError(f"{who}: {rule}, got dropout={module.p} in training mode; call model.eval() first.")


def check_layers(who: str, num_layers: object) -> tuple[int, int]:
    """One number for encoder and decoder both, or a pair."""
    encoder, decoder = num_layers if isinstance(num_layers, tuple) and len(num_layers) == 2 else (num_layers,) * 2
    for number in (encoder, decoder):
        if isinstance(number, bool) or not isinstance(number, int):
            given = f"{num_layers!r}"
            raise TypeError(f"{who}: num_layers must be an int, or a pair (encoder, decoder) of two, got {given}.")
        check_at_least(who, 1, num_layers=number)
    return encoder, decoder  # pyright: ignore[reportReturnType]


def check_tie(who: str, tie: str, source_vocab_size: int, target_vocab_size: int) -> None:
    """Two embeddings share a table only if they are of one size."""
    check_choice(who, "tie", tie, ("none", "output", "all"))
    if tie == "all" and source_vocab_size != target_vocab_size:
        given = f"source_vocab_size={source_vocab_size} and target_vocab_size={target_vocab_size}"
        raise ValueError(f"{who}: tie='all' needs one vocabulary size, got {given}.")
