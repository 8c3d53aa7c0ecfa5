"""What the encoder and the decoder share: copies of an attention, weights of all layers, weights drawn anew."""

import copy
from typing import TypeVar

from jaxtyping import Float
from torch import Tensor, nn

Given = TypeVar("Given")
Layers = tuple[Float[Tensor, "*batch h n n_k"], ...]  # the attention weights of each layer, the first layer first


def own(attend: Given) -> Given:
    """A copy of a Module, since layers share no weights; a function as it is."""
    return copy.deepcopy(attend) if isinstance(attend, nn.Module) else attend


def wants_norm(final_norm: bool | None, norm: str) -> bool:
    """Whether the last output is normalized once more: by default where nothing else has done it."""
    return norm == "pre" if final_norm is None else final_norm


def formed(weights: list[Tensor | None]) -> Layers | None:
    """The weights of all layers, or None if some were not formed, or not asked for."""
    tensors = tuple(of_layer for of_layer in weights if of_layer is not None)
    return tensors if len(tensors) == len(weights) else None


def draw_anew(*modules: nn.Module | None) -> None:
    """Draw the weights of all that can draw its own."""
    for module in modules:
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()
