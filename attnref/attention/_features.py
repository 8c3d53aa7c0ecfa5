"""The feature map that linear attention and its fast version share."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

FeatureMap = Callable[[Tensor], Tensor]


def elu_plus_one(x: Float[Tensor, "*batch d_k"]) -> Float[Tensor, "*batch d_k"]:
    """Compute elu(x) + 1 as x + 1 above zero and exp(x) below, where 1 - (1 - exp(x)) would lose all its digits."""
    return F.relu(x) + x.clamp(max=0).exp()
