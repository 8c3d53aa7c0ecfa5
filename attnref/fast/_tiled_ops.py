"""How torch sees the two passes of `attnref.fast.tiled`: as operators, with every derivative in reverse mode.

An operator is opaque, so its loops may read values and it compiles and exports whole, for any length. The first
gradient is the backward pass of the operator. A second one is that of the reference, and forward mode is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from attnref._numerics import float32_or_wider

FORWARD_MODE = (
    "tiled_attention: attnref.fast.tiled has no forward-mode derivative, which jvp, jacfwd and hessian need; "
    "use attnref.tiled_attention, or jacrev."
)


@dataclass(frozen=True)
class TiledOps:
    """The two passes as operators, and the reference, (query, key, value, mask, block) to the output."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    reference: Callable[..., Tensor]

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, block: int) -> Tensor:
        """The output. While torch compiles, the operator itself: dynamo does not take a refusal of forward mode."""
        if torch.compiler.is_compiling():
            return self.forward(query, key, value, mask, block)[0]
        return _Forward.apply(self, query, key, value, mask, block)[0]  # pyright: ignore[reportOptionalSubscript]


def tiled_ops(forward: Callable[..., Any], backward: Callable[..., Any], reference: Callable[..., Tensor]) -> TiledOps:
    """Register both passes with torch: what they return, how vmap and autograd go through them."""
    forward_op = torch.library.custom_op("attnref::tiled", forward, mutates_args=())
    backward_op = torch.library.custom_op("attnref::tiled_backward", backward, mutates_args=())
    forward_op.register_fake(empty_results)
    backward_op.register_fake(_empty_gradients)
    forward_op.register_vmap(lambda info, in_dims, *inputs: (forward_op(*_batched(info, in_dims, inputs)), (0, 0, 0)))
    backward_op.register_vmap(lambda info, in_dims, *inputs: (backward_op(*_batched(info, in_dims, inputs)), (0, 0, 0)))

    def gradients(ctx: Any, grad_output: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        return *backward_op(grad_output, *ctx.saved_tensors, ctx.block), None, None

    forward_op.register_autograd(gradients, setup_context=_save)
    return TiledOps(forward_op, backward_op, reference)


def empty_results(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, block: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Memory for the output, and for row_max and row_sum in float32 at least."""
    sum_dtype = float32_or_wider(value.dtype)
    output = value.new_empty(*query.shape[:-1], value.shape[-1])
    row_max = value.new_empty(*query.shape[:-1], 1, dtype=sum_dtype)
    return output, row_max, torch.empty_like(row_max)


def _empty_gradients(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any
) -> tuple[Tensor, Tensor, Tensor]:
    return query.new_empty(query.shape), key.new_empty(key.shape), value.new_empty(value.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    *tensors, ctx.block = inputs
    ctx.save_for_backward(*tensors, *output)
    ctx.mark_non_differentiable(*output[1:])


class _Forward(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(ops: TiledOps, *inputs: Any) -> Any:
        return ops.forward(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
        ctx.ops = inputs[0]
        _save(ctx, inputs[1:], output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return None, *_Backward.apply(ctx.ops, grads[0], *ctx.saved_tensors, ctx.block), None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        raise NotImplementedError(FORWARD_MODE)


class _Backward(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(ops: TiledOps, *inputs: Any) -> Any:
        return ops.backward(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.ops, *tensors, ctx.block = inputs
        ctx.save_for_backward(*tensors[:5])  # grad_output, query, key, value, mask

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        *tensors, mask = ctx.saved_tensors

        def gradients(grad_output: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
            return torch.func.vjp(lambda *qkv: ctx.ops.reference(*qkv, mask, ctx.block), *inputs)[1](grad_output)

        return None, *torch.func.vjp(gradients, *tensors)[1](grads), *[None] * 5

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        raise NotImplementedError(FORWARD_MODE)


def _batched(info: Any, in_dims: tuple[int | None, ...], inputs: tuple[Any, ...]) -> list[Any]:
    """The axis of a vmap becomes another leading axis: first, and of every tensor. A mask may be left to broadcast."""
    moved = []
    for x, axis in zip(inputs, in_dims, strict=True):
        if isinstance(x, Tensor) and axis is not None:
            x = x.movedim(axis, 0)
        elif isinstance(x, Tensor) and x.dtype != torch.bool:
            x = x.expand(info.batch_size, *x.shape)
        moved.append(x)
    ndim = max(x.ndim for x in moved if isinstance(x, Tensor))
    return [
        x[:, *[None] * (ndim - x.ndim)] if isinstance(x, Tensor) and x.dtype == torch.bool and axis is not None else x
        for x, axis in zip(moved, in_dims, strict=True)
    ]
