"""Sums that keep their digits: float32 at least, autocast off, and a quotient that is zero where nothing is divided."""

import torch
from torch import Tensor


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor in float32, or in its own dtype if that is wider."""
    return tensor.to(float32_or_wider(tensor.dtype))


def float32_or_wider(dtype: torch.dtype) -> torch.dtype:
    """float32, or the dtype itself if that is wider."""
    return torch.promote_types(dtype, torch.float32)


def within_float16(scores: Tensor) -> Tensor:
    """Scores of float16 that overflowed, back at its largest number; those of another dtype as they are."""
    largest = torch.finfo(torch.float16).max
    return scores.clamp(-largest, largest) if scores.dtype == torch.float16 else scores


def divide_or_zero(numerator: Tensor, denominator: Tensor) -> Tensor:
    """The quotient; zero, with gradients of zero, where the denominator is zero."""
    nothing = denominator == 0
    return (numerator / denominator.masked_fill(nothing, 1)).masked_fill(nothing, 0)


def matmul_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype of a matrix product of the tensor: its own, or that of autocast, which leaves float64 alone."""
    kind = tensor.device.type
    autocast = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.get_autocast_dtype(kind) if autocast and tensor.dtype != torch.float64 else tensor.dtype


def autocast_off(tensor: Tensor) -> torch.autocast:
    """A context without autocast, on the device of the tensor."""
    device = tensor.device.type
    return torch.autocast(device if torch.amp.is_autocast_available(device) else "cpu", enabled=False)
