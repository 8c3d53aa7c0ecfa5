"""The checks that mechanisms of this chapter and their fast versions share."""

from torch import Tensor

from attnref._checks import check_axes, check_floating, check_mask, check_same_size, shape_of


def check_attention_inputs(who: str, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
    """Query, key, value and mask belong together; d_q and d_k are the mechanism's own affair."""
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        check_axes(who, name, tensor, "(..., n, d)", at_least=2)
    check_floating(who, query=query, key=key, value=value)
    if not query.shape[:-2] == key.shape[:-2] == value.shape[:-2]:
        raise ValueError(
            f"{who}: query, key and value must agree in their leading axes, "
            f"got query {shape_of(query)}, key {shape_of(key)}, value {shape_of(value)}."
        )
    check_same_size(who, "n_k", key=(key, -2), value=(value, -2))
    check_mask(who, mask, (*query.shape[:-1], key.shape[-2]), query=query)


def check_dot_product_inputs(who: str, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
    """As `check_attention_inputs`, and queries and keys have the one size that a dot product needs."""
    check_attention_inputs(who, query, key, value, mask)
    check_same_size(who, "d_k", query=(query, -1), key=(key, -1))


def check_shared_mask(who: str, mask: Tensor | None) -> None:
    """All queries share the mask: the keys are summed up once, for every query."""
    if mask is not None and mask.shape[-2] != 1:
        raise ValueError(f"{who}: mask must be the same for all queries, (..., 1, n_k), got shape {shape_of(mask)}.")


def check_additive_weights(who: str, query: Tensor, key: Tensor, w_q: Tensor, w_k: Tensor, v_a: Tensor) -> None:
    """The three weights of additive attention fit the query, the key and each other."""
    check_axes(who, "w_q", w_q, "(d_a, d_q)", exactly=2)
    check_axes(who, "w_k", w_k, "(d_a, d_k)", exactly=2)
    check_axes(who, "v_a", v_a, "(d_a,)", exactly=1)
    check_floating(who, query=query, w_q=w_q, w_k=w_k, v_a=v_a)
    check_same_size(who, "d_q", query=(query, -1), w_q=(w_q, 1))
    check_same_size(who, "d_k", key=(key, -1), w_k=(w_k, 1))
    check_same_size(who, "d_a", w_q=(w_q, 0), w_k=(w_k, 0), v_a=(v_a, 0))
