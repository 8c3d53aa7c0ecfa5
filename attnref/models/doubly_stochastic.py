"""Doubly stochastic attention: over a caption every position gets its share (Xu et al. 2015, section 4.2.1)."""

from jaxtyping import Bool, Float
from torch import Tensor

from attnref._checks import check_axes, check_floating
from attnref._numerics import at_least_float32
from attnref.sequence._checks import check_token_mask


def doubly_stochastic_loss(
    weights: Float[Tensor, "batch n_q n_k"], token_mask: Bool[Tensor, "batch n_q"] | None = None
) -> Float[Tensor, ""]:
    r"""Ask that over a whole caption every position gets as much attention as every other.

    $$ \sum_i \Bigl(1 - \sum_t \alpha_{ti}\Bigr)^2, \text{ the mean over the batch} $$

    Added to the loss with a factor $\lambda$. The weights of a word sum to one over the positions by softmax; this asks
    that those of a position sum to one over the words.

    Args:
        weights: The attention weights of each word.
        token_mask: True = a real word; padding counts as attending to nothing.

    Returns:
        The mean over the images.

    Raises:
        TypeError: The weights are not floating point, or the token mask is not bool.
        ValueError: The weights are not (batch, n_q, n_k), or the token mask is not (batch, n_q).

    Examples:
        >>> import torch
        >>> from attnref.models import doubly_stochastic_loss
        >>> weights = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]])
        >>> doubly_stochastic_loss(weights[:1])  # each position once
        tensor(0.)
        >>> doubly_stochastic_loss(weights[1:])  # one of them twice: (1 - 2)^2 + (1 - 0)^2
        tensor(2.)

    Source:
        Xu et al. 2015, [arXiv:1502.03044](https://arxiv.org/abs/1502.03044), section 4.2.1, equation 14.
    """
    who = "doubly_stochastic_loss"
    check_axes(who, "weights", weights, "(batch, n_q, n_k)", exactly=3)
    check_floating(who, weights=weights)
    check_token_mask(who, "token_mask", token_mask, weights)

    if token_mask is not None:
        weights = weights.masked_fill(~token_mask[..., None], 0.0)
    shares = at_least_float32(weights).sum(1)  # (batch, n_k)
    return (1 - shares).square().sum(-1).mean().to(weights.dtype)
