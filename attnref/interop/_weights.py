"""Copies weights into a model by their names, strictly."""

from collections.abc import Mapping

from torch import Tensor, nn


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
