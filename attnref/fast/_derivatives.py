"""Every derivative of a fused kernel: the first is the kernel's own, all others are those of the reference."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

Attention = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]  # to the output alone


def in_torch_func() -> bool:
    """Whether a transform of `torch.func` is at work: vmap, grad, jvp, jacrev, jacfwd, hessian."""
    return torch._C._are_functorch_transforms_active()


def with_all_derivatives(
    kernel: Attention, reference: Attention, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None
) -> Tensor:
    """The kernel's output; or the reference's, under `torch.func` and in forward mode, for which kernels have no rules.

    The first gradient is the kernel's too. Only if a second one is wanted (`create_graph=True`), the reference is
    computed, whose gradient can be differentiated again. Compiled, exported and traced programs are the kernel's alone.
    """
    inputs = query, key, value
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # pyright: ignore[reportPrivateImportUsage]
        return kernel(*inputs, mask)
    if in_torch_func() or any(forward_ad.unpack_dual(tensor).tangent is not None for tensor in inputs):
        return reference(*inputs, mask)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs):
        return _Kernel.apply(kernel, reference, mask, *inputs)  # pyright: ignore[reportReturnType]
    return kernel(*inputs, mask)


class _Kernel(torch.autograd.Function):
    """The graph of the kernel is kept inside, so that its own backward pass is used, and the inputs for all others."""

    @staticmethod
    def forward(ctx: Any, kernel: Attention, reference: Attention, mask: Tensor | None, *inputs: Tensor) -> Tensor:
        ctx.reference, ctx.wanted = reference, ctx.needs_input_grad[3:]
        ctx.save_for_backward(mask, *inputs)
        with torch.enable_grad():
            leaves = [tensor.detach().requires_grad_(tensor.requires_grad) for tensor in inputs]
            ctx.inner = leaves, kernel(*leaves, mask)  # pyright: ignore[reportCallIssue]
        return ctx.inner[1].detach()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        mask, *inputs = ctx.saved_tensors
        leaves, output = ctx.inner
        again = torch.is_grad_enabled()  # the gradient may be differentiated
        if again:
            leaves = [tensor.view_as(tensor) for tensor in inputs]  # key and value may be one tensor
            output = ctx.reference(*leaves, mask).to(output.dtype)
        wanted = [leaf for leaf, needed in zip(leaves, ctx.wanted, strict=True) if needed]
        found = iter(torch.autograd.grad(output, wanted, grad_output, create_graph=again, retain_graph=True))
        return None, None, None, *(next(found) if needed else None for needed in ctx.wanted)
