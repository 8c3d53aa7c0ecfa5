"""Luong's three scores against their definition, Keras, torch's bilinear form and each other.

What every attention must do is in test_attend.py and test_ways_of_torch.py.
"""

import copy
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from attnref import (
    LuongAttention,
    Seq2Seq,
    additive_attention,
    concat_attention,
    dot_attention,
    general_attention,
    padding_mask,
    scaled_dot_product_attention,
)
from attnref.oracle import luong as oracle
from attnref.oracle.seq2seq import seq2seq as seq2seq_oracle

# The weights of each function, for d_q=3, d_k=4, d_a=6; the dot product alone needs d_q = d_k.
WEIGHTS = {
    dot_attention: {},
    general_attention: {"w_a": (3, 4)},
    concat_attention: {"w_a": (6, 7), "v_a": (6,)},
}
MODULES = {
    "dot": (dot_attention, {"d_q": 4, "d_k": 4}),
    "general": (general_attention, {"d_q": 3, "d_k": 4}),
    "concat": (concat_attention, {"d_q": 3, "d_k": 4, "d_a": 6}),
}
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
MASK = torch.rand(2, 5, 7, generator=torch.Generator().manual_seed(0)) < 0.6
MASK[1, 2] = False  # a fully masked row

each = pytest.mark.parametrize("function", WEIGHTS, ids=lambda function: function.__name__)
each_score = pytest.mark.parametrize("score", MODULES)


def inputs(function, dtype=torch.float64):
    """Query, key and value whose sizes all differ, and the weights of the function."""
    d_q = 4 if function is dot_attention else 3
    qkv = [torch.randn(shape).to(dtype) for shape in ((2, 5, d_q), (2, 7, 4), (2, 7, 11))]
    return qkv, {name: torch.randn(shape).to(dtype) for name, shape in WEIGHTS[function].items()}


def module(score):
    return LuongAttention(score=score, **MODULES[score][1]).double()


@each
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "some"])
def test_agrees_with_oracle_when_all_sizes_differ(agrees, arrays, function, dtype, mask):
    qkv, weights = inputs(function, dtype)
    named = dict(zip(weights, arrays(*weights.values()), strict=True))
    expected = getattr(oracle, function.__name__)(*arrays(*qkv, mask), **named)
    for ours, theirs in zip(function(*qkv, mask, **weights), expected, strict=True):
        assert ours.dtype == dtype
        agrees(ours, theirs)


@each
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "some"])
def test_gradient_of_inputs_and_weights(function, mask):
    qkv, weights = inputs(function)
    leaves = [tensor.requires_grad_() for tensor in (*qkv, *weights.values())]

    def call(query, key, value, *given):
        return function(query, key, value, mask, **dict(zip(weights, given, strict=True)))

    assert torch.autograd.gradcheck(call, leaves, fast_mode=True)


# What nobody here wrote


@pytest.mark.interop
def test_dot_agrees_with_keras(agrees, keras):
    """Keras' layer leaves the score unscaled with `use_scale=False`; on its torch backend, with a mask."""
    (query, key, value), _ = inputs(dot_attention)
    real = torch.arange(7) < torch.tensor([[4], [7]])
    theirs = keras.layers.Attention(use_scale=False, score_mode="dot", dtype="float64")
    expected_output, expected_weights = theirs([query, value, key], mask=[None, real], return_attention_scores=True)
    output, weights = dot_attention(query, key, value, real[:, None])
    agrees(output, expected_output, torch.float32)
    agrees(weights, expected_weights, torch.float32)


def test_dot_agrees_with_torch_when_its_scale_is_one(agrees):
    (query, key, value), _ = inputs(dot_attention)
    theirs = nn.functional.scaled_dot_product_attention(query, key, value, MASK, scale=1.0)
    agrees(dot_attention(query, key, value, MASK)[0], theirs)


def test_general_agrees_with_torch_bilinear(agrees):
    (query, key, value), weights = inputs(general_attention)
    pair = nn.Bilinear(3, 4, 1, bias=False, dtype=torch.float64)
    pair.weight.data = weights["w_a"][None]
    scores = pair(query[:, :, None].expand(2, 5, 7, 3), key[:, None].expand(2, 5, 7, 4)).squeeze(-1)
    output, weight = general_attention(query, key, value, **weights)
    agrees(weight, scores.softmax(-1))
    agrees(output, torch.einsum("bqk,bkd->bqd", scores.softmax(-1), value))


def test_general_agrees_with_torch_einsum(agrees):
    (query, key, value), weights = inputs(general_attention)
    scores = torch.einsum("bqc,cd,bkd->bqk", query, weights["w_a"], key)
    agrees(general_attention(query, key, value, **weights)[1], scores.softmax(-1))


def test_concat_agrees_with_torch_layers(agrees):
    """The two layers are torch's; the pairs are put together one by one."""
    (query, key, value), weights = inputs(concat_attention)
    pair = nn.Linear(7, 6, bias=False, dtype=torch.float64)
    read = nn.Linear(6, 1, bias=False, dtype=torch.float64)
    pair.weight.data, read.weight.data = weights["w_a"], weights["v_a"][None]
    score = nn.Sequential(pair, nn.Tanh(), read)
    _, weight = concat_attention(query, key, value, **weights)
    for b in range(2):
        for i in range(5):
            scores = torch.stack([score(torch.cat((query[b, i], key[b, j])))[0] for j in range(7)])
            agrees(weight[b, i], scores.softmax(0))


# Laws between the scores


@given(seed=st.integers(0, 999))
def test_concat_is_additive_attention_with_its_matrix_split_in_two(agrees, seed):
    torch.manual_seed(seed)
    qkv, weights = inputs(concat_attention)
    w_q, w_k = weights["w_a"].split([3, 4], dim=1)
    expected = additive_attention(*qkv, MASK, w_q=w_q, w_k=w_k, v_a=weights["v_a"])
    for ours, theirs in zip(concat_attention(*qkv, MASK, **weights), expected, strict=True):
        agrees(ours, theirs)


@given(seed=st.integers(0, 999))
def test_general_is_the_dot_product_of_the_query_with_the_projected_key(agrees, seed):
    torch.manual_seed(seed)
    (query, key, value), weights = inputs(general_attention)
    expected = dot_attention(query, key @ weights["w_a"].mT, value, MASK)
    for ours, theirs in zip(general_attention(query, key, value, MASK, **weights), expected, strict=True):
        agrees(ours, theirs)


@given(seed=st.integers(0, 999))
def test_general_is_two_projections_and_a_dot_product(agrees, seed):
    """(W_q q)ᵀ (W_k k) = qᵀ (W_qᵀ W_k) k: what the Transformer scores with, but for the scale."""
    torch.manual_seed(seed)
    (query, key, value), _ = inputs(general_attention)
    w_q, w_k = torch.randn(5, 3).double(), torch.randn(5, 4).double()
    expected = dot_attention(query @ w_q.mT, key @ w_k.mT, value, MASK)[0]
    agrees(general_attention(query, key, value, MASK, w_a=w_q.mT @ w_k)[0], expected)


def test_dot_is_general_with_the_identity_and_scaled_with_its_scale_undone(agrees):
    (query, key, value), _ = inputs(dot_attention)
    expected = dot_attention(query, key, value, MASK)[0]
    agrees(general_attention(query, key, value, MASK, w_a=torch.eye(4).double())[0], expected)
    agrees(scaled_dot_product_attention(2 * query, key, value, MASK)[0], expected)  # the root of 4 is 2


@given(seed=st.integers(0, 999))
def test_dot_does_not_change_when_query_and_key_are_rotated_together(agrees, seed):
    torch.manual_seed(seed)
    (query, key, value), _ = inputs(dot_attention)
    turn = torch.linalg.qr(torch.randn(4, 4).double())[0]
    agrees(dot_attention(query @ turn, key @ turn, value)[1], dot_attention(query, key, value)[1])


# The Module


@each_score
def test_module_is_the_function_with_its_own_weights(agrees, score):
    attend, (function, _) = module(score), MODULES[score]
    shapes = {
        "dot": {},
        "general": {"key_proj.weight": (3, 4)},
        "concat": {"pair_proj.weight": (6, 7), "score_proj.weight": (1, 6)},
    }
    assert {name: tuple(p.shape) for name, p in attend.named_parameters()} == shapes[score]
    qkv, weights = inputs(function)
    weights = {name: p.view(weights[name].shape) for name, p in zip(weights, attend.parameters(), strict=True)}
    expected = function(*qkv, MASK, **weights)
    for ours, theirs in zip(attend(*qkv, MASK), expected, strict=True):
        agrees(ours, theirs)
    agrees(copy.deepcopy(attend)(*qkv, MASK)[0], expected[0])
    attend(qkv[0].requires_grad_(), *qkv[1:], MASK)[0].square().sum().backward()
    for name, parameter in attend.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


# In a model that translates

SOURCE = torch.randint(11, (3, 7), generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(9, (3, 5), generator=torch.Generator().manual_seed(1))
LENGTHS = [7, 2, 4]


def model_with(score):
    attend = LuongAttention(6, 6, score=score, d_a=8 if score == "concat" else None)
    return Seq2Seq(11, 9, d_embed=3, d_h=6, attend=attend).double()


@each_score
def test_seq2seq_agrees_with_its_definition(agrees, arrays, score):
    model, mask = model_with(score), padding_mask(LENGTHS, 7)[:, 0]
    state = {name: w.detach().numpy() for name, w in model.state_dict().items()}
    weights_of = {
        "dot": {},
        "general": {"w_a": state.get("decoder.attend.key_proj.weight")},
        "concat": {
            "w_a": state.get("decoder.attend.pair_proj.weight"),
            "v_a": state.get("decoder.attend.score_proj.weight", [None])[0],
        },
    }
    attend = partial(getattr(oracle, f"{score}_attention"), **weights_of[score])
    expected, looked = seq2seq_oracle(*arrays(SOURCE, TARGET, mask), weights=state, attend=attend)
    logits, weights = model(SOURCE, TARGET, mask)
    agrees(logits, expected)
    agrees(weights, looked)
    logits.square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


@each_score
def test_seq2seq_reads_no_padding(agrees, score):
    model, mask = model_with(score), padding_mask(LENGTHS, 7)[:, 0]
    logits, weights = model(SOURCE, TARGET, mask)
    for b, n in enumerate(LENGTHS):
        alone, looked = model(SOURCE[b : b + 1, :n], TARGET[b : b + 1])
        agrees(logits[b : b + 1], alone)
        agrees(weights[b : b + 1, :, :n], looked)
        assert weights[b, :, n:].eq(0).all()


# Refusals


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("function", "change", "error", "words"),
    [
        (
            dot_attention,
            {"query": torch.zeros(2, 5, 3)},
            ValueError,
            "query and key must agree in d_k, got query (2, 5, 3) with d_k=3, key (2, 7, 4) with d_k=4.",
        ),
        (general_attention, {"w_a": None}, TypeError, "w_a must be a torch.Tensor, got NoneType."),
        (concat_attention, {"w_a": [[0.0]]}, TypeError, "w_a must be a torch.Tensor, got list."),
        (concat_attention, {"v_a": (0.0,)}, TypeError, "v_a must be a torch.Tensor, got tuple."),
        (general_attention, {"w_a": torch.zeros(3)}, ValueError, "w_a must be (d_q, d_k), got shape (3,)."),
        (
            general_attention,
            {"w_a": torch.zeros(3, 4).half()},
            TypeError,
            "query and w_a must share one dtype, got query torch.float32, w_a torch.float16.",
        ),
        (
            general_attention,
            {"w_a": torch.zeros(4, 4)},
            ValueError,
            "query and w_a must agree in d_q, got query (2, 5, 3) with d_q=3, w_a (4, 4) with d_q=4.",
        ),
        (
            general_attention,
            {"w_a": torch.zeros(3, 3)},
            ValueError,
            "key and w_a must agree in d_k, got key (2, 7, 4) with d_k=4, w_a (3, 3) with d_k=3.",
        ),
        (concat_attention, {"w_a": torch.zeros(7)}, ValueError, "w_a must be (d_a, d_q + d_k), got shape (7,)."),
        (concat_attention, {"v_a": torch.zeros(1, 6)}, ValueError, "v_a must be (d_a,), got shape (1, 6)."),
        (
            concat_attention,
            {"v_a": torch.zeros(6).half()},
            TypeError,
            "query, w_a and v_a must share one dtype, got query torch.float32, w_a torch.float32, v_a torch.float16.",
        ),
        (
            concat_attention,
            {"w_a": torch.zeros(6, 6)},
            ValueError,
            "w_a must have d_q + d_k=7, got w_a (6, 6) with d_q + d_k=6.",
        ),
        (
            concat_attention,
            {"v_a": torch.zeros(8)},
            ValueError,
            "w_a and v_a must agree in d_a, got w_a (6, 7) with d_a=6, v_a (8,) with d_a=8.",
        ),
    ],
)
def test_refusals(refuses, function, change, error, words):
    qkv, weights = inputs(function, torch.float32)
    given = {**dict(zip(("query", "key", "value"), qkv, strict=True)), **weights, **change}
    refuses(lambda: function(**given), error, f"{function.__name__}: {words}")


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("sizes", "error", "words"),
    [
        ((0, 4, "general", None), ValueError, "d_q must be at least 1, got 0."),
        ((3, 4.0, "general", None), TypeError, "d_k must be an int, got float."),
        ((3, 4, "dot", None), ValueError, "score 'dot' needs d_q and d_k to be equal, got d_q=3, d_k=4."),
        (
            (3, 4, "bilinear", None),
            ValueError,
            "score must be one of 'dot', 'general', 'concat', got 'bilinear'.",
        ),
        (
            (3, 4, "concat", None),
            ValueError,
            "score 'concat' needs d_a, the size of its hidden layer, got d_a=None.",
        ),
        ((3, 4, "concat", 0), ValueError, "d_a must be at least 1, got 0."),
        ((3, 4, "general", 6), ValueError, "score 'general' has no hidden layer: leave d_a out, got d_a=6."),
        ((4, 4, "dot", 6), ValueError, "score 'dot' has no hidden layer: leave d_a out, got d_a=6."),
    ],
)
def test_module_refusals(refuses, sizes, error, words):
    d_q, d_k, score, d_a = sizes
    refuses(lambda: LuongAttention(d_q, d_k, score=score, d_a=d_a), error, f"LuongAttention: {words}")
