"""Mamba, as Hugging Face has it, to attnref's Mamba and back (Gu and Dao 2023)."""

from typing import Any

import torch

from attnref.interop._family import Config, Family, Weights, check_options, check_ours, sizes, without_ties
from attnref.interop._names import Match, Pair, matches
from attnref.models.mamba import Mamba
from attnref.protocols import Attend

MIXER = "layers.{}.mixer"
NAMES = (
    Pair("embeddings", "embed"),
    Pair("layers.{}.norm", "layers.{}.norm"),
    Pair(f"{MIXER}.in_proj", f"{MIXER}.in_proj"),
    Pair(f"{MIXER}.conv1d", f"{MIXER}.conv"),
    Pair(f"{MIXER}.x_proj", f"{MIXER}.x_proj"),
    Pair(f"{MIXER}.dt_proj", f"{MIXER}.delta_proj"),
    Pair(f"{MIXER}.A_log", f"{MIXER}.log_a"),
    Pair(f"{MIXER}.D", f"{MIXER}.d_skip"),
    Pair(f"{MIXER}.out_proj", f"{MIXER}.out_proj"),
    Pair("norm_f", "final_norm"),
    Pair("lm_head", "output_proj"),
)
RULES = {"hidden_act": ("silu", "attnref's Mamba has SiLU after the convolution and in the gate")}


def _build(who: str, config: Config, weights: Weights, _: Attend) -> tuple[Mamba, Weights]:
    check_options(who, config, RULES)
    found = sizes(who, config, vocab_size="vocab_size", d_model="hidden_size", num_layers="num_hidden_layers")
    rank = config.get("time_step_rank", "auto")
    weights = {name.replace("embedding.", "embeddings."): weight for name, weight in weights.items()}  # older files
    has_head = "lm_head.weight" in weights and not config.get("tie_word_embeddings", True)
    with torch.device("meta"):  # nothing is drawn
        ours = Mamba(
            **found,
            d_state=config.get("state_size", 16),
            kernel=config.get("conv_kernel", 4),
            expand=config.get("expand", 2),
            delta_rank=None if rank == "auto" else rank,
            norm_eps=config.get("layer_norm_epsilon", 1e-5),
            bias=config.get("use_bias", False),
            conv_bias=config.get("use_conv_bias", True),
            tie="none" if has_head else "output",
        )
    return ours, weights if has_head else without_ties(who, weights, {"lm_head.weight": "embeddings.weight"})


def _table(model: Mamba) -> list[Match]:
    return matches(NAMES, model, len(model.layers))


def _describe(who: str, model: Mamba) -> dict[str, Any]:
    block: Any = model.layers[0]
    mixer = block.mixer
    check_ours(who, "Mamba", model, scan=("selective_scan", getattr(mixer.scan, "__name__", repr(mixer.scan))))
    return {
        "architectures": ["MambaForCausalLM"],
        "vocab_size": model.vocab_size,
        "hidden_size": mixer.d_model,
        "num_hidden_layers": len(model.layers),
        "state_size": mixer.d_state,
        "conv_kernel": mixer.kernel,
        "expand": mixer.expand,
        "time_step_rank": mixer.delta_rank,
        "layer_norm_epsilon": block.norm.eps,
        "use_bias": mixer.in_proj.bias is not None,
        "use_conv_bias": mixer.conv.bias is not None,
        "hidden_act": "silu",
        "tie_word_embeddings": model.output_proj is None,
        "residual_in_fp32": False,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
    }


MAMBA_FAMILY = Family(
    what="a Mamba",
    ours=(Mamba,),
    theirs=("MambaModel", "MambaForCausalLM"),
    build=_build,
    table=_table,
    describe=_describe,
    check_training=lambda who, config: None,  # it drops nothing
    prefix="backbone.",
    heads=("lm_head.",),
)
