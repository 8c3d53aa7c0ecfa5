"""What the pictures are given: read as arrays, strings and lists, or refused in words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from attnref._checks import check_mask, kind_of

Weights = Tensor | np.ndarray | Sequence
Number = int | float | np.number | Tensor
Groups = Tensor | np.ndarray | Sequence[int | None]
AxesLike = Axes | np.ndarray | Iterable | Mapping  # as plt.subplots and plt.subplot_mosaic return them
SMALLEST, LARGEST = 1e-200, 1e200  # beyond, matplotlib's scales overflow


def read_weights(who: str, weights: Weights, form: str, axes: int, *, signed: bool = False) -> np.ndarray:
    """The weights in float64, refused where no picture could be true to them.

    Six significant digits are kept: the last bits differ from one device to another, and the pictures should not.
    """
    attended = isinstance(weights, tuple) and len(weights) == 2 and _is_attended(weights, axes)
    if attended and weights[1] is not None:
        raise TypeError(f"{who}: weights must be {form}, got (output, weights); pass the second alone.")
    if attended or weights is None:
        given = "(output, None)" if attended else "None"
        raise TypeError(
            f"{who}: weights must be {form}, got {given}: this attention does not form its weights; "
            "take them from the reference function, which returns (output, weights)."
        )
    array = _array(who, "weights", weights)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{who}: weights must be real numbers, got {array.dtype}.")
    if array.ndim != axes:
        extra = ", ".join(["0"] * (array.ndim - axes))
        hint = f"; pick one: weights[{extra}]" if extra else ""
        raise ValueError(f"{who}: weights must be {form}, got shape {array.shape}{hint}.")
    if 0 in array.shape:
        raise ValueError(f"{who}: weights must not be empty, got shape {array.shape}.")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{who}: weights must be finite, got nan or inf.")
    if not signed and array.min() < 0:
        raise ValueError(f"{who}: weights must not be negative, got {array.min():.4g}.")
    largest = np.abs(array).max()
    if largest and not SMALLEST <= largest <= LARGEST:
        raise ValueError(f"{who}: the largest weight must lie between {SMALLEST:g} and {LARGEST:g}, got {largest:.4g}.")
    return significant(array, 6)


def significant(array: np.ndarray, digits: int) -> np.ndarray:
    """Rounded to significant digits, each number to its own; what is too small to be drawn is zero."""
    size = np.abs(array)
    drawn = size >= SMALLEST
    exponent = np.floor(np.log10(size, where=drawn, out=np.zeros_like(size)))
    scale = 10.0 ** (digits - 1 - exponent)
    return np.where(drawn, np.rint(array * scale) / scale, 0.0)


def read_mask(who: str, mask: Weights | None, shape: tuple[int, ...]) -> np.ndarray:
    """The mask, True = may attend, of the shape of the weights."""
    if mask is None:
        return np.ones(shape, dtype=bool)
    array = _array(who, "mask", mask)
    if array.dtype != bool:
        kind = mask.dtype if isinstance(mask, Tensor) else array.dtype
        hint = "; if 1 is True there, write mask == 1" if array.dtype.kind in "iu" else ""
        raise TypeError(f"{who}: mask must be bool (True = may attend), got {kind}{hint}.")
    if array.ndim > len(shape):
        extra = ", ".join(["0"] * (array.ndim - len(shape)))
        raise ValueError(
            f"{who}: mask must broadcast to (n_q, n_k) = {shape}, got shape {array.shape}; pick one: mask[{extra}]."
        )
    check_mask(who, torch.from_numpy(np.array(array)), shape, "(n_q, n_k)")
    return np.broadcast_to(array, shape)


def read_tokens(who: str, name: str, tokens: Iterable[str], each: str = "", wanted: int | None = None) -> list[str]:
    """The tokens as a list, one for each query, key, ..., if it is known how many are wanted."""
    if isinstance(tokens, bytes) or not _has_an_order(tokens):
        raise TypeError(f"{who}: {name} must be a sequence of strings, got {kind_of(tokens)}.")
    tokens = list(tokens)
    for position, token in enumerate(tokens):
        if not isinstance(token, str):
            raise TypeError(f"{who}: {name} must be strings, got {kind_of(token)} at position {position}.")
    if wanted is not None and len(tokens) != wanted:
        raise ValueError(f"{who}: {name} must be one string for each {each}={wanted}, got {len(tokens)}.")
    return tokens


def read_groups(who: str, groups: Groups, n_q: int) -> list[int | None]:
    """A whole number from zero, or None, for each target token."""
    if isinstance(groups, str | bytes | Mapping) or not _has_an_order(groups):
        raise TypeError(f"{who}: groups must be a sequence of whole numbers or None, got {kind_of(groups)}.")
    numbers: list[Any] = [g.item() if isinstance(g, Tensor) and g.ndim == 0 else g for g in groups]
    for position, group in enumerate(numbers):
        if group is not None and (isinstance(group, bool | np.bool_) or not isinstance(group, int | np.integer)):
            raise TypeError(
                f"{who}: groups must be whole numbers or None, got {kind_of(group)} at position {position}."
            )
        if group is not None and group < 0:
            raise ValueError(f"{who}: groups must be numbered from 0, got {group} at position {position}.")
    if len(numbers) != n_q:
        raise ValueError(f"{who}: groups must be one for each target token, n_q={n_q}, got {len(numbers)}.")
    return [None if group is None else int(group) for group in numbers]


def read_axes(who: str, name: str, axes: AxesLike, wanted: int, rule: str) -> list[Axes]:
    """The Axes in order, out of whatever pyplot hands out: one, a row, a matrix, a list, a mosaic."""
    found = list(_flat(axes))
    for ax in found:
        if not isinstance(ax, Axes):
            raise TypeError(f"{who}: {name} must be matplotlib Axes, got {kind_of(ax)}.")
        if ax.figure is None:
            raise ValueError(f"{who}: {name} must lie in a figure, got Axes that were removed from theirs.")
        if ax.name != "rectilinear":
            raise TypeError(f"{who}: {name} must be rectilinear Axes, got {ax.name} ones.")
    if len(found) != wanted:
        raise ValueError(f"{who}: {name} must be {rule}, got {len(found)}.")
    if len(set(found)) < wanted:
        raise ValueError(f"{who}: {name} must be {rule}, got one of them twice.")
    if any(ax.figure is not found[0].figure for ax in found):
        raise ValueError(f"{who}: {name} must lie in one figure, got Axes of several.")
    return found


def read_number(who: str, name: str, number: Number, *, above_zero: bool) -> float:
    """A weight as a plain number, be it of NumPy or torch, to as many digits as the weights."""
    try:
        value = float(number) if not isinstance(number, str | bytes | bool | np.bool_) else None
    except (TypeError, ValueError, RuntimeError, OverflowError):
        value = None
    if value is None:
        raise TypeError(f"{who}: {name} must be a number, got {kind_of(number)}.")
    if not np.isfinite(value) or value < 0 or (above_zero and value == 0):
        raise ValueError(f"{who}: {name} must be {'above 0' if above_zero else '0 or more'}, got {value:g}.")
    return float(f"{value:.6g}")


def _has_an_order(given: Any) -> bool:
    """Whether one thing comes after the other: not in a set, nor where there is a single number."""
    if isinstance(given, set | frozenset) or not isinstance(given, Iterable):
        return False
    return not (isinstance(given, Tensor | np.ndarray) and given.ndim == 0)


def _array(who: str, name: str, given: Any) -> np.ndarray:
    if isinstance(given, np.ma.MaskedArray):
        raise TypeError(f"{who}: {name} must be an array without a mask of its own, got {kind_of(given)}.")
    if isinstance(given, Tensor) and given.is_meta:
        raise ValueError(f"{who}: {name} must hold values, got a tensor on the meta device.")
    try:
        array = _plain(given)
        return array.astype(np.float64) if array.dtype.kind == "O" else array
    except (TypeError, ValueError, RuntimeError, OverflowError):
        if isinstance(given, Tensor):
            raise ValueError(f"{who}: {name} must hold values, got a tensor that torch traces or transforms.") from None
        raise TypeError(f"{who}: {name} must be rows of numbers, all of one length, got {kind_of(given)}.") from None


def _plain(given: Any) -> np.ndarray:
    """As an array, tensors of every dtype and device included, alone or in lists."""
    if isinstance(given, Tensor):
        tensor = given.detach().cpu()
        tensor = tensor if tensor.layout == torch.strided else tensor.to_dense()
        return (tensor.double() if tensor.is_floating_point() else tensor).numpy()
    if isinstance(given, list | tuple):
        return np.array([_plain(part) if isinstance(part, Tensor | list | tuple) else part for part in given])
    return np.array(given)


def _is_attended(pair: tuple, axes: int) -> bool:
    """What an attention returns, (output, weights), by mistake given whole."""
    output, weights = pair
    return isinstance(output, Tensor) and output.ndim >= 2 and (
        weights is None or (isinstance(weights, Tensor) and weights.ndim >= axes)
    )  # fmt: skip


def _flat(axes: Any) -> Iterable[Any]:
    if isinstance(axes, Mapping):
        axes = axes.values()
    if isinstance(axes, str | bytes) or not isinstance(axes, Iterable):
        return [axes]
    return [ax for part in axes for ax in _flat(part)]
