"""Long short-term memory (Hochreiter and Schmidhuber 1997; the forget gate is Gers et al.'s, 2000)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref.sequence._checks import check_recurrent_step, check_state
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
        w_x: Projections of the input to the input gate, the forget gate, the candidate and the output gate, stacked in
            this order.
        w_h: Projections of the hidden state to the same four.
        b_x: Biases of the input's projections.
        b_h: Biases of the hidden state's projections.

    Returns:
        hidden: The hidden state after the step.
        cell: The cell state after the step.

    Raises:
        TypeError: Inputs and weights are not of one floating dtype, or the state is not a tuple of two tensors.
        ValueError: They do not agree in d_x, d_h or 4 d_h, or in their leading axes.

    Examples:
        >>> import torch
        >>> from attnref import lstm_step
        >>> zeros = {"w_x": torch.zeros(4, 1), "w_h": torch.zeros(4, 1), "b_x": torch.zeros(4), "b_h": torch.zeros(4)}
        >>> lstm_step(torch.ones(1), (torch.zeros(1), torch.tensor([0.8])), **zeros)  # gates half open, nothing new
        (tensor([0.1900]), tensor([0.4000]))

    Source:
        Hochreiter and Schmidhuber 1997, [*Long Short-Term Memory*](https://doi.org/10.1162/neco.1997.9.8.1735); forget
        gate from Gers, Schmidhuber and Cummins 2000, [*Learning to
        Forget*](https://doi.org/10.1162/089976600300015015). No peepholes, as in torch.
    """
    check_recurrent_step("lstm_step", 4, x, w_x, w_h, b_x, b_h, **check_state("lstm_step", state, ("h", "c")))

    h, c = _mix(x @ w_x.mT + b_x, state, w_h, b_h)
    return h, c


def _mix(from_x: Tensor, state: State, w_h: Tensor, b_h: Tensor) -> State:
    """The step, given the projected input: a sequence projects all of its inputs at once."""
    h, c = state
    i, f, g, o = (from_x + h @ w_h.mT + b_h).chunk(4, dim=-1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


class LSTM(Recurrent):
    """An LSTM over a sequence: layers, one direction or both, batch first, an explicit state.

    Parameters are named and laid out as in `torch.nn.LSTM`, so that weights move either way in one line:
    `ours.load_state_dict(theirs.state_dict())` and `theirs.load_state_dict(ours.state_dict())`.

    Under autocast the matrix products have its dtype; hidden states and state keep that of the weights. torch.compile,
    torch.export and torch.jit.trace unroll the loop over positions: a program for each n, with a free batch.
    `attnref.fast.lstm.LSTM` leaves n free as well.

    Args:
        d_x: Size of an input.
        d_h: Size of the hidden state and of the cell state, for each direction.
        num_layers: Number of layers; each reads the hidden states of the one below.
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
        Hochreiter and Schmidhuber 1997, [*Long Short-Term Memory*](https://doi.org/10.1162/neco.1997.9.8.1735); Gers,
        Schmidhuber and Cummins 2000, [*Learning to Forget*](https://doi.org/10.1162/089976600300015015).
    """

    gates = 4
    parts = ("h", "c")

    def __init__(self, d_x: int, d_h: int, *, num_layers: int = 1, bidirectional: bool = False) -> None:
        super().__init__(d_x, d_h, num_layers=num_layers, bidirectional=bidirectional)

    def state_of(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """The state whose hidden state is h: its cell state is zero."""
        return h, torch.zeros_like(h)

    def step(self, from_x: Tensor, state: State, w_h: Tensor, b_h: Tensor) -> State:
        """The next state, of an input that is already projected."""
        return _mix(from_x, state, w_h, b_h)

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
                orders them); zeros if omitted.
            token_mask: True = a real input, False = padding, where the state does not change and the hidden state
                returned is zero: a padded batch gives what each sequence gives alone.

        Returns:
            hidden: The top layer's hidden state after each input, both directions side by side.
            state: (h, c) after the last real input, for each layer and direction.

        Raises:
            TypeError: The dtypes differ, the state is not a tuple of two tensors, or the token mask is not bool.
            ValueError: The sizes are not those this Module was built for.
        """
        self.check(x, state, token_mask)

        hidden, (h, c) = self.unroll(x, self.zeros(x) if state is None else state, token_mask)
        return hidden, (h, c)
