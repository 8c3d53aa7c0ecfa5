"""What both models start with: tokens become vectors, positions are added, numbers are dropped."""

from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor, nn

from attnref._checks import check_at_least, check_choice
from attnref.sequence._checks import check_tokens
from attnref.transformer.positions import LearnedPositions, SinusoidalPositions, TokenEmbedding

Positions = Literal["sinusoidal", "learned", "none"]


class Embed(nn.Module):
    """Token embedding plus positions, then dropout (Vaswani et al. 2017, sections 3.4, 3.5 and 5.4)."""

    def __init__(self, tokens: TokenEmbedding, positions: Positions, max_positions: int | None, dropout: float) -> None:
        super().__init__()
        self.tokens = tokens
        self.positions = None
        if positions == "sinusoidal":
            self.positions = SinusoidalPositions(tokens.d_model)
        elif positions == "learned":
            assert max_positions is not None
            self.positions = LearnedPositions(max_positions, tokens.d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Int[Tensor, "batch n"], *, offset: int = 0) -> Float[Tensor, "batch n d_model"]:
        """Vectors of tokens, the first of which is at position `offset`."""
        x = self.tokens(tokens)
        return self.dropout(x if self.positions is None else self.positions(x, offset=offset))

    def check(self, who: str, name: str, tokens: Tensor, offset: int = 0) -> None:
        """The tokens are in the vocabulary, on the device of the weights, and there is a position for each."""
        check_tokens(who, name, tokens, self.tokens.vocab_size)
        if tokens.device != self.tokens.weight.device:
            given = f"{name} on {tokens.device}, weights on {self.tokens.weight.device}"
            raise ValueError(f"{who}: {name} must be on the device of the weights, got {given}.")
        n = offset + tokens.shape[1]
        if isinstance(self.positions, LearnedPositions) and n > self.positions.max_positions:
            most = self.positions.max_positions
            raise ValueError(f"{who}: {name} must hold at most max_positions={most} tokens, got {n}.")

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.tokens.reset_parameters()
        if isinstance(self.positions, LearnedPositions):
            self.positions.reset_parameters()


def check_positions(who: str, positions: str, max_positions: int | None) -> None:
    """Learned positions need a number of them; the others have none."""
    check_choice(who, "positions", positions, ("sinusoidal", "learned", "none"))
    if (max_positions is not None) != (positions == "learned"):
        rule = "max_positions must be given for learned positions, and for no others"
        raise ValueError(f"{who}: {rule}, got positions={positions!r} and max_positions={max_positions}.")
    if max_positions is not None:
        check_at_least(who, 1, max_positions=max_positions)
