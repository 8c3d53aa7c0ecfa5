"""What RNN, LSTM and GRU share: weights named as in torch, layers, directions, padding, and explicit states."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from attnref._checks import check_at_least, check_axes, check_floating, check_size, check_tensor
from attnref.sequence._checks import check_positions, check_state, check_state_sizes, check_token_mask

State = tuple[Tensor, ...]  # (h,), or (h, c)


class Recurrent(nn.Module):
    """The weights of a recurrent net, named and laid out as in torch, and the loop over a sequence."""

    gates: int  # projections of the input, and of the hidden state, in each layer and direction
    parts: tuple[str, ...] = ("state",)  # of a state, as errors name them

    def __init__(self, d_x: int, d_h: int, *, num_layers: int, bidirectional: bool) -> None:
        check_at_least(type(self).__name__, 1, d_x=d_x, d_h=d_h, num_layers=num_layers)
        super().__init__()
        self.d_x, self.d_h, self.num_layers = d_x, d_h, num_layers
        self.directions = ("", "_reverse") if bidirectional else ("",)
        self._rows = num_layers * len(self.directions)  # of a state: one for each layer and direction
        rows = self.gates * d_h
        for layer in range(num_layers):
            below = d_x if layer == 0 else d_h * len(self.directions)
            shapes = {"weight_ih": (rows, below), "weight_hh": (rows, d_h), "bias_ih": (rows,), "bias_hh": (rows,)}
            for direction in self.directions:
                for name, shape in shapes.items():
                    self.register_parameter(f"{name}_l{layer}{direction}", nn.Parameter(torch.empty(shape)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, as torch does: uniformly from -1/sqrt(d_h) to 1/sqrt(d_h)."""
        bound = 1 / math.sqrt(self.d_h)
        for weight in self.parameters():
            nn.init.uniform_(weight, -bound, bound)

    def weights(self, layer: int, direction: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The projections of one layer and direction: w_x, w_h, b_x, b_h."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w_x, w_h, b_x, b_h = (getattr(self, f"{name}_l{layer}{direction}") for name in names)  # pruned ones are tensors
        return w_x, w_h, b_x, b_h

    def step(self, from_x: Tensor, state: State, w_h: Tensor, b_h: Tensor) -> State:
        """The next state, of an input that is already projected."""
        raise NotImplementedError

    def step_if(self, real: Tensor, from_x: Tensor, state: State, w_h: Tensor, b_h: Tensor) -> State:
        """The next state where the input is real. Padding keeps the state, and computes nothing with what it holds."""
        after = self.step(from_x, tuple(torch.where(real, part, 0.0) for part in state), w_h, b_h)
        return tuple(torch.where(real, new, old) for new, old in zip(after, state, strict=True))

    def unroll(self, x: Tensor, states: State, token_mask: Tensor | None) -> tuple[Tensor, State]:
        """Read the sequence layer by layer, each direction by itself."""
        x = _zero_at_padding(x, token_mask)
        last: list[State] = []
        for layer in range(self.num_layers):
            outputs = []
            for direction in self.directions:
                w_x, w_h, b_x, b_h = self.weights(layer, direction)
                from_x = (x @ w_x.mT + b_x).unbind(1)  # of all positions at once: only the state has to wait
                state = tuple(part[len(last)] for part in states)
                hidden = []
                for t in reversed(range(len(from_x))) if direction else range(len(from_x)):
                    if token_mask is None:
                        state = self.step(from_x[t], state, w_h, b_h)
                    else:
                        state = self.step_if(token_mask[:, t, None], from_x[t], state, w_h, b_h)
                    hidden.append(state[0])
                outputs.append(torch.stack(hidden[::-1] if direction else hidden, dim=1))
                last.append(state)
            x = _zero_at_padding(torch.cat(outputs, dim=-1), token_mask)
        return x, tuple(torch.stack(parts) for parts in zip(*last, strict=True))

    def zeros(self, x: Tensor) -> State:
        """The state before the first input, when none is given."""
        weight = self.weights(0, "")[0]  # under autocast x may have a different dtype
        zeros = x.new_zeros(self._rows, x.shape[0], self.d_h, dtype=weight.dtype)
        return tuple(zeros for _ in self.parts)

    def state_of(self, h: Tensor) -> Any:
        """The state whose hidden state is h."""
        return h

    def check(self, x: Tensor, state: Any, token_mask: Tensor | None) -> None:
        """Refuse what this net was not built for."""
        who = type(self).__name__
        check_tensor(who, x=x)
        check_axes(who, "x", x, "(batch, n, d_x)", exactly=3)
        check_size(who, "d_x", self.d_x, "x", x, -1)
        check_floating(who, x=x, weight_ih_l0=self.weights(0, "")[0])
        check_positions(who, "x", x, 1)
        if state is not None:
            states, sizes = check_state(who, state, self.parts), (self._rows, x.shape[0], self.d_h)
            check_state_sizes(who, states, "(num_layers * directions, batch, d_h)", sizes, x=x)
        check_token_mask(who, "token_mask", token_mask, x)

    def extra_repr(self) -> str:
        """What it was built with."""
        built = f"d_x={self.d_x}, d_h={self.d_h}, num_layers={self.num_layers}"
        return f"{built}, bidirectional={len(self.directions) == 2}"


def _zero_at_padding(tensor: Tensor, token_mask: Tensor | None) -> Tensor:
    return tensor if token_mask is None else tensor.masked_fill(~token_mask[..., None], 0.0)
