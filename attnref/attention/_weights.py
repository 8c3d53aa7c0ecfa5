"""The weight of a layer that is not called, but whose weight is given to a function."""

from torch import Tensor, nn
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm


def weight_of(layer: nn.Linear) -> Tensor:
    """The weight that a call of the layer would use: these three make it anew in a hook before each call."""
    for hook in layer._forward_pre_hooks.values():
        if isinstance(hook, BasePruningMethod | SpectralNorm | WeightNorm):
            hook(layer, ())
    return layer.weight
