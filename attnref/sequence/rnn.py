"""The recurrent neural network (Elman 1990): one set of weights, applied at every step."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref.sequence._checks import check_recurrent_step
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
    r"""Take one step: mix the input with the state so far, and squash.

    $$ h' = \tanh(W_x x + b_x + W_h h + b_h) $$

    Args:
        x: The input of this step.
        state: The hidden state before it.
        w_x: Maps the input.
        w_h: Maps the state.
        b_x: Bias of the input's map.
        b_h: Bias of the state's map. One bias would do; there are two so that weights move to torch and back.

    Returns:
        The hidden state after the step.

    Raises:
        TypeError: Inputs and weights are not of one floating dtype.
        ValueError: They do not agree in d_x or d_h, or in their leading axes.

    Examples:
        >>> import torch
        >>> from attnref import rnn_step
        >>> one, zero = torch.ones(1, 1), torch.zeros(1)
        >>> rnn_step(torch.tensor([0.3]), torch.tensor([0.2]), w_x=one, w_h=one, b_x=zero, b_h=zero)  # tanh(0.5)
        tensor([0.4621])

    Source:
        Elman 1990, *Finding Structure in Time*; the form is torch's.
    """
    check_recurrent_step("rnn_step", 1, x, w_x, w_h, b_x, b_h, state=state)

    return _mix(x @ w_x.mT + b_x, (state,), w_h, b_h)[0]


def _mix(from_x: Tensor, state: State, w_h: Tensor, b_h: Tensor) -> State:
    """The step, its input already mapped: a sequence maps all of its inputs at once."""
    (h,) = state
    return (torch.tanh(from_x + h @ w_h.mT + b_h),)


class RNN(Recurrent):
    """An RNN over a sequence: layers, one direction or both, batch first, states passed in and handed back.

    Parameters are named and laid out as in `torch.nn.RNN`, so that weights move either way in one line:
    `ours.load_state_dict(theirs.state_dict())` and `theirs.load_state_dict(ours.state_dict())`.

    Args:
        d_x: Width of an input.
        d_h: Width of the hidden state, for each direction.
        num_layers: Layers; each reads the hidden states of the one below.
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
        Elman 1990; both directions after Schuster and Paliwal 1997.
    """

    gates = 1

    def __init__(self, d_x: int, d_h: int, *, num_layers: int = 1, bidirectional: bool = False) -> None:
        super().__init__(d_x, d_h, num_layers=num_layers, bidirectional=bidirectional)

    def forward(
        self,
        x: Float[Tensor, "batch n d_x"],
        state: Float[Tensor, "layers_directions batch d_h"] | None = None,
        token_mask: Bool[Tensor, "batch n"] | None = None,
    ) -> tuple[Float[Tensor, "batch n d_out"], Float[Tensor, "layers_directions batch d_h"]]:
        """Read the sequence.

        Args:
            x: The inputs.
            state: The state before the first input, for each layer and direction (as torch orders them); zeros when
                left out.
            token_mask: True = a real input, False = padding, where the state does not change and the hidden state
                returned is zero: a padded batch gives what each sequence gives alone.

        Returns:
            hidden: The top layer's state after each input, both directions side by side.
            state: The state after the last real input, for each layer and direction.

        Raises:
            TypeError: The dtypes differ, or the token mask is not bool.
            ValueError: The sizes are not those this Module was built for.
        """
        self.check(x, token_mask, state=state)
        hidden, (last,) = self.walk(_mix, x, (self.zeros(x) if state is None else state,), token_mask)
        return hidden, last
