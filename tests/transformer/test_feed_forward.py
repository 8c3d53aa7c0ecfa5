"""The feed-forward network against its definition and torch's layers."""

import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch._dynamo.testing import CompileCounter
from torch.func import functional_call, grad, vmap

from attnref import FeedForward
from attnref.oracle import feed_forward as oracle

activations = pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh", "silu"])


def weights_of(net):
    return [w for layer in (net.inner_proj, net.output_proj) for w in (layer.weight, layer.bias)]


@activations
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_agrees_with_oracle(agrees, arrays, activation, dtype):
    net = FeedForward(3, 5, activation=activation).to(dtype)
    x = torch.randn(2, 4, 3).to(dtype)
    agrees(net(x), oracle.feed_forward(*arrays(x, *weights_of(net)), activation=activation))


@given(
    batch=st.lists(st.integers(0, 3), max_size=2),
    n=st.integers(0, 4),
    d_model=st.integers(1, 5),
    d_ff=st.integers(1, 6),
)
def test_agrees_with_oracle_whatever_the_sizes(agrees, arrays, batch, n, d_model, d_ff):
    net, x = FeedForward(d_model, d_ff).double(), torch.randn(*batch, n, d_model, dtype=torch.float64)
    agrees(net(x), oracle.feed_forward(*arrays(x, *weights_of(net))))


@activations
def test_agrees_with_torch(activation):
    net = FeedForward(3, 5, activation=activation)
    of_torch = {"relu": nn.ReLU(), "gelu": nn.GELU(), "gelu_tanh": nn.GELU("tanh"), "silu": nn.SiLU()}
    theirs = nn.Sequential(nn.Linear(3, 5), of_torch[activation], nn.Linear(5, 3))
    theirs.load_state_dict(dict(zip(theirs.state_dict(), net.state_dict().values(), strict=True)))
    x = torch.randn(2, 4, 3)
    torch.testing.assert_close(net(x), theirs(x))


@given(at=st.integers(0, 4), what=st.sampled_from([9.0, torch.nan, torch.inf]))
def test_each_position_is_transformed_by_itself(at, what):
    net, x = FeedForward(3, 5), torch.randn(2, 5, 3)
    before = net(x)
    x[1, at] = what
    changed = (net(x) != before).any(-1)
    assert changed.nonzero().tolist() == [[1, at]]


@activations
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_gradient(activation):
    net = FeedForward(3, 5, activation=activation).double()
    x = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(net, (x,), check_forward_ad=True)


def test_gradients_of_each_sample():
    net, x = FeedForward(3, 5), torch.randn(4, 2, 3)
    weights = dict(net.named_parameters())

    def loss(weights, one):
        return functional_call(net, weights, (one,)).square().sum()

    each = vmap(grad(loss), in_dims=(None, 0))(weights, x)
    for name, whole in grad(loss)(weights, x).items():
        torch.testing.assert_close(each[name].sum(0), whole)


def test_reset_and_pickle():
    with torch.device("meta"):
        net = FeedForward(3, 5)
    net.to_empty(device="cpu")
    for weight in net.parameters():
        nn.init.constant_(weight, torch.nan)
    net.reset_parameters()
    assert all(weight.isfinite().all() for weight in net.parameters())
    x = torch.randn(2, 3)
    assert torch.equal(pickle.loads(pickle.dumps(net))(x), net(x))


def test_exports_and_compiles_for_any_length():
    net = FeedForward(3, 5)
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("n")}
    program = torch.export.export(net, (torch.randn(2, 4, 3),), dynamic_shapes=(sizes,)).module()
    torch._dynamo.reset()
    count = CompileCounter()
    compiled = torch.compile(net, fullgraph=True, backend=count)
    for n in range(2, 12):
        x = torch.randn(3, n, 3)
        torch.testing.assert_close(program(x), net(x))
        torch.testing.assert_close(compiled(x), net(x))
    assert count.frame_count <= 2


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: FeedForward(0, 5), ValueError, "FeedForward: d_model must be at least 1, got 0."),
        (lambda: FeedForward(3, 2.0), TypeError, "FeedForward: d_ff must be an int, got float."),
        (
            lambda: FeedForward(3, 5, activation="tanh"),
            ValueError,
            "FeedForward: activation must be one of 'relu', 'gelu', 'gelu_tanh', 'silu', got 'tanh'.",
        ),
        (
            lambda: FeedForward(3, 5)(torch.randn(3)),
            ValueError,
            "FeedForward: x must be (..., n, d_model), got shape (3,).",
        ),
        (
            lambda: FeedForward(3, 5)(torch.randn(2, 4)),
            ValueError,
            "FeedForward: x must have d_model=3, got x (2, 4) with d_model=4.",
        ),
        (
            lambda: FeedForward(3, 5)(torch.randn(2, 3).double()),
            TypeError,
            "FeedForward: x and weights must share one dtype, got x torch.float64, weights torch.float32.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, words)
