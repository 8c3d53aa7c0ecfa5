"""The gated recurrent unit (Cho et al. 2014, section 2.3)."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref._checks import check_choice
from attnref.sequence._checks import check_recurrent_step, check_state
from attnref.sequence._recurrent import Recurrent, State

Reset = Literal["before", "after"]


def gru_step(
    x: Float[Tensor, "*batch d_x"],
    state: Float[Tensor, "*batch d_h"],
    *,
    w_x: Float[Tensor, "3*d_h d_x"],
    w_h: Float[Tensor, "3*d_h d_h"],
    b_x: Float[Tensor, " 3*d_h"],
    b_h: Float[Tensor, " 3*d_h"],
    reset: Reset = "after",
) -> Float[Tensor, "*batch d_h"]:
    r"""Take one step: decide what of the old state to look at, propose a new one, and mix the two.

    $$ r = \sigma(W_{xr} x + b_{xr} + W_{hr} h + b_{hr}) \qquad
       z = \sigma(W_{xz} x + b_{xz} + W_{hz} h + b_{hz}) $$

    $$ n = \begin{cases}
       \tanh(W_{xn} x + b_{xn} + W_{hn} (r \odot h) + b_{hn}) & \text{reset before} \\
       \tanh(W_{xn} x + b_{xn} + r \odot (W_{hn} h + b_{hn})) & \text{reset after}
       \end{cases} \qquad
       h' = (1 - z) \odot n + z \odot h $$

    Args:
        x: The input of this step.
        state: The hidden state before it.
        w_x: Projections of the input to the reset gate, the update gate and the new state, stacked in this order.
        w_h: Projections of the state to the same three.
        b_x: Biases of the input's projections.
        b_h: Biases of the state's projections.
        reset: Whether the reset gate acts before the state's projection, as in the paper, or after it, as in torch and
            cuDNN.

    Returns:
        The hidden state after the step.

    Raises:
        TypeError: Inputs and weights are not of one floating dtype, or the state is not a tensor.
        ValueError: They do not agree in d_x, d_h or 3 d_h, or `reset` is neither "before" nor "after".

    Examples:
        >>> import torch
        >>> from attnref import gru_step
        >>> zeros = {"w_x": torch.zeros(3, 1), "w_h": torch.zeros(3, 1), "b_x": torch.zeros(3), "b_h": torch.zeros(3)}
        >>> gru_step(torch.ones(1), torch.tensor([0.8]), **zeros)  # gates half open, nothing new: half is kept
        tensor([0.4000])

    Source:
        Cho et al. 2014, *Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
        Translation*, [arXiv:1406.1078](https://arxiv.org/abs/1406.1078), section 2.3, equations 5 to 8. There `z` keeps
        the old state, as here; in Bahdanau et al. 2015 it lets the new one in.
    """
    check_choice("gru_step", "reset", reset, ("before", "after"))
    check_recurrent_step("gru_step", 3, x, w_x, w_h, b_x, b_h, **check_state("gru_step", state, ("state",)))

    return _mix(x @ w_x.mT + b_x, (state,), w_h, b_h, reset=reset)[0]


def _mix(from_x: Tensor, state: State, w_h: Tensor, b_h: Tensor, *, reset: Reset) -> State:
    """The step, given the projected input: a sequence projects all of its inputs at once."""
    (h,) = state
    x_r, x_z, x_n = from_x.chunk(3, dim=-1)
    h_r, h_z, h_n = (h @ w_h.mT + b_h).chunk(3, dim=-1)

    r = torch.sigmoid(x_r + h_r)
    z = torch.sigmoid(x_z + h_z)
    if reset == "before":
        n = torch.tanh(x_n + (r * h) @ w_h.chunk(3)[2].mT + b_h.chunk(3)[2])
    else:
        n = torch.tanh(x_n + r * h_n)
    return ((1 - z) * n + z * h,)


class GRU(Recurrent):
    """A GRU over a sequence: layers, one direction or both, batch first, an explicit state.

    Parameters are named and laid out as in `torch.nn.GRU`, so that weights move either way in one line, for
    `reset="after"`: `ours.load_state_dict(theirs.state_dict())` and `theirs.load_state_dict(ours.state_dict())`.

    Under autocast the matrix products have its dtype; hidden states and state keep that of the weights. torch.compile,
    torch.export and torch.jit.trace unroll the loop over positions: a program for each n, with a free batch.
    `attnref.fast.gru.GRU` leaves n free as well.

    Args:
        d_x: Size of an input.
        d_h: Size of the hidden state, for each direction.
        num_layers: Number of layers; each reads the hidden states of the one below.
        bidirectional: Whether a second set of weights reads each sequence from its end.
        reset: Where the reset gate acts: see `gru_step`.

    Raises:
        TypeError: A size is not a whole number.
        ValueError: A size is less than one, or `reset` is neither "before" nor "after".

    Examples:
        >>> import torch
        >>> from attnref import GRU
        >>> gru = GRU(d_x=4, d_h=6, bidirectional=True)
        >>> hidden, state = gru(torch.randn(2, 5, 4))
        >>> hidden.shape, state.shape
        (torch.Size([2, 5, 12]), torch.Size([2, 2, 6]))

    Source:
        Cho et al. 2014, [arXiv:1406.1078](https://arxiv.org/abs/1406.1078), section 2.3; both directions after Schuster
        and Paliwal 1997, [*Bidirectional Recurrent Neural Networks*](https://doi.org/10.1109/78.650093), as in Bahdanau
        et al. 2015, [arXiv:1409.0473](https://arxiv.org/abs/1409.0473).
    """

    gates = 3

    def __init__(
        self,
        d_x: int,
        d_h: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        reset: Reset = "after",
    ) -> None:
        check_choice("GRU", "reset", reset, ("before", "after"))
        super().__init__(d_x, d_h, num_layers=num_layers, bidirectional=bidirectional)
        self.reset: Reset = reset

    def step(self, from_x: Tensor, state: State, w_h: Tensor, b_h: Tensor) -> State:
        """The next state, of an input that is already projected."""
        return _mix(from_x, state, w_h, b_h, reset=self.reset)

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

    def extra_repr(self) -> str:
        """What it was built with."""
        return f"{super().extra_repr()}, reset={self.reset!r}"
