"""The decoder-only Transformer: self-attention under a causal mask, and no encoder (Radford et al. 2018)."""

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnref._checks import check_at_least, check_choice
from attnref.attention.masks import causal_mask
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.protocols import Attend
from attnref.sequence._checks import check_token_mask
from attnref.sequence._reading import Reading
from attnref.transformer._checks import check_block, check_drops_nothing
from attnref.transformer._embed import Embed, Positions, check_positions
from attnref.transformer._stacks import Layers
from attnref.transformer.blocks import Norm
from attnref.transformer.cache import KeyValueCache
from attnref.transformer.encoder import TransformerEncoder
from attnref.transformer.feed_forward import Activation
from attnref.transformer.positions import TokenEmbedding


class DecoderOnlyTransformer(nn.Module):
    r"""Score each next token of a text, given those before it: a language model.

    $$ p(t_{i+1} \mid t_1 \ldots t_i) =
       \operatorname{softmax}\bigl(W\, \operatorname{Blocks}(\operatorname{embed}(t))_i\bigr) $$

    Its blocks are those of the encoder, under a causal mask: without an encoder there is nothing to cross-attend to.

    Args:
        vocab_size: Number of different tokens.
        d_model: Size of each vector.
        num_heads: Number of heads of each attention.
        d_ff: Size inside the feed-forward networks.
        num_layers: Number of blocks, N.
        dropout: Of each sublayer's output and of the embedded tokens.
        norm: "post" as in GPT, or "pre" as in GPT-2 and since, see `EncoderBlock`.
        activation: Of the feed-forward networks; GPT's is "gelu", GPT-2's "gelu_tanh".
        norm_eps: As of `EncoderBlock`.
        positions: "sinusoidal", "learned" as in GPT, or "none".
        max_positions: Number of learned positions, in tokens; for these alone.
        attend: The attention of each head. A Module is copied for each layer.
        bias: Whether the projections of the attentions add a bias.
        tie: Whether the "output" layer shares the embedding's table, then without bias, as GPT's does; or "none".
        scale_embedding: As `scale` of `TokenEmbedding`; False in GPT.

    Raises:
        TypeError, ValueError: As of `Transformer`.

    Examples:
        >>> import torch
        >>> from attnref import DecoderOnlyTransformer
        >>> model = DecoderOnlyTransformer(20, d_model=8, num_heads=2, d_ff=32, num_layers=2)
        >>> logits, weights = model(torch.randint(20, (3, 7)), return_weights=True)
        >>> logits.shape, len(weights), weights[0].shape
        (torch.Size([3, 7, 20]), 2, torch.Size([3, 2, 7, 7]))

    Source:
        Radford et al. 2018, *Improving Language Understanding by Generative Pre-Training*,
        [report](https://cdn.openai.com/research-covers/language-unsupervised/language_understanding_paper.pdf),
        section 3.1; Liu et al. 2018, *Generating Wikipedia by Summarizing Long Sequences*,
        [arXiv:1801.10198](https://arxiv.org/abs/1801.10198), section 4.2.3.
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        d_model: int,
        num_heads: int,
        d_ff: int,
        num_layers: int,
        dropout: float = 0.0,
        norm: Norm = "post",
        activation: Activation = "relu",
        norm_eps: float = 1e-5,
        positions: Positions = "sinusoidal",
        max_positions: int | None = None,
        attend: Attend = scaled_dot_product_attention,
        bias: bool = True,
        tie: Literal["none", "output"] = "none",
        scale_embedding: bool = True,
    ) -> None:
        who = "DecoderOnlyTransformer"
        options = {"dropout": dropout, "norm": norm, "activation": activation, "norm_eps": norm_eps}
        check_at_least(who, 1, vocab_size=vocab_size, num_layers=num_layers)
        check_block(who, d_model, num_heads, d_ff, **options, attend=attend)
        check_positions(who, positions, max_positions)
        check_choice(who, "tie", tie, ("none", "output"))
        super().__init__()
        embedding = TokenEmbedding(vocab_size, d_model, scale=scale_embedding)
        self.embed = Embed(embedding, positions, max_positions, dropout)
        self.blocks = TransformerEncoder(d_model, num_heads, d_ff, num_layers, **options, attend=attend, bias=bias)
        self.output_proj = nn.Linear(d_model, vocab_size) if tie == "none" else None

    def forward(
        self,
        tokens: Int[Tensor, "batch n"],
        token_mask: Bool[Tensor, "batch n"] | None = None,
        *,
        return_weights: bool = False,
    ) -> tuple[Float[Tensor, "batch n vocab_size"], Layers | None]:
        """Score the token after each token.

        Args:
            tokens: The text.
            token_mask: True = a real token, False = padding. Padding after the real tokens needs none.
            return_weights: Whether to keep the attention weights of every layer and head.

        Returns:
            logits: A score for each token of the vocabulary at each position.
            weights: (batch, h, n, n) for each layer; None if they were not asked for, or `attend` forms none.

        Raises:
            TypeError: The tokens are not integers, or the token mask is not bool.
            ValueError: Tokens or token mask are of the wrong shape or on the wrong device, a token is outside the
                vocabulary, or there are more tokens than learned positions.
        """
        self.embed.check("DecoderOnlyTransformer", "tokens", tokens)
        check_token_mask("DecoderOnlyTransformer", "token_mask", token_mask, tokens)

        mask = causal_mask(tokens.shape[1], device=tokens.device)  # (n, n)
        if token_mask is not None:
            mask = mask & token_mask[:, None]  # (batch, n, n)
        x, weights = self.blocks(self.embed(tokens), mask, return_weights=return_weights)  # (batch, n, d_model)
        return self._logits(x), weights

    def start(self, *, capacity: int = 64, cache: bool = True) -> Reading:
        """Be ready to write: an `attnref.protocols.NextToken`, as `generate` takes it.

        Args:
            capacity: Number of positions that the KV cache first has room for, see `KeyValueCache`.
            cache: Whether to keep keys and values. Without, all tokens are read anew for each next one.

        Returns:
            The model before its first token.

        Raises:
            TypeError, ValueError: The capacity is not an int from 1 on, or the model would drop numbers: it is in
                training mode, and its dropout is not 0.
        """
        check_at_least("DecoderOnlyTransformer.start", 1, capacity=capacity)
        check_drops_nothing("DecoderOnlyTransformer.start", self)
        caches = [KeyValueCache(capacity) for _ in self.blocks.layers]
        return Reading(self._next, caches if cache else None)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for module in self.children():
            module.reset_parameters()  # pyright: ignore[reportCallIssue]

    def _next(self, tokens: Tensor, caches: Sequence[KeyValueCache] | None) -> Tensor:
        """The logits of the token after these."""
        n, past = tokens.shape[1], caches[0].length if caches else 0
        self.embed.check("DecoderOnlyTransformer", "tokens", tokens, past)
        mask = causal_mask(n, past + n, offset=past, device=tokens.device) if n > 1 else None
        x, _ = self.blocks(self.embed(tokens, offset=past), mask, cache=caches)
        return self._logits(x[:, -1])

    def _logits(self, x: Tensor) -> Tensor:
        if self.output_proj is None:
            return nn.functional.linear(x, self.embed.tokens.weight)
        return self.output_proj(x)
