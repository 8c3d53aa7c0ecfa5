"""Efficient attention (Shen, Zhang, Zhao, Yi and Li 2018, section 3.2)."""

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attnref._checks import (
    check_at_least,
    check_axes,
    check_bool,
    check_choice,
    check_floating,
    check_size,
    check_tensor,
    shape_of,
)
from attnref._numerics import float32_or_wider
from attnref.attention._checks import check_dot_product_inputs, check_shared_mask
from attnref.attention._non_finite import finite_or_zero, set_aside, spoil
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
    r"""Multiply keys and values first, to a context of (d_k, d_v), from which every query then reads.

    $$ E(Q, K, V) = \rho_q(Q)\, \big(\rho_k(K)^\top V\big) $$

    With "softmax", $\rho_q$ is a softmax over the features of each query and $\rho_k$ a softmax over the positions of
    each feature of the keys. With "scaling", both divide by $\sqrt n$, where $n$ counts the keys that are not masked.

    Args:
        query: The queries.
        key: The keys.
        value: The values; d_v may differ from d_k.
        mask: True = may attend, the same for all queries. If omitted, every query may attend to every key.
        normalization: How queries and keys are normalized, "softmax" or "scaling".

    Returns:
        output: One vector for each query; zero where all keys are masked.
        weights: None, they are never formed.

    Raises:
        TypeError: The inputs are not of one floating dtype, or the mask is not bool.
        ValueError: The inputs do not agree in their leading axes, in d_k or in n_k, the mask does not broadcast to
            (..., 1, n_k), or there is no such normalization.

    Examples:
        >>> import torch
        >>> from attnref import efficient_attention
        >>> key = torch.tensor([[9.0, 0.0], [0.0, 0.0], [0.0, 9.0]])  # feature 0 is at position 0, feature 1 at 2
        >>> query = torch.tensor([[9.0, 0.0], [0.0, 9.0], [0.0, 0.0]])
        >>> output, weights = efficient_attention(query, key, torch.tensor([[10.0], [20.0], [30.0]]))
        >>> output.flatten(), weights
        (tensor([10.0062, 29.9938, 20.0000]), None)

    Source:
        Shen, Zhang, Zhao, Yi and Li 2018, *Efficient Attention: Attention with Linear Complexities*,
        [arXiv:1812.01243](https://arxiv.org/abs/1812.01243), section 3.2.
    """
    who = "efficient_attention"
    check_dot_product_inputs(who, query, key, value, mask)
    check_shared_mask(who, mask)
    check_choice(who, "normalization", normalization, NORMALIZATIONS)

    query, key, value, lost = set_aside(query, key, value, mask)
    if normalization == "softmax":
        rho_q = query.softmax(dim=-1)  # over the features of each query
        rho_k = masked_softmax(key.mT, mask)  # (..., d_k, n_k): over the positions
    else:
        n = _real_keys(key, mask)
        real = key if mask is None else key.masked_fill(~mask.mT, 0.0)
        rho_q, rho_k = _over_root(query, n), _over_root(real, n).mT
    context = rho_k @ value  # (..., d_k, d_v): no query is needed
    return spoil(rho_q @ context, lost), None


def _real_keys(key: Tensor, mask: Tensor | None) -> Tensor:
    """How many keys are not masked, (..., 1, 1); one where there are none, so that nothing is divided by zero."""
    n_k = key.shape[-2]
    if mask is None:
        return torch.full((1, 1), max(1, n_k), device=key.device)
    return mask.expand(*mask.shape[:-1], n_k).sum(-1, keepdim=True).clamp(min=1)


def _over_root(x: Tensor, n: Tensor) -> Tensor:
    return x / n.to(float32_or_wider(x.dtype)).sqrt().to(x.dtype)


class EfficientAttention2d(nn.Module):
    r"""Let the pixels of an image attend to each other by efficient attention, and add the result to the image.

    $$ y = x + W_o\, [\,E_1; \dots; E_h\,] + b_o \qquad E_i = E(W_i^Q x,\; W_i^K x,\; W_i^V x) $$

    The projections are 1 x 1 convolutions with biases, and every pixel is a position. The projections of all heads are
    in one convolution each, head after head. The heads are an addition of the authors' code; the paper has one.

    Args:
        channels: Channels of the image, before and after.
        d_k: Size of a query and a key in one head: how many context vectors a head has.
        d_v: Size of a value in one head.
        num_heads: How many heads, `h`.
        normalization: As in `efficient_attention`. The authors' code has the softmax.

    Raises:
        TypeError: A size is not an int.
        ValueError: A size is less than one, or there is no such normalization.

    Examples:
        >>> import torch
        >>> from attnref import EfficientAttention2d
        >>> attention = EfficientAttention2d(channels=16, d_k=4, d_v=8, num_heads=2)
        >>> attention(torch.randn(3, 16, 28, 28)).shape
        torch.Size([3, 16, 28, 28])

    Source:
        Shen et al. 2018, *Efficient Attention*, [arXiv:1812.01243](https://arxiv.org/abs/1812.01243), sections 3.1 and
        3.2; heads, biases and the residual as in the authors' repository,
        [cmsflash/efficient-attention](https://github.com/cmsflash/efficient-attention).
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

    def reset_parameters(self) -> None:
        """Draw all weights anew, as `torch.nn.Conv2d` does."""
        for layer in (self.query_proj, self.key_proj, self.value_proj, self.output_proj):
            layer.reset_parameters()

    def forward(
        self,
        x: Float[Tensor, "batch channels height width"],
        token_mask: Bool[Tensor, "#batch #height #width"] | None = None,
    ) -> Float[Tensor, "batch channels height width"]:
        """Attend.

        Args:
            x: The image.
            token_mask: True = a real pixel; a pixel is a token, and none attends to padding. If omitted, all are real.

        Returns:
            The image plus what its pixels read from each other.

        Raises:
            TypeError: The image is not floating point, or not of the dtype of the weights, or the mask is not bool.
            ValueError: The image is not (batch, channels, height, width) with the channels of this Module, or the mask
                does not broadcast to (batch, height, width).
        """
        self._check(x, token_mask)

        pixels, mask = x, None
        if token_mask is not None:
            pixels = torch.where(token_mask[:, None], x, finite_or_zero(x))
            mask = token_mask.expand(-1, *x.shape[2:]).flatten(1)[:, None, None]  # (batch, 1, 1, n): all heads, queries
        output, _ = efficient_attention(
            self._split(self.query_proj(pixels)),
            self._split(self.key_proj(pixels)),
            self._split(self.value_proj(pixels)),
            mask,
            normalization=self.normalization,
        )
        joined = output.mT.flatten(1, 2).unflatten(-1, x.shape[-2:])  # (batch, h d_v, height, width)
        return x + self.output_proj(joined)

    def _split(self, x: Float[Tensor, "batch h_d height width"]) -> Float[Tensor, "batch h n d"]:
        """Make each pixel a position, and give each head its part of the channels."""
        return x.flatten(2).unflatten(1, (self.num_heads, -1)).mT

    def _check(self, x: Tensor, token_mask: Tensor | None) -> None:
        who, form = "EfficientAttention2d", "(batch, height, width)"
        check_tensor(who, x=x)
        check_axes(who, "x", x, "(batch, channels, height, width)", exactly=4)
        check_size(who, "channels", self.channels, "x", x, 1)
        check_floating(who, x=x, weights=self.query_proj.weight)
        if token_mask is None:
            return
        check_bool(who, "token_mask", token_mask, "a real pixel")
        check_axes(who, "token_mask", token_mask, form, exactly=3)
        wanted = (x.shape[0], *x.shape[2:])
        if any(given not in (1, size) for given, size in zip(token_mask.shape, wanted, strict=True)):
            raise ValueError(
                f"{who}: token_mask must broadcast to {form} = {wanted}, got shape {shape_of(token_mask)}."
            )
        if token_mask.device != x.device:
            raise ValueError(
                f"{who}: token_mask must be on the device of x, got token_mask on {token_mask.device}, x on {x.device}."
            )
