"""What linear attention and its fast twin share: the features, and sums that keep their digits."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

FeatureMap = Callable[[Tensor], Tensor]


def elu_plus_one(x: Float[Tensor, "*batch d_k"]) -> Float[Tensor, "*batch d_k"]:
    """Compute elu(x) + 1 as x + 1 above zero and exp(x) below, where 1 - (1 - exp(x)) would lose all its digits."""
    return F.relu(x) + x.clamp(max=0).exp()


def divide(mixed: Tensor, total: Tensor) -> Tensor:
    """The quotient; zero, and with gradients of zero, where a query meets no key."""
    nothing = total == 0
    return (mixed / total.masked_fill(nothing, 1)).masked_fill(nothing, 0)


def wide(tensor: Tensor) -> Tensor:
    """The tensor in float32 at least."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def full_precision(tensor: Tensor) -> torch.autocast:
    """Autocast off, where the device of the tensor has it."""
    device = tensor.device.type
    return torch.autocast(device if torch.amp.is_autocast_available(device) else "cpu", enabled=False)
