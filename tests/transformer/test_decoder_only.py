"""The decoder-only Transformer: torch's encoder layers under a causal mask, and nothing of the future."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from theirs import gradients, randomized, torch_stack
from torch import nn

from attnref import (
    AdditiveAttention,
    DecoderOnlyTransformer,
    KeyValueCache,
    causal_linear_attention,
    causal_mask,
    padding_mask,
    sinusoidal_positions,
    tiled_attention,
)
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast_attention

norms = pytest.mark.parametrize("norm", ["post", "pre"])
ties = pytest.mark.parametrize("tie", ["none", "output"])
REAL = padding_mask([7, 4], 7)[:, 0]


def make(vocab_size=12, *, num_layers=3, **options):
    return DecoderOnlyTransformer(vocab_size, d_model=8, num_heads=2, d_ff=16, num_layers=num_layers, **options)


def text(n=7, vocab=12, batch=2):
    return torch.randint(vocab, (batch, n))


@norms
@ties
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("masked", [False, True])
def test_agrees_with_torch(norm, tie, activation, masked):
    model, tokens = randomized(make(norm=norm, tie=tie, activation=activation)), text()
    theirs, table = torch_stack(model.blocks), model.embed.tokens.weight
    ours, _ = model(tokens, REAL if masked else None)
    x = math.sqrt(8) * table[tokens] + sinusoidal_positions(7, 8, dtype=torch.float64)
    x = theirs(x, ~causal_mask(7), src_key_padding_mask=~REAL if masked else None)
    expected = model.output_proj(x) if tie == "none" else x @ table.T
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)
    losses = [logits.log_softmax(-1)[..., 1].sum() for logits in (ours, expected)]
    found, wanted = (torch.autograd.grad(loss, table, retain_graph=True) for loss in losses)
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8)
    found, wanted = gradients(model.blocks, losses[0]), gradients(theirs, losses[1])
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8)


@norms
@given(at=st.integers(1, 6))
def test_a_later_token_changes_no_earlier_logits(norm, at):
    model, tokens = make(norm=norm).double(), text()
    before, weights = model(tokens, return_weights=True)
    tokens[:, at] = (tokens[:, at] + 1) % 12
    after, new = model(tokens, return_weights=True)
    torch.testing.assert_close(after[:, :at], before[:, :at])
    assert (after[:, at:] - before[:, at:]).abs().amax(-1).gt(1e-9).all()
    for old, changed in zip(weights, new, strict=True):
        torch.testing.assert_close(changed[..., :at, :], old[..., :at, :])


@norms
@given(at=st.integers(1, 6), what=st.sampled_from([torch.nan, torch.inf, -torch.inf]))
def test_a_later_embedding_that_is_no_number_changes_no_earlier_logits(norm, at, what):
    model, tokens = make(norm=norm).double(), text(vocab=11)
    tokens[:, at] = 11
    before, _ = model(tokens)
    model.embed.tokens.weight.data[11] = what
    after, _ = model(tokens)
    torch.testing.assert_close(after[:, :at], before[:, :at])
    assert after[:, at].isnan().all()


@norms
def test_padding_changes_nothing(norm):
    """After the real tokens it needs no mask. Before them it needs one, and positions count it."""
    model, tokens = make(norm=norm, positions="none").double(), text()
    expected, _ = model(tokens[:, :4])
    padded, _ = model(tokens, REAL)
    torch.testing.assert_close(padded[1, :4], expected[1])
    torch.testing.assert_close(model(tokens)[0][:, :4], expected)
    before, _ = model(tokens.flip(1), REAL.flip(1))
    alone, _ = model(tokens[1:, :4].flip(1))
    torch.testing.assert_close(before[1, 3:], alone[0])
    assert not torch.allclose(model(tokens.flip(1))[0][1, 3:], alone[0])


def test_weights_of_every_layer_and_head_when_asked():
    model, tokens = make(), text()
    assert model(tokens)[1] is None
    _, weights = model(tokens, REAL, return_weights=True)
    assert [tuple(of_layer.shape) for of_layer in weights] == [(2, 2, 7, 7)] * 3
    for of_layer in weights:
        assert of_layer.triu(1).eq(0).all()
        assert of_layer[1, ..., 4:].eq(0).all()
    assert make(attend=fast_attention)(tokens, return_weights=True)[1] is None


@ties
def test_depth_tie_and_gradients(tie):
    model, tokens = make(tie=tie), text(vocab=9)
    assert (len(model.blocks.layers), model.output_proj is None) == (3, tie == "output")
    model(tokens)[0].log_softmax(-1)[..., 11].sum().backward()
    for name, weight in model.named_parameters():
        if not name.endswith("key_proj.bias"):
            assert weight.grad.abs().max() > 0, name
    assert (model.embed.tokens.weight.grad[9:].abs().max() > 0) == (tie == "output")  # never read, but scored


@ties
def test_state_dict_meta_device_and_reset(tie):
    model, tokens = make(tie=tie, positions="learned", max_positions=7), text()
    with torch.device("meta"):
        empty = make(tie=tie, positions="learned", max_positions=7)
    empty.to_empty(device="cpu")
    for weight in empty.parameters():
        nn.init.constant_(weight, torch.nan)
    empty.reset_parameters()
    assert empty(tokens)[0].isfinite().all()
    empty.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(empty(tokens)[0], model(tokens)[0])


def test_attentions_without_biases():
    names = [name for name, _ in make(bias=False).named_parameters() if "attention." in name]
    assert not [name for name in names if name.endswith("bias")]
    assert len(names) == 4 * 3


def test_dropout_is_in_every_place_of_the_paper_and_in_no_other():
    model = make(dropout=0.25)
    places = {name: module.p for name, module in model.named_modules() if isinstance(module, nn.Dropout)}
    assert places == {"embed.dropout": 0.25, **{f"blocks.layers.{i}.dropout": 0.25 for i in range(3)}}


def causal_linear(query, key, value, mask):
    """Causal by itself; of a causal mask joined with a token mask, the last row is the token mask."""
    return causal_linear_attention(query, key, value, mask[..., -1:, :])


@pytest.mark.parametrize(
    "attend",
    [fast_attention, tiled_attention, causal_linear, AdditiveAttention(4, 4, 3)],
    ids=["fast", "tiled", "causal linear", "additive"],
)
def test_any_attention(attend):
    model, tokens = make(attend=attend).double(), text()
    before, _ = model(tokens, REAL)
    tokens[:, 4:] = (tokens[:, 4:] + 1) % 12
    after, _ = model(tokens, REAL)
    torch.testing.assert_close(after[:, :4], before[:, :4])
    assert not torch.allclose(after[:, 4:], before[:, 4:])


@norms
@pytest.mark.parametrize("chunks", [(1,) * 7, (2, 4, 1), (6, 1), (7,)])
@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_reading_in_any_chunks_gives_the_logits_of_the_whole(norm, chunks, cache, positions):
    options = {"positions": positions, "max_positions": 7 if positions == "learned" else None}
    model, tokens = randomized(make(norm=norm, tie="output", **options)), text()
    expected, _ = model(tokens)
    reading, past = model.start(capacity=2, cache=cache), 0
    for n in chunks:
        logits = reading.read(tokens[:, past : past + n])
        past += n
        torch.testing.assert_close(logits, expected[:, past - 1])
        assert not logits.requires_grad


@pytest.mark.parametrize("cache", [True, False])
def test_only_with_a_cache_are_the_new_tokens_read_alone(cache):
    model, tokens, read = make(), text(), []
    model.embed.register_forward_hook(lambda module, given, x: read.append(x.shape[1]))
    reading = model.start(cache=cache)
    for t in range(4):
        reading.read(tokens[:, t : t + 1])
    assert read == ([1, 1, 1, 1] if cache else [1, 2, 3, 4])


@pytest.mark.parametrize("cache", [True, False])
def test_selected_rows_read_on_as_their_own_samples(cache):
    model, tokens, rows = make().double(), text(batch=3), torch.tensor([2, 0, 0, 1])
    reading = model.start(capacity=2, cache=cache)
    reading.read(tokens[:, :3])
    reading.select(rows)
    torch.testing.assert_close(reading.read(tokens[rows, 3:]), model(tokens[rows])[0][:, -1])


@pytest.mark.parametrize(("batch", "n"), [(0, 5), (2, 1)])
def test_small_sizes(batch, n):
    assert make()(text(n, batch=batch).int())[0].shape == (batch, n, 12)


LEARNED = {"positions": "learned", "max_positions": 6}


def on_meta():
    with torch.device("meta"):
        model = make()
    return model(text())


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: make(0), ValueError, "vocab_size must be at least 1, got 0."),
        (lambda: make(num_layers=(2, 2)), TypeError, "num_layers must be an int, got tuple."),
        (lambda: make(num_layers=0), ValueError, "num_layers must be at least 1, got 0."),
        (
            lambda: make(activation="tanh"),
            ValueError,
            "activation must be one of 'relu', 'gelu', 'gelu_tanh', 'silu', got 'tanh'.",
        ),
        (lambda: make(tie="all"), ValueError, "tie must be one of 'none', 'output', got 'all'."),
        (
            lambda: make(positions="learned"),
            ValueError,
            "max_positions must be given for learned positions, and for no others, "
            "got positions='learned' and max_positions=None.",
        ),
        (
            lambda: make()(torch.tensor([[3, 12]])),
            ValueError,
            "tokens must lie between 0 and vocab_size - 1=11, got 3 to 12.",
        ),
        (lambda: make()(text().float()), TypeError, "tokens must hold tokens as int32 or int64, got torch.float32."),
        (lambda: make()(text(), text()), TypeError, "token_mask must be bool (True = a real token), got torch.int64."),
        (
            lambda: make()(text(), causal_mask(7)),
            ValueError,
            "token_mask must be (batch, n) = (2, 7), got shape (7, 7).",
        ),
        (lambda: make(**LEARNED)(text()), ValueError, "tokens must hold at most max_positions=6 tokens, got 7."),
        (
            lambda: make(**LEARNED).start().read(text()),
            ValueError,
            "tokens must hold at most max_positions=6 tokens, got 7.",
        ),
        (
            lambda: make().start().read(text()[:, :0]),
            ValueError,
            "tokens must hold at least one token a sample, got shape (2, 0).",
        ),
        (on_meta, ValueError, "tokens must be on the device of the weights, got tokens on cpu, weights on meta."),
        (lambda: make().start(capacity=0), ValueError, "start: capacity must be at least 1, got 0."),
        (lambda: make().start(capacity="64"), TypeError, "start: capacity must be an int, got str."),
        (
            lambda: make().blocks(torch.randn(2, 5, 8), cache=[KeyValueCache()]),
            ValueError,
            "cache must hold one for each of the 3 layers, got 1.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    door = "TransformerEncoder" if words.startswith("cache") else "DecoderOnlyTransformer"
    refuses(call, error, f"{door}{'.' if words.startswith('start: ') else ': '}{words}")


def test_norm_eps_is_of_every_norm():
    model = DecoderOnlyTransformer(9, d_model=8, num_heads=2, d_ff=16, num_layers=2, norm="pre", norm_eps=0.5)
    found = [module.eps for module in model.modules() if isinstance(module, torch.nn.LayerNorm)]
    assert len(found) >= 5
    assert set(found) == {0.5}


def test_embedding_may_be_left_unscaled():
    """As GPT's: without the factor √d_model, and drawn with a standard deviation of 0.02."""
    model = DecoderOnlyTransformer(
        500, d_model=64, num_heads=2, d_ff=8, num_layers=1, positions="none", scale_embedding=False
    )
    tokens = torch.randint(500, (2, 7))
    assert torch.equal(model.embed(tokens), nn.functional.embedding(tokens, model.embed.tokens.weight))
    assert abs(model.embed.tokens.weight.std().item() - 0.02) < 0.001
