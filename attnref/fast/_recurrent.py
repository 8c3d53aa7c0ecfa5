"""What the fast recurrent nets share: when torch's kernel reads the sequence, and when the reference does."""

import torch
from torch import Tensor
from torch.autograd import forward_ad

from attnref._checks import has_values
from attnref.fast._derivatives import in_torch_func
from attnref.fast._recurrent_kernels import pack, run
from attnref.fast._recurrent_ops import run_as_operator
from attnref.sequence._recurrent import Recurrent, State


class KernelNet(Recurrent):
    """A recurrent net unrolled by one of torch's kernels, with the weights, checks and results of the reference.

    While torch compiles, exports or traces, the kernel stays a single operator, so that lengths stay free; its backward
    pass runs the kernel once more. The kernels have no rules for forward mode and for the transforms of `torch.func`:
    there the steps of the reference are taken.
    """

    kernel: str  # its name in torch

    def unroll(self, x: Tensor, states: State, token_mask: Tensor | None) -> tuple[Tensor, State]:
        """Read the sequence."""
        weights = [w for layer in range(self.num_layers) for way in self.directions for w in self.weights(layer, way)]
        if not torch.compiler.is_compiling() and _is_transformed(x, *states, *weights):
            return super().unroll(x, states, token_mask)
        x, *parts = (tensor.to(weights[0].dtype) for tensor in (x, *states))  # under autocast they may differ
        both = len(self.directions) == 2
        if has_values(x):
            hidden, *last = run(self.kernel, x, parts, weights, pack(token_mask), both)
        else:
            hidden, *last = run_as_operator(self.kernel, x, parts, weights, token_mask, both)
        return hidden, tuple(last)


def _is_transformed(*tensors: Tensor) -> bool:
    """Whether a transform of `torch.func` is at work, or one of the tensors carries a tangent."""
    return in_torch_func() or any(forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors)
