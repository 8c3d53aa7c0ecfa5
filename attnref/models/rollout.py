"""Attention rollout: the attention of all layers as one table (Abnar and Zuidema 2020)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from attnref._checks import check_axes, check_floating, kind_of, shape_of
from attnref._numerics import at_least_float32, autocast_off


def attention_rollout(weights: Sequence[Float[Tensor, "*batch h n n"]]) -> Float[Tensor, "*batch n n"]:
    r"""Follow attention from the last layer down to the input, through residual connections.

    $$ A_l = \tfrac{1}{2} \operatorname{mean}_h(W_l^{(h)}) + \tfrac{1}{2} I \qquad
       R = \bar{A}_L \cdots \bar{A}_2\, \bar{A}_1 $$

    The heads are averaged, half of each output is taken to be the input that is added to it, and each row of $A_l$ is
    divided by its sum, which gives $\bar{A}_l$. Row i of the product says how much of output i is traced back to
    each position of the input. It knows neither the values nor the feed-forward networks, so a large number is no proof
    that a position matters.

    Args:
        weights: The attention weights of each layer, the first layer first; models return them when asked with
            `return_weights=True`.

    Returns:
        One row for each output, one column for each position of the input. Rows sum to one.

    Raises:
        TypeError: The weights are None, or not tensors of one floating dtype.
        ValueError: There are no layers, or the weights are not all of one shape (..., h, n, n).

    Examples:
        >>> import torch
        >>> from attnref.models import attention_rollout
        >>> ahead = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])  # one head: both positions attend to the second
        >>> attention_rollout([ahead])
        tensor([[0.5000, 0.5000],
                [0.0000, 1.0000]])
        >>> attention_rollout([ahead, ahead])
        tensor([[0.2500, 0.7500],
                [0.0000, 1.0000]])

    Source:
        Abnar and Zuidema 2020, *Quantifying Attention Flow in Transformers*,
        [arXiv:2005.00928](https://arxiv.org/abs/2005.00928), section 3, equation 1.
    """
    _check_weights(weights)

    rollout = None
    with autocast_off(weights[0]):
        for of_layer in weights:
            mixed = at_least_float32(of_layer).mean(dim=-3)  # (..., n, n)
            mixed = 0.5 * mixed + 0.5 * torch.eye(mixed.shape[-1], dtype=mixed.dtype, device=mixed.device)
            mixed = mixed / mixed.sum(dim=-1, keepdim=True)
            rollout = mixed if rollout is None else mixed @ rollout
    assert rollout is not None
    return rollout.to(weights[0].dtype)


def _check_weights(weights: object) -> None:
    """One tensor (..., h, n, n) for each layer, all alike."""
    who, form = "attention_rollout", "(..., h, n, n)"
    if not isinstance(weights, list | tuple):
        hint = "; ask the model for them: return_weights=True" if weights is None else ""
        raise TypeError(f"{who}: weights must be a list of {form}, one for each layer, got {kind_of(weights)}{hint}.")
    if not weights:
        raise ValueError(f"{who}: weights must hold at least one layer, got none.")
    named = {f"weights[{number}]": of_layer for number, of_layer in enumerate(weights)}
    for name, of_layer in named.items():
        check_axes(who, name, of_layer, form, at_least=3)
        if of_layer.shape[-1] != of_layer.shape[-2] or of_layer.shape[-3] == 0:
            raise ValueError(f"{who}: {name} must be {form}, got shape {shape_of(of_layer)}.")
        if of_layer.shape != weights[0].shape:
            given = f"weights[0] {shape_of(weights[0])}, {name} {shape_of(of_layer)}"
            raise ValueError(f"{who}: weights must be of one shape in all layers, got {given}.")
    check_floating(who, **named)
