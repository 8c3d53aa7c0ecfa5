"""State dicts of Hugging Face's models to attnref's models and back, without transformers."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from attnref._checks import check_attend, kind_of, listed
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.interop._family import Family, without_prefix
from attnref.interop._names import give, take
from attnref.interop.bert import BERT_FAMILY
from attnref.interop.gpt2 import GPT2_FAMILY
from attnref.interop.mamba import MAMBA_FAMILY
from attnref.interop.vit import VIT_FAMILY
from attnref.protocols import Attend

FAMILIES: dict[str, Family] = {  # by `model_type`
    "bert": BERT_FAMILY,
    "vit": VIT_FAMILY,
    "gpt2": GPT2_FAMILY,
    "mamba": MAMBA_FAMILY,
}


def from_state_dict(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], *, attend: Attend = scaled_dot_product_attention
) -> Any:
    """Make attnref's model of a checkpoint: its configuration and its weights by name, as Hugging Face has them.

    Names may have the prefix of a model with a head (`bert.`, `vit.`, `transformer.`, `backbone.`) or not. What files
    carry beside the weights is checked and left out: `position_ids`, GPT-2's causal masks, a second copy of a table.

    Args:
        config: The configuration: `json.load` of `config.json`, or `model.config.to_dict()`. `model_type` is "bert",
            "vit", "gpt2" or "mamba".
        weights: `model.state_dict()`, or what `safetensors.torch.load_file` gives.
        attend: The attention of each head; the fast version, for one. Mamba has none.

    Returns:
        A `BERT`, `BERTPretraining`, `ViT`, `DecoderOnlyTransformer` or `Mamba`, in eval mode, with copies of the
        weights, in their dtype and on their device. The page on checkpoints has a table of what becomes what.

    Raises:
        TypeError: `attend` cannot be called as `(query, key, value, mask)`, the configuration or the weights are no
            mappings, or the weights no tensors of one floating dtype.
        ValueError: The configuration has what attnref's has not, or weights are missing, left over or misshapen: all
            are named, a misshapen one with both shapes.

    Examples:
        >>> import torch
        >>> from attnref.interop import from_state_dict, to_state_dict
        >>> from attnref.models import BERT
        >>> model = BERT(20, d_model=8, num_heads=2, d_ff=32, num_layers=3).eval()
        >>> config, weights = to_state_dict(model)
        >>> list(weights)[:2]
        ['embeddings.word_embeddings.weight', 'embeddings.position_embeddings.weight']
        >>> again, tokens = from_state_dict(config, weights), torch.randint(20, (2, 7))
        >>> torch.equal(again(tokens)[0], model(tokens)[0])
        True

    Source:
        transformers' [models](https://huggingface.co/docs/transformers/main_classes/model).
    """
    return _from("from_state_dict", config, weights, attend)


def to_state_dict(model: nn.Module) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Give a model's configuration and weights as Hugging Face has them: `from_state_dict` the other way.

    Args:
        model: A `BERT`, `BERTPretraining`, `ViT`, `DecoderOnlyTransformer` or `Mamba`.

    Returns:
        config: What a `config.json` holds.
        weights: Copies of the weights, by the names of a checkpoint's file.

    Raises:
        TypeError: The model is of another class.
        ValueError: It has what its counterpart has not: another attention in its heads, mean pooling, sinusoids, …

    Examples:
        >>> from attnref import DecoderOnlyTransformer
        >>> from attnref.interop import to_state_dict
        >>> options = {"norm": "pre", "activation": "gelu_tanh", "positions": "learned", "max_positions": 16}
        >>> sizes = {"d_model": 8, "num_heads": 2, "d_ff": 32, "num_layers": 1}
        >>> model = DecoderOnlyTransformer(20, **sizes, **options, tie="output", scale_embedding=False)
        >>> config, weights = to_state_dict(model)
        >>> config["model_type"], config["n_embd"], weights["transformer.h.0.attn.c_attn.weight"].shape
        ('gpt2', 8, torch.Size([8, 24]))

    Source:
        transformers' [models](https://huggingface.co/docs/transformers/main_classes/model).
    """
    return _to("to_state_dict", model)


def _from(who: str, config: Mapping[str, Any], weights: Mapping[str, Tensor], attend: Attend) -> Any:
    check_attend(who, attend, optional=False)
    _check(who, config, weights)
    family = next((family for kind, family in FAMILIES.items() if kind == config.get("model_type")), None)
    if family is None:
        given = repr(config["model_type"]) if "model_type" in config else "none"
        raise ValueError(f"{who}: model_type must be one of {', '.join(FAMILIES)}, got {given}.")
    named = {family.on_disk(name): weight for name, weight in weights.items()}
    ours, found = family.build(who, config, without_prefix(named, family.prefix), attend)
    take(who, family.what, found, family.table(ours), ours)
    return ours.eval()


def _check(who: str, config: object, weights: object) -> None:
    """A configuration and weights are mappings, and each weight is a tensor."""
    for name, given, method in (("config", config, "to_dict"), ("weights", weights, "state_dict")):
        if not isinstance(given, Mapping):
            hint = f"; pass its .{method}()" if hasattr(given, method) else ""
            raise TypeError(f"{who}: {name} must be a mapping, got {kind_of(given)}{hint}.")
    assert isinstance(weights, Mapping)
    for name, weight in weights.items():
        if not isinstance(weight, Tensor):
            raise TypeError(f"{who}: weights must be tensors, got {kind_of(weight)} for {name}.")


def _to(who: str, model: nn.Module) -> tuple[dict[str, Any], dict[str, Tensor]]:
    for model_type, family in FAMILIES.items():
        if type(model) in family.ours:
            config = {"model_type": model_type, **family.describe(who, model)}
            prefix = "" if config["architectures"] == [family.theirs[0]] else family.prefix
            weights = {
                name if name.startswith(family.heads) else prefix + name: weight
                for name, weight in give(family.table(model), model).items()
            }
            return config, weights
    names = [kind.__name__ for family in FAMILIES.values() for kind in family.ours]
    raise TypeError(f"{who}: model must be a {listed(names).replace(' and ', ' or ')}, got {kind_of(model)}.")
