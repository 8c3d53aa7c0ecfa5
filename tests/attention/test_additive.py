"""Additive attention against its definition, Keras and a composition of torch's own layers.

What every attention must do is in test_attend.py and test_ways_of_torch.py.
"""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from attnref import AdditiveAttention, additive_attention
from attnref.fast import additive as fast
from attnref.oracle.additive import additive_attention as oracle

both = pytest.mark.parametrize("function", [additive_attention, fast.additive_attention], ids=["reference", "fast"])
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
MASK = torch.rand(2, 5, 7, generator=torch.Generator().manual_seed(0)) < 0.6
MASK[1, 2] = False  # a fully masked row


def inputs(dtype=torch.float64, n_q=5, n_k=7):
    """Every size differs: d_q=3, d_k=4, d_v=11, d_a=6."""
    shapes = (2, n_q, 3), (2, n_k, 4), (2, n_k, 11)
    weights = {"w_q": (6, 3), "w_k": (6, 4), "v_a": (6,)}
    return [torch.randn(s).to(dtype) for s in shapes], {n: torch.randn(s).to(dtype) for n, s in weights.items()}


@both
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "some"])
def test_agrees_with_oracle_when_all_sizes_differ(agrees, arrays, function, dtype, mask):
    qkv, weights = inputs(dtype)
    named = dict(zip(weights, arrays(*weights.values()), strict=True))
    for ours, expected in zip(function(*qkv, mask, **weights), oracle(*arrays(*qkv, mask), **named), strict=True):
        assert ours.dtype == dtype
        agrees(ours, expected)


@both
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "some"])
def test_gradient_of_inputs_and_weights(function, mask):
    qkv, weights = inputs()
    leaves = [tensor.requires_grad_() for tensor in (*qkv, *weights.values())]

    def call(query, key, value, *given):
        return function(query, key, value, mask, **dict(zip(weights, given, strict=True)))

    assert torch.autograd.gradcheck(call, leaves, fast_mode=True)


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
@pytest.mark.parametrize("training", [False, True])
def test_fast_is_the_same_whatever_the_block(agrees, monkeypatch, rows, training):
    qkv, weights = inputs()
    monkeypatch.setattr(fast, "BLOCK_BYTES", rows * 2 * 7 * 6 * 8)  # rows x batch x n_k x d_a x float64
    leaves = [tensor.requires_grad_(training) for tensor in (*qkv, *weights.values())]
    ours, theirs = (f(*qkv, MASK, **weights) for f in (fast.additive_attention, additive_attention))
    agrees(ours[0], theirs[0])
    agrees(ours[1], theirs[1])
    if training:
        gradients = [torch.autograd.grad(output.square().sum(), leaves) for output, _ in (ours, theirs)]
        for mine, reference in zip(*gradients, strict=True):
            agrees(mine, reference)


def test_fast_computes_a_block_again_for_its_gradient(monkeypatch):
    """Each of five blocks twice in training, once without gradients; a single block is kept."""
    count, block = [], fast._block
    monkeypatch.setattr(fast, "_block", lambda *parts: count.append(parts) or block(*parts))
    qkv, weights = inputs()
    monkeypatch.setattr(fast, "BLOCK_BYTES", 1)
    fast.additive_attention(*qkv, MASK, **weights)
    assert len(count) == 5
    count.clear()
    leaves = [tensor.requires_grad_() for tensor in weights.values()]
    output, _ = fast.additive_attention(*qkv, MASK, **weights)
    assert len(count) == 5
    torch.autograd.grad(output.sum(), leaves)
    assert len(count) == 10
    monkeypatch.setattr(fast, "BLOCK_BYTES", 2**20)
    count.clear()
    torch.autograd.grad(fast.additive_attention(*qkv, MASK, **weights)[0].sum(), leaves)
    assert len(count) == 1


@pytest.mark.parametrize("training", [False, True])
def test_fast_never_forms_the_whole_hidden_layer(training):
    """No tensor that is made is larger than a block, the scores or the inputs."""
    (query, key, value), weights = inputs(torch.float32, n_q=600, n_k=500)
    if training:
        weights = {name: weight.requires_grad_() for name, weight in weights.items()}
    largest = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            # what owns memory, not an expanded view
            largest.append(max((t.untyped_storage().nbytes() for t in [out] if isinstance(t, torch.Tensor)), default=0))
            return out

    with Watch():
        output, _ = fast.additive_attention(query, key, value, **weights)
        if training:
            output.sum().backward()
    whole = 2 * 600 * 500 * 6 * 4
    assert max(largest) <= max(fast.BLOCK_BYTES, 2 * 600 * 500 * 4) < whole


def test_module_is_the_function_with_its_own_weights(agrees):
    attend = AdditiveAttention(d_q=3, d_k=4, d_a=6).double()
    assert {name: tuple(p.shape) for name, p in attend.named_parameters()} == {
        "query_proj.weight": (6, 3),
        "key_proj.weight": (6, 4),
        "score_proj.weight": (1, 6),
    }
    (query, key, value), _ = inputs()
    w_q, w_k, v_a = attend.query_proj.weight, attend.key_proj.weight, attend.score_proj.weight[0]
    expected = additive_attention(query, key, value, MASK, w_q=w_q, w_k=w_k, v_a=v_a)
    for ours, theirs in zip(attend(query, key, value, MASK), expected, strict=True):
        agrees(ours, theirs)
    agrees(copy.deepcopy(attend)(query, key, value, MASK)[0], expected[0])
    attend(query, key, value, MASK)[0].sum().backward()
    for name, parameter in attend.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch's: it has parametrizations for these now
@pytest.mark.parametrize("change", [nn.utils.weight_norm, nn.utils.spectral_norm], ids=lambda change: change.__name__)
def test_module_takes_weights_that_a_hook_makes(agrees, change):
    """Before each call of a layer; other hooks are for calls, and there is none."""
    attend = AdditiveAttention(d_q=3, d_k=4, d_a=6).double()
    change(attend.query_proj)
    called = []
    attend.query_proj.register_forward_pre_hook(lambda *_: called.append(True))
    (query, key, value), _ = inputs()
    optimizer = torch.optim.SGD(attend.parameters(), lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        attend(query, key, value, MASK)[0].square().sum().backward()
        optimizer.step()
    attend.eval()
    output, _ = attend(query, key, value, MASK)
    assert not called
    attend.query_proj(query)  # makes the weight
    w_q, w_k, v_a = attend.query_proj.weight, attend.key_proj.weight, attend.score_proj.weight[0]
    agrees(output, additive_attention(query, key, value, MASK, w_q=w_q, w_k=w_k, v_a=v_a)[0])


@both
def test_agrees_with_a_composition_of_torch_layers(agrees, function):
    """Written here, but another way: one linear layer over query and key side by side, pair by pair.

    W_q q + W_k k = [W_q W_k] [q; k]. The comparison with what nobody here wrote is the one with Keras below.
    """
    (query, key, value), weights = inputs()
    pair = nn.Linear(7, 6, bias=False, dtype=torch.float64)
    read = nn.Linear(6, 1, bias=False, dtype=torch.float64)
    pair.weight.data = torch.cat((weights["w_q"], weights["w_k"]), dim=1)
    read.weight.data = weights["v_a"][None]
    score = nn.Sequential(pair, nn.Tanh(), read)
    output, weight = function(query, key, value, **weights)
    for b in range(2):
        for i in range(5):
            pairs = torch.cat((query[b, i].expand(7, 3), key[b]), dim=1)
            expected = nn.functional.softmax(score(pairs).squeeze(-1), dim=0)
            agrees(weight[b, i], expected)
            agrees(output[b, i], torch.einsum("k,kd->d", expected, value[b]))


@pytest.mark.interop
@both
def test_agrees_with_keras(agrees, keras, function):
    """Keras' layer leaves the projections to its user and has v_a as `scale`; on its torch backend, with a mask."""
    (query, key, value), weights = inputs()
    real = torch.arange(7) < torch.tensor([[4], [7]])
    theirs = keras.layers.AdditiveAttention(dtype="float64")
    projected = [query @ weights["w_q"].mT, value, key @ weights["w_k"].mT]
    theirs.build([tuple(tensor.shape) for tensor in projected])
    theirs.set_weights([weights["v_a"].numpy()])
    expected_output, expected_weights = theirs(projected, mask=[None, real], return_attention_scores=True)
    output, weight = function(query, key, value, real[:, None], **weights)
    agrees(output, expected_output, torch.float32)
    agrees(weight, expected_weights)


@pytest.mark.refusal
@both
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"w_q": np.zeros((6, 3))}, TypeError, "w_q must be a torch.Tensor, got numpy.ndarray."),
        ({"w_k": [[0.0]]}, TypeError, "w_k must be a torch.Tensor, got list."),
        ({"v_a": None}, TypeError, "v_a must be a torch.Tensor, got NoneType."),
        (
            {"w_k": torch.zeros(6, 4, device="meta")},
            ValueError,
            "query, w_q, w_k and v_a must be on one device, got query on cpu, w_q on cpu, w_k on meta, v_a on cpu.",
        ),
        ({"w_q": torch.zeros(6)}, ValueError, "w_q must be (d_a, d_q), got shape (6,)."),
        ({"w_k": torch.zeros(1, 6, 4)}, ValueError, "w_k must be (d_a, d_k), got shape (1, 6, 4)."),
        ({"v_a": torch.zeros(1, 6)}, ValueError, "v_a must be (d_a,), got shape (1, 6)."),
        (
            {"v_a": torch.zeros(6).half()},
            TypeError,
            "query, w_q, w_k and v_a must share one dtype, "
            "got query torch.float32, w_q torch.float32, w_k torch.float32, v_a torch.float16.",
        ),
        (
            {"w_q": torch.zeros(6, 5)},
            ValueError,
            "query and w_q must agree in d_q, got query (2, 5, 3) with d_q=3, w_q (6, 5) with d_q=5.",
        ),
        (
            {"w_k": torch.zeros(6, 3)},
            ValueError,
            "key and w_k must agree in d_k, got key (2, 7, 4) with d_k=4, w_k (6, 3) with d_k=3.",
        ),
        (
            {"v_a": torch.zeros(8)},
            ValueError,
            "w_q, w_k and v_a must agree in d_a, "
            "got w_q (6, 3) with d_a=6, w_k (6, 4) with d_a=6, v_a (8,) with d_a=8.",
        ),
    ],
)
def test_refusals(refuses, function, change, error, words):
    qkv, weights = inputs(torch.float32)
    refuses(lambda: function(*qkv, **{**weights, **change}), error, f"additive_attention: {words}")


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("sizes", "error", "words"),
    [
        ((0, 4, 6), ValueError, "AdditiveAttention: d_q must be at least 1, got 0."),
        ((3, -1, 6), ValueError, "AdditiveAttention: d_k must be at least 1, got -1."),
        ((3, 4, 6.0), TypeError, "AdditiveAttention: d_a must be an int, got float."),
        ((True, 4, 6), TypeError, "AdditiveAttention: d_q must be an int, got bool."),
        ((3, np.int64(4), 6), TypeError, "AdditiveAttention: d_k must be an int, got numpy.int64."),
    ],
)
def test_module_refusals(refuses, sizes, error, words):
    refuses(lambda: AdditiveAttention(*sizes), error, words)
