"""Efficient attention against its definition and torch's own softmax, einsum and convolutions, and its laws.

What every attention must do is in test_attend.py.
"""

import copy
import math
from functools import partial

import pytest
import torch
from drawing import shared_mask_cases
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from attnref import EfficientAttention2d, causal_mask, efficient_attention, padding_mask
from attnref.attention import _blocks
from attnref.fast import efficient as fast
from attnref.oracle import efficient as oracle

both = pytest.mark.parametrize("function", [efficient_attention, fast.efficient_attention], ids=["reference", "fast"])
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
normalizations = pytest.mark.parametrize("normalization", ["softmax", "scaling"])
MASK = torch.rand(2, 1, 7, generator=torch.Generator().manual_seed(0)) < 0.6
SOME = pytest.mark.parametrize("mask", [None, MASK], ids=["all", "some"])


def inputs(dtype=torch.float64, n_q=5, n_k=7, d_k=3):
    """Every size differs: 2 samples, n_q=5, n_k=7, d_k=3, d_v=11."""
    return [torch.randn(shape).to(dtype) for shape in ((2, n_q, d_k), (2, n_k, d_k), (2, n_k, 11))]


def implied_weights(function, query, key, mask=None):
    """What each query takes from each key: the output, where the values are the rows of the identity."""
    n_k = key.shape[-2]
    return function(query, key, torch.eye(n_k, dtype=key.dtype).expand(*key.shape[:-2], n_k, n_k), mask)[0]


@both
@normalizations
@SOME
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_agrees_with_oracle_when_all_sizes_differ(agrees, arrays, function, normalization, mask, dtype):
    given = inputs(dtype)
    output, weights = function(*given, mask, normalization=normalization)
    expected, _ = oracle.efficient_attention(*arrays(*given, mask), normalization=normalization)
    assert weights is None
    assert output.dtype == dtype
    agrees(output, expected)


@both
def test_agrees_with_torch_softmax_and_einsum(agrees, function):
    """Nothing of attnref on the other side: two softmaxes of torch, over other axes, and one einsum."""
    query, key, value = inputs()
    rho_q, rho_k = F.softmax(query, dim=-1), F.softmax(key, dim=-2)
    agrees(function(query, key, value)[0], torch.einsum("bic,bjc,bje->bie", rho_q, rho_k, value))
    scaled = torch.einsum("bic,bjc,bje->bie", query, key, value) / 7
    agrees(function(query, key, value, normalization="scaling")[0], scaled)


@both
@normalizations
@given(case=shared_mask_cases())
def test_agrees_with_oracle_whatever_the_sizes_and_blocks(agrees, arrays, function, normalization, case):
    tensors, mask, block = case
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "MIN_BLOCK", block)
        patch.setattr(fast, "BLOCK_BYTES", 1)
        output = function(*leaves, mask, normalization=normalization)[0]
    agrees(output, oracle.efficient_attention(*arrays(*tensors, mask), normalization=normalization)[0])
    expected = efficient_attention(*leaves, mask, normalization=normalization)[0]
    gradients = [torch.autograd.grad(out.square().sum(), leaves) for out in (output, expected)]
    for mine, other in zip(*gradients, strict=True):
        agrees(mine, other)


@both
@given(data=st.data(), dtype=st.sampled_from(DTYPES), block=st.integers(1, 4))
def test_keys_of_any_size_are_weighed_alike(agrees, function, data, dtype, block):
    """From one end of the dtype to the other, beside masked keys: output and gradients of a softmax over the others."""
    info = torch.finfo(dtype)
    numbers = [info.min, info.max, -6e4 if dtype == torch.float16 else -5e4, -4.9e4, 0.0, 1.0, 20.0]
    some = data.draw(st.sampled_from([numbers, numbers[:1], numbers[2:4]]))
    keys = data.draw(st.lists(st.sampled_from(some), min_size=1, max_size=5))
    mask = data.draw(st.none() | st.lists(st.booleans(), min_size=len(keys), max_size=len(keys)))
    mask = None if mask is None else torch.tensor([mask])
    leaves = [
        x.to(dtype).requires_grad_() for x in (torch.tensor(keys, dtype=torch.float64)[:, None], torch.eye(len(keys)))
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "MIN_BLOCK", block)
        patch.setattr(fast, "BLOCK_BYTES", 1)
        output = function(torch.ones(1, 1, dtype=dtype), *leaves, mask)[0]
    exact = leaves[0].detach().double().mT.clone().requires_grad_()
    seen = torch.ones_like(exact, dtype=torch.bool) if mask is None else mask
    expected = exact.masked_fill(~seen, -torch.inf).softmax(-1) if seen.any() else 0 * exact
    agrees(output, expected)
    along = torch.arange(1.0, 1 + len(keys))
    mine = torch.autograd.grad((output * along.to(dtype)).sum(), leaves)
    (of_keys,) = torch.autograd.grad((expected * along.double()).sum(), exact)
    agrees(mine[0], of_keys.mT)
    agrees(mine[1], expected.mT * along)


@both
@normalizations
@given(
    case=shared_mask_cases(),
    what=st.sampled_from([torch.nan, torch.inf, -torch.inf]),
    at=st.integers(0, 2),
    spot=st.integers(0, 8),
)
def test_what_is_not_finite_stays_with_the_queries_that_attend_to_it(
    agrees, function, normalization, case, what, at, spot
):
    """A masked key or value reaches nothing, a query itself alone: the rest is what it is with zeros in its stead."""
    tensors, mask, _ = case
    mask = torch.ones(1, 1, dtype=torch.bool) if mask is None else mask
    spot %= tensors[at].shape[-2]
    tensors[at][..., spot, 0] = 0
    clean = [tensor.clone().requires_grad_() for tensor in tensors]
    tensors[at][..., spot, 0] = what
    broken = [tensor.requires_grad_() for tensor in tensors]
    outs = [function(*leaves, mask, normalization=normalization)[0] for leaves in (broken, clean)]
    lost = mask.expand(*mask.shape[:-1], tensors[1].shape[-2])
    lost = lost.any(-1, keepdim=True) if at == 0 else lost[..., spot : spot + 1]
    if at == 0:
        lost = lost & (torch.arange(outs[0].shape[-2]) == spot)[:, None]
    lost = lost.expand(outs[0].shape)
    assert outs[0][lost].isnan().all()
    agrees(outs[0][~lost], outs[1][~lost])
    gradients = [
        torch.autograd.grad(out[~lost].square().sum(), leaves)
        for out, leaves in zip(outs, (broken, clean), strict=True)
    ]
    for which, (mine, expected) in enumerate(zip(*gradients, strict=True)):
        if which == at:
            mine, expected = mine.clone(), expected.clone()
            assert mine[..., spot, 0].eq(0).all()
            expected[..., spot, 0] = 0
        agrees(mine, expected)


@both
@normalizations
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_gradients_are_near_those_in_float64(function, normalization, dtype):
    leaves = [tensor.requires_grad_() for tensor in inputs(dtype, n_q=40, n_k=7)]
    wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
    outs = [function(*of, MASK, normalization=normalization)[0] for of in (leaves, wide)]
    mine, expected = (torch.autograd.grad(out.square().sum(), of) for out, of in zip(outs, (leaves, wide), strict=True))
    tolerance = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}[dtype]
    for ours, theirs in zip(mine, expected, strict=True):
        assert ours.dtype == dtype
        assert (ours.double() - theirs).norm() <= tolerance * theirs.norm()


@both
@normalizations
@pytest.mark.parametrize("of_inputs", [torch.float32, torch.bfloat16], ids=str)
def test_autocast_forward_and_backward(agrees, function, normalization, of_inputs):
    """The output has the dtype of autocast, a gradient that of its input."""
    leaves = [tensor.requires_grad_() for tensor in inputs(of_inputs)]
    with torch.autocast("cpu", torch.bfloat16):
        output = function(*leaves, MASK, normalization=normalization)[0]
    assert output.dtype == torch.bfloat16
    wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
    expected = efficient_attention(*wide, MASK, normalization=normalization)[0]
    agrees(output, expected)
    mine = torch.autograd.grad(output.float().square().sum(), leaves)
    for ours, theirs in zip(mine, torch.autograd.grad(expected.square().sum(), wide), strict=True):
        assert ours.dtype == of_inputs
        assert (ours.double() - theirs).norm() <= 4e-2 * theirs.norm()


@both
@normalizations
def test_masked_keys_are_as_if_they_were_not_there(agrees, function, normalization):
    """With "scaling", n counts the keys that are left: padding must not shrink the output."""
    query, key, value = inputs()
    output, _ = function(query, key, value, MASK, normalization=normalization)
    for b in range(2):
        real = MASK[b, 0]
        alone, _ = function(query[b], key[b, real], value[b, real], normalization=normalization)
        agrees(output[b], alone)


@both
@normalizations
def test_one_mask_for_all_keys_counts_them_all(agrees, function, normalization):
    given = inputs()
    everyone = torch.tensor([[[True]], [[False]]])
    output, _ = function(*given, everyone, normalization=normalization)
    agrees(output[0], function(*given, normalization=normalization)[0][0])
    assert output[1].eq(0).all()


@both
@normalizations
def test_a_masked_key_may_be_as_large_as_it_likes(agrees, monkeypatch, function, normalization):
    monkeypatch.setattr(fast, "MIN_BLOCK", 2)
    monkeypatch.setattr(fast, "BLOCK_BYTES", 1)
    query, key, value = inputs(torch.float32)
    large = key.where(MASK.mT, 1e30)
    expected, _ = function(query, key, value, MASK, normalization=normalization)
    agrees(function(query, large, value, MASK, normalization=normalization)[0], expected)


@both
@normalizations
@given(seed=st.integers(0, 999))
def test_keys_first_is_the_same_as_queries_first(agrees, function, normalization, seed):
    """The product is associative: the weights that are never formed are rho_q rho_k^T, and average the values."""
    torch.manual_seed(seed)
    query, key, value = inputs()
    function = partial(function, normalization=normalization)
    weights = implied_weights(function, query, key, MASK)
    agrees(function(query, key, value, MASK)[0], weights @ value)
    assert weights.masked_select(~MASK).eq(0).all()
    assert torch.linalg.matrix_rank(weights).le(3).all()  # d_k


@both
@given(seed=st.integers(0, 999), scale=st.floats(0, 50))
def test_softmax_weights_are_positive_rows_of_sum_one(agrees, function, seed, scale):
    torch.manual_seed(seed)
    query, key, _ = inputs()
    weights = implied_weights(function, scale * query, scale * key)
    assert weights.ge(0).all()
    agrees(weights.sum(-1), torch.ones(2, 5))


@both
@given(seed=st.integers(0, 999), scale=st.floats(0, 100))
def test_no_more_positions_than_d_k_can_be_looked_up(function, seed, scale):
    """The trace of the weights of n queries on their own n keys is at most d_k; softmax attention reaches n."""
    torch.manual_seed(seed)
    query, key, _ = inputs(n_q=7)
    own = implied_weights(function, scale * query, scale * key).diagonal(dim1=-2, dim2=-1).sum(-1)
    assert own.le(3 + 1e-9).all()


@both
@given(seed=st.integers(0, 999))
def test_a_number_for_all_features_of_a_query_or_all_keys_of_a_feature_changes_nothing(agrees, function, seed):
    """Which tells the two axes apart: the softmax of the query runs over features, that of the keys over positions."""
    torch.manual_seed(seed)
    query, key, value = inputs()
    output, _ = function(query, key, value)
    agrees(
        function(query + 5 * torch.randn(2, 5, 1).double(), key + 5 * torch.randn(2, 1, 3).double(), value)[0], output
    )
    assert not torch.allclose(function(query + torch.randn(2, 1, 3).double(), key, value)[0], output)
    assert not torch.allclose(function(query, key + torch.randn(2, 7, 1).double(), value)[0], output)


@both
@normalizations
def test_each_query_is_answered_on_its_own(agrees, function, normalization):
    query, key, value = inputs()
    output, _ = function(query, key, value, MASK, normalization=normalization)
    for i in range(5):
        agrees(function(query[:, i : i + 1], key, value, MASK, normalization=normalization)[0], output[:, i : i + 1])


@both
def test_a_later_key_changes_earlier_outputs_even_if_each_query_reads_only_what_came_before(function):
    """Why there is no causal mask: the softmax over positions has seen the future before any query asks."""
    query, key, value = inputs(n_q=7)

    def cut(key):  # the implied weights, the future of each query cut off
        return implied_weights(function, query, key).masked_fill(~causal_mask(7), 0.0) @ value

    later = key.clone()
    later[:, -1] += 3
    assert (cut(later) - cut(key))[:, 0].abs().min() > 1e-3


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
@pytest.mark.parametrize("mask", [None, MASK, torch.zeros(1, 1, dtype=torch.bool)], ids=["all", "some", "none"])
@normalizations
def test_fast_is_the_same_whatever_the_block(agrees, monkeypatch, rows, mask, normalization):
    monkeypatch.setattr(fast, "MIN_BLOCK", rows)
    monkeypatch.setattr(fast, "BLOCK_BYTES", 1)
    leaves = [tensor.requires_grad_() for tensor in inputs()]
    ours, theirs = (
        f(*leaves, mask, normalization=normalization)[0] for f in (fast.efficient_attention, efficient_attention)
    )
    agrees(ours, theirs)
    gradients = [torch.autograd.grad(output.square().sum(), leaves) for output in (ours, theirs)]
    for mine, reference in zip(*gradients, strict=True):
        agrees(mine, reference)


@both
@normalizations
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "some"])
def test_the_form_without_a_loop_is_the_same(agrees, monkeypatch, function, normalization, mask):
    """What a program holds that torch compiles or exports, for every length."""
    tensors = inputs()
    monkeypatch.setattr(fast, "MIN_BLOCK", 2)
    monkeypatch.setattr(fast, "BLOCK_BYTES", 1)
    expected = function(*tensors, mask, normalization=normalization)[0]
    monkeypatch.setattr(fast, "records", lambda: True)
    monkeypatch.setattr(_blocks, "records", lambda: True)
    agrees(function(*tensors, mask, normalization=normalization)[0], expected)


def test_fast_does_not_overflow_where_the_largest_key_comes_last(agrees, monkeypatch):
    monkeypatch.setattr(fast, "MIN_BLOCK", 2)
    monkeypatch.setattr(fast, "BLOCK_BYTES", 1)
    query, key, value = inputs(torch.float32)
    key = 300 * torch.arange(7.0)[None, :, None] + key
    agrees(fast.efficient_attention(query, key, value)[0], efficient_attention(query, key, value)[0])
    agrees(fast.efficient_attention(query, -key, value)[0], efficient_attention(query, -key, value)[0])


@both
def test_half_precision_takes_more_keys_than_its_largest_number(agrees, monkeypatch, function):
    monkeypatch.setattr(fast, "MIN_BLOCK", 10_000)
    monkeypatch.setattr(fast, "BLOCK_BYTES", 1)
    query, key, value = (torch.zeros(n, 1, dtype=torch.float16) for n in (1, 70_000, 70_000))
    agrees(function(query, key, value + 1)[0], torch.ones(1, 1))


@both
@normalizations
@pytest.mark.parametrize("masked", [False, True])
def test_nothing_of_n_by_n_is_ever_formed(function, normalization, masked):
    """No tensor that is made, forward or backward, has more numbers than the longest input."""
    query, key, value = (torch.randn(1, 4000, d, requires_grad=True) for d in (4, 4, 8))
    mask = padding_mask([3000], 4000) if masked else None
    largest = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            largest.append(max((t.untyped_storage().nbytes() for t in [out] if isinstance(t, torch.Tensor)), default=0))
            return out

    with Watch():
        function(query, key, value, mask, normalization=normalization)[0].sum().backward()
    assert max(largest) <= 4000 * 8 * 4


SIZES = {"channels": 5, "d_k": 3, "d_v": 2, "num_heads": 4}
HEIGHT, WIDTH = 3, 7


def module(normalization="softmax"):
    return EfficientAttention2d(**SIZES, normalization=normalization).double()


def image():
    return torch.randn(2, 5, HEIGHT, WIDTH, dtype=torch.float64)


PIXELS = torch.arange(WIDTH).expand(2, HEIGHT, WIDTH) < torch.tensor([4, 0])[:, None, None]


either = pytest.mark.parametrize("normalization", ["softmax", "scaling"])


@either
@pytest.mark.parametrize("mask", [None, PIXELS], ids=["all", "some"])
def test_module_agrees_with_oracle(agrees, arrays, mask, normalization):
    attention, x = module(normalization), image()
    weights = dict(zip(dict(attention.named_parameters()), arrays(*attention.parameters()), strict=True))
    assert {name: weight.shape for name, weight in weights.items()} == {
        "query_proj.weight": (12, 5, 1, 1),
        "query_proj.bias": (12,),
        "key_proj.weight": (12, 5, 1, 1),
        "key_proj.bias": (12,),
        "value_proj.weight": (8, 5, 1, 1),
        "value_proj.bias": (8,),
        "output_proj.weight": (5, 8, 1, 1),
        "output_proj.bias": (5,),
    }
    options = {"num_heads": 4, "normalization": normalization}
    agrees(attention(x, mask), oracle.efficient_attention2d(*arrays(x, mask), **options, **weights))


def test_module_agrees_with_the_block_of_the_paper_in_torch_layers(agrees):
    """As the authors write it: channels first, positions last, one group of channels after the other."""
    attention, x = module(), image()
    keys, queries, values, back = (nn.Conv2d(a, b, 1).double() for a, b in ((5, 12), (5, 12), (5, 8), (8, 5)))
    theirs = {"key": keys, "query": queries, "value": values, "output": back}
    for name, layer in theirs.items():
        layer.load_state_dict(getattr(attention, f"{name}_proj").state_dict())
    parts = []
    for key, query, value in zip(
        keys(x).flatten(2).chunk(4, 1), queries(x).flatten(2).chunk(4, 1), values(x).flatten(2).chunk(4, 1), strict=True
    ):
        context = torch.einsum("bcn,bvn->bcv", F.softmax(key, dim=2), value)
        parts.append(torch.einsum("bcv,bcn->bvn", context, F.softmax(query, dim=1)).reshape(2, 2, HEIGHT, WIDTH))
    agrees(attention(x), back(torch.cat(parts, dim=1)) + x)


@either
def test_two_dimensions_are_one_on_the_flattened_image(agrees, normalization):
    """Nothing in it knows rows from columns: the image may be laid out as one line, or its pixels shuffled."""
    attention, x = module(normalization), image()
    agrees(attention(x.flatten(2)[:, :, None]).flatten(2), attention(x).flatten(2))
    order = torch.randperm(HEIGHT * WIDTH)
    shuffled = attention(x.flatten(2)[..., order].unflatten(2, (HEIGHT, WIDTH))).flatten(2)
    agrees(shuffled, attention(x).flatten(2)[..., order])


@either
def test_padding_of_an_image_changes_nothing(agrees, normalization):
    attention, x = module(normalization), image()
    padded = F.pad(x, (0, 2, 0, 1), value=9.0)
    real = F.pad(torch.ones(2, HEIGHT, WIDTH, dtype=torch.bool), (0, 2, 0, 1))
    agrees(attention(padded, real)[..., :HEIGHT, :WIDTH], attention(x))


@pytest.mark.parametrize("shape", [(1, HEIGHT, WIDTH), (2, 1, WIDTH), (2, HEIGHT, 1), (1, 1, 1)], ids=str)
def test_a_token_mask_of_an_image_broadcasts(agrees, shape):
    attention, x, real = module(), image(), torch.arange(math.prod(shape)).reshape(shape) % 3 < 2
    agrees(attention(x, real), attention(x, real.expand(2, HEIGHT, WIDTH)))


@either
@pytest.mark.parametrize("what", [torch.nan, torch.inf])
def test_what_is_not_finite_in_padding_reaches_nothing(agrees, normalization, what):
    """Neither a real pixel nor a gradient, those of the weights included."""
    attention, x = module(normalization), image()
    results = []
    for padding in (0.0, what):
        tensor = x.where(PIXELS[:, None], padding).requires_grad_()
        real = attention(tensor, PIXELS).masked_select(PIXELS[:, None])
        results.append((real, *torch.autograd.grad(real.square().sum(), (tensor, *attention.parameters()))))
    for clean, broken in zip(*results, strict=True):
        agrees(broken, clean)


def test_init_and_reset_are_those_of_torchs_convolutions():
    torch.manual_seed(3)
    layers = [nn.Conv2d(a, b, 1) for a, b in ((5, 12), (5, 12), (5, 8), (8, 5))]
    expected = [parameter for layer in layers for parameter in layer.parameters()]
    torch.manual_seed(3)
    attention = EfficientAttention2d(**SIZES)
    with torch.device("meta"):
        bare = EfficientAttention2d(**SIZES)
    assert all(parameter.is_meta for parameter in bare.parameters())
    assert bare(torch.zeros(2, 5, 3, 7, device="meta"), PIXELS.to("meta")).shape == (2, 5, 3, 7)
    bare.to_empty(device="cpu")
    torch.manual_seed(3)
    bare.reset_parameters()
    for built in (attention, bare):
        assert all(torch.equal(*pair) for pair in zip(built.parameters(), expected, strict=True))


def test_nothing_real_leaves_the_image_and_the_bias(agrees):
    attention, x = module(), image().requires_grad_()
    output = attention(x, torch.zeros(2, HEIGHT, WIDTH, dtype=torch.bool))
    agrees(output, x + attention.output_proj.bias[:, None, None])
    output.sum().backward()
    assert x.grad is not None
    assert x.grad.eq(1).all()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in attention.parameters())


def test_every_weight_learns_but_the_bias_of_the_keys(agrees):
    """A number added to a feature of every key is cancelled by the softmax over the positions."""
    attention, x = module(), image()
    assert torch.autograd.gradcheck(attention, (x.requires_grad_(), PIXELS), fast_mode=True)
    attention(x).square().sum().backward()
    for name, parameter in attention.named_parameters():
        assert parameter.grad is not None, name
        if name == "key_proj.bias":
            agrees(parameter.grad, torch.zeros(12))
        else:
            assert parameter.grad.abs().max() > 1e-3, name
    agrees(copy.deepcopy(attention)(x), attention(x))


@pytest.mark.refusal
@both
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda q, k, v: ((q, k[..., :2], v), {}),
            "query and key must agree in d_k, got query (2, 5, 3) with d_k=3, key (2, 7, 2) with d_k=2.",
        ),
        (
            lambda q, k, v: ((q, k, v, torch.ones(5, 7, dtype=torch.bool)), {}),
            "mask must be the same for all queries, (..., 1, n_k), got shape (5, 7).",
        ),
        (
            lambda q, k, v: ((q, k, v), {"normalization": "relu"}),
            "normalization must be one of 'softmax', 'scaling', got 'relu'.",
        ),
    ],
)
def test_refusals(refuses, function, change, words):
    args, options = change(*inputs())
    refuses(lambda: function(*args, **options), ValueError, f"efficient_attention: {words}")


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"channels": 0}, ValueError, "channels must be at least 1, got 0."),
        ({"d_k": 0}, ValueError, "d_k must be at least 1, got 0."),
        ({"d_v": -1}, ValueError, "d_v must be at least 1, got -1."),
        ({"num_heads": 2.0}, TypeError, "num_heads must be an int, got float."),
        ({"normalization": "relu"}, ValueError, "normalization must be one of 'softmax', 'scaling', got 'relu'."),
    ],
)
def test_module_refuses_sizes(refuses, change, error, words):
    refuses(lambda: EfficientAttention2d(**{**SIZES, **change}), error, f"EfficientAttention2d: {words}")


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            lambda x, m: (x[0], m),
            ValueError,
            "x must be (batch, channels, height, width), got shape (5, 3, 7).",
        ),
        (
            lambda x, m: (x[:, :4], m),
            ValueError,
            "x must have channels=5, got x (2, 4, 3, 7) with channels=4.",
        ),
        (
            lambda x, m: (x.float(), m),
            TypeError,
            "x and weights must share one dtype, got x torch.float32, weights torch.float64.",
        ),
        (lambda x, m: (x.tolist(), m), TypeError, "x must be a torch.Tensor, got list."),
        (lambda x, m: (x, m[0]), ValueError, "token_mask must be (batch, height, width), got shape (3, 7)."),
        (
            lambda x, m: (x, m[:, None]),
            ValueError,
            "token_mask must be (batch, height, width), got shape (2, 1, 3, 7).",
        ),
        (
            lambda x, m: (x, m.numpy()),
            TypeError,
            "token_mask must be a torch.Tensor of bool (True = a real pixel), got numpy.ndarray.",
        ),
        (
            lambda x, m: (x, m.to("meta")),
            ValueError,
            "token_mask must be on the device of x, got token_mask on meta, x on cpu.",
        ),
        (
            lambda x, m: (x, m[:, :2]),
            ValueError,
            "token_mask must broadcast to (batch, height, width) = (2, 3, 7), got shape (2, 2, 7).",
        ),
        (lambda x, m: (x, m.int()), TypeError, "token_mask must be bool (True = a real pixel), got torch.int32."),
    ],
)
def test_module_refuses_inputs(refuses, change, error, words):
    refuses(lambda: module()(*change(image(), PIXELS)), error, f"EfficientAttention2d: {words}")
