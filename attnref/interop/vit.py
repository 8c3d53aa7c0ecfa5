"""The Vision Transformer, as Hugging Face has it, to attnref's ViT and back (Dosovitskiy et al. 2020)."""

import re
from typing import Any, cast

import torch
from torch import nn

from attnref.interop._family import Config, Family, Weights, check_options, check_ours, sizes
from attnref.interop._names import ROW, VECTOR, Match, Pair, matches
from attnref.interop.bert import check_training
from attnref.models.vit import ViT
from attnref.protocols import Attend

LAYER, BLOCK = "encoder.layer.{}", "encoder.layers.{}"
NAMES = (
    Pair("embeddings.cls_token", "class_token.weight", VECTOR),
    Pair("embeddings.position_embeddings", "positions.weight", ROW),
    Pair("embeddings.patch_embeddings.projection", "patches.proj"),
    Pair(f"{LAYER}.layernorm_before", f"{BLOCK}.self_attention_norm"),
    Pair(f"{LAYER}.attention.attention.query", f"{BLOCK}.self_attention.query_proj"),
    Pair(f"{LAYER}.attention.attention.key", f"{BLOCK}.self_attention.key_proj"),
    Pair(f"{LAYER}.attention.attention.value", f"{BLOCK}.self_attention.value_proj"),
    Pair(f"{LAYER}.attention.output.dense", f"{BLOCK}.self_attention.output_proj"),
    Pair(f"{LAYER}.layernorm_after", f"{BLOCK}.feed_forward_norm"),
    Pair(f"{LAYER}.intermediate.dense", f"{BLOCK}.feed_forward.inner_proj"),
    Pair(f"{LAYER}.output.dense", f"{BLOCK}.feed_forward.output_proj"),
    Pair("layernorm", "encoder.final_norm"),
    Pair("pooler.dense", "head.0"),
    Pair("classifier", "head"),
)
# transformers 5 renames modules of the layers in memory, and writes files with the names above all the same.
IN_MEMORY = {
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
RULES = {
    "hidden_act": ("gelu", "attnref's ViT has gelu in its feed-forward networks"),
    "qkv_bias": (True, "attnref's projections of queries, keys and values have biases where its output projection has"),
    "pooler_act": ("tanh", "attnref's head has tanh"),
}


def _build(who: str, config: Config, weights: Weights, attend: Attend) -> tuple[ViT, Weights]:
    check_options(who, config, RULES)
    found = sizes(
        who,
        config,
        image_size="image_size",
        patch="patch_size",
        channels="num_channels",
        d_model="hidden_size",
        num_heads="num_attention_heads",
        d_ff="intermediate_size",
        num_layers="num_hidden_layers",
    )
    found |= {name: tuple(size) for name, size in found.items() if isinstance(size, list)}  # JSON has no tuples
    classifies = "ViTForImageClassification" in (config.get("architectures") or ()) or "classifier.weight" in weights
    labels = config.get("id2label")
    with torch.device("meta"):  # nothing is drawn
        ours = ViT(
            (config.get("num_labels", 2) if labels is None else len(labels)) if classifies else found["d_model"],
            **found,
            dropout=float(config.get("hidden_dropout_prob", 0.0)),
            norm_eps=config.get("layer_norm_eps", 1e-12),
            attend=attend,
        )
        if not classifies and any(name.startswith("pooler.") for name in weights):
            size = config.get("pooler_output_size") or found["d_model"]
            ours.head = nn.Sequential(nn.Linear(found["d_model"], size), nn.Tanh())
        elif not classifies:
            ours.head = nn.Identity()
    return ours, weights


def _table(model: ViT) -> list[Match]:
    return matches(NAMES, model, len(model.encoder.layers))


def _describe(who: str, model: ViT) -> dict[str, Any]:
    head, block = model.head, cast(Any, model.encoder.layers[0])
    linears = [module for module in head.modules() if isinstance(module, nn.Linear)]
    is_pooler = isinstance(head, nn.Sequential) and len(linears) == 1
    d_hidden = linears[0].out_features if len(linears) > 1 else None
    pool = "mean" if model.class_token is None else "class"
    check_ours(who, "Hugging Face's ViT", model.encoder, pool=("class", pool), d_hidden=(None, d_hidden))
    is_linear = isinstance(head, nn.Linear)
    return {
        "architectures": ["ViTForImageClassification" if is_linear else "ViTModel"],
        "image_size": _one_or_two(model.image_size),
        "patch_size": _one_or_two(model.patches.patch),
        "num_channels": model.patches.channels,
        "hidden_size": model.patches.d_model,
        "num_hidden_layers": len(model.encoder.layers),
        "num_attention_heads": block.self_attention.num_heads,
        "intermediate_size": block.feed_forward.inner_proj.out_features,
        "hidden_act": "gelu",
        "hidden_dropout_prob": model.dropout.p,
        "attention_probs_dropout_prob": 0.0,
        "layer_norm_eps": block.self_attention_norm.eps,
        "qkv_bias": True,
        "pooler_output_size": linears[0].out_features if is_pooler else None,
        **({"num_labels": linears[0].out_features} if is_linear else {}),
    }


def _one_or_two(size: tuple[int, int]) -> int | list[int]:
    return size[0] if size[0] == size[1] else list(size)


def _on_disk(name: str) -> str:
    """The name in a file of a weight in memory."""
    found = re.fullmatch(r"(vit\.)?layers\.(\d+)\.(.+)\.(weight|bias)", name)
    if found is None:
        return name
    prefix, number, inside, own = found.groups(default="")
    return f"{prefix}{LAYER.format(number)}.{IN_MEMORY.get(inside, inside)}.{own}"


VIT_FAMILY = Family(
    what="a ViT",
    ours=(ViT,),
    theirs=("ViTModel", "ViTForImageClassification"),
    build=_build,
    table=_table,
    describe=_describe,
    check_training=check_training,
    prefix="vit.",
    heads=("classifier.",),
    on_disk=_on_disk,
)
