"""Mean over real tokens against its definition, and the class token; padding reaches neither."""

import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch._dynamo.testing import CompileCounter
from torch.func import functional_call, grad, vmap

from attnref import ClassToken, TransformerEncoder, mean_pooling
from attnref.oracle import pooling as oracle

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def inputs(dtype=torch.float64):
    """Three sequences: all five tokens are real, two of them, none."""
    return torch.randn(3, 5, 4).to(dtype), torch.arange(5) < torch.tensor([5, 2, 0])[:, None]


@each_dtype
@pytest.mark.parametrize("masked", [True, False])
def test_agrees_with_oracle(agrees, arrays, dtype, masked):
    x, token_mask = inputs(dtype)
    token_mask = token_mask if masked else None
    pooled = mean_pooling(x, token_mask)
    assert pooled.dtype == dtype
    agrees(pooled, oracle.mean_pooling(*arrays(x, token_mask)))


@given(batch=st.lists(st.integers(0, 3), max_size=2), n=st.integers(0, 6), d_model=st.integers(0, 4))
def test_agrees_with_oracle_whatever_the_sizes(agrees, arrays, batch, n, d_model):
    x, token_mask = torch.randn(*batch, n, d_model, dtype=torch.float64), torch.rand(*batch, n) < 0.5
    agrees(mean_pooling(x, token_mask), oracle.mean_pooling(*arrays(x, token_mask)))
    agrees(mean_pooling(x), oracle.mean_pooling(*arrays(x)))


def test_agrees_with_torch(agrees):
    x, token_mask = inputs()
    agrees(mean_pooling(x), x.mean(-2))
    agrees(mean_pooling(x[1], token_mask[1]), x[1, token_mask[1]].mean(0))
    bags = nn.functional.embedding_bag(torch.arange(15)[token_mask.flatten()], x.flatten(0, 1), torch.tensor([0, 5, 7]))
    agrees(mean_pooling(x, token_mask), bags)


@pytest.mark.parametrize("what", [7.0, torch.nan, torch.inf, -torch.inf])
def test_padding_is_never_counted(what):
    x, token_mask = inputs()
    expected = mean_pooling(x, token_mask)
    x[~token_mask] = what
    x.requires_grad_()
    pooled = mean_pooling(x, token_mask)
    assert torch.equal(pooled, expected)
    assert pooled[2].eq(0).all()
    (gradient,) = torch.autograd.grad(pooled.sum(), x)
    assert gradient[0].eq(1 / 5).all()
    assert gradient[1, :2].eq(1 / 2).all()
    assert gradient[~token_mask].eq(0).all()


def test_what_is_not_finite_stays_in_its_sequence():
    x, token_mask = inputs()
    x[0, 1, 2] = torch.nan
    assert mean_pooling(x, token_mask).isnan().nonzero().tolist() == [[0, 2]]


def test_real_tokens_need_not_come_first(agrees):
    x, _ = inputs()
    token_mask = torch.tensor([False, True, False, True, True]).expand(3, 5)
    agrees(mean_pooling(x, token_mask), x[:, [1, 3, 4]].mean(1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_a_sum_past_the_largest_half_precision_number(dtype):
    """4000 times 100 is past what float16 holds, and 1 too little for bfloat16 to add to 256."""
    assert mean_pooling(torch.full((4000, 1), 100.0, dtype=dtype)).item() == 100
    assert mean_pooling(torch.ones(100_000, 1, dtype=dtype)).item() == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_autocast_leaves_the_dtype(dtype):
    x, token_mask = inputs(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(mean_pooling(x, token_mask), mean_pooling(x, token_mask))
        assert mean_pooling(x, token_mask).dtype == dtype


def test_the_token_mask_is_left_as_it_is():
    x, token_mask = inputs()
    before = x.clone(), token_mask.clone()
    mean_pooling(x, token_mask)
    ClassToken(4).double()(x, token_mask)
    assert torch.equal(x, before[0])
    assert torch.equal(token_mask, before[1])


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_gradient_of_the_mean():
    x, token_mask = inputs()
    assert torch.autograd.gradcheck(
        lambda x: mean_pooling(x, token_mask), (x.requires_grad_(),), check_forward_ad=True, check_batched_grad=True
    )


def test_class_token_comes_first():
    class_token, x = ClassToken(4), torch.randn(3, 5, 4)
    y, token_mask = class_token(x, torch.zeros(3, 5, dtype=torch.bool))
    assert torch.equal(y[:, 1:], x)
    assert torch.equal(y[:, 0], class_token.weight.expand(3, 4))
    assert token_mask.shape == (3, 6)
    assert token_mask[:, 0].all()
    assert not token_mask[:, 1:].any()
    assert class_token(x)[1] is None


@given(batch=st.lists(st.integers(0, 3), max_size=2), n=st.integers(0, 3))
def test_class_token_whatever_the_sizes(batch, n):
    class_token, x = ClassToken(4), torch.randn(*batch, n, 4)
    y, token_mask = class_token(x, torch.ones(*batch, n, dtype=torch.bool))
    assert torch.equal(y, torch.cat((class_token.weight.expand(*batch, 1, 4), x), dim=-2))
    assert token_mask.shape == (*batch, n + 1)
    assert token_mask.all()


@each_dtype
def test_class_token_keeps_the_dtype(dtype):
    y, _ = ClassToken(4).to(dtype)(torch.randn(3, 5, 4, dtype=dtype))
    assert y.dtype == dtype


def test_class_token_is_drawn_small():
    weight = ClassToken(20_000).weight
    assert 0.019 < weight.std() < 0.021
    assert abs(weight.mean()) < 0.001


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_gradient_of_the_class_token():
    """Each sequence adds to it."""
    class_token, (x, _) = ClassToken(4).double(), inputs()
    out = torch.randn(3, 6, 4, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((class_token(x)[0] * out).sum(), class_token.weight)
    torch.testing.assert_close(gradient, out[:, 0].sum(0))
    assert torch.autograd.gradcheck(lambda x, _: class_token(x)[0], (x.requires_grad_(), class_token.weight))


def test_gradients_of_each_sample():
    class_token, x = ClassToken(4), torch.randn(5, 3, 4)
    weights = dict(class_token.named_parameters())

    def loss(weights, one):
        return mean_pooling(functional_call(class_token, weights, (one,))[0]).pow(3).sum()

    each = vmap(grad(loss), in_dims=(None, 0))(weights, x)["weight"]
    whole = grad(lambda weights: loss(weights, x))(weights)["weight"]
    torch.testing.assert_close(each.sum(0), whole)


@pytest.mark.parametrize("norm", ["post", "pre"])
@given(length=st.integers(0, 5), what=st.sampled_from([7.0, torch.nan, torch.inf]))
def test_padding_changes_nothing_in_what_an_encoder_says_of_a_sequence(norm, length, what):
    """Both ways; one of no tokens gives zero, and what the class token alone gives."""
    torch.manual_seed(0)
    class_token, encoder = ClassToken(4).double(), TransformerEncoder(4, 2, 8, 2, norm=norm).double()
    x = torch.randn(1, 5, 4, dtype=torch.float64)
    token_mask = torch.arange(5)[None] < length
    alone, _ = encoder(class_token(x[:, :length])[0])
    expected = mean_pooling(encoder(x[:, :length])[0]) if length else torch.zeros(1, 4, dtype=torch.float64)
    x[:, length:] = what
    with_token, with_mask = class_token(x, token_mask)
    torch.testing.assert_close(encoder(with_token, with_mask[:, None])[0][:, 0], alone[:, 0])
    torch.testing.assert_close(mean_pooling(encoder(x, token_mask[:, None])[0], token_mask), expected)


def test_the_mean_stays_on_the_device_of_x():
    assert mean_pooling(torch.randn(3, 5, 4, device="meta")).is_meta


def test_meta_device_reset_and_pickle():
    with torch.device("meta"):
        class_token = ClassToken(4)
        assert mean_pooling(torch.randn(3, 5, 4), torch.ones(3, 5, dtype=torch.bool)).shape == (3, 4)
    assert class_token.weight.is_meta
    class_token.to_empty(device="cpu")
    nn.init.constant_(class_token.weight, torch.nan)
    class_token.reset_parameters()
    assert class_token.weight.isfinite().all()
    x = torch.randn(3, 5, 4)
    assert torch.equal(pickle.loads(pickle.dumps(class_token))(x)[0], class_token(x)[0])


class Pooled(nn.Module):
    """Both ways of one sequence, side by side."""

    def __init__(self):
        super().__init__()
        self.class_token = ClassToken(4)

    def forward(self, x, token_mask):
        y, token_mask = self.class_token(x, token_mask)
        return torch.cat((y[:, 0], mean_pooling(y, token_mask)), dim=-1)


def test_exports_and_compiles_for_any_length():
    module = Pooled()
    batch, n = torch.export.Dim("batch"), torch.export.Dim("n")
    example, sizes = (torch.randn(2, 4, 4), torch.ones(2, 4, dtype=torch.bool)), {0: batch, 1: n}
    program = torch.export.export(module, example, dynamic_shapes=(sizes, sizes)).module()
    torch._dynamo.reset()
    count = CompileCounter()
    compiled = torch.compile(module, fullgraph=True, backend=count)
    for size in range(2, 12):
        x, token_mask = torch.randn(3, size, 4), torch.rand(3, size) < 0.5
        torch.testing.assert_close(program(x, token_mask), module(x, token_mask))
        torch.testing.assert_close(compiled(x, token_mask), module(x, token_mask))
    assert count.frame_count <= 2


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: mean_pooling(torch.randn(4)),
            ValueError,
            "mean_pooling: x must be (..., n, d_model), got shape (4,).",
        ),
        (
            lambda: mean_pooling(torch.ones(3, 5, 4, dtype=torch.int64)),
            TypeError,
            "mean_pooling: x must be floating point, got x torch.int64.",
        ),
        (lambda: mean_pooling([[1.0]]), TypeError, "mean_pooling: x must be a torch.Tensor, got list."),
        (
            lambda: mean_pooling(torch.randn(3, 5, 4), torch.ones(3, 5)),
            TypeError,
            "mean_pooling: token_mask must be bool (True = a real token), got torch.float32.",
        ),
        (
            lambda: mean_pooling(torch.randn(3, 5, 4), torch.ones(3, 1, 5, dtype=torch.bool)),
            ValueError,
            "mean_pooling: token_mask must be (..., n) = (3, 5), got shape (3, 1, 5).",
        ),
        (
            lambda: mean_pooling(torch.randn(3, 5, 4), torch.ones(5, dtype=torch.bool)),
            ValueError,
            "mean_pooling: token_mask must be (..., n) = (3, 5), got shape (5,).",
        ),
        (
            lambda: mean_pooling(torch.randn(3, 5, 4), torch.ones(3, 5, dtype=torch.bool, device="meta")),
            ValueError,
            "mean_pooling: token_mask must be on the device of x, got token_mask on meta, x on cpu.",
        ),
        (lambda: ClassToken(0), ValueError, "ClassToken: d_model must be at least 1, got 0."),
        (lambda: ClassToken(4.0), TypeError, "ClassToken: d_model must be an int, got float."),
        (
            lambda: ClassToken(4)(torch.randn(4)),
            ValueError,
            "ClassToken: x must be (..., n, d_model), got shape (4,).",
        ),
        (
            lambda: ClassToken(4)(torch.randn(3, 5, 6)),
            ValueError,
            "ClassToken: x must have d_model=4, got x (3, 5, 6) with d_model=6.",
        ),
        (
            lambda: ClassToken(4)(torch.randn(3, 5, 4).double()),
            TypeError,
            "ClassToken: x and weights must share one dtype, got x torch.float64, weights torch.float32.",
        ),
        (
            lambda: ClassToken(4)(torch.randn(3, 5, 4), torch.ones(3, 4, dtype=torch.bool)),
            ValueError,
            "ClassToken: token_mask must be (..., n) = (3, 5), got shape (3, 4).",
        ),
        (
            lambda: ClassToken(4)(torch.randn(3, 5, 4), torch.ones(3, 5).long()),
            TypeError,
            "ClassToken: token_mask must be bool (True = a real token), got torch.int64.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, words)
