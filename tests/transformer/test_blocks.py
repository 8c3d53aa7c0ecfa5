"""Encoder and decoder blocks against torch's layers with copied weights, and the laws of what they are made of."""

import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from theirs import randomized, torch_layer
from torch import nn
from torch._dynamo.testing import CompileCounter
from torch.func import functional_call, grad, vmap

from attnref import (
    AdditiveAttention,
    DecoderBlock,
    EncoderBlock,
    KeyValueCache,
    MultiHeadAttention,
    causal_linear_attention,
    causal_mask,
    efficient_attention,
    padding_mask,
    tiled_attention,
)
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast_attention

norms = pytest.mark.parametrize("norm", ["post", "pre"])
activations = pytest.mark.parametrize("activation", ["relu", "gelu"])
kinds = pytest.mark.parametrize("kind", [EncoderBlock, DecoderBlock])


def inputs(n=5, n_k=7, batch=2):
    return torch.randn(batch, n, 8, dtype=torch.float64), torch.randn(batch, n_k, 8, dtype=torch.float64)


@norms
@activations
@pytest.mark.parametrize("masked", [False, True])
def test_encoder_block_agrees_with_torch(norm, activation, masked):
    block = randomized(EncoderBlock(8, 2, 16, norm=norm, activation=activation))
    layer, (x, _) = torch_layer(block), inputs()
    mask = padding_mask([3, 5], 5) & causal_mask(5) if masked else None
    options = {"src_key_padding_mask": ~padding_mask([3, 5], 5)[:, 0], "src_mask": ~causal_mask(5)} if masked else {}
    leaves = [x.clone().requires_grad_() for _ in range(2)]
    ours, _ = block(leaves[0], mask)
    expected = layer(leaves[1], **options)
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)
    gradients = [
        torch.autograd.grad(out.square().sum(), leaf)[0] for out, leaf in zip((ours, expected), leaves, strict=True)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-9)


@norms
@activations
@pytest.mark.parametrize("masked", [False, True])
def test_decoder_block_agrees_with_torch(norm, activation, masked):
    block = randomized(DecoderBlock(8, 2, 16, norm=norm, activation=activation))
    layer, (x, memory) = torch_layer(block), inputs()
    masks = (causal_mask(5), padding_mask([7, 4], 7)) if masked else ()
    options = {"tgt_mask": ~causal_mask(5), "memory_key_padding_mask": ~padding_mask([7, 4], 7)[:, 0]} if masked else {}
    leaves = [[t.clone().requires_grad_() for t in (x, memory)] for _ in range(2)]
    ours, _, _ = block(*leaves[0], *masks)
    expected = layer(*leaves[1], **options)
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)
    gradients = [
        torch.autograd.grad(out.square().sum(), both) for out, both in zip((ours, expected), leaves, strict=True)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-9)


@norms
@pytest.mark.parametrize("eps", [0.5, 1e-12])
def test_norm_eps_is_of_every_norm(norm, eps):
    """torch's layers take it as layer_norm_eps. In eight ones there is no variance, and eps is all there is."""
    x, memory = torch.ones(2, 5, 8, dtype=torch.float64), inputs()[1]
    block = randomized(EncoderBlock(8, 2, 16, norm=norm, norm_eps=eps))
    torch.testing.assert_close(block(x)[0], torch_layer(block)(x), rtol=1e-8, atol=1e-8)
    block = randomized(DecoderBlock(8, 2, 16, norm=norm, norm_eps=eps))
    torch.testing.assert_close(block(x, memory)[0], torch_layer(block)(x, memory), rtol=1e-8, atol=1e-8)
    assert {module.eps for module in block.modules() if isinstance(module, nn.LayerNorm)} == {eps}


@norms
def test_weights_are_those_of_the_attention_inside(norm):
    block, (x, memory) = DecoderBlock(8, 2, 16, norm=norm).double(), inputs()
    _, weights, cross_weights = block(x, memory, causal_mask(5), padding_mask([7, 4], 7))
    y = block.self_attention_norm(x) if norm == "pre" else x
    torch.testing.assert_close(weights, block.self_attention(y, y, y, causal_mask(5))[1])
    assert cross_weights.shape == (2, 2, 5, 7)
    assert cross_weights[1, ..., 4:].eq(0).all()


@norms
def test_sublayers_add_to_their_input(norm):
    """With sublayers that give zero, a pre-norm block is the identity, and a post-norm block normalizes twice."""
    block, (x, _) = EncoderBlock(8, 2, 16, norm=norm).double(), inputs()
    for layer in (block.self_attention.output_proj, block.feed_forward.output_proj):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    y, _ = block(x)
    normal = nn.functional.layer_norm
    expected = x if norm == "pre" else normal(normal(x, (8,)), (8,))
    torch.testing.assert_close(y, expected)


@kinds
def test_post_norm_gives_normalized_positions(kind):
    block, tensors = kind(8, 2, 16).double(), inputs()
    y = block(*(tensors if kind is DecoderBlock else tensors[:1]))[0]
    torch.testing.assert_close(y.mean(-1), torch.zeros(2, 5, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(y.var(-1, correction=0), torch.ones(2, 5, dtype=torch.float64), rtol=1e-3, atol=0)


@norms
@given(at=st.integers(1, 4), what=st.sampled_from([7.0, torch.nan, torch.inf, -torch.inf]))
def test_a_later_position_changes_no_earlier_one(norm, at, what):
    block, (x, memory) = DecoderBlock(8, 2, 16, norm=norm).double(), inputs()
    before = block(x, memory, causal_mask(5))[0]
    x[:, at] = what
    after = block(x, memory, causal_mask(5))[0]
    torch.testing.assert_close(after[:, :at], before[:, :at])
    assert not torch.equal(after[:, at], before[:, at])


@norms
@given(length=st.integers(1, 6), what=st.sampled_from([7.0, torch.nan, torch.inf]))
def test_padding_changes_nothing(norm, length, what):
    x, memory = inputs()
    memory[:, length:] = what
    decoder = DecoderBlock(8, 2, 16, norm=norm).double()
    padded = decoder(x, memory, None, padding_mask([length] * 2, 7))[0]
    torch.testing.assert_close(padded, decoder(x, memory[:, :length])[0])
    encoder = EncoderBlock(8, 2, 16, norm=norm).double()
    padded = encoder(memory, padding_mask([length] * 2, 7))[0]
    torch.testing.assert_close(padded[:, :length], encoder(memory[:, :length])[0])


@norms
def test_only_attention_mixes_positions(norm):
    """An attention that gives each position its own value leaves a block that treats each by itself."""
    block, (x, _) = EncoderBlock(8, 2, 16, norm=norm, attend=lambda q, k, v, mask=None: (v, None)).double(), inputs()
    before, weights = block(x)
    x[1, 2] += 1
    assert weights is None
    assert (block(x)[0] != before).any(-1).nonzero().tolist() == [[1, 2]]


@norms
def test_dropout_acts_on_what_is_added(norm):
    """In training; the identity of a pre-norm block is never dropped."""
    block, (x, _) = EncoderBlock(8, 2, 16, norm=norm, dropout=0.5).double(), inputs()
    x = x.expand(500, -1, -1, -1).flatten(0, 1)
    torch.testing.assert_close(block.eval()(x)[0][:2], block.eval()(x)[0][2:4])
    block.train()
    assert not torch.equal(block(x)[0][:2], block(x)[0][2:4])
    block.feed_forward = nn.Sequential()  # gives its input
    block.self_attention = Zero(8, 2)
    y = block(x)[0]
    if norm == "pre":
        added = (y - x) / block.feed_forward_norm(x)
        torch.testing.assert_close(added.round(decimals=6).unique(), torch.tensor([0.0, 2.0], dtype=torch.float64))
        torch.testing.assert_close(added.mean().item(), 1.0, rtol=0.05, atol=0)


class Zero(MultiHeadAttention):
    """An attention that adds nothing."""

    def forward(self, query, key, value, mask):
        return torch.zeros_like(query), None


@pytest.mark.parametrize(
    "attend",
    [
        fast_attention,
        tiled_attention,
        efficient_attention,
        causal_linear_attention,
        AdditiveAttention(4, 4, 3).double(),
    ],
    ids=["fast", "tiled", "efficient", "causal linear", "additive"],
)
def test_any_attention_sits_in_a_block(attend):
    x, memory = inputs()
    y, _ = EncoderBlock(8, 2, 16, attend=attend).double()(x)
    cross = fast_attention if attend is causal_linear_attention else attend
    z, _, _ = DecoderBlock(8, 2, 16, attend=attend, cross_attend=cross).double()(x, memory)
    assert y.shape == z.shape == x.shape
    assert y.isfinite().all()
    assert z.isfinite().all()


def test_the_fast_attention_gives_the_same_block():
    (x, memory), masks = inputs(), (causal_mask(5), padding_mask([7, 4], 7))
    block = DecoderBlock(8, 2, 16).double()
    fast = DecoderBlock(8, 2, 16, attend=fast_attention).double()
    fast.load_state_dict(block.state_dict())
    torch.testing.assert_close(fast(x, memory, *masks)[0], block(x, memory, *masks)[0])
    assert fast(x, memory, *masks)[1:] == (None, None)


def test_attentions_are_told_apart():
    def once(query, key, value, mask=None):
        return query, None

    block, (x, memory) = DecoderBlock(8, 2, 16, attend=once).double(), inputs()
    assert block(x, memory)[1:] == (None, None)
    block = DecoderBlock(8, 2, 16, cross_attend=once).double()
    assert block(x, memory)[1] is not None
    assert block(x, memory)[2] is None


def test_a_module_is_copied_for_the_second_attention():
    attend = AdditiveAttention(4, 4, 5)
    block = DecoderBlock(8, 2, 16, attend=attend)
    assert block.self_attention.attend is attend
    own, cross = (dict(part.attend.named_parameters()) for part in (block.self_attention, block.cross_attention))
    assert own
    assert all(cross[name] is not weight and torch.equal(cross[name], weight) for name, weight in own.items())
    block = DecoderBlock(8, 2, 16, attend=attend, cross_attend=attend)  # who gives it twice, shares it
    assert block.cross_attention.attend is attend


@kinds
@norms
def test_gradients_of_each_sample(kind, norm):
    block, tensors = kind(8, 2, 16, norm=norm), [t.float() for t in inputs()[: 1 + (kind is DecoderBlock)]]
    weights = dict(block.named_parameters())

    def loss(weights, *tensors):
        return functional_call(block, weights, tensors)[0].square().sum()

    each = vmap(grad(loss), in_dims=(None, *[0] * len(tensors)))(weights, *tensors)
    for name, whole in grad(loss)(weights, *tensors).items():
        torch.testing.assert_close(each[name].sum(0), whole, rtol=1e-4, atol=1e-5)


@kinds
def test_meta_device_reset_and_pickle(kind):
    with torch.device("meta"):
        block = kind(8, 2, 16)
    block.to_empty(device="cpu")
    for weight in block.parameters():
        nn.init.constant_(weight, torch.nan)
    block.reset_parameters()
    assert all(weight.isfinite().all() for weight in block.parameters())
    tensors = [t.float() for t in inputs()[: 1 + (kind is DecoderBlock)]]
    assert torch.equal(pickle.loads(pickle.dumps(block))(*tensors)[0], block(*tensors)[0])


class Causal(nn.Module):
    """A block as a decoder uses it: the mask is made inside."""

    def __init__(self, kind):
        super().__init__()
        self.block = kind(8, 2, 16)

    def forward(self, x, memory):
        mask = causal_mask(x.shape[1], device=x.device)
        return self.block(x, memory, mask)[0] if isinstance(self.block, DecoderBlock) else self.block(x, mask)[0]


@kinds
def test_exports_and_compiles_for_any_length(kind):
    module = Causal(kind)
    batch, n, n_k = (torch.export.Dim(name) for name in ("batch", "n", "n_k"))
    example = [t.float() for t in inputs()]
    sizes = ({0: batch, 1: n}, {0: batch, 1: n_k if kind is DecoderBlock else torch.export.Dim.AUTO})
    program = torch.export.export(module, tuple(example), dynamic_shapes=sizes).module()
    torch._dynamo.reset()
    count = CompileCounter()
    compiled = torch.compile(module, fullgraph=True, backend=count)
    for size in range(2, 9):
        tensors = [t.float() for t in inputs(size, 2 * size + 1, batch=3)]
        torch.testing.assert_close(program(*tensors), module(*tensors))
        torch.testing.assert_close(compiled(*tensors), module(*tensors))
    assert count.frame_count <= 3


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: EncoderBlock(8, 0, 16), ValueError, "EncoderBlock: num_heads must be at least 1, got 0."),
        (
            lambda: EncoderBlock(8, 3, 16),
            ValueError,
            "EncoderBlock: d_model must divide by num_heads, got d_model=8 and num_heads=3.",
        ),
        (lambda: EncoderBlock(8, 2, 1.5), TypeError, "EncoderBlock: d_ff must be an int, got float."),
        (
            lambda: EncoderBlock(8, 2, 16, dropout=1.0),
            ValueError,
            "EncoderBlock: dropout must be at least 0 and less than 1, got 1.0.",
        ),
        (lambda: DecoderBlock(8, 2, 16, dropout="no"), TypeError, "DecoderBlock: dropout must be a number, got str."),
        (
            lambda: EncoderBlock(8, 2, 16, norm_eps=0),
            ValueError,
            "EncoderBlock: norm_eps must be positive and finite, got 0.",
        ),
        (lambda: DecoderBlock(8, 2, 16, norm_eps="no"), TypeError, "DecoderBlock: norm_eps must be a number, got str."),
        (
            lambda: DecoderBlock(8, 2, 16, norm="none"),
            ValueError,
            "DecoderBlock: norm must be one of 'post', 'pre', got 'none'.",
        ),
        (
            lambda: EncoderBlock(8, 2, 16, activation="tanh"),
            ValueError,
            "EncoderBlock: activation must be one of 'relu', 'gelu', 'gelu_tanh', 'silu', got 'tanh'.",
        ),
        (
            lambda: EncoderBlock(8, 2, 16, attend=AdditiveAttention),
            TypeError,
            "EncoderBlock: attend must be a function or an instance (query, key, value, mask) -> (output, weights), "
            "got the class AdditiveAttention; make one first: AdditiveAttention(...).",
        ),
        (
            lambda: EncoderBlock(8, 2, 16)(torch.randn(2, 5, 7)),
            ValueError,
            "EncoderBlock: x must have d_model=8, got x (2, 5, 7) with d_model=7.",
        ),
        (
            lambda: EncoderBlock(8, 2, 16)(torch.randn(2, 5, 8), padding_mask([3, 4], 4)),
            ValueError,
            "EncoderBlock: mask must broadcast to (..., n, n) = (2, 5, 5), got shape (2, 1, 4).",
        ),
        (
            lambda: EncoderBlock(8, 2, 16)(torch.randn(2, 5, 8), torch.zeros(5, 5)),
            TypeError,
            "EncoderBlock: mask must be bool (True = may attend), got torch.float32.",
        ),
        (
            lambda: DecoderBlock(8, 2, 16)(torch.randn(2, 5, 8), torch.randn(3, 5, 8)),
            ValueError,
            "DecoderBlock: x and memory must agree in batch, "
            "got x (2, 5, 8) with batch=2, memory (3, 5, 8) with batch=3.",
        ),
        (
            lambda: DecoderBlock(8, 2, 16)(torch.randn(2, 5, 8), torch.randn(5, 8)),
            ValueError,
            "DecoderBlock: x and memory must agree in their leading axes, got x (2, 5, 8), memory (5, 8).",
        ),
        (
            lambda: DecoderBlock(8, 2, 16)(torch.randn(2, 5, 8), torch.randn(2, 6, 8), None, causal_mask(5)),
            ValueError,
            "DecoderBlock: mask must broadcast to (..., n, n_k) = (2, 5, 6), got shape (5, 5).",
        ),
        (
            lambda: DecoderBlock(8, 2, 16)(torch.randn(2, 5, 8), torch.randn(2, 6, 8).double()),
            TypeError,
            "DecoderBlock: memory and weights must share one dtype, got memory torch.float64, weights torch.float32.",
        ),
        (
            lambda: EncoderBlock(8, 2, 16)(torch.randn(2, 5, 8), cache=[KeyValueCache()]),
            TypeError,
            "EncoderBlock: cache must be a KeyValueCache, got list.",
        ),
        (
            lambda: DecoderBlock(8, 2, 16)(torch.randn(2, 5, 8), torch.randn(2, 6, 8), cache=KeyValueCache()),
            TypeError,
            "DecoderBlock: cache must be a DecoderCache, got attnref.transformer.cache.KeyValueCache.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, words)
