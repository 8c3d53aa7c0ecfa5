"""BERT: an encoder trained to predict masked tokens from both sides (Devlin et al. 2018)."""

from typing import NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnref._checks import check_axes, check_floating, check_size, kind_of
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.models._bert_parts import BERTEmbed, MaskedHead, check_bert, draw_as_bert
from attnref.protocols import Attend
from attnref.sequence._checks import check_token_mask
from attnref.transformer._checks import check_block
from attnref.transformer._stacks import Layers
from attnref.transformer.encoder import TransformerEncoder
from attnref.transformer.feed_forward import Activation


class BERT(nn.Module):
    r"""Encode a text, or a pair of texts, each token with regard to all others, before it and after it.

    $$ x_i = \operatorname{LayerNorm}(E_{t_i} + P_i + S_{s_i}) \qquad y = \operatorname{Encoder}(x) $$

    Args:
        vocab_size: Number of different tokens. That of the paper's base model: 30,522.
        d_model: Size of each vector; 768.
        num_heads: Number of heads of each attention; 12.
        d_ff: Size inside the feed-forward networks; 3072.
        num_layers: Number of blocks, N; 12.
        max_positions: Number of learned positions, in tokens. A longer text is refused.
        num_segments: Number of segments: two, for pairs of texts.
        dropout: Of each sublayer's output and of the embedded tokens; 0.1. BERT's code also drops attention weights,
            which this does not.
        activation: Of the feed-forward networks. The paper says "gelu"; its code computes "gelu_tanh", which is near
            it, and Hugging Face's, with the same weights, "gelu".
        norm_eps: Added to the variance in each layer normalization.
        attend: The attention of each head. A Module is copied for each layer.

    Raises:
        TypeError, ValueError: A size is not an int from one on, or as of `EncoderBlock`.

    Examples:
        >>> import torch
        >>> from attnref.models import BERT
        >>> model = BERT(20, d_model=8, num_heads=2, d_ff=32, num_layers=3)
        >>> tokens, token_mask = torch.randint(20, (2, 7)), torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
        >>> x, weights = model(tokens, token_mask=token_mask, return_weights=True)
        >>> x.shape, len(weights), weights[0].shape, model.pool(x).shape
        (torch.Size([2, 7, 8]), 3, torch.Size([2, 2, 7, 7]), torch.Size([2, 8]))

    Source:
        Devlin et al. 2018, *BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding*,
        [arXiv:1810.04805](https://arxiv.org/abs/1810.04805), section 3 and figure 2; sizes of section 3, dropout of
        appendix A.2. What the paper leaves out (the normalized sum, norm_eps) is that of
        [its code](https://github.com/google-research/bert/blob/master/modeling.py).
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        d_model: int,
        num_heads: int,
        d_ff: int,
        num_layers: int,
        max_positions: int = 512,
        num_segments: int = 2,
        dropout: float = 0.0,
        activation: Activation = "gelu",
        norm_eps: float = 1e-12,
        attend: Attend = scaled_dot_product_attention,
    ) -> None:
        options = {"dropout": dropout, "norm": "post", "activation": activation, "norm_eps": norm_eps, "attend": attend}
        check_block("BERT", d_model, num_heads, d_ff, **options)
        check_bert("BERT", vocab_size, num_layers, max_positions, num_segments)
        super().__init__()
        self.vocab_size, self.d_model, self.activation = vocab_size, d_model, activation
        self.embed = BERTEmbed(vocab_size, d_model, max_positions, num_segments, dropout, norm_eps)
        self.encoder = TransformerEncoder(d_model, num_heads, d_ff, num_layers, **options)
        self.pooler: nn.Linear | None = nn.Linear(d_model, d_model)  # None if a checkpoint has none
        draw_as_bert(self)

    def forward(
        self,
        tokens: Int[Tensor, "batch n"],
        segments: Int[Tensor, "batch n"] | None = None,
        token_mask: Bool[Tensor, "batch n"] | None = None,
        *,
        return_weights: bool = False,
    ) -> tuple[Float[Tensor, "batch n d_model"], Layers | None]:
        """Encode the text.

        Args:
            tokens: The text: the class token, then one text or two, each closed by the separator.
            segments: Which text a token belongs to, from 0 to num_segments - 1; all to 0 if omitted.
            token_mask: True = a real token, False = padding.
            return_weights: Whether to keep the attention weights of every layer and head.

        Returns:
            x: One vector for each token.
            weights: (batch, h, n, n) for each layer; None if they were not asked for, or `attend` forms none.

        Raises:
            TypeError: Tokens or segments are not integers, or the token mask is not bool.
            ValueError: A shape or device is wrong, a token or segment has no vector, or there are too many tokens.
        """
        self.embed.check("BERT", tokens, segments)
        check_token_mask("BERT", "token_mask", token_mask, tokens)

        mask = None if token_mask is None else token_mask[:, None]  # (batch, 1, n)
        return self.encoder(self.embed(tokens, segments), mask, return_weights=return_weights)

    def pool(self, x: Float[Tensor, "batch n d_model"]) -> Float[Tensor, "batch d_model"]:
        r"""Sum up a text in one vector, made of that of its first token.

        $$ \tanh(W x_0 + b) $$

        Args:
            x: One vector for each token, the class token's first.

        Returns:
            One vector for each text.

        Raises:
            TypeError, ValueError: x is not (batch, n, d_model) of the weights' dtype, n is 0, or there is no pooler.
        """
        if self.pooler is None:
            raise ValueError("BERT.pool: the model must have a pooler, got that of a checkpoint without one.")
        check_axes("BERT.pool", "x", x, "(batch, n, d_model)", exactly=3)
        check_size("BERT.pool", "d_model", self.d_model, "x", x, -1)
        check_floating("BERT.pool", x=x, weights=self.pooler.weight)
        if x.shape[1] < 1:
            raise ValueError(f"BERT.pool: x must hold at least one token, got shape {tuple(x.shape)}.")

        return self.pooler(x[:, 0]).tanh()

    def reset_parameters(self) -> None:
        """Draw all weights anew: matrices with a standard deviation of 0.02, biases zero."""
        self.encoder.reset_parameters()
        draw_as_bert(self)


class BERTScores(NamedTuple):
    """What BERT's two heads make of a text.

    Attributes:
        token_logits: A score for each token of the vocabulary at each position, (batch, n, vocab_size).
        next_logits: "The second text follows the first", "it does not": a score for each, (batch, 2); None if not made.
        weights: (batch, h, n, n) for each layer; None if they were not asked for, or `attend` forms none.
    """

    token_logits: Float[Tensor, "batch n vocab_size"]
    next_logits: Float[Tensor, "batch 2"] | None
    weights: Layers | None


class BERTPretraining(nn.Module):
    r"""BERT with its two heads: which token was masked, and whether the second text follows the first.

    $$ p(t_i \mid \tilde t) = \operatorname{softmax}\bigl(E\, \operatorname{LayerNorm}(\operatorname{GELU}(W y_i + b))
       + c\bigr) \qquad p(\text{next} \mid \tilde t) = \operatorname{softmax}(V \tanh(W' y_0 + b') + d) $$

    The table E is that of the embedding, which so gets both gradients.

    Args:
        bert: The encoder. It is used as it is, not copied.

    Raises:
        TypeError: It is not a BERT.

    Examples:
        >>> import torch
        >>> from attnref.models import BERT, BERTPretraining
        >>> model = BERTPretraining(BERT(20, d_model=8, num_heads=2, d_ff=32, num_layers=3))
        >>> scores = model(torch.randint(20, (2, 7)))
        >>> scores.token_logits.shape, scores.next_logits.shape
        (torch.Size([2, 7, 20]), torch.Size([2, 2]))

    Source:
        Devlin et al. 2018, *BERT*, [arXiv:1810.04805](https://arxiv.org/abs/1810.04805), section 3.1, tasks 1 and 2;
        the heads as in [its code](https://github.com/google-research/bert/blob/master/run_pretraining.py).
    """

    def __init__(self, bert: BERT) -> None:
        if not isinstance(bert, BERT):
            raise TypeError(f"BERTPretraining: bert must be a BERT, got {kind_of(bert)}.")
        super().__init__()
        self.bert = bert
        self.head = MaskedHead(bert.vocab_size, bert.d_model, bert.activation, bert.embed.norm.eps)
        self.next_proj: nn.Linear | None = nn.Linear(bert.d_model, 2)  # None if a checkpoint has none
        draw_as_bert(self.head, self.next_proj)

    def forward(
        self,
        tokens: Int[Tensor, "batch n"],
        segments: Int[Tensor, "batch n"] | None = None,
        token_mask: Bool[Tensor, "batch n"] | None = None,
        *,
        return_weights: bool = False,
    ) -> BERTScores:
        """Score every token of the vocabulary at every position, and whether the second text follows the first.

        Args:
            tokens: As of `BERT`, with some of them masked.
            segments: As of `BERT`.
            token_mask: As of `BERT`.
            return_weights: As of `BERT`.

        Returns:
            The scores, and the attention weights.

        Raises:
            TypeError, ValueError: As of `BERT`.
        """
        x, weights = self.bert(tokens, segments, token_mask, return_weights=return_weights)  # (batch, n, d_model)
        next_logits = None if self.next_proj is None else self.next_proj(self.bert.pool(x))  # (batch, 2)
        return BERTScores(self.score_tokens(x), next_logits, weights)

    def score_tokens(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch vocab_size"]:
        """Score every token of the vocabulary, at all positions or at some: `score_tokens(x[chosen])`.

        Args:
            x: Vectors that BERT gave.

        Returns:
            A score for each token of the vocabulary.

        Raises:
            TypeError, ValueError: x is not (..., d_model) of the weights' dtype.
        """
        check_axes("BERTPretraining.score_tokens", "x", x, "(..., d_model)")
        check_size("BERTPretraining.score_tokens", "d_model", self.bert.d_model, "x", x, -1)
        check_floating("BERTPretraining.score_tokens", x=x, weights=self.head.proj.weight)

        return self.head(x, self.bert.embed.tokens.weight)

    def reset_parameters(self) -> None:
        """Draw all weights anew, those of the encoder too."""
        self.bert.reset_parameters()
        draw_as_bert(self.head, self.next_proj)
