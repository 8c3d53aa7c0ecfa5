"""Models of Hugging Face's transformers to attnref's and back."""

from typing import Any

import torch
from torch import nn

from attnref._checks import check_attend, kind_of
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.interop._extra import extra
from attnref.interop.marian import from_marian
from attnref.interop.state_dicts import FAMILIES, _from, _to
from attnref.interop.to_marian import _to_marian
from attnref.protocols import Attend
from attnref.transformer.transformer import Transformer

POOLED = ("BertModel", "ViTModel")  # whether they have a pooler is no option of their configuration
FOUND = {name: model_type for model_type, family in FAMILIES.items() for name in family.theirs}


def from_hugging_face(model: nn.Module, *, attend: Attend = scaled_dot_product_attention) -> Any:
    """Make attnref's model with copies of the weights of a model of transformers.

    Args:
        model: A `BertModel`, `BertForPreTraining`, `BertForMaskedLM`, `ViTModel`, `ViTForImageClassification`,
            `GPT2Model`, `GPT2LMHeadModel`, `MambaModel`, `MambaForCausalLM` or `MarianMTModel`.
        attend: The attention of each head; the fast version, for one. Mamba has none.

    Returns:
        The same model, with the model's dtype, device, `requires_grad` and `training`. Its `token_mask` is
        transformers' `attention_mask`, as bool. Hugging Face's BERT gives the padding token's vector no gradient,
        attnref's does.

    Raises:
        TypeError: The model is of another class, or its weights are not of one floating dtype.
        ValueError: The model has what attnref's has not, or drops numbers elsewhere while it trains; or a weight has no
            like: all that are missing, left over or misshapen are named.

    Examples:
        ```python
        import torch
        from attnref.interop import from_hugging_face
        from transformers import BertConfig, BertModel

        sizes = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2}
        theirs = BertModel(BertConfig(**sizes, intermediate_size=16)).eval()
        ours = from_hugging_face(theirs)

        tokens, token_mask = torch.randint(20, (2, 7)), torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
        x, weights = ours(tokens, token_mask=token_mask, return_weights=True)
        same = theirs(tokens, attention_mask=token_mask.long()).last_hidden_state
        ```

    Source:
        transformers' [models](https://huggingface.co/docs/transformers/main_classes/model).
    """
    who = "from_hugging_face"
    check_attend(who, attend, optional=False)
    name, where = type(model).__name__, type(model).__module__
    if where.startswith("transformers.") and name == "MarianMTModel":
        return from_marian(model, attend=attend)
    if not where.startswith("transformers.") or name not in FOUND:
        rule = f"model must be one of transformers' {', '.join(FOUND)}, MarianMTModel"
        raise TypeError(f"{who}: {rule}, got {kind_of(model)}.")
    given: Any = model
    config, family = given.config.to_dict(), FAMILIES[FOUND[name]]
    if model.training:
        family.check_training(who, config)
    weights = dict(model.named_parameters(remove_duplicate=False))
    return _from(who, {**config, "architectures": [name]}, weights, attend).train(model.training)


def to_hugging_face(model: nn.Module) -> Any:
    """Make transformers' model with copies of the weights of attnref's: `from_hugging_face` the other way.

    Args:
        model: A `BERT`, `BERTPretraining`, `ViT`, `DecoderOnlyTransformer`, `Mamba`, or a `Transformer` as `to_marian`
            takes it.

    Returns:
        The model that `to_state_dict` names in `architectures`, with the model's dtype, device, `requires_grad` and
        `training`. It drops no attention weights in training.

    Raises:
        TypeError: The model is of another class.
        ValueError: It has what its counterpart has not, as of `to_state_dict`, or lacks what that has: a
            `BERTPretraining` with the next-sentence head has a pooler, one without it has none.
        ModuleNotFoundError: transformers is not installed.

    Examples:
        ```python
        from attnref.interop import to_hugging_face
        from attnref.models import ViT

        theirs = to_hugging_face(ViT(10, image_size=8, patch=4, d_model=8, num_heads=2, d_ff=32, num_layers=3))
        ```

    Source:
        transformers' [models](https://huggingface.co/docs/transformers/main_classes/model).
    """
    who = "to_hugging_face"
    if type(model) is Transformer:
        return _to_marian(who, model)
    config, weights = _to(who, model)
    transformers, family = extra(who, "transformers"), FAMILIES[config["model_type"]]
    kind = getattr(transformers, config["architectures"][0])
    options = {"add_pooling_layer": "pooler.dense.weight" in weights} if kind.__name__ in POOLED else {}
    with torch.random.fork_rng(devices=[]):  # its first weights are drawn, and replaced
        theirs = kind(kind.config_class(**config), **options)
    named = {name: family.on_disk(name) for name, _ in theirs.named_parameters()}
    missing = [name for name in named.values() if name not in weights]
    left = [name for name in weights if name not in named.values()]
    if missing or left:
        given = "; ".join(f"{what} {', '.join(n)}" for what, n in (("missing", missing), ("left over", left)) if n)
        raise ValueError(f"{who}: the weights must be those of a {kind.__name__}, got {given}.")
    for name, on_disk in named.items():
        inside, _, own = name.rpartition(".")
        weight = weights[on_disk]
        setattr(theirs.get_submodule(inside), own, nn.Parameter(weight.detach(), weight.requires_grad))
    theirs.tie_weights()
    theirs.to(next(iter(weights.values())).device)  # position numbers and the like, which are no weights
    return theirs.train(model.training)
