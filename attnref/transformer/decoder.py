"""The decoder: N blocks, one after another, all with the same memory (Vaswani et al. 2017, section 3.1)."""

from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor, nn

from attnref._checks import check_at_least
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.protocols import Attend
from attnref.transformer._checks import check_block, check_caches, check_decoder_inputs
from attnref.transformer._stacks import Layers, draw_anew, formed, own, wants_norm
from attnref.transformer.blocks import DecoderBlock, Norm
from attnref.transformer.cache import DecoderCache
from attnref.transformer.feed_forward import Activation


class DecoderWeights(NamedTuple):
    """The attention weights of a decoder; None where an attention forms none.

    Attributes:
        to_itself: Of self-attention, (..., h, n, n) for each layer.
        to_memory: Of the attention to the encoder's output, (..., h, n, n_k) for each layer.
    """

    to_itself: Layers | None
    to_memory: Layers | None


class TransformerDecoder(nn.Module):
    r"""Decoder blocks, one after another. Each attends to the same memory, the output of the last encoder block.

    $$ x^{(l)} = \operatorname{DecoderBlock}_l(x^{(l-1)}, \text{memory}) \qquad l = 1, \ldots, N $$

    Args:
        d_model: Size of each vector.
        num_heads: Number of heads of each block, `h`.
        d_ff: Size inside the feed-forward networks.
        num_layers: Number of blocks, N.
        dropout: As of `EncoderBlock`.
        norm: "post" or "pre", as of `EncoderBlock`.
        activation: As of `EncoderBlock`.
        norm_eps: As of `EncoderBlock`.
        attend: The attention of each head to the decoder's own positions. A Module is copied for each block.
        cross_attend: The attention of each head to the memory; as `attend` if omitted.
        bias: Whether the projections of the attentions add a bias.
        final_norm: As of `TransformerEncoder`.

    Raises:
        TypeError, ValueError: As of `DecoderBlock`, or num_layers is not an int from 1 on.

    Examples:
        >>> import torch
        >>> from attnref import TransformerDecoder, causal_mask
        >>> decoder = TransformerDecoder(d_model=8, num_heads=2, d_ff=32, num_layers=3)
        >>> x, memory = torch.randn(1, 4, 8), torch.randn(1, 5, 8)
        >>> x, weights = decoder(x, memory, causal_mask(4), return_weights=True)
        >>> x.shape, len(weights.to_memory), weights.to_memory[0].shape
        (torch.Size([1, 4, 8]), 3, torch.Size([1, 2, 4, 5]))

    Source:
        Vaswani et al. 2017, *Attention Is All You Need*, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762),
        section 3.1.
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
        cross_attend: Attend | None = None,
        bias: bool = True,
        final_norm: bool | None = None,
    ) -> None:
        cross_attend = attend if cross_attend is None else cross_attend
        who = "TransformerDecoder"
        options = {"dropout": dropout, "norm": norm, "activation": activation, "norm_eps": norm_eps}
        check_block(who, d_model, num_heads, d_ff, **options, attend=attend, cross_attend=cross_attend)
        check_at_least(who, 1, num_layers=num_layers)
        super().__init__()
        self.d_model = d_model
        self.layers = nn.ModuleList(
            DecoderBlock(
                d_model, num_heads, d_ff, **options, bias=bias, attend=own(attend), cross_attend=own(cross_attend)
            )
            for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(d_model, eps=norm_eps) if wants_norm(final_norm, norm) else None

    def forward(
        self,
        x: Float[Tensor, "*batch n d_model"],
        memory: Float[Tensor, "*batch n_k d_model"],
        mask: Bool[Tensor, "*#batch #n #n_past"] | None = None,
        memory_mask: Bool[Tensor, "*#batch #n #n_k"] | None = None,
        *,
        return_weights: bool = False,
        cache: Sequence[DecoderCache] | None = None,
    ) -> tuple[Float[Tensor, "*batch n d_model"], DecoderWeights | None]:
        """Apply all blocks.

        Args:
            x: One vector for each position.
            memory: The encoder's output, keys and values of every block.
            mask: True = may attend, among the decoder's positions. A decoder that writes takes a causal mask.
            memory_mask: True = may attend, to the memory.
            return_weights: Whether to keep the attention weights of every layer.
            cache: One cache for each layer, see `DecoderBlock`.

        Returns:
            x: One vector for each position.
            weights: Those of every layer, or None if they were not asked for.

        Raises:
            TypeError, ValueError: As of `DecoderBlock`.
        """
        check_caches("TransformerDecoder", cache, len(self.layers), DecoderCache)
        past = cache[0].past if cache else None
        inputs, weight = (x, memory, mask, memory_mask), next(self.parameters())
        check_decoder_inputs("TransformerDecoder", self.d_model, *inputs, past, weight)

        to_itself, to_memory = [], []
        for layer, its_cache in zip(self.layers, cache or [None] * len(self.layers), strict=True):
            x, weights, cross_weights = layer(x, memory, mask, memory_mask, cache=its_cache)
            to_itself.append(weights if return_weights else None)
            to_memory.append(cross_weights if return_weights else None)
        weights = DecoderWeights(formed(to_itself), formed(to_memory)) if return_weights else None
        return x if self.final_norm is None else self.final_norm(x), weights

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        draw_anew(*self.layers, self.final_norm)
