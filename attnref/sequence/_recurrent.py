"""What RNN, LSTM and GRU share: layers, directions, padding, and states that are passed in and handed back."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from attnref._checks import check_at_least, check_axes, check_floating, check_size
from attnref.sequence._checks import check_token_mask

State = tuple[Tensor, ...]  # of one layer and direction: (h,), or (h, c)
Mix = Callable[[Tensor, State, Tensor, Tensor], State]  # (input already mapped, state, w_h, b_h) -> state


class Recurrent(nn.Module):
    """Weights of a recurrent net, named and laid out as in torch, and the walk over a sequence."""

    gates: int  # maps from the input, and from the state, in each layer and direction

    def __init__(self, d_x: int, d_h: int, *, num_layers: int, bidirectional: bool) -> None:
        check_at_least(type(self).__name__, 1, d_x=d_x, d_h=d_h, num_layers=num_layers)
        super().__init__()
        self.d_x, self.d_h, self.num_layers = d_x, d_h, num_layers
        self.directions = ("", "_reverse") if bidirectional else ("",)
        bound, rows = 1 / math.sqrt(d_h), self.gates * d_h
        for layer in range(num_layers):
            below = d_x if layer == 0 else d_h * len(self.directions)
            shapes = {"weight_ih": (rows, below), "weight_hh": (rows, d_h), "bias_ih": (rows,), "bias_hh": (rows,)}
            for direction in self.directions:
                for name, shape in shapes.items():
                    weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
                    self.register_parameter(f"{name}_l{layer}{direction}", weight)

    def weights(self, layer: int, direction: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The maps of one layer and direction: w_x, w_h, b_x, b_h."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w_x, w_h, b_x, b_h = (self.get_parameter(f"{name}_l{layer}{direction}") for name in names)
        return w_x, w_h, b_x, b_h

    def walk(self, mix: Mix, x: Tensor, states: State, token_mask: Tensor | None) -> tuple[Tensor, State]:
        """Read the sequence, layer by layer, each direction on its own."""
        if token_mask is not None:
            x = x.masked_fill(~token_mask[..., None], 0.0)  # whatever stands at padding, no gradient comes from it

        last: list[State] = []
        for layer in range(self.num_layers):
            outputs = []
            for direction in self.directions:
                w_x, w_h, b_x, b_h = self.weights(layer, direction)
                from_x = (x @ w_x.mT + b_x).unbind(1)  # all positions at once: only the state's map has to wait
                state = tuple(s[len(last)] for s in states)
                steps = [x] * x.shape[1]  # places, each taken by the hidden state of its step
                for t in reversed(range(x.shape[1])) if direction else range(x.shape[1]):
                    new = mix(from_x[t], state, w_h, b_h)
                    if token_mask is None:
                        state, steps[t] = new, new[0]
                    else:
                        real = token_mask[:, t, None]
                        state = tuple(
                            torch.where(real, after, before) for after, before in zip(new, state, strict=True)
                        )
                        steps[t] = torch.where(real, new[0], 0.0)
                outputs.append(torch.stack(steps, dim=1))
                last.append(state)
            x = torch.cat(outputs, dim=-1)
        return x, tuple(torch.stack(parts) for parts in zip(*last, strict=True))

    def zeros(self, x: Tensor) -> Tensor:
        """The state before the first input, when none is given."""
        return x.new_zeros(self.num_layers * len(self.directions), x.shape[0], self.d_h)

    def state_of(self, h: Tensor) -> Any:
        """The whole state, given its hidden part."""
        return h

    def check(self, x: Tensor, token_mask: Tensor | None, **states: Tensor | None) -> None:
        """Refuse what this net was not built for."""
        who = type(self).__name__
        check_axes(who, "x", x, "(batch, n, d_x)", exactly=3)
        check_size(who, "d_x", self.d_x, "x", x, -1)
        check_floating(who, x=x, weight_ih_l0=self.get_parameter("weight_ih_l0"))
        if x.shape[1] < 1:
            raise ValueError(f"{who}: x must hold at least one position, got shape {tuple(x.shape)}.")
        given = {name: state for name, state in states.items() if state is not None}
        wanted = (self.num_layers * len(self.directions), x.shape[0], self.d_h)
        for name, state in given.items():
            if tuple(state.shape) != wanted:
                raise ValueError(
                    f"{who}: {name} must be (num_layers * directions, batch, d_h) = {wanted}, "
                    f"got shape {tuple(state.shape)}."
                )
            check_floating(who, x=x, **{name: state})
        check_token_mask(who, "token_mask", token_mask, x)

    def extra_repr(self) -> str:
        """What it was built with."""
        built = f"d_x={self.d_x}, d_h={self.d_h}, num_layers={self.num_layers}"
        return f"{built}, bidirectional={len(self.directions) == 2}"
