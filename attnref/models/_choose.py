"""One position for each word, in place of the weighted mean of all: given, drawn, or the one of the largest weight."""

import torch
from torch import Tensor

from attnref._checks import check_range, check_tensor, shape_of
from attnref._numerics import at_least_float32
from attnref.models._caption_decoder import Choose
from attnref.sequence._checks import check_generator


def chooser(who: str, like: Tensor, chosen: Tensor | None, generator: torch.Generator | None) -> Choose:
    """What chooses the positions of one word after another; `like` is a tensor (batch, n_q) of the same device."""
    if generator is not None:
        check_generator(who, generator, like)
    if chosen is not None:
        check_chosen(who, chosen, like)
        if generator is not None:
            raise ValueError(f"{who}: chosen and generator must not both be given: positions are given, or drawn.")
    given = None if chosen is None else iter(chosen.unbind(1))

    def choose(weights: Tensor | None) -> Tensor:
        if weights is None or weights.ndim != 2:
            got = "None" if weights is None else f"weights of several heads, {shape_of(weights)}"
            raise ValueError(f"{who}: attend must return the weights of one head, (batch, 1, n_k), got {got}.")
        if given is not None:
            check_range(who, "chosen", position := next(given), weights.shape[-1] - 1, "0 and height * width - 1")
            return position
        if generator is None:
            return weights.argmax(-1)
        return torch.multinomial(at_least_float32(weights.detach()), 1, generator=generator)[:, 0]

    return choose


def check_chosen(who: str, chosen: Tensor, like: Tensor) -> None:
    """One position for each word, as whole numbers."""
    check_tensor(who, chosen=chosen)
    if chosen.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"{who}: chosen must hold positions as int32 or int64, got {chosen.dtype}.")
    if chosen.shape != like.shape[:2]:
        raise ValueError(f"{who}: chosen must be (batch, n_q) = {tuple(like.shape[:2])}, got shape {shape_of(chosen)}.")
    if chosen.device != like.device:
        given = f"chosen on {chosen.device}, captions on {like.device}"
        raise ValueError(f"{who}: chosen must be on the device of the captions, got {given}.")
