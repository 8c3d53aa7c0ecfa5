"""Additive attention a few queries at a time: the (n_q, n_k, d_a) hidden layer is never formed whole."""

from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from attnref.attention._checks import check_additive_weights, check_attention_inputs
from attnref.attention._non_finite import set_aside, spoil
from attnref.attention.masks import masked_softmax
from attnref.fast._derivatives import in_torch_func

BLOCK_BYTES = 2**22  # of the hidden layer that are formed at once; a block that stays in the cache is fastest


def additive_attention(
    query: Float[Tensor, "*batch n_q d_q"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
    *,
    w_q: Float[Tensor, "d_a d_q"],
    w_k: Float[Tensor, "d_a d_k"],
    v_a: Float[Tensor, " d_a"],
) -> tuple[Float[Tensor, "*batch n_q d_v"], Float[Tensor, "*batch n_q n_k"]]:
    """As `attnref.additive_attention`, with at most `BLOCK_BYTES` of the hidden layer at a time.

    A block is never less than one query of every sample. Where there are several blocks, the backward pass computes
    each again instead of keeping it; not so under `torch.func`, which has no such recomputation. Compiled and exported
    programs form the layer whole, since they have to hold for every length.

    Args:
        query: The queries.
        key: The keys.
        value: The values.
        mask: True = may attend. All may when it is left out.
        w_q: Projection of a query to the hidden layer of the score.
        w_k: Projection of a key to the same layer.
        v_a: Weights of the score, a weighted sum over the hidden layer.

    Returns:
        output: One context vector for each query; zero for a fully masked row.
        weights: The attention weights; each row sums to one, or to zero in a fully masked row.

    Raises:
        TypeError: The inputs and weights are not of one floating dtype, or the mask is not bool.
        ValueError: Inputs and weights do not agree in their leading axes, d_q, d_k, d_a or n_k, or the mask does not
            broadcast to (..., n_q, n_k).
    """
    who = "additive_attention"
    check_attention_inputs(who, query, key, value, mask)
    check_additive_weights(who, query, key, w_q, w_k, v_a)
    query, key, value, lost = set_aside(query, key, value, mask)

    query_part = (query @ w_q.mT).unsqueeze(-2)  # (..., n_q, 1, d_a)
    key_part = (key @ w_k.mT).unsqueeze(-3)  # (..., 1, n_k, d_a)
    weights = masked_softmax(_scores(query_part, key_part, v_a), mask)
    return spoil(weights @ value, lost), spoil(weights, lost)


def _scores(query_part: Tensor, key_part: Tensor, v_a: Tensor) -> Tensor:
    if torch.compiler.is_compiling():
        return _block(query_part, key_part, v_a)
    n = max(1, BLOCK_BYTES // max(1, key_part.numel() * key_part.element_size()))  # queries of one block
    blocks = query_part.split(n, dim=-3)
    if len(blocks) == 1:
        return _block(query_part, key_part, v_a)
    of_block = _block
    if torch.is_grad_enabled() and not in_torch_func():
        of_block = partial(checkpoint, _block, use_reentrant=False, preserve_rng_state=False)
    return torch.cat([of_block(block, key_part, v_a) for block in blocks], dim=-2)


def _block(query_part: Tensor, key_part: Tensor, v_a: Tensor) -> Tensor:
    return (query_part + key_part).tanh_() @ v_a  # (..., n_q, n_k)
