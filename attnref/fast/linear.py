"""Linear attention a block of positions at a time; the causal form keeps running sums from one block to the next."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from attnref._checks import check_same_size
from attnref._numerics import at_least_float32, autocast_off, divide_or_zero, matmul_dtype
from attnref.attention._blocks import records
from attnref.attention._checks import check_dot_product_inputs, check_shared_mask
from attnref.attention._features import FeatureMap, elu_plus_one, features, near_one
from attnref.attention._non_finite import set_aside, set_aside_causal, spoil

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
    """As `attnref.linear_attention`, with the features of `BLOCK` positions at a time.

    Args:
        query: The queries.
        key: The keys.
        value: The values; d_v may differ from d_k.
        mask: True = may attend, the same for all queries. If omitted, every query may attend to every key.
        feature_map: The feature map of the last axis of query and key; elu(x) + 1 if omitted.

    Returns:
        output: One vector for each query; zero where all keys are masked.
        weights: None, they are never formed.

    Raises:
        TypeError: The inputs are not of one floating dtype, or the mask is not bool.
        ValueError: The inputs do not agree in their leading axes, in d_k or in n_k, or the mask does not broadcast to
            (..., 1, n_k).
    """
    who = "linear_attention"
    check_dot_product_inputs(who, query, key, value, mask)
    check_shared_mask(who, mask)

    query, key, value, lost = set_aside(query, key, value, mask)
    blocks = _keys(key, value, mask, feature_map, BLOCK)
    sum_kv, sum_k = _sums(*next(blocks))
    for block in blocks:
        new_kv, new_k = _sums(*block)
        sum_kv, sum_k = sum_kv + new_kv, sum_k + new_k
    outputs, dtype = [], matmul_dtype(value)
    for queries in _split(query, BLOCK):
        phi_q = near_one(feature_map(queries))
        with autocast_off(value):
            outputs.append(divide_or_zero(phi_q @ sum_kv, phi_q @ sum_k).to(dtype))
    return spoil(torch.cat(outputs, dim=-2), lost), None


def causal_linear_attention(
    query: Float[Tensor, "*batch n d_k"],
    key: Float[Tensor, "*batch n d_k"],
    value: Float[Tensor, "*batch n d_v"],
    mask: Bool[Tensor, "*#batch 1 #n"] | None = None,
    *,
    feature_map: FeatureMap = elu_plus_one,
) -> tuple[Float[Tensor, "*batch n d_v"], None]:
    """As `attnref.causal_linear_attention`, with one state for each chunk of `CHUNK` positions instead of each one.

    Args:
        query: The queries.
        key: The keys.
        value: The values; d_v may differ from d_k.
        mask: True = may attend, the same for all queries; later positions are masked besides.
        feature_map: The feature map of the last axis of query and key; elu(x) + 1 if omitted.

    Returns:
        output: One vector for each query; zero where all keys so far are masked.
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

    query, key, value, lost = set_aside_causal(query, key, value, mask)
    if records():
        output = _chunks_at_once(*features(query, key, value, mask, feature_map))
        return spoil(output, lost).to(matmul_dtype(value)), None

    state, outputs, dtype = None, [], matmul_dtype(value)
    chunks = zip(_split(query, CHUNK), _keys(key, value, mask, feature_map, CHUNK), strict=True)
    for queries, (phi_k, values) in chunks:
        phi_q = near_one(feature_map(queries))
        with autocast_off(value):
            numerator, denominator = _within_chunk(phi_q, phi_k, values)
            new_kv, new_k = _sums(phi_k, values)
            if state is None:
                state = new_kv, new_k
            else:
                sum_kv, sum_k = state
                numerator, denominator = numerator + phi_q @ sum_kv, denominator + phi_q @ sum_k
                state = sum_kv + new_kv, sum_k + new_k
            outputs.append(divide_or_zero(numerator, denominator).to(dtype))
    return spoil(torch.cat(outputs, dim=-2), lost), None


def _chunks_at_once(phi_q: Tensor, phi_k: Tensor, values: Tensor) -> Tensor:
    """The same without a loop, for a program that has to hold for every length; the states of all chunks together."""
    n = phi_q.shape[-2]
    padding = (n // CHUNK + 2) * CHUNK - n  # to two chunks at least: torch would take a single one for a constant
    phi_q, phi_k, values = (
        F.pad(tensor, (0, 0, 0, padding)).unfold(-2, CHUNK, CHUNK).mT for tensor in (phi_q, phi_k, values)
    )
    with autocast_off(values):
        numerator, denominator = _within_chunk(phi_q, phi_k, values)
        sum_kv, sum_k = (  # the state before each chunk
            F.pad(sums.cumsum(-3), (0, 0, 0, 0, 1, -1)) for sums in _sums(phi_k, values)
        )
        output = divide_or_zero(numerator + phi_q @ sum_kv, denominator + phi_q @ sum_k)
    return output.flatten(-3, -2).index_select(-2, torch.arange(n, device=output.device))  # a slice needs a proof


def _within_chunk(phi_q: Tensor, phi_k: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Numerator, (..., CHUNK, d_v), and denominator, (..., CHUNK, 1), of queries and keys of one chunk."""
    similarity = (phi_q @ phi_k.mT).tril()  # (..., CHUNK, CHUNK)
    return similarity @ values, similarity.sum(-1, keepdim=True)


def _split(tensor: Tensor, size: int) -> Sequence[Tensor]:
    """Blocks of positions, split, not sliced: the gradient of a slice is as long as the whole."""
    return [tensor] if records() else tensor.split(size, dim=-2)


def _keys(
    key: Tensor, value: Tensor, mask: Tensor | None, feature_map: FeatureMap, size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Features and values of one block after the other; a masked key has features of zero."""
    pieces = zip(_split(key, size), _split(value, size), strict=True)
    masked = None if mask is None else _split((~mask.mT).expand(*mask.shape[:-2], key.shape[-2], 1), size)
    for number, (one_key, one_value) in enumerate(pieces):
        phi_k = feature_map(one_key)
        if masked is not None:
            phi_k = phi_k.masked_fill(masked[number], 0)
        yield at_least_float32(phi_k), at_least_float32(one_value)


def _sums(phi_k: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The sum over positions of phi(k) v, (..., d_phi, d_v), and of phi(k), (..., d_phi, 1)."""
    with autocast_off(values):
        return phi_k.mT @ values, phi_k.sum(-2).unsqueeze(-1)
