"""Linear attention (Katharopoulos, Vyas, Pappas and Fleuret 2020, sections 3.2 to 3.4)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnref._checks import check_axes, check_floating, check_same_size, check_tensor, kind_of
from attnref._numerics import autocast_off, divide_or_zero, matmul_dtype
from attnref.attention._blocks import records
from attnref.attention._checks import check_dot_product_inputs, check_shared_mask
from attnref.attention._features import FeatureMap, elu_plus_one, features
from attnref.attention._non_finite import set_aside, set_aside_causal, spoil

State = tuple[Tensor, Tensor]  # S and z


def linear_attention(
    query: Float[Tensor, "*batch n_q d_k"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch 1 #n_k"] | None = None,
    *,
    feature_map: FeatureMap = elu_plus_one,
) -> tuple[Float[Tensor, "*batch n_q d_v"], None]:
    r"""Sum over all keys and values once, then let each query read from the sums.

    $$ o_i^\top = \frac{\sum_j \phi(q_i)^\top \phi(k_j)\, v_j^\top}{\sum_j \phi(q_i)^\top \phi(k_j)}
                = \frac{\phi(q_i)^\top S}{\phi(q_i)^\top z} \qquad
       S = \sum_j \phi(k_j)\, v_j^\top \qquad z = \sum_j \phi(k_j) $$

    The weights are never formed. Sums are kept in float32 at least, also under autocast: in half precision those of a
    long sequence overflow. The default features are computed there as well, so that they may be small: in float32
    $\operatorname{elu}(x) + 1$ loses digits below $x = -87$ and is zero below $-104$ (float64: $-708$ and $-746$).

    Args:
        query: The queries.
        key: The keys.
        value: The values; d_v may differ from d_k.
        mask: True = may attend, the same for all queries. If omitted, every query may attend to every key.
        feature_map: The feature map φ of the last axis of query and key; $\operatorname{elu}(x) + 1$ if omitted, as in
            the paper. Features must not be negative; d_phi may differ from d_k.

    Returns:
        output: One vector for each query; zero where all keys are masked, or where $\phi(q_i)^\top z = 0$. Under
            autocast it has the dtype of a matrix product.
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
        Katharopoulos, Vyas, Pappas and Fleuret 2020, *Transformers are RNNs: Fast Autoregressive Transformers with
        Linear Attention*, [arXiv:2006.16236](https://arxiv.org/abs/2006.16236), section 3.2, equations 4, 5 and 7.
    """
    who = "linear_attention"
    check_dot_product_inputs(who, query, key, value, mask)
    check_shared_mask(who, mask)

    query, key, value, lost = set_aside(query, key, value, mask)
    phi_q, phi_k, values = features(query, key, value, mask, feature_map)
    with autocast_off(value):
        sum_kv = phi_k.mT @ values  # (..., d_phi, d_v): no query is needed
        sum_k = phi_k.sum(-2)  # (..., d_phi)
        output = divide_or_zero(phi_q @ sum_kv, phi_q @ sum_k[..., None])
    return spoil(output, lost).to(matmul_dtype(value)), None


def causal_linear_attention(
    query: Float[Tensor, "*batch n d_k"],
    key: Float[Tensor, "*batch n d_k"],
    value: Float[Tensor, "*batch n d_v"],
    mask: Bool[Tensor, "*#batch 1 #n"] | None = None,
    *,
    feature_map: FeatureMap = elu_plus_one,
) -> tuple[Float[Tensor, "*batch n d_v"], None]:
    r"""Let each position read from the sums over the positions before it and its own: a recurrent net.

    $$ S_i = S_{i-1} + \phi(k_i)\, v_i^\top \qquad z_i = z_{i-1} + \phi(k_i) \qquad
       o_i^\top = \frac{\phi(q_i)^\top S_i}{\phi(q_i)^\top z_i} $$

    Query $i$ and key $i$ belong to the same position, so there are as many queries as keys.

    Args:
        query: The queries.
        key: The keys.
        value: The values; d_v may differ from d_k.
        mask: True = may attend, the same for all queries; later positions are masked besides.
        feature_map: As in `linear_attention`. It takes each position by itself.

    Returns:
        output: As of `linear_attention`.
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
        Katharopoulos et al. 2020, *Transformers are RNNs*, [arXiv:2006.16236](https://arxiv.org/abs/2006.16236),
        section 3.3, equations 9 to 12.
    """
    who = "causal_linear_attention"
    check_dot_product_inputs(who, query, key, value, mask)
    check_same_size(who, "n", query=(query, -2), key=(key, -2))
    check_shared_mask(who, mask)

    query, key, value, lost = set_aside_causal(query, key, value, mask)
    phi_q, phi_k, values = features(query, key, value, mask, feature_map)
    if records():
        output = _all_states_at_once(phi_q, phi_k, values)
    else:
        state, outputs = None, [values[..., :0, :]]
        for one_phi_q, one_phi_k, one_value in zip(phi_q.unbind(-2), phi_k.unbind(-2), values.unbind(-2), strict=True):
            one, state = _step(one_phi_q, one_phi_k, one_value, state)
            outputs.append(one[..., None, :])
        output = torch.cat(outputs, dim=-2)
    return spoil(output, lost).to(matmul_dtype(value)), None


def _all_states_at_once(phi_q: Tensor, phi_k: Tensor, values: Tensor) -> Tensor:
    """The same without a loop, for a program that has to hold for every length, with a state for each position."""
    sum_kv = (phi_k[..., :, None] * values[..., None, :]).cumsum(-3)  # (..., n, d_phi, d_v)
    sum_k = phi_k.cumsum(-2)  # (..., n, d_phi)
    numerator = (phi_q[..., :, None] * sum_kv).sum(-2)
    return divide_or_zero(numerator, (phi_q * sum_k).sum(-1, keepdim=True))


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

    The state keeps its size however many steps are taken.

    Args:
        query: The query of this position.
        key: The key of this position.
        value: The value of this position.
        state: The sums (S, z) over the positions before; zero if omitted. In float32 at least.
        feature_map: As in `linear_attention`, the same at every step.

    Returns:
        output: As of `linear_attention`, from the positions so far.
        state: The sums (S, z), this position included.

    Raises:
        TypeError: The inputs are not of one floating dtype, or the state is not a pair of tensors of float32 at least.
        ValueError: The inputs or the state do not agree in their leading axes or sizes.

    Examples:
        >>> import torch
        >>> from attnref import linear_attention_step
        >>> state, x = None, torch.zeros(2)
        >>> for number in (1.0, 2.0, 3.0):
        ...     output, state = linear_attention_step(x, x, torch.tensor([number]), state)
        >>> output, state[0].shape, state[1]
        (tensor([2.]), torch.Size([2, 1]), tensor([3., 3.]))

    Source:
        Katharopoulos et al. 2020, *Transformers are RNNs*, [arXiv:2006.16236](https://arxiv.org/abs/2006.16236),
        section 3.4, equations 16 to 20.
    """
    _check_step(query, key, value)

    phi_q, phi_k, values = features(query, key, value, None, feature_map)
    if state is not None:
        _check_state(state, phi_k, value)
    output, state = _step(phi_q, phi_k, values, state)
    return output.to(matmul_dtype(value)), state


def _step(phi_q: Tensor, phi_k: Tensor, value: Tensor, state: State | None) -> tuple[Tensor, State]:
    """One position: what it reads, (..., d_v), and the sums with it."""
    sum_kv, sum_k = phi_k[..., :, None] * value[..., None, :], phi_k
    if state is not None:
        sum_kv, sum_k = state[0] + sum_kv, state[1] + sum_k
    numerator = (phi_q[..., :, None] * sum_kv).sum(-2)  # (..., d_v)
    return divide_or_zero(numerator, (phi_q * sum_k).sum(-1, keepdim=True)), (sum_kv, sum_k)


def _check_step(query: Tensor, key: Tensor, value: Tensor) -> None:
    """One query, one key and one value belong together."""
    who = "linear_attention_step"
    check_tensor(who, query=query, key=key, value=value)
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
    if not (isinstance(state, tuple | list) and len(state) == 2):
        raise TypeError(f"{who}: state must be the pair (S, z), got {kind_of(state)}.")
    S, z = state
    check_tensor(who, S=S, z=z)
    check_axes(who, "S", S, "(..., d_phi, d_v)", exactly=value.ndim + 1)
    check_axes(who, "z", z, "(..., d_phi)", exactly=value.ndim)
    check_floating(who, S=S, z=z, features=features)
    check_same_size(who, "d_phi", S=(S, -2), z=(z, -1), features=(features, -1))
    check_same_size(who, "d_v", S=(S, -1), value=(value, -1))
    for axis in range(-value.ndim, -1):
        check_same_size(who, "batch", S=(S, axis - 1), z=(z, axis), value=(value, axis))
