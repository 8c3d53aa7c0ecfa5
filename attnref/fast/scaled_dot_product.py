"""Scaled dot-product attention by torch's fused kernel and by FlexAttention, which never form the weights."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref._checks import has_values
from attnref.attention import scaled_dot_product
from attnref.attention._checks import check_dot_product_inputs
from attnref.attention._non_finite import are_finite, non_finite, set_aside, set_aside_causal, spoil
from attnref.fast._derivatives import with_all_derivatives
from attnref.fast._fused import fold, fused, fused_causal, is_causal
from attnref.fast._fused_op import fused_op, takes_operator


def scaled_dot_product_attention(
    query: Float[Tensor, "*batch n_q d_k"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
) -> tuple[Float[Tensor, "*batch n_q d_v"], None]:
    """As `attnref.scaled_dot_product_attention`, by torch's fused kernel; the weights are None.

    A causal mask, `causal_mask(n)`, is known by its values, whoever made it, and the kernel then skips the future: as
    fast as with torch's `is_causal`. Values are read when the program runs, compiled for a CPU too; not where it is
    exported, nor compiled for a GPU.

    The kernel knows its first gradient alone. Where another derivative is wanted, second, in forward mode or by
    `torch.func`, the reference gives it, and forms the weights.

    On a CPU the kernel takes four axes and keys and values of equal size; anything else falls back to a slow path. So
    other axes are folded, and the smaller of d_k and d_v is padded with zeros, which change no score.

    Args:
        query: The queries.
        key: The keys.
        value: The values. d_v may differ from d_k.
        mask: True = may attend. All may when it is left out.

    Returns:
        output: One vector for each query; zero for a fully masked row.
        weights: None, they are never formed.

    Raises:
        TypeError: The inputs are not of one floating dtype, or the mask is not bool.
        ValueError: The inputs do not agree in their leading axes, in d_k or in n_k, or the mask does not broadcast to
            (..., n_q, n_k).
    """
    check_dot_product_inputs("scaled_dot_product_attention", query, key, value, mask)
    if mask is not None and takes_operator(query):
        return fused_op(query, key, value, mask), None
    if is_causal(mask, query.shape[-2], key.shape[-2]):
        kernel, (query, key, value, lost) = fused_causal, set_aside_causal(query, key, value, None)
    else:
        kernel, (query, key, value, lost) = fused, set_aside(query, key, value, mask)
    output = with_all_derivatives(kernel, _reference, query, key, value, mask)
    return spoil(output, _lost_on_cpu(query, key) if mask is None else lost), None


def _lost_on_cpu(query: Tensor, key: Tensor) -> Tensor | None:
    """The queries whose scores are NaN: the CPU's kernels may take no notice of it, and give numbers."""
    if query.device.type != "cpu" or key.shape[-2] == 0 or are_finite(query, key):
        return None
    lost = non_finite(query) | key.isnan().any(dim=-1, keepdim=True).any(dim=-2, keepdim=True)
    return None if has_values(lost) and not lost.any() else lost


def _reference(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    return scaled_dot_product.scaled_dot_product_attention(query, key, value, mask)[0]


def flexible_scaled_dot_product_attention(
    query: Float[Tensor, "*batch n_q d_k"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
) -> tuple[Float[Tensor, "*batch n_q d_v"], None]:
    """As `attnref.scaled_dot_product_attention`, by FlexAttention, which skips blocks that are wholly masked.

    torch compiles a kernel at the first call, which takes a while, and again for other shapes. On a CPU that needs a
    C++ compiler, and there FlexAttention has neither a gradient nor float64: `scaled_dot_product_attention` has both.

    Args:
        query: The queries.
        key: The keys.
        value: The values. d_v may differ from d_k.
        mask: True = may attend. All may when it is left out.

    Returns:
        output: One vector for each query; zero for a fully masked row.
        weights: None, they are never formed.

    Raises:
        TypeError: The inputs are not of one floating dtype, or are float64 on a CPU, or the mask is not bool.
        ValueError: The inputs do not agree in their leading axes, in d_k or in n_k, the mask does not broadcast to
            (..., n_q, n_k), or a gradient is wanted on a CPU.
        RuntimeError: There is no C++ compiler that works.
    """
    who = "flexible_scaled_dot_product_attention"
    check_dot_product_inputs(who, query, key, value, mask)
    query, key, value, lost = set_aside(query, key, value, mask)
    lost = _lost_on_cpu(query, key) if mask is None else lost
    inputs = (query, key, value)
    if query.device.type == "cpu" and query.dtype == torch.float64:
        raise TypeError(f"{who}: query, key and value must not be torch.float64: FlexAttention has none on a CPU.")
    if query.device.type == "cpu" and torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs):
        raise ValueError(f"{who}: FlexAttention has no gradient on a CPU: call it under torch.no_grad().")

    shape = (*query.shape[:-1], value.shape[-1])
    if 0 in (*shape, key.shape[-2]):
        return value.new_zeros(shape), None
    seen = None if mask is None else _block_mask(mask, query, key)
    try:
        output = _flex_attention()(*map(fold, inputs), block_mask=seen, scale=1 / math.sqrt(key.shape[-1]))
    except Exception as error:
        if "InvalidCxxCompiler" in f"{error!r}":  # torch's own error lies inside one or two others
            raise RuntimeError(f"{who}: FlexAttention has to be compiled, and no C++ compiler works.") from error
        raise
    return spoil(output.reshape(shape), lost), None


@cache
def _flex_attention() -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import flex_attention  # takes a while, so not before it is wanted

    return torch.compile(flex_attention)


def _block_mask(mask: Tensor, query: Tensor, key: Tensor) -> Any:
    """Which blocks of 128 x 128 hold anything, for each sample and head that has a mask of its own."""
    from torch.nn.attention.flex_attention import create_block_mask

    *batch, n_q, _ = query.shape
    n_k = key.shape[-2]
    leading = batch if query.ndim > 4 else mask.shape[:-2]
    mask = fold(mask.expand(*leading, n_q, n_k))
    samples, heads = (None if size == 1 else size for size in mask.shape[:2])

    def may_attend(b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return mask[b if samples else 0, h if heads else 0, i, j]

    return create_block_mask(may_attend, samples, heads, n_q, n_k, device=mask.device)
