"""Tiled attention: exact, without the n x n table (Rabe and Staats 2021, section 3; Dao 2023, algorithm 1)."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref._checks import check_at_least
from attnref._numerics import float32_or_wider, matmul_dtype, within_float16
from attnref.attention._blocks import blocks
from attnref.attention._checks import check_dot_product_inputs
from attnref.attention._non_finite import set_aside, spoil


def tiled_attention(
    query: Float[Tensor, "*batch n_q d_k"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
    *,
    block: int = 128,
) -> tuple[Float[Tensor, "*batch n_q d_v"], None]:
    r"""Compute the output of scaled dot-product attention, to rounding, from one small block of scores at a time.

    For each query three things are carried from one block of keys $B$ to the next: the max score so far $m$, the sum of
    exponentials $\ell$, and the weighted sum of values $a$. A new max rescales both sums.

    $$ m' = \max\Bigl(m, \max_{j \in B} e_{ij}\Bigr) \qquad
       \ell' = \ell\, e^{m - m'} + \sum_{j \in B} e^{e_{ij} - m'} \qquad
       a' = a\, e^{m - m'} + \sum_{j \in B} e^{e_{ij} - m'} v_j $$

    $$ e_{ij} = \frac{q_i \cdot k_j}{\sqrt{d_k}} \qquad o_i = \frac{a}{\ell} \quad \text{after the last block} $$

    Without gradients no more than `block` times `block` scores are held for each sample. With gradients torch keeps
    every block for the backward pass; `attnref.fast.tiled` computes them again instead.

    Args:
        query: The queries.
        key: The keys.
        value: The values; d_v may differ from d_k.
        mask: True = may attend. If omitted, every query may attend to every key.
        block: How many queries meet how many keys at a time. It changes the output by rounding only.

    Returns:
        output: One vector for each query; zero where a row is fully masked.
        weights: None, they are never formed.

    Raises:
        TypeError: The inputs are not of one floating dtype, the mask is not bool, or the block is not an int.
        ValueError: The inputs do not agree in their leading axes, in d_k or in n_k, the mask does not broadcast to
            (..., n_q, n_k), or the block is less than one.

    Examples:
        >>> import torch
        >>> from attnref import scaled_dot_product_attention, tiled_attention
        >>> query, key, value = torch.randn(3, 4), torch.randn(100, 4), torch.randn(100, 2)
        >>> output, _ = tiled_attention(query, key, value, block=16)
        >>> torch.allclose(output, scaled_dot_product_attention(query, key, value)[0], atol=1e-6)
        True

    Source:
        Milakov and Gimelshein 2018, *Online normalizer calculation for softmax*,
        [arXiv:1805.02867](https://arxiv.org/abs/1805.02867), algorithm 3; Rabe and Staats 2021, *Self-attention Does
        Not Need O(n^2) Memory*, [arXiv:2112.05682](https://arxiv.org/abs/2112.05682), sections 2 and 3; Dao 2023,
        *FlashAttention-2*, [arXiv:2307.08691](https://arxiv.org/abs/2307.08691), algorithm 1.
    """
    who = "tiled_attention"
    check_dot_product_inputs(who, query, key, value, mask)
    check_at_least(who, 1, block=block)

    n_q, n_k = query.shape[-2], key.shape[-2]
    mask = None if mask is None else mask.expand(*mask.shape[:-2], n_q, n_k)
    query, key, value, lost = set_aside(query, key, value, mask, block=block)
    output = []
    for rows in blocks(max(n_q, 1), block):  # once at least, even if there are none
        mask_rows = None if mask is None else mask[..., rows, :]
        output.append(_online_softmax(query[..., rows, :], key, value, mask_rows, block))
    return spoil(torch.cat(output, dim=-2), lost), None


def _online_softmax(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, block: int) -> Tensor:
    """The output of one block of queries, from all keys, block by block."""
    query = query / math.sqrt(query.shape[-1])
    sum_dtype = float32_or_wider(query.dtype)  # half precision loses long sums
    smallest = torch.finfo(sum_dtype).min  # not -inf: (-inf) - (-inf) is not a number
    acc = query @ key[..., :0, :].mT @ value[..., :0, :]  # of no keys yet: zeros
    row_sum = query.new_zeros(*query.shape[:-1], 1, dtype=sum_dtype)
    row_max = torch.full_like(row_sum, smallest)

    for columns in blocks(key.shape[-2], block):
        scores = within_float16(query @ key[..., columns, :].mT).to(sum_dtype)
        if mask is not None:
            scores = scores.masked_fill(~mask[..., columns], smallest)
        # The max cancels in the output, so it needs no gradient.
        block_max = scores.detach().amax(dim=-1, keepdim=True)
        previous, row_max = row_max, torch.maximum(row_max, block_max)
        exp_scores = torch.exp(scores - row_max)
        if mask is not None:  # a real score may be as small as what replaces a masked one
            exp_scores = exp_scores.masked_fill(~mask[..., columns], 0.0)
        rescale = torch.exp(previous - row_max)
        row_sum = row_sum * rescale + exp_scores.sum(dim=-1, keepdim=True)
        acc = acc * rescale + exp_scores.to(value.dtype) @ value[..., columns, :]
    return (acc / row_sum.masked_fill(row_sum == 0, 1.0)).to(matmul_dtype(value))
