"""torch's Transformer, encoder and decoder to attnref's and back (`torch.nn.Transformer`)."""

from collections.abc import Iterator
from typing import Any, overload

import torch
from torch import Tensor, nn

from attnref._checks import check_attend, kind_of
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.interop._torch_checks import check_ours, check_theirs
from attnref.interop._weights import copy_weights
from attnref.protocols import Attend
from attnref.transformer.decoder import TransformerDecoder
from attnref.transformer.encoder import TransformerEncoder

# Names of torch's layers and attnref's blocks. What else a layer has keeps its name, and is refused as left over.
ATTENTIONS = {"self_attn": "self_attention", "multihead_attn": "cross_attention"}
SHARED = {
    "self_attn.out_proj": "self_attention.output_proj",
    "linear1": "feed_forward.inner_proj",
    "linear2": "feed_forward.output_proj",
    "norm1": "self_attention_norm",
}
ENCODER = {**SHARED, "norm2": "feed_forward_norm"}
DECODER = {
    **SHARED,
    "multihead_attn.out_proj": "cross_attention.output_proj",
    "norm2": "cross_attention_norm",
    "norm3": "feed_forward_norm",
}
PARTS = ("query", "key", "value")


@overload
def from_torch(
    module: nn.TransformerEncoder, *, attend: Attend = ..., cross_attend: Attend | None = None
) -> TransformerEncoder: ...
@overload
def from_torch(
    module: nn.TransformerDecoder, *, attend: Attend = ..., cross_attend: Attend | None = None
) -> TransformerDecoder: ...
@overload
def from_torch(
    module: nn.Transformer, *, attend: Attend = ..., cross_attend: Attend | None = None
) -> tuple[TransformerEncoder, TransformerDecoder]: ...
def from_torch(
    module: nn.Module, *, attend: Attend = scaled_dot_product_attention, cross_attend: Attend | None = None
) -> TransformerEncoder | TransformerDecoder | tuple[TransformerEncoder, TransformerDecoder]:
    """Make an encoder, a decoder or both with copies of the weights of torch's.

    The result is batch first, (..., n, d_model), whatever the module's `batch_first` says, and its masks are attnref's:
    True = may attend, where torch's are the other way round. For a query that may attend to nothing torch gives NaN,
    attnref zero.

    Args:
        module: A `torch.nn.TransformerEncoder`, `torch.nn.TransformerDecoder` or `torch.nn.Transformer`.
        attend: The attention of each head, as of `TransformerEncoder`; the fast version, for one.
        cross_attend: The attention of each head from decoder to encoder; as `attend` if omitted.

    Returns:
        The same encoder or decoder, or for a `torch.nn.Transformer` the pair (encoder, decoder), with the module's
        dtype, device, `requires_grad` and `training`. It drops nothing in training.

    Raises:
        TypeError: The module or one of its layers is of another class, or an attention cannot be called.
        ValueError: The module has what attnref's has not: another activation than relu, gelu (exact or by tanh) and
            silu, norms of different epsilons, layers without biases or unlike each other, or dropout while it trains,
            since torch's also drops attention weights and numbers inside the feed-forward network. Or a weight has no
            like: those that are missing or left over are named.

    Examples:
        >>> import torch
        >>> from attnref.interop import from_torch
        >>> layer = torch.nn.TransformerEncoderLayer(8, 2, 32, dropout=0.0, batch_first=True)
        >>> theirs = torch.nn.TransformerEncoder(layer, 3)
        >>> ours, x = from_torch(theirs), torch.randn(2, 5, 8)
        >>> torch.allclose(ours(x)[0], theirs(x), atol=1e-5)
        True

    Source:
        torch's [nn.Transformer](https://docs.pytorch.org/docs/stable/generated/torch.nn.Transformer.html).
    """
    who = "from_torch"
    check_attend(who, attend, optional=False)
    check_attend(who, cross_attend, name="cross_attend")
    if not isinstance(module, nn.Transformer):
        return _from_torch(who, module, attend, cross_attend)
    for name, kind in (("encoder", nn.TransformerEncoder), ("decoder", nn.TransformerDecoder)):
        if not isinstance(part := getattr(module, name), kind):
            raise TypeError(f"{who}: the {name} must be a torch.nn.{kind.__name__}, got {kind_of(part)}.")
    return _from_torch(who, module.encoder, attend, None), _from_torch(who, module.decoder, attend, cross_attend)


def _from_torch(who: str, module: Any, attend: Attend, cross_attend: Attend | None) -> Any:
    (d_model, num_heads, d_ff, num_layers), options = check_theirs(who, module)
    with torch.device("meta"):  # nothing is drawn
        if isinstance(module, nn.TransformerDecoder):
            options = {**options, "cross_attend": cross_attend}
            ours = TransformerDecoder(d_model, num_heads, d_ff, num_layers, attend=attend, **options)
        else:
            ours = TransformerEncoder(d_model, num_heads, d_ff, num_layers, attend=attend, **options)
    with torch.enable_grad():  # a part of a weight requires a gradient where the weight does
        copy_weights(who, dict(_as_ours(module)), ours)
    return ours.train(module.training)


@overload
def to_torch(module: TransformerEncoder) -> nn.TransformerEncoder: ...
@overload
def to_torch(module: TransformerDecoder) -> nn.TransformerDecoder: ...
@overload
def to_torch(module: tuple[TransformerEncoder, TransformerDecoder]) -> nn.Transformer: ...
def to_torch(
    module: TransformerEncoder | TransformerDecoder | tuple[TransformerEncoder, TransformerDecoder],
) -> nn.Module:
    """Make torch's encoder, decoder or Transformer with copies of attnref's weights: `from_torch` the other way.

    Args:
        module: An encoder, a decoder, or the pair (encoder, decoder).

    Returns:
        A `torch.nn.TransformerEncoder`, `torch.nn.TransformerDecoder` or `torch.nn.Transformer`, batch first.

    Raises:
        TypeError: The module is of another class.
        ValueError: It has what torch's has not: another attention in its heads, projections without biases, or dropout
            while it trains; or encoder and decoder differ in d_model.

    Examples:
        >>> import torch
        >>> from attnref import TransformerEncoder
        >>> from attnref.interop import to_torch
        >>> ours = TransformerEncoder(d_model=8, num_heads=2, d_ff=32, num_layers=3, norm="pre")
        >>> theirs, x = to_torch(ours), torch.randn(2, 5, 8)
        >>> torch.allclose(theirs(x), ours(x)[0], atol=1e-5)
        True

    Source:
        torch's [nn.Transformer](https://docs.pytorch.org/docs/stable/generated/torch.nn.Transformer.html).
    """
    who = "to_torch"
    if not isinstance(module, tuple) or [type(part) for part in module] != [TransformerEncoder, TransformerDecoder]:
        return _to_torch(who, module)
    encoder, decoder = module
    if encoder.d_model != decoder.d_model:
        given = f"{encoder.d_model} and {decoder.d_model}"
        raise ValueError(f"{who}: encoder and decoder must agree in d_model, got {given}.")
    parts = _to_torch(who, encoder), _to_torch(who, decoder)
    num_heads = parts[0].layers[0].self_attn.num_heads
    empty: Any = {"custom_encoder": nn.Identity(), "custom_decoder": nn.Identity()}  # it draws anew what it is given
    whole = nn.Transformer(encoder.d_model, num_heads, batch_first=True, **empty)
    whole.encoder, whole.decoder = parts
    return whole.train(encoder.training)


def _to_torch(who: str, module: Any) -> Any:
    (d_model, num_heads, d_ff, num_layers), options = check_ours(who, module)
    kind: Any = nn.TransformerDecoderLayer if isinstance(module, TransformerDecoder) else nn.TransformerEncoderLayer
    with torch.device("meta"):
        layer = kind(d_model, num_heads, d_ff, 0.0, batch_first=True, **options)
        norm = None if module.final_norm is None else nn.LayerNorm(d_model, eps=module.final_norm.eps)
        if isinstance(module, TransformerDecoder):
            theirs = nn.TransformerDecoder(layer, num_layers, norm)
        else:
            theirs = nn.TransformerEncoder(layer, num_layers, norm, enable_nested_tensor=False)
    with torch.enable_grad():
        copy_weights(who, dict(_as_theirs(module)), theirs)
    return theirs.train(module.training)


def _as_ours(module: nn.TransformerEncoder | nn.TransformerDecoder) -> Iterator[tuple[str, Tensor]]:
    """The weights of torch by attnref's names. It stacks the projections of queries, keys and values in one matrix."""
    names = DECODER if isinstance(module, nn.TransformerDecoder) else ENCODER
    for name, weight in module.named_parameters(remove_duplicate=False):
        layer, inside, own = _split(name)
        if inside in ATTENTIONS and own.startswith("in_proj_"):
            for part, piece in zip(PARTS, weight.chunk(3), strict=True):
                yield f"{layer}{ATTENTIONS[inside]}.{part}_proj.{own.removeprefix('in_proj_')}", piece
        elif layer:
            yield f"{layer}{names.get(inside, inside)}.{own}", weight
        else:
            yield name.replace("norm.", "final_norm.", 1), weight


def _as_theirs(module: TransformerEncoder | TransformerDecoder) -> Iterator[tuple[str, Tensor]]:
    """The weights of attnref by torch's names."""
    names = DECODER if isinstance(module, TransformerDecoder) else ENCODER
    names = {ours: theirs for theirs, ours in names.items()}
    for name, weight in module.named_parameters(remove_duplicate=False):
        layer, inside, own = _split(name)
        attention, _, part = inside.partition(".")
        if layer and part == "query_proj":
            projections = module.get_submodule(f"{layer}{attention}")
            stacked = [getattr(projections.get_submodule(f"{part}_proj"), own) for part in PARTS]
            theirs = next(theirs for theirs, ours in ATTENTIONS.items() if ours == attention)
            yield f"{layer}{theirs}.in_proj_{own}", torch.cat(stacked)
        elif layer and part not in ("key_proj", "value_proj"):
            yield f"{layer}{names.get(inside, inside)}.{own}", weight
        elif not layer:
            yield name.replace("final_norm.", "norm.", 1), weight


def _split(name: str) -> tuple[str, str, str]:
    """The layer with its number, or nothing; the module inside; the weight's own name."""
    inside, _, own = name.rpartition(".")
    if not inside.startswith("layers."):
        return "", inside, own
    layers, number, *rest = inside.split(".")
    return f"{layers}.{number}.", ".".join(rest), own
