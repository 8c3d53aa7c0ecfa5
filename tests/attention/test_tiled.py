"""Tiled attention: the same as scaled dot-product attention whatever the blocks, without its table.

What every attention must do is in test_attend.py, run there with blocks of 3.
"""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from attnref import causal_mask, padding_mask, scaled_dot_product_attention, tiled_attention
from attnref.fast import tiled as fast_module
from attnref.fast.tiled import tiled_attention as fast
from attnref.oracle.scaled_dot_product import scaled_dot_product_attention as definition
from attnref.oracle.tiled import tiled_attention as oracle

both = pytest.mark.parametrize("attend", [tiled_attention, fast], ids=["reference", "fast"])
MASK = torch.rand(3, 1, 5, 7, generator=torch.Generator().manual_seed(0)) < 0.6
MASK[1, 0, 2] = False  # a query that may attend to nothing
MASKS = {"all": None, "some": MASK, "one for all": MASK[0, 0], "keys": MASK[:, :, 1:2], "causal": causal_mask(5, 7)}


def inputs(*batch, n_q=5, n_k=7, d_k=4, d_v=11, dtype=torch.float64):
    return [torch.randn(*batch, n, d).to(dtype).requires_grad_() for n, d in ((n_q, d_k), (n_k, d_k), (n_k, d_v))]


@pytest.mark.parametrize("kind", MASKS)
def test_running_sums_are_the_definition(arrays, kind):
    """The oracle's, one key at a time, against the softmax over all keys at once."""
    given = arrays(*inputs(3, 2), MASKS[kind])
    np.testing.assert_allclose(oracle(*given)[0], definition(*given)[0], rtol=1e-12, atol=1e-12)


def test_oracle_by_hand():
    """Scores 0 and log 3: the first key gives sums of 1 and 8, the second shrinks both to a third, adds 1 and 4."""
    key, value = np.array([[0.0], [math.log(3)]]), np.array([[8.0], [4.0]])
    output, weights = oracle(np.ones((1, 1)), key, value)
    assert output[0, 0] == pytest.approx((8 / 3 + 4) / (1 / 3 + 1))
    assert weights is None


@both
@pytest.mark.parametrize("block", [1, 2, 4, 7, 100])
@pytest.mark.parametrize("kind", MASKS)
def test_blocks_change_nothing(agrees, arrays, attend, kind, block):
    tensors = inputs(3, 2)
    output, weights = attend(*tensors, MASKS[kind], block=block)
    agrees(output, definition(*arrays(*tensors, MASKS[kind]))[0])
    assert weights is None


@both
@pytest.mark.parametrize(("d_k", "d_v"), [(4, 11), (11, 4), (1, 2)])
def test_agrees_with_oracle_whatever_the_widths(agrees, arrays, attend, d_k, d_v):
    tensors = inputs(3, 2, d_k=d_k, d_v=d_v)
    agrees(attend(*tensors, MASK, block=2)[0], oracle(*arrays(*tensors, MASK))[0])


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
def test_widths_of_nothing(agrees, attend, d_k, d_v):
    """Without a width all scores are zero, and the output is the mean."""
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
    """Two blocks of the sizes that are the defaults, and 15 samples, of which the fast twin takes 8 at a time."""
    leaves = inputs(3, 5, n_q=300, n_k=300, d_v=3)
    outs = [f(*leaves, LARGE[kind])[0] for f in (attend, scaled_dot_product_attention)]
    agrees(*outs)
    for mine, expected in zip(*(torch.autograd.grad(out.square().sum(), leaves) for out in outs), strict=True):
        agrees(mine, expected)


@both
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("rising", [True, False])
def test_great_scores_neither_overflow_nor_vanish(attend, dtype, rising):
    """Scores from -1600 to 1600, in either order: the highest takes all, and the sums never leave the range."""
    key = torch.linspace(-40, 40, 9).to(dtype)[:, None] * (1 if rising else -1)
    leaves = [x.requires_grad_() for x in (torch.tensor([[40.0]]).to(dtype), key, torch.arange(9.0).to(dtype)[:, None])]
    output = attend(*leaves, block=2)[0]
    assert output.item() == pytest.approx(8 if rising else 0, abs=1e-12)
    output.sum().backward()
    assert all(leaf.grad is not None and leaf.grad.isfinite().all() for leaf in leaves)


@both
def test_a_hidden_key_has_no_say_however_well_it_fits(agrees, attend):
    """Scores 0, 1 and, hidden, 1000: beside the last the first two would both be nothing."""
    key, mask = torch.tensor([[0.0], [1.0], [1000.0]]).double(), torch.tensor([[True, True, False]])
    leaves = [
        x.requires_grad_() for x in (torch.ones(1, 1).double(), key, torch.tensor([[0.0], [1.0], [9.0]]).double())
    ]
    outs = [f(*leaves, mask)[0] for f in (attend, scaled_dot_product_attention)]
    agrees(*outs)
    for mine, expected in zip(*(torch.autograd.grad(out.sum(), leaves) for out in outs), strict=True):
        agrees(mine, expected)


@both
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_long_sums_in_half_precision(attend, dtype):
    """4096 keys that fit alike, half worth 1. Counted in float16 the sum would stop at 2048, in bfloat16 at 256."""
    query, key, value = torch.zeros(1, 4), torch.zeros(4096, 4), (torch.arange(4096) >= 2048).float()[:, None]
    output = attend(query.to(dtype), key.to(dtype), value.to(dtype), block=1)[0]
    assert output.item() == pytest.approx(0.5, abs=2e-3)


def largest(call):
    """Bytes of the greatest tensor that is made, inside torch's own operators too."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        call()
    return max(event.nbytes() for event in profile.profiler.kineto_results.events() if event.name() == "[memory]")


@both
def test_no_table_of_all_scores(attend):
    n, d = 200, 2
    tensors = [torch.randn(n, d) for _ in range(3)]
    assert largest(lambda: scaled_dot_product_attention(*tensors)) >= 4 * n * n
    assert largest(lambda: attend(*tensors, block=20)) <= 4 * n * d
    assert largest(lambda: attend(*tensors, causal_mask(n), block=20)) <= 4 * n * max(
        d, n // 4
    )  # the mask is that much


@pytest.mark.parametrize(("attend", "grows"), [(tiled_attention, True), (fast, False)], ids=["reference", "fast"])
def test_what_is_kept_for_the_way_back(attend, grows):
    """The fast twin keeps its inputs, its output and one number for each query; the reference every block."""
    kept = {}

    def note(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    query, key, value = inputs(n_q=100, n_k=100, d_v=4)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = attend(query, key, value, block=10)[0]
    linear = sum(t.nbytes for t in (query, key, value, output)) + 8 * 100
    assert output.grad_fn is not None
    assert (sum(kept.values()) > 8 * 100 * 100) if grows else (sum(kept.values()) <= linear)


def products(call):
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        call()
    return sum(event.count for event in profile.key_averages() if event.key in ("aten::bmm", "aten::baddbmm_"))


def test_fast_skips_what_is_hidden():
    """Of 4 x 4 blocks a causal mask leaves 10; each takes two products forward and five backward."""
    leaves = inputs(n_q=8, n_k=8)
    assert products(lambda: fast(*leaves, block=2)) == 2 * 16
    assert products(lambda: fast(*leaves, causal_mask(8), block=2)) == 2 * 10
    assert products(lambda: fast(*leaves, padding_mask([2], 8)[0], block=2)) == 2 * 4
    assert products(lambda: fast(*leaves, causal_mask(8), block=2)[0].sum().backward()) == (2 + 5) * 10


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


def test_fast_goes_back_many_ways_at_once(agrees):
    """A batch of slopes is a vmap over the way back."""
    leaves, slopes = inputs(2), torch.randn(3, 2, 5, 11).double()
    mine, expected = (
        torch.autograd.grad(f(*leaves, MASK[1])[0], leaves, slopes, is_grads_batched=True)
        for f in (fast, scaled_dot_product_attention)
    )
    for ours, theirs in zip(mine, expected, strict=True):
        agrees(ours, theirs)


def test_second_gradient():
    query, key, value = inputs(n_q=2, n_k=4, d_k=3, d_v=2)
    mask = torch.tensor([[True, False, True, True], [False] * 4])
    assert torch.autograd.gradgradcheck(lambda *qkv: tiled_attention(*qkv, mask, block=3)[0], (query, key, value))
    (slope,) = torch.autograd.grad(fast(query, key, value)[0].sum(), query, create_graph=True)
    with pytest.raises(RuntimeError, match="autograd"):
        slope.sum().backward()


@pytest.mark.refusal  # shapes are not enforced inside a compiled graph
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "some"])
def test_fast_is_an_operator_that_torch_accepts(mask):
    tensors = inputs(3, 2)
    torch.library.opcheck(fast_module._forward, (*tensors, mask, 3))


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
def test_refusals(attend, change, error, words):
    tensors, options = change(*inputs())
    with pytest.raises(error) as refusal:
        attend(*tensors, **options)
    assert str(refusal.value) == f"tiled_attention: {words}"
