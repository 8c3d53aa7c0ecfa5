"""The gated recurrent unit (Cho et al. 2014, section 2.3)."""

import math
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attnref._checks import check_at_least, check_axes, check_choice, check_floating, check_same_size, check_size

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
        w_x: Maps the input into the reset gate, the update gate and the new state, in this order, one below another.
        w_h: Maps the state into the same three.
        b_x: Bias of the input's map.
        b_h: Bias of the state's map.
        reset: Whether the reset gate acts before the state's map, as in the paper, or after it, as in torch and cuDNN.

    Returns:
        The hidden state after the step.

    Raises:
        TypeError: Inputs and weights are not of one floating dtype.
        ValueError: They do not agree in d_x, d_h or 3 d_h, or `reset` is neither "before" nor "after".

    Examples:
        >>> import torch
        >>> from attnref import gru_step
        >>> zeros = {"w_x": torch.zeros(3, 1), "w_h": torch.zeros(3, 1), "b_x": torch.zeros(3), "b_h": torch.zeros(3)}
        >>> gru_step(torch.ones(1), torch.tensor([0.8]), **zeros)  # gates half open, nothing new: half is kept
        tensor([0.4000])

    Source:
        Cho et al. 2014, *Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
        Translation*, section 2.3, equations 5 to 8. There `z` keeps the old state, as here; Bahdanau et al. 2015 turn
        it round.
    """
    who = "gru_step"
    check_choice(who, "reset", reset, ("before", "after"))
    _check_weights(who, w_x, w_h, b_x, b_h)
    check_floating(who, x=x, state=state, w_x=w_x)
    check_same_size(who, "d_x", x=(x, -1), w_x=(w_x, 1))
    check_same_size(who, "d_h", state=(state, -1), w_h=(w_h, 1))
    if x.shape[:-1] != state.shape[:-1]:
        raise ValueError(
            f"{who}: x and state must agree in their leading axes, got x {tuple(x.shape)}, state {tuple(state.shape)}."
        )

    return _mix(x @ w_x.mT + b_x, state, w_h, b_h, reset)


def _mix(from_x: Tensor, state: Tensor, w_h: Tensor, b_h: Tensor, reset: Reset) -> Tensor:
    """The step, its input already mapped: a sequence maps all of its inputs at once."""
    x_r, x_z, x_n = from_x.chunk(3, dim=-1)
    w_r, w_z, w_n = w_h.chunk(3)
    b_r, b_z, b_n = b_h.chunk(3)

    r = torch.sigmoid(x_r + state @ w_r.mT + b_r)
    z = torch.sigmoid(x_z + state @ w_z.mT + b_z)
    if reset == "before":
        n = torch.tanh(x_n + (r * state) @ w_n.mT + b_n)
    else:
        n = torch.tanh(x_n + r * (state @ w_n.mT + b_n))
    return (1 - z) * n + z * state


def _check_weights(who: str, w_x: Tensor, w_h: Tensor, b_x: Tensor, b_h: Tensor) -> None:
    for name, weight in (("w_x", w_x), ("w_h", w_h)):
        check_axes(who, name, weight, "(3 d_h, d)", exactly=2)
    for name, bias in (("b_x", b_x), ("b_h", b_h)):
        check_axes(who, name, bias, "(3 d_h,)", exactly=1)
    check_floating(who, w_x=w_x, w_h=w_h, b_x=b_x, b_h=b_h)
    check_size(who, "3 d_h", 3 * w_h.shape[1], "w_h", w_h, 0)
    check_same_size(who, "3 d_h", w_x=(w_x, 0), w_h=(w_h, 0), b_x=(b_x, 0), b_h=(b_h, 0))


class GRU(nn.Module):
    """A GRU over a sequence: layers, one direction or both, batch first, states passed in and handed back.

    Parameters are named and laid out as in `torch.nn.GRU`, so that weights move either way in one line, for
    `reset="after"`: `ours.load_state_dict(theirs.state_dict())` and `theirs.load_state_dict(ours.state_dict())`.

    Args:
        d_x: Width of an input.
        d_h: Width of the hidden state, for each direction.
        num_layers: Layers; each reads the hidden states of the one below.
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
        Cho et al. 2014, section 2.3; both directions after Schuster and Paliwal 1997, as in Bahdanau et al. 2015.
    """

    def __init__(
        self,
        d_x: int,
        d_h: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        reset: Reset = "after",
    ) -> None:
        check_at_least("GRU", 1, d_x=d_x, d_h=d_h, num_layers=num_layers)
        check_choice("GRU", "reset", reset, ("before", "after"))
        super().__init__()
        self.d_x, self.d_h, self.num_layers = d_x, d_h, num_layers
        self.reset: Reset = reset
        self.directions = ("", "_reverse") if bidirectional else ("",)
        bound = 1 / math.sqrt(d_h)
        for layer in range(num_layers):
            below = d_x if layer == 0 else d_h * len(self.directions)
            shapes = {
                "weight_ih": (3 * d_h, below),
                "weight_hh": (3 * d_h, d_h),
                "bias_ih": (3 * d_h,),
                "bias_hh": (3 * d_h,),
            }
            for direction in self.directions:
                for name, shape in shapes.items():
                    weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
                    self.register_parameter(f"{name}_l{layer}{direction}", weight)

    def forward(
        self,
        x: Float[Tensor, "batch n d_x"],
        state: Float[Tensor, "layers_directions batch d_h"] | None = None,
        mask: Bool[Tensor, "batch n"] | None = None,
    ) -> tuple[Float[Tensor, "batch n d_out"], Float[Tensor, "layers_directions batch d_h"]]:
        """Read the sequence.

        Args:
            x: The inputs.
            state: The state before the first input, for each layer and direction (as torch orders them); zeros when
                left out.
            mask: True = a real input. At padding the state stands still and the hidden state handed out is zero, so a
                padded batch gives what each sequence gives alone.

        Returns:
            hidden: The top layer's state after each input, both directions side by side.
            state: The state after the last real input, for each layer and direction.

        Raises:
            TypeError: The dtypes differ, or the mask is not bool.
            ValueError: The sizes are not those this Module was built for.
        """
        batch, n, _ = self._check(x, state, mask)
        if state is None:
            state = x.new_zeros(self.num_layers * len(self.directions), batch, self.d_h)

        if mask is not None:
            x = x.masked_fill(~mask[..., None], 0.0)  # whatever stands at padding, no gradient comes from it

        last: list[Tensor] = []
        for layer in range(self.num_layers):
            outputs = []
            for direction in self.directions:
                w_x, w_h, b_x, b_h = (
                    self.get_parameter(f"{name}_l{layer}{direction}")
                    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                )
                from_x = x @ w_x.mT + b_x
                h, steps = state[len(last)], [x] * n  # places, each taken by the state after its step
                for t in reversed(range(n)) if direction else range(n):
                    new = _mix(from_x[:, t], h, w_h, b_h, self.reset)
                    if mask is None:
                        h = steps[t] = new
                    else:
                        real = mask[:, t, None]
                        h = torch.where(real, new, h)
                        steps[t] = torch.where(real, new, 0.0)
                outputs.append(torch.stack(steps, dim=1))
                last.append(h)
            x = torch.cat(outputs, dim=-1)
        return x, torch.stack(last)

    def extra_repr(self) -> str:
        """What it was built with."""
        built = f"d_x={self.d_x}, d_h={self.d_h}, num_layers={self.num_layers}"
        return f"{built}, bidirectional={len(self.directions) == 2}, reset={self.reset!r}"

    def _check(self, x: Tensor, state: Tensor | None, mask: Tensor | None) -> torch.Size:
        check_axes("GRU", "x", x, "(batch, n, d_x)", exactly=3)
        check_size("GRU", "d_x", self.d_x, "x", x, -1)
        check_floating("GRU", x=x, weight_ih_l0=self.get_parameter("weight_ih_l0"))
        if x.shape[1] < 1:
            raise ValueError(f"GRU: x must hold at least one position, got shape {tuple(x.shape)}.")
        if state is not None:
            wanted = (self.num_layers * len(self.directions), x.shape[0], self.d_h)
            if tuple(state.shape) != wanted:
                raise ValueError(
                    f"GRU: state must be (num_layers * directions, batch, d_h) = {wanted}, "
                    f"got shape {tuple(state.shape)}."
                )
            check_floating("GRU", x=x, state=state)
        if mask is not None:
            if mask.dtype != torch.bool:
                raise TypeError(f"GRU: mask must be bool (True = a real input), got {mask.dtype}.")
            if mask.shape != x.shape[:2]:
                raise ValueError(f"GRU: mask must be (batch, n) = {tuple(x.shape[:2])}, got shape {tuple(mask.shape)}.")
        return x.shape
