"""Long short-term memory (Hochreiter and Schmidhuber 1997; the forget gate is Gers et al.'s, 2000)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref.sequence._checks import check_recurrent_step
from attnref.sequence._recurrent import Recurrent, State


def lstm_step(
    x: Float[Tensor, "*batch d_x"],
    state: tuple[Float[Tensor, "*batch d_h"], Float[Tensor, "*batch d_h"]],
    *,
    w_x: Float[Tensor, "4*d_h d_x"],
    w_h: Float[Tensor, "4*d_h d_h"],
    b_x: Float[Tensor, " 4*d_h"],
    b_h: Float[Tensor, " 4*d_h"],
) -> tuple[Float[Tensor, "*batch d_h"], Float[Tensor, "*batch d_h"]]:
    r"""Take one step: forget some of the cell, write something new into it, and show some of what it holds.

    $$ \begin{aligned}
       i &= \sigma(W_{xi} x + b_{xi} + W_{hi} h + b_{hi}) & \text{what to write} \\
       f &= \sigma(W_{xf} x + b_{xf} + W_{hf} h + b_{hf}) & \text{what to keep} \\
       g &= \tanh(W_{xg} x + b_{xg} + W_{hg} h + b_{hg}) & \text{the candidate} \\
       o &= \sigma(W_{xo} x + b_{xo} + W_{ho} h + b_{ho}) & \text{what to show} \\
       c' &= f \odot c + i \odot g \qquad h' = o \odot \tanh(c')
       \end{aligned} $$

    Args:
        x: The input of this step.
        state: The hidden state and the cell state before it, (h, c).
        w_x: Maps the input into the input gate, the forget gate, the candidate and the output gate, in this order, one
            below another.
        w_h: Maps the hidden state into the same four.
        b_x: Bias of the input's map.
        b_h: Bias of the hidden state's map.

    Returns:
        hidden: The hidden state after the step.
        cell: The cell state after the step.

    Raises:
        TypeError: Inputs and weights are not of one floating dtype.
        ValueError: They do not agree in d_x, d_h or 4 d_h, or in their leading axes.

    Examples:
        >>> import torch
        >>> from attnref import lstm_step
        >>> zeros = {"w_x": torch.zeros(4, 1), "w_h": torch.zeros(4, 1), "b_x": torch.zeros(4), "b_h": torch.zeros(4)}
        >>> lstm_step(torch.ones(1), (torch.zeros(1), torch.tensor([0.8])), **zeros)  # gates half open, nothing new
        (tensor([0.1900]), tensor([0.4000]))

    Source:
        Hochreiter and Schmidhuber 1997, *Long Short-Term Memory*; forget gate from Gers, Schmidhuber and Cummins 2000,
        *Learning to Forget*. No peepholes, as in torch.
    """
    h, c = state
    check_recurrent_step("lstm_step", 4, x, w_x, w_h, b_x, b_h, h=h, c=c)

    h, c = _mix(x @ w_x.mT + b_x, (h, c), w_h, b_h)
    return h, c


def _mix(from_x: Tensor, state: State, w_h: Tensor, b_h: Tensor) -> State:
    """The step, its input already mapped: a sequence maps all of its inputs at once."""
    h, c = state
    i, f, g, o = (from_x + h @ w_h.mT + b_h).chunk(4, dim=-1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


class LSTM(Recurrent):
    """An LSTM over a sequence: layers, one direction or both, batch first, states passed in and handed back.

    Parameters are named and laid out as in `torch.nn.LSTM`, so that weights move either way in one line:
    `ours.load_state_dict(theirs.state_dict())` and `theirs.load_state_dict(ours.state_dict())`.

    Args:
        d_x: Width of an input.
        d_h: Width of the hidden state and of the cell state, for each direction.
        num_layers: Layers; each reads the hidden states of the one below.
        bidirectional: Whether a second set of weights reads each sequence from its end.

    Raises:
        TypeError: A size is not a whole number.
        ValueError: A size is less than one.

    Examples:
        >>> import torch
        >>> from attnref import LSTM
        >>> lstm = LSTM(d_x=4, d_h=6, num_layers=2)
        >>> hidden, (h, c) = lstm(torch.randn(3, 5, 4))
        >>> hidden.shape, h.shape, c.shape
        (torch.Size([3, 5, 6]), torch.Size([2, 3, 6]), torch.Size([2, 3, 6]))

    Source:
        Hochreiter and Schmidhuber 1997; Gers, Schmidhuber and Cummins 2000.
    """

    gates = 4

    def __init__(self, d_x: int, d_h: int, *, num_layers: int = 1, bidirectional: bool = False) -> None:
        super().__init__(d_x, d_h, num_layers=num_layers, bidirectional=bidirectional)

    def state_of(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """The whole state, given its hidden part: nothing in the cell yet."""
        return h, torch.zeros_like(h)

    def forward(
        self,
        x: Float[Tensor, "batch n d_x"],
        state: tuple[Float[Tensor, "layers_directions batch d_h"], Float[Tensor, "layers_directions batch d_h"]]
        | None = None,
        token_mask: Bool[Tensor, "batch n"] | None = None,
    ) -> tuple[
        Float[Tensor, "batch n d_out"],
        tuple[Float[Tensor, "layers_directions batch d_h"], Float[Tensor, "layers_directions batch d_h"]],
    ]:
        """Read the sequence.

        Args:
            x: The inputs.
            state: Hidden state and cell state before the first input, (h, c), for each layer and direction (as torch
                orders them); zeros when left out.
            token_mask: True = a real input, False = padding, where the state does not change and the hidden state
                returned is zero: a padded batch gives what each sequence gives alone.

        Returns:
            hidden: The top layer's hidden state after each input, both directions side by side.
            state: (h, c) after the last real input, for each layer and direction.

        Raises:
            TypeError: The dtypes differ, or the token mask is not bool.
            ValueError: The sizes are not those this Module was built for.
        """
        h, c = state if state is not None else (None, None)
        self.check(x, token_mask, h=h, c=c)
        hidden, (h, c) = self.walk(_mix, x, (self.zeros(x), self.zeros(x)) if state is None else state, token_mask)
        return hidden, (h, c)
