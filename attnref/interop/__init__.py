"""Weights of other libraries to attnref's and back: copied by name, and nothing is left out silently."""

from attnref.interop.checkpoints import load_checkpoint, save_checkpoint
from attnref.interop.hugging_face import from_hugging_face, to_hugging_face
from attnref.interop.marian import from_marian
from attnref.interop.resnet import ResNetEncoder
from attnref.interop.state_dicts import from_state_dict, to_state_dict
from attnref.interop.to_marian import to_marian
from attnref.interop.torch_transformer import from_torch, to_torch

__all__ = [
    "ResNetEncoder",
    "from_hugging_face",
    "from_marian",
    "from_state_dict",
    "from_torch",
    "load_checkpoint",
    "save_checkpoint",
    "to_hugging_face",
    "to_marian",
    "to_state_dict",
    "to_torch",
]
