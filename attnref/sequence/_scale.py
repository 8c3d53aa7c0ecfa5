"""Scale and mean of a series in float64, so that neither a large unit nor an offset costs digits."""

import math

from torch import Tensor


def float64_on_cpu(x: Tensor) -> Tensor:
    """The same numbers, without gradient, in float64, on the CPU: not every device has it (MPS has not)."""
    return x.detach().cpu().double()


def power_of_two(x: Tensor) -> float:
    """The power of two at or just below the largest magnitude in x: dividing by it rounds nothing."""
    return 2.0 ** (math.frexp(x.abs().max().item())[1] - 1)


def mean_and_scale(who: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of all values of x, which must be above zero in its dtype."""
    values = float64_on_cpu(x)
    unit, first = power_of_two(values), values[0, 0]
    centered = values / unit - first / unit  # exactly zero if all values are equal
    scale = (unit * centered.std()).to(x.dtype).double()
    if not scale > 0:
        raise ValueError(f"{who}: x must change, got a standard deviation of {scale.item()} in {x.dtype}.")
    if not scale < math.inf:
        raise ValueError(f"{who}: x must have a standard deviation that {x.dtype} can hold, got {scale.item()}.")
    return first + unit * centered.mean(), unit * centered.std()
