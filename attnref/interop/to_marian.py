"""attnref's Transformer to a translation model of Marian, as Hugging Face has it: `from_marian` the other way."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from attnref._checks import kind_of
from attnref.interop._extra import extra
from attnref.interop._family import ACTIVATIONS, check_ours
from attnref.interop.marian import NAMES
from attnref.transformer.positions import LearnedPositions
from attnref.transformer.transformer import Transformer

EPSILON = 1e-5  # of Marian's norms; no option of its configuration


def to_marian(model: Transformer) -> Any:
    """Make a `transformers.MarianMTModel` with copies of a Transformer's weights: `from_marian` the other way.

    Args:
        model: A `Transformer` such as `from_marian` makes, trained further or not: post-norm, with Marian's sinusoids
            as learned positions.

    Returns:
        The same model, with the model's dtype, device, `requires_grad` and `training`. A `Transformer` does not know
            what its tokens mean: in the `config` the last one is padding and begins a text, and 0 ends it, as is usual
            in Marian's models.

    Raises:
        TypeError: The model is of another class.
        ValueError: It has what Marian has not: pre-norm, other positions, projections without biases, another epsilon
            of its norms or another attention in its heads.
        ModuleNotFoundError: transformers is not installed.

    Examples:
        ```python
        import torch
        from attnref.interop import from_marian, to_marian
        from transformers import MarianConfig, MarianMTModel

        sizes = {"vocab_size": 20, "d_model": 8, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
        special = {"pad_token_id": 19, "eos_token_id": 0, "decoder_start_token_id": 19}
        theirs = MarianMTModel(MarianConfig(**sizes, **special, scale_embedding=True)).eval()
        again = to_marian(from_marian(theirs))
        ```

    Source:
        Junczys-Dowmunt et al. 2018, *Marian: Fast Neural Machine Translation in C++*,
        [arXiv:1804.00344](https://arxiv.org/abs/1804.00344).
    """
    return _to_marian("to_marian", model)


def _to_marian(who: str, model: Any) -> Any:
    config, weights = _described(who, model), dict(_as_theirs(model))
    transformers = extra(who, "transformers")
    source, target = (weights[f"model.{coder}.embed_tokens.weight"] for coder in ("encoder", "decoder"))
    output = target if model.output_proj is None else model.output_proj.weight
    ties = torch.equal(target, output)
    shares = ties and torch.equal(source, target)
    weights |= {"lm_head.weight": output, "model.shared.weight": source}
    config |= {"tie_word_embeddings": ties, "share_encoder_decoder_embeddings": shares}
    with torch.random.fork_rng(devices=[]):  # its first weights are drawn, and replaced
        theirs = transformers.MarianMTModel(transformers.MarianConfig(**config))
    for coder in ("encoder", "decoder"):
        table = getattr(theirs.model, coder).embed_positions.weight
        if not torch.allclose(weights[f"model.{coder}.embed_positions.weight"].to(table), table, atol=1e-6):
            raise ValueError(f"{who}: positions must be Marian's sinusoids, got others in the {coder}.")
    for name, _ in list(theirs.named_parameters(remove_duplicate=False)):
        inside, _, own = name.rpartition(".")
        weight = weights[name]
        setattr(theirs.get_submodule(inside), own, nn.Parameter(weight.detach().clone(), weight.requires_grad))
    theirs.tie_weights()
    bias = None if model.output_proj is None else model.output_proj.bias
    theirs.final_logits_bias = (output.new_zeros(len(output)) if bias is None else bias).detach().clone()[None]
    return theirs.train(model.training)


def _as_theirs(model: Transformer) -> Iterator[tuple[str, Tensor]]:
    """The weights by Marian's names."""
    names = {ours: theirs for theirs, ours in NAMES.items()}
    for side, coder in (("source", "encoder"), ("target", "decoder")):
        embed = getattr(model, f"{side}_embed")
        yield f"model.{coder}.embed_tokens.weight", embed.tokens.weight
        yield f"model.{coder}.embed_positions.weight", embed.positions.weight
        for name, weight in getattr(model, coder).named_parameters():
            layers, number, inside = name.split(".", 2)
            module, _, own = inside.rpartition(".")
            yield f"model.{coder}.{layers}.{number}.{names[module]}.{own}", weight


def _described(who: str, model: object) -> dict[str, Any]:
    """The options of its configuration, and a refusal of what that cannot say."""
    if not isinstance(model, Transformer):
        raise TypeError(f"{who}: model must be a Transformer, got {kind_of(model)}.")
    block: Any = model.encoder.layers[0]
    embeds = model.source_embed, model.target_embed
    learned = all(isinstance(embed.positions, LearnedPositions) for embed in embeds)
    for blocks in (model.encoder, model.decoder):
        check_ours(
            who,
            "Marian",
            blocks,
            norm=("post", block.norm),
            positions=("learned", "learned" if learned else "others"),
            bias=(True, block.self_attention.query_proj.bias is not None),
            norm_eps=(EPSILON, block.self_attention_norm.eps),
        )
    sizes: dict[str, Any] = {}
    for name, blocks in (("encoder", model.encoder), ("decoder", model.decoder)):
        sizes[f"{name}_layers"] = len(blocks.layers)
        sizes[f"{name}_attention_heads"] = block.self_attention.num_heads
        sizes[f"{name}_ffn_dim"] = block.feed_forward.inner_proj.out_features
    theirs = next(theirs for theirs, ours in ACTIVATIONS.items() if ours == block.feed_forward.activation)
    return {
        **sizes,
        "vocab_size": model.source_embed.tokens.vocab_size,
        "decoder_vocab_size": model.target_embed.tokens.vocab_size,
        "d_model": model.source_embed.tokens.d_model,
        "max_position_embeddings": model.source_embed.positions.max_positions,  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
        "activation_function": theirs,
        "dropout": model.source_embed.dropout.p,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "scale_embedding": True,
        **dict.fromkeys(("pad_token_id", "decoder_start_token_id"), model.target_embed.tokens.vocab_size - 1),
        "eos_token_id": 0,
    }
