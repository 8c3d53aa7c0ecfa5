"""Linear attention against its definition, torch's softmax attention with enough features, and RWKV.

What every attention must do is in test_attend.py.
"""

import numpy as np
import pytest
import torch
from drawing import shared_mask_cases
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from attnref import causal_linear_attention, causal_mask, linear_attention, linear_attention_step
from attnref.attention import linear as reference
from attnref.attention._features import elu_plus_one
from attnref.fast import linear as fast
from attnref.oracle import linear as oracle

full = pytest.mark.parametrize("function", [linear_attention, fast.linear_attention], ids=["reference", "fast"])
causal = pytest.mark.parametrize(
    "function", [causal_linear_attention, fast.causal_linear_attention], ids=["reference", "fast"]
)
every = pytest.mark.parametrize(
    "function",
    [linear_attention, fast.linear_attention, causal_linear_attention, fast.causal_linear_attention],
    ids=["full", "full-fast", "causal", "causal-fast"],
)
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
MASKS = {
    "all": None,
    "some": torch.tensor([[[True, False, True, True, False, True, True]], [[False] * 4 + [True] * 3]]),
    "none": torch.zeros(2, 1, 7, dtype=torch.bool),
}
masks = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)


def both_signs(x):
    """Six features of three numbers: what is above zero and what is below."""
    return torch.cat((x.clamp(min=0), (-x).clamp(min=0)), dim=-1)


MAPS = {
    "elu + 1": ({}, {}),
    "relu": ({"feature_map": torch.relu}, {"feature_map": lambda x: np.maximum(x, 0)}),
    "exp": ({"feature_map": torch.exp}, {"feature_map": np.exp}),
    "more than d_k": (
        {"feature_map": both_signs},
        {"feature_map": lambda x: np.concatenate((np.maximum(x, 0), np.maximum(-x, 0)))},
    ),
}
maps = pytest.mark.parametrize(("ours", "theirs"), MAPS.values(), ids=MAPS)


def inputs(function=None, n=7, dtype=torch.float64):
    """Every size differs: d_k=3, d_v=11, and n_q=5 where there may be another number of queries."""
    n_q = n if function is None or "causal" in function.__name__ else 5
    return [torch.randn(shape).to(dtype) for shape in ((2, n_q, 3), (2, n, 3), (2, n, 11))]


def step_by_step(query, key, value, state=None, **options):
    outputs = []
    for t in range(query.shape[-2]):
        output, state = linear_attention_step(query[..., t, :], key[..., t, :], value[..., t, :], state, **options)
        outputs.append(output)
    return torch.stack(outputs, dim=-2), state


@every
@masks
@maps
def test_agrees_with_oracle_whatever_the_features(agrees, arrays, function, mask, ours, theirs):
    qkv = inputs(function)
    output, weights = function(*qkv, mask, **ours)
    expected, _ = getattr(oracle, function.__name__)(*arrays(*qkv, mask), **theirs)
    assert weights is None
    agrees(output, expected)


def as_many_queries_as_keys(function, tensors):
    """Causal attention has a query for each key."""
    query, key, value = tensors
    return [key.flip(-1) if "causal" in function.__name__ else query, key, value]


@every
@given(case=shared_mask_cases())
def test_agrees_with_oracle_whatever_the_sizes_and_blocks(agrees, arrays, function, case):
    tensors, mask, block = case
    leaves = [tensor.clone().requires_grad_() for tensor in as_many_queries_as_keys(function, tensors)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "CHUNK", block)
        patch.setattr(fast, "BLOCK", block)
        output = function(*leaves, mask)[0]
    agrees(output, getattr(oracle, function.__name__)(*arrays(*leaves, mask))[0])
    expected = getattr(reference, function.__name__)(*leaves, mask)[0]
    gradients = [torch.autograd.grad(out.square().sum(), leaves) for out in (output, expected)]
    for mine, other in zip(*gradients, strict=True):
        agrees(mine, other)


@every
@given(
    case=shared_mask_cases(),
    what=st.sampled_from([torch.nan, torch.inf, -torch.inf]),
    at=st.integers(0, 2),
    spot=st.integers(0, 8),
)
def test_what_is_not_finite_stays_with_the_queries_that_attend_to_it(agrees, function, case, what, at, spot):
    """A masked or later key or value reaches nothing, a query only itself; the rest is as with zeros in its stead."""
    tensors, mask, block = case
    tensors = [tensor.clone() for tensor in as_many_queries_as_keys(function, tensors)]
    is_causal = "causal" in function.__name__
    mask = mask if mask is not None or is_causal else torch.ones(1, 1, dtype=torch.bool)
    n_q, n_k = tensors[0].shape[-2], tensors[1].shape[-2]
    spot %= tensors[at].shape[-2]
    tensors[at][..., spot, 0] = 0
    clean = [tensor.clone().requires_grad_() for tensor in tensors]
    tensors[at][..., spot, 0] = what
    broken = [tensor.requires_grad_() for tensor in tensors]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "CHUNK", block)
        patch.setattr(fast, "BLOCK", block)
        outs = [function(*leaves, mask)[0] for leaves in (broken, clean)]
    seen = torch.ones(n_q, n_k, dtype=torch.bool) if mask is None else mask.expand(*mask.shape[:-2], n_q, n_k)
    seen = seen & causal_mask(n_q) if is_causal else seen
    lost = seen.any(-1) & (torch.arange(n_q) == spot) if at == 0 else seen[..., spot]
    lost = lost[..., None].expand(outs[0].shape)
    assert outs[0][lost].isnan().all()
    agrees(outs[0][~lost], outs[1][~lost])
    gradients = [
        torch.autograd.grad(out[~lost].square().sum(), leaves)
        for out, leaves in zip(outs, (broken, clean), strict=True)
    ]
    for which, (mine, expected) in enumerate(zip(*gradients, strict=True)):
        if which == at:
            assert mine[..., spot, 0].eq(0).all()
            expected = expected.clone()
            expected[..., spot, 0] = 0
        agrees(mine, expected)


# Features so small that their products underflow: every dtype is widened to float32, which ends at exp(-104).


def far_below_zero(function, level, dtype):
    """Query, key and value whose features are all about exp(level), as different from each other as any."""
    query, key, value = inputs(function)
    return [tensor.to(dtype) for tensor in (level + query, level + key, value)]


DEPTHS = [(torch.float16, -18), (torch.float16, -60), (torch.bfloat16, -80), (torch.float32, -60), (torch.float32, -80)]


@every
@masks
@pytest.mark.parametrize(("dtype", "level"), [*DEPTHS, (torch.float64, -600)], ids=str)
def test_small_features_give_the_mean_that_they_should(agrees, arrays, function, mask, dtype, level):
    """Output and gradients, against float64, where exp(-80) exp(-80) is a number like any other."""
    leaves = [tensor.requires_grad_() for tensor in far_below_zero(function, level, dtype)]
    output = function(*leaves, mask)[0]
    shift = level + 60 if dtype == torch.float64 else 0  # a factor of all features cancels; float64 has its end too
    wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
    moved = [wide[0] - shift, wide[1] - shift, wide[2]]
    agrees(output, getattr(oracle, function.__name__)(*arrays(*moved, mask))[0])
    mine = torch.autograd.grad(output.square().sum(), leaves)
    expected = torch.autograd.grad(getattr(reference, function.__name__)(*moved, mask)[0].square().sum(), wide)
    tolerance = {torch.float64: 1e-9, torch.float32: 1e-5, torch.float16: 2e-2, torch.bfloat16: 1e-1}[dtype]
    for ours, theirs in zip(mine, expected, strict=True):
        assert ours.dtype == dtype
        assert (ours.double() - theirs).norm() <= tolerance * theirs.norm()


@pytest.mark.parametrize(("dtype", "level"), DEPTHS, ids=str)
def test_small_features_give_the_mean_step_by_step(agrees, arrays, dtype, level):
    leaves = far_below_zero(None, level, dtype)
    expected = oracle.causal_linear_attention(*arrays(*leaves))[0]
    agrees(step_by_step(*leaves)[0], expected)


@every
def test_where_small_features_end(function):
    """What the docstring says: at -87 the digits are there, at -104 the features are zero, and so is the output."""
    query, key, value = torch.zeros(1, 3, 2), torch.zeros(1, 3, 2), torch.tensor([[[1.0], [2.0], [4.0]]])
    last = function(query - 87, key - 87, value)[0][0, -1]
    assert last.item() == pytest.approx(7 / 3, rel=1e-6)
    assert function(query - 87, key - 104, value)[0].eq(0).all()
    assert function(query - 104, key - 87, value)[0].eq(0).all()
    leaves = [tensor.double() for tensor in (query - 708, key - 708, value)]
    assert function(*leaves)[0][0, -1].item() == pytest.approx(7 / 3, rel=1e-12)
    assert function(leaves[0] - 38, *leaves[1:])[0].eq(0).all()


@every
@pytest.mark.parametrize("level", [1e15, 1e19])
def test_large_features_do_not_overflow(agrees, function, level):
    """Their products would, in float32: 1e19 times 1e20 is beyond it."""
    query, key, value = torch.full((1, 3, 2), 10 * level), torch.full((1, 3, 2), level), torch.randn(1, 3, 4)
    expected = value.cumsum(1) / torch.arange(1, 4)[:, None] if "causal" in function.__name__ else value.mean(1, True)
    agrees(function(query, key, value)[0], expected.expand(1, 3, 4))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@maps
def test_step_agrees_with_oracle(agrees, arrays, dtype, ours, theirs):
    state = expected_state = None
    for _ in range(3):
        one = [tensor[:, 0] for tensor in inputs(dtype=dtype)]
        output, state = linear_attention_step(*one, state, **ours)
        expected, expected_state = oracle.linear_attention_step(*arrays(*one), expected_state, **theirs)
        assert output.dtype == dtype
        agrees(output, expected)
        for sums, wanted in zip(state, expected_state, strict=True):
            assert sums.dtype == torch.promote_types(dtype, torch.float32)
            agrees(sums, wanted, dtype)


@causal
@masks
def test_causal_is_the_lower_triangle_with_rows_that_sum_to_one(agrees, function, mask):
    query, key, value = inputs()
    fit = (F.elu(query) + 1) @ (F.elu(key) + 1).mT
    fit = (fit if mask is None else fit * mask).tril()
    agrees(function(query, key, value, mask)[0], F.normalize(fit, p=1, dim=-1) @ value)


@every
@given(seed=st.integers(0, 999), n=st.integers(1, 9))
def test_the_last_position_of_causal_sees_what_all_see(agrees, function, seed, n):
    torch.manual_seed(seed)
    query, key, value = inputs(n=n)
    agrees(function(query, key, value)[0][:, -1], linear_attention(query, key, value)[0][:, -1])


@causal
@given(seed=st.integers(0, 999), n=st.integers(1, 9))
def test_step_by_step_is_all_at_once(agrees, function, seed, n):
    torch.manual_seed(seed)
    qkv = inputs(n=n)
    steps, state = step_by_step(*qkv)
    agrees(steps, function(*qkv)[0])
    features = F.elu(qkv[1]) + 1
    agrees(state[0], features.mT @ qkv[2])
    agrees(state[1], features.sum(-2))


@given(n=st.integers(2, 9), cut=st.integers(1, 8))
def test_the_state_carries_the_first_part_over_to_the_second(agrees, n, cut):
    query, key, value = inputs(n=n)
    cut = min(cut, n - 1)
    whole, last = step_by_step(query, key, value)
    first, state = step_by_step(query[:, :cut], key[:, :cut], value[:, :cut])
    second, state = step_by_step(query[:, cut:], key[:, cut:], value[:, cut:], state)
    assert torch.equal(torch.cat((first, second), dim=1), whole)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(state, last, strict=True))
    assert [tuple(sums.shape) for sums in state] == [(2, 3, 11), (2, 3)]


def test_step_leaves_the_state_that_it_was_given():
    query, key, value = (tensor[:, 0] for tensor in inputs())
    _, state = linear_attention_step(query, key, value)
    copies = [sums.clone() for sums in state]
    linear_attention_step(query, key, value, state)
    assert all(torch.equal(sums, copy) for sums, copy in zip(state, copies, strict=True))


@every
@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 100])
@masks
def test_fast_is_the_same_whatever_the_block(agrees, monkeypatch, function, size, mask):
    monkeypatch.setattr(fast, "CHUNK", size)
    monkeypatch.setattr(fast, "BLOCK", size)
    leaves = [tensor.requires_grad_() for tensor in inputs(function)]
    results = [call(*leaves, mask)[0] for call in (function, getattr(reference, function.__name__))]
    agrees(*results)
    gradients = [torch.autograd.grad(result.square().sum(), leaves) for result in results]
    for ours, theirs in zip(*gradients, strict=True):
        agrees(ours, theirs)


@every
@pytest.mark.parametrize("n", [0, 1, 2, 63, 64, 65, 130])
def test_the_form_without_a_loop_is_the_same(agrees, monkeypatch, function, n):
    """What a program holds that torch compiles or exports, for every length; 64 positions are one chunk."""
    leaves = [tensor.requires_grad_() for tensor in inputs(function, n=n)]
    for mask in (None, torch.rand(2, 1, n) < 0.6):
        outs = [function(*leaves, mask)[0]]
        with monkeypatch.context() as patch:
            patch.setattr(reference, "records", lambda: True)
            patch.setattr(fast, "records", lambda: True)
            outs.append(function(*leaves, mask)[0])
        agrees(*outs)
        gradients = [torch.autograd.grad(out.square().sum(), leaves, materialize_grads=True) for out in outs]
        for mine, other in zip(*gradients, strict=True):
            agrees(mine, other)


@pytest.mark.parametrize("function", [fast.linear_attention, fast.causal_linear_attention], ids=["full", "causal"])
def test_fast_never_forms_the_weights_or_a_state_for_each_position(function):
    """Nothing that is made is larger than the longest of inputs and output."""
    n = 700
    qkv = [torch.randn(1, n, d) for d in (8, 8, 16)]
    largest = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            largest.append(max((t.untyped_storage().nbytes() for t in [out] if isinstance(t, torch.Tensor)), default=0))
            return out

    with Watch():
        function(*qkv)
    assert max(largest) <= n * 16 * 4


def exponential(x, terms=25):
    """The power series of exp(q k), one feature for each term: x^m / sqrt(m!). Of two axes, each with each."""
    m = torch.arange(terms, dtype=torch.float64)
    series = x[..., None] ** m / torch.lgamma(m + 1).exp().sqrt()
    return series[..., 0, :] if x.shape[-1] == 1 else (series[..., 0, :, None] * series[..., 1, None, :]).flatten(-2)


@every
@pytest.mark.parametrize("d_k", [1, 2])
@pytest.mark.parametrize("n", [7, 70])
def test_with_the_features_of_exp_it_is_torchs_softmax_attention(agrees, function, d_k, n):
    """exp(q k) = sum_m q^m k^m / m!, so enough features give the weights of a kernel that nobody here wrote."""
    query, key = (torch.randn(2, n, d_k, dtype=torch.float64).clamp(-1.5, 1.5) for _ in range(2))
    value = torch.randn(2, n, 11, dtype=torch.float64)
    is_causal = "causal" in function.__name__
    expected = F.scaled_dot_product_attention(query, key, value, is_causal=is_causal, scale=1.0)
    agrees(function(query, key, value, feature_map=exponential)[0], expected)
    mask = torch.rand(2, 1, n) < 0.6
    mask[..., 0] = True
    may = mask & torch.ones(n, n, dtype=torch.bool).tril() if is_causal else mask.expand(2, n, n)
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=may, scale=1.0)
    agrees(function(query, key, value, mask, feature_map=exponential)[0], expected)


@pytest.mark.interop
@causal
def test_agrees_with_rwkv(agrees, function):
    """RWKV's mixing of time is this, with one feature: without decay and bonus, w = exp(k). Its state is S and z."""
    rwkv = pytest.importorskip("transformers.models.rwkv.modeling_rwkv")
    key, value = torch.randn(2, 9, 3), torch.randn(2, 9, 3)
    no_decay, no_bonus = torch.full((3,), -torch.inf), torch.zeros(3)
    expected, _ = rwkv.rwkv_linear_attention_cpu(no_decay, no_bonus, key, value)
    alone = [tensor.mT[..., None] for tensor in (torch.zeros_like(key), key, value)]  # each channel by itself
    agrees(function(*alone, feature_map=torch.exp)[0][..., 0].mT, expected)


@pytest.mark.interop
def test_state_agrees_with_rwkv(agrees):
    """Each pair of a feature and a value as a channel of its own: S and z, entry by entry."""
    rwkv = pytest.importorskip("transformers.models.rwkv.modeling_rwkv")
    query, key, value = inputs(dtype=torch.float32)
    every_pair = key.repeat_interleave(11, dim=-1), value.repeat(1, 1, 3)
    _, (sum_kv, sum_k, largest) = rwkv.rwkv_linear_attention_cpu(
        torch.full((33,), -torch.inf), torch.zeros(33), *every_pair, return_state=True
    )
    _, (ours_kv, ours_k) = step_by_step(query, key, value, feature_map=torch.exp)
    agrees(ours_kv, (sum_kv * largest.exp()).unflatten(-1, (3, 11)), torch.float32)
    agrees(ours_k, (sum_k * largest.exp()).unflatten(-1, (3, 11))[..., 0], torch.float32)


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("autocast", [False, True])
def test_long_inputs_do_not_overflow_half_precision(agrees, function, dtype, autocast):
    """1200 keys of 64 features: the denominator, about 1e5, is beyond float16's 65504, and bfloat16 has 8 bits."""
    query, key, value = (torch.randn(1, 1200, d).to(dtype) for d in (64, 64, 2))
    expected = function(query.double(), key.double(), value.double())[0]
    with torch.autocast("cpu", dtype, enabled=autocast):
        output = function(query, key, value)[0]
    agrees(output, expected)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_learned_features_are_left_to_autocast(agrees, function, dtype):
    """The sums are made without it, the features with it: the weights of the feature map stay in float32.

    The output has the dtype of autocast, as of any matrix product, and a gradient that of its input.
    """
    layer, (query, key, value) = torch.nn.Linear(3, 6), inputs(function, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        leaves = [x.to(dtype).requires_grad_() for x in (query, key, value)]
        output = function(*leaves, feature_map=lambda x: layer(x).relu())[0]
    assert output.dtype == torch.bfloat16
    output.float().sum().backward()
    assert all(leaf.grad is not None and leaf.grad.dtype == dtype for leaf in leaves)
    expected = function(query, key, value, feature_map=lambda x: layer(x).relu())[0]
    agrees(output, expected, torch.bfloat16)


@every
def test_sums_are_left_alone_by_autocast(function):
    """All keys alike, so that the output is the mean of 257 and -255; bfloat16 would sum 256 in place of 257."""
    x, value = torch.zeros(1, 4, 3), torch.tensor([[[257.0], [-255.0]] * 2])
    with torch.autocast("cpu", torch.bfloat16):
        output = function(x, x, value)[0]
    assert output[0, -1].item() == 1


def test_step_under_autocast(agrees):
    """The output as any matrix product, the state in float32."""
    query, key, value = inputs(dtype=torch.float32)
    expected, _ = step_by_step(query, key, value)
    with torch.autocast("cpu", torch.bfloat16):
        output, state = step_by_step(query, key, value)
    assert output.dtype == torch.bfloat16
    assert [sums.dtype for sums in state] == [torch.float32] * 2
    agrees(output, expected, torch.bfloat16)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_features_keep_their_digits_far_below_zero(dtype):
    x = torch.tensor([-9.0, -5.0, -0.25, 0.0, 0.25, 3.0], dtype=torch.float64)
    narrow = x.to(dtype, copy=True).requires_grad_()
    features = elu_plus_one(narrow)
    expected = torch.from_numpy(oracle.elu_plus_one(x.numpy()))
    tolerance = {torch.float64: 1e-15, torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 1e-2}[dtype]
    torch.testing.assert_close(features.double(), expected, rtol=tolerance, atol=0)
    (gradient,) = torch.autograd.grad(features.sum(), narrow)
    torch.testing.assert_close(gradient.double(), x.exp().clamp(max=1), rtol=tolerance, atol=0)


@every
def test_a_query_whose_features_meet_no_keys_gets_zeros(function):
    """Not masked: the two have no feature in common. Then gradients are zero too."""
    query, key = torch.tensor([[[1.0, 0.0]] * 3]), torch.tensor([[[0.0, 1.0]] * 3])
    leaves = [tensor.requires_grad_() for tensor in (query, key, torch.randn(1, 3, 4))]
    output = function(*leaves, feature_map=lambda x: x)[0]
    assert output.eq(0).all()
    for gradient in torch.autograd.grad(output.sum(), leaves, materialize_grads=True):
        assert gradient.eq(0).all()


@every
@given(scale=st.sampled_from([1e-3, 7.0, 1e3]))
def test_the_scale_of_the_features_cancels(agrees, function, scale):
    qkv = inputs(function)
    plain = function(*qkv, feature_map=torch.exp)[0]
    agrees(function(*qkv, feature_map=lambda x: scale * x.exp())[0], plain)


@every
@pytest.mark.refusal
def test_refuses_query_and_key_of_two_sizes(refuses, function):
    query, key, value = inputs(function)
    refuses(
        lambda: function(query[..., :2], key, value),
        ValueError,
        f"{function.__name__}: query and key must agree in d_k, got query (2, {query.shape[1]}, 2) with d_k=2, "
        "key (2, 7, 3) with d_k=3.",
    )


@causal
@pytest.mark.refusal
def test_causal_refuses_other_numbers_of_queries_than_of_keys(refuses, function):
    query, key, value = inputs()
    refuses(
        lambda: function(query[:, :5], key, value),
        ValueError,
        "causal_linear_attention: query and key must agree in n, got query (2, 5, 3) with n=5, key (2, 7, 3) with n=7.",
    )


def state(kv=(2, 3, 11), k=(2, 3), dtype=torch.float64):
    return torch.zeros(kv, dtype=dtype), torch.zeros(k, dtype=dtype)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"query": [0.0]}, TypeError, "query must be a torch.Tensor, got list."),
        ({"state": torch.zeros(2, 3, 11).double()}, TypeError, "state must be the pair (S, z), got torch.Tensor."),
        ({"state": (torch.zeros(2, 3),)}, TypeError, "state must be the pair (S, z), got tuple."),
        ({"state": (torch.zeros(2, 3, 11), None)}, TypeError, "z must be a torch.Tensor, got NoneType."),
        ({"query": torch.zeros(())}, ValueError, "query must be (..., d_k), got shape ()."),
        (
            {"key": torch.zeros(3)},
            ValueError,
            "key must be (..., d) with as many axes as query, 2, got shape (3,).",
        ),
        (
            {"value": torch.zeros(2, 11).half()},
            TypeError,
            "query, key and value must share one dtype, "
            "got query torch.float64, key torch.float64, value torch.float16.",
        ),
        (
            {"key": torch.zeros(2, 4).double()},
            ValueError,
            "query and key must agree in d_k, got query (2, 3) with d_k=3, key (2, 4) with d_k=4.",
        ),
        (
            {"key": torch.zeros(1, 3).double()},
            ValueError,
            "query, key and value must agree in batch, "
            "got query (2, 3) with batch=2, key (1, 3) with batch=1, value (2, 11) with batch=2.",
        ),
        ({"state": state(kv=(3, 11))}, ValueError, "S must be (..., d_phi, d_v), got shape (3, 11)."),
        ({"state": state(k=(3,))}, ValueError, "z must be (..., d_phi), got shape (3,)."),
        (
            {"state": state(dtype=torch.float16)},
            TypeError,
            "S, z and features must share one dtype, got S torch.float16, z torch.float16, features torch.float64.",
        ),
        (
            {"state": state(kv=(2, 4, 11))},
            ValueError,
            "S, z and features must agree in d_phi, "
            "got S (2, 4, 11) with d_phi=4, z (2, 3) with d_phi=3, features (2, 3) with d_phi=3.",
        ),
        (
            {"state": state(kv=(2, 3, 1))},
            ValueError,
            "S and value must agree in d_v, got S (2, 3, 1) with d_v=1, value (2, 11) with d_v=11.",
        ),
        (
            {"state": state(kv=(1, 3, 11))},
            ValueError,
            "S, z and value must agree in batch, "
            "got S (1, 3, 11) with batch=1, z (2, 3) with batch=2, value (2, 11) with batch=2.",
        ),
    ],
)
def test_step_refusals(refuses, change, error, words):
    qkv = dict(zip(("query", "key", "value"), (tensor[:, 0] for tensor in inputs()), strict=True))
    refuses(lambda: linear_attention_step(**{**qkv, **change}), error, f"linear_attention_step: {words}")
