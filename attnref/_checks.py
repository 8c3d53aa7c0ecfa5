"""Every refusal of attnref, and its words.

A refusal names who refused, the rule in the letters of the documentation, and what was given::

    scaled_dot_product_attention: query and key must agree in d_k,
    got query (2, 3, 4) with d_k=4, key (2, 5, 6) with d_k=6.

Sizes and values raise `ValueError`, dtypes and kinds `TypeError`. The checks read shapes and dtypes; the two that read
values, of tokens and of lengths, stand aside when torch compiles.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def check_floating(who: str, **tensors: Tensor) -> None:
    """All the tensors hold floating point numbers of one dtype, on one device."""
    given = ", ".join(f"{name} {tensor.dtype}" for name, tensor in tensors.items())
    if not all(tensor.is_floating_point() for tensor in tensors.values()):
        raise TypeError(f"{who}: {_listed(list(tensors))} must be floating point, got {given}.")
    if len({tensor.dtype for tensor in tensors.values()}) > 1 and not _autocast(*tensors.values()):
        raise TypeError(f"{who}: {_listed(list(tensors))} must share one dtype, got {given}.")
    if len({tensor.device for tensor in tensors.values()}) > 1:
        given = ", ".join(f"{name} on {tensor.device}" for name, tensor in tensors.items())
        raise ValueError(f"{who}: {_listed(list(tensors))} must be on one device, got {given}.")


def _autocast(*tensors: Tensor) -> bool:
    """Whether torch brings the tensors to one dtype by itself."""
    devices = {tensor.device.type for tensor in tensors}
    return all(torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device) for device in devices)


def check_tokens(who: str, name: str, tokens: Tensor, vocab_size: int) -> None:
    """Tokens are integers, (batch, n), at least one of them a sample, and each is in the vocabulary."""
    if tokens.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"{who}: {name} must hold tokens as int32 or int64, got {tokens.dtype}.")
    check_axes(who, name, tokens, "(batch, n)", exactly=2)
    if tokens.shape[1] < 1:
        raise ValueError(f"{who}: {name} must hold at least one token a sample, got shape {_shape(tokens)}.")
    _check_range(who, name, tokens, vocab_size - 1, "0 and vocab_size - 1")


def check_token(who: str, name: str, token: int, vocab_size: int) -> None:
    """One token, in the vocabulary."""
    check_int(who, **{name: token})
    if not 0 <= token < vocab_size:
        raise ValueError(f"{who}: {name} must lie between 0 and vocab_size - 1={vocab_size - 1}, got {token}.")


def _check_range(who: str, name: str, tensor: Tensor, greatest: int, rule: str) -> None:
    """Whole numbers from zero to the greatest. Reads values, so it is left out of what torch compiles."""
    if torch.compiler.is_compiling() or tensor.numel() == 0:
        return
    least, most = int(tensor.min()), int(tensor.max())
    if least < 0 or most > greatest:
        raise ValueError(f"{who}: {name} must lie between {rule}={greatest}, got {least} to {most}.")


def check_axes(who: str, name: str, tensor: Tensor, form: str, *, exactly: int | None = None, least: int = 1) -> None:
    """The tensor has as many axes as its form says."""
    if (exactly is not None and tensor.ndim != exactly) or tensor.ndim < least:
        raise ValueError(f"{who}: {name} must be {form}, got shape {_shape(tensor)}.")


def check_same_size(who: str, letter: str, **tensors: tuple[Tensor, int]) -> None:
    """Each tensor has the same size along the axis given beside it."""
    sizes = {name: tensor.shape[axis] for name, (tensor, axis) in tensors.items()}
    if len(set(sizes.values())) > 1:
        given = ", ".join(f"{n} {_shape(t)} with {letter}={sizes[n]}" for n, (t, _) in tensors.items())
        raise ValueError(f"{who}: {_listed(list(tensors))} must agree in {letter}, got {given}.")


def check_size(who: str, letter: str, size: int, name: str, tensor: Tensor, axis: int) -> None:
    """The tensor has the size this Module was built for."""
    if tensor.shape[axis] != size:
        raise ValueError(
            f"{who}: {name} must have {letter}={size}, got {name} {_shape(tensor)} with {letter}={tensor.shape[axis]}."
        )


def check_mask(who: str, mask: Tensor | None, shape: Sequence[int], form: str = "(..., n_q, n_k)") -> None:
    """The mask is bool (True = may attend) and broadcasts to the shape; it is never read as numbers."""
    if mask is None:
        return
    if mask.dtype != torch.bool:
        raise TypeError(f"{who}: mask must be bool (True = may attend), got {mask.dtype}.")
    fits = 2 <= mask.ndim <= len(shape) and all(
        given in (1, wanted) for given, wanted in zip(reversed(mask.shape), reversed(shape), strict=False)
    )
    if not fits:
        raise ValueError(f"{who}: mask must broadcast to {form} = {tuple(shape)}, got shape {_shape(mask)}.")


def check_attention_inputs(who: str, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
    """Query, key, value and mask belong together; their widths are the mechanism's own affair."""
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        check_axes(who, name, tensor, "(..., n, d)", least=2)
    check_floating(who, query=query, key=key, value=value)
    if not query.shape[:-2] == key.shape[:-2] == value.shape[:-2]:
        raise ValueError(
            f"{who}: query, key and value must agree in their leading axes, "
            f"got query {_shape(query)}, key {_shape(key)}, value {_shape(value)}."
        )
    check_same_size(who, "n_k", key=(key, -2), value=(value, -2))
    check_mask(who, mask, (*query.shape[:-1], key.shape[-2]))
    if mask is not None and mask.device != query.device:
        raise ValueError(
            f"{who}: mask must be on the device of query, got mask on {mask.device}, query on {query.device}."
        )


def check_shared_mask(who: str, mask: Tensor | None) -> None:
    """All queries share the mask: the keys are summed up once, whoever asks."""
    if mask is not None and mask.shape[-2] != 1:
        raise ValueError(f"{who}: mask must be the same for all queries, (..., 1, n_k), got shape {_shape(mask)}.")


def check_lengths(who: str, lengths: Tensor, n_k: int) -> None:
    """Lengths count tokens, from none to all n_k of them."""
    if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        raise TypeError(f"{who}: lengths must be integers, got {lengths.dtype}.")
    _check_range(who, "lengths", lengths, n_k, "0 and n_k")


def check_int(who: str, **numbers: int) -> None:
    """Numbers are whole."""
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"{who}: {name} must be an int, got {type(number).__name__}.")


def check_at_least(who: str, least: int, **sizes: int) -> None:
    """Sizes are whole numbers, not below the least."""
    check_int(who, **sizes)
    for name, size in sizes.items():
        if size < least:
            raise ValueError(f"{who}: {name} must be at least {least}, got {size}.")


def check_additive_weights(who: str, query: Tensor, key: Tensor, w_q: Tensor, w_k: Tensor, v_a: Tensor) -> None:
    """The three maps of additive attention fit the query, the key and each other."""
    check_axes(who, "w_q", w_q, "(d_a, d_q)", exactly=2)
    check_axes(who, "w_k", w_k, "(d_a, d_k)", exactly=2)
    check_axes(who, "v_a", v_a, "(d_a,)", exactly=1)
    check_floating(who, query=query, w_q=w_q, w_k=w_k, v_a=v_a)
    check_same_size(who, "d_q", query=(query, -1), w_q=(w_q, 1))
    check_same_size(who, "d_k", key=(key, -1), w_k=(w_k, 1))
    check_same_size(who, "d_a", w_q=(w_q, 0), w_k=(w_k, 0), v_a=(v_a, 0))


def check_recurrent_step(
    who: str, gates: int, x: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor, b_h: Tensor, **states: Tensor
) -> None:
    """The input, the states and the maps of a recurrent step fit each other."""
    rows = "d_h" if gates == 1 else f"{gates} d_h"
    for name, weight in (("w_x", w_x), ("w_h", w_h)):
        check_axes(who, name, weight, f"({rows}, d)", exactly=2)
    for name, bias in (("b_x", b_x), ("b_h", b_h)):
        check_axes(who, name, bias, f"({rows},)", exactly=1)
    check_floating(who, w_x=w_x, w_h=w_h, b_x=b_x, b_h=b_h)
    check_size(who, rows, gates * w_h.shape[1], "w_h", w_h, 0)
    check_same_size(who, rows, w_x=(w_x, 0), w_h=(w_h, 0), b_x=(b_x, 0), b_h=(b_h, 0))
    check_floating(who, x=x, **states, w_x=w_x)
    check_same_size(who, "d_x", x=(x, -1), w_x=(w_x, 1))
    check_same_size(who, "d_h", **{name: (state, -1) for name, state in states.items()}, w_h=(w_h, 1))
    if any(state.shape[:-1] != x.shape[:-1] for state in states.values()):
        given = ", ".join(f"{name} {_shape(tensor)}" for name, tensor in {"x": x, **states}.items())
        raise ValueError(f"{who}: {_listed(['x', *states])} must agree in their leading axes, got {given}.")


def check_attend(who: str, attend: object, *, optional: bool = True) -> None:
    """What is to attend can be called; None, where it is allowed, means no attention."""
    if not callable(attend) and not (optional and attend is None):
        kind = "None or a callable" if optional else "a callable"
        raise TypeError(f"{who}: attend must be {kind} (query, key, value, mask) -> (output, weights), got {attend!r}.")


def check_choice(who: str, name: str, given: str, choices: Sequence[str]) -> None:
    """The word is one of those on offer."""
    if given not in choices:
        raise ValueError(f"{who}: {name} must be one of {', '.join(map(repr, choices))}, got {given!r}.")


def check_positions(who: str, name: str, tensor: Tensor, least: int) -> None:
    """Each sequence of (batch, n) is long enough."""
    if tensor.shape[1] < least:
        raise ValueError(f"{who}: {name} must hold n >= {least} positions, got shape {_shape(tensor)}.")


def check_heads(who: str, d_model: int, num_heads: int, d_k: int | None, d_v: int | None) -> None:
    """Heads divide the width where they share it; given a width of their own, they need not."""
    own = {name: size for name, size in (("d_k", d_k), ("d_v", d_v)) if size is not None}
    check_at_least(who, 1, d_model=d_model, num_heads=num_heads, **own)
    if len(own) < 2 and d_model % num_heads:
        raise ValueError(f"{who}: d_model must divide by num_heads, got d_model={d_model} and num_heads={num_heads}.")


def check_torch_attention(who: str, module: object) -> None:
    """The module is torch's multi-head attention, and has nothing that attnref's has not."""
    if not isinstance(module, torch.nn.MultiheadAttention):
        raise TypeError(f"{who}: module must be a torch.nn.MultiheadAttention, got {type(module).__name__}.")
    d_model = module.embed_dim
    if module.kdim != d_model or module.vdim != d_model:
        raise ValueError(
            f"{who}: keys and values must be as wide as queries, "
            f"got embed_dim={d_model}, kdim={module.kdim}, vdim={module.vdim}."
        )
    if module.bias_k is not None or module.add_zero_attn:
        name = "add_zero_attn" if module.add_zero_attn else "add_bias_kv"
        raise ValueError(f"{who}: no key and value may be added to those given, got {name}=True.")
    if module.dropout > 0:
        raise ValueError(
            f"{who}: dropout must be 0, got dropout={module.dropout}; set module.dropout = 0.0 to take the rest."
        )


def check_general_weights(who: str, query: Tensor, key: Tensor, w_a: Tensor) -> None:
    """The matrix between query and key fits both."""
    check_axes(who, "w_a", w_a, "(d_q, d_k)", exactly=2)
    check_floating(who, query=query, w_a=w_a)
    check_same_size(who, "d_q", query=(query, -1), w_a=(w_a, 0))
    check_same_size(who, "d_k", key=(key, -1), w_a=(w_a, 1))


def check_concat_weights(who: str, query: Tensor, key: Tensor, w_a: Tensor, v_a: Tensor) -> None:
    """The two maps of concat attention fit the query and the key side by side, and each other."""
    check_axes(who, "w_a", w_a, "(d_a, d_q + d_k)", exactly=2)
    check_axes(who, "v_a", v_a, "(d_a,)", exactly=1)
    check_floating(who, query=query, w_a=w_a, v_a=v_a)
    check_size(who, "d_q + d_k", query.shape[-1] + key.shape[-1], "w_a", w_a, 1)
    check_same_size(who, "d_a", w_a=(w_a, 0), v_a=(v_a, 0))


def check_luong_sizes(who: str, d_q: int, d_k: int, score: str, d_a: int | None) -> None:
    """The score is one of Luong's, and has the widths it needs and no other."""
    check_at_least(who, 1, d_q=d_q, d_k=d_k)
    check_choice(who, "score", score, ("dot", "general", "concat"))
    if score == "dot" and d_q != d_k:
        raise ValueError(f"{who}: score 'dot' needs d_q and d_k to be equal, got d_q={d_q}, d_k={d_k}.")
    if (score == "concat") != (d_a is not None):
        need = "needs d_a, the width of its hidden layer" if d_a is None else "has no hidden layer: leave d_a out"
        raise ValueError(f"{who}: score {score!r} {need}, got d_a={d_a}.")
    if d_a is not None:
        check_at_least(who, 1, d_a=d_a)


def check_linear_step(who: str, query: Tensor, key: Tensor, value: Tensor) -> None:
    """One query, one key and one value belong together."""
    check_axes(who, "query", query, "(..., d_k)")
    for name, tensor in (("key", key), ("value", value)):
        check_axes(who, name, tensor, f"(..., d) with as many axes as query, {query.ndim}", exactly=query.ndim)
    check_floating(who, query=query, key=key, value=value)
    check_same_size(who, "d_k", query=(query, -1), key=(key, -1))
    for axis in range(-query.ndim, -1):
        check_same_size(who, "batch", query=(query, axis), key=(key, axis), value=(value, axis))


def check_linear_state(who: str, state: tuple[Tensor, Tensor], features: Tensor, value: Tensor) -> None:
    """The sums of linear attention, (S, z), fit the features of a key and the value."""
    S, z = state
    check_axes(who, "S", S, "(..., d_phi, d_v)", exactly=value.ndim + 1)
    check_axes(who, "z", z, "(..., d_phi)", exactly=value.ndim)
    check_floating(who, S=S, z=z, features=features)
    check_same_size(who, "d_phi", S=(S, -2), z=(z, -1), features=(features, -1))
    check_same_size(who, "d_v", S=(S, -1), value=(value, -1))
    for axis in range(-value.ndim, -1):
        check_same_size(who, "batch", S=(S, axis - 1), z=(z, axis), value=(value, axis))
