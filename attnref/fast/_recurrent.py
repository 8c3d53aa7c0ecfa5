"""What torch's recurrent kernels need to know of padding: sequences packed, then laid out again as they stood."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def read(kernel: Callable[..., Any], x: Tensor, state: Any, mask: Tensor | None) -> tuple[Tensor, Any]:
    """Run the kernel over the real inputs; wherever padding stands, before, after or between, it is passed over."""
    if mask is None or mask.all():
        return kernel(x, state)
    lengths = mask.sum(dim=1)
    order = torch.argsort(~mask, dim=1, stable=True)[..., None]  # the real ones to the front
    real = x.masked_fill(~mask[..., None], 0.0).take_along_dim(order, dim=1)
    at_least_one = lengths.clamp(min=1).cpu()  # torch packs no empty sequence: the zero it reads is undone below
    packed, last = kernel(pack_padded_sequence(real, at_least_one, batch_first=True, enforce_sorted=False), state)
    hidden, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
    hidden = hidden.take_along_dim(order.argsort(dim=1), dim=1).masked_fill(~mask[..., None], 0.0)
    some = (lengths > 0)[:, None]
    if isinstance(last, tuple):
        given = (None, None) if state is None else state
        return hidden, tuple(_where(some, after, before) for after, before in zip(last, given, strict=True))
    return hidden, _where(some, last, state)


def _where(some: Tensor, after: Tensor, before: Tensor | None) -> Tensor:
    return torch.where(some, after, torch.zeros_like(after) if before is None else before)
