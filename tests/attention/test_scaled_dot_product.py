"""Scaled dot-product attention against its definition and against those of torch and Hugging Face.

What every attention must do is in test_attend.py and test_ways_of_torch.py.
"""

import math
import os
import shutil

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from attnref import scaled_dot_product_attention
from attnref.fast import scaled_dot_product as fast_module
from attnref.fast.scaled_dot_product import flexible_scaled_dot_product_attention as flexible
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast
from attnref.oracle.scaled_dot_product import scaled_dot_product_attention as oracle

both = pytest.mark.parametrize("attend", [scaled_dot_product_attention, fast], ids=["reference", "fast"])
MASK = torch.rand(3, 1, 5, 7, generator=torch.Generator().manual_seed(0)) < 0.6
MASK[1, 0, 2] = False  # a fully masked row


@both
@pytest.mark.parametrize(("d_k", "d_v"), [(4, 11), (11, 4), (1, 2), (64, 64)])
def test_agrees_with_oracle_whatever_the_sizes(agrees, arrays, attend, d_k, d_v):
    query, key, value = (torch.randn(3, 2, n, d).double() for n, d in ((5, d_k), (7, d_k), (7, d_v)))
    output, weights = attend(query, key, value, MASK)
    expected_output, expected_weights = oracle(*arrays(query, key, value, MASK))
    agrees(output, expected_output)
    if weights is not None:
        agrees(weights, expected_weights)


def test_weights_by_hand():
    """Two keys of size 4 with dot products of 2 and 0: after the division by 2, weights of e to 1."""
    _, weights = scaled_dot_product_attention(
        *(torch.tensor(x) for x in ([[2.0, 0, 0, 0]], [[1.0, 0, 0, 0], [0.0] * 4])), torch.eye(2)
    )
    assert weights[0, 0].item() == pytest.approx(math.e / (math.e + 1))


@both
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "some"])
def test_agrees_with_torch(agrees, attend, mask):
    leaves = [torch.randn(3, 2, n, d).double().requires_grad_() for n, d in ((5, 4), (7, 4), (7, 11))]
    ours = attend(*leaves, mask)[0]
    theirs = F.scaled_dot_product_attention(*leaves, attn_mask=mask)
    agrees(ours, theirs)
    for mine, torchs in zip(*(torch.autograd.grad(out.square().sum(), leaves) for out in (ours, theirs)), strict=True):
        agrees(mine, torchs)


def test_agrees_with_torch_causal(agrees):
    query = torch.randn(2, 5, 4).double()
    ours = scaled_dot_product_attention(query, query, query, torch.ones(5, 5, dtype=torch.bool).tril())[0]
    agrees(ours, F.scaled_dot_product_attention(query, query, query, is_causal=True))


@both
def test_agrees_with_multihead_attention_of_one_head(agrees, attend):
    """torch's mask is the other way round: there True = may not attend."""
    theirs = nn.MultiheadAttention(4, 1, batch_first=True, dtype=torch.float64)
    query, memory = torch.randn(2, 5, 4).double(), torch.randn(2, 7, 4).double()
    mask = torch.rand(5, 7) < 0.6
    mask[:, 0] = True
    q, k, v = (F.linear(x, w) for x, w in zip((query, memory, memory), theirs.in_proj_weight.chunk(3), strict=True))
    output, weights = attend(q, k, v, mask)
    expected_output, expected_weights = theirs(query, memory, memory, attn_mask=~mask)
    agrees(theirs.out_proj(output), expected_output)
    if weights is not None:
        agrees(weights, expected_weights)


@pytest.mark.interop
@both
def test_agrees_with_hugging_face(agrees, attend):
    """BERT's attention, random weights, three heads: its mask is a number added to the scores."""
    bert = pytest.importorskip("transformers.models.bert.modeling_bert")
    config = bert.BertConfig(hidden_size=12, num_attention_heads=3, attention_probs_dropout_prob=0.0)
    config._attn_implementation = "eager"
    theirs = bert.BertSelfAttention(config).double().eval()
    x = torch.randn(2, 7, 12).double()
    mask = (torch.rand(2, 1, 7, 7) < 0.6) | torch.eye(7, dtype=torch.bool)
    query, key, value = (
        linear(x).unflatten(-1, (3, 4)).transpose(1, 2) for linear in (theirs.query, theirs.key, theirs.value)
    )
    output, weights = attend(query, key, value, mask)
    added = torch.zeros(mask.shape).double().masked_fill(~mask, -torch.inf)
    expected_output, expected_weights = theirs(x, attention_mask=added)
    agrees(output.transpose(1, 2).flatten(2), expected_output)
    if weights is not None:
        agrees(weights, expected_weights)


def leaves_of(*needed):
    shapes = ((2, 3), (4, 3), (4, 2))
    return [torch.randn(shape).double().requires_grad_(grad) for shape, grad in zip(shapes, needed, strict=True)]


def test_fast_derivatives_where_one_tensor_is_key_and_value(agrees):
    query, memory = (torch.randn(2, n, 4).double().requires_grad_() for n in (3, 5))
    found = []
    for attend in (fast, scaled_dot_product_attention):
        first = torch.autograd.grad(attend(query, memory, memory)[0].square().sum(), memory, create_graph=True)[0]
        found.append((first, torch.autograd.grad(first.square().sum(), memory)[0]))
    for ours, expected in zip(*found, strict=True):
        agrees(ours, expected)


def test_fast_gradient_is_the_kernels_and_the_second_that_of_the_reference(agrees, monkeypatch):
    """Only where a second derivative is wanted the reference is computed, and only once."""
    calls = []
    reference = fast_module._reference
    monkeypatch.setattr(fast_module, "_reference", lambda *inputs: calls.append(inputs) or reference(*inputs))
    leaves = leaves_of(True, True, True)
    with torch.no_grad():
        fast(*leaves)
    output = fast(*leaves)[0].square().sum()
    first = torch.autograd.grad(output, leaves, retain_graph=True)
    for ours, expected in zip(torch.autograd.grad(output, leaves, retain_graph=True), first, strict=True):
        assert torch.equal(ours, expected)
    assert not calls
    again = torch.autograd.grad(output, leaves, create_graph=True)
    assert len(calls) == 1
    for ours, expected in zip(again, first, strict=True):
        agrees(ours, expected)


@pytest.mark.parametrize("needed", [(True, False, False), (False, True, True), (False, False, True)], ids=str)
def test_fast_gradients_of_some_inputs(agrees, needed):
    leaves = leaves_of(*needed)
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    for create_graph in (False, True):
        gradients = [
            torch.autograd.grad(attend(*leaves)[0].square().sum(), wanted, create_graph=create_graph)
            for attend in (fast, scaled_dot_product_attention)
        ]
        for ours, expected in zip(*gradients, strict=True):
            agrees(ours, expected)


def test_fast_frees_its_graph_as_torch_does():
    leaves = leaves_of(True, True, True)
    output = fast(*leaves)[0].sum()
    output.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        output.backward()


def test_fast_gradient_of_a_gradient_under_autocast():
    """The backward pass is outside of autocast, and in float32 again."""
    query, key, value = (leaf.detach().float().requires_grad_() for leaf in leaves_of(True, True, True))
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = fast(query, key, value)
    (gradient,) = torch.autograd.grad(output.float().square().sum(), query, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), query)
    assert gradient.dtype == second.dtype == torch.float32
    assert second.isfinite().all()


def test_fast_without_d_k_gives_the_mean(agrees):
    query, key, value = torch.randn(2, 3, 0), torch.randn(2, 4, 0), torch.randn(2, 4, 5)
    agrees(fast(query, key, value)[0], value.mean(-2, keepdim=True).expand(2, 3, 5))


def test_fast_stays_on_the_fused_kernel():
    """Three axes, small values and a mask of one row each fall off torch's fast path unless they are prepared."""
    query, key, value = torch.randn(3, 5, 8), torch.randn(3, 7, 8), torch.randn(3, 7, 2)
    mask = torch.ones(3, 1, 7, dtype=torch.bool)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        fast(query, key, value, mask)
    called = {event.key for event in profile.key_averages()}
    assert any("scaled_dot_product_flash_attention" in name for name in called), called
    assert not any("_scaled_dot_product_attention_math" in name for name in called), called


def test_oracle_stands_alone():
    """The definition, on numbers to be checked by eye: keys with equal scores share the weight."""
    output, weights = oracle(np.zeros((1, 2)), np.ones((4, 2)), np.array([[1.0], [2.0], [3.0], [6.0]]))
    assert weights.tolist() == [[0.25] * 4]
    assert output.tolist() == [[3.0]]


@both
def test_scaling_comes_before_half_precision_overflows(attend):
    """The product of 64 numbers of 50 is past the end of float16; divided by 8 it is not."""
    query = torch.full((1, 64), 50.0, dtype=torch.float16)
    output, _ = attend(query, query, torch.ones_like(query))
    assert torch.equal(output, torch.ones_like(query))


@pytest.mark.refusal
@both
def test_refuses_sizes_that_differ(refuses, attend):
    words = "query and key must agree in d_k, got query (2, 3, 4) with d_k=4, key (2, 5, 6) with d_k=6."
    tensors = torch.zeros(2, 3, 4), torch.zeros(2, 5, 6), torch.zeros(2, 5, 4)
    refuses(lambda: attend(*tensors), ValueError, f"scaled_dot_product_attention: {words}")


compiler = os.environ.get("CXX") or "g++"


@pytest.mark.plain  # shapes are not enforced inside a compiled graph, and compiling takes seconds
@pytest.mark.skipif(not shutil.which(compiler), reason=f"FlexAttention is compiled, and there is no {compiler}")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's, when its compiler is imported
def test_flexible_agrees_with_the_reference(agrees):
    """One shape, which is compiled once, and two masks: the mask is an input like any other."""
    torch._dynamo.reset()
    query, key, value = (torch.randn(3, 2, n, d) for n, d in ((5, 4), (7, 4), (7, 11)))
    broken = value.clone()
    broken[:, :, 3, 1] = torch.nan
    for mask, value in ((MASK, value), (MASK.flip(0), value), (MASK, broken)):  # noqa: B020
        output, weights = flexible(query, key, value, mask)
        expected, _ = scaled_dot_product_attention(query, key, value, mask)
        torch.testing.assert_close(output, expected, equal_nan=True)
        assert output[~mask.any(-1).expand(3, 2, 5)].eq(0).all()
        assert weights is None
    for spoiled in ((query.index_fill(2, torch.tensor(1), torch.nan), key, value), (query, key, broken)):
        expected, _ = scaled_dot_product_attention(*spoiled)
        torch.testing.assert_close(flexible(*spoiled)[0], expected, equal_nan=True)


@pytest.mark.parametrize("own", [(), (5,), (3, 1), (2, 1, 1), (1, 3, 1), (2, 3, 5)], ids=str)
def test_fast_takes_any_leading_axes_of_the_mask(agrees, own):
    query, key, value = (torch.randn(2, 3, 5, n, d) for n, d in ((4, 3), (6, 3), (6, 2)))
    mask = torch.rand(*own, 4, 6) < 0.5
    agrees(fast(query, key, value, mask)[0], scaled_dot_product_attention(query, key, value, mask)[0])


@pytest.mark.plain  # shapes are not enforced inside a vmap
@pytest.mark.parametrize("own", [(), (1,), (5,), (3, 1), (1, 3, 1), (2, 3, 1), (2, 3, 5)], ids=str)
def test_flexible_takes_any_leading_axes_of_the_mask(own):
    """What the kernel is told to skip is what the mask hides, in every sample and head, also of five axes."""
    query, key = torch.ones(2, 3, 5, 130, 4), torch.ones(2, 3, 5, 200, 4)
    mask = torch.rand(*own, 130, 200) < 0.5
    mask[..., :128] = False
    told = fast_module._block_mask(mask, query, key)
    expected = mask.expand(2, 3, 5, 130, 200).flatten(0, 1)
    b, h, i, j = (torch.tensor(x) for x in (4, 2, 129, 150))
    assert told.mask_mod(b, h, i, j) == expected[4, 2, 129, 150]
    assert torch.equal(told.to_dense().bool().expand(6, 5, 2, 2)[..., 0], torch.zeros(6, 5, 2, dtype=torch.bool))


@pytest.mark.plain  # shapes are not enforced inside a vmap
@pytest.mark.parametrize("own", [(), (1,), (5,), (3, 1), (1, 5), (3, 5)], ids=str)
def test_flexible_reads_a_mask_shared_by_samples_or_heads_where_it_is(own):
    query, key = torch.ones(3, 5, 9, 4), torch.ones(3, 5, 7, 4)
    mask = torch.rand(*own, 9, 7) < 0.5
    told, expected = fast_module._block_mask(mask, query, key).mask_mod, mask.expand(3, 5, 9, 7)
    for at in ((0, 0, 0, 0), (2, 4, 8, 6), (1, 3, 2, 5), (2, 0, 4, 1)):
        assert told(*map(torch.tensor, at)) == expected[at]


@pytest.mark.parametrize(("n_q", "n_k"), [(0, 7), (5, 0)])
def test_flexible_of_nothing(n_q, n_k):
    output, _ = flexible(torch.ones(2, n_q, 4), torch.ones(2, n_k, 4), torch.ones(2, n_k, 3))
    assert output.shape == (2, n_q, 3)
    assert output.eq(0).all()


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            lambda q, k, v: (q.double(), k.double(), v.double()),
            TypeError,
            "query, key and value must not be torch.float64: FlexAttention has none on a CPU.",
        ),
        (
            lambda q, k, v: (q, k.requires_grad_(), v),
            ValueError,
            "FlexAttention has no gradient on a CPU: call it under torch.no_grad().",
        ),
        (
            lambda q, k, v: (q, k[..., :3], v),
            ValueError,
            "query and key must agree in d_k, got query (5, 4) with d_k=4, key (7, 3) with d_k=3.",
        ),
        (
            lambda q, k, v: (q, k, v, torch.ones(5, 7)),
            TypeError,
            "mask must be bool (True = may attend), got torch.float32.",
        ),
    ],
)
def test_flexible_refuses(refuses, change, error, words):
    tensors = change(torch.ones(5, 4), torch.ones(7, 4), torch.ones(7, 2))
    refuses(lambda: flexible(*tensors), error, f"flexible_scaled_dot_product_attention: {words}")


@pytest.mark.refusal
def test_flexible_says_when_there_is_no_compiler(refuses, monkeypatch):
    def without():
        def call(*_, **__):
            raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found")

        return call

    monkeypatch.setattr(fast_module, "_flex_attention", without)
    words = "flexible_scaled_dot_product_attention: FlexAttention has to be compiled, and no C++ compiler works."
    refuses(lambda: flexible(torch.ones(5, 4), torch.ones(7, 4), torch.ones(7, 2)), RuntimeError, words)
