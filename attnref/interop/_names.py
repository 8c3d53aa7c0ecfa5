"""Tables of names, read both ways: a checkpoint's weights become a model's, and a model's a checkpoint's."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Way(NamedTuple):
    """How one weight of theirs becomes one or several of ours, and how these become theirs again."""

    split: Callable[[Tensor, int], Sequence[Tensor]]
    join: Callable[[Sequence[Tensor]], Tensor]


SAME = Way(lambda weight, _: [weight], lambda parts: parts[0])
# A Conv1D of Hugging Face computes x W + b, so its weight is (in, out); several projections lie side by side.
CONV1D = Way(lambda weight, count: weight.t().chunk(count), lambda parts: torch.cat(list(parts)).t())
ROW = Way(lambda weight, _: [weight[0]], lambda parts: parts[0][None])  # (1, n, d_model)
VECTOR = Way(lambda weight, _: [weight[0, 0]], lambda parts: parts[0][None, None])  # (1, 1, d_model)


class Pair(NamedTuple):
    """Names of the same weights: of a module with all that it owns, or of one weight. `{}` is a layer's number."""

    theirs: str
    ours: str | tuple[str, ...]
    way: Way = SAME


class Match(NamedTuple):
    """One weight of theirs and those of ours that hold the same numbers."""

    theirs: str
    ours: tuple[str, ...]
    way: Way


def matches(pairs: Sequence[Pair], model: nn.Module, num_layers: int) -> list[Match]:
    """The table written out for a model: a match for each of its weights."""
    owned = set(own_weights(model))
    found = [match for pair in pairs for match in _written_out(pair, owned, num_layers)]
    named = {name for match in found for name in match.ours}
    assert named == owned, f"the table of names lacks {sorted(owned - named)}"
    return found


def own_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The weights by their names, but those of an attention in the heads (`attend`), which are no checkpoint's."""
    return {name: weight for name, weight in model.named_parameters() if ".attend." not in f".{name}"}


def _written_out(pair: Pair, owned: set[str], num_layers: int) -> Iterator[Match]:
    ours = (pair.ours,) if isinstance(pair.ours, str) else pair.ours
    for number in range(num_layers) if "{}" in pair.theirs else (0,):
        theirs, names = pair.theirs.format(number), tuple(name.format(number) for name in ours)
        if names[0] in owned:
            yield Match(theirs, names, pair.way)
        for own in ("weight", "bias"):
            if f"{names[0]}.{own}" in owned:
                yield Match(f"{theirs}.{own}", tuple(f"{name}.{own}" for name in names), pair.way)


def take(who: str, what: str, weights: Mapping[str, Tensor], table: Sequence[Match], model: nn.Module) -> None:
    """Give the model copies of a checkpoint's weights: each that it has, and no other.

    They keep dtype, device and `requires_grad`.
    """
    owned, wanted = own_weights(model), {match.theirs for match in table}
    shapes = {match.theirs: match.way.join([owned[name] for name in match.ours]).shape for match in table}
    found = {
        "missing": [name for name in shapes if name not in weights],
        "left over": sorted(name for name in weights if name not in wanted),
        "misshapen": [
            f"{name} with {tuple(weights[name].shape)} for {tuple(shape)}"
            for name, shape in shapes.items()
            if name in weights and weights[name].shape != shape
        ],
    }
    if any(found.values()):
        given = "; ".join(f"{kind} {', '.join(names)}" for kind, names in found.items() if names)
        raise ValueError(f"{who}: the weights must be those of {what}, got {given}.")
    first = next(iter(shapes))
    for name in shapes:
        if (dtype := weights[name].dtype) != weights[first].dtype or not dtype.is_floating_point:
            given = f"{dtype} for {name}" + ("" if name == first else f", {weights[first].dtype} for {first}")
            raise TypeError(f"{who}: the weights must share one floating dtype, got {given}.")
    for match in table:
        weight = weights[match.theirs]
        for name, part in zip(match.ours, match.way.split(weight.detach(), len(match.ours)), strict=True):
            copy = part.clone(memory_format=torch.contiguous_format)
            inside, _, own = name.rpartition(".")
            setattr(model.get_submodule(inside), own, nn.Parameter(copy, weight.requires_grad))


def give(table: Sequence[Match], model: nn.Module) -> dict[str, Tensor]:
    """Copies of the model's weights by a checkpoint's names. They require gradients where the model's do."""
    owned = own_weights(model)
    found = {}
    for match in table:
        parts = [owned[name] for name in match.ours]
        joined = match.way.join([part.detach() for part in parts]).clone(memory_format=torch.contiguous_format)
        found[match.theirs] = joined.requires_grad_(any(part.requires_grad for part in parts))
    return found
