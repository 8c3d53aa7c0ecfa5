"""What a kind of model has in another library: its names, its options, and what of them attnref has."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from attnref._checks import has_values, listed
from attnref.attention.multi_head import MultiHeadAttention
from attnref.interop._names import Match
from attnref.interop._weights import check_exact
from attnref.protocols import Attend

Config = Mapping[str, Any]
Weights = dict[str, Tensor]
# Hugging Face's names of the activations, the first of each the one that is written.
ACTIVATIONS = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "silu": "silu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "swish": "silu",
}


class Family(NamedTuple):
    """The models of one `model_type`, in both libraries.

    Attributes:
        what: What the models are, as errors say it.
        ours: The classes of attnref.
        theirs: The classes of Hugging Face.
        build: Options and weights to a model on the meta device, and the weights by the names of the table.
        table: A model to the names of its weights, ours and theirs.
        describe: A model to the options of a configuration, `architectures` among them.
        check_training: Refuses what drops numbers elsewhere than attnref.
        prefix: What models with a head put before the names of the model inside.
        heads: How names of the heads' weights begin, which have no prefix.
        on_disk: A name of a weight in memory to that in a file, where the two differ.
    """

    what: str
    ours: tuple[type, ...]
    theirs: tuple[str, ...]
    build: Callable[[str, Config, Weights, Attend], tuple[Any, Weights]]
    table: Callable[[Any], list[Match]]
    describe: Callable[[str, Any], dict[str, Any]]
    check_training: Callable[[str, Config], None]
    prefix: str
    heads: tuple[str, ...] = ()
    on_disk: Callable[[str], str] = str


def sizes(who: str, config: Config, **names: str) -> dict[str, Any]:
    """The sizes of a configuration by attnref's names; all that are missing are named."""
    if missing := [theirs for theirs in names.values() if config.get(theirs) is None]:
        raise ValueError(
            f"{who}: the configuration must have {listed(list(names.values()))}, got no {listed(missing)}."
        )
    return {ours: config[theirs] for ours, theirs in names.items()}


def check_options(who: str, config: Config, rules: Mapping[str, tuple[object, str]]) -> None:
    """The configuration has none of the options that attnref has not: option, the value that it may have, and why."""
    for name, (value, why) in rules.items():
        if config.get(name, value) != value:
            raise ValueError(f"{who}: {name} must be {value!r}, since {why}, got {config[name]!r}.")


def activation(who: str, config: Config, name: str, default: str) -> Any:
    """The activation by attnref's name."""
    given = config.get(name, default)
    if given not in ACTIVATIONS:
        raise ValueError(f"{who}: {name} must be {', '.join(ACTIVATIONS)}, got {given!r}.")
    return ACTIVATIONS[given]


def their_activation(ours: str) -> str:
    """The activation by Hugging Face's name."""
    return next(theirs for theirs, name in ACTIVATIONS.items() if name == ours)


def without_prefix(weights: Mapping[str, Tensor], prefix: str) -> Weights:
    """The weights without the prefix that a model with a head puts before those of the model inside."""
    bare = {name: name.removeprefix(prefix) for name in weights}
    return {name if name != short and short in weights else short: weights[name] for name, short in bare.items()}


def without_ties(who: str, weights: Weights, ties: Mapping[str, str]) -> Weights:
    """The weights without those that are another's a second time; a file may have either."""
    kept = dict(weights)
    for copy, first in ties.items():
        if copy in kept:
            weight = kept.pop(copy)
            other = kept.setdefault(first, weight)
            if other is not weight and has_values(weight) and not torch.equal(other, weight):
                raise ValueError(f"{who}: {copy} must be {first}, since attnref's model has one for both, got two.")
    return kept


def without_buffers(who: str, weights: Weights, buffers: Mapping[str, tuple[Callable[[Tensor], bool], str]]) -> Weights:
    """The weights without what some files hold beside them: pattern of the name, what it must be, and its words."""
    kept = dict(weights)
    for name in weights:
        for pattern, (is_so, words) in buffers.items():
            if re.fullmatch(pattern, name) and not is_so(kept.pop(name)):
                raise ValueError(f"{who}: {name} must hold {words}, as attnref has it, got other numbers.")
    return kept


def counts(buffer: Tensor) -> bool:
    """Whether it counts from zero."""
    return bool((buffer.flatten() == torch.arange(buffer.numel(), device=buffer.device)).all())


def is_causal(buffer: Tensor) -> bool:
    """Whether it is a causal mask, as numbers or bool."""
    return buffer.ndim >= 2 and torch.equal(buffer.bool(), torch.ones_like(buffer, dtype=torch.bool).tril())


def check_ours(who: str, what: str, blocks: nn.Module, **rules: tuple[object, object]) -> None:
    """The model has nothing that its counterpart has not: name, what is wanted, what is given."""
    for name, (wanted, given) in rules.items():
        if given != wanted:
            raise ValueError(f"{who}: {name} must be {wanted!r}, as {what} has it, got {given!r}.")
    for name, module in blocks.named_modules():
        if isinstance(module, MultiHeadAttention):
            check_exact(who, name, module)
