"""GPT-2, as Hugging Face has it, to attnref's DecoderOnlyTransformer and back (Radford et al. 2019)."""

from typing import Any

import torch

from attnref.interop._family import (
    Config,
    Family,
    Weights,
    activation,
    check_options,
    check_ours,
    is_causal,
    sizes,
    their_activation,
    without_buffers,
    without_ties,
)
from attnref.interop._names import CONV1D, Match, Pair, matches
from attnref.protocols import Attend
from attnref.transformer.decoder_only import DecoderOnlyTransformer
from attnref.transformer.positions import LearnedPositions

BLOCK = "blocks.layers.{}"
ATTENTION = f"{BLOCK}.self_attention"
NAMES = (
    Pair("wte", "embed.tokens"),
    Pair("wpe", "embed.positions"),
    Pair("h.{}.ln_1", f"{BLOCK}.self_attention_norm"),
    Pair("h.{}.attn.c_attn", tuple(f"{ATTENTION}.{part}_proj" for part in ("query", "key", "value")), CONV1D),
    Pair("h.{}.attn.c_proj", f"{ATTENTION}.output_proj", CONV1D),
    Pair("h.{}.ln_2", f"{BLOCK}.feed_forward_norm"),
    Pair("h.{}.mlp.c_fc", f"{BLOCK}.feed_forward.inner_proj", CONV1D),
    Pair("h.{}.mlp.c_proj", f"{BLOCK}.feed_forward.output_proj", CONV1D),
    Pair("ln_f", "blocks.final_norm"),
)
# What files hold beside the weights: the causal mask of each layer, and the number that once stood for -inf.
BUFFERS = {
    r"h\.\d+\.attn\.bias": (is_causal, "a causal mask"),
    r"h\.\d+\.attn\.masked_bias": (lambda buffer: bool((buffer <= -1e4).all()), "a number for -inf"),
}
RULES = {
    "scale_attn_weights": (True, "attnref divides scores by the square root of d_k"),
    "scale_attn_by_inverse_layer_idx": (False, "attnref divides scores by the square root of d_k in every layer"),
    "add_cross_attention": (False, "attnref's decoder-only Transformer has no encoder to attend to"),
    "tie_word_embeddings": (True, "attnref's output layer has a bias unless it shares the table, and GPT-2's has none"),
}


def _build(who: str, config: Config, weights: Weights, attend: Attend) -> tuple[DecoderOnlyTransformer, Weights]:
    check_options(who, config, RULES)
    found = sizes(
        who,
        config,
        vocab_size="vocab_size",
        d_model="n_embd",
        num_heads="n_head",
        num_layers="n_layer",
        max_positions="n_positions",
    )
    with torch.device("meta"):  # nothing is drawn
        ours = DecoderOnlyTransformer(
            **found,
            d_ff=config.get("n_inner") or 4 * found["d_model"],
            dropout=float(config.get("resid_pdrop", 0.1)),
            norm="pre",
            activation=activation(who, config, "activation_function", "gelu_new"),
            norm_eps=config.get("layer_norm_epsilon", 1e-5),
            positions="learned",
            scale_embedding=False,
            tie="output",
            attend=attend,
        )
    weights = without_ties(who, without_buffers(who, weights, BUFFERS), {"lm_head.weight": "wte.weight"})
    return ours, weights


def _table(model: DecoderOnlyTransformer) -> list[Match]:
    return matches(NAMES, model, len(model.blocks.layers))


def _describe(who: str, model: DecoderOnlyTransformer) -> dict[str, Any]:
    block: Any = model.blocks.layers[0]
    norm, positions = model.blocks.final_norm, model.embed.positions
    kind = "learned" if isinstance(positions, LearnedPositions) else "none" if positions is None else "sinusoidal"
    check_ours(
        who,
        "GPT-2",
        model.blocks,
        norm=("pre", block.norm),
        positions=("learned", kind),
        scale_embedding=(False, model.embed.tokens.scale),
        tie=("output", "output" if model.output_proj is None else "none"),
        bias=(True, block.self_attention.query_proj.bias is not None),
    )
    assert norm is not None
    assert isinstance(positions, LearnedPositions)
    dropout = model.embed.dropout.p
    return {
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": model.embed.tokens.vocab_size,
        "n_positions": positions.max_positions,
        "n_embd": model.embed.tokens.d_model,
        "n_layer": len(model.blocks.layers),
        "n_head": block.self_attention.num_heads,
        "n_inner": block.feed_forward.inner_proj.out_features,
        "activation_function": their_activation(block.feed_forward.activation),
        "layer_norm_epsilon": norm.eps,
        "embd_pdrop": dropout,
        "resid_pdrop": dropout,
        "attn_pdrop": 0.0,
        "bos_token_id": None,
        "eos_token_id": None,
    }


def _check_training(who: str, config: Config) -> None:
    of_attention, embedded, rest = (float(config.get(f"{p}_pdrop", 0.1)) for p in ("attn", "embd", "resid"))
    if of_attention > 0 or embedded != rest:
        rule = "attn_pdrop must be 0 and embd_pdrop equal resid_pdrop, or the model in eval mode"
        given = f"attn_pdrop={of_attention}, embd_pdrop={embedded} and resid_pdrop={rest}"
        raise ValueError(f"{who}: {rule}, got {given}; call model.eval() to take the rest.")


GPT2_FAMILY = Family(
    what="GPT-2",
    ours=(DecoderOnlyTransformer,),
    theirs=("GPT2Model", "GPT2LMHeadModel"),
    build=_build,
    table=_table,
    describe=_describe,
    check_training=_check_training,
    prefix="transformer.",
)
