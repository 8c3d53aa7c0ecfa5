"""Encoder, decoder and both models do as torch's Modules do: pickle, torch.func, autocast, half precision, export."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter
from torch.func import functional_call, grad, vmap
from torch.nn.utils import parametrize

from attnref import (
    AdditiveAttention,
    DecoderOnlyTransformer,
    Transformer,
    TransformerDecoder,
    TransformerEncoder,
    causal_mask,
    padding_mask,
)
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast_attention

KINDS = [TransformerEncoder, TransformerDecoder, Transformer, DecoderOnlyTransformer]
kinds = pytest.mark.parametrize("kind", KINDS)


def make(kind, **options):
    if kind in (TransformerEncoder, TransformerDecoder):
        return kind(8, 2, 16, 2, **options)
    vocabularies = (12, 12) if kind is Transformer else (12,)
    options = {"tie": "all" if kind is Transformer else "output", **options}
    return kind(*vocabularies, d_model=8, num_heads=2, d_ff=16, num_layers=2, **options)


def inputs(kind, n=5, n_k=7, batch=3):
    """A batch with all its masks."""
    real, target_real = padding_mask([n_k, n_k - 1, n_k], n_k)[:batch], padding_mask([n, n, n - 1], n)[:batch]
    x, memory = torch.randn(batch, n, 8), torch.randn(batch, n_k, 8)
    source, target = torch.randint(12, (batch, n_k)), torch.randint(12, (batch, n))
    return {
        TransformerEncoder: (memory, real),
        TransformerDecoder: (x, memory, causal_mask(n) & target_real, real),
        Transformer: (source, target, real[:, 0], target_real[:, 0]),
        DecoderOnlyTransformer: (target, target_real[:, 0]),
    }[kind]


@kinds
@pytest.mark.parametrize("attend", ["reference", "fast", "additive"])
def test_pickles_and_copies(kind, attend):
    options = {"fast": {"attend": fast_attention}, "additive": {"attend": AdditiveAttention(4, 4, 3)}}.get(attend, {})
    model, given = make(kind, **options), inputs(kind)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert torch.equal(twin(*given)[0], model(*given)[0])
        assert sum(w.numel() for w in twin.parameters()) == sum(w.numel() for w in model.parameters())  # ties kept


@kinds
def test_gradients_of_each_sample(kind):
    model, given = make(kind, norm="pre"), inputs(kind)
    weights = dict(model.named_parameters())

    def loss(weights, *given):
        batch = [tensor if tensor.ndim > 2 and tensor.dtype == torch.bool else tensor[None] for tensor in given]
        return functional_call(model, weights, tuple(batch))[0].sin().sum()

    def whole(weights, *given):
        return functional_call(model, weights, given)[0].sin().sum()

    each = vmap(grad(loss), in_dims=(None, *[0] * len(given)))(weights, *given)
    for name, of_all in grad(whole)(weights, *given).items():
        torch.testing.assert_close(each[name].sum(0), of_all, rtol=1e-4, atol=1e-5)


@kinds
def test_functional_call_takes_other_weights(kind):
    model, other, given = make(kind), make(kind), inputs(kind)
    weights = dict(other.named_parameters())
    assert torch.equal(functional_call(model, weights, given)[0], other(*given)[0])
    assert not torch.equal(model(*given)[0], other(*given)[0])


@kinds
def test_parametrizations_are_used(kind):
    model, given = make(kind), inputs(kind)
    stack = next(module for module in model.modules() if isinstance(module, TransformerEncoder | TransformerDecoder))
    before, _ = model(*given)
    parametrize.register_parametrization(stack.layers[0].self_attention.query_proj, "weight", Twice())
    after, _ = model(*given)
    assert not torch.allclose(before, after)


class Twice(nn.Module):
    def forward(self, weight):
        return 2 * weight


@kinds
def test_autocast(kind):
    model, given = make(kind), inputs(kind)
    expected, _ = model(*given)
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = model(*given)
    torch.testing.assert_close(found.float(), expected, rtol=0.1, atol=0.1)
    assert not torch.equal(found.float(), expected)
    found.float().sin().sum().backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


@kinds
@pytest.mark.parametrize("attend", ["reference", "fast"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_dtype(kind, attend, dtype):
    model, given = make(kind, **({"attend": fast_attention} if attend == "fast" else {})).double(), inputs(kind)
    exact = [tensor.double() if tensor.is_floating_point() else tensor for tensor in given]
    rounded = [tensor.to(dtype) if tensor.is_floating_point() else tensor for tensor in given]
    found, weights = copy.deepcopy(model).to(dtype)(*rounded, return_weights=True)
    assert found.dtype == dtype
    tolerance = {torch.float16: 0.02, torch.bfloat16: 0.2, torch.float64: 1e-12}[dtype]
    torch.testing.assert_close(found.double(), model(*exact)[0], rtol=tolerance, atol=tolerance)
    if attend == "reference":
        assert all(of_layer.dtype == dtype for of_layer in flat(weights))


def flat(weights):
    """All attention weights, whatever they are sorted by."""
    return [weights] if isinstance(weights, torch.Tensor) else [tensor for part in weights for tensor in flat(part)]


@kinds
def test_second_derivatives(kind):
    """Along one direction, against a difference quotient of the first."""
    model, given = make(kind, activation="gelu").double(), inputs(kind)
    given = [tensor.double() if tensor.is_floating_point() else tensor for tensor in given]
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    direction = {name: torch.randn_like(weight) for name, weight in weights.items()}

    def loss(weights):
        return functional_call(model, weights, tuple(given))[0].sin().sum()

    def slope(t):
        moved = {name: weight + t * direction[name] for name, weight in weights.items()}
        return sum((g * direction[name]).sum() for name, g in grad(loss)(moved).items())

    h = 1e-5
    curvature = grad(slope)(torch.zeros((), dtype=torch.float64))
    torch.testing.assert_close(curvature, (slope(h) - slope(-h)) / (2 * h), rtol=1e-5, atol=1e-6)


def free(kind):
    """Which axes are free, for each input."""
    batch, n, n_k = (torch.export.Dim(name) for name in ("batch", "n", "n_k"))
    return {
        TransformerEncoder: ({0: batch, 1: n_k}, {0: batch, 2: n_k}),
        TransformerDecoder: ({0: batch, 1: n}, {0: batch, 1: n_k}, {0: batch, 1: n, 2: n}, {0: batch, 2: n_k}),
        Transformer: ({0: batch, 1: n_k}, {0: batch, 1: n}, {0: batch, 1: n_k}, {0: batch, 1: n}),
        DecoderOnlyTransformer: ({0: batch, 1: n}, {0: batch, 1: n}),
    }[kind]


@kinds
@pytest.mark.parametrize("attend", ["reference", "fast"])
def test_exports_with_free_lengths(kind, attend):
    model = make(kind, **({"attend": fast_attention} if attend == "fast" else {})).eval()
    program = torch.export.export(model, inputs(kind), dynamic_shapes=(*free(kind),)).module()
    for n, n_k, batch in ((5, 7, 3), (2, 9, 2), (8, 3, 3)):
        given = inputs(kind, n, n_k, batch)
        torch.testing.assert_close(program(*given)[0], model(*given)[0])


@kinds
def test_exports_learned_positions(kind):
    if kind in (TransformerEncoder, TransformerDecoder):
        return
    model = make(kind, positions="learned", max_positions=9)
    batch = torch.export.Dim("batch")
    n, n_k = torch.export.Dim("n", max=9), torch.export.Dim("n_k", max=9)
    sizes = ({0: batch, 1: n_k}, {0: batch, 1: n}) if kind is Transformer else ({0: batch, 1: n},)
    given = inputs(kind)[: len(sizes)]
    program = torch.export.export(model, given, dynamic_shapes=sizes).module()
    given = inputs(kind, 9, 4, 2)[: len(sizes)]
    torch.testing.assert_close(program(*given)[0], model(*given)[0])


@kinds
def test_compiles_without_a_graph_for_each_length(kind):
    model, count = make(kind), CompileCounter()
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend=count)
    for n in range(3, 10):
        given = inputs(kind, n, 2 * n + 1)
        torch.testing.assert_close(compiled(*given)[0], model(*given)[0])
    assert count.frame_count <= 3


@kinds
def test_compiles_with_gradients(kind):
    model, given = make(kind, norm="pre"), inputs(kind)
    torch._dynamo.reset()
    found = torch.autograd.grad(
        torch.compile(model, backend="aot_eager")(*given)[0].sin().sum(), list(model.parameters())
    )
    wanted = torch.autograd.grad(model(*given)[0].sin().sum(), list(model.parameters()))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
