"""What BERT starts and ends with: the sum of three embeddings, and the head that predicts masked tokens."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attnref._checks import check_at_least, check_axes, check_range, check_same_size
from attnref.sequence._checks import check_tokens
from attnref.transformer.feed_forward import ACTIVATIONS
from attnref.transformer.positions import LearnedPositions


class BERTEmbed(nn.Module):
    """Vector of the token, plus that of its position, plus that of its segment; then normalized, and dropped from."""

    def __init__(
        self, vocab_size: int, d_model: int, max_positions: int, num_segments: int, dropout: float, norm_eps: float
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, d_model)
        self.positions = LearnedPositions(max_positions, d_model)
        self.segments = nn.Embedding(num_segments, d_model)
        self.norm = nn.LayerNorm(d_model, eps=norm_eps)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Int[Tensor, "batch n"], segments: Int[Tensor, "batch n"] | None
    ) -> Float[Tensor, "batch n d_model"]:
        """Vectors of tokens; without segments, all are of segment 0."""
        of_segment = self.segments.weight[0] if segments is None else self.segments(segments)
        x = self.positions(self.tokens(tokens) + of_segment)  # (batch, n, d_model)
        return self.dropout(self.norm(x))

    def check(self, who: str, tokens: Tensor, segments: Tensor | None) -> None:
        """The tokens are in the vocabulary, there is a position for each, and a segment that has a vector."""
        check_tokens(who, "tokens", tokens, self.tokens.num_embeddings)
        given = {"tokens": tokens}
        if segments is not None:
            check_axes(who, "segments", segments, "(batch, n)", exactly=2)
            if segments.dtype not in (torch.int32, torch.int64):
                hint = "; pass a token mask as token_mask" if segments.dtype == torch.bool else ""
                raise TypeError(f"{who}: segments must be int32 or int64, got {segments.dtype}{hint}.")
            check_same_size(who, "batch", tokens=(tokens, 0), segments=(segments, 0))
            check_same_size(who, "n", tokens=(tokens, 1), segments=(segments, 1))
            check_range(who, "segments", segments, self.segments.num_embeddings - 1, "0 and num_segments - 1")
            given["segments"] = segments
        for name, tensor in given.items():
            if tensor.device != self.tokens.weight.device:
                on = f"{name} on {tensor.device}, weights on {self.tokens.weight.device}"
                raise ValueError(f"{who}: {name} must be on the device of the weights, got {on}.")
        n, most = tokens.shape[1], self.positions.max_positions
        if n > most:
            raise ValueError(f"{who}: tokens must hold at most max_positions={most} tokens, got {n}.")


class MaskedHead(nn.Module):
    """Turns the vector of a position into a score for each token, with the embedding's own table."""

    def __init__(self, vocab_size: int, d_model: int, activation: str, norm_eps: float) -> None:
        super().__init__()
        self.activation = activation
        self.proj = nn.Linear(d_model, d_model)
        self.norm = nn.LayerNorm(d_model, eps=norm_eps)
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(
        self, x: Float[Tensor, "*batch d_model"], table: Float[Tensor, "vocab_size d_model"]
    ) -> Float[Tensor, "*batch vocab_size"]:
        """Project, activate, normalize; then the dot product with the vector of every token, and its bias."""
        x = self.norm(ACTIVATIONS[self.activation](self.proj(x)))  # (..., d_model)
        return nn.functional.linear(x, table, self.bias)


def draw_as_bert(*modules: nn.Module | None) -> None:
    """Draw weights anew as Hugging Face's BERT: matrices normal, of standard deviation 0.02, biases zero, norms one.

    BERT's own code cuts the normal distribution off at two standard deviations.
    """
    for part in (part for module in modules if module is not None for part in module.modules()):
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=0.02)
            if isinstance(part, nn.Linear) and part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.LayerNorm | LearnedPositions):
            part.reset_parameters()
        elif isinstance(part, MaskedHead):
            nn.init.zeros_(part.bias)


def check_bert(who: str, vocab_size: int, num_layers: int, max_positions: int, num_segments: int) -> None:
    """The sizes that no block has."""
    sizes = {"vocab_size": vocab_size, "num_layers": num_layers, "max_positions": max_positions}
    check_at_least(who, 1, **sizes, num_segments=num_segments)
