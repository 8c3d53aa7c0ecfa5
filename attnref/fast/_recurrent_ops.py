"""torch's recurrent kernels as one operator, for programs that are compiled, exported or traced."""

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from attnref.fast._recurrent_kernels import pack, run


@torch.library.custom_op("attnref::recurrent", mutates_args=())
def run_as_operator(
    kernel: str, x: Tensor, states: list[Tensor], weights: list[Tensor], token_mask: Tensor | None, both: bool
) -> list[Tensor]:
    """Hidden states and the parts of the last state; `both` directions, or one."""
    return [output.contiguous() for output in run(kernel, x, states, weights, pack(token_mask), both)]


@run_as_operator.register_fake
def _empty(
    kernel: str, x: Tensor, states: list[Tensor], weights: list[Tensor], token_mask: Tensor | None, both: bool
) -> list[Tensor]:
    hidden = x.new_empty(*x.shape[:2], states[0].shape[-1] * (1 + both))
    return [hidden, *(state.new_empty(state.shape) for state in states)]


@torch.library.custom_op("attnref::recurrent_backward", mutates_args=())
def _backward(
    grad_outputs: list[Tensor],
    kernel: str,
    x: Tensor,
    states: list[Tensor],
    weights: list[Tensor],
    token_mask: Tensor | None,
    both: bool,
) -> list[Tensor]:
    """The kernel runs once more, with gradients."""
    with torch.enable_grad(), _autograd():
        leaves = [tensor.detach().requires_grad_() for tensor in (x, *states, *weights)]
        parts, of_kernel = leaves[1 : 1 + len(states)], leaves[1 + len(states) :]
        outputs = run(kernel, leaves[0], parts, of_kernel, pack(token_mask), both)
        return [gradient.contiguous() for gradient in torch.autograd.grad(outputs, leaves, grad_outputs)]


def _autograd() -> AbstractContextManager[None]:
    """Inside an operator, where torch leaves autograd out, autograd as everywhere else."""
    excluded = torch._C._dispatch_tls_local_exclude_set()
    for name in ("AutogradFunctionality", "AutogradOther", "AutogradNestedTensor", "ADInplaceOrView"):
        excluded = excluded.remove(getattr(torch._C.DispatchKey, name))
    return torch._C._ForceDispatchKeyGuard(torch._C._dispatch_tls_local_include_set(), excluded)


@_backward.register_fake
def _empty_gradients(
    grad_outputs: list[Tensor], kernel: str, x: Tensor, states: list[Tensor], weights: list[Tensor], *_: Any
) -> list[Tensor]:
    return [tensor.new_empty(tensor.shape) for tensor in (x, *states, *weights)]


def _save(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    ctx.kernel, x, states, weights, token_mask, ctx.both = inputs
    ctx.parts = len(states)
    ctx.save_for_backward(x, token_mask, *states, *weights)


def _differentiate(ctx: Any, grad_outputs: list[Tensor]) -> tuple[Any, ...]:
    x, token_mask, *rest = ctx.saved_tensors
    states, weights = rest[: ctx.parts], rest[ctx.parts :]
    grad_x, *gradients = _backward(grad_outputs, ctx.kernel, x, states, weights, token_mask, ctx.both)
    return None, grad_x, gradients[: ctx.parts], gradients[ctx.parts :], None, None


def _refuse(ctx: Any, *_: Any) -> None:
    raise RuntimeError("attnref::recurrent: a program that is compiled, exported or traced has no second derivative.")


run_as_operator.register_autograd(_differentiate, setup_context=_save)
_backward.register_autograd(_refuse)
