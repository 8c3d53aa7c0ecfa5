"""Least squares for a series and the window before each of its values: centered, scaled, in float64."""

import torch
from torch import Tensor

from attnref.sequence._scale import float64_on_cpu, power_of_two
from attnref.sequence._window import past_and_next


def least_squares(x: Tensor, window: int) -> tuple[Tensor, Tensor, Tensor, int]:
    """Fit `following = bias + past @ weight` by least squares.

    The numbers of x are taken as exact, scaled by a power of two, which rounds nothing, and centered.

    Returns:
        weight: (window,), of the last value, of the one before it, ...
        bias: ().
        sigma: (), the root of the mean square error; zero where no more is left than the rounding of x's dtype.
        rank: Of the windows, their mean taken out. Below `window` other weights fit just as well.
    """
    eps = max(torch.finfo(x.dtype).eps / 2, 4 * torch.finfo(torch.float64).eps)  # of x, and of what is computed here
    x = float64_on_cpu(x)
    scale = power_of_two(x)
    x = x / scale
    offset = x[0, 0]  # and not the mean, which rounding may set apart from values that are all equal
    past, following = (part.flatten(0, 1) for part in past_and_next(x - offset, window))  # (values, window), (values,)
    past_mean, following_mean = past.mean(0), following.mean()

    result = torch.linalg.lstsq(past - past_mean, (following - following_mean)[:, None], driver="gelsd")
    weight = result.solution[:, 0]
    error = following - following_mean - (past - past_mean) @ weight
    bias = offset * (1 - weight.sum()) + following_mean - past_mean @ weight

    terms = torch.cat(((following + offset)[:, None], (past + offset) * weight), dim=1)  # what the error is made of
    rounding = eps * terms.square().sum(-1).mean().sqrt()
    sigma = error.square().mean().sqrt()
    sigma = sigma.masked_fill(sigma <= rounding, 0)
    return weight, scale * bias, scale * sigma, int(result.rank)
