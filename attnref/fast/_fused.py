"""Torch's fused kernel as it wants its inputs, and whether a mask is the one that the kernel knows by itself."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from attnref._checks import has_values


def is_causal(mask: Tensor | None, n_q: int, n_k: int) -> bool:
    """Whether it can be read that the mask is `causal_mask(n)`, whoever made it and whatever was done to it since.

    It is read at every call: no note of what a mask was survives every edit of it. Beside the kernel that costs little,
    one pass over n x n bytes. A kernel told so skips the future; of fewer queries than keys it would take the first.
    """
    if mask is None or not has_values(mask) or not mask.shape[-2] == mask.shape[-1] == n_q == n_k > 1:
        return False
    for axis in range(mask.ndim - 2):  # one matrix for all samples and heads
        if mask.shape[axis] > 1 and mask.stride(axis):
            return False
    mask = mask[(0,) * (mask.ndim - 2)]
    return _equal(mask, torch.ones_like(mask, memory_format=torch.contiguous_format).tril_())


def _equal(mask: Tensor, other: Tensor) -> bool:
    """Eight at a time where they lie one after another: six times faster."""
    whole = mask.numel() // 8 * 8
    if mask.is_contiguous() and mask.storage_offset() % 8 == 0 and mask.device.type == "cpu":
        mask, other = mask.flatten(), other.flatten()
        eights = (tensor[:whole].view(torch.int64) for tensor in (mask, other))
        return torch.equal(*eights) and torch.equal(mask[whole:], other[whole:])
    return torch.equal(mask, other)


def fused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """The output of the kernel under the mask."""
    mask, shared = spread(query, key, mask), mask
    output = _kernel(query, key, value, mask)
    if shared is not None and query.is_cuda:  # in half precision cuDNN attends to masked keys in a fully masked row
        output = output.masked_fill(~shared.any(-1, keepdim=True), 0.0)
    return output


def fused_causal(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """The output of the kernel under a causal mask, for which it has no need of the mask itself."""
    return _kernel(query, key, value, None, causal=True)


def _kernel(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *, causal: bool = False) -> Tensor:
    output = F.scaled_dot_product_attention(
        *prepare(query, key, value), attn_mask=mask, is_causal=causal, scale=scale_of(key)
    )
    return unfold(output, query, value)


def scale_of(key: Tensor) -> float:
    """The scale of the scores: that of the size which the caller gave, not of the one padded to."""
    return 1 / math.sqrt(max(1, key.shape[-1]))


def prepare(query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
    """Query, key and value of four axes and of one size."""
    size = max(key.shape[-1], value.shape[-1])
    return [_pad(fold(tensor), size) for tensor in (query, key, value)]


def spread(query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor | None:
    """The mask of four axes, (..., n_q, n_k)."""
    if mask is None:
        return None
    leading = query.shape[:-2] if query.ndim > 4 else mask.shape[:-2]  # axes that are not folded may broadcast
    return fold(mask.expand(*leading, query.shape[-2], key.shape[-2]))


def unfold(output: Tensor, query: Tensor, value: Tensor) -> Tensor:
    """What comes out of the kernel, with the leading axes of the query and the size of the value."""
    return output[..., : value.shape[-1]].reshape(*query.shape[:-1], value.shape[-1])


def fold(tensor: Tensor) -> Tensor:
    """Four axes, whatever came before the last three."""
    while tensor.ndim < 4:
        tensor = tensor[None]
    return tensor.flatten(0, -4)


def _pad(tensor: Tensor, size: int) -> Tensor:
    """The last axis filled up with zeros."""
    missing = size - tensor.shape[-1]
    return F.pad(tensor, (0, missing)) if missing else tensor
