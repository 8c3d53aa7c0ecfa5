"""The encoder against torch's with copied weights, and the laws of a stack of blocks."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from theirs import gradients, randomized, torch_stack
from torch import nn

from attnref import (
    AdditiveAttention,
    EncoderBlock,
    KeyValueCache,
    LuongAttention,
    TransformerDecoder,
    TransformerEncoder,
    causal_linear_attention,
    causal_mask,
    dot_attention,
    efficient_attention,
    linear_attention,
    padding_mask,
    tiled_attention,
)
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast_attention

norms = pytest.mark.parametrize("norm", ["post", "pre"])
both = pytest.mark.parametrize("kind", [TransformerEncoder, TransformerDecoder])


def inputs(n=5, batch=2):
    return torch.randn(batch, n, 8, dtype=torch.float64)


def apply(stack, x, memory, mask=None, **options):
    """An encoder or a decoder; the memory is for the latter alone."""
    given = (x, memory, mask) if isinstance(stack, TransformerDecoder) else (x, mask)
    return stack(*given, **options)


@norms
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("final_norm", [None, True, False])
@pytest.mark.parametrize("masked", [False, True])
def test_agrees_with_torch(norm, activation, final_norm, masked):
    encoder = randomized(TransformerEncoder(8, 2, 16, 3, norm=norm, activation=activation, final_norm=final_norm))
    theirs, x = torch_stack(encoder), inputs()
    real = padding_mask([3, 5], 5)
    mask = real & causal_mask(5) if masked else None
    options = {"src_key_padding_mask": ~real[:, 0], "mask": ~causal_mask(5)} if masked else {}
    leaves = [x.clone().requires_grad_() for _ in range(2)]
    ours, _ = encoder(leaves[0], mask)
    expected = theirs(leaves[1], **options)
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)
    losses = ours.sin().sum(), expected.sin().sum()
    of_x = [torch.autograd.grad(loss, x, retain_graph=True)[0] for loss, x in zip(losses, leaves, strict=True)]
    torch.testing.assert_close(*of_x, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(gradients(encoder, losses[0]), gradients(theirs, losses[1]), rtol=1e-8, atol=1e-8)


@norms
def test_is_its_blocks_one_after_another(norm):
    encoder, x = randomized(TransformerEncoder(8, 2, 16, 3, norm=norm)), inputs()
    expected, by_layer = x, []
    for layer in encoder.layers:
        expected, weights = layer(expected, causal_mask(5))
        by_layer.append(weights)
    y, weights = encoder(x, causal_mask(5), return_weights=True)
    torch.testing.assert_close(y, encoder.final_norm(expected) if norm == "pre" else expected)
    torch.testing.assert_close(weights, tuple(by_layer))
    assert encoder(x)[1] is None


def test_one_block_is_the_block():
    torch.manual_seed(3)
    encoder = TransformerEncoder(8, 2, 16, 1).double()
    torch.manual_seed(3)
    block, x = EncoderBlock(8, 2, 16).double(), inputs()
    assert torch.equal(encoder(x)[0], block(x)[0])


@both
@pytest.mark.parametrize("num_layers", [1, 2, 5])
def test_n_is_the_depth(kind, num_layers):
    """N counts blocks, each with weights of its own, and a gradient reaches every one of them, the first too."""
    stack, x = kind(8, 2, 16, num_layers).double(), inputs()
    block = sum(p.numel() for p in stack.layers[0].parameters())
    assert sum(p.numel() for p in stack.parameters()) == num_layers * block
    apply(stack, x, inputs(7))[0].sin().sum().backward()
    for name, weight in stack.named_parameters():
        if not name.endswith("key_proj.bias"):  # adds the same to all scores of a query
            assert weight.grad.abs().max() > 1e-6, name


@both
def test_blocks_start_from_weights_of_their_own(kind):
    first, second = kind(8, 2, 16, 2).layers
    for name, weight in first.named_parameters():
        if weight.ndim == 2:
            assert not torch.equal(weight, second.get_parameter(name)), name


@both
@norms
@pytest.mark.parametrize("final_norm", [None, True, False])
def test_the_last_output_is_normalized_where_nothing_else_does(kind, norm, final_norm):
    stack = kind(8, 2, 16, 2, norm=norm, final_norm=final_norm).double()
    assert (stack.final_norm is not None) == (norm == "pre" if final_norm is None else final_norm)
    y, _ = apply(stack, 3 * inputs(), inputs(7))
    normal = torch.allclose(y.mean(-1), torch.zeros(2, 5, dtype=torch.float64), atol=1e-10)
    assert normal == (norm == "post" or final_norm is not False)


@norms
@given(at=st.integers(1, 4), what=st.sampled_from([7.0, torch.nan, torch.inf, -torch.inf]))
def test_under_a_causal_mask_a_later_position_changes_no_earlier_one(norm, at, what):
    encoder, x = TransformerEncoder(8, 2, 16, 3, norm=norm).double(), inputs()
    before, weights = encoder(x, causal_mask(5), return_weights=True)
    x[:, at] = what
    after, after_weights = encoder(x, causal_mask(5), return_weights=True)
    torch.testing.assert_close(after[:, :at], before[:, :at])
    assert not torch.equal(after[:, at], before[:, at])
    for of_layer, new in zip(weights, after_weights, strict=True):
        torch.testing.assert_close(new[..., :at, :], of_layer[..., :at, :])


@norms
@given(length=st.integers(1, 4), what=st.sampled_from([7.0, torch.nan, torch.inf]))
def test_padding_changes_nothing(norm, length, what):
    """Not the output, and no gradient, whatever stands in the padding."""
    encoder, x = randomized(TransformerEncoder(8, 2, 16, 3, norm=norm)), inputs()
    expected, _ = encoder(x[:, :length])
    wanted = torch.autograd.grad(expected.sin().sum(), list(encoder.parameters()))
    x[:, length:] = what
    padded, _ = encoder(x, padding_mask([length] * 2, 5))
    torch.testing.assert_close(padded[:, :length], expected)
    found = torch.autograd.grad(padded[:, :length].sin().sum(), list(encoder.parameters()))
    if what == 7.0:  # a NaN of its own position reaches the weights that every position shares
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8)


def test_weights_of_every_layer_and_head():
    encoder, mask = randomized(TransformerEncoder(8, 4, 16, 3)), padding_mask([3, 5], 5)
    _, weights = encoder(inputs(), mask, return_weights=True)
    assert [tuple(of_layer.shape) for of_layer in weights] == [(2, 4, 5, 5)] * 3
    for of_layer in weights:
        torch.testing.assert_close(of_layer.sum(-1), torch.ones(2, 4, 5, dtype=torch.float64))
        assert of_layer[0, ..., 3:].eq(0).all()
    assert not torch.allclose(weights[0], weights[1])


@pytest.mark.parametrize(
    "attend",
    [
        fast_attention,
        tiled_attention,
        efficient_attention,
        linear_attention,
        causal_linear_attention,
        dot_attention,
        LuongAttention(4, 4, score="concat", d_a=3),
        AdditiveAttention(4, 4, 3),
    ],
    ids=lambda attend: getattr(attend, "__name__", type(attend).__name__) + getattr(attend, "__module__", "")[7:12],
)
@pytest.mark.parametrize("masked", [False, True])
def test_any_attention_sits_in_it(attend, masked):
    encoder, x = TransformerEncoder(8, 2, 16, 2, attend=attend).double(), inputs()
    mask = padding_mask([3, 5], 5) if masked else None
    y, weights = encoder(x, mask, return_weights=True)
    x[0, 3:] = 9.0
    assert y.isfinite().all()
    assert torch.equal(encoder(x, mask)[0][0, :3], y[0, :3]) == masked or attend is causal_linear_attention
    assert (weights is None) == (attend not in (dot_attention,) and not isinstance(attend, nn.Module))


@both
def test_a_module_that_attends_is_copied_for_each_layer(kind):
    attend = AdditiveAttention(4, 4, 3)
    stack = kind(8, 2, 16, 2, attend=attend)
    inside = [module for module in stack.modules() if isinstance(module, AdditiveAttention)]
    assert len(inside) == 2 * (1 if kind is TransformerEncoder else 2)
    pointers = {weight.data_ptr() for module in (attend, *inside) for weight in module.parameters()}
    assert len(pointers) == (1 + len(inside)) * len(list(attend.parameters()))
    for module in inside:  # a copy starts from the same weights
        torch.testing.assert_close(dict(module.state_dict()), dict(attend.state_dict()))


@both
@norms
def test_dropout_reaches_every_block(kind, norm):
    stack, x, memory = kind(8, 2, 16, 3, norm=norm, dropout=0.5).double(), inputs(), inputs(7)
    assert [layer.dropout.p for layer in stack.layers] == [0.5] * 3
    assert not torch.equal(apply(stack, x, memory)[0], apply(stack, x, memory)[0])
    stack.eval()
    assert torch.equal(apply(stack, x, memory)[0], apply(stack, x, memory)[0])


@both
@norms
def test_reset_draws_everything_anew(kind, norm):
    stack = kind(8, 2, 16, 2, norm=norm, attend=AdditiveAttention(4, 4, 3))
    for weight in stack.parameters():
        nn.init.constant_(weight, torch.nan)
    stack.reset_parameters()
    assert all(weight.isfinite().all() for weight in stack.parameters())


@both
def test_projections_without_a_bias(kind):
    names = [name for name, _ in kind(8, 2, 16, 2, bias=False).named_parameters()]
    assert not [name for name in names if "attention." in name and name.endswith("bias")]
    assert len([name for name in names if "attention." in name and name.endswith("weight")]) in (8, 16)


@pytest.mark.parametrize("shape", [(5,), (0, 5), (2, 3, 5), (2, 1)])
def test_any_leading_axes(shape):
    encoder, x = TransformerEncoder(8, 2, 16, 2).double(), torch.randn(*shape, 8, dtype=torch.float64)
    y, weights = encoder(x, return_weights=True)
    assert y.shape == x.shape
    assert weights[0].shape == (*shape[:-1], 2, shape[-1], shape[-1])


def cached(kind=KeyValueCache, number=1):
    return TransformerEncoder(8, 2, 16, 2)(torch.randn(2, 5, 8), cache=[kind() for _ in range(number)])


CALLABLE = "(query, key, value, mask) -> (output, weights)"


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: TransformerEncoder(8, 2, 16, 0), ValueError, "num_layers must be at least 1, got 0."),
        (lambda: TransformerEncoder(8, 2, 16, (1, 1)), TypeError, "num_layers must be an int, got tuple."),
        (
            lambda: TransformerEncoder(8, 3, 16, 2),
            ValueError,
            "d_model must divide by num_heads, got d_model=8 and num_heads=3.",
        ),
        (
            lambda: TransformerEncoder(8, 2, 16, 2, norm="none"),
            ValueError,
            "norm must be one of 'post', 'pre', got 'none'.",
        ),
        (
            lambda: TransformerEncoder(8, 2, 16, 2, attend="fast"),
            TypeError,
            f"attend must be a callable {CALLABLE}, got 'fast'.",
        ),
        (
            lambda: TransformerEncoder(8, 2, 16, 2)(torch.randn(2, 5, 7)),
            ValueError,
            "x must have d_model=8, got x (2, 5, 7) with d_model=7.",
        ),
        (
            lambda: TransformerEncoder(8, 2, 16, 2)(torch.randn(2, 5, 8).double()),
            TypeError,
            "x and weights must share one dtype, got x torch.float64, weights torch.float32.",
        ),
        (
            lambda: TransformerEncoder(8, 2, 16, 2)(torch.randn(2, 5, 8), padding_mask([3, 5], 5)[:, 0]),
            ValueError,
            "mask must broadcast to (..., n, n) = (2, 5, 5), got shape (2, 5); "
            "for a token mask (batch, n), pass token_mask[:, None].",
        ),
        (
            cached,
            ValueError,
            "cache must hold one for each of the 2 layers, got 1.",
        ),
        (
            lambda: TransformerEncoder(8, 2, 16, 2)(torch.randn(2, 5, 8), cache=[KeyValueCache()] * 2),
            ValueError,
            "cache must hold one of its own for each layer, got the same one twice.",
        ),
        (
            lambda: cached(dict, 2),
            TypeError,
            "cache must be a list of KeyValueCache, one for each layer, got dict, dict.",
        ),
        (
            lambda: TransformerEncoder(8, 2, 16, 2)(torch.randn(2, 5, 8), cache=KeyValueCache()),
            TypeError,
            "cache must be a list of KeyValueCache, one for each layer, got attnref.transformer.cache.KeyValueCache.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, f"TransformerEncoder: {words}")


def test_norm_eps_is_of_every_norm():
    model = TransformerEncoder(8, 2, 16, 2, norm="pre", norm_eps=0.5)
    found = [module.eps for module in model.modules() if isinstance(module, torch.nn.LayerNorm)]
    assert len(found) >= 5
    assert set(found) == {0.5}
