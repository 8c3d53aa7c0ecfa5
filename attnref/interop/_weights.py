"""Copies weights into a model by their names, strictly."""

from collections.abc import Mapping

from torch import Tensor, nn

from attnref._checks import kind_of
from attnref.attention.multi_head import MultiHeadAttention

EXACT = ("scaled_dot_product_attention", "tiled_attention")  # the same function


def check_exact(who: str, name: str, attention: MultiHeadAttention) -> None:
    """Its heads attend as those of the other libraries do, with attnref's own function, the reference or fast."""
    attend = attention.attend
    named = getattr(attend, "__module__", ""), getattr(attend, "__name__", kind_of(attend))
    if not named[0].startswith("attnref.") or named[1] not in EXACT:
        raise ValueError(f"{who}: attend must be scaled_dot_product_attention, got {named[1]} in {name}.")


def copy_weights(who: str, weights: Mapping[str, Tensor], model: nn.Module) -> None:
    """Give the model copies of these weights: each that it has, and no other.

    They keep dtype, device and `requires_grad`. The weights of an attention in the heads (`attend`) stay its own.
    """
    wanted = {name: weight for name, weight in model.named_parameters() if ".attend." not in name}
    missing = [name for name in wanted if name not in weights]
    left = [name for name in weights if name not in wanted]
    if missing or left:
        found = [f"{what} {', '.join(names)}" for what, names in (("missing", missing), ("left over", left)) if names]
        raise ValueError(f"{who}: each weight must have its like, got {' and '.join(found)}.")
    for name, weight in weights.items():
        if weight.shape != wanted[name].shape:
            given = f"{tuple(weight.shape)} for {tuple(wanted[name].shape)}"
            raise ValueError(f"{who}: {name} must have the shape of its like, got {given}.")
    for name, weight in weights.items():
        inside, _, own = name.rpartition(".")
        setattr(model.get_submodule(inside), own, nn.Parameter(weight.detach().clone(), weight.requires_grad))
