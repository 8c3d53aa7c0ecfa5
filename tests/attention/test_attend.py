"""The laws of every attention mechanism, whatever its scores: the table in tests/mechanisms.py says which they are."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms import ATTENDS, DTYPES, N_K, D, every, those, with_per_query_mask

from attnref import causal_mask, padding_mask

NON_FINITE = [torch.nan, torch.inf, -torch.inf]
# How far a gradient may lie from that in float64, relative to the whole.
GRADIENT_TOLERANCE = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 5e-2}

seeds = st.integers(0, 999)
rates = st.sampled_from([0.0, 0.2, 0.6, 1.0])
masked = pytest.mark.parametrize(
    ("attend", "kind"), [pytest.param(a, kind, id=f"{a.id}-{kind}") for a in ATTENDS for kind in a.masks]
)


# The definition


@masked
@pytest.mark.parametrize("d_v", [3, 4, 11])
def test_agrees_with_oracle(agrees, arrays, attend, kind, d_v):
    mask = attend.masks[kind]
    query, key, value = attend.inputs(2, d_v=d_v)
    output, weights = attend(query, key, value, mask)
    expected_output, expected_weights = attend.by_definition(*arrays(query, key, value, mask))
    agrees(output, expected_output)
    if weights is not None:
        agrees(weights, expected_weights)


@every
@settings(max_examples=15)
@given(data=st.data())
def test_agrees_with_oracle_whatever_the_sizes_and_the_mask(agrees, arrays, attend, data):
    """Any number of leading axes, of queries and of keys, none included; a mask that broadcasts in any of them."""
    batch = data.draw(st.lists(st.integers(0, 3), max_size=2), label="batch")
    n_q, n_k = data.draw(st.integers(0, 4), label="n_q"), data.draw(st.integers(0, 5), label="n_k")
    seed, scale = data.draw(seeds), data.draw(st.sampled_from([1e-3, 1.0, 4.0]), label="scale")
    query, key, value = (scale * tensor for tensor in attend.inputs(*batch, n_q=n_q, n_k=n_k, seed=seed))
    mask = None
    if data.draw(st.booleans(), label="mask"):
        full = (*batch, query.shape[-2] if attend.mechanism.per_query_mask else 1, n_k)
        shape = [size if data.draw(st.booleans()) else 1 for size in full][data.draw(st.integers(0, len(batch))) :]
        mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < data.draw(rates, label="rate")
    output, weights = attend(query, key, value, mask)
    expected_output, expected_weights = attend.by_definition(*arrays(query, key, value, mask))
    agrees(output, expected_output)
    if weights is not None:
        agrees(weights, expected_weights)


@every
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_agrees_with_oracle_in_every_dtype(agrees, arrays, attend, dtype):
    query, key, value = attend.inputs(2, dtype=dtype)
    output, weights = attend(query, key, value, attend.empty)
    expected_output, expected_weights = attend.by_definition(*arrays(query, key, value, attend.empty))
    assert output.dtype == dtype
    agrees(output, expected_output)
    if weights is not None:
        assert weights.dtype == dtype
        agrees(weights, expected_weights)


@those(lambda attend: attend.mechanism.level)
@settings(max_examples=15)
@given(seed=seeds, far=st.sampled_from([-1e5, -2e4, -300.0, 300.0, 2e4, 1e5]), rate=st.sampled_from([None, 0.3, 0.7]))
def test_a_number_added_to_every_score_changes_nothing(arrays, attend, seed, far, rate):
    """Not so with a running max that starts at zero, or -10000 for what is masked. The definition goes without it."""
    query, key, value = attend.inputs(2, seed=seed)
    mask = None if rate is None else attend.random_mask(2, seed=seed, rate=rate)
    weights = {name: weight.clone() for name, weight in attend.weights.items()}
    far_weights, far_query, far_key = weights, query, key
    if attend.mechanism.level == "query":  # far q (q + k / far) = far q q + q k
        query = torch.full_like(query, 0.5)
        far_query, far_key = far * query, query[..., :1, :] + key / far
    elif attend.mechanism.level == "key":
        far_key = far + key
    else:  # a hidden unit that is one for every pair
        query = query.abs() + 0.1
        for name, weight in weights.items():
            weight[0] = 0.0 if name in ("w_k", "v_a") else 1e4
        if "w_a" in weights:
            weights["w_a"][0, D:] = 0.0
        far_query, far_weights = query, {**weights, "v_a": weights["v_a"] + far * torch.eye(6)[0]}
    output, _ = attend._replace(weights=far_weights)(far_query, far_key, value, mask)
    expected, _ = attend._replace(weights=weights).by_definition(*arrays(query, key, value, mask))
    np.testing.assert_allclose(output, expected, rtol=1e-8, atol=1e-8)


# Gradients


@every
@pytest.mark.parametrize("empty", [False, True], ids=["all", "fully masked row"])
def test_gradient(attend, empty):
    tensors = [
        tensor.requires_grad_() for tensor in (*attend.inputs(2, d_v=3), *map(torch.clone, attend.weights.values()))
    ]

    def results(query, key, value, *weights):
        both = attend(query, key, value, attend.empty if empty else None, *weights)
        return tuple(result for result in both if result is not None)

    assert torch.autograd.gradcheck(results, tensors, fast_mode=True)


@every
@pytest.mark.parametrize("dtype", DTYPES[1:], ids=str)
def test_gradient_is_near_that_in_float64(attend, dtype):
    query, key, value = attend.inputs(2, dtype=dtype)
    along = torch.randn(2, attend.n_q, attend.d_v).to(dtype)
    gradients = []
    for wide in (dtype, torch.float64):
        leaves = [x.to(wide).requires_grad_() for x in (query, key, value, *attend.weights.values())]
        output = attend.output(*leaves[:3], attend.empty, *leaves[3:])
        gradients.append(torch.autograd.grad(output, leaves, along.to(wide)))
    for ours, expected in zip(*gradients, strict=True):
        assert ours.dtype == dtype
        assert (ours.double() - expected).norm() <= GRADIENT_TOLERANCE[dtype] * expected.norm()


@every
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_fully_masked_row_is_zero_and_so_are_its_gradients(attend, dtype):
    query, key, value = (tensor.requires_grad_() for tensor in attend.inputs(2, dtype=dtype))
    output, weights = attend(query, key, value, attend.empty)
    nothing = ~attend.empty.any(-1).expand(output.shape[:-1])
    assert nothing.any()
    assert output[nothing].eq(0).all()
    if weights is not None:
        assert weights.masked_select(~attend.empty.expand_as(weights)).eq(0).all()
    output.sum().backward()
    for tensor in (query, key, value):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
    assert query.grad is not None
    assert query.grad[nothing].eq(0).all()


# Weights


@those(lambda attend: attend.mechanism.convex)
@given(seed=seeds, rate=rates)
def test_rows_of_weights_sum_to_one_or_to_zero(agrees, attend, seed, rate):
    """Where no weights are formed, values of one show their sum."""
    query, key, value = attend.inputs(2, seed=seed)
    mask = attend.random_mask(2, seed=seed, rate=rate)
    seen = attend.seen(mask, attend.n_q, N_K).any(-1, keepdim=True).double()
    output, weights = attend(query, key, torch.ones_like(value), mask)
    agrees(output, seen.expand_as(output))
    if weights is not None:
        agrees(weights.sum(-1, keepdim=True), seen)


@those(lambda attend: attend.room == "attention" and attend(*attend.inputs(1))[1] is not None)
@given(seed=seeds, rate=rates)
def test_weights_are_not_negative_and_zero_where_masked(attend, seed, rate):
    mask = attend.random_mask(2, seed=seed, rate=rate)
    _, weights = attend(*attend.inputs(2, seed=seed), mask)
    if weights.ndim > mask.ndim:  # the heads have an axis
        mask = mask.unsqueeze(-3)
    assert weights.ge(0).all()
    assert weights[~mask.expand_as(weights)].eq(0).all()


@those(lambda attend: attend.mechanism.convex)
@given(seed=seeds, rate=rates)
def test_output_is_the_mean_of_the_values_by_the_weights(agrees, attend, seed, rate):
    query, key, value = attend.inputs(2, seed=seed)
    mask = attend.random_mask(2, seed=seed, rate=rate)
    output, weights = attend(query, key, value, mask)
    if weights is None:  # values that are unit vectors show the weights
        weights = attend.output(query, key, torch.eye(N_K).double().expand(2, N_K, N_K), mask)
    agrees(output, weights @ value)


@every
def test_output_is_linear_in_the_values(agrees, attend):
    query, key, value = attend.inputs(2)
    other = torch.randn_like(value)
    both = attend.output(query, key, value) + 2 * attend.output(query, key, other)
    agrees(attend.output(query, key, value + 2 * other), both)
    assert not torch.allclose(attend.output(query, 2 * key, value), attend.output(query, key, value))


# What may depend on what


@those(lambda attend: not attend.mechanism.causal)
@given(seed=seeds)
def test_keys_permuted_with_their_values_change_nothing(agrees, attend, seed):
    query, key, value = attend.inputs(2, seed=seed)
    mask = attend.random_mask(seed=seed)
    order = torch.randperm(N_K, generator=torch.Generator().manual_seed(seed))
    permuted = attend.output(query, key[:, order], value[:, order], mask[:, order])
    agrees(permuted, attend.output(query, key, value, mask))


@those(lambda attend: attend.mechanism.per_query_mask or attend.mechanism.causal)
@given(seed=seeds, t=st.integers(0, N_K - 2), what=st.sampled_from([100.0, *NON_FINITE]))
def test_the_future_changes_nothing_under_a_causal_mask(attend, seed, t, what):
    query, key, value = attend.inputs(2, n_q=N_K, seed=seed)
    mask = padding_mask([N_K, N_K], N_K) if attend.mechanism.causal else causal_mask(N_K)
    before = attend.output(query, key, value, mask)
    for tensor in (query, key, value):
        tensor[:, t + 1 :] = what * torch.randn_like(tensor[:, t + 1 :])
    after = attend.output(query, key, value, mask)
    assert torch.equal(before[:, : t + 1], after[:, : t + 1])
    assert not torch.isclose(before[:, t + 1 :], after[:, t + 1 :]).all()


@every
@given(data=st.data())
def test_what_is_not_finite_reaches_the_queries_that_attend_to_it_and_nothing_else(agrees, attend, data):
    """Their output and weights are NaN. The others', and gradients, are what they are with zeros in its stead."""
    mask = attend.random_mask(seed=data.draw(seeds), rate=data.draw(rates))
    which = st.lists(st.integers(0, N_K - 1), max_size=2)
    bad_keys, bad_values, bad_queries = data.draw(which), data.draw(which), data.draw(which)
    bad_queries = [i for i in bad_queries if i < attend.n_q]
    what = data.draw(st.sampled_from(NON_FINITE))
    tensors = attend.inputs(2, seed=data.draw(seeds))
    for tensor, bad in zip(tensors, (bad_queries, bad_keys, bad_values), strict=True):
        tensor[:, bad, 1] = 0
    clean = [tensor.clone().requires_grad_() for tensor in tensors]
    for tensor, bad in zip(tensors, (bad_queries, bad_keys, bad_values), strict=True):
        tensor[:, bad, 1] = what
        tensor.requires_grad_()
    seen = attend.seen(mask, attend.n_q, N_K)
    lost = seen[:, [*bad_keys, *bad_values]].any(-1)
    lost[bad_queries] |= seen[bad_queries].any(-1)

    output, weights = attend(*tensors, mask)
    expected, expected_weights = attend(*clean, mask)
    assert output[:, lost].isnan().all()
    agrees(output[:, ~lost], expected[:, ~lost])
    if weights is not None:
        assert weights[..., lost, :].isnan().all()
        agrees(weights[..., ~lost, :], expected_weights[..., ~lost, :])
    gradients = torch.autograd.grad(output[:, ~lost].square().sum(), tensors)
    expected_gradients = torch.autograd.grad(expected[:, ~lost].square().sum(), clean)
    for gradient, other, bad in zip(
        gradients, expected_gradients, (bad_queries, bad_keys + bad_values, bad_keys + bad_values), strict=True
    ):
        good = [i for i in range(gradient.shape[1]) if i not in bad]
        agrees(gradient[:, good], other[:, good])
        assert gradient.isfinite().all()


@every
def test_a_query_of_nan_has_an_output_of_nan_without_a_mask_too(attend):
    query, key, value = attend.inputs(2)
    query[:, 1, 0] = torch.nan
    output = attend.output(query, key, value)
    assert output[:, 1].isnan().all()
    assert output[:, 0].isfinite().all()


@with_per_query_mask
@given(seed=seeds)
def test_one_step_at_a_time_is_all_at_once(agrees, attend, seed):
    query, key, value = attend.inputs(2, n_q=N_K, seed=seed)
    whole = attend.output(query, key, value, causal_mask(N_K))
    for t in range(N_K):
        mask = causal_mask(1, t + 1, offset=t)
        one = attend.output(query[:, t : t + 1], key[:, : t + 1], value[:, : t + 1], mask)
        agrees(one, whole[:, t : t + 1])


@every
@given(seed=seeds, length=st.integers(0, N_K), what=st.sampled_from([0.0, 100.0, *NON_FINITE]))
def test_padding_changes_nothing(agrees, attend, seed, length, what):
    query, key, value = attend.inputs(1, seed=seed)
    key[:, length:] = value[:, length:] = what
    real = slice(length) if attend.mechanism.causal else slice(None)
    alone = attend.output(query[:, real], key[:, :length], value[:, :length])
    agrees(attend.output(query, key, value, padding_mask([length], N_K))[:, real], alone)


@every
def test_each_sample_is_what_it_is_alone(agrees, attend):
    query, key, value = attend.inputs(3)
    whole = attend.output(query, key, value)
    for b in range(3):
        agrees(attend.output(query[b], key[b], value[b]), whole[b])


@every
def test_inputs_are_left_as_they_were(attend):
    tensors = [*attend.inputs(2), attend.empty.clone()]
    copies = [tensor.clone() for tensor in tensors]
    attend(*tensors)
    for tensor, copy in zip(tensors, copies, strict=True):
        assert torch.equal(tensor, copy)


# Refusals


@every
@pytest.mark.refusal
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            lambda q, k, v, m: (q.numpy(), k, v, m),
            TypeError,
            "query must be a torch.Tensor, got numpy.ndarray.",
        ),
        (lambda q, k, v, m: (q, k.tolist(), v, m), TypeError, "key must be a torch.Tensor, got list."),
        (lambda q, k, v, m: (q, k, None, m), TypeError, "value must be a torch.Tensor, got NoneType."),
        (lambda q, k, v, m: (q[0, 0], k, v, m), ValueError, "query must be (..., n, d), got shape (4,)."),
        (lambda q, k, v, m: (q, k[0, 0], v, m), ValueError, "key must be (..., n, d), got shape (4,)."),
        (lambda q, k, v, m: (q, k, v[0, 0], m), ValueError, "value must be (..., n, d), got shape ({d_v},)."),
        (
            lambda q, k, v, m: (q.long(), k, v, m),
            TypeError,
            "query, key and value must be floating point, "
            "got query torch.int64, key torch.float64, value torch.float64.",
        ),
        (
            lambda q, k, v, m: (q, k, v.cfloat(), m),
            TypeError,
            "query, key and value must be floating point, "
            "got query torch.float64, key torch.float64, value torch.complex64.",
        ),
        (
            lambda q, k, v, m: (q, k.half(), v, m),
            TypeError,
            "query, key and value must share one dtype, "
            "got query torch.float64, key torch.float16, value torch.float64.",
        ),
        (
            lambda q, k, v, m: (q, k, v.to("meta"), m),
            ValueError,
            "query, key and value must be on one device, got query on cpu, key on cpu, value on meta.",
        ),
        (
            lambda q, k, v, m: (q, k[:1], v[:1], m),
            ValueError,
            "query, key and value must agree in their leading axes, "
            "got query (2, {n_q}, 4), key (1, 7, 4), value (1, 7, {d_v}).",
        ),
        (
            lambda q, k, v, m: (q, k, v[:1], m),
            ValueError,
            "query, key and value must agree in their leading axes, "
            "got query (2, {n_q}, 4), key (2, 7, 4), value (1, 7, {d_v}).",
        ),
        (
            lambda q, k, v, m: (q, k, v[:, :6], m),
            ValueError,
            "key and value must agree in n_k, got key (2, 7, 4) with n_k=7, value (2, 6, {d_v}) with n_k=6.",
        ),
        (
            lambda q, k, v, m: (q, k, v, m.numpy()),
            TypeError,
            "mask must be a torch.Tensor of bool (True = may attend), got numpy.ndarray.",
        ),
        (
            lambda q, k, v, m: (q, k, v, m.tolist()),
            TypeError,
            "mask must be a torch.Tensor of bool (True = may attend), got list.",
        ),
        (lambda q, k, v, m: (q, k.to_sparse(), v, m), TypeError, "key must be a dense tensor, got torch.sparse_coo."),
        (
            lambda q, k, v, m: (q, k, torch.nested.nested_tensor(list(v)), m),
            TypeError,
            "value must be a dense tensor, got a nested tensor.",
        ),
        (lambda q, k, v, m: (q, k, v, m.to_sparse()), TypeError, "mask must be a dense tensor, got torch.sparse_coo."),
        (
            lambda q, k, v, m: (q, k, v, m.new_ones(2, 7)),
            ValueError,
            "mask must broadcast to (..., n_q, n_k) = (2, {n_q}, 7), got shape (2, 7); "
            "for a token mask (batch, n), pass token_mask[:, None].",
        ),
        (
            lambda q, k, v, m: (q, k, v, m.double()),
            TypeError,
            "mask must be bool (True = may attend), got torch.float64.",
        ),
        (lambda q, k, v, m: (q, k, v, m.int()), TypeError, "mask must be bool (True = may attend), got torch.int32."),
        (
            lambda q, k, v, m: (q, k, v, m.to("meta")),
            ValueError,
            "mask must be on the device of query, got mask on meta, query on cpu.",
        ),
        (
            lambda q, k, v, m: (q, k, v, m.new_ones(3, 7)),
            ValueError,
            "mask must broadcast to (..., n_q, n_k) = (2, {n_q}, 7), got shape (3, 7).",
        ),
        (
            lambda q, k, v, m: (q, k, v, m.new_ones(7)),
            ValueError,
            "mask must broadcast to (..., n_q, n_k) = (2, {n_q}, 7), got shape (7,).",
        ),
        (
            lambda q, k, v, m: (q, k, v, m.new_ones(3, 1, 7)),
            ValueError,
            "mask must broadcast to (..., n_q, n_k) = (2, {n_q}, 7), got shape (3, 1, 7).",
        ),
        (
            lambda q, k, v, m: (q, k, v, m.new_ones(1, 1, 1, 7)),
            ValueError,
            "mask must broadcast to (..., n_q, n_k) = (2, {n_q}, 7), got shape (1, 1, 1, 7).",
        ),
    ],
)
def test_refusals(refuses, attend, change, error, words):
    given = change(*attend.inputs(2), attend.empty)
    words = f"{attend.mechanism.name}: {words.format(n_q=attend.n_q, d_v=attend.d_v)}"
    refuses(lambda: attend.function(*given, **attend.weights), error, words)


@those(lambda attend: not attend.mechanism.per_query_mask)
@pytest.mark.refusal
def test_refuses_a_mask_that_differs_from_query_to_query(refuses, attend):
    mask = torch.ones(attend.n_q, N_K, dtype=torch.bool)
    words = "mask must be the same for all queries, (..., 1, n_k), got shape"
    refuses(
        lambda: attend(*attend.inputs(2), mask),
        ValueError,
        f"{attend.mechanism.name}: {words} {tuple(mask.shape)}.",
    )


@those(lambda attend: attend.mechanism.d_v is None)
@pytest.mark.refusal
def test_values_may_have_any_size(attend):
    """Even none; and the size of a query or key is no rule for them."""
    for d_v in (0, 1, D, 3 * D):
        query, key, _ = attend.inputs(2)
        assert attend.output(query, key, torch.ones(2, N_K, d_v).double()).shape == (2, attend.n_q, d_v)
