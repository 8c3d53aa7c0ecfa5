"""What every attention mechanism must do, whatever its score: a new one joins by one line of MECHANISMS.

Each is tried twice, the reference and its fast twin where it has one, with widths that all differ but that of query and
key, which some mechanisms need equal. A mechanism that lacks a property says so in its line, and the tests of that
property pass it by.
"""

import importlib
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnref import causal_mask, padding_mask

D = 4  # width of query and key
N_Q, N_K, D_V = 5, 7, 11
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


class Mechanism(NamedTuple):
    """Where it is, the shapes of its weights, and what it does not have of what most have."""

    stem: str
    name: str  # of the function, or of the Module
    weights: dict[str, tuple[int, ...]] = {}  # noqa: RUF012 - never changed
    options: dict = {}  # noqa: RUF012
    rows: bool = True  # the mask may differ from query to query
    mixes: bool = True  # the output is a mean of the values: rows of weights sum to one
    order: bool = False  # causal by itself, n_q = n_k
    d_v: int | None = None  # the one width a value may have


MECHANISMS = [
    Mechanism("additive", "additive_attention", {"w_q": (6, D), "w_k": (6, D), "v_a": (6,)}),
    Mechanism(
        "multi_head",
        "MultiHeadAttention",
        {f"{part}_proj.weight": (D, D) for part in ("query", "key", "value", "output")},
        {"d_model": D, "num_heads": 2},
        mixes=False,
        d_v=D,
    ),
    Mechanism("luong", "concat_attention", {"w_a": (6, 2 * D), "v_a": (6,)}),
    Mechanism("luong", "dot_attention"),
    Mechanism("luong", "general_attention", {"w_a": (D, D)}),
    Mechanism("scaled_dot_product", "scaled_dot_product_attention"),
    Mechanism("efficient", "efficient_attention", rows=False),
    Mechanism("efficient", "efficient_attention", options={"normalization": "scaling"}, rows=False, mixes=False),
    Mechanism("linear", "linear_attention", rows=False),
    Mechanism("linear", "causal_linear_attention", rows=False, order=True),
    Mechanism("tiled", "tiled_attention", options={"block": 3}),
]


class Attend(NamedTuple):
    """A mechanism with random weights, bound to `attend(query, key, value, mask)`, and its oracle with the same."""

    id: str
    mechanism: Mechanism
    function: Callable
    oracle: Callable
    weights: dict

    def __call__(self, query, key, value, mask=None, *weights):
        given = dict(zip(self.weights, weights, strict=True)) if weights else self.weights
        return self.function(query, key, value, mask, **{name: w.to(query.dtype) for name, w in given.items()})

    def by_definition(self, *inputs):
        return partial(self.oracle, **{name: w.double().numpy() for name, w in self.weights.items()})(*inputs)

    @property
    def n_q(self):
        return N_K if self.mechanism.order else N_Q

    @property
    def d_v(self):
        return self.mechanism.d_v or D_V

    @property
    def empty(self):
        """A mask with a query that may attend to nothing: the third of each sample, or all of the last sample."""
        if not self.mechanism.rows:
            return padding_mask([3, 0], N_K)
        return torch.ones(self.n_q, N_K, dtype=torch.bool).index_fill(0, torch.tensor(2), False)

    @property
    def masks(self):
        one_for_all = torch.tensor([[True, False, True, True, False, True, True]])
        masks = {
            "all": None,
            "padding": padding_mask([3, 7], N_K),
            "one mask for all queries": one_for_all,
            "empty row": self.empty & one_for_all,
            "nothing at all": torch.zeros(1, 1, dtype=torch.bool),
        }
        return {**masks, "causal": causal_mask(self.n_q, N_K, offset=2)} if self.mechanism.rows else masks

    def inputs(self, *batch, n_q=None, n_k=N_K, d_v=None, dtype=torch.float64, seed=0):
        generator = torch.Generator().manual_seed(seed)
        n_q, d_v = self.n_q if n_q is None else n_q, self.mechanism.d_v or d_v or D_V
        shapes = (*batch, n_q, D), (*batch, n_k, D), (*batch, n_k, d_v)
        return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]

    def random_mask(self, seed, *batch, rate=0.6):
        rows = self.n_q if self.mechanism.rows else 1
        return torch.rand(*batch, rows, N_K, generator=torch.Generator().manual_seed(seed)) < rate


def build(mechanism, room):
    generator = torch.Generator().manual_seed(1)
    # of a kind that all dtypes hold exactly, so that only the arithmetic differs
    weights = {n: torch.randn(*s, generator=generator).bfloat16().double() for n, s in mechanism.weights.items()}
    found = importlib.import_module(f"attnref.{room}.{mechanism.stem}")
    oracle = getattr(importlib.import_module(f"attnref.oracle.{mechanism.stem}"), _snake(mechanism.name))
    function = getattr(found, mechanism.name)
    if isinstance(function, type):
        function = partial(_call, function(**mechanism.options))
    else:
        function = partial(function, **mechanism.options)
    named = "-".join(str(part) for part in (mechanism.name, *mechanism.options.values(), room))
    return Attend(named, mechanism, function, partial(oracle, **mechanism.options), weights)


def _call(module, query, key, value, mask=None, **weights):
    return torch.func.functional_call(module, weights, (query, key, value, mask))


def _snake(name):
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).removeprefix("_")


def _has(mechanism, room):
    module = f"attnref.{room}.{mechanism.stem}"
    return find_spec(module) is not None and hasattr(importlib.import_module(module), mechanism.name)


ATTENDS = [
    build(mechanism, room) for mechanism in MECHANISMS for room in ("attention", "fast") if _has(mechanism, room)
]


def those(condition=lambda mechanism: True):
    chosen = [attend for attend in ATTENDS if condition(attend.mechanism)]
    return pytest.mark.parametrize("attend", chosen, ids=[attend.id for attend in chosen])


every = those()
with_rows = those(lambda mechanism: mechanism.rows)
without_order = those(lambda mechanism: not mechanism.order)
that_mix = those(lambda mechanism: mechanism.mixes)
masked = pytest.mark.parametrize(
    ("attend", "kind"), [pytest.param(a, kind, id=f"{a.id}-{kind}") for a in ATTENDS for kind in a.masks]
)


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
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_agrees_with_oracle_in_every_dtype(agrees, arrays, attend, dtype):
    query, key, value = (tensor.requires_grad_() for tensor in attend.inputs(2, dtype=dtype))
    output, weights = attend(query, key, value, attend.empty)
    expected_output, expected_weights = attend.by_definition(*arrays(query, key, value, attend.empty))
    nothing = ~attend.empty.any(-1).expand(output.shape[:-1])
    assert output.dtype == dtype
    agrees(output, expected_output)
    assert output[nothing].eq(0).all()
    if weights is not None:
        assert weights.dtype == dtype
        agrees(weights, expected_weights)
    output.sum().backward()
    for tensor in (query, key, value):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
    assert query.grad is not None
    assert query.grad[nothing].eq(0).all()


@every
@pytest.mark.parametrize("batch", [(), (1,), (3,), (2, 3), (2, 1, 3), (0,), (2, 0)], ids=str)
def test_takes_any_leading_axes(agrees, arrays, attend, batch):
    query, key, value = attend.inputs(*batch)
    mask = attend.random_mask(0, *(*batch[:-1], 1) if len(batch) > 1 else ())
    mask[..., -1, :] = False
    output, _ = attend(query, key, value, mask)
    agrees(output, attend.by_definition(*arrays(query, key, value, mask))[0])


@every
@pytest.mark.parametrize(("n_q", "n_k"), [(0, 7), (5, 0), (1, 1), (7, 3)])
def test_takes_any_numbers_of_queries_and_keys(agrees, arrays, attend, n_q, n_k):
    query, key, value = attend.inputs(2, n_q=n_k if attend.mechanism.order else n_q, n_k=n_k)
    agrees(attend(query, key, value)[0], attend.by_definition(*arrays(query, key, value))[0])


@every
@pytest.mark.parametrize("empty", [False, True], ids=["all", "empty row"])
def test_gradient(attend, empty):
    tensors = [
        tensor.requires_grad_() for tensor in (*attend.inputs(2, d_v=3), *map(torch.clone, attend.weights.values()))
    ]

    def output(query, key, value, *weights):
        results = attend(query, key, value, attend.empty if empty else None, *weights)
        return tuple(result for result in results if result is not None)

    assert torch.autograd.gradcheck(output, tensors, fast_mode=True)


@that_mix
@given(seed=st.integers(0, 999), rate=st.floats(0, 1))
def test_rows_sum_to_one_or_to_zero_and_mix_the_values(agrees, attend, seed, rate):
    query, key, value = attend.inputs(2, seed=seed)
    mask = attend.random_mask(seed, 2, rate=rate)
    _, weights = attend(query, key, torch.ones_like(value), mask)
    ones = attend(query, key, torch.ones_like(value), mask)[0]  # values of one: the output is the sum of the weights
    if not attend.mechanism.order:
        agrees(ones, mask.any(-1, keepdim=True).double().expand_as(ones))
    else:
        agrees(ones, (mask & causal_mask(N_K)).any(-1, keepdim=True).double().expand_as(ones))
    if weights is not None:
        agrees(weights.sum(-1), mask.any(-1).expand(weights.shape[:-1]))
        assert weights.ge(0).all()
        assert weights[~mask.expand_as(weights)].eq(0).all()
        agrees(attend(query, key, value, mask)[0], weights @ value)


@without_order
@given(seed=st.integers(0, 999))
def test_keys_permuted_with_their_values_change_nothing(agrees, attend, seed):
    query, key, value = attend.inputs(2, seed=seed)
    mask = attend.random_mask(seed)
    order = torch.randperm(N_K, generator=torch.Generator().manual_seed(seed))
    permuted = attend(query, key[:, order], value[:, order], mask[:, order])[0]
    agrees(permuted, attend(query, key, value, mask)[0])


@those(lambda mechanism: mechanism.rows or mechanism.order)
@given(seed=st.integers(0, 999), t=st.integers(0, N_K - 2))
def test_the_future_changes_nothing_under_a_causal_mask(attend, seed, t):
    query, key, value = attend.inputs(2, n_q=N_K, seed=seed)
    mask = None if attend.mechanism.order else causal_mask(N_K)
    before = attend(query, key, value, mask)[0]
    for tensor in (query, key, value):
        tensor[:, t + 1 :] = 100 * torch.randn_like(tensor[:, t + 1 :])
    after = attend(query, key, value, mask)[0]
    assert torch.equal(before[:, : t + 1], after[:, : t + 1])
    assert not torch.isclose(before[:, t + 1 :], after[:, t + 1 :]).all()


@with_rows
@given(seed=st.integers(0, 999))
def test_one_step_at_a_time_is_all_at_once(agrees, attend, seed):
    query, key, value = attend.inputs(2, n_q=N_K, seed=seed)
    whole = attend(query, key, value, causal_mask(N_K))[0]
    for t in range(N_K):
        one = attend(query[:, t : t + 1], key[:, : t + 1], value[:, : t + 1], causal_mask(1, t + 1, offset=t))[0]
        agrees(one, whole[:, t : t + 1])


@every
@given(seed=st.integers(0, 999), length=st.integers(0, N_K))
def test_padding_changes_nothing(agrees, attend, seed, length):
    query, key, value = attend.inputs(1, seed=seed)
    some = slice(length) if attend.mechanism.order else slice(None)
    alone = attend(query[:, some], key[:, :length], value[:, :length])[0]
    agrees(attend(query, key, value, padding_mask([length], N_K))[0][:, some], alone)


@every
def test_each_sample_is_what_it_is_alone(agrees, attend):
    query, key, value = attend.inputs(3)
    whole = attend(query, key, value)[0]
    for b in range(3):
        agrees(attend(query[b], key[b], value[b])[0], whole[b])


@every
def test_values_are_mixed_and_keys_are_not(attend):
    query, key, value = attend.inputs(2)
    assert torch.allclose(attend(query, key, 2 * value)[0], 2 * attend(query, key, value)[0])
    assert not torch.allclose(attend(query, 2 * key, value)[0], attend(query, key, value)[0])


@every
def test_inputs_are_left_as_they_were(attend):
    tensors = [*attend.inputs(2), attend.empty.clone()]
    copies = [tensor.clone() for tensor in tensors]
    attend(*tensors)
    for tensor, copy in zip(tensors, copies, strict=True):
        assert torch.equal(tensor, copy)


@every
@pytest.mark.parametrize("empty", [False, True], ids=["all", "empty row"])
@pytest.mark.refusal  # not of words: shapes are not enforced inside a compiled graph
def test_compiles_whole(agrees, attend, empty):
    torch._dynamo.reset()
    query, key, value = (tensor.requires_grad_() for tensor in attend.inputs(2))
    mask = attend.empty if empty else None
    weights = {name: weight.clone() for name, weight in attend.weights.items()}
    compiled = torch.compile(
        lambda q, k, v: attend.function(q, k, v, mask, **weights)[0], fullgraph=True, backend="eager"
    )
    agrees(compiled(query, key, value), attend(query, key, value, mask)[0])


@every
@pytest.mark.filterwarnings("ignore:There is a performance drop")  # torch's, about its own kernel
def test_vmap_is_another_leading_axis(agrees, attend):
    query, key, value = attend.inputs(3, 2)
    with torch.no_grad():
        mapped = torch.vmap(lambda q, k, v: attend(q, k, v)[0])(query, key, value)
    agrees(mapped, attend(query, key, value)[0])


@every
def test_autocast_gives_the_low_precision_and_stays_near(attend):
    query, key, value = (tensor.float() for tensor in attend.inputs(2))
    with torch.autocast("cpu", torch.bfloat16):
        output = attend(query.bfloat16(), key, value.bfloat16(), attend.empty)[0]
    torch.testing.assert_close(output.float(), attend(query, key, value, attend.empty)[0], rtol=0.05, atol=0.05)


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
        (lambda q, k, v, m: (q, k, v[0, 0], m), ValueError, "value must be (..., n, d), got shape ({d_v},)."),
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
            "got query (2, {n_q}, 4), key (1, 7, 4), value (2, 7, {d_v}).",
        ),
        (
            lambda q, k, v, m: (q, k, v[:, :6], m),
            ValueError,
            "key and value must agree in n_k, got key (2, 7, 4) with n_k=7, value (2, 6, {d_v}) with n_k=6.",
        ),
        (
            lambda q, k, v, m: (q, k, v, m.double()),
            TypeError,
            "mask must be bool (True = may attend), got torch.float64.",
        ),
        (lambda q, k, v, m: (q, k, v, m.int()), TypeError, "mask must be bool (True = may attend), got torch.int32."),
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
    ],
)
def test_refusals(attend, change, error, words):
    with pytest.raises(error) as refusal:
        attend.function(*change(*attend.inputs(2), attend.empty), **attend.weights)
    assert str(refusal.value) == f"{attend.mechanism.name}: {words.format(n_q=attend.n_q, d_v=attend.d_v)}"


@those(lambda mechanism: not mechanism.rows)
@pytest.mark.refusal
def test_refuses_a_mask_that_differs_from_query_to_query(attend):
    mask = torch.ones(attend.n_q, N_K, dtype=torch.bool)
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the words are compared whole
        attend.function(*attend.inputs(2), mask, **attend.weights)
    assert str(refusal.value) == (
        f"{attend.mechanism.name}: mask must be the same for all queries, (..., 1, n_k), got shape {tuple(mask.shape)}."
    )
