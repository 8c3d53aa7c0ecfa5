"""Long short-term memory by torch's own kernel."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attnref._checks import check_at_least
from attnref.fast._recurrent import read

State = tuple[Float[Tensor, "layers_directions batch d_h"], Float[Tensor, "layers_directions batch d_h"]]


class LSTM(nn.LSTM):
    """Give the same as the reference, with the same weights under the same names.

    Args:
        d_x: Width of an input.
        d_h: Width of the hidden state, for each direction.
        num_layers: Layers; each reads the hidden states of the one below.
        bidirectional: Whether a second set of weights reads each sequence from its end.

    Raises:
        TypeError: A size is not a whole number.
        ValueError: A size is less than one.
    """

    def __init__(self, d_x: int, d_h: int, *, num_layers: int = 1, bidirectional: bool = False) -> None:
        check_at_least("LSTM", 1, d_x=d_x, d_h=d_h, num_layers=num_layers)
        super().__init__(d_x, d_h, num_layers, batch_first=True, bidirectional=bidirectional)

    def state_of(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """The whole state, given its hidden part: nothing in the cell yet."""
        return h, torch.zeros_like(h)

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        x: Float[Tensor, "batch n d_x"],
        state: State | None = None,
        token_mask: Bool[Tensor, "batch n"] | None = None,
    ) -> tuple[Float[Tensor, "batch n d_out"], State]:
        """Read the sequence.

        Args:
            x: The inputs.
            state: Hidden state and cell state before the first input, (h, c), for each layer and direction; zeros when
                left out.
            token_mask: True = a real input. At padding the state stands still and the hidden state handed out is zero.

        Returns:
            hidden: The top layer's hidden state after each input, both directions side by side.
            state: (h, c) after the last real input, for each layer and direction.
        """
        return read(super().forward, x, state, token_mask)
