"""Tiled attention: the same as scaled dot-product attention whatever the blocks, without the table of all scores.

What every attention must do is in test_attend.py, run there with blocks of 3.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import forward_ad
from torch.nn import functional as F

from attnref import causal_mask, padding_mask, scaled_dot_product_attention, tiled_attention
from attnref.attention import _blocks
from attnref.fast import tiled as fast_module
from attnref.fast.tiled import tiled_attention as fast
from attnref.oracle.scaled_dot_product import scaled_dot_product_attention as definition
from attnref.oracle.tiled import tiled_attention as oracle

both = pytest.mark.parametrize("attend", [tiled_attention, fast], ids=["reference", "fast"])
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
MASK = torch.rand(3, 1, 5, 7, generator=torch.Generator().manual_seed(0)) < 0.6
MASK[1, 0, 2] = False  # a fully masked row
MASKS = {"all": None, "some": MASK, "one for all": MASK[0, 0], "keys": MASK[:, :, 1:2], "causal": causal_mask(5, 7)}


def inputs(*batch, n_q=5, n_k=7, d_k=4, d_v=11, dtype=torch.float64):
    return [torch.randn(*batch, n, d).to(dtype).requires_grad_() for n, d in ((n_q, d_k), (n_k, d_k), (n_k, d_v))]


@st.composite
def cases(draw):
    """Sizes, a block size that need not divide them, and a mask that broadcasts in any of its axes, or none."""
    batch = draw(st.lists(st.integers(1, 3), max_size=2))
    n_q, n_k, d_k, d_v = (draw(st.integers(1, 9)) for _ in range(4))
    block, seed = draw(st.integers(1, 10)), draw(st.integers(0, 999))
    mask = None
    if draw(st.booleans()):
        shape = [size if draw(st.booleans()) else 1 for size in (*batch, n_q, n_k)][draw(st.integers(0, len(batch))) :]
        rate = draw(st.sampled_from([0.0, 0.3, 0.7, 1.0]))
        mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < rate
    torch.manual_seed(seed)
    return inputs(*batch, n_q=n_q, n_k=n_k, d_k=d_k, d_v=d_v), mask, block


@given(case=cases())
def test_running_sums_are_the_definition(arrays, case):
    """The oracle's, one key at a time, against the softmax over all keys at once."""
    tensors, mask, _ = case
    given = arrays(*tensors, mask)
    np.testing.assert_allclose(oracle(*given)[0], definition(*given)[0], rtol=1e-12, atol=1e-12)


def test_oracle_by_hand():
    """Scores 0 and log 3: the first key gives sums of 1 and 8, the second rescales both to a third, adds 1 and 4."""
    key, value = np.array([[0.0], [math.log(3)]]), np.array([[8.0], [4.0]])
    output, weights = oracle(np.ones((1, 1)), key, value)
    assert output[0, 0] == pytest.approx((8 / 3 + 4) / (1 / 3 + 1))
    assert weights is None


@both
@given(case=cases())
def test_blocks_change_neither_output_nor_gradients(agrees, arrays, attend, case):
    tensors, mask, block = case
    output, weights = attend(*tensors, mask, block=block)
    agrees(output, oracle(*arrays(*tensors, mask))[0])
    assert weights is None
    expected = scaled_dot_product_attention(*tensors, mask)[0]
    gradients = [torch.autograd.grad(out.square().sum(), tensors) for out in (output, expected)]
    for mine, other in zip(*gradients, strict=True):
        agrees(mine, other)


@both
@pytest.mark.parametrize("kind", MASKS)
def test_agrees_with_torch_and_its_gradients(agrees, attend, kind):
    leaves = inputs(3, 2)
    ours = attend(*leaves, MASKS[kind], block=3)[0]
    theirs = F.scaled_dot_product_attention(*leaves, attn_mask=MASKS[kind])
    agrees(ours, theirs)
    for mine, torchs in zip(*(torch.autograd.grad(out.square().sum(), leaves) for out in (ours, theirs)), strict=True):
        agrees(mine, torchs)


@both
@pytest.mark.parametrize(("d_k", "d_v"), [(0, 2), (2, 0)])
def test_keys_or_values_of_size_zero(agrees, attend, d_k, d_v):
    """With d_k = 0 all scores are zero, and the output is the mean."""
    tensors = inputs(3, 2, d_k=d_k, d_v=d_v)
    agrees(attend(*tensors, MASK, block=2)[0], scaled_dot_product_attention(*tensors, MASK)[0])


LARGE = {
    "all": None,
    "causal": causal_mask(300),
    "padding": padding_mask(torch.tensor([[300], [7], [0]]), 300),
    "both": causal_mask(300) & padding_mask(torch.tensor([[300], [7], [0]]), 300),
    "of each head": torch.rand(1, 5, 300, 300, generator=torch.Generator().manual_seed(0)) < 0.3,
}


@both
@pytest.mark.parametrize("kind", LARGE)
def test_with_more_queries_and_samples_than_one_block(agrees, attend, kind):
    """Two blocks of the sizes that are the defaults, and 15 samples, of which the fast version takes 8 at a time."""
    leaves = inputs(3, 5, n_q=300, n_k=300, d_v=3)
    outs = [f(*leaves, LARGE[kind])[0] for f in (attend, scaled_dot_product_attention)]
    agrees(*outs)
    for mine, expected in zip(*(torch.autograd.grad(out.square().sum(), leaves) for out in outs), strict=True):
        agrees(mine, expected)


@both
@pytest.mark.parametrize("kind", MASKS)
def test_the_form_without_a_loop_is_the_same(agrees, monkeypatch, attend, kind):
    """What a program holds that torch compiles or exports, for every length."""
    leaves = inputs(3, 2)
    expected = attend(*leaves, MASKS[kind], block=2)[0]
    monkeypatch.setattr(_blocks, "records", lambda: True)
    agrees(attend(*leaves, MASKS[kind], block=2)[0], expected)


# Extremes


def scores_alone(scores, mask, dtype):
    """Query, key and value whose scores are these, exactly, and whose output is the weights."""
    query, key = torch.ones(1, 1), torch.tensor(scores, dtype=torch.float64)[:, None]
    leaves = [x.to(dtype).requires_grad_() for x in (query, key, torch.eye(len(scores)))]
    return leaves, None if mask is None else torch.tensor([mask])


@both
@given(data=st.data(), dtype=st.sampled_from(DTYPES), block=st.integers(1, 4))
def test_finite_scores_of_any_size_are_weighed_alike(agrees, attend, data, dtype, block):
    """From one end of the dtype to the other, in any order, beside masked keys: output and gradients are those of the
    softmax over the keys that are not masked.
    """
    info = torch.finfo(dtype)
    numbers = [info.min, info.max, -6e4 if dtype == torch.float16 else -5e4, -4.9e4, 0.0, 1.0, 20.0]
    some = data.draw(st.sampled_from([numbers, numbers[:1], numbers[2:4]]))
    scores = data.draw(st.lists(st.sampled_from(some), min_size=1, max_size=5))
    mask = data.draw(st.none() | st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    leaves, mask = scores_alone(scores, mask, dtype)
    output = attend(*leaves, mask, block=block)[0]
    exact = leaves[1].detach().double().mT.clone().requires_grad_()
    seen = torch.ones_like(exact, dtype=torch.bool) if mask is None else mask
    expected = exact.masked_fill(~seen, -torch.inf).softmax(-1) if seen.any() else 0 * exact
    agrees(output, expected)
    along = torch.arange(1.0, 1 + len(scores))
    mine = torch.autograd.grad((output * along.to(dtype)).sum(), leaves[1:])
    (of_scores,) = torch.autograd.grad((expected * along.double()).sum(), exact)
    agrees(mine[0], of_scores.mT)
    agrees(mine[1], expected.mT * along)


@both
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("rising", [True, False])
def test_large_scores_neither_overflow_nor_vanish(attend, dtype, rising):
    """Scores from -1600 to 1600, in either order: the max takes all, and the sums never leave the range."""
    key = torch.linspace(-40, 40, 9).to(dtype)[:, None] * (1 if rising else -1)
    leaves = [x.requires_grad_() for x in (torch.tensor([[40.0]]).to(dtype), key, torch.arange(9.0).to(dtype)[:, None])]
    output = attend(*leaves, block=2)[0]
    assert output.item() == pytest.approx(8 if rising else 0, abs=1e-12)
    output.sum().backward()
    assert all(leaf.grad is not None and leaf.grad.isfinite().all() for leaf in leaves)


@both
@pytest.mark.parametrize("mask", [None, torch.tensor([[True, True, False, True]])], ids=["all", "some"])
def test_half_precision_scores_that_overflow(agrees, attend, mask):
    """90000 and 80000 both become float16's 65504: they share the weight, and the gradients are those of torch."""
    query, key = torch.full((1, 1), 300.0).half(), torch.tensor([[300.0], [267.0], [-300.0], [1.0]]).half()
    leaves = [x.requires_grad_() for x in (query, key, torch.eye(4).half())]
    output = attend(*leaves, mask, block=3)[0]
    assert output.tolist() == [[0.5, 0.5, 0.0, 0.0]]
    assert attend(-query, key, leaves[2], mask, block=3)[0].tolist() == (
        [[0, 0, 1, 0]] if mask is None else [[0, 0, 0, 1]]
    )
    expected = scaled_dot_product_attention(*leaves, mask)[0]
    along = torch.arange(4.0).half()
    gradients = [torch.autograd.grad((out * along).sum(), leaves) for out in (output, expected)]
    for mine, other in zip(*gradients, strict=True):
        assert torch.equal(mine, other)


@both
def test_a_masked_key_has_no_weight_however_well_it_fits(agrees, attend):
    """Scores 0, 1 and, masked, 1000: beside the last the first two would both be nothing."""
    key, mask = torch.tensor([[0.0], [1.0], [1000.0]]).double(), torch.tensor([[True, True, False]])
    leaves = [
        x.requires_grad_() for x in (torch.ones(1, 1).double(), key, torch.tensor([[0.0], [1.0], [9.0]]).double())
    ]
    outs = [f(*leaves, mask)[0] for f in (attend, scaled_dot_product_attention)]
    agrees(*outs)
    for mine, expected in zip(*(torch.autograd.grad(out.sum(), leaves) for out in outs), strict=True):
        agrees(mine, expected)


@both
@given(
    case=cases(), what=st.sampled_from([torch.nan, torch.inf, -torch.inf]), at=st.integers(0, 2), spot=st.integers(0, 8)
)
def test_what_is_not_finite_stays_with_the_queries_that_attend_to_it(agrees, attend, case, what, at, spot):
    """The others' output and gradients are those of scaled dot-product attention, which sets it aside as well."""
    tensors, mask, block = case
    with torch.no_grad():
        tensors[at][..., spot % tensors[at].shape[-2], 0] = what
    mask = torch.ones(1, 1, dtype=torch.bool) if mask is None else mask
    outs = [attend(*tensors, mask, block=block)[0], scaled_dot_product_attention(*tensors, mask)[0]]
    assert torch.equal(*(out.isnan() for out in outs))
    agrees(*(out.nan_to_num(0.0) for out in outs))
    kept = ~outs[1].isnan()
    gradients = [torch.autograd.grad(out[kept].square().sum(), tensors) for out in outs]
    for mine, expected in zip(*gradients, strict=True):
        assert mine.isfinite().all()
        agrees(mine, expected)


@both
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_long_sums_in_half_precision(attend, dtype):
    """4096 keys that fit alike, half worth 1. Counted in float16 the sum would stop at 2048, in bfloat16 at 256."""
    query, key, value = torch.zeros(1, 4), torch.zeros(4096, 4), (torch.arange(4096) >= 2048).float()[:, None]
    output = attend(query.to(dtype), key.to(dtype), value.to(dtype), block=1)[0]
    assert output.item() == pytest.approx(0.5, abs=2e-3)


# Dtypes


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_gradients_are_near_those_in_float64(attend, dtype):
    leaves = inputs(2, n_q=40, n_k=60, dtype=dtype)
    mask = causal_mask(40, 60, offset=15) & padding_mask([60, 20], 60)
    wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
    outs = attend(*leaves, mask, block=16)[0], scaled_dot_product_attention(*wide, mask)[0]
    mine, expected = (torch.autograd.grad(out.square().sum(), of) for out, of in zip(outs, (leaves, wide), strict=True))
    tolerance = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 3e-2}[dtype]
    for ours, theirs in zip(mine, expected, strict=True):
        assert ours.dtype == dtype
        assert (ours.double() - theirs).norm() <= tolerance * theirs.norm()


@both
@pytest.mark.parametrize("of_inputs", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("low", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_forward_and_backward(agrees, attend, of_inputs, low):
    """The output has the dtype of autocast, a gradient that of its input."""
    leaves = inputs(2, dtype=of_inputs)
    with torch.autocast("cpu", low):
        output = attend(*leaves, MASK[0], block=3)[0]
        also = scaled_dot_product_attention(*leaves, MASK[0])[0]
    assert output.dtype == also.dtype == low
    wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
    expected = scaled_dot_product_attention(*wide, MASK[0])[0]
    agrees(output, expected, torch.bfloat16)
    mine = torch.autograd.grad(output.float().square().sum(), leaves)
    for ours, theirs in zip(mine, torch.autograd.grad(expected.square().sum(), wide), strict=True):
        assert ours.dtype == of_inputs
        assert (ours.double() - theirs).norm() <= 3e-2 * theirs.norm()


# Memory and work


def largest(call):
    """Bytes of the largest tensor that is made, inside torch's own operators too."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        call()
    return max(event.nbytes() for event in profile.profiler.kineto_results.events() if event.name() == "[memory]")


@both
def test_no_table_of_all_scores(attend):
    n, d = 200, 2
    tensors = [torch.randn(n, d) for _ in range(3)]
    broken = [tensors[0], tensors[1], tensors[2].index_fill(0, torch.tensor(150), torch.nan)]
    mask = causal_mask(n)
    assert largest(lambda: scaled_dot_product_attention(*tensors)) >= 4 * n * n
    assert largest(lambda: attend(*tensors, block=20)) <= 4 * n * d
    for qkv in (tensors, broken):  # a block of queries and all keys, where something is to be set aside
        assert largest(lambda qkv=qkv: attend(*qkv, mask, block=20)) <= max(mask.nbytes, 4 * n * 20)


@pytest.mark.parametrize(("attend", "grows"), [(tiled_attention, True), (fast, False)], ids=["reference", "fast"])
def test_what_is_kept_for_the_backward_pass(attend, grows):
    """The fast version keeps its inputs, its output and two numbers for each query; the reference every block."""
    kept = {}

    def note(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    query, key, value = inputs(n_q=100, n_k=100, d_v=4)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = attend(query, key, value, block=10)[0]
    linear = sum(t.nbytes for t in (query, key, value, output)) + 2 * 8 * 100
    assert output.grad_fn is not None
    assert (sum(kept.values()) > 8 * 100 * 100) if grows else (sum(kept.values()) <= linear)


def products(call):
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        call()
    return sum(event.count for event in profile.key_averages() if event.key in ("aten::bmm", "aten::baddbmm_"))


def test_fast_skips_what_is_masked():
    """Of 4 x 4 blocks a causal mask leaves 10; each takes two products forward and five backward."""
    leaves = inputs(n_q=8, n_k=8)
    assert products(lambda: fast(*leaves, block=2)) == 2 * 16
    assert products(lambda: fast(*leaves, causal_mask(8), block=2)) == 2 * 10
    assert products(lambda: fast(*leaves, padding_mask([2], 8)[0], block=2)) == 2 * 4
    assert products(lambda: fast(*leaves, causal_mask(8), block=2)[0].sum().backward()) == (2 + 5) * 10


# Derivatives and transforms


@pytest.mark.parametrize("axes", [(0, 0, 0, None), (0, None, 1, 0), (None, 2, None, None), (None, None, None, 0)])
def test_fast_maps_over_any_of_its_inputs(agrees, axes):
    """What has no axis of its own is shared."""
    mask = MASK[:1, 0] if axes[3] is None else MASK[:, 0]
    alone = inputs(2)
    tensors = [
        t if axis is None else torch.stack([t + i for i in range(3)], dim=axis)
        for t, axis in zip(alone, axes, strict=False)
    ]
    with torch.no_grad():
        mine, expected = (
            torch.vmap(lambda *qkvm, f=f: f(*qkvm)[0], in_dims=axes)(*tensors, mask)
            for f in (fast, scaled_dot_product_attention)
        )
    agrees(mine, expected)


def test_fast_takes_a_batch_of_gradients(agrees):
    """Which is a vmap over the backward pass."""
    leaves, along = inputs(2), torch.randn(3, 2, 5, 11).double()
    mine, expected = (
        torch.autograd.grad(f(*leaves, MASK[1])[0], leaves, along, is_grads_batched=True)
        for f in (fast, scaled_dot_product_attention)
    )
    for ours, theirs in zip(mine, expected, strict=True):
        agrees(ours, theirs)


@both
def test_gradients_of_each_sample(agrees, attend):
    """By torch.func, in blocks as well."""
    tensors = [tensor.detach() for tensor in inputs(3)]

    def loss(query, key, value):
        return attend(query, key, value, MASK[0, 0], block=3)[0].square().sum()

    mine = torch.vmap(torch.func.grad(loss, argnums=(0, 1, 2)))(*tensors)
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    expected = torch.autograd.grad(scaled_dot_product_attention(*leaves, MASK[0, 0])[0].square().sum(), leaves)
    for ours, theirs in zip(mine, expected, strict=True):
        agrees(ours, theirs)


@both
def test_second_gradient(agrees, attend):
    leaves = inputs(n_q=2, n_k=4, d_k=3, d_v=2)
    mask = torch.tensor([[True, False, True, True], [False] * 4])
    assert torch.autograd.gradgradcheck(lambda *qkv: attend(*qkv, mask, block=3)[0], leaves)
    query, key, value = (leaf.detach() for leaf in leaves)
    twice = [
        torch.func.jacrev(torch.func.jacrev(lambda query, f=f: f(query, key, value, mask)[0].square().sum()))(query)
        for f in (attend, scaled_dot_product_attention)
    ]
    agrees(*twice)


@pytest.mark.refusal
@pytest.mark.filterwarnings("ignore:`torch.jit.script`")  # torch's own, when forward mode is first used
@pytest.mark.parametrize("n", [1, 300])
def test_fast_refuses_forward_mode_whatever_the_size(refuses, n):
    """In its own words, by every way there, instead of leaving the tangents out."""
    query, key, value = (tensor.detach() for tensor in inputs(n_q=n, n_k=n, d_v=2))
    words = (
        "tiled_attention: attnref.fast.tiled has no forward-mode derivative, which jvp, jacfwd and hessian need; "
        "use attnref.tiled_attention, or jacrev."
    )

    def output(query):
        return fast(query, key, value)[0].sum()

    def dual():
        with forward_ad.dual_level():
            return output(forward_ad.make_dual(query, query))

    ways = [dual, lambda: torch.func.jvp(output, (query,), (query,)), lambda: torch.func.hessian(output)(query)]
    for way in (*ways, lambda: torch.func.jacfwd(output)(query)):
        refuses(way, NotImplementedError, words)


@pytest.mark.refusal  # shapes are not enforced inside a compiled graph
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "some"])
def test_fast_is_an_operator_that_torch_accepts(mask):
    tensors = inputs(3, 2)
    torch.library.opcheck(fast_module._attend.forward, (*tensors, mask, 3))


@pytest.mark.refusal  # shapes are not enforced inside a compiled graph
def test_fast_trains_when_compiled(agrees):
    torch._dynamo.reset()
    leaves = inputs(2)
    compiled = torch.compile(lambda *qkv: fast(*qkv, MASK[0], block=3)[0], fullgraph=True, backend="aot_eager")
    outs = compiled(*leaves), scaled_dot_product_attention(*leaves, MASK[0])[0]
    for mine, expected in zip(*(torch.autograd.grad(out.square().sum(), leaves) for out in outs), strict=True):
        agrees(mine, expected)


@pytest.mark.refusal
@both
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            lambda q, k, v: ((q, k[..., :3], v), {}),
            ValueError,
            "query and key must agree in d_k, got query (5, 4) with d_k=4, key (7, 3) with d_k=3.",
        ),
        (lambda q, k, v: ((q, k, v), {"block": 0}), ValueError, "block must be at least 1, got 0."),
        (lambda q, k, v: ((q, k, v), {"block": 2.0}), TypeError, "block must be an int, got float."),
    ],
)
def test_refusals(refuses, attend, change, error, words):
    tensors, options = change(*inputs())
    refuses(lambda: attend(*tensors, **options), error, f"tiled_attention: {words}")
