"""The encoder: N blocks, one after another (Vaswani et al. 2017, section 3.1)."""

from collections.abc import Sequence

from jaxtyping import Bool, Float
from torch import Tensor, nn

from attnref._checks import check_at_least
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.protocols import Attend
from attnref.transformer._checks import check_block, check_caches, check_encoder_inputs
from attnref.transformer._stacks import Layers, draw_anew, formed, own, wants_norm
from attnref.transformer.blocks import EncoderBlock, Norm
from attnref.transformer.cache import KeyValueCache
from attnref.transformer.feed_forward import Activation


class TransformerEncoder(nn.Module):
    r"""Encoder blocks, one after another: each reads what the one before it gave.

    $$ x^{(l)} = \operatorname{EncoderBlock}_l(x^{(l-1)}) \qquad l = 1, \ldots, N $$

    Args:
        d_model: Size of each vector.
        num_heads: Number of heads of each block, `h`.
        d_ff: Size inside the feed-forward networks.
        num_layers: Number of blocks, N.
        dropout: As of `EncoderBlock`.
        norm: "post" or "pre", as of `EncoderBlock`.
        activation: As of `EncoderBlock`.
        norm_eps: As of `EncoderBlock`.
        attend: The attention of each head. A Module is copied, so that each block has its own.
        bias: Whether the projections of the attentions add a bias.
        final_norm: Whether to normalize the output of the last block, too; True for "pre" if omitted, since nothing
            else normalizes it there, and False for "post".

    Raises:
        TypeError, ValueError: As of `EncoderBlock`, or num_layers is not an int from 1 on.

    Examples:
        >>> import torch
        >>> from attnref import TransformerEncoder
        >>> encoder = TransformerEncoder(d_model=8, num_heads=2, d_ff=32, num_layers=3)
        >>> x, weights = encoder(torch.randn(1, 5, 8), return_weights=True)
        >>> x.shape, len(weights), weights[0].shape
        (torch.Size([1, 5, 8]), 3, torch.Size([1, 2, 5, 5]))

    Source:
        Vaswani et al. 2017, *Attention Is All You Need*, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762),
        section 3.1; the last normalization by Xiong et al. 2020,
        [arXiv:2002.04745](https://arxiv.org/abs/2002.04745), section 3.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        d_ff: int,
        num_layers: int,
        *,
        dropout: float = 0.0,
        norm: Norm = "post",
        activation: Activation = "relu",
        norm_eps: float = 1e-5,
        attend: Attend = scaled_dot_product_attention,
        bias: bool = True,
        final_norm: bool | None = None,
    ) -> None:
        who = "TransformerEncoder"
        options = {"dropout": dropout, "norm": norm, "activation": activation, "norm_eps": norm_eps}
        check_block(who, d_model, num_heads, d_ff, **options, attend=attend)
        check_at_least(who, 1, num_layers=num_layers)
        super().__init__()
        self.d_model = d_model
        self.layers = nn.ModuleList(
            EncoderBlock(d_model, num_heads, d_ff, **options, bias=bias, attend=own(attend)) for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(d_model, eps=norm_eps) if wants_norm(final_norm, norm) else None

    def forward(
        self,
        x: Float[Tensor, "*batch n d_model"],
        mask: Bool[Tensor, "*#batch #n #n_k"] | None = None,
        *,
        return_weights: bool = False,
        cache: Sequence[KeyValueCache] | None = None,
    ) -> tuple[Float[Tensor, "*batch n d_model"], Layers | None]:
        """Apply all blocks.

        Args:
            x: One vector for each position.
            mask: True = may attend, the same for all layers.
            return_weights: Whether to keep the attention weights of every layer.
            cache: One cache for each layer, see `EncoderBlock`.

        Returns:
            x: One vector for each position.
            weights: For each layer (..., h, n, n); None if they were not asked for, or `attend` forms none.

        Raises:
            TypeError, ValueError: As of `EncoderBlock`.
        """
        check_caches("TransformerEncoder", cache, len(self.layers), KeyValueCache)
        past = cache[0] if cache else None
        check_encoder_inputs("TransformerEncoder", self.d_model, x, mask, past, next(self.parameters()))

        weights = []
        for layer, its_cache in zip(self.layers, cache or [None] * len(self.layers), strict=True):
            x, of_layer = layer(x, mask, cache=its_cache)
            weights.append(of_layer if return_weights else None)
        return x if self.final_norm is None else self.final_norm(x), formed(weights)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        draw_anew(*self.layers, self.final_norm)
