"""What every attention mechanism must do, whatever its score: a new one joins by one line of MECHANISMS.

Each is tried twice, the reference and its fast twin, with widths that all differ but that of query and key, which some
mechanisms need equal.
"""

import importlib
from functools import partial
from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnref import causal_mask, padding_mask

D = 4  # width of query and key
MECHANISMS = {  # stem: function, and the shapes of its weights
    "additive": ("additive_attention", {"w_q": (6, D), "w_k": (6, D), "v_a": (6,)}),
    "scaled_dot_product": ("scaled_dot_product_attention", {}),
}
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
N_Q, N_K, D_V = 5, 7, 11
EMPTY_ROW = torch.ones(N_Q, N_K, dtype=torch.bool).index_fill(0, torch.tensor(2), False)
MASKS = {
    "all": None,
    "causal": causal_mask(N_Q, N_K, offset=2),
    "padding": padding_mask([3, 7], N_K),
    "one mask for all queries": torch.tensor([[True, False, True, True, False, True, True]]),
    "empty row": EMPTY_ROW & padding_mask([2, 6], N_K),
    "nothing at all": torch.zeros(1, 1, dtype=torch.bool),
}


class Attend(NamedTuple):
    """A mechanism with random weights, bound to `attend(query, key, value, mask)`, and its oracle with the same."""

    name: str
    function: object
    oracle: object
    weights: dict

    def __call__(self, query, key, value, mask=None, *weights):
        given = dict(zip(self.weights, weights, strict=True)) if weights else self.weights
        return self.function(query, key, value, mask, **{name: w.to(query.dtype) for name, w in given.items()})

    def by_definition(self, *inputs):
        return partial(self.oracle, **{name: w.double().numpy() for name, w in self.weights.items()})(*inputs)


def build(stem, room):
    name, shapes = MECHANISMS[stem]
    generator = torch.Generator().manual_seed(1)
    # of a kind that all dtypes hold exactly, so that only the arithmetic differs
    weights = {name: torch.randn(*s, generator=generator).bfloat16().double() for name, s in shapes.items()}
    function = getattr(importlib.import_module(f"attnref.{room}.{stem}"), name)
    return Attend(f"{stem}-{room}", function, getattr(importlib.import_module(f"attnref.oracle.{stem}"), name), weights)


ATTENDS = [build(stem, room) for stem in MECHANISMS for room in ("attention", "fast")]
every = pytest.mark.parametrize("attend", ATTENDS, ids=[attend.name for attend in ATTENDS])


def inputs(*batch, n_q=N_Q, n_k=N_K, d_v=D_V, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = (*batch, n_q, D), (*batch, n_k, D), (*batch, n_k, d_v)
    return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]


@every
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("d_v", [3, 4, 11])
def test_agrees_with_oracle(agrees, arrays, attend, mask, d_v):
    query, key, value = inputs(2, d_v=d_v)
    output, weights = attend(query, key, value, mask)
    expected_output, expected_weights = attend.by_definition(*arrays(query, key, value, mask))
    agrees(output, expected_output)
    if weights is not None:
        agrees(weights, expected_weights)


@every
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_agrees_with_oracle_in_every_dtype(agrees, arrays, attend, dtype):
    query, key, value = (tensor.requires_grad_() for tensor in inputs(2, dtype=dtype))
    output, weights = attend(query, key, value, MASKS["empty row"])
    expected_output, expected_weights = attend.by_definition(*arrays(query, key, value, MASKS["empty row"]))
    assert output.dtype == dtype
    agrees(output, expected_output)
    assert output[:, 2].eq(0).all()
    if weights is not None:
        assert weights.dtype == dtype
        agrees(weights, expected_weights)
    output.sum().backward()
    for tensor in (query, key, value):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
    assert query.grad is not None
    assert query.grad[:, 2].eq(0).all()


@every
@pytest.mark.parametrize("batch", [(), (1,), (3,), (2, 3), (2, 1, 3), (0,), (2, 0)], ids=str)
def test_takes_any_leading_axes(agrees, arrays, attend, batch):
    query, key, value = inputs(*batch)
    mask = EMPTY_ROW if len(batch) < 2 else EMPTY_ROW & (torch.rand(*batch[:-1], 1, 1, N_K) < 0.7)
    output, _ = attend(query, key, value, mask)
    agrees(output, attend.by_definition(*arrays(query, key, value, mask))[0])


@every
@pytest.mark.parametrize(("n_q", "n_k"), [(0, 7), (5, 0), (1, 1), (7, 3)])
def test_takes_any_numbers_of_queries_and_keys(agrees, arrays, attend, n_q, n_k):
    query, key, value = inputs(2, n_q=n_q, n_k=n_k)
    agrees(attend(query, key, value)[0], attend.by_definition(*arrays(query, key, value))[0])


@every
@pytest.mark.parametrize("mask", [None, EMPTY_ROW], ids=["all", "empty row"])
def test_gradient(attend, mask):
    tensors = [
        tensor.requires_grad_() for tensor in (*inputs(2, n_q=5, d_v=3), *map(torch.clone, attend.weights.values()))
    ]

    def output(query, key, value, *weights):
        return tuple(result for result in attend(query, key, value, mask, *weights) if result is not None)

    assert torch.autograd.gradcheck(output, tensors, fast_mode=True)


@every
@given(seed=st.integers(0, 999), rate=st.floats(0, 1))
def test_rows_sum_to_one_or_to_zero_and_mix_the_values(agrees, attend, seed, rate):
    query, key, value = inputs(2, seed=seed)
    mask = torch.rand(2, N_Q, N_K, generator=torch.Generator().manual_seed(seed)) < rate
    _, weights = attend(query, key, torch.ones_like(value), mask)
    ones = attend(query, key, torch.ones_like(value), mask)[0]  # values of one: the output is the sum of the weights
    agrees(ones, mask.any(-1, keepdim=True).double().expand_as(ones))
    if weights is not None:
        agrees(weights.sum(-1), mask.any(-1))
        assert weights.ge(0).all()
        assert weights[~mask].eq(0).all()
        agrees(attend(query, key, value, mask)[0], weights @ value)


@every
@given(seed=st.integers(0, 999))
def test_keys_permuted_with_their_values_change_nothing(agrees, attend, seed):
    query, key, value = inputs(2, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(N_Q, N_K, generator=generator) < 0.6
    order = torch.randperm(N_K, generator=generator)
    permuted = attend(query, key[:, order], value[:, order], mask[:, order])[0]
    agrees(permuted, attend(query, key, value, mask)[0])


@every
@given(seed=st.integers(0, 999), t=st.integers(0, N_K - 2))
def test_the_future_changes_nothing_under_a_causal_mask(attend, seed, t):
    query, key, value = inputs(2, n_q=N_K, seed=seed)
    mask = causal_mask(N_K)
    before = attend(query, key, value, mask)[0]
    for tensor in (query, key, value):
        tensor[:, t + 1 :] = 100 * torch.randn_like(tensor[:, t + 1 :])
    after = attend(query, key, value, mask)[0]
    assert torch.equal(before[:, : t + 1], after[:, : t + 1])
    assert not torch.isclose(before[:, t + 1 :], after[:, t + 1 :]).all()


@every
@given(seed=st.integers(0, 999))
def test_one_step_at_a_time_is_all_at_once(agrees, attend, seed):
    query, key, value = inputs(2, n_q=N_K, seed=seed)
    whole = attend(query, key, value, causal_mask(N_K))[0]
    for t in range(N_K):
        one = attend(query[:, t : t + 1], key[:, : t + 1], value[:, : t + 1], causal_mask(1, t + 1, offset=t))[0]
        agrees(one, whole[:, t : t + 1])


@every
@given(seed=st.integers(0, 999), length=st.integers(0, N_K))
def test_padding_changes_nothing(agrees, attend, seed, length):
    query, key, value = inputs(1, seed=seed)
    alone = attend(query, key[:, :length], value[:, :length])[0]
    agrees(attend(query, key, value, padding_mask([length], N_K))[0], alone)


@every
def test_each_sample_is_what_it_is_alone(agrees, attend):
    query, key, value = inputs(3)
    whole = attend(query, key, value)[0]
    for b in range(3):
        agrees(attend(query[b], key[b], value[b])[0], whole[b])


@every
def test_values_are_mixed_and_keys_are_not(attend):
    query, key, value = inputs(2)
    assert torch.allclose(attend(query, key, 2 * value)[0], 2 * attend(query, key, value)[0])
    assert not torch.allclose(attend(query, 2 * key, value)[0], attend(query, key, value)[0])


@every
def test_inputs_are_left_as_they_were(attend):
    tensors = [*inputs(2), EMPTY_ROW.clone()]
    copies = [tensor.clone() for tensor in tensors]
    attend(*tensors)
    for tensor, copy in zip(tensors, copies, strict=True):
        assert torch.equal(tensor, copy)


@every
@pytest.mark.parametrize("mask", [None, EMPTY_ROW], ids=["all", "empty row"])
@pytest.mark.refusal  # not of words: shapes are not enforced inside a compiled graph
def test_compiles_whole(agrees, attend, mask):
    torch._dynamo.reset()
    query, key, value = (tensor.requires_grad_() for tensor in inputs(2))
    weights = {name: weight.clone() for name, weight in attend.weights.items()}
    compiled = torch.compile(
        lambda q, k, v: attend.function(q, k, v, mask, **weights)[0], fullgraph=True, backend="eager"
    )
    agrees(compiled(query, key, value), attend(query, key, value, mask)[0])


@every
@pytest.mark.filterwarnings("ignore:There is a performance drop")  # torch's, about its own kernel
def test_vmap_is_another_leading_axis(agrees, attend):
    query, key, value = inputs(3, 2)
    with torch.no_grad():
        mapped = torch.vmap(lambda q, k, v: attend(q, k, v)[0])(query, key, value)
    agrees(mapped, attend(query, key, value)[0])


@every
def test_autocast_gives_the_low_precision_and_stays_near(attend):
    query, key, value = (tensor.float() for tensor in inputs(2))
    with torch.autocast("cpu", torch.bfloat16):
        output = attend(query.bfloat16(), key, value.bfloat16(), EMPTY_ROW)[0]
    torch.testing.assert_close(output.float(), attend(query, key, value, EMPTY_ROW)[0], rtol=0.05, atol=0.05)


@every
@pytest.mark.refusal
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            lambda q, k, v, m: (q[0, 0], k, v, m),
            ValueError,
            "query must be (..., n, d), got shape (4,).",
        ),
        (lambda q, k, v, m: (q, k[0, 0], v, m), ValueError, "key must be (..., n, d), got shape (4,)."),
        (lambda q, k, v, m: (q, k, v[0, 0], m), ValueError, "value must be (..., n, d), got shape (11,)."),
        (
            lambda q, k, v, m: (q.long(), k, v, m),
            TypeError,
            "query, key and value must be floating point, "
            "got query torch.int64, key torch.float64, value torch.float64.",
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
            lambda q, k, v, m: (q, k[:1], v, m),
            ValueError,
            "query, key and value must agree in their leading axes, "
            "got query (2, 5, 4), key (1, 7, 4), value (2, 7, 11).",
        ),
        (
            lambda q, k, v, m: (q, k, v[:, :6], m),
            ValueError,
            "key and value must agree in n_k, got key (2, 7, 4) with n_k=7, value (2, 6, 11) with n_k=6.",
        ),
        (
            lambda q, k, v, m: (q, k, v, m.double()),
            TypeError,
            "mask must be bool (True = may attend), got torch.float64.",
        ),
        (lambda q, k, v, m: (q, k, v, m.int()), TypeError, "mask must be bool (True = may attend), got torch.int32."),
        (
            lambda q, k, v, m: (q, k, v, m.mT),
            ValueError,
            "mask must broadcast to (..., n_q, n_k) = (2, 5, 7), got shape (7, 5).",
        ),
        (
            lambda q, k, v, m: (q, k, v, m[0]),
            ValueError,
            "mask must broadcast to (..., n_q, n_k) = (2, 5, 7), got shape (7,).",
        ),
        (
            lambda q, k, v, m: (q, k, v, m.expand(3, 5, 7)),
            ValueError,
            "mask must broadcast to (..., n_q, n_k) = (2, 5, 7), got shape (3, 5, 7).",
        ),
    ],
)
def test_refusals(attend, change, error, words):
    with pytest.raises(error) as refusal:
        attend.function(*change(*inputs(2), EMPTY_ROW), **attend.weights)
    assert str(refusal.value) == f"{attend.function.__name__}: {words}"
