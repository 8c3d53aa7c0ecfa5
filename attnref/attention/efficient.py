"""Efficient attention (Shen, Zhang, Zhao, Yi and Li 2018, section 3.2)."""

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attnref._checks import (
    check_at_least,
    check_axes,
    check_choice,
    check_floating,
    check_mask,
    check_size,
)
from attnref._numerics import float32_or_wider
from attnref.attention._checks import check_dot_product_inputs, check_shared_mask
from attnref.attention.masks import masked_softmax

Normalization = Literal["softmax", "scaling"]
NORMALIZATIONS = get_args(Normalization)


def efficient_attention(
    query: Float[Tensor, "*batch n_q d_k"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch 1 #n_k"] | None = None,
    *,
    normalization: Normalization = "softmax",
) -> tuple[Float[Tensor, "*batch n_q d_v"], None]:
    r"""Let the keys meet the values first, in a table of (d_k, d_v), from which every query then reads.

    $$ E(Q, K, V) = \rho_q(Q)\, \big(\rho_k(K)^\top V\big) $$

    With "softmax", $\rho_q$ is a softmax over the features of each query and $\rho_k$ a softmax over the positions of
    each feature of the keys. With "scaling", both divide by $\sqrt n$, where $n$ counts the keys that are not hidden.

    Args:
        query: What is looked for.
        key: What each place is found by.
        value: What each place has to give. Its width may differ from the key's.
        mask: True = may attend, the same for all queries. All may when it is left out.
        normalization: How queries and keys are normalized, "softmax" or "scaling".

    Returns:
        output: One vector for each query, as wide as a value; zero where all keys are hidden.
        weights: None, they are never formed.

    Raises:
        TypeError: The inputs are not of one floating dtype, or the mask is not bool.
        ValueError: The inputs do not agree in their leading axes, in d_k or in n_k, the mask does not broadcast to
            (..., 1, n_k), or there is no such normalization.

    Examples:
        >>> import torch
        >>> from attnref import efficient_attention
        >>> key = torch.tensor([[9.0, 0.0], [0.0, 0.0], [0.0, 9.0]])  # feature 0 is at place 0, feature 1 at place 2
        >>> query = torch.tensor([[9.0, 0.0], [0.0, 9.0], [0.0, 0.0]])
        >>> output, weights = efficient_attention(query, key, torch.tensor([[10.0], [20.0], [30.0]]))
        >>> output.flatten(), weights
        (tensor([10.0062, 29.9938, 20.0000]), None)

    Source:
        Shen et al. 2018, *Efficient Attention: Attention with Linear Complexities*, arXiv:1812.01243,
        section 3.2.
    """
    who = "efficient_attention"
    check_dot_product_inputs(who, query, key, value, mask)
    check_shared_mask(who, mask)
    check_choice(who, "normalization", normalization, NORMALIZATIONS)

    if normalization == "softmax":
        rho_q = query.softmax(dim=-1)  # over the features of each query
        rho_k = masked_softmax(key.mT, mask)  # (..., d_k, n_k): over the positions
    else:
        n = _real_keys(key, mask)
        real = key if mask is None else key.masked_fill(~mask.mT, 0.0)
        rho_q, rho_k = _over_root(query, n), _over_root(real, n).mT
    context = rho_k @ value  # (..., d_k, d_v): no query is asked
    return rho_q @ context, None


def _real_keys(key: Tensor, mask: Tensor | None) -> Tensor:
    """How many keys are not hidden, (..., 1, 1); one where there are none, so that nothing is divided by zero."""
    n_k = key.shape[-2]
    if mask is None:
        return torch.full((1, 1), max(1, n_k), device=key.device)
    return mask.expand(*mask.shape[:-1], n_k).sum(-1, keepdim=True).clamp(min=1)


def _over_root(x: Tensor, n: Tensor) -> Tensor:
    return x / n.to(float32_or_wider(x.dtype)).sqrt().to(x.dtype)


class EfficientAttention2d(nn.Module):
    r"""Let the pixels of an image attend to each other by efficient attention, and add what comes out to the image.

    $$ y = x + W_o\, [\,E_1; \dots; E_h\,] + b_o \qquad E_i = E(W_i^Q x,\; W_i^K x,\; W_i^V x) $$

    The maps are 1 x 1 convolutions with biases, and every pixel is a position. The maps of all heads lie in one
    convolution each, head after head. The heads are an addition of the authors' code; the paper has one.

    Args:
        channels: Channels of the image, before and after.
        d_k: Width of a query and a key in one head: how many maps over the image a head makes.
        d_v: Width of a value in one head.
        num_heads: How many heads, `h`.
        normalization: As in `efficient_attention`. The authors' code has the softmax.

    Raises:
        TypeError: A size is not a whole number.
        ValueError: A size is less than one, or there is no such normalization.

    Examples:
        >>> import torch
        >>> from attnref import EfficientAttention2d
        >>> attention = EfficientAttention2d(channels=16, d_k=4, d_v=8, num_heads=2)
        >>> attention(torch.randn(3, 16, 28, 28)).shape
        torch.Size([3, 16, 28, 28])

    Source:
        Shen et al. 2018, sections 3.1 and 3.2; heads, biases and the residual as in the authors' repository,
        cmsflash/efficient-attention.
    """

    def __init__(
        self,
        channels: int,
        *,
        d_k: int,
        d_v: int,
        num_heads: int,
        normalization: Normalization = "softmax",
    ) -> None:
        check_at_least("EfficientAttention2d", 1, channels=channels, d_k=d_k, d_v=d_v, num_heads=num_heads)
        check_choice("EfficientAttention2d", "normalization", normalization, NORMALIZATIONS)
        super().__init__()
        self.channels, self.num_heads = channels, num_heads
        self.normalization: Normalization = normalization
        self.query_proj = nn.Conv2d(channels, num_heads * d_k, 1)
        self.key_proj = nn.Conv2d(channels, num_heads * d_k, 1)
        self.value_proj = nn.Conv2d(channels, num_heads * d_v, 1)
        self.output_proj = nn.Conv2d(num_heads * d_v, channels, 1)

    def forward(
        self,
        x: Float[Tensor, "batch channels height width"],
        mask: Bool[Tensor, "#batch #height #width"] | None = None,
    ) -> Float[Tensor, "batch channels height width"]:
        """Attend.

        Args:
            x: The image.
            mask: True = a real pixel. Padding is read by no pixel; all are real when it is left out.

        Returns:
            The image plus what its pixels read from each other.

        Raises:
            TypeError: The image is not floating point, or not of the dtype of the weights, or the mask is not bool.
            ValueError: The image is not (batch, channels, height, width) with the channels of this Module, or the mask
                does not broadcast to (batch, height, width).
        """
        self._check(x, mask)

        if mask is not None:  # (batch, 1, 1, n): for all heads and queries
            mask = mask.expand(-1, *x.shape[2:]).flatten(1)[:, None, None]
        output, _ = efficient_attention(
            self._split(self.query_proj(x)),
            self._split(self.key_proj(x)),
            self._split(self.value_proj(x)),
            mask,
            normalization=self.normalization,
        )
        joined = output.mT.flatten(1, 2).unflatten(-1, x.shape[-2:])  # (batch, h d_v, height, width)
        return x + self.output_proj(joined)

    def _split(self, x: Float[Tensor, "batch h_d height width"]) -> Float[Tensor, "batch h n d"]:
        """Make each pixel a position, and give each head its part of the channels."""
        return x.flatten(2).unflatten(1, (self.num_heads, -1)).mT

    def _check(self, x: Tensor, mask: Tensor | None) -> None:
        who = "EfficientAttention2d"
        check_axes(who, "x", x, "(batch, channels, height, width)", exactly=4)
        check_size(who, "channels", self.channels, "x", x, 1)
        check_floating(who, x=x, weights=self.query_proj.weight)
        if mask is not None:
            check_axes(who, "mask", mask, "(batch, height, width)", exactly=3)
            check_mask(who, mask, (x.shape[0], *x.shape[2:]), "(batch, height, width)")
