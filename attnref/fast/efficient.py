"""Efficient attention, some positions at a time, so that what is made of them stays in the cache."""

from collections.abc import Iterator
from functools import partial
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref._checks import check_choice
from attnref._numerics import at_least_float32, float32_or_wider
from attnref.attention._checks import check_dot_product_inputs, check_shared_mask
from attnref.attention.masks import masked_softmax

BLOCK_BYTES = 2**20  # of the keys that are worked on at a time, in all samples
LEAST = 64  # positions of a block, however many samples there are

Block = tuple[Tensor, Tensor, Tensor | None]  # keys, values, which of them are hidden


def efficient_attention(
    query: Float[Tensor, "*batch n_q d_k"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch 1 #n_k"] | None = None,
    *,
    normalization: Literal["softmax", "scaling"] = "softmax",
) -> tuple[Float[Tensor, "*batch n_q d_v"], None]:
    """Give the same output as the reference, without normalized keys or queries as long as the input.

    The softmax over positions is gathered block by block, with the highest key so far. Half precision is widened to
    float32 inside a block.

    Args:
        query: What is looked for.
        key: What each place is found by.
        value: What each place has to give. Its width may differ from the key's.
        mask: True = may attend, the same for all queries. All may when it is left out.
        normalization: How queries and keys are normalized, "softmax" or "scaling".

    Returns:
        output: One vector for each query, as wide as a value; zero where all keys are hidden.
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

    rows = max(LEAST, BLOCK_BYTES // max(1, key[..., :1, :].numel() * 4))  # positions of one block
    hidden = None if mask is None else ~mask.mT.expand(*mask.shape[:-2], key.shape[-2], 1)
    if normalization == "scaling":
        root = _root(key, hidden)
        context = _scaled_context(key, value, root, _blocks(key, value, hidden, rows))
        rho_q = partial(torch.div, other=root)
    else:
        if key.shape[-2] <= rows:
            context = masked_softmax(at_least_float32(key.mT), mask) @ at_least_float32(value)
        else:
            context = _softmax_context(key, value, _blocks(key, value, hidden, rows))
        rho_q = partial(torch.softmax, dim=-1)

    output = [(rho_q(at_least_float32(block)) @ context).to(value.dtype) for block in query.split(rows, dim=-2)]
    return (output[0] if len(output) == 1 else torch.cat(output, dim=-2)), None


def _blocks(key: Tensor, value: Tensor, hidden: Tensor | None, rows: int) -> Iterator[Block]:
    for start in range(0, key.shape[-2], rows):
        some = (..., slice(start, start + rows), slice(None))
        yield at_least_float32(key[some]), at_least_float32(value[some]), None if hidden is None else hidden[some]


def _softmax_context(key: Tensor, value: Tensor, blocks: Iterator[Block]) -> Tensor:
    """Keys, softmax over their positions, times values, (..., d_k, d_v)."""
    lowest = torch.finfo(float32_or_wider(key.dtype)).min
    context = _zeros(key, value)
    total = _zeros(key, key[..., :1])  # (..., d_k, 1)
    highest = torch.full_like(total.mT, lowest)  # (..., 1, d_k)
    for keys, values, hidden in blocks:
        shown = keys if hidden is None else keys.masked_fill(hidden, lowest)
        before, highest = highest, torch.maximum(highest, shown.detach().amax(-2, keepdim=True))
        fit = (shown - highest).exp_()
        if hidden is not None:
            fit = fit.masked_fill(hidden, 0.0)
        shrink = (before - highest).exp().mT
        total = total * shrink + fit.sum(-2, keepdim=True).mT
        context = context * shrink + fit.mT @ values
    return context / total.masked_fill(total == 0, 1.0)


def _scaled_context(key: Tensor, value: Tensor, root: Tensor, blocks: Iterator[Block]) -> Tensor:
    """Keys over the root of their number, times values, (..., d_k, d_v)."""
    context = _zeros(key, value)
    for keys, values, hidden in blocks:
        shown = keys if hidden is None else keys.masked_fill(hidden, 0.0)
        context = context + (shown / root).mT @ values
    return context


def _root(key: Tensor, hidden: Tensor | None) -> Tensor:
    """The root of the number of keys that are not hidden, (..., 1, 1)."""
    if hidden is None:
        n = torch.full((1, 1), max(1, key.shape[-2]), device=key.device)
    else:
        n = (~hidden).sum(-2, keepdim=True).clamp(min=1)
    return n.to(float32_or_wider(key.dtype)).sqrt()


def _zeros(key: Tensor, value: Tensor) -> Tensor:
    return value.new_zeros(*key.shape[:-2], key.shape[-1], value.shape[-1], dtype=float32_or_wider(value.dtype))
