"""Masks: which query may attend to which key. True = may attend, everywhere in attnref."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attnref._checks import (
    check_at_least,
    check_axes,
    check_floating,
    check_int,
    check_mask,
    check_range,
    check_tensor,
    kind_of,
)
from attnref._numerics import within_float16


def causal_mask(
    n_q: int,
    n_k: int | None = None,
    *,
    offset: int = 0,
    device: torch.device | str | None = None,
) -> Bool[Tensor, "{n_q} n_k"]:
    r"""Let each position attend to itself and to those before it.

    $$ M_{ij} = [\, j \le i + \text{offset} \,] $$

    Args:
        n_q: Number of queries, in tokens.
        n_k: Number of keys, in tokens; as many as queries if omitted.
        offset: Position of the first query among the keys, in tokens; it may be negative. A decoder that has already
            written `t` tokens and now asks for the next takes `causal_mask(1, t + 1, offset=t)`.
        device: Where the mask is made; torch's default device if omitted.

    Returns:
        The mask, True where query `i` may attend to key `j`.

    Raises:
        TypeError: A size or the offset is not an int.
        ValueError: A size is negative.

    Examples:
        >>> from attnref import causal_mask
        >>> causal_mask(3).int()
        tensor([[1, 0, 0],
                [1, 1, 0],
                [1, 1, 1]], dtype=torch.int32)

    Source:
        Vaswani et al. 2017, *Attention Is All You Need*, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762),
        section 3.2.3.
    """
    n_k = n_q if n_k is None else n_k
    check_at_least("causal_mask", 0, n_q=n_q, n_k=n_k)
    check_int("causal_mask", offset=offset)

    i = torch.arange(n_q, device=device)[:, None]
    j = torch.arange(n_k, device=device)[None, :]
    return j <= i + offset


def window_mask(
    n_q: int,
    n_k: int | None = None,
    *,
    width: int,
    offset: int = 0,
    device: torch.device | str | None = None,
) -> Bool[Tensor, "{n_q} n_k"]:
    r"""Let each position attend to those near it, on both sides; with a causal mask, to the last `width` positions.

    $$ M_{ij} = [\, |j - (i + \text{offset})| < \text{width} \,] $$

    Args:
        n_q: Number of queries, in tokens.
        n_k: Number of keys, in tokens; as many as queries if omitted.
        width: How many keys on each side, the query's own position included, in tokens: 1 is that position alone.
        offset: Position of the first query among the keys, in tokens, as in `causal_mask`.
        device: Where the mask is made; torch's default device if omitted.

    Returns:
        The mask, True where key `j` is within the window of query `i`.

    Raises:
        TypeError: A size, the width or the offset is not an int.
        ValueError: A size is negative, or the width is less than one.

    Examples:
        >>> from attnref import causal_mask, window_mask
        >>> window_mask(4, width=2).int()
        tensor([[1, 1, 0, 0],
                [1, 1, 1, 0],
                [0, 1, 1, 1],
                [0, 0, 1, 1]], dtype=torch.int32)
        >>> (window_mask(4, width=2) & causal_mask(4)).int()
        tensor([[1, 0, 0, 0],
                [1, 1, 0, 0],
                [0, 1, 1, 0],
                [0, 0, 1, 1]], dtype=torch.int32)

    Source:
        Beltagy, Peters and Cohan 2020, *Longformer: The Long-Document Transformer*,
        [arXiv:2004.05150](https://arxiv.org/abs/2004.05150), section 3.1 (both sides; its window counts both together);
        Jiang et al. 2023, *Mistral 7B*, [arXiv:2310.06825](https://arxiv.org/abs/2310.06825), section 2 (the last
        `width` tokens).
    """
    n_k = n_q if n_k is None else n_k
    check_at_least("window_mask", 0, n_q=n_q, n_k=n_k)
    check_at_least("window_mask", 1, width=width)
    check_int("window_mask", offset=offset)

    i = torch.arange(n_q, device=device)[:, None]
    j = torch.arange(n_k, device=device)[None, :]
    return (j - (i + offset)).abs() < width


def padding_mask(lengths: Int[Tensor, "*batch"] | Sequence[int], n_k: int) -> Bool[Tensor, "*batch 1 n_k"]:
    r"""Mask the padding of a batch whose samples differ in length: each attends to its own real tokens.

    $$ M_{b\,1\,j} = [\, j < \text{lengths}_b \,] $$

    Args:
        lengths: Number of real tokens of each sample; they come first, and the rest of the n_k positions is padding.
        n_k: Number of keys, in tokens, padding included.

    Returns:
        The mask, one row for each sample, the same for all its queries, on the device of the lengths. For keys with an
        axis for heads, (batch, h, n, d), give `lengths[:, None]`: the mask then has an axis of size 1 for the heads.

    Raises:
        TypeError: The lengths are not integers, one for each sample.
        ValueError: A length is negative or greater than n_k. Where there are no values to read, as on the meta device
            or while torch compiles, that is not checked.

    Examples:
        >>> from attnref import padding_mask
        >>> padding_mask([5, 8, 3], 8).int()
        tensor([[[1, 1, 1, 1, 1, 0, 0, 0]],
        <BLANKLINE>
                [[1, 1, 1, 1, 1, 1, 1, 1]],
        <BLANKLINE>
                [[1, 1, 1, 0, 0, 0, 0, 0]]], dtype=torch.int32)

    Source:
        The attention mask of the lecture note on attention (N4), samples of length 5, 8 and 3; `key_padding_mask` of
        [torch.nn.MultiheadAttention](https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html)
        is its opposite, (batch, n_k) and True = padding.
    """
    lengths = _as_lengths(lengths)
    check_at_least("padding_mask", 0, n_k=n_k)
    check_range("padding_mask", "lengths", lengths, n_k, "0 and n_k")

    return torch.arange(n_k, device=lengths.device) < lengths[..., None, None]


def masked_softmax(
    scores: Float[Tensor, "*batch n_q n_k"],
    mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
) -> Float[Tensor, "*batch n_q n_k"]:
    r"""Turn the scores of each query into weights over the keys it may attend to.

    $$ w_{ij} = \frac{M_{ij} \exp e_{ij}}{\sum_{j'} M_{ij'} \exp e_{ij'}} $$

    A fully masked row has weights of zero and gradients of zero, in every dtype. What is masked may hold anything, NaN
    included. Of what is not masked, a score of minus infinity has a weight of zero; as in `torch.softmax`, a row of
    nothing else is NaN, and so is a row that holds plus infinity or NaN. In float16, where scores beyond 65504
    overflow, both infinities count as that number, so that the row still sums to one.

    The mechanisms that return weights all form them here. `tiled_attention` and the fast versions that never form
    them keep to the same rules, but that a row of nothing but minus infinity may give an output of zero there.

    Args:
        scores: How well each query fits each key.
        mask: True = may attend. If omitted, every query may attend to every key.

    Returns:
        Weights; for finite scores each row sums to one, or to zero where it is fully masked.

    Raises:
        TypeError: The scores are not a floating-point tensor, or the mask is not bool.
        ValueError: The scores have fewer than two axes, or the mask does not broadcast to them.

    Examples:
        >>> import torch
        >>> from attnref import masked_softmax
        >>> masked_softmax(torch.zeros(1, 4), torch.tensor([[True, True, False, False]]))
        tensor([[0.5000, 0.5000, 0.0000, 0.0000]])

    Source:
        Vaswani et al. 2017, *Attention Is All You Need*, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762),
        section 3.2.3; zeros for a fully masked row as in
        [torch's fused kernels](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html).
    """
    check_tensor("masked_softmax", scores=scores)
    check_axes("masked_softmax", "scores", scores, "(..., n_q, n_k)", at_least=2)
    check_floating("masked_softmax", scores=scores)
    check_mask("masked_softmax", mask, scores.shape, scores=scores)

    scores = within_float16(scores)
    if mask is None:
        return scores.softmax(dim=-1)
    # Masked scores become -inf, which no finite score ties with; but 0 in a fully masked row, where nothing but -inf
    # would be 0/0, in the softmax and in its gradient. The weights that such a row then has are taken back.
    fill = scores.new_zeros(()).masked_fill(mask.any(dim=-1, keepdim=True), -torch.inf)
    return torch.where(mask, scores, fill).softmax(dim=-1).masked_fill(~mask, 0.0)


def _as_lengths(lengths: Tensor | Sequence[int]) -> Tensor:
    """Integers, one for each sample."""
    if not isinstance(lengths, Tensor):
        try:
            lengths = torch.tensor(lengths, dtype=None if len(lengths) else torch.int64)
        except (TypeError, ValueError, RuntimeError) as error:
            given = f"a list of which torch makes no tensor: {error}" if isinstance(lengths, list) else kind_of(lengths)
            hint = f"; for one sample of {lengths} tokens pass [{lengths}]" if isinstance(lengths, int) else ""
            raise TypeError(
                f"padding_mask: lengths must be a list or a tensor of integers, one a sample, got {given}{hint}."
            ) from None
    if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        hint = "; for a token mask (batch, n), pass token_mask[:, None] as mask" if lengths.dtype == torch.bool else ""
        raise TypeError(f"padding_mask: lengths must be integers, got {lengths.dtype}{hint}.")
    return lengths
