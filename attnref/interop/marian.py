"""Marian's translation models, as Hugging Face has them, to attnref's Transformer (Junczys-Dowmunt et al. 2018)."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from attnref._checks import check_attend, kind_of
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.interop._weights import copy_weights
from attnref.protocols import Attend
from attnref.transformer.feed_forward import Activation
from attnref.transformer.transformer import Transformer

ACTIVATIONS: dict[str, Activation] = {"relu": "relu", "gelu": "gelu", "swish": "silu", "silu": "silu"}
NAMES = {
    "self_attn.q_proj": "self_attention.query_proj",
    "self_attn.k_proj": "self_attention.key_proj",
    "self_attn.v_proj": "self_attention.value_proj",
    "self_attn.out_proj": "self_attention.output_proj",
    "self_attn_layer_norm": "self_attention_norm",
    "encoder_attn.q_proj": "cross_attention.query_proj",
    "encoder_attn.k_proj": "cross_attention.key_proj",
    "encoder_attn.v_proj": "cross_attention.value_proj",
    "encoder_attn.out_proj": "cross_attention.output_proj",
    "encoder_attn_layer_norm": "cross_attention_norm",
    "fc1": "feed_forward.inner_proj",
    "fc2": "feed_forward.output_proj",
    "final_layer_norm": "feed_forward_norm",
}


def from_marian(model: nn.Module, *, attend: Attend = scaled_dot_product_attention) -> Transformer:
    """Make a `Transformer` with copies of the weights of a `transformers.MarianMTModel`.

    Marian's positions are sinusoids with all sines before all cosines, where the paper's alternate. So its table is
    copied into learned positions that get no gradient. Its embeddings share one table with the output layer; here they
    do too, unless the output layer has a bias (`final_logits_bias`) or Marian shares another way: then each has a copy.
    Marian's embedding gives the padding token no gradient, attnref's does.

    Args:
        model: A `transformers.MarianMTModel`; its configuration has `scale_embedding=True`, as those of the models that
            were trained with Marian.
        attend: The attention of each head, as of `Transformer`; the fast version, for one.

    Returns:
        The same model, with the model's dtype, device and `training`. `attention_mask` is its `source_token_mask`, as
        bool, and `decoder_input_ids` its target.

    Raises:
        TypeError: The model is of another class.
        ValueError: The model has what attnref's has not: embeddings that are not scaled, another activation than relu,
            gelu and swish, heads or feed-forward networks that differ between encoder and decoder, or, while it trains,
            dropout in other places than the paper's. Or a weight has no like: those missing or left over are named.

    Examples:
        A model with random weights; those of Opus-MT, which have the activation swish, are taken the same way.

        ```python
        import torch
        from attnref import generate
        from attnref.interop import from_marian
        from transformers import MarianConfig, MarianMTModel

        sizes = {"vocab_size": 20, "d_model": 8, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
        special = {"pad_token_id": 19, "eos_token_id": 0, "decoder_start_token_id": 19}
        theirs = MarianMTModel(MarianConfig(**sizes, **special, scale_embedding=True)).eval()
        ours = from_marian(theirs)

        source = torch.randint(1, 19, (3, 7))
        prompt = torch.full((3, 1), 19)
        translated = generate(ours.start(source), prompt, max_new_tokens=9, end=0)
        ```

    Source:
        Junczys-Dowmunt et al. 2018, *Marian: Fast Neural Machine Translation in C++*,
        [arXiv:1804.00344](https://arxiv.org/abs/1804.00344); transformers'
        [MarianMTModel](https://huggingface.co/docs/transformers/model_doc/marian).
    """
    who = "from_marian"
    check_attend(who, attend, optional=False)
    return _converted(who, model, attend)


def _converted(who: str, model: Any, attend: Attend) -> Transformer:
    _check(who, model)
    config, encoder, decoder = model.config, model.model.encoder, model.model.decoder
    has_bias = bool(model.final_logits_bias.any())
    ties_output = model.lm_head.weight is decoder.embed_tokens.weight and not has_bias
    shares = encoder.embed_tokens.weight is decoder.embed_tokens.weight
    with torch.device("meta"):  # nothing is drawn
        ours = Transformer(
            encoder.embed_tokens.num_embeddings,
            decoder.embed_tokens.num_embeddings,
            d_model=config.d_model,
            num_heads=config.encoder_attention_heads,
            d_ff=config.encoder_ffn_dim,
            num_layers=(len(encoder.layers), len(decoder.layers)),
            dropout=float(config.dropout),
            activation=ACTIVATIONS[config.activation_function],
            positions="learned",
            max_positions=config.max_position_embeddings,
            attend=attend,
            tie="none" if not ties_output else "all" if shares else "output",
        )
    copy_weights(who, dict(_as_ours(model, ours)), ours)
    return ours.train(model.training)


def _as_ours(model: Any, ours: Transformer) -> Iterator[tuple[str, Tensor]]:
    """Marian's weights by attnref's names; a table that is shared is named once."""
    shared = ours.source_embed.tokens is ours.target_embed.tokens
    for side, coder in (("source", "encoder"), ("target", "decoder")):
        for name, weight in getattr(model.model, coder).named_parameters(remove_duplicate=False):
            first, _, rest = name.partition(".")
            if name == "embed_positions.weight":
                yield f"{side}_embed.positions.weight", weight
            elif name == "embed_tokens.weight":
                if not (shared and side == "target"):
                    yield f"{side}_embed.tokens.weight", weight
            elif first == "layers":
                number, _, inside = rest.partition(".")
                module, _, own = inside.rpartition(".")
                yield f"{coder}.layers.{number}.{NAMES.get(module, module)}.{own}", weight
            else:
                yield f"{coder}.{name}", weight
    if ours.output_proj is not None:
        yield "output_proj.weight", model.lm_head.weight
        yield "output_proj.bias", model.final_logits_bias[0]


def _check(who: str, model: Any) -> None:
    """It is Marian's, and has nothing that attnref's Transformer has not."""
    from transformers import MarianMTModel

    if not isinstance(model, MarianMTModel):
        raise TypeError(f"{who}: model must be a transformers.MarianMTModel, got {kind_of(model)}.")
    config = model.config
    if not config.scale_embedding:
        raise ValueError(f"{who}: embeddings must be multiplied by √d_model, got scale_embedding=False.")
    if config.activation_function not in ACTIVATIONS:
        raise ValueError(f"{who}: the activation must be relu, gelu or swish, got {config.activation_function}.")
    for name in ("attention_heads", "ffn_dim"):
        of_encoder, of_decoder = getattr(config, f"encoder_{name}"), getattr(config, f"decoder_{name}")
        if of_encoder != of_decoder:
            given = f"encoder_{name}={of_encoder} and decoder_{name}={of_decoder}"
            raise ValueError(f"{who}: encoder and decoder must agree in {name}, got {given}.")
    for name in ("attention_dropout", "activation_dropout", "encoder_layerdrop", "decoder_layerdrop"):
        if model.training and getattr(config, name) > 0:
            rule = f"{name} must be 0, or the model in eval mode, since attnref drops sublayers and embeddings alone"
            raise ValueError(f"{who}: {rule}, got {name}={getattr(config, name)}; call model.eval() to take the rest.")
