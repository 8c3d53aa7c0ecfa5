"""BERT, as Hugging Face has it, to attnref's BERT and back (Devlin et al. 2018)."""

import re
from typing import Any

import torch

from attnref.interop._family import (
    Config,
    Family,
    Weights,
    activation,
    check_options,
    check_ours,
    counts,
    sizes,
    their_activation,
    without_buffers,
    without_ties,
)
from attnref.interop._names import Match, Pair, matches
from attnref.models.bert import BERT, BERTPretraining
from attnref.protocols import Attend

LAYER, BLOCK = "encoder.layer.{}", "encoder.layers.{}"
NAMES = (
    Pair("embeddings.word_embeddings", "embed.tokens"),
    Pair("embeddings.position_embeddings", "embed.positions"),
    Pair("embeddings.token_type_embeddings", "embed.segments"),
    Pair("embeddings.LayerNorm", "embed.norm"),
    Pair(f"{LAYER}.attention.self.query", f"{BLOCK}.self_attention.query_proj"),
    Pair(f"{LAYER}.attention.self.key", f"{BLOCK}.self_attention.key_proj"),
    Pair(f"{LAYER}.attention.self.value", f"{BLOCK}.self_attention.value_proj"),
    Pair(f"{LAYER}.attention.output.dense", f"{BLOCK}.self_attention.output_proj"),
    Pair(f"{LAYER}.attention.output.LayerNorm", f"{BLOCK}.self_attention_norm"),
    Pair(f"{LAYER}.intermediate.dense", f"{BLOCK}.feed_forward.inner_proj"),
    Pair(f"{LAYER}.output.dense", f"{BLOCK}.feed_forward.output_proj"),
    Pair(f"{LAYER}.output.LayerNorm", f"{BLOCK}.feed_forward_norm"),
    Pair("pooler.dense", "pooler"),
)
HEADS = (
    Pair("cls.predictions.transform.dense", "head.proj"),
    Pair("cls.predictions.transform.LayerNorm", "head.norm"),
    Pair("cls.predictions.bias", "head.bias"),
    Pair("cls.seq_relationship", "next_proj"),
)
TIES = {
    "cls.predictions.decoder.weight": "embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}
BUFFERS = {r"embeddings\.position_ids": (counts, "0, 1, 2, …")}
RULES = {
    "position_embedding_type": ("absolute", "attnref's BERT has learned positions"),
    "is_decoder": (False, "attnref's BERT attends to both sides"),
    "add_cross_attention": (False, "attnref's BERT has no encoder to attend to"),
    "tie_word_embeddings": (True, "attnref's head shares the embedding's table"),
}


def _build(who: str, config: Config, weights: Weights, attend: Attend) -> tuple[BERT | BERTPretraining, Weights]:
    check_options(who, config, RULES)
    found = sizes(
        who,
        config,
        vocab_size="vocab_size",
        d_model="hidden_size",
        num_heads="num_attention_heads",
        d_ff="intermediate_size",
        num_layers="num_hidden_layers",
        max_positions="max_position_embeddings",
        num_segments="type_vocab_size",
    )
    weights = {_today(name): weight for name, weight in weights.items()}
    weights = without_ties(who, without_buffers(who, weights, BUFFERS), TIES)
    asked = config.get("architectures") or ["BertModel"]
    has_next = "BertForPreTraining" in asked or any(name.startswith("cls.seq_relationship.") for name in weights)
    has_head = has_next or "BertForMaskedLM" in asked or any(name.startswith("cls.") for name in weights)
    has_pooler = has_next or any(name.startswith("pooler.") for name in weights)
    with torch.device("meta"):  # nothing is drawn
        bert = BERT(
            **found,
            dropout=float(config.get("hidden_dropout_prob", 0.1)),
            activation=activation(who, config, "hidden_act", "gelu"),
            norm_eps=config.get("layer_norm_eps", 1e-12),
            attend=attend,
        )
        ours = BERTPretraining(bert) if has_head else bert
    if not has_pooler:
        bert.pooler = None
    if isinstance(ours, BERTPretraining) and not has_next:
        ours.next_proj = None
    return ours, weights


def _today(name: str) -> str:
    """The oldest checkpoints call scale and shift of a norm gamma and beta, as TensorFlow does."""
    return re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name))


def _table(model: BERT | BERTPretraining) -> list[Match]:
    if isinstance(model, BERT):
        return matches(NAMES, model, len(model.encoder.layers))
    inside = [pair._replace(ours=f"bert.{pair.ours}") for pair in NAMES]
    return matches([*inside, *HEADS], model, len(model.bert.encoder.layers))


def _describe(who: str, model: BERT | BERTPretraining) -> dict[str, Any]:
    bert, architecture = model, "BertModel"
    if isinstance(model, BERTPretraining):
        bert, architecture = model.bert, "BertForMaskedLM" if model.next_proj is None else "BertForPreTraining"
    assert isinstance(bert, BERT)
    check_ours(who, "BERT", bert.encoder)
    block: Any = bert.encoder.layers[0]
    return {
        "architectures": [architecture],
        "vocab_size": bert.vocab_size,
        "hidden_size": bert.d_model,
        "num_hidden_layers": len(bert.encoder.layers),
        "num_attention_heads": block.self_attention.num_heads,
        "intermediate_size": block.feed_forward.inner_proj.out_features,
        "hidden_act": their_activation(block.feed_forward.activation),
        "hidden_dropout_prob": bert.embed.dropout.p,
        "attention_probs_dropout_prob": 0.0,
        "max_position_embeddings": bert.embed.positions.max_positions,
        "type_vocab_size": bert.embed.segments.num_embeddings,
        "layer_norm_eps": bert.embed.norm.eps,
        "pad_token_id": None,
    }


def check_training(who: str, config: Config) -> None:
    """Attention weights are dropped by Hugging Face's encoders alone."""
    if (of_attention := config.get("attention_probs_dropout_prob", 0.1)) > 0:
        rule = "attention_probs_dropout_prob must be 0, or the model in eval mode, since attnref drops none of them"
        given = f"attention_probs_dropout_prob={of_attention}"
        raise ValueError(f"{who}: {rule}, got {given}; call model.eval() to take the rest.")


BERT_FAMILY = Family(
    what="a BERT",
    ours=(BERT, BERTPretraining),
    theirs=("BertModel", "BertForPreTraining", "BertForMaskedLM"),
    build=_build,
    table=_table,
    describe=_describe,
    check_training=check_training,
    prefix="bert.",
    heads=("cls.",),
)
