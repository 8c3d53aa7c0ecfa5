"""Scaled dot-product attention by torch's fused kernel, which never forms the weights."""

import math

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from attnref._checks import check_attention_inputs, check_same_size


def scaled_dot_product_attention(
    query: Float[Tensor, "*batch n_q d_k"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
) -> tuple[Float[Tensor, "*batch n_q d_v"], None]:
    """Give the same output as the reference, and None for the weights.

    On a processor the fused kernel takes four axes and keys and values of one width; anything else falls back to a
    slow path. So other axes are folded, and the narrower of the two is padded with zeros, which change no score.

    Args:
        query: What is looked for.
        key: What each place is found by.
        value: What each place has to give. Its width may differ from the key's.
        mask: True = may attend. All may when it is left out.

    Returns:
        output: One vector for each query, as wide as a value; zero where a query may attend to nothing.
        weights: None, they are never formed.

    Raises:
        TypeError: The inputs are not of one floating dtype, or the mask is not bool.
        ValueError: The inputs do not agree in their leading axes, in d_k or in n_k, or the mask does not broadcast to
            (..., n_q, n_k).
    """
    who = "scaled_dot_product_attention"
    check_attention_inputs(who, query, key, value, mask)
    check_same_size(who, "d_k", query=(query, -1), key=(key, -1))

    d_k, d_v = key.shape[-1], value.shape[-1]
    shape = (*query.shape[:-1], key.shape[-2])
    output = F.scaled_dot_product_attention(
        *(_widen(_fold(tensor), max(d_k, d_v)) for tensor in (query, key, value)),
        attn_mask=None if mask is None else _fold(mask.expand(shape)),
        scale=1 / math.sqrt(d_k),
    )
    return output[..., :d_v].reshape(*query.shape[:-1], d_v), None


def _fold(tensor: Tensor) -> Tensor:
    """Four axes, whatever came before the last three."""
    while tensor.ndim < 4:
        tensor = tensor[None]
    return tensor.flatten(0, -4)


def _widen(tensor: Tensor, width: int) -> Tensor:
    missing = width - tensor.shape[-1]
    return F.pad(tensor, (0, missing)) if missing else tensor
