"""The recurrent neural network (Elman 1990): one set of weights, applied at every step."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref.sequence._checks import check_recurrent_step, check_state
from attnref.sequence._recurrent import Recurrent, State


def rnn_step(
    x: Float[Tensor, "*batch d_x"],
    state: Float[Tensor, "*batch d_h"],
    *,
    w_x: Float[Tensor, "d_h d_x"],
    w_h: Float[Tensor, "d_h d_h"],
    b_x: Float[Tensor, " d_h"],
    b_h: Float[Tensor, " d_h"],
) -> Float[Tensor, "*batch d_h"]:
    r"""Take one step: add the projections of the input and of the state, and squash the sum.

    $$ h' = \tanh(W_x x + b_x + W_h h + b_h) $$

    Args:
        x: The input of this step.
        state: The hidden state before it.
        w_x: Projection of the input.
        w_h: Projection of the state.
        b_x: Bias of the input's projection.
        b_h: Bias of the state's projection. One bias would do; there are two so that weights are exchanged with torch.

    Returns:
        The hidden state after the step.

    Raises:
        TypeError: Inputs and weights are not of one floating dtype, or the state is not a tensor.
        ValueError: They do not agree in d_x or d_h, or in their leading axes.

    Examples:
        >>> import torch
        >>> from attnref import rnn_step
        >>> one, zero = torch.ones(1, 1), torch.zeros(1)
        >>> rnn_step(torch.tensor([0.3]), torch.tensor([0.2]), w_x=one, w_h=one, b_x=zero, b_h=zero)  # tanh(0.5)
        tensor([0.4621])

    Source:
        Elman 1990, [*Finding Structure in Time*](https://doi.org/10.1207/s15516709cog1402_1); the form is torch's.
    """
    check_recurrent_step("rnn_step", 1, x, w_x, w_h, b_x, b_h, **check_state("rnn_step", state, ("state",)))

    return _mix(x @ w_x.mT + b_x, (state,), w_h, b_h)[0]


def _mix(from_x: Tensor, state: State, w_h: Tensor, b_h: Tensor) -> State:
    """The step, given the projected input: a sequence projects all of its inputs at once."""
    (h,) = state
    return (torch.tanh(from_x + h @ w_h.mT + b_h),)


class RNN(Recurrent):
    """An RNN over a sequence: layers, one direction or both, batch first, an explicit state.

    Parameters are named and laid out as in `torch.nn.RNN`, so that weights move either way in one line:
    `ours.load_state_dict(theirs.state_dict())` and `theirs.load_state_dict(ours.state_dict())`.

    Under autocast the matrix products have its dtype; hidden states and state keep that of the weights. torch.compile,
    torch.export and torch.jit.trace unroll the loop over positions: a program for each n, with a free batch.
    `attnref.fast.rnn.RNN` leaves n free as well.

    Args:
        d_x: Size of an input.
        d_h: Size of the hidden state, for each direction.
        num_layers: Number of layers; each reads the hidden states of the one below.
        bidirectional: Whether a second set of weights reads each sequence from its end.

    Raises:
        TypeError: A size is not a whole number.
        ValueError: A size is less than one.

    Examples:
        >>> import torch
        >>> from attnref import RNN
        >>> rnn = RNN(d_x=4, d_h=6, num_layers=2)
        >>> hidden, state = rnn(torch.randn(3, 5, 4))
        >>> hidden.shape, state.shape
        (torch.Size([3, 5, 6]), torch.Size([2, 3, 6]))

    Source:
        Elman 1990, [*Finding Structure in Time*](https://doi.org/10.1207/s15516709cog1402_1); both directions after
        Schuster and Paliwal 1997, [*Bidirectional Recurrent Neural Networks*](https://doi.org/10.1109/78.650093).
    """

    gates = 1

    def __init__(self, d_x: int, d_h: int, *, num_layers: int = 1, bidirectional: bool = False) -> None:
        super().__init__(d_x, d_h, num_layers=num_layers, bidirectional=bidirectional)

    def step(self, from_x: Tensor, state: State, w_h: Tensor, b_h: Tensor) -> State:
        """The next state, of an input that is already projected."""
        return _mix(from_x, state, w_h, b_h)

    def forward(
        self,
        x: Float[Tensor, "batch n d_x"],
        state: Float[Tensor, "layers_directions batch d_h"] | None = None,
        token_mask: Bool[Tensor, "batch n"] | None = None,
    ) -> tuple[Float[Tensor, "batch n d_out"], Float[Tensor, "layers_directions batch d_h"]]:
        """Read the sequence.

        Args:
            x: The inputs.
            state: The state before the first input, for each layer and direction (as torch orders them); zeros if
                omitted.
            token_mask: True = a real input, False = padding, where the state does not change and the hidden state
                returned is zero: a padded batch gives what each sequence gives alone.

        Returns:
            hidden: The top layer's state after each input, both directions side by side.
            state: The state after the last real input, for each layer and direction.

        Raises:
            TypeError: The dtypes differ, the state is not a tensor, or the token mask is not bool.
            ValueError: The sizes are not those this Module was built for.
        """
        self.check(x, state, token_mask)

        hidden, (state,) = self.unroll(x, self.zeros(x) if state is None else (state,), token_mask)
        return hidden, state
