"""Linear attention a block of positions at a time; the causal form keeps running sums from one block to the next."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref._checks import check_same_size
from attnref._numerics import at_least_float32, autocast_off, divide_or_zero
from attnref.attention._checks import check_dot_product_inputs, check_shared_mask
from attnref.attention._features import FeatureMap, elu_plus_one

BLOCK = 256  # positions whose features are formed at once; they stay in the cache
CHUNK = 64  # positions of the causal form that meet in a masked product


def linear_attention(
    query: Float[Tensor, "*batch n_q d_k"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch 1 #n_k"] | None = None,
    *,
    feature_map: FeatureMap = elu_plus_one,
) -> tuple[Float[Tensor, "*batch n_q d_v"], None]:
    """Give the same output as the reference, with the features of `BLOCK` positions at a time.

    Args:
        query: What is looked for.
        key: What each place is found by.
        value: What each place has to give. Its width may differ from the key's.
        mask: True = may attend, the same for all queries. All may when it is left out.
        feature_map: The map of the last axis of query and key; elu(x) + 1 when left out.

    Returns:
        output: One vector for each query, as wide as a value; zero where a query meets no key.
        weights: None, they are never formed.

    Raises:
        TypeError: The inputs are not of one floating dtype, or the mask is not bool.
        ValueError: The inputs do not agree in their leading axes, in d_k or in n_k, or the mask does not broadcast to
            (..., 1, n_k).
    """
    who = "linear_attention"
    check_dot_product_inputs(who, query, key, value, mask)
    check_shared_mask(who, mask)

    blocks = _keys(key, value, mask, feature_map, BLOCK)
    sum_kv, sum_k = _sums(*next(blocks))
    for block in blocks:
        new_kv, new_k = _sums(*block)
        sum_kv, sum_k = sum_kv + new_kv, sum_k + new_k
    outputs = []
    for some in query.split(BLOCK, dim=-2):
        phi_q = at_least_float32(feature_map(some))
        with autocast_off(value):
            outputs.append(divide_or_zero(phi_q @ sum_kv, phi_q @ sum_k).to(value.dtype))
    return torch.cat(outputs, dim=-2), None


def causal_linear_attention(
    query: Float[Tensor, "*batch n d_k"],
    key: Float[Tensor, "*batch n d_k"],
    value: Float[Tensor, "*batch n d_v"],
    mask: Bool[Tensor, "*#batch 1 #n"] | None = None,
    *,
    feature_map: FeatureMap = elu_plus_one,
) -> tuple[Float[Tensor, "*batch n d_v"], None]:
    """Give the same output as the reference, with one state for each chunk of `CHUNK` positions instead of each one.

    Args:
        query: What is looked for.
        key: What each place is found by.
        value: What each place has to give. Its width may differ from the key's.
        mask: True = may attend, the same for all queries; what comes later is hidden besides.
        feature_map: The map of the last axis of query and key; elu(x) + 1 when left out.

    Returns:
        output: One vector for each query, as wide as a value; zero where a query meets no key.
        weights: None, they are never formed.

    Raises:
        TypeError: The inputs are not of one floating dtype, or the mask is not bool.
        ValueError: The inputs do not agree in their leading axes, in d_k or in n, or the mask does not broadcast to
            (..., 1, n).
    """
    who = "causal_linear_attention"
    check_dot_product_inputs(who, query, key, value, mask)
    check_same_size(who, "n", query=(query, -2), key=(key, -2))
    check_shared_mask(who, mask)

    state, outputs = None, []
    chunks = zip(query.split(CHUNK, dim=-2), _keys(key, value, mask, feature_map, CHUNK), strict=True)
    for some, (phi_k, values) in chunks:
        phi_q = at_least_float32(feature_map(some))
        with autocast_off(value):
            fit = (phi_q @ phi_k.mT).tril()  # (..., CHUNK, CHUNK): queries and keys of this chunk
            mixed, total = fit @ values, fit.sum(-1, keepdim=True)
            new_kv, new_k = _sums(phi_k, values)
            if state is None:
                state = new_kv, new_k
            else:
                sum_kv, sum_k = state
                mixed, total = mixed + phi_q @ sum_kv, total + phi_q @ sum_k
                state = sum_kv + new_kv, sum_k + new_k
            outputs.append(divide_or_zero(mixed, total).to(value.dtype))
    return torch.cat(outputs, dim=-2), None


def _keys(
    key: Tensor, value: Tensor, mask: Tensor | None, feature_map: FeatureMap, size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Features and values of one block after the other, split, not sliced: a slice's gradient is as long as the whole.

    A hidden key has features of zero.
    """
    pieces = zip(key.split(size, dim=-2), value.split(size, dim=-2), strict=True)
    hidden = None if mask is None else (~mask.mT).expand(*mask.shape[:-2], key.shape[-2], 1).split(size, dim=-2)
    for number, (one_key, one_value) in enumerate(pieces):
        phi_k = feature_map(one_key)
        if hidden is not None:
            phi_k = phi_k.masked_fill(hidden[number], 0)
        yield at_least_float32(phi_k), at_least_float32(one_value)


def _sums(phi_k: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The sum over positions of phi(k) v, (..., d_phi, d_v), and of phi(k), (..., d_phi, 1)."""
    with autocast_off(values):
        return phi_k.mT @ values, phi_k.sum(-2).unsqueeze(-1)
