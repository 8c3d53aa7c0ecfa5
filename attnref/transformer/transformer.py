"""The Transformer (Vaswani et al. 2017, section 3)."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnref._checks import check_at_least, check_same_size
from attnref.attention.masks import causal_mask
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.protocols import Attend
from attnref.sequence._checks import check_token_mask
from attnref.sequence._reading import Reading
from attnref.transformer._checks import check_block, check_drops_nothing, check_layers, check_tie
from attnref.transformer._embed import Embed, Positions, check_positions
from attnref.transformer._stacks import Layers
from attnref.transformer.blocks import Norm
from attnref.transformer.cache import DecoderCache, KeyValueCache, MemoryCache
from attnref.transformer.decoder import TransformerDecoder
from attnref.transformer.encoder import TransformerEncoder
from attnref.transformer.feed_forward import Activation
from attnref.transformer.positions import TokenEmbedding

Tie = Literal["none", "output", "all"]


class TransformerWeights(NamedTuple):
    """The attention weights of a Transformer, for each layer; None where an attention forms none.

    Attributes:
        encoder: Of the encoder's self-attention, (batch, h, n_k, n_k) for each layer.
        decoder: Of the decoder's self-attention, (batch, h, n_q, n_q) for each layer.
        cross: Of the attention from decoder to encoder, (batch, h, n_q, n_k) for each layer.
    """

    encoder: Layers | None
    decoder: Layers | None
    cross: Layers | None


class Transformer(nn.Module):
    r"""Encode the source, then score each next token of the target, given those before it.

    $$ \text{memory} = \operatorname{Encoder}(\operatorname{embed}(s)) \qquad
       p(t_{i+1} \mid t_1 \ldots t_i, s) = \operatorname{softmax}\bigl(W\,
       \operatorname{Decoder}(\operatorname{embed}(t), \text{memory})_i\bigr) $$

    Args:
        source_vocab_size: Number of different source tokens.
        target_vocab_size: Number of different target tokens.
        d_model: Size of each vector. The paper's: 512.
        num_heads: Number of heads of each attention; 8.
        d_ff: Size inside the feed-forward networks; 2048.
        num_layers: Number of blocks of encoder and decoder each, N, or a pair of two numbers; 6.
        dropout: Of each sublayer's output and of the embedded tokens; 0.1.
        norm: "post" as the paper's text has it, or "pre", see `EncoderBlock`.
        activation: Of the feed-forward networks.
        norm_eps: As of `EncoderBlock`.
        positions: "sinusoidal", "learned" (encoder and decoder each their own), or "none".
        max_positions: Number of learned positions, in tokens; for these alone.
        attend: The attention of each head, wherever none of its own is given. A Module is copied for each layer.
        decoder_attend: The attention of each head in the decoder, to its own positions; as `attend` if omitted. It is
            given a causal mask. One that is causal by itself takes the last row alone, and reads without a cache.
        cross_attend: The attention of each head from decoder to encoder; as `attend` if omitted.
        bias: Whether the projections of the attentions add a bias.
        tie: Which share the target embedding's table: "none", the "output" layer (then without bias), or "all", that is
            the source embedding too, as in the paper.

    Raises:
        TypeError: A size is not an int, or an attention cannot be called as `(query, key, value, mask)`.
        ValueError: A size is less than one, the heads do not divide d_model, dropout is not a probability, a choice is
            none of those on offer, max_positions does not go with `positions`, or vocabularies that are tied differ.

    Examples:
        >>> import torch
        >>> from attnref import Transformer
        >>> model = Transformer(20, 10, d_model=8, num_heads=2, d_ff=32, num_layers=2)
        >>> source, target = torch.randint(20, (3, 7)), torch.randint(10, (3, 4))
        >>> logits, weights = model(source, target, return_weights=True)
        >>> logits.shape, weights.cross[0].shape
        (torch.Size([3, 4, 10]), torch.Size([3, 2, 4, 7]))

    Source:
        Vaswani et al. 2017, *Attention Is All You Need*, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762),
        section 3.
    """

    def __init__(
        self,
        source_vocab_size: int,
        target_vocab_size: int,
        *,
        d_model: int,
        num_heads: int,
        d_ff: int,
        num_layers: int | tuple[int, int],
        dropout: float = 0.0,
        norm: Norm = "post",
        activation: Activation = "relu",
        norm_eps: float = 1e-5,
        positions: Positions = "sinusoidal",
        max_positions: int | None = None,
        attend: Attend = scaled_dot_product_attention,
        decoder_attend: Attend | None = None,
        cross_attend: Attend | None = None,
        bias: bool = True,
        tie: Tie = "none",
    ) -> None:
        who = "Transformer"
        options = {"dropout": dropout, "norm": norm, "activation": activation, "norm_eps": norm_eps}
        decoder_attend = attend if decoder_attend is None else decoder_attend
        cross_attend = attend if cross_attend is None else cross_attend
        attends: dict[str, Any] = {"attend": attend, "decoder_attend": decoder_attend, "cross_attend": cross_attend}
        check_at_least(who, 1, source_vocab_size=source_vocab_size, target_vocab_size=target_vocab_size)
        check_block(who, d_model, num_heads, d_ff, **options, **attends)
        check_positions(who, positions, max_positions)
        check_tie(who, tie, source_vocab_size, target_vocab_size)
        encoder_layers, decoder_layers = check_layers(who, num_layers)
        super().__init__()
        target = TokenEmbedding(target_vocab_size, d_model)
        source = target if tie == "all" else TokenEmbedding(source_vocab_size, d_model)
        self.source_embed = Embed(source, positions, max_positions, dropout)
        self.target_embed = Embed(target, positions, max_positions, dropout)
        sizes, options = (d_model, num_heads, d_ff), {**options, "bias": bias}
        self.encoder = TransformerEncoder(*sizes, encoder_layers, **options, attend=attend)
        self.decoder = TransformerDecoder(
            *sizes, decoder_layers, **options, attend=decoder_attend, cross_attend=cross_attend
        )
        self.output_proj = nn.Linear(d_model, target_vocab_size) if tie == "none" else None

    def forward(
        self,
        source: Int[Tensor, "batch n_k"],
        target: Int[Tensor, "batch n_q"],
        source_token_mask: Bool[Tensor, "batch n_k"] | None = None,
        target_token_mask: Bool[Tensor, "batch n_q"] | None = None,
        *,
        return_weights: bool = False,
    ) -> tuple[Float[Tensor, "batch n_q vocab_size"], TransformerWeights | None]:
        """Score each next token, the true ones before it being given (teacher forcing).

        Args:
            source: The source tokens.
            target: The decoder's input: the begin token, then the true target without its last token.
            source_token_mask: True = a real token of the source, False = padding.
            target_token_mask: True = a real token of the target. Padding after the real tokens needs none: no real
                token attends to it.
            return_weights: Whether to keep the attention weights of every layer and head.

        Returns:
            logits: A score for each token of the vocabulary at each position of the target.
            weights: The attention weights, or None if they were not asked for.

        Raises:
            TypeError: The tokens are not integers, or a token mask is not bool.
            ValueError: Tokens or token masks are of the wrong shape or on the wrong device, a token is outside its
                vocabulary, or there are more tokens than learned positions.
        """
        self._check(source, target, source_token_mask, target_token_mask)

        memory_mask = None if source_token_mask is None else source_token_mask[:, None]  # (batch, 1, n_k)
        mask = causal_mask(target.shape[1], device=target.device)  # (n_q, n_q)
        if target_token_mask is not None:
            mask = mask & target_token_mask[:, None]  # (batch, n_q, n_q)

        memory, encoder_weights = self.encoder(
            self.source_embed(source), memory_mask, return_weights=return_weights
        )  # (batch, n_k, d_model)
        x, decoder_weights = self.decoder(
            self.target_embed(target), memory, mask, memory_mask, return_weights=return_weights
        )  # (batch, n_q, d_model)
        weights = TransformerWeights(encoder_weights, *decoder_weights) if decoder_weights is not None else None
        return self._logits(x), weights

    @torch.no_grad()
    def start(
        self,
        source: Int[Tensor, "batch n_k"],
        source_token_mask: Bool[Tensor, "batch n_k"] | None = None,
        *,
        capacity: int = 64,
        cache: bool = True,
    ) -> Reading:
        """Run the encoder, once, and be ready to write: an `attnref.protocols.NextToken`, as `generate` takes it.

        Args:
            source: The source tokens.
            source_token_mask: True = a real token of the source, False = padding.
            capacity: Number of target positions that the KV cache first has room for, see `KeyValueCache`.
            cache: Whether to keep keys and values. Without, the decoder reads all tokens anew for each next one.

        Returns:
            The decoder before its first token, which is the begin token.

        Raises:
            TypeError, ValueError: As of `forward`, the capacity is not an int from 1 on, or the model would drop
                numbers: it is in training mode, and its dropout is not 0.
        """
        self.source_embed.check("Transformer.start", "source", source)
        check_token_mask("Transformer.start", "source_token_mask", source_token_mask, source)
        check_at_least("Transformer.start", 1, capacity=capacity)
        check_drops_nothing("Transformer.start", self)

        memory_mask = None if source_token_mask is None else source_token_mask[:, None]
        memory, _ = self.encoder(self.source_embed(source), memory_mask)
        caches = [DecoderCache(KeyValueCache(capacity), MemoryCache()) for _ in self.decoder.layers]
        return Reading(self._next, caches if cache else None, memory, memory_mask)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for module in self.children():
            module.reset_parameters()  # pyright: ignore[reportCallIssue]

    def _next(
        self, tokens: Tensor, caches: Sequence[DecoderCache] | None, memory: Tensor, memory_mask: Tensor | None
    ) -> Tensor:
        """The logits of the token after these."""
        n, past = tokens.shape[1], caches[0].past.length if caches else 0
        self.target_embed.check("Transformer", "tokens", tokens, past)
        check_same_size("Transformer", "batch", tokens=(tokens, 0), memory=(memory, 0))
        mask = causal_mask(n, past + n, offset=past, device=tokens.device) if n > 1 else None
        x = self.target_embed(tokens, offset=past)
        x, _ = self.decoder(x, memory, mask, memory_mask, cache=caches)
        return self._logits(x[:, -1])

    def _logits(self, x: Tensor) -> Tensor:
        if self.output_proj is None:
            return nn.functional.linear(x, self.target_embed.tokens.weight)
        return self.output_proj(x)

    def _check(
        self, source: Tensor, target: Tensor, source_token_mask: Tensor | None, target_token_mask: Tensor | None
    ) -> None:
        self.source_embed.check("Transformer", "source", source)
        self.target_embed.check("Transformer", "target", target)
        check_same_size("Transformer", "batch", source=(source, 0), target=(target, 0))
        check_token_mask("Transformer", "source_token_mask", source_token_mask, source)
        check_token_mask("Transformer", "target_token_mask", target_token_mask, target)
