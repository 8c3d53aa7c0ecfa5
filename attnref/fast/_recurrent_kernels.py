"""torch's recurrent kernels, run over the real inputs alone."""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor


class Packed(NamedTuple):
    """Where the real inputs are, in the order of torch's kernels: the first of each sequence, then all second ones."""

    row: Tensor
    position: Tensor
    batch_sizes: Tensor  # how many sequences have a first real input, a second one, and so on; on the CPU
    rows: Tensor  # the sequences that have any, longest first


def pack(token_mask: Tensor | None) -> Packed | None:
    """Find the real inputs; None where all of them are."""
    mask = None if token_mask is None else token_mask.cpu()  # from a GPU it is copied once, and not waited for again
    if token_mask is None or mask is None or mask.all():
        return None
    lengths, rows = mask.sum(dim=1).sort(descending=True)
    rows = rows[: lengths.count_nonzero()]
    row, position = mask[rows].nonzero(as_tuple=True)
    rank = mask[rows].cumsum(dim=1)[row, position] - 1  # which of its sequence's real inputs it is
    order = rank.argsort(stable=True)
    row, position, on_device = (index.to(token_mask.device) for index in (rows[row[order]], position[order], rows))
    return Packed(row, position, rank.bincount(), on_device)


def run(
    kernel: str, x: Tensor, states: list[Tensor], weights: list[Tensor], packed: Packed | None, both: bool
) -> list[Tensor]:
    """Hidden states and the parts of the last state. Padding is never read, nor the state where all is padding."""
    if packed is None:
        return [output.to(x.dtype) for output in _call(kernel, (x,), states, weights, both, True)]

    hidden = x.new_zeros(*x.shape[:2], states[0].shape[-1] * (1 + both))
    if not len(packed.rows):  # torch's kernels want at least one input; and there is a gradient, which is zero
        nothing = [tensor.flatten()[:0].sum() for tensor in (x, *states, *weights)]
        return [hidden + sum(nothing), *(state.clone() for state in states)]
    row, position, batch_sizes, rows = packed
    read, *last = _call(kernel, (x[row, position], batch_sizes), [state[:, rows] for state in states], weights, both)
    hidden = hidden.index_put((row, position), read.to(x.dtype))
    return [hidden, *(s.index_copy(1, rows, new.to(x.dtype)) for s, new in zip(states, last, strict=True))]


def _call(
    kernel: str, data: tuple[Tensor, ...], states: list[Tensor], weights: list[Tensor], both: bool, *batch_first: bool
) -> tuple[Tensor, ...]:
    num_layers = len(weights) // (8 if both else 4)
    parts = [state.contiguous() for state in states]
    with warnings.catch_warnings():  # cuDNN gathers the weights at each call, which is little beside the steps
        warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous chunk")
        state, train = parts if len(parts) > 1 else parts[0], torch.is_grad_enabled()
        return getattr(torch, kernel)(*data, state, weights, True, num_layers, 0.0, train, both, *batch_first)
