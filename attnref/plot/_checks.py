"""What the pictures are given, as arrays, or refused."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from attnref._checks import check_axes, check_mask

Weights = Tensor | np.ndarray | Sequence


def read_weights(who: str, weights: Weights, form: str, axes: int) -> np.ndarray:
    """The weights as an array, refused where no picture could be true to them, in steps of a thousandth.

    The last bits differ from one device to another; the picture should not.
    """
    tensor = weights if isinstance(weights, Tensor) else torch.from_numpy(np.array(weights, dtype=np.float64))
    check_axes(who, "weights", tensor, form, exactly=axes)
    if 0 in tensor.shape:
        raise ValueError(f"{who}: weights must hold at least one query and one key, got shape {tuple(tensor.shape)}.")
    array = tensor.detach().cpu().double().numpy()
    if not np.isfinite(array).all():
        raise ValueError(f"{who}: weights must be finite, got nan or inf.")
    if array.min() < 0:
        raise ValueError(f"{who}: weights must not be negative, got {array.min():.4g}.")
    return array.round(3)


def check_labels(who: str, cells: np.ndarray, **labels: tuple[Sequence[str] | None, int]) -> None:
    for (name, (given, axis)), letter in zip(labels.items(), ("n_q", "n_k"), strict=True):
        if given is not None and len(given) != cells.shape[axis]:
            raise ValueError(
                f"{who}: {name} must be one label for each, {letter}={cells.shape[axis]}, got {len(given)}."
            )


def read_mask(who: str, mask: Weights | None, cells: np.ndarray) -> np.ndarray:
    if mask is None:
        return np.ones(cells.shape, dtype=bool)
    may = mask if isinstance(mask, Tensor) else torch.from_numpy(np.array(mask))
    check_mask(who, may, cells.shape, "(n_q, n_k)")
    return may.cpu().expand(cells.shape).numpy()
