"""Tiled attention: exact, without the n x n table (Rabe and Staats 2021, section 3; Dao 2023, algorithm 1)."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref._checks import check_at_least
from attnref._numerics import float32_or_wider
from attnref.attention._checks import check_dot_product_inputs


def tiled_attention(
    query: Float[Tensor, "*batch n_q d_k"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
    *,
    block: int = 128,
) -> tuple[Float[Tensor, "*batch n_q d_v"], None]:
    r"""Give the output of scaled dot-product attention to rounding, from one small block of scores at a time.

    For each query three things are carried from one block of keys $B$ to the next: the highest score so far $m$, the
    sum of exponentials $\ell$, and the mix of values $a$. A higher score scales down the sums so far.

    $$ m' = \max\Bigl(m, \max_{j \in B} e_{ij}\Bigr) \qquad
       \ell' = \ell\, e^{m - m'} + \sum_{j \in B} e^{e_{ij} - m'} \qquad
       a' = a\, e^{m - m'} + \sum_{j \in B} e^{e_{ij} - m'} v_j $$

    $$ e_{ij} = \frac{q_i \cdot k_j}{\sqrt{d_k}} \qquad o_i = \frac{a}{\ell} \quad \text{after the last block} $$

    Without gradients no more than `block` times `block` scores are held for each sample. With gradients torch keeps
    every block for the way back; `attnref.fast.tiled` computes them again instead.

    Args:
        query: What is looked for.
        key: What each place is found by.
        value: What each place has to give. Its width may differ from the key's.
        mask: True = may attend. All may when it is left out.
        block: How many queries meet how many keys at a time. It changes the output by rounding only.

    Returns:
        output: One vector for each query, as wide as a value; zero where a query may attend to nothing.
        weights: None, they are never formed.

    Raises:
        TypeError: The inputs are not of one floating dtype, the mask is not bool, or the block is not a whole number.
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
        Milakov and Gimelshein 2018, *Online normalizer calculation for softmax*, algorithm 3; Rabe and Staats 2021,
        *Self-attention Does Not Need O(n^2) Memory*, sections 2 and 3; Dao 2023, *FlashAttention-2*, algorithm 1.
    """
    who = "tiled_attention"
    check_dot_product_inputs(who, query, key, value, mask)
    check_at_least(who, 1, block=block)

    n_q, n_k = query.shape[-2], key.shape[-2]
    mask = None if mask is None else mask.expand(*mask.shape[:-2], n_q, n_k)
    output = []
    for start in range(0, max(n_q, 1), block):  # once at least, even if there are none
        rows = slice(start, start + block)
        seen = None if mask is None else mask[..., rows, :]
        output.append(_mix(query[..., rows, :], key, value, seen, block))
    return torch.cat(output, dim=-2), None


def _mix(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, block: int) -> Tensor:
    """The online softmax of one block of queries over all keys, block by block."""
    query = query / math.sqrt(query.shape[-1])
    wide = float32_or_wider(query.dtype)  # half precision loses long sums
    lowest = torch.finfo(wide).min  # not -inf: (-inf) - (-inf) is not a number
    mixed = query @ key[..., :0, :].mT @ value[..., :0, :]  # of no keys yet: zeros
    total = query.new_zeros(*query.shape[:-1], 1, dtype=wide)
    highest = torch.full_like(total, lowest)

    for start in range(0, key.shape[-2], block):
        keys = slice(start, start + block)
        scores = (query @ key[..., keys, :].mT).to(wide)
        if mask is not None:
            scores = scores.masked_fill(~mask[..., keys], lowest)
        # The highest score cancels in the output, so it needs no gradient.
        of_block = scores.detach().amax(dim=-1, keepdim=True)
        before, highest = highest, torch.maximum(highest, of_block)
        fit = torch.exp(scores - highest)
        if mask is not None:
            fit = fit.masked_fill(~mask[..., keys], 0.0)
        shrink = torch.exp(before - highest)
        total = total * shrink + fit.sum(dim=-1, keepdim=True)
        mixed = mixed * shrink + fit.to(value.dtype) @ value[..., keys, :]
    return (mixed / total.masked_fill(total == 0, 1.0)).to(value.dtype)
