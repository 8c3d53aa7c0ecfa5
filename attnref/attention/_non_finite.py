"""What a NaN or an infinity may reach under a mask: its own query and those that may attend to it, and nothing else.

A weight of zero does not keep it out, since 0 * NaN = NaN, in the output and in the gradients. So before the attention
what is not finite becomes zero, and after it the output of every query that it belongs to becomes NaN. Where all is
finite nothing changes; if that may be read, it is all that is done.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from attnref._checks import has_values
from attnref._numerics import float32_or_wider
from attnref.attention._blocks import records


def set_aside(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *, block: int | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """The inputs with zeros for what is not finite, and the queries whose output is lost for it, (..., n_q or 1, 1).

    Without a mask every query attends to every key, so all is left as it is. With `block`, no more than so many queries
    are looked at together. Use it as::

        query, key, value, lost = set_aside(query, key, value, mask)
        ...
        return spoil(output, lost), spoil(weights, lost)
    """
    if mask is None or are_finite(query, key, value):
        return query, key, value, None
    bad_query, bad_key = non_finite(query), non_finite(key) | non_finite(value)
    parts = [mask] if block is None or records() else mask.split(block, dim=-2)
    lost = torch.cat([attends_to(part, bad_key) for part in parts], dim=-2)
    lost = lost | (bad_query & mask.any(dim=-1, keepdim=True))
    return finite_or_zero(query), finite_or_zero(key), finite_or_zero(value), lost


def set_aside_causal(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """As `set_aside` for a causal mask joined with this one, (..., 1, n), without forming that; lost is (..., n, 1)."""
    if are_finite(query, key, value):
        return query, key, value, None
    bad_query, bad_key = non_finite(query), non_finite(key) | non_finite(value)
    if mask is not None:
        bad_query, bad_key = bad_query & (mask.mT.cumsum(-2) > 0), bad_key & mask.mT
    lost = bad_query | (bad_key.cumsum(-2) > 0)
    return finite_or_zero(query), finite_or_zero(key), finite_or_zero(value), lost


def spoil(result: Tensor, lost: Tensor | None) -> Tensor:
    """The output, or the weights, with NaN for the queries that are lost, and no gradient through them."""
    return result if lost is None else result.masked_fill(lost, torch.nan)


def finite_or_zero(tensor: Tensor) -> Tensor:
    """The tensor with zeros for NaN and infinities, which get no gradient."""
    return tensor.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


def non_finite(tensor: Tensor) -> Tensor:
    """Which positions hold a NaN or an infinity, (..., n, 1)."""
    return (tensor.detach() * 0).sum(dim=-1, keepdim=True) != 0  # 0 or NaN: many times faster than isfinite().all()


def are_finite(*tensors: Tensor) -> bool:
    """Whether it can be read that all numbers are finite: their sum is, unless they are so large that it overflows."""
    if not all(map(has_values, tensors)):
        return False
    each = {id(tensor): tensor for tensor in tensors}.values()  # in self-attention one tensor is all three
    return math.isfinite(float(sum(tensor.detach().sum(dtype=float32_or_wider(tensor.dtype)) for tensor in each)))


def attends_to(mask: Tensor, keys: Tensor) -> Tensor:
    """Whether a query may attend to any of the keys that are marked, (..., n_k, 1); (..., n_q or 1, 1)."""
    if mask.ndim == 2 and mask.shape[-1] == keys.shape[-2]:  # shared by all samples: a product needs no (..., n_q, n_k)
        return F.linear(keys.squeeze(-1).float(), mask.float()).unsqueeze(-1) > 0
    return (mask & keys.mT).any(dim=-1, keepdim=True)
