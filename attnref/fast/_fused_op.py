"""The CPU's fused kernel under a mask as an operator, for `torch.compile`.

While torch compiles there are no values to read: a causal mask looks like any other, and NaN has to be expected
everywhere. An operator is opaque, so it reads them when the program runs.
"""

from typing import Any

import torch
from torch import Tensor

from attnref._numerics import matmul_dtype
from attnref.attention._non_finite import set_aside, set_aside_causal, spoil
from attnref.fast._derivatives import in_torch_func
from attnref.fast._fused import is_causal, prepare, scale_of, spread, unfold

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_flash_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def takes_operator(query: Tensor) -> bool:
    """Whether torch compiles for a CPU; but an exported program is torch's alone, and so are those of `torch.func`."""
    if query.device.type != "cpu" or not torch.compiler.is_compiling():
        return False
    return not (torch.compiler.is_exporting() or in_torch_func())


def fused_op(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """The output of the kernel under the mask, with NaN for what a NaN or an infinity reaches."""
    inputs = [tensor.to(matmul_dtype(value)) for tensor in (query, key, value)]
    if not any(mask.stride(axis) == 0 for axis in range(mask.ndim - 2)):  # else the one matrix would be copied for all
        mask = mask.to(torch.uint8)  # Inductor writes a mask anew for each layer, and bytes faster than bools
    output, _ = _forward(*prepare(*inputs), spread(query, key, mask), scale_of(key))
    return unfold(output, query, value)


@torch.library.custom_op("attnref::fused", mutates_args=())
def _forward(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """The output, and the logarithm of the sum of each row."""
    empty = _empty_results(query, key, value, mask, scale)
    if _is_nothing(query, key):
        return empty[0].zero_(), empty[1].zero_()
    inputs, lost, options = _read(query, key, value, mask)
    output, logsumexp = _flash(*inputs, 0.0, **options, scale=scale)
    return _laid_out(spoil(output, lost), empty[0]), _laid_out(logsumexp, empty[1])


@_forward.register_fake
def _empty_results(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Memory as the kernel lays it out."""
    batch, h, n_q, _ = query.shape
    dtype = torch.promote_types(query.dtype, torch.float32)
    return torch.empty_like(query), query.new_empty(batch, n_q, h, dtype=dtype).transpose(1, 2)


@torch.library.custom_op("attnref::fused_backward", mutates_args=())
def _backward(
    grad_output: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor,
    output: Tensor,
    logsumexp: Tensor,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of query, key and value; what is not finite has none, for all that it reaches is lost."""
    empty = _empty_gradients(grad_output, query, key, value)
    if _is_nothing(query, key):
        return empty[0].zero_(), empty[1].zero_(), empty[2].zero_()
    inputs, lost, options = _read(query, key, value, mask)
    if lost is not None:
        grad_output, output = grad_output.masked_fill(lost, 0.0), output.masked_fill(lost, 0.0)
    found = _flash_backward(_dense(grad_output), *inputs, _dense(output), logsumexp, 0.0, **options, scale=scale)
    grad_query, grad_key, grad_value = map(_laid_out, found, empty)
    return grad_query, grad_key, grad_value


@_backward.register_fake
def _empty_gradients(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """Memory as the kernel lays it out: heads after positions."""

    def empty(tensor: Tensor) -> Tensor:
        batch, h, n, d = tensor.shape
        return tensor.new_empty(batch, n, h, d).transpose(1, 2)

    return empty(query), empty(key), empty(value)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.scale = inputs
    ctx.save_for_backward(*tensors, *output)
    ctx.mark_non_differentiable(output[1])


def _gradients(ctx: Any, grad_output: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    return *_backward(grad_output, *ctx.saved_tensors, ctx.scale), None, None


_forward.register_autograd(_gradients, setup_context=_save)


def _read(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor
) -> tuple[list[Tensor], Tensor | None, dict[str, Any]]:
    """Query, key and value as the kernel takes them, the queries that are lost, and the mask as the kernel is told."""
    mask = mask.view(torch.bool)  # a bool, or the bytes of one
    if is_causal(mask, query.shape[-2], key.shape[-2]):
        *inputs, lost = set_aside_causal(query, key, value, None)
        return [_dense(tensor) for tensor in inputs], lost, {"is_causal": True}
    *inputs, lost = set_aside(query, key, value, mask)
    added = torch.zeros(mask.shape, dtype=query.dtype).masked_fill_(~mask, -torch.inf)
    return [_dense(tensor) for tensor in inputs], lost, {"is_causal": False, "attn_mask": added}


def _is_nothing(query: Tensor, key: Tensor) -> bool:
    """Whether a size is zero, which the kernel does not take."""
    return 0 in (*query.shape, key.shape[-2])


def _dense(tensor: Tensor) -> Tensor:
    """The numbers of each position one after another: the kernel takes it for granted."""
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _laid_out(tensor: Tensor, empty: Tensor) -> Tensor:
    """The tensor with the strides that were promised."""
    return tensor if tensor.stride() == empty.stride() else empty.copy_(tensor)
