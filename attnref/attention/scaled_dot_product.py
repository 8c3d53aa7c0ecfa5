"""Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1)."""

import math

from jaxtyping import Bool, Float
from torch import Tensor

from attnref.attention._checks import check_dot_product_inputs
from attnref.attention._non_finite import set_aside, spoil
from attnref.attention.masks import masked_softmax


def scaled_dot_product_attention(
    query: Float[Tensor, "*batch n_q d_k"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
) -> tuple[Float[Tensor, "*batch n_q d_v"], Float[Tensor, "*batch n_q n_k"]]:
    r"""Average the values, weighted by how well each query fits each key.

    $$ \operatorname{softmax}\!\left(\frac{Q K^\top}{\sqrt{d_k}}\right) V $$

    Args:
        query: The queries.
        key: The keys.
        value: The values. d_v may differ from d_k.
        mask: True = may attend. All may when it is left out.

    Returns:
        output: One vector for each query; zero for a fully masked row.
        weights: The attention weights; each row sums to one, or to zero in a fully masked row.

    Raises:
        TypeError: The inputs are not of one floating dtype, or the mask is not bool.
        ValueError: The inputs do not agree in their leading axes, in d_k or in n_k, or the mask does not broadcast to
            (..., n_q, n_k).

    Examples:
        >>> import torch
        >>> from attnref import scaled_dot_product_attention
        >>> query = torch.tensor([[2.0, 0.0]])
        >>> key = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> value = torch.tensor([[10.0], [20.0], [30.0]])
        >>> output, weights = scaled_dot_product_attention(query, key, value)
        >>> weights
        tensor([[0.4458, 0.1084, 0.4458]])
        >>> output
        tensor([[20.]])

    Source:
        Vaswani et al. 2017, *Attention Is All You Need*, section 3.2.1, equation 1,
        [arXiv:1706.03762](https://arxiv.org/abs/1706.03762).
    """
    check_dot_product_inputs("scaled_dot_product_attention", query, key, value, mask)
    query, key, value, lost = set_aside(query, key, value, mask)

    # Scaled before the product, not after: the same scores, and no overflow in half precision on the way.
    scores = (query / math.sqrt(query.shape[-1])) @ key.mT
    weights = masked_softmax(scores, mask)
    return spoil(weights @ value, lost), spoil(weights, lost)
