"""The two blocks of the Transformer, encoder and decoder (Vaswani et al. 2017, section 3.1)."""

from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor, nn

from attnref.attention.multi_head import MultiHeadAttention
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.protocols import Attend
from attnref.transformer._checks import check_block, check_cache, check_decoder_inputs, check_encoder_inputs
from attnref.transformer._residual import Residual
from attnref.transformer._stacks import own
from attnref.transformer.cache import DecoderCache, KeyValueCache, MemoryCache
from attnref.transformer.feed_forward import Activation, FeedForward

Norm = Literal["post", "pre"]


class EncoderBlock(Residual):
    r"""Let positions attend to each other, then transform each: two sublayers, each added to its input and normalized.

    $$ \text{post:}\quad y = \operatorname{LayerNorm}(x + \operatorname{Sublayer}(x)) \qquad
       \text{pre:}\quad y = x + \operatorname{Sublayer}(\operatorname{LayerNorm}(x)) $$

    Args:
        d_model: Size of each vector.
        num_heads: Number of heads, `h`.
        d_ff: Size inside the feed-forward network.
        dropout: Probability with which each number of a sublayer's output is dropped, before it is added. torch's
            blocks also drop attention weights and numbers inside the feed-forward network, which the paper does not.
        norm: "post" as the paper's text has it, or "pre", as its code came to, which trains without a warm-up.
        activation: Of the feed-forward network.
        norm_eps: Added to the variance in each layer normalization, so that a constant vector is not divided by zero.
            torch's default, where BERT and Hugging Face's Vision Transformer have 1e-12.
        attend: The attention of each head, as of `MultiHeadAttention`.
        bias: Whether the projections of the attention add a bias.

    Raises:
        TypeError: A size is not an int, or `attend` cannot be called as `(query, key, value, mask)`.
        ValueError: A size is less than one, the heads do not divide d_model, dropout is not a probability, norm_eps
            is not positive, or there is no such norm or activation.

    Examples:
        >>> import torch
        >>> from attnref import EncoderBlock
        >>> block = EncoderBlock(d_model=8, num_heads=2, d_ff=32)
        >>> x, weights = block(torch.randn(1, 5, 8))
        >>> x.shape, weights.shape
        (torch.Size([1, 5, 8]), torch.Size([1, 2, 5, 5]))

    Source:
        Vaswani et al. 2017, *Attention Is All You Need*, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762),
        sections 3.1 and 5.4; "pre" by Xiong et al. 2020, *On Layer Normalization in the Transformer Architecture*,
        [arXiv:2002.04745](https://arxiv.org/abs/2002.04745), section 3.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        d_ff: int,
        *,
        dropout: float = 0.0,
        norm: Norm = "post",
        activation: Activation = "relu",
        norm_eps: float = 1e-5,
        attend: Attend = scaled_dot_product_attention,
        bias: bool = True,
    ) -> None:
        options = {"dropout": dropout, "norm": norm, "activation": activation, "norm_eps": norm_eps}
        check_block("EncoderBlock", d_model, num_heads, d_ff, **options, attend=attend)
        super().__init__(d_model, dropout, norm)
        self.self_attention = MultiHeadAttention(d_model, num_heads, bias=bias, attend=attend)
        self.feed_forward = FeedForward(d_model, d_ff, activation=activation)
        self.self_attention_norm = nn.LayerNorm(d_model, eps=norm_eps)
        self.feed_forward_norm = nn.LayerNorm(d_model, eps=norm_eps)

    def forward(
        self,
        x: Float[Tensor, "*batch n d_model"],
        mask: Bool[Tensor, "*#batch #n #n_k"] | None = None,
        *,
        cache: KeyValueCache | None = None,
    ) -> tuple[Float[Tensor, "*batch n d_model"], Float[Tensor, "*batch h n n_k"] | None]:
        """Apply both sublayers.

        Args:
            x: One vector for each position.
            mask: True = may attend. n_k = n, or with a cache all positions so far.
            cache: Keys and values of the positions before x; those of x are added to it.

        Returns:
            x: One vector for each position.
            weights: The attention weights of each head, or None where `attend` forms none.

        Raises:
            TypeError: x and the weights are not of one floating dtype, the mask is not bool, or the cache is another's.
            ValueError: x is not (..., n, d_model), or the mask does not broadcast to (..., n, n).
        """
        check_cache("EncoderBlock", cache, KeyValueCache)
        check_encoder_inputs("EncoderBlock", self.d_model, x, mask, cache, self.feed_forward_norm.weight)

        y = self._before(self.self_attention_norm, x)
        attended, weights = _attend(self.self_attention, y, y, mask, cache)
        x = self._after(self.self_attention_norm, x, attended)

        y = self._before(self.feed_forward_norm, x)
        return self._after(self.feed_forward_norm, x, self.feed_forward(y)), weights


class DecoderBlock(Residual):
    r"""As an encoder block, with a sublayer in between that attends to the encoder's output.

    Args:
        d_model: Size of each vector.
        num_heads: Number of heads, `h`.
        d_ff: Size inside the feed-forward network.
        dropout: As of `EncoderBlock`.
        norm: As of `EncoderBlock`.
        activation: Of the feed-forward network.
        norm_eps: As of `EncoderBlock`.
        attend: The attention of each head to the decoder's own positions, as of `MultiHeadAttention`.
        cross_attend: The attention of each head to the encoder's output; as `attend` if omitted, a Module copied.
        bias: Whether the projections of the attentions add a bias.

    Raises:
        TypeError: A size is not an int, or `attend` cannot be called as `(query, key, value, mask)`.
        ValueError: A size is less than one, the heads do not divide d_model, dropout is not a probability, norm_eps
            is not positive, or there is no such norm or activation.

    Examples:
        >>> import torch
        >>> from attnref import DecoderBlock, causal_mask
        >>> block = DecoderBlock(d_model=8, num_heads=2, d_ff=32)
        >>> x, weights, cross_weights = block(torch.randn(1, 3, 8), torch.randn(1, 5, 8), causal_mask(3))
        >>> x.shape, weights.shape, cross_weights.shape
        (torch.Size([1, 3, 8]), torch.Size([1, 2, 3, 3]), torch.Size([1, 2, 3, 5]))

    Source:
        Vaswani et al. 2017, *Attention Is All You Need*, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762),
        sections 3.1 and 3.2.3.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        d_ff: int,
        *,
        dropout: float = 0.0,
        norm: Norm = "post",
        activation: Activation = "relu",
        norm_eps: float = 1e-5,
        attend: Attend = scaled_dot_product_attention,
        cross_attend: Attend | None = None,
        bias: bool = True,
    ) -> None:
        cross_attend = own(attend) if cross_attend is None else cross_attend
        options = {"dropout": dropout, "norm": norm, "activation": activation, "norm_eps": norm_eps}
        check_block("DecoderBlock", d_model, num_heads, d_ff, **options, attend=attend, cross_attend=cross_attend)
        super().__init__(d_model, dropout, norm)
        self.self_attention = MultiHeadAttention(d_model, num_heads, bias=bias, attend=attend)
        self.cross_attention = MultiHeadAttention(d_model, num_heads, bias=bias, attend=cross_attend)
        self.feed_forward = FeedForward(d_model, d_ff, activation=activation)
        self.self_attention_norm = nn.LayerNorm(d_model, eps=norm_eps)
        self.cross_attention_norm = nn.LayerNorm(d_model, eps=norm_eps)
        self.feed_forward_norm = nn.LayerNorm(d_model, eps=norm_eps)

    def forward(
        self,
        x: Float[Tensor, "*batch n d_model"],
        memory: Float[Tensor, "*batch n_k d_model"],
        mask: Bool[Tensor, "*#batch #n #n_past"] | None = None,
        memory_mask: Bool[Tensor, "*#batch #n #n_k"] | None = None,
        *,
        cache: DecoderCache | None = None,
    ) -> tuple[
        Float[Tensor, "*batch n d_model"],
        Float[Tensor, "*batch h n n_past"] | None,
        Float[Tensor, "*batch h n n_k"] | None,
    ]:
        """Apply the three sublayers.

        Args:
            x: One vector for each position of the decoder.
            memory: The encoder's output, keys and values at once.
            mask: True = may attend, among the decoder's positions. A decoder that writes takes a causal mask.
            memory_mask: True = may attend, to the encoder's output.
            cache: Keys and values of the positions so far (n_past with those of x), and of the memory.

        Returns:
            x: One vector for each position.
            weights: The attention weights among the decoder's positions, or None where `attend` forms none.
            cross_weights: The attention weights over the encoder's output, or None where `cross_attend` forms none.

        Raises:
            TypeError: x, memory and the weights are not of one floating dtype, a mask is not bool, or the cache is
                another's.
            ValueError: x or memory is not (..., n, d_model), they do not agree in their leading axes, or a mask does
                not broadcast.
        """
        check_cache("DecoderBlock", cache, DecoderCache)
        inputs, past = (x, memory, mask, memory_mask), cache and cache.past
        check_decoder_inputs("DecoderBlock", self.d_model, *inputs, past, self.feed_forward_norm.weight)

        y = self._before(self.self_attention_norm, x)
        attended, weights = _attend(self.self_attention, y, y, mask, cache and cache.past)
        x = self._after(self.self_attention_norm, x, attended)

        y = self._before(self.cross_attention_norm, x)
        attended, cross_weights = _attend(self.cross_attention, y, memory, memory_mask, cache and cache.memory)
        x = self._after(self.cross_attention_norm, x, attended)

        y = self._before(self.feed_forward_norm, x)
        return self._after(self.feed_forward_norm, x, self.feed_forward(y)), weights, cross_weights


def _attend(
    attention: MultiHeadAttention,
    x: Tensor,
    memory: Tensor,
    mask: Tensor | None,
    cache: KeyValueCache | MemoryCache | None,
) -> tuple[Tensor, Tensor | None]:
    return attention(x, memory, memory, mask) if cache is None else cache.attend(attention, x, memory, mask)
