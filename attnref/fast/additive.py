"""Additive attention a few queries at a time: the (n_q, n_k, d_a) hidden layer is never whole."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from attnref.attention._checks import check_additive_weights, check_attention_inputs
from attnref.attention.masks import masked_softmax

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
    """Give the same output and weights as the reference, with a hidden layer of at most `BLOCK_BYTES` at a time.

    A block is never less than one query of every sample. In training, where there are several, each is computed again
    for its gradient instead of kept.

    Args:
        query: What is looked for.
        key: What each place is found by.
        value: What each place has to give.
        mask: True = may attend. All may when it is left out.
        w_q: Maps a query into the hidden layer of the score.
        w_k: Maps a key into the same layer.
        v_a: Reads one score off the hidden layer.

    Returns:
        output: One vector for each query, as wide as a value.
        weights: How the output is mixed; each row sums to one, or to zero where a query may attend to nothing.

    Raises:
        TypeError: The inputs and weights are not of one floating dtype, or the mask is not bool.
        ValueError: Inputs and weights do not agree in their leading axes, d_q, d_k, d_a or n_k, or the mask does not
            broadcast to (..., n_q, n_k).
    """
    who = "additive_attention"
    check_attention_inputs(who, query, key, value, mask)
    check_additive_weights(who, query, key, w_q, w_k, v_a)

    query_part = (query @ w_q.mT).unsqueeze(-2)  # (..., n_q, 1, d_a)
    key_part = (key @ w_k.mT).unsqueeze(-3)  # (..., 1, n_k, d_a)
    rows = max(1, BLOCK_BYTES // max(1, key_part.numel() * key_part.element_size()))  # queries of one block
    if query_part.shape[-3] <= rows:
        scores = _block(query_part, key_part, v_a)
    else:
        scores = torch.cat([_scores(block, key_part, v_a) for block in query_part.split(rows, dim=-3)], dim=-2)
    weights = masked_softmax(scores, mask)
    return weights @ value, weights


def _scores(query_part: Tensor, key_part: Tensor, v_a: Tensor) -> Tensor:
    if torch.is_grad_enabled() and any(part.requires_grad for part in (query_part, key_part, v_a)):
        return checkpoint(_block, query_part, key_part, v_a, use_reentrant=False, preserve_rng_state=False)
    return _block(query_part, key_part, v_a)


def _block(query_part: Tensor, key_part: Tensor, v_a: Tensor) -> Tensor:
    return (query_part + key_part).tanh_() @ v_a
