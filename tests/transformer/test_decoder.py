"""The decoder against torch's with copied weights; nothing of the future comes through it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from theirs import gradients, randomized, torch_stack

from attnref import (
    AdditiveAttention,
    DecoderCache,
    KeyValueCache,
    MemoryCache,
    TransformerDecoder,
    causal_linear_attention,
    causal_mask,
    efficient_attention,
    linear_attention,
    padding_mask,
    scaled_dot_product_attention,
    tiled_attention,
)
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast_attention

norms = pytest.mark.parametrize("norm", ["post", "pre"])
MASKS = (causal_mask(5), padding_mask([7, 4], 7))


def inputs(n=5, n_k=7, batch=2):
    return torch.randn(batch, n, 8, dtype=torch.float64), torch.randn(batch, n_k, 8, dtype=torch.float64)


@norms
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("final_norm", [None, True, False])
@pytest.mark.parametrize("masked", [False, True])
def test_agrees_with_torch(norm, activation, final_norm, masked):
    decoder = randomized(TransformerDecoder(8, 2, 16, 3, norm=norm, activation=activation, final_norm=final_norm))
    theirs, tensors, real = torch_stack(decoder), inputs(), padding_mask([5, 3], 5)
    masks = (causal_mask(5) & real, MASKS[1]) if masked else ()
    options = {
        "tgt_mask": ~causal_mask(5),
        "tgt_key_padding_mask": ~real[:, 0],
        "memory_key_padding_mask": ~MASKS[1][:, 0],
    }
    leaves = [[t.clone().requires_grad_() for t in tensors] for _ in range(2)]
    ours, _ = decoder(*leaves[0], *masks)
    expected = theirs(*leaves[1], **(options if masked else {}))
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)
    losses = ours.sin().sum(), expected.sin().sum()
    of_inputs = [torch.autograd.grad(loss, x, retain_graph=True) for loss, x in zip(losses, leaves, strict=True)]
    torch.testing.assert_close(*of_inputs, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(gradients(decoder, losses[0]), gradients(theirs, losses[1]), rtol=1e-8, atol=1e-8)


@norms
def test_is_its_blocks_one_after_another(norm):
    """All with the same memory."""
    decoder, (x, memory) = randomized(TransformerDecoder(8, 2, 16, 3, norm=norm)), inputs()
    expected, own, cross = x, [], []
    for layer in decoder.layers:
        expected, weights, cross_weights = layer(expected, memory, *MASKS)
        own.append(weights)
        cross.append(cross_weights)
    y, weights = decoder(x, memory, *MASKS, return_weights=True)
    torch.testing.assert_close(y, decoder.final_norm(expected) if norm == "pre" else expected)
    torch.testing.assert_close(weights.to_itself, tuple(own))
    torch.testing.assert_close(weights.to_memory, tuple(cross))
    assert decoder(x, memory)[1] is None


@norms
@given(at=st.integers(1, 4), what=st.sampled_from([7.0, torch.nan, torch.inf, -torch.inf]))
def test_a_later_embedding_changes_no_earlier_output(norm, at, what):
    """Nor an attention weight of any layer or head, nor a gradient: not even if it is no number."""
    decoder, (x, memory) = randomized(TransformerDecoder(8, 2, 16, 3, norm=norm)), inputs()

    def run():
        leaf = memory.clone().requires_grad_()
        y, weights = decoder(x, leaf, *MASKS, return_weights=True)
        return y, weights, torch.autograd.grad(y[:, :at].sin().sum(), leaf)[0]

    before, weights, gradient = run()
    x[:, at] = what
    after, new_weights, new_gradient = run()
    torch.testing.assert_close(after[:, :at], before[:, :at])
    assert not torch.equal(after[:, at], before[:, at])
    for old, new in zip((*weights[0], *weights[1]), (*new_weights[0], *new_weights[1]), strict=True):
        torch.testing.assert_close(new[..., :at, :], old[..., :at, :])
    if what == 7.0:
        torch.testing.assert_close(new_gradient, gradient, rtol=1e-8, atol=1e-8)


@norms
@given(length=st.integers(1, 6), what=st.sampled_from([7.0, torch.nan, torch.inf]))
def test_padding_of_the_memory_changes_nothing(norm, length, what):
    decoder, (x, memory) = randomized(TransformerDecoder(8, 2, 16, 3, norm=norm)), inputs()
    expected, weights = decoder(x, memory[:, :length], MASKS[0], return_weights=True)
    wanted = torch.autograd.grad(expected.sin().sum(), list(decoder.parameters()))
    memory[:, length:] = what
    padded, new = decoder(x, memory, MASKS[0], padding_mask([length] * 2, 7), return_weights=True)
    torch.testing.assert_close(padded, expected)
    found = torch.autograd.grad(padded.sin().sum(), list(decoder.parameters()))
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8)
    for old, padded_weights in zip(weights.to_memory, new.to_memory, strict=True):
        torch.testing.assert_close(padded_weights[..., :length], old)
        assert padded_weights[..., length:].eq(0).all()


def test_every_layer_reads_the_memory():
    """The last layer too: without it, its part of the gradient would be missing."""
    decoder, (x, memory) = TransformerDecoder(8, 2, 16, 3).double(), inputs()
    for skipped in range(3):
        silent = TransformerDecoder(8, 2, 16, 3).double()
        silent.load_state_dict(decoder.state_dict())
        for number, layer in enumerate(silent.layers):
            if number != skipped:
                layer.cross_attention.output_proj.weight.data.zero_()
        leaf = memory.clone().requires_grad_()
        assert torch.autograd.grad(silent(x, leaf)[0].sin().sum(), leaf)[0].abs().max() > 1e-6


def test_weights_of_every_layer_and_head():
    decoder, tensors = randomized(TransformerDecoder(8, 4, 16, 3)), inputs()
    _, weights = decoder(*tensors, *MASKS, return_weights=True)
    assert [tuple(of_layer.shape) for of_layer in weights.to_itself] == [(2, 4, 5, 5)] * 3
    assert [tuple(of_layer.shape) for of_layer in weights.to_memory] == [(2, 4, 5, 7)] * 3
    for of_layer in weights.to_itself:
        assert of_layer.triu(1).eq(0).all()
    assert not torch.allclose(weights.to_memory[0], weights.to_memory[1])


def test_attentions_are_told_apart():
    tensors = inputs()
    decoder = TransformerDecoder(8, 2, 16, 2, attend=fast_attention).double()
    assert decoder(*tensors, return_weights=True)[1] == (None, None)
    decoder = TransformerDecoder(8, 2, 16, 2, cross_attend=fast_attention).double()
    _, weights = decoder(*tensors, return_weights=True)
    assert len(weights.to_itself) == 2
    assert weights.to_memory is None


@pytest.mark.parametrize(
    ("attend", "masks"),
    [
        (fast_attention, MASKS),
        (tiled_attention, MASKS),
        (causal_linear_attention, (None, MASKS[1])),  # causal without a mask
        (AdditiveAttention(4, 4, 3), MASKS),
    ],
    ids=["fast", "tiled", "causal linear", "additive"],
)
@pytest.mark.parametrize(
    "cross_attend",
    [scaled_dot_product_attention, efficient_attention, linear_attention, AdditiveAttention(4, 4, 3)],
    ids=["scaled dot-product", "efficient", "linear", "additive"],
)
def test_any_attention_sits_in_both_places(attend, masks, cross_attend):
    decoder, (x, memory) = TransformerDecoder(8, 2, 16, 2, attend=attend, cross_attend=cross_attend).double(), inputs()
    before, _ = decoder(x, memory, *masks)
    x[:, 3], memory[1, 4:] = 9.0, 9.0
    after, _ = decoder(x, memory, *masks)
    torch.testing.assert_close(after[:, :3], before[:, :3])
    assert not torch.allclose(after[:, 3:], before[:, 3:])


@norms
@pytest.mark.parametrize("chunks", [(1, 1, 1, 1, 1), (2, 3), (4, 1), (5,)])
def test_with_a_cache_any_chunks_are_all_at_once(norm, chunks):
    decoder, (x, memory) = randomized(TransformerDecoder(8, 2, 16, 3, norm=norm)), inputs()
    expected, weights = decoder(x, memory, *MASKS, return_weights=True)
    cache, outputs, past = [DecoderCache(KeyValueCache(1), MemoryCache()) for _ in range(3)], [], 0
    with torch.no_grad():
        for n in chunks:
            mask = causal_mask(n, past + n, offset=past)
            y, new = decoder(x[:, past : past + n], memory, mask, MASKS[1], cache=cache, return_weights=True)
            for of_layer, old in zip(new.to_itself, weights.to_itself, strict=True):
                torch.testing.assert_close(of_layer, old[..., past : past + n, : past + n])
            outputs.append(y)
            past += n
    torch.testing.assert_close(torch.cat(outputs, 1), expected)


def test_a_fully_masked_memory_is_left_out():
    """Its attention gives zero, the rest goes on, and gradients are finite."""
    decoder, (x, memory) = TransformerDecoder(8, 2, 16, 2).double(), inputs()
    y, weights = decoder(x, memory, MASKS[0], padding_mask([7, 0], 7), return_weights=True)
    assert all(of_layer[1].eq(0).all() for of_layer in weights.to_memory)
    y.sin().sum().backward()
    assert y.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in decoder.parameters())


def run(x, memory, *masks, **options):
    return TransformerDecoder(8, 2, 16, 2)(torch.randn(*x), torch.randn(*memory), *masks, **options)


def shared(past):
    return [DecoderCache(past, MemoryCache()), DecoderCache(past, MemoryCache())]


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: TransformerDecoder(8, 2, 16, 0), ValueError, "num_layers must be at least 1, got 0."),
        (
            lambda: TransformerDecoder(8, 2, 16, 2, cross_attend=AdditiveAttention),
            TypeError,
            "cross_attend must be a function or an instance (query, key, value, mask) -> (output, weights), "
            "got the class AdditiveAttention; make one first: AdditiveAttention(...).",
        ),
        (
            lambda: run((2, 5, 8), (2, 7, 6)),
            ValueError,
            "memory must have d_model=8, got memory (2, 7, 6) with d_model=6.",
        ),
        (
            lambda: run((2, 5, 8), (3, 7, 8)),
            ValueError,
            "x and memory must agree in batch, got x (2, 5, 8) with batch=2, memory (3, 7, 8) with batch=3.",
        ),
        (
            lambda: run((2, 5, 8), (2, 7, 8), padding_mask([7, 4], 7)),
            ValueError,
            "mask must broadcast to (..., n, n) = (2, 5, 5), got shape (2, 1, 7).",
        ),
        (
            lambda: run((2, 5, 8), (2, 7, 8), None, causal_mask(5)),
            ValueError,
            "mask must broadcast to (..., n, n_k) = (2, 5, 7), got shape (5, 5).",
        ),
        (
            lambda: run((2, 5, 8), (2, 7, 8), None, torch.zeros(5, 7)),
            TypeError,
            "mask must be bool (True = may attend), got torch.float32.",
        ),
        (
            lambda: run((2, 5, 8), (2, 7, 8), cache=[KeyValueCache(), KeyValueCache()]),
            TypeError,
            "cache must be a list of DecoderCache, one for each layer, "
            "got attnref.transformer.cache.KeyValueCache, attnref.transformer.cache.KeyValueCache.",
        ),
        (
            lambda: run((2, 5, 8), (2, 7, 8), cache=[DecoderCache(KeyValueCache(), MemoryCache())]),
            ValueError,
            "cache must hold one for each of the 2 layers, got 1.",
        ),
        (
            lambda: run((2, 5, 8), (2, 7, 8), cache=shared(KeyValueCache())),
            ValueError,
            "cache must hold one of its own for each layer, got the same one twice.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, f"TransformerDecoder: {words}")


def test_norm_eps_is_of_every_norm():
    model = TransformerDecoder(8, 2, 16, 2, norm="pre", norm_eps=0.5)
    found = [module.eps for module in model.modules() if isinstance(module, torch.nn.LayerNorm)]
    assert len(found) >= 5
    assert set(found) == {0.5}
