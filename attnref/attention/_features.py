"""The features that linear attention and its fast version share."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from attnref._numerics import at_least_float32

FeatureMap = Callable[[Tensor], Tensor]


def elu_plus_one(x: Float[Tensor, "*batch d_k"]) -> Float[Tensor, "*batch d_k"]:
    """Compute elu(x) + 1 as x + 1 above zero and exp(x) below, where 1 - (1 - exp(x)) would lose all its digits.

    In float32 at least: exp(x) is zero in float16 from x = -18 on, in float32 from -104, in float64 from -746.
    """
    x = at_least_float32(x)
    return F.relu(x) + x.clamp(max=0).exp()


def features(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, feature_map: FeatureMap
) -> tuple[Tensor, Tensor, Tensor]:
    """Features of the queries, scaled; of the keys, zero where masked; and the values; all in float32 at least."""
    phi_q, phi_k = feature_map(query), feature_map(key)
    if mask is not None:
        phi_k = phi_k.masked_fill(~mask.mT, 0)
    return near_one(phi_q), at_least_float32(phi_k), at_least_float32(value)


def near_one(phi_q: Float[Tensor, "*batch d_phi"]) -> Float[Tensor, "*batch d_phi"]:
    """Scale the features of each query, in float32 at least, by a power of two, so that they sum to one or nearly.

    The factor cancels in the output, to the last bit. Without it small features of a query times small features of a
    key underflow, and large ones overflow.
    """
    phi_q = at_least_float32(phi_q)
    total = phi_q.detach().sum(-1, keepdim=True).abs()
    return phi_q * torch.exp2(-total.masked_fill(total == 0, 1).log2().floor())
