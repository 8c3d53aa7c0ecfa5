"""The recurrent net that a caller hands in: what makes it, what it takes and returns, its weights drawn anew."""

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from attnref._checks import kind_of, shape_of
from attnref.sequence._checks import check_maker


def checked_net(who: str, recurrent: Callable[[int, int], nn.Module], d_x: int, d_h: int) -> nn.Module:
    """What `recurrent` makes: a Module that puts the batch first, which torch's own do not unless told to."""
    check_maker(who, recurrent)
    net = recurrent(d_x, d_h)
    if not isinstance(net, nn.Module):
        raise TypeError(f"{who}: recurrent must make an nn.Module, got {kind_of(net)}.")
    if getattr(net, "batch_first", True) is False:
        raise ValueError(
            f"{who}: recurrent must make a net whose batch comes first, got {kind_of(net)} without batch_first; "
            f"pass partial({type(net).__name__}, batch_first=True)."
        )
    taken = inspect.signature(net.forward)
    try:
        taken.bind(None, None)
    except TypeError:
        given = f"{type(net).__name__}({', '.join(taken.parameters)})"
        raise TypeError(f"{who}: recurrent must make a net that takes (x, state), got {given}.") from None
    return net


def draw_anew(*modules: nn.Module) -> None:
    """Draw the weights of each anew; of its parts, if it has no `reset_parameters` itself."""
    for module in modules:
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()
        else:
            draw_anew(*module.children())


def checked_read(who: str, read: object, shape: tuple[int, ...]) -> tuple[Tensor, Any]:
    """What the net returned: a pair, whose first part holds one hidden state for each input."""
    if not (isinstance(read, tuple) and len(read) == 2 and isinstance(read[0], Tensor)):
        raise TypeError(f"{who}: recurrent must make a net that returns (hidden, state), got {kind_of(read)}.")
    if read[0].shape != shape:
        given = f"hidden of shape {shape_of(read[0])}"
        raise ValueError(f"{who}: recurrent must make a net whose hidden is (batch, n, d_h) = {shape}, got {given}.")
    return read


def check_learns(who: str, model: nn.Module) -> None:
    """Not all weights are frozen."""
    if not any(weight.requires_grad for weight in model.parameters()):
        raise ValueError(f"{who}: some weight must take gradients, got requires_grad=False for all of them.")
