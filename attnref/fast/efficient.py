"""Efficient attention a block of positions at a time, so that what is made of them stays in the cache."""

from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref._checks import check_choice
from attnref._numerics import at_least_float32, autocast_off, float32_or_wider, matmul_dtype, within_float16
from attnref.attention._blocks import blocks, records
from attnref.attention._checks import check_dot_product_inputs, check_shared_mask
from attnref.attention._non_finite import set_aside, spoil
from attnref.attention.masks import masked_softmax

BLOCK_BYTES = 2**20  # of the keys that are worked on at a time, in all samples
MIN_BLOCK = 64  # positions of a block, however many samples there are

Piece = tuple[Tensor, Tensor, Tensor | None]  # keys, values, which of them are masked


def efficient_attention(
    query: Float[Tensor, "*batch n_q d_k"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch 1 #n_k"] | None = None,
    *,
    normalization: Literal["softmax", "scaling"] = "softmax",
) -> tuple[Float[Tensor, "*batch n_q d_v"], None]:
    """As `attnref.efficient_attention`, without normalized keys or queries as long as the input.

    The softmax over positions is computed block by block, with a running max of each feature. Half precision is widened
    to float32 inside a block, under autocast too. Compiled and exported programs, which have to hold for every length,
    take all positions as one block.

    Args:
        query: The queries.
        key: The keys.
        value: The values; d_v may differ from d_k.
        mask: True = may attend, the same for all queries. If omitted, every query may attend to every key.
        normalization: How queries and keys are normalized, "softmax" or "scaling".

    Returns:
        output: One vector for each query; zero where all keys are masked.
        weights: None, they are never formed.

    Raises:
        TypeError: The inputs are not of one floating dtype, or the mask is not bool.
        ValueError: The inputs do not agree in their leading axes, in d_k or in n_k, the mask does not broadcast to
            (..., 1, n_k), or there is no such normalization.
    """
    who = "efficient_attention"
    check_dot_product_inputs(who, query, key, value, mask)
    check_shared_mask(who, mask)
    check_choice(who, "normalization", normalization, ("softmax", "scaling"))

    query, key, value, lost = set_aside(query, key, value, mask)
    n_k = key.shape[-2]
    size = n_k if records() else max(MIN_BLOCK, BLOCK_BYTES // max(1, key[..., :1, :].numel() * 4))
    masked = None if mask is None else ~mask.mT.expand(*mask.shape[:-2], n_k, 1)
    with autocast_off(value):
        if normalization == "scaling":
            root = _root(key, masked)
            context = _scaled_context(key, value, masked, root, size)
            rho_q = partial(torch.div, other=root)
        else:
            if n_k <= size:
                context = masked_softmax(at_least_float32(within_float16(key.mT)), mask) @ at_least_float32(value)
            else:
                context = _softmax_context(within_float16(key), value, masked, size)
            rho_q = partial(torch.softmax, dim=-1)
        queries = [query] if records() else query.split(size, dim=-2)
        output = [rho_q(at_least_float32(block)) @ context for block in queries]
    dtype = matmul_dtype(value)
    output = [block.to(dtype) for block in output]
    return spoil(output[0] if len(output) == 1 else torch.cat(output, dim=-2), lost), None


def _pieces(key: Tensor, value: Tensor, masked: Tensor | None, size: int) -> Iterator[Piece]:
    """One block after the other, in float32 at least."""
    for rows in blocks(key.shape[-2], size):
        part = (..., rows, slice(None))
        yield at_least_float32(key[part]), at_least_float32(value[part]), None if masked is None else masked[part]


def _softmax_context(key: Tensor, value: Tensor, masked: Tensor | None, size: int) -> Tensor:
    """Keys, softmax over their positions, times values, (..., d_k, d_v)."""
    smallest = torch.finfo(float32_or_wider(key.dtype)).min
    context = _zeros(key, value)
    key_sum = _zeros(key, key[..., :1])  # (..., d_k, 1)
    key_max = torch.full_like(key_sum.mT, smallest)  # (..., 1, d_k)
    for keys, values, skip in _pieces(key, value, masked, size):
        real = keys if skip is None else keys.masked_fill(skip, smallest)
        previous, key_max = key_max, torch.maximum(key_max, real.detach().amax(-2, keepdim=True))
        exp_keys = (real - key_max).exp_()
        if skip is not None:  # a real key may be as small as what replaces a masked one
            exp_keys = exp_keys.masked_fill(skip, 0.0)
        rescale = (previous - key_max).exp().mT
        key_sum = key_sum * rescale + exp_keys.sum(-2, keepdim=True).mT
        context = context * rescale + exp_keys.mT @ values
    return context / (key_sum if masked is None else key_sum.masked_fill(key_sum == 0, 1.0))


def _scaled_context(key: Tensor, value: Tensor, masked: Tensor | None, root: Tensor, size: int) -> Tensor:
    """Keys over the root of their number, times values, (..., d_k, d_v)."""
    context = _zeros(key, value)
    for keys, values, skip in _pieces(key, value, masked, size):
        real = keys if skip is None else keys.masked_fill(skip, 0.0)
        context = context + (real / root).mT @ values
    return context


def _root(key: Tensor, masked: Tensor | None) -> Tensor:
    """The root of the number of keys that are not masked, (..., 1, 1)."""
    if masked is None:
        n = torch.full((1, 1), max(1, key.shape[-2]), device=key.device)
    else:
        n = (~masked).sum(-2, keepdim=True).clamp(min=1)
    return n.to(float32_or_wider(key.dtype)).sqrt()


def _zeros(key: Tensor, value: Tensor) -> Tensor:
    return value.new_zeros(*key.shape[:-2], key.shape[-1], value.shape[-1], dtype=float32_or_wider(value.dtype))
