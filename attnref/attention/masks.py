"""Masks: which query may attend to which key. True = may attend, everywhere in attnref."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attnref._checks import check_at_least, check_axes, check_floating, check_int, check_mask, check_range


def causal_mask(
    n_q: int,
    n_k: int | None = None,
    *,
    offset: int = 0,
    device: torch.device | str | None = None,
) -> Bool[Tensor, "{n_q} n_k"]:
    r"""Let each position attend to itself and to what came before it: the look-ahead mask.

    $$ M_{ij} = [\, j \le i + \text{offset} \,] $$

    Args:
        n_q: Number of queries, in tokens.
        n_k: Number of keys, in tokens; as many as queries when left out.
        offset: Keys that stand before the first query, in tokens. A decoder that has already written `t` tokens and
            now asks for the next takes `causal_mask(1, t + 1, offset=t)`.
        device: Where the mask is made; torch's default device when left out.

    Returns:
        The mask, True where query `i` may attend to key `j`.

    Raises:
        TypeError: A size is not a whole number.
        ValueError: A size is negative.

    Examples:
        >>> from attnref import causal_mask
        >>> causal_mask(3).int()
        tensor([[1, 0, 0],
                [1, 1, 0],
                [1, 1, 1]], dtype=torch.int32)

    Source:
        Vaswani et al. 2017, *Attention Is All You Need*, section 3.2.3.
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
    r"""Let each position attend to those near it, on both sides; joined with a causal mask, to the last `width`.

    $$ M_{ij} = [\, |j - (i + \text{offset})| < \text{width} \,] $$

    Args:
        n_q: Number of queries, in tokens.
        n_k: Number of keys, in tokens; as many as queries when left out.
        width: How many keys on each side, the query's own place counted, in tokens: 1 is that place alone.
        offset: Keys that stand before the first query, in tokens, as in `causal_mask`.
        device: Where the mask is made; torch's default device when left out.

    Returns:
        The mask, True where key `j` is within the window of query `i`.

    Raises:
        TypeError: A size is not a whole number.
        ValueError: A size is negative, or the width less than one.

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
        Beltagy, Peters and Cohan 2020, *Longformer*, section 3.1 (both sides); Jiang et al. 2023, *Mistral 7B*,
        section 2 (the last `width` tokens, the query's own included).
    """
    n_k = n_q if n_k is None else n_k
    check_at_least("window_mask", 0, n_q=n_q, n_k=n_k)
    check_at_least("window_mask", 1, width=width)
    check_int("window_mask", offset=offset)

    i = torch.arange(n_q, device=device)[:, None]
    j = torch.arange(n_k, device=device)[None, :]
    return (j - (i + offset)).abs() < width


def padding_mask(lengths: Int[Tensor, "*batch"] | Sequence[int], n_k: int) -> Bool[Tensor, "*batch 1 n_k"]:
    r"""Hide the padding of a batch whose samples differ in length: each attends to its own real tokens.

    $$ M_{b\,1\,j} = [\, j < \text{lengths}_b \,] $$

    Args:
        lengths: Real tokens of each sample; the rest of its n_k places is padding.
        n_k: Number of keys, in tokens, padding included.

    Returns:
        The mask, one row for each sample, the same for all its queries. For keys with a head axis, (batch, h, n, d),
        give `lengths[:, None]` and the mask has its own axis of size 1 for the heads.

    Raises:
        TypeError: The lengths are not integers.
        ValueError: A length is negative or greater than n_k.

    Examples:
        >>> from attnref import padding_mask
        >>> padding_mask([5, 8, 3], 8).int()
        tensor([[[1, 1, 1, 1, 1, 0, 0, 0]],
        <BLANKLINE>
                [[1, 1, 1, 1, 1, 1, 1, 1]],
        <BLANKLINE>
                [[1, 1, 1, 0, 0, 0, 0, 0]]], dtype=torch.int32)

    Source:
        The attention mask of the lecture note on attention (N4), samples of length 5, 8 and 3.
    """
    if not isinstance(lengths, Tensor):
        lengths = torch.tensor(lengths, dtype=None if len(lengths) else torch.int64)
    check_at_least("padding_mask", 0, n_k=n_k)
    _check_lengths(lengths, n_k)

    return torch.arange(n_k, device=lengths.device) < lengths[..., None, None]


def masked_softmax(
    scores: Float[Tensor, "*batch n_q n_k"],
    mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
) -> Float[Tensor, "*batch n_q n_k"]:
    r"""Turn the scores of each query into weights over the keys it may attend to.

    $$ w_{ij} = \frac{M_{ij} \exp e_{ij}}{\sum_{j'} M_{ij'} \exp e_{ij'}} $$

    A query that may attend to nothing gets weights of zero, and gradients of zero, in every dtype. Every softmax
    attention of this package goes through here.

    Args:
        scores: How well each query fits each key.
        mask: True = may attend. All may when it is left out.

    Returns:
        Weights that sum to one over the keys, or to zero where a query may attend to nothing.

    Raises:
        TypeError: The scores are not floating point, or the mask is not bool.
        ValueError: The scores have fewer than two axes, or the mask does not broadcast to them.

    Examples:
        >>> import torch
        >>> from attnref import masked_softmax
        >>> masked_softmax(torch.zeros(1, 4), torch.tensor([[True, True, False, False]]))
        tensor([[0.5000, 0.5000, 0.0000, 0.0000]])

    Source:
        Vaswani et al. 2017, section 3.2.3; zeros for an empty row as torch's fused kernels give.
    """
    check_axes("masked_softmax", "scores", scores, "(..., n_q, n_k)", at_least=2)
    check_floating("masked_softmax", scores=scores)
    check_mask("masked_softmax", mask, scores.shape)

    if mask is None:
        return scores.softmax(dim=-1)
    # Not -inf: a row of nothing but -inf is 0/0 in the softmax and in its gradient. The lowest finite number keeps both
    # finite, and the second fill takes back the weight that an empty row then shares out.
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(dim=-1).masked_fill(~mask, 0.0)


def _check_lengths(lengths: Tensor, n_k: int) -> None:
    """Lengths count tokens, from none to all n_k of them."""
    if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        raise TypeError(f"padding_mask: lengths must be integers, got {lengths.dtype}.")
    check_range("padding_mask", "lengths", lengths, n_k, "0 and n_k")
