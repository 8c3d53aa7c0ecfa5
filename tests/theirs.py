"""torch's own Transformer layers, encoder and decoder, with the weights of ours: what chapter 3 is compared with."""

import re

import torch
from torch import nn

from attnref import DecoderBlock, TransformerDecoder

PAIRS = {
    "self_attention.output_proj": "self_attn.out_proj",
    "cross_attention.output_proj": "multihead_attn.out_proj",
    "feed_forward.inner_proj": "linear1",
    "feed_forward.output_proj": "linear2",
    "self_attention_norm": "norm1",
    "cross_attention_norm": "norm2",
}


def renamed(own, decodes):
    """The weights of a block, or their gradients, by torch's names."""
    weights = {}
    for name, other in {**PAIRS, "feed_forward_norm": "norm3" if decodes else "norm2"}.items():
        for end in ("weight", "bias"):
            if f"{name}.{end}" in own:
                weights[f"{other}.{end}"] = own[f"{name}.{end}"]
    for name, other in (("self_attention", "self_attn"), ("cross_attention", "multihead_attn")):
        for end in ("weight", "bias"):
            parts = [own.get(f"{name}.{part}_proj.{end}") for part in ("query", "key", "value")]
            if parts[0] is not None:
                weights[f"{other}.in_proj_{end}"] = torch.cat(parts)
    return weights


def torch_layer(block):
    """torch's layer with the weights of a block, in float64."""
    decodes = isinstance(block, DecoderBlock)
    kind = nn.TransformerDecoderLayer if decodes else nn.TransformerEncoderLayer
    heads, d_ff = block.self_attention.num_heads, block.feed_forward.inner_proj.out_features
    layer = kind(
        block.d_model,
        heads,
        d_ff,
        0.0,
        block.feed_forward.activation,
        norm_first=block.norm == "pre",
        layer_norm_eps=block.feed_forward_norm.eps,
        batch_first=True,
        dtype=torch.float64,
    )
    layer.load_state_dict(renamed(block.double().state_dict(), decodes))
    return layer


def torch_stack(stack):
    """torch's encoder or decoder with the weights of ours, in float64."""
    decodes = isinstance(stack, TransformerDecoder)
    layers = [torch_layer(block) for block in stack.layers]
    options = {} if decodes else {"enable_nested_tensor": False}
    kind = nn.TransformerDecoder if decodes else nn.TransformerEncoder
    theirs = kind(layers[0], len(layers), **options)
    theirs.layers = nn.ModuleList(layers)
    if stack.final_norm is not None:
        theirs.norm = nn.LayerNorm(stack.d_model, eps=stack.final_norm.eps, dtype=torch.float64)
        theirs.norm.load_state_dict(stack.final_norm.double().state_dict())
    return theirs


def torch_transformer(encoder, decoder):
    """torch's Transformer, which has no embeddings, with the weights of ours, in float64."""
    theirs = nn.Transformer(encoder.d_model, 2, 1, 1, 8, batch_first=True)
    theirs.encoder, theirs.decoder = torch_stack(encoder), torch_stack(decoder)  # after it has drawn all weights
    return theirs


def gradients(stack, loss):
    """The gradients of an encoder or decoder of ours by torch's names, or of torch's by its own."""
    found = dict(
        zip(
            dict(stack.named_parameters()),
            torch.autograd.grad(loss, list(stack.parameters()), retain_graph=True),
            strict=True,
        )
    )
    if isinstance(stack, nn.TransformerEncoder | nn.TransformerDecoder):
        return found
    theirs = {}
    for number in range(len(stack.layers)):
        own = {re.sub(r"^layers\.\d+\.", "", k): v for k, v in found.items() if k.startswith(f"layers.{number}.")}
        named = renamed(own, isinstance(stack, TransformerDecoder))
        theirs.update({f"layers.{number}.{name}": gradient for name, gradient in named.items()})
    theirs.update({k.replace("final_norm", "norm"): v for k, v in found.items() if k.startswith("final_norm")})
    return theirs


def randomized(module):
    """Norms and biases are drawn too, so that none of them can be left out; in float64."""
    for weight in module.parameters():
        nn.init.normal_(weight, std=0.5)
    return module.double()
