"""Linear attention (Katharopoulos, Vyas, Pappas and Fleuret 2020, sections 3.2 to 3.4)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref._checks import check_axes, check_floating, check_same_size
from attnref._numerics import at_least_float32, autocast_off, divide_or_zero
from attnref.attention._checks import check_dot_product_inputs, check_shared_mask
from attnref.attention._features import FeatureMap, elu_plus_one


def linear_attention(
    query: Float[Tensor, "*batch n_q d_k"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch 1 #n_k"] | None = None,
    *,
    feature_map: FeatureMap = elu_plus_one,
) -> tuple[Float[Tensor, "*batch n_q d_v"], None]:
    r"""Sum up all keys with their values once, then let each query read from the sum.

    $$ o_i^\top = \frac{\sum_j \phi(q_i)^\top \phi(k_j)\, v_j^\top}{\sum_j \phi(q_i)^\top \phi(k_j)}
                = \frac{\phi(q_i)^\top S}{\phi(q_i)^\top z} \qquad
       S = \sum_j \phi(k_j)\, v_j^\top \qquad z = \sum_j \phi(k_j) $$

    The weights are never formed. Sums are kept in float32 at least, under autocast too: in half precision those of a
    long sequence overflow.

    Args:
        query: What is looked for.
        key: What each place is found by.
        value: What each place has to give. Its width may differ from the key's.
        mask: True = may attend, the same for all queries. All may when it is left out.
        feature_map: The map φ of the last axis of query and key. Features must not be negative; their width may
            differ from d_k. It is $\operatorname{elu}(x) + 1$, as in the paper, when left out.

    Returns:
        output: One vector for each query, as wide as a value; zero where a query meets no key.
        weights: None, they are never formed.

    Raises:
        TypeError: The inputs are not of one floating dtype, or the mask is not bool.
        ValueError: The inputs do not agree in their leading axes, in d_k or in n_k, or the mask does not broadcast to
            (..., 1, n_k).

    Examples:
        >>> import torch
        >>> from attnref import linear_attention
        >>> query = torch.tensor([[1.0, 0.0]])  # features 2 and 1
        >>> key = torch.tensor([[1.0, 0.0], [0.0, 2.0]])  # features 2 and 1, 1 and 3
        >>> value = torch.tensor([[10.0], [20.0]])
        >>> linear_attention(query, key, value)  # the weights are 5 and 5
        (tensor([[15.]]), None)

    Source:
        Katharopoulos et al. 2020, *Transformers are RNNs: Fast Autoregressive Transformers with Linear Attention*,
        section 3.2, equations 4, 5 and 7.
    """
    who = "linear_attention"
    check_dot_product_inputs(who, query, key, value, mask)
    check_shared_mask(who, mask)

    phi_q, phi_k, values = _features(query, key, value, mask, feature_map)
    with autocast_off(value):
        sum_kv = phi_k.mT @ values  # (..., d_phi, d_v): keys meet values, no query is asked
        sum_k = phi_k.sum(-2)  # (..., d_phi)
        output = divide_or_zero(phi_q @ sum_kv, phi_q @ sum_k[..., None])
    return output.to(value.dtype), None


def causal_linear_attention(
    query: Float[Tensor, "*batch n d_k"],
    key: Float[Tensor, "*batch n d_k"],
    value: Float[Tensor, "*batch n d_v"],
    mask: Bool[Tensor, "*#batch 1 #n"] | None = None,
    *,
    feature_map: FeatureMap = elu_plus_one,
) -> tuple[Float[Tensor, "*batch n d_v"], None]:
    r"""Let each position read from the sum of what came before it, itself included: a recurrent network.

    $$ S_i = S_{i-1} + \phi(k_i)\, v_i^\top \qquad z_i = z_{i-1} + \phi(k_i) \qquad
       o_i^\top = \frac{\phi(q_i)^\top S_i}{\phi(q_i)^\top z_i} $$

    Position $i$ of the queries stands at position $i$ of the keys, so there are as many of the one as of the other.

    Args:
        query: What is looked for.
        key: What each place is found by.
        value: What each place has to give. Its width may differ from the key's.
        mask: True = may attend, the same for all queries; what comes later is hidden besides.
        feature_map: As in `linear_attention`. It maps each position by itself.

    Returns:
        output: One vector for each query, as wide as a value; zero where a query meets no key.
        weights: None, they are never formed.

    Raises:
        TypeError: The inputs are not of one floating dtype, or the mask is not bool.
        ValueError: The inputs do not agree in their leading axes, in d_k or in n, or the mask does not broadcast to
            (..., 1, n).

    Examples:
        >>> import torch
        >>> from attnref import causal_linear_attention
        >>> x = torch.zeros(4, 2)  # all alike: each output is the mean of the values so far
        >>> causal_linear_attention(x, x, torch.tensor([[1.0], [2.0], [3.0], [4.0]]))[0].flatten()
        tensor([1.0000, 1.5000, 2.0000, 2.5000])

    Source:
        Katharopoulos et al. 2020, section 3.3, equations 9 to 12.
    """
    who = "causal_linear_attention"
    check_dot_product_inputs(who, query, key, value, mask)
    check_same_size(who, "n", query=(query, -2), key=(key, -2))
    check_shared_mask(who, mask)

    phi_q, phi_k, values = _features(query, key, value, mask, feature_map)
    state, outputs = None, [values[..., :0, :]]
    for one_query, one_key, one_value in zip(phi_q.unbind(-2), phi_k.unbind(-2), values.unbind(-2), strict=True):
        output, state = linear_attention_step(one_query, one_key, one_value, state, feature_map=lambda phi: phi)
        outputs.append(output[..., None, :])
    return torch.cat(outputs, dim=-2).to(value.dtype), None


def linear_attention_step(
    query: Float[Tensor, "*batch d_k"],
    key: Float[Tensor, "*batch d_k"],
    value: Float[Tensor, "*batch d_v"],
    state: tuple[Float[Tensor, "*batch d_phi d_v"], Float[Tensor, "*batch d_phi"]] | None = None,
    *,
    feature_map: FeatureMap = elu_plus_one,
) -> tuple[
    Float[Tensor, "*batch d_v"],
    tuple[Float[Tensor, "*batch d_phi d_v"], Float[Tensor, "*batch d_phi"]],
]:
    r"""Take one step of causal linear attention: add the new key and value to the state, then read from it.

    $$ S' = S + \phi(k)\, v^\top \qquad z' = z + \phi(k) \qquad
       o^\top = \frac{\phi(q)^\top S'}{\phi(q)^\top z'} $$

    The state has the same size however many steps have gone by.

    Args:
        query: What this position looks for.
        key: What this position is found by.
        value: What this position has to give.
        state: The sums (S, z) of the positions before; zero when left out. In float32 at least.
        feature_map: As in `linear_attention`, the same at every step.

    Returns:
        output: The mixed values of the positions so far; zero where the query meets no key.
        state: The sums (S, z), this position included.

    Raises:
        TypeError: The inputs are not of one floating dtype, or the state is not of float32 at least.
        ValueError: The inputs or the state do not agree in their leading axes or widths.

    Examples:
        >>> import torch
        >>> from attnref import linear_attention_step
        >>> state, x = None, torch.zeros(2)
        >>> for number in (1.0, 2.0, 3.0):
        ...     output, state = linear_attention_step(x, x, torch.tensor([number]), state)
        >>> output, state[0].shape, state[1]
        (tensor([2.]), torch.Size([2, 1]), tensor([3., 3.]))

    Source:
        Katharopoulos et al. 2020, section 3.4, equations 16 to 20.
    """
    _check_step(query, key, value)

    phi_q, phi_k, values = _features(query, key, value, None, feature_map)
    sum_kv, sum_k = phi_k[..., :, None] * values[..., None, :], phi_k
    if state is not None:
        _check_state(state, phi_k, value)
        sum_kv, sum_k = state[0] + sum_kv, state[1] + sum_k
    mixed = (phi_q[..., :, None] * sum_kv).sum(-2)  # (..., d_v)
    output = divide_or_zero(mixed, (phi_q * sum_k).sum(-1, keepdim=True))
    return output.to(value.dtype), (sum_kv, sum_k)


def _features(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, feature_map: FeatureMap
) -> tuple[Tensor, Tensor, Tensor]:
    """The features, zero where a key is hidden, and the values, all in float32 at least."""
    phi_q, phi_k = feature_map(query), feature_map(key)
    if mask is not None:
        phi_k = phi_k.masked_fill(~mask.mT, 0)
    return at_least_float32(phi_q), at_least_float32(phi_k), at_least_float32(value)


def _check_step(query: Tensor, key: Tensor, value: Tensor) -> None:
    """One query, one key and one value belong together."""
    who = "linear_attention_step"
    check_axes(who, "query", query, "(..., d_k)")
    for name, tensor in (("key", key), ("value", value)):
        check_axes(who, name, tensor, f"(..., d) with as many axes as query, {query.ndim}", exactly=query.ndim)
    check_floating(who, query=query, key=key, value=value)
    check_same_size(who, "d_k", query=(query, -1), key=(key, -1))
    for axis in range(-query.ndim, -1):
        check_same_size(who, "batch", query=(query, axis), key=(key, axis), value=(value, axis))


def _check_state(state: tuple[Tensor, Tensor], features: Tensor, value: Tensor) -> None:
    """The sums of linear attention, (S, z), fit the features of a key and the value."""
    who = "linear_attention_step"
    S, z = state
    check_axes(who, "S", S, "(..., d_phi, d_v)", exactly=value.ndim + 1)
    check_axes(who, "z", z, "(..., d_phi)", exactly=value.ndim)
    check_floating(who, S=S, z=z, features=features)
    check_same_size(who, "d_phi", S=(S, -2), z=(z, -1), features=(features, -1))
    check_same_size(who, "d_v", S=(S, -1), value=(value, -1))
    for axis in range(-value.ndim, -1):
        check_same_size(who, "batch", S=(S, axis - 1), z=(z, axis), value=(value, axis))
