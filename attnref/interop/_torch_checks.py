"""What torch's Transformer layers have and attnref's blocks have not, and the other way round: refused in words."""

from functools import partial
from typing import Any

from torch import nn

from attnref._checks import kind_of
from attnref.attention.multi_head import MultiHeadAttention
from attnref.interop._weights import check_exact
from attnref.transformer.decoder import TransformerDecoder
from attnref.transformer.encoder import TransformerEncoder
from attnref.transformer.feed_forward import ACTIVATIONS

TANH = {"approximate": "tanh"}
Sizes = tuple[int, int, int, int]  # d_model, num_heads, d_ff, num_layers


def check_theirs(who: str, module: object) -> tuple[Sizes, dict[str, Any]]:
    """Sizes and options of torch's encoder or decoder, in attnref's words."""
    if not isinstance(module, nn.TransformerEncoder | nn.TransformerDecoder):
        names = "TransformerEncoder, torch.nn.TransformerDecoder or torch.nn.Transformer"
        raise TypeError(f"{who}: module must be a torch.nn.{names}, got {kind_of(module)}.")
    kind = nn.TransformerDecoderLayer if isinstance(module, nn.TransformerDecoder) else nn.TransformerEncoderLayer
    found = [_layer(who, number, layer, kind, module.training) for number, layer in enumerate(module.layers)]
    if not found:
        raise ValueError(f"{who}: the module must have a layer at least, got none.")
    for number, (sizes, options) in enumerate(found):
        if (sizes, options) != found[0]:
            given = f"{found[0]} in layer 0 and {(sizes, options)} in layer {number}"
            raise ValueError(f"{who}: all layers must agree in sizes and options, got {given}.")
    (d_model, num_heads, d_ff), options = found[0]
    if module.norm is not None:
        _check_norm(who, "norm", module.norm, ("layers.0.norm1", options["norm_eps"]))
    return (d_model, num_heads, d_ff, len(found)), {**options, "final_norm": module.norm is not None}


def _layer(
    who: str, number: int, layer: Any, kind: type, training: bool
) -> tuple[tuple[int, int, int], dict[str, Any]]:
    name = f"layers.{number}"
    if type(layer) is not kind:
        raise TypeError(f"{who}: {name} must be a torch.nn.{kind.__name__}, got {kind_of(layer)}.")
    attentions = [module for module in layer.children() if isinstance(module, nn.MultiheadAttention)]
    dropout = max(
        [module.p for module in layer.children() if isinstance(module, nn.Dropout)] + [a.dropout for a in attentions]
    )
    if training and dropout > 0:
        rule = "dropout must be 0, or the module in eval mode, since torch's drops attention weights too"
        raise ValueError(f"{who}: {rule}, got dropout={dropout}; call module.eval() to take the rest.")
    if layer.linear1.bias is None:
        raise ValueError(
            f"{who}: layers must have biases, as attnref's feed-forward networks and norms do, got {name}."
        )
    for inside, module in layer.named_children():
        if inside.startswith("norm"):
            _check_norm(who, f"{name}.{inside}", module, (f"{name}.norm1", layer.norm1.eps))
    if any(attention.add_zero_attn for attention in attentions):
        raise ValueError(f"{who}: no key and value may be added to those given, got add_zero_attn=True in {name}.")
    options = {
        "norm": "pre" if layer.norm_first else "post",
        "activation": _activation(who, name, layer.activation),
        "norm_eps": layer.norm1.eps,
    }
    return (layer.linear1.in_features, layer.self_attn.num_heads, layer.linear1.out_features), options


def _activation(who: str, name: str, activation: Any) -> str:
    if activation is nn.functional.relu or isinstance(activation, nn.ReLU):
        return "relu"
    if activation is nn.functional.gelu or isinstance(activation, nn.GELU):
        return "gelu_tanh" if getattr(activation, "approximate", "none") == "tanh" else "gelu"
    if activation is nn.functional.silu or isinstance(activation, nn.SiLU):
        return "silu"
    if isinstance(activation, partial) and activation.func is nn.functional.gelu and activation.keywords == TANH:
        return "gelu_tanh"
    given = getattr(activation, "__name__", repr(activation))
    raise ValueError(f"{who}: the activation must be relu, gelu or silu, got {given} in {name}.")


def _check_norm(who: str, name: str, norm: object, first: tuple[str, float]) -> None:
    if not isinstance(norm, nn.LayerNorm):
        raise TypeError(f"{who}: {name} must be a torch.nn.LayerNorm, got {kind_of(norm)}.")
    if norm.eps != first[1]:
        given = f"{first[1]} in {first[0]} and {norm.eps} in {name}"
        raise ValueError(f"{who}: all norms must agree in layer_norm_eps, got {given}.")


def check_ours(who: str, module: object) -> tuple[Sizes, dict[str, Any]]:
    """Sizes and options of attnref's encoder or decoder, in torch's words."""
    if not isinstance(module, TransformerEncoder | TransformerDecoder):
        names = "TransformerEncoder, a TransformerDecoder or a pair of the two"
        raise TypeError(f"{who}: module must be a {names}, got {kind_of(module)}.")
    for name, inside in module.named_modules():
        if isinstance(inside, MultiHeadAttention):
            _check_attention(who, name, inside)
        if isinstance(inside, nn.Dropout) and module.training and inside.p > 0:
            rule = "dropout must be 0, or the module in eval mode, since torch's drops attention weights too"
            raise ValueError(f"{who}: {rule}, got dropout={inside.p}; call module.eval() to take the rest.")
    first: Any = module.layers[0]
    sizes = module.d_model, first.self_attention.num_heads, first.feed_forward.inner_proj.out_features
    activation = ACTIVATIONS[first.feed_forward.activation]
    options = {"activation": activation, "norm_first": first.norm == "pre"}
    options |= {"layer_norm_eps": first.self_attention_norm.eps}
    return (*sizes, len(module.layers)), options


def _check_attention(who: str, name: str, attention: MultiHeadAttention) -> None:
    check_exact(who, name, attention)
    if attention.query_proj.bias is None:
        raise ValueError(f"{who}: projections must have biases, as torch's layers do, got bias=False in {name}.")
