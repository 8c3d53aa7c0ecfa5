"""What the encoder block and the decoder block share: the residual connection around a sublayer."""

from torch import Tensor, nn

from attnref.attention.multi_head import MultiHeadAttention
from attnref.transformer.feed_forward import FeedForward


class Residual(nn.Module):
    """Adds the output of a sublayer to its input, with the normalization after the sum or before the sublayer."""

    def __init__(self, d_model: int, dropout: float, norm: str) -> None:
        super().__init__()
        self.d_model, self.norm = d_model, norm
        self.dropout = nn.Dropout(dropout)

    def _before(self, norm: nn.LayerNorm, x: Tensor) -> Tensor:
        return norm(x) if self.norm == "pre" else x

    def _after(self, norm: nn.LayerNorm, x: Tensor, sublayer: Tensor) -> Tensor:
        x = x + self.dropout(sublayer)
        return norm(x) if self.norm == "post" else x

    def reset_parameters(self) -> None:
        """Draw all weights anew, as they were drawn when the Module was made."""
        for child in self.children():
            if isinstance(child, MultiHeadAttention | FeedForward | nn.LayerNorm):
                child.reset_parameters()
