"""Tiled attention whose backward pass computes the blocks again instead of keeping them (Dao 2023, algorithms 1, 2)."""

import itertools
import math
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref._checks import check_at_least
from attnref._numerics import matmul_dtype, within_float16
from attnref.attention import tiled as reference
from attnref.attention._checks import check_dot_product_inputs
from attnref.attention._non_finite import set_aside
from attnref.fast._tiled_ops import empty_results, tiled_ops

UNDERFLOW = -80.0  # exp(-80) is lost in any sum that holds a 1; where exp gives 0 outright it is six times slower
SAMPLES = 8  # of the folded leading axes that are worked on together; their block of scores stays in the cache


def tiled_attention(
    query: Float[Tensor, "*batch n_q d_k"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
    *,
    block: int = 256,
) -> tuple[Float[Tensor, "*batch n_q d_v"], None]:
    """As `attnref.tiled_attention`, in memory that grows with n in training too, and without wholly masked blocks.

    The backward pass computes each block again from the inputs and two numbers for each query. Blocks that are wholly
    masked are skipped: under a causal mask nearly half of them. `torch.func.grad` and `vmap` work in blocks as well. A
    second derivative is that of the reference, which keeps its blocks; forward mode is refused.

    Args:
        query: The queries.
        key: The keys.
        value: The values; d_v may differ from d_k.
        mask: True = may attend. If omitted, every query may attend to every key.
        block: How many queries meet how many keys at a time.

    Returns:
        output: One vector for each query; zero where a row is fully masked.
        weights: None, they are never formed.

    Raises:
        TypeError: The inputs are not of one floating dtype, the mask is not bool, or the block is not an int.
        ValueError: The inputs do not agree in their leading axes, in d_k or in n_k, the mask does not broadcast to
            (..., n_q, n_k), or the block is less than one.
        NotImplementedError: A forward-mode derivative is wanted.
    """
    who = "tiled_attention"
    check_dot_product_inputs(who, query, key, value, mask)
    check_at_least(who, 1, block=block)

    dtype = matmul_dtype(value)  # autocast would not do it in the backward pass
    return _attend(query.to(dtype), key.to(dtype), value.to(dtype), mask, block), None


def _forward(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, block: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Algorithm 1. For each query the max of its scores and the sum of their exponentials are kept."""
    query, key, value, lost = set_aside(query, key, value, mask, block=block)
    tiles = _Tiles(query, key, mask, block)
    q, k, v = map(tiles.fold, (query, key, value))
    results = empty_results(query, key, value, mask, block)
    output, all_max, all_sum = map(tiles.fold, results)
    sum_dtype, smallest = all_max.dtype, torch.finfo(all_max.dtype).min
    for samples, rows in tiles.queries():
        q_block = q[samples, rows] * tiles.scale
        acc = torch.zeros_like(output[samples, rows], dtype=sum_dtype)
        row_sum = torch.zeros_like(all_sum[samples, rows])
        row_max = torch.full_like(row_sum, smallest)
        for columns, may in tiles.keys(samples, rows):
            scores = within_float16(q_block @ k[samples, columns].mT).to(sum_dtype)
            if may is not None:
                scores = torch.where(may, scores, smallest)
            previous, row_max = row_max, torch.maximum(row_max, scores.amax(dim=-1, keepdim=True))
            scores.sub_(row_max)
            if may is None:
                exp_scores = scores.exp_()
            else:
                exp_scores = scores.clamp_(min=UNDERFLOW).exp_().mul_(may.to(sum_dtype))
            rescale = previous.sub_(row_max).exp_()
            row_sum.mul_(rescale).add_(exp_scores.sum(dim=-1, keepdim=True))
            _add_product(acc.mul_(rescale), exp_scores.to(v.dtype), v[samples, columns])
        # The max itself adds 1, so a smaller sum is that of a row without keys: divided by infinity, it gives zeros.
        row_sum.masked_fill_(row_sum < 0.5, torch.inf)
        output[samples, rows] = acc.div_(row_sum).to(v.dtype)
        all_max[samples, rows], all_sum[samples, rows] = row_max, row_sum
    if lost is not None:
        results[0].masked_fill_(lost, torch.nan)
        results[2].masked_fill_(lost, torch.inf)
    return results


def _backward(
    grad_output: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    output: Tensor,
    row_max: Tensor,
    row_sum: Tensor,
    block: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Algorithm 2, with queries in the outer loop: a block of weights is computed again from its scores."""
    query, key, value, lost = set_aside(query, key, value, mask, block=block)
    if lost is not None:
        output, grad_output = output.masked_fill(lost, 0.0), grad_output.masked_fill(lost, 0.0)
    tiles, inputs, sum_dtype = _Tiles(query, key, mask, block), (query, key, value), row_max.dtype
    q, k, v, output, row_max, row_sum, grad_output = map(tiles.fold, (*inputs, output, row_max, row_sum, grad_output))
    grads = grad_query, grad_key, grad_value = [torch.zeros_like(part, dtype=sum_dtype) for part in (q, k, v)]
    for samples, rows in tiles.queries():
        q_block, grad_block = q[samples, rows] * tiles.scale, grad_output[samples, rows]
        delta = (grad_block.to(sum_dtype) * output[samples, rows]).sum(dim=-1, keepdim=True)
        inverse = 1 / row_sum[samples, rows]
        for columns, may in tiles.keys(samples, rows):
            raw = q_block @ k[samples, columns].mT
            scores = within_float16(raw).to(sum_dtype).sub_(row_max[samples, rows])
            if may is None:
                weights = scores.exp_().mul_(inverse)
            else:
                weights = scores.clamp_(UNDERFLOW, 0.0).exp_().mul_(may.to(sum_dtype)).mul_(inverse)
            _add_product(grad_value[samples, columns], weights.to(v.dtype).mT, grad_block)
            grad_weights = (grad_block @ v[samples, columns].mT).to(sum_dtype)
            grad_scores = weights.mul_(grad_weights.sub_(delta)).to(q.dtype)
            if raw.dtype == torch.float16:
                grad_scores.masked_fill_(raw.isinf(), 0.0)  # held at the end of float16
            _add_product(grad_query[samples, rows], grad_scores, k[samples, columns])
            _add_product(grad_key[samples, columns], grad_scores.mT, q_block)
    grad_query.mul_(tiles.scale)
    q, k, v = (grad.to(tensor.dtype).view(tensor.shape) for grad, tensor in zip(grads, inputs, strict=True))
    return q, k, v


def _reference(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, block: int) -> Tensor:
    return reference.tiled_attention(query, key, value, mask, block=block)[0]


_attend = tiled_ops(_forward, _backward, _reference)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    if left.dtype == total.dtype:
        total.baddbmm_(left, right)
    else:  # in half precision: multiplied there, added up here
        total.add_(left @ right)


class _Tiles:
    """Goes through the scores block by block; the leading axes are folded into one."""

    def __init__(self, query: Tensor, key: Tensor, mask: Tensor | None, block: int) -> None:
        *self.batch, self.n_q, d_k = query.shape
        self.n_k, self.block, self.scale = key.shape[-2], block, 1 / math.sqrt(max(1, d_k))
        self.size = math.prod(self.batch)
        self.masks: list[Tensor] = []  # a view for each sample, so that what broadcasts is never copied
        if mask is not None:
            mask = mask.expand(*mask.shape[:-2], self.n_q, self.n_k)
            mask = mask[(None,) * (query.ndim - mask.ndim)]
            indices = itertools.product(
                *(range(b) if m > 1 else [0] * b for b, m in zip(self.batch, mask.shape, strict=False))
            )
            found = {}
            self.masks = [found.setdefault(index, mask[index]) for index in indices]

    def fold(self, tensor: Tensor) -> Tensor:
        return tensor.reshape(self.size, *tensor.shape[-2:])

    def queries(self) -> Iterator[tuple[slice, slice]]:
        for sample in range(0, self.size, SAMPLES):
            for row in range(0, self.n_q, self.block):
                yield slice(sample, sample + SAMPLES), slice(row, row + self.block)

    def keys(self, samples: slice, rows: slice) -> Iterator[tuple[slice, Tensor | None]]:
        """The blocks of keys that any of the queries may attend to, and which may, None if all."""
        masks = self.masks[samples]
        if masks and all(mask is masks[0] for mask in masks):
            masks = masks[:1]
        for start in range(0, self.n_k, self.block):
            columns = slice(start, start + self.block)
            parts = [mask[rows, columns] for mask in masks]
            ends = [part.view(torch.uint8).aminmax() for part in parts]
            if not parts or all(smallest for smallest, _ in ends):
                yield columns, None
            elif any(largest for _, largest in ends):
                yield columns, torch.stack(parts)
