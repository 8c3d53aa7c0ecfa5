"""Weights of other libraries to attnref's and back: copied by name, and nothing is left out silently."""

from attnref.interop.marian import from_marian
from attnref.interop.resnet import ResNetEncoder
from attnref.interop.torch_transformer import from_torch, to_torch

__all__ = ["ResNetEncoder", "from_marian", "from_torch", "to_torch"]
