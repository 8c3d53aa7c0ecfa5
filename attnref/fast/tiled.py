"""Tiled attention with its own way back, which computes the blocks again instead of keeping them."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref._checks import check_at_least
from attnref._numerics import float32_or_wider
from attnref.attention._checks import check_dot_product_inputs

FAR = -80.0  # exp(-80) is lost in any sum that holds a 1; where exp gives 0 outright it is six times slower
SAMPLES = 8  # of the folded leading axes that are worked on together; their block of scores stays in the cache


def tiled_attention(
    query: Float[Tensor, "*batch n_q d_k"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
    *,
    block: int = 256,
) -> tuple[Float[Tensor, "*batch n_q d_v"], None]:
    """Give the same output as the reference, in memory that grows with n in training too, and skip hidden blocks.

    Blocks that the mask hides wholly are left out: under a causal mask nearly half of them. There is no second
    derivative, and `torch.func.grad` does not go through it; the reference has both.

    Args:
        query: What is looked for.
        key: What each place is found by.
        value: What each place has to give. Its width may differ from the key's.
        mask: True = may attend. All may when it is left out.
        block: How many queries meet how many keys at a time.

    Returns:
        output: One vector for each query, as wide as a value; zero where a query may attend to nothing.
        weights: None, they are never formed.

    Raises:
        TypeError: The inputs are not of one floating dtype, the mask is not bool, or the block is not a whole number.
        ValueError: The inputs do not agree in their leading axes, in d_k or in n_k, the mask does not broadcast to
            (..., n_q, n_k), or the block is less than one.
    """
    who = "tiled_attention"
    check_dot_product_inputs(who, query, key, value, mask)
    check_at_least(who, 1, block=block)

    dtype = (query[..., :0, :] @ key[..., :0, :].mT).dtype  # autocast may choose another, and not for the way back
    output, _ = _forward(query.to(dtype), key.to(dtype), value.to(dtype), mask, block)
    return output, None


@torch.library.custom_op("attnref::tiled", mutates_args=())
def _forward(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, block: int) -> tuple[Tensor, Tensor]:
    """Algorithm 1 of Dao 2023. Of each query one number is kept besides: its highest score plus the log of its sum."""
    tiles = _Tiles(query, key, mask, block)
    q, k, v = tiles.fold(query), tiles.fold(key), tiles.fold(value)
    output, log_total = map(tiles.fold, _empty(query, key, value, mask, block))
    wide, lowest = log_total.dtype, torch.finfo(log_total.dtype).min
    for some, rows in tiles.queries():
        query_block = q[some, rows] * tiles.scale
        mixed = torch.zeros_like(output[some, rows], dtype=wide)
        total = torch.zeros_like(log_total[some, rows])
        highest = torch.full_like(total, lowest)
        for keys, seen in tiles.keys(some, rows):
            fit = (query_block @ k[some, keys].mT).to(wide)
            if seen is not None:
                fit = torch.where(seen, fit, lowest)
            before, highest = highest, torch.maximum(highest, fit.amax(dim=-1, keepdim=True))
            fit.sub_(highest)
            if seen is None:
                fit.exp_()
            else:
                fit.clamp_(min=FAR).exp_().mul_(seen.to(wide))
            shrink = before.sub_(highest).exp_()
            total.mul_(shrink).add_(fit.sum(dim=-1, keepdim=True))
            _add_product(mixed.mul_(shrink), fit.to(v.dtype), v[some, keys])
        total.masked_fill_(total == 0, 1.0)
        output[some, rows] = mixed.div_(total).to(v.dtype)
        log_total[some, rows] = highest.add_(total.log_())
    return output.view(*query.shape[:-1], v.shape[-1]), log_total.view(*query.shape[:-1], 1)


@_forward.register_fake
def _empty(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, block: int) -> tuple[Tensor, Tensor]:
    wide = float32_or_wider(value.dtype)
    return value.new_empty(*query.shape[:-1], value.shape[-1]), value.new_empty(*query.shape[:-1], 1, dtype=wide)


@torch.library.custom_op("attnref::tiled_backward", mutates_args=())
def _backward(
    slope: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    output: Tensor,
    log_total: Tensor,
    block: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Algorithm 2, queries outside: the weights of a block are computed again from its scores and what was kept."""
    tiles, inputs = _Tiles(query, key, mask, block), (query, key, value)
    q, k, v, output, log_total, slope = map(tiles.fold, (*inputs, output, log_total, slope))
    wide = log_total.dtype
    for_query, for_key, for_value = found = [torch.zeros_like(part, dtype=wide) for part in (q, k, v)]
    for some, rows in tiles.queries():
        query_block, slope_block = q[some, rows] * tiles.scale, slope[some, rows]
        mean = (slope_block.to(wide) * output[some, rows]).sum(dim=-1, keepdim=True)
        for keys, seen in tiles.keys(some, rows):
            weights = (query_block @ k[some, keys].mT).to(wide).sub_(log_total[some, rows])
            if seen is None:
                weights.exp_()
            else:
                weights = torch.where(seen, weights, FAR).exp_().mul_(seen.to(wide))
            _add_product(for_value[some, keys], weights.to(v.dtype).mT, slope_block)
            for_scores = weights.mul_((slope_block @ v[some, keys].mT).to(wide).sub_(mean)).to(q.dtype)
            _add_product(for_query[some, rows], for_scores, k[some, keys])
            _add_product(for_key[some, keys], for_scores.mT, query_block)
    for_query.mul_(tiles.scale)
    q, k, v = (gradient.to(tensor.dtype).view(tensor.shape) for gradient, tensor in zip(found, inputs, strict=True))
    return q, k, v


@_backward.register_fake
def _empty_gradients(
    slope: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any
) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = (tensor.new_empty(tensor.shape) for tensor in (query, key, value))
    return q, k, v


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.block = inputs
    ctx.save_for_backward(*tensors, *output)
    ctx.mark_non_differentiable(output[1])


def _differentiate(ctx: Any, slope: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    return *_backward(slope, *ctx.saved_tensors, ctx.block), None, None


_forward.register_autograd(_differentiate, setup_context=_keep)


def _map_forward(
    info: Any, in_dims: tuple[int | None, ...], *inputs: Any
) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    return _forward(*_spread(info, in_dims, inputs)), (0, 0)


def _map_backward(
    info: Any, in_dims: tuple[int | None, ...], *inputs: Any
) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    return _backward(*_spread(info, in_dims, inputs)), (0, 0, 0)


_forward.register_vmap(_map_forward)
_backward.register_vmap(_map_backward)


def _spread(info: Any, in_dims: tuple[int | None, ...], inputs: tuple[Any, ...]) -> list[Any]:
    """The axis of a vmap is another leading axis: first, and of every tensor. A mask may be left to broadcast."""
    spread = []
    for x, axis in zip(inputs, in_dims, strict=True):
        if isinstance(x, Tensor) and axis is not None:
            x = x.movedim(axis, 0)
        elif isinstance(x, Tensor) and x.dtype != torch.bool:
            x = x.expand(info.batch_size, *x.shape)
        spread.append(x)
    most = max(x.ndim for x in spread if isinstance(x, Tensor))
    return [
        x[:, *[None] * (most - x.ndim)] if isinstance(x, Tensor) and x.dtype == torch.bool and axis is not None else x
        for x, axis in zip(spread, in_dims, strict=True)
    ]


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    if left.dtype == total.dtype:
        total.baddbmm_(left, right)
    else:  # in half precision: multiplied there, added up here
        total.add_(left @ right)


class _Tiles:
    """Goes through the table of scores block by block; the leading axes are folded into one."""

    def __init__(self, query: Tensor, key: Tensor, mask: Tensor | None, block: int) -> None:
        *self.batch, self.n_q, d_k = query.shape
        self.n_k, self.block, self.scale = key.shape[-2], block, 1 / math.sqrt(max(1, d_k))
        self.size = math.prod(self.batch)
        self.masks: list[Tensor] = []  # a view for each sample, so that what broadcasts is never copied
        if mask is not None:
            mask = mask.expand(*mask.shape[:-2], self.n_q, self.n_k)
            mask = mask[(None,) * (query.ndim - mask.ndim)]
            places = itertools.product(
                *(range(b) if m > 1 else [0] * b for b, m in zip(self.batch, mask.shape, strict=False))
            )
            found = {}
            self.masks = [found.setdefault(place, mask[place]) for place in places]

    def fold(self, tensor: Tensor) -> Tensor:
        return tensor.reshape(self.size, *tensor.shape[-2:])

    def queries(self) -> Iterator[tuple[slice, slice]]:
        for sample in range(0, self.size, SAMPLES):
            for row in range(0, self.n_q, self.block):
                yield slice(sample, sample + SAMPLES), slice(row, row + self.block)

    def keys(self, some: slice, rows: slice) -> Iterator[tuple[slice, Tensor | None]]:
        """The blocks of keys that any of the queries may see, and what is seen in each, None if all."""
        masks = self.masks[some]
        if masks and all(mask is masks[0] for mask in masks):
            masks = masks[:1]
        for start in range(0, self.n_k, self.block):
            keys = slice(start, start + self.block)
            parts = [mask[rows, keys] for mask in masks]
            ends = [part.view(torch.uint8).aminmax() for part in parts]
            if not parts or all(least for least, _ in ends):
                yield keys, None
            elif any(most for _, most in ends):
                yield keys, torch.stack(parts)
