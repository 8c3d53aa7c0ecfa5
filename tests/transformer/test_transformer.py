"""The Transformer as a whole against torch's, with copied weights, and the laws that hold from end to end."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from theirs import gradients, randomized, torch_transformer
from torch import nn

from attnref import (
    AdditiveAttention,
    Transformer,
    causal_linear_attention,
    causal_mask,
    efficient_attention,
    linear_attention,
    padding_mask,
    scaled_dot_product_attention,
    sinusoidal_positions,
    tiled_attention,
)
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast_attention

SIZES = {"d_model": 8, "num_heads": 2, "d_ff": 16}
norms = pytest.mark.parametrize("norm", ["post", "pre"])
ties = pytest.mark.parametrize("tie", ["none", "output", "all"])


def make(source_vocab_size=12, target_vocab_size=9, *, num_layers=(2, 3), **options):
    return Transformer(source_vocab_size, target_vocab_size, num_layers=num_layers, **SIZES, **options)


def tied(tie, **options):
    return make(9, 9, tie=tie, **options)


def tokens(n_k=7, n_q=5, vocab=9, batch=2):
    return torch.randint(vocab, (batch, n_k)), torch.randint(vocab, (batch, n_q))


REAL = padding_mask([7, 4], 7)[:, 0], padding_mask([3, 5], 5)[:, 0]


@norms
@ties
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("masked", [False, True])
def test_agrees_with_torch(norm, tie, activation, masked):
    """With nn.Transformer between embeddings and output layer that are written out here; its masks the other way."""
    model = randomized(tied(tie, norm=norm, activation=activation))
    theirs = torch_transformer(model.encoder, model.decoder)
    source, target = tokens()
    ours, _ = model(source, target, *(REAL if masked else ()))

    options = {
        "src_key_padding_mask": ~REAL[0],
        "memory_key_padding_mask": ~REAL[0],
        "tgt_key_padding_mask": ~REAL[1],
    }
    of_source, of_target = (
        math.sqrt(8) * part.tokens.weight[given] + sinusoidal_positions(given.shape[1], 8, dtype=torch.float64)
        for part, given in ((model.source_embed, source), (model.target_embed, target))
    )
    x = theirs(of_source, of_target, tgt_mask=~causal_mask(5), **(options if masked else {}))
    table = model.target_embed.tokens.weight
    expected = model.output_proj(x) if tie == "none" else x @ table.T
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)

    losses = [logits.log_softmax(-1)[..., 1].sum() for logits in (ours, expected)]
    tables = [model.source_embed.tokens.weight, table]
    found, wanted = (torch.autograd.grad(loss, tables, retain_graph=True) for loss in losses)
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8)
    for own, other in ((model.encoder, theirs.encoder), (model.decoder, theirs.decoder)):
        found, wanted = gradients(own, losses[0]), gradients(other, losses[1])
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8)


@norms
@given(at=st.integers(1, 4))
def test_a_later_target_token_changes_no_earlier_logits(norm, at):
    model, (source, target) = make(norm=norm).double(), tokens()
    before, weights = model(source, target, return_weights=True)
    target[:, at] = (target[:, at] + 1) % 9
    after, new = model(source, target, return_weights=True)
    torch.testing.assert_close(after[:, :at], before[:, :at])
    assert (after[:, at:] - before[:, at:]).abs().amax(-1).gt(1e-9).all()
    for old, changed in zip((*weights.decoder, *weights.cross), (*new.decoder, *new.cross), strict=True):
        torch.testing.assert_close(changed[..., :at, :], old[..., :at, :])


@norms
@given(at=st.integers(1, 4), what=st.sampled_from([torch.nan, torch.inf, -torch.inf]))
def test_a_later_embedding_that_is_no_number_changes_no_earlier_logits(norm, at, what):
    """Through the model: the embedding of a token that stands at one place alone."""
    model, (source, target) = make(norm=norm).double(), tokens(vocab=8)
    target[:, at] = 8
    before, _ = model(source, target)
    model.target_embed.tokens.weight.data[8] = what
    after, _ = model(source, target)
    torch.testing.assert_close(after[:, :at], before[:, :at])
    assert after[:, at].isnan().all()


@norms
@given(length=st.integers(1, 6), seed=st.integers(0, 99))
def test_padding_of_the_source_changes_nothing(norm, length, seed):
    model, (source, target) = make(norm=norm).double(), tokens()
    expected, weights = model(source[:, :length], target, return_weights=True)
    source[:, length:] = torch.randint(12, (2, 7 - length), generator=torch.Generator().manual_seed(seed))
    real = padding_mask([length] * 2, 7)[:, 0]
    padded, new = model(source, target, real, return_weights=True)
    torch.testing.assert_close(padded, expected)
    torch.testing.assert_close(new.decoder, weights.decoder)
    for old, of_layer in zip(weights.cross, new.cross, strict=True):
        torch.testing.assert_close(of_layer[..., :length], old)
        assert of_layer[..., length:].eq(0).all()
    for old, of_layer in zip(weights.encoder, new.encoder, strict=True):
        torch.testing.assert_close(of_layer[..., :length, :length], old)


@norms
@pytest.mark.parametrize("side", ["after", "before"])
def test_padding_of_the_target_changes_nothing(norm, side):
    """After the real tokens it needs no mask; before them it needs one, and then positions count it."""
    model, (source, target) = make(norm=norm, positions="none").double(), tokens()
    filler = torch.randint(9, (2, 2))
    after = side == "after"
    padded = torch.cat((target, filler) if after else (filler, target), 1)
    real = torch.ones_like(padded, dtype=torch.bool)
    real[:, slice(5, None) if after else slice(2)] = False
    part = slice(5) if after else slice(2, None)
    expected, weights = model(source, target, return_weights=True)
    logits, new = model(source, padded, None, real, return_weights=True)
    torch.testing.assert_close(logits[:, part], expected)
    for old, of_layer in zip(weights.decoder, new.decoder, strict=True):
        torch.testing.assert_close(of_layer[..., part, part], old)
    without, _ = model(source, padded)
    assert torch.allclose(without[:, part], expected) == after


@norms
def test_each_sample_is_for_itself(norm):
    model, (source, target) = make(norm=norm).double(), tokens()
    logits, _ = model(source, target, *REAL)
    for row, (n_k, n_q) in enumerate(((7, 3), (4, 5))):
        alone, _ = model(source[row : row + 1, :n_k], target[row : row + 1, :n_q])
        torch.testing.assert_close(logits[row, :n_q], alone[0])


def test_weights_of_every_layer_and_head_when_asked():
    model, (source, target) = make(), tokens()
    assert model(source, target)[1] is None
    _, weights = model(source, target, *REAL, return_weights=True)
    assert [tuple(w.shape) for w in weights.encoder] == [(2, 2, 7, 7)] * 2
    assert [tuple(w.shape) for w in weights.decoder] == [(2, 2, 5, 5)] * 3
    assert [tuple(w.shape) for w in weights.cross] == [(2, 2, 5, 7)] * 3
    for of_layer in (*weights.encoder, *weights.cross):
        assert of_layer[1, ..., 4:].eq(0).all()
    for of_layer in weights.decoder:
        assert of_layer.triu(1).eq(0).all()
        assert of_layer[0, ..., 3:].eq(0).all()


def test_encoder_and_decoder_have_the_depth_asked_for():
    model = make(num_layers=(1, 4))
    assert (len(model.encoder.layers), len(model.decoder.layers)) == (1, 4)
    assert (len(make(num_layers=3).encoder.layers), len(make(num_layers=3).decoder.layers)) == (3, 3)
    source, target = tokens()
    model(source, target)[0].log_softmax(-1)[..., 1].sum().backward()
    for name, weight in model.named_parameters():
        if not name.endswith("key_proj.bias"):
            assert weight.grad.abs().max() > 0, name


@ties
def test_tied_tables_are_one_weight(tie):
    model, (source, target) = tied(tie), tokens()
    names = [name for name, _ in model.named_parameters()]
    assert "source_embed.tokens.weight" in names
    assert ("target_embed.tokens.weight" in names) == (tie != "all")
    assert (model.output_proj is None) == (tie != "none")
    table = model.target_embed.tokens.weight
    assert (model.source_embed.tokens.weight is table) == (tie == "all")
    logits, _ = model(source, target)
    assert logits.shape == (2, 5, 9)
    logits[..., 3].sum().backward()  # of token 3 alone: the output layer's part
    used = table.grad.abs().sum(-1) > 0
    read = set(target.flatten().tolist()) | (set(source.flatten().tolist()) if tie == "all" else set())
    assert set(used.nonzero().flatten().tolist()) == read | ({3} if tie != "none" else set())


@ties
def test_ties_outlive_state_dict_meta_device_and_reset(tie):
    model, (source, target) = tied(tie), tokens()
    with torch.device("meta"):
        empty = tied(tie)
    empty.to_empty(device="cpu")
    for weight in empty.parameters():
        nn.init.constant_(weight, torch.nan)
    empty.reset_parameters()
    assert all(weight.isfinite().all() for weight in empty.parameters())
    assert (empty.source_embed.tokens.weight is empty.target_embed.tokens.weight) == (tie == "all")
    assert not torch.equal(empty(source, target)[0], model(source, target)[0])
    empty.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(empty(source, target)[0], model(source, target)[0])
    assert sum(w.numel() for w in empty.parameters()) == sum(w.numel() for w in model.parameters())


def test_reset_draws_as_the_class_does():
    options = {"positions": "learned", "max_positions": 7, "attend": AdditiveAttention(4, 4, 3)}
    torch.manual_seed(5)
    first = make(**options)
    spread = {name: weight.std() for name, weight in first.named_parameters() if weight.numel() > 50}
    before = {name: weight.clone() for name, weight in first.named_parameters()}
    first.reset_parameters()
    for name, weight in first.named_parameters():
        if not name.endswith(("norm.weight", "norm.bias", "score_proj.bias")):
            assert not torch.equal(weight, before[name]), name
        if name in spread:
            torch.testing.assert_close(weight.std(), spread[name], rtol=0.4, atol=0)


def test_learned_positions_of_encoder_and_decoder():
    model, (source, target) = make(positions="learned", max_positions=7), tokens()
    assert model.source_embed.positions.weight is not model.target_embed.positions.weight
    model(source, target)[0].log_softmax(-1)[..., 1].sum().backward()
    used = model.target_embed.positions.weight.grad.abs().sum(-1) > 0
    assert used.tolist() == [True] * 5 + [False] * 2
    model.source_embed.positions.weight.data.zero_()
    model.target_embed.positions.weight.data.zero_()
    plain = make(positions="none")
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if "positions" not in k})
    torch.testing.assert_close(model(source, target)[0], plain(source, target)[0])


def test_without_positions_the_source_is_a_bag():
    source, target = tokens()
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    for positions, same in (("none", True), ("sinusoidal", False)):
        model = make(positions=positions).double()
        assert torch.allclose(model(source, target)[0], model(source[:, order], target)[0]) == same


@pytest.mark.parametrize("part", ["source_embed", "target_embed"])
def test_dropout_on_the_sums_of_embeddings_and_positions(part):
    """Section 5.4: in encoder and decoder both, scaled by what is kept; in evaluation nothing is dropped."""
    embed = getattr(make(dropout=0.25), part)
    given = torch.randint(9, (200, 5))
    kept = embed.eval()(given)
    torch.testing.assert_close(kept, embed.positions(embed.tokens(given)))
    ratio = embed.train()(given) / kept
    values = ratio.detach()[kept.abs() > 1e-3]
    assert (values.eq(0) | (values - 1 / 0.75).abs().lt(1e-4)).all()
    torch.testing.assert_close(values.eq(0).float().mean().item(), 0.25, rtol=0.1, atol=0)


def test_attentions_without_biases():
    names = [name for name, _ in make(bias=False).named_parameters() if "attention." in name]
    assert not [name for name in names if name.endswith("bias")]
    assert len(names) == 4 * (2 + 2 * 3)


def test_dropout_is_in_every_place_of_the_paper_and_in_no_other():
    model = make(dropout=0.25)
    places = [name for name, module in model.named_modules() if isinstance(module, nn.Dropout)]
    blocks = [f"encoder.layers.{i}.dropout" for i in range(2)] + [f"decoder.layers.{i}.dropout" for i in range(3)]
    assert sorted(places) == sorted(["source_embed.dropout", "target_embed.dropout", *blocks])
    assert {module.p for module in model.modules() if isinstance(module, nn.Dropout)} == {0.25}


def causal_linear(query, key, value, mask=None):
    """Causal by itself; of a causal mask joined with a token mask, the last row is the token mask."""
    return causal_linear_attention(query, key, value, None if mask is None else mask[..., -1:, :])


EVERYWHERE = [fast_attention, tiled_attention, scaled_dot_product_attention, AdditiveAttention(4, 4, 3)]
IN_ENCODER = [*EVERYWHERE, efficient_attention, linear_attention, causal_linear]
IN_DECODER = [*EVERYWHERE, causal_linear]


@pytest.mark.parametrize(
    ("place", "attend"),
    [("attend", a) for a in IN_ENCODER]
    + [("decoder_attend", a) for a in IN_DECODER]
    + [("cross_attend", a) for a in IN_ENCODER if a is not causal_linear],
    ids=lambda a: a if isinstance(a, str) else f"{a.__module__[8:12]}-{getattr(a, '__name__', type(a).__name__)}",
)
def test_any_attention_in_any_of_the_three_places(place, attend):
    options = {"decoder_attend": scaled_dot_product_attention, "cross_attend": scaled_dot_product_attention}
    model, (source, target) = make(**{**options, place: attend}).double(), tokens()
    before, weights = model(source, target, *REAL, return_weights=True)
    name = {"attend": "encoder", "decoder_attend": "decoder", "cross_attend": "cross"}[place]
    formed = attend is scaled_dot_product_attention or isinstance(attend, nn.Module)
    assert {part for part in weights._fields if getattr(weights, part) is None} == (set() if formed else {name})
    source[1, 4:], target[1, 3:] = (source[1, 4:] + 1) % 12, (target[1, 3:] + 1) % 9
    after, _ = model(source, target, *REAL)
    torch.testing.assert_close(after[0], before[0])
    torch.testing.assert_close(after[1, :3], before[1, :3])
    assert not torch.allclose(after[1, 3:], before[1, 3:])


def test_what_is_causal_by_itself_reads_without_a_cache():
    model, (source, target) = make(decoder_attend=causal_linear).double(), tokens()
    expected, _ = model(source, target)
    reading = model.start(source, cache=False)
    for t in range(5):
        torch.testing.assert_close(reading.read(target[:, t : t + 1]), expected[:, t])


def test_attentions_of_the_three_places_are_told_apart():
    parts = [AdditiveAttention(4, 4, d_a) for d_a in (3, 5, 6)]
    model = make(attend=parts[0], decoder_attend=parts[1], cross_attend=parts[2])
    found = [
        {layer.self_attention.attend.query_proj.weight.shape[0] for layer in model.encoder.layers},
        {layer.self_attention.attend.query_proj.weight.shape[0] for layer in model.decoder.layers},
        {layer.cross_attention.attend.query_proj.weight.shape[0] for layer in model.decoder.layers},
    ]
    assert found == [{3}, {5}, {6}]
    everywhere = make(attend=parts[0]).decoder.layers
    assert {layer.self_attention.attend.query_proj.weight.shape[0] for layer in everywhere} == {3}
    assert {layer.cross_attention.attend.query_proj.weight.shape[0] for layer in everywhere} == {3}


@norms
@pytest.mark.parametrize("chunks", [(1, 1, 1, 1, 1), (2, 3), (4, 1), (5,)])
@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_reading_in_any_chunks_gives_the_logits_of_the_whole(norm, chunks, cache, positions):
    options = {"positions": positions, "max_positions": 7 if positions == "learned" else None}
    model, (source, target) = randomized(tied("output", norm=norm, **options)), tokens()
    expected, _ = model(source, target, REAL[0])
    reading, past = model.start(source, REAL[0], capacity=2, cache=cache), 0
    for n in chunks:
        logits = reading.read(target[:, past : past + n])
        past += n
        torch.testing.assert_close(logits, expected[:, past - 1])
        assert not logits.requires_grad


@pytest.mark.parametrize("cache", [True, False])
def test_selected_rows_read_on_as_their_own_samples(cache):
    model, (source, target) = make().double(), tokens(batch=3)
    real, rows = padding_mask([7, 4, 2], 7)[:, 0], torch.tensor([2, 0, 0, 1])
    reading = model.start(source, real, capacity=2, cache=cache)
    reading.read(target[:, :3])
    reading.select(rows)
    expected, _ = model(source[rows], target[rows], real[rows])
    torch.testing.assert_close(reading.read(target[rows, 3:]), expected[:, -1])


def test_fully_masked_source():
    model, (source, target) = make(), tokens()
    logits, _ = model(source, target, torch.tensor([[False] * 7, [True] * 7]))
    logits.log_softmax(-1)[..., 1].sum().backward()
    assert logits.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


@pytest.mark.parametrize(("batch", "n_k", "n_q"), [(0, 7, 5), (2, 1, 1), (2, 1, 5)])
def test_small_sizes(batch, n_k, n_q):
    source, target = tokens(n_k, n_q, batch=batch)
    logits, _ = make()(source.int(), target.int())
    assert logits.shape == (batch, n_q, 9)


CALLABLE = "(query, key, value, mask) -> (output, weights)"
LEARNED = {"positions": "learned", "max_positions": 6}


def read_on(n):
    reading = make(**LEARNED).start(tokens(4)[0])
    for t in range(n):
        reading.read(tokens()[1][:, :1] + 0 * t)


def on_meta():
    with torch.device("meta"):
        model = make()
    return model(*tokens())


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: make(0), ValueError, "source_vocab_size must be at least 1, got 0."),
        (lambda: make(num_layers=0), ValueError, "num_layers must be at least 1, got 0."),
        (lambda: make(num_layers=(2, 0)), ValueError, "num_layers must be at least 1, got 0."),
        (
            lambda: make(num_layers=(2,)),
            TypeError,
            "num_layers must be an int, or a pair (encoder, decoder) of two, got (2,).",
        ),
        (
            lambda: make(num_layers=True),
            TypeError,
            "num_layers must be an int, or a pair (encoder, decoder) of two, got True.",
        ),
        (lambda: make(norm=None), ValueError, "norm must be one of 'post', 'pre', got None."),
        (lambda: make(dropout=1), ValueError, "dropout must be at least 0 and less than 1, got 1."),
        (lambda: make(tie=True), ValueError, "tie must be one of 'none', 'output', 'all', got True."),
        (
            lambda: make(tie="all"),
            ValueError,
            "tie='all' needs one vocabulary size, got source_vocab_size=12 and target_vocab_size=9.",
        ),
        (
            lambda: make(positions="sine"),
            ValueError,
            "positions must be one of 'sinusoidal', 'learned', 'none', got 'sine'.",
        ),
        (
            lambda: make(positions="learned"),
            ValueError,
            "max_positions must be given for learned positions, and for no others, "
            "got positions='learned' and max_positions=None.",
        ),
        (
            lambda: make(max_positions=5),
            ValueError,
            "max_positions must be given for learned positions, and for no others, "
            "got positions='sinusoidal' and max_positions=5.",
        ),
        (
            lambda: make(positions="learned", max_positions=0),
            ValueError,
            "max_positions must be at least 1, got 0.",
        ),
        (
            lambda: make(decoder_attend=AdditiveAttention),
            TypeError,
            f"decoder_attend must be a function or an instance {CALLABLE}, "
            "got the class AdditiveAttention; make one first: AdditiveAttention(...).",
        ),
        (
            lambda: make(cross_attend="fast"),
            TypeError,
            f"cross_attend must be a callable {CALLABLE}, got 'fast'.",
        ),
        (
            lambda: make()(torch.tensor([[3], [12]]), tokens()[1]),
            ValueError,
            "source must lie between 0 and vocab_size - 1=11, got 3 to 12.",
        ),
        (
            lambda: make()(tokens()[0], tokens()[1].float()),
            TypeError,
            "target must hold tokens as int32 or int64, got torch.float32.",
        ),
        (lambda: make()(tokens()[0][0], tokens()[1]), ValueError, "source must be (batch, n), got shape (7,)."),
        (
            lambda: make()(tokens()[0][:1], tokens()[1]),
            ValueError,
            "source and target must agree in batch, got source (1, 7) with batch=1, target (2, 5) with batch=2.",
        ),
        (
            lambda: make()(tokens()[0], tokens()[1][:, :0]),
            ValueError,
            "target must hold at least one token a sample, got shape (2, 0).",
        ),
        (
            lambda: make()(*tokens(), torch.ones(2, 7)),
            TypeError,
            "source_token_mask must be bool (True = a real token), got torch.float32.",
        ),
        (
            lambda: make()(*tokens(), *REAL[::-1]),
            ValueError,
            "source_token_mask must be (batch, n) = (2, 7), got shape (2, 5).",
        ),
        (
            lambda: make()(*tokens(), None, causal_mask(5)),
            ValueError,
            "target_token_mask must be (batch, n) = (2, 5), got shape (5, 5).",
        ),
        (
            lambda: make(**LEARNED)(*tokens()),
            ValueError,
            "source must hold at most max_positions=6 tokens, got 7.",
        ),
        (
            lambda: make(**LEARNED)(*tokens(6, 8)),
            ValueError,
            "target must hold at most max_positions=6 tokens, got 8.",
        ),
        (lambda: read_on(7), ValueError, "tokens must hold at most max_positions=6 tokens, got 7."),
        (on_meta, ValueError, "source must be on the device of the weights, got source on cpu, weights on meta."),
        (
            lambda: make().start(tokens()[0]).read(tokens()[1][:1]),
            ValueError,
            "tokens and memory must agree in batch, got tokens (1, 5) with batch=1, memory (2, 7, 8) with batch=2.",
        ),
        (
            lambda: make().start(tokens()[0]).read(torch.tensor([[3], [9]])),
            ValueError,
            "tokens must lie between 0 and vocab_size - 1=8, got 3 to 9.",
        ),
        (
            lambda: make().start(tokens()[0].float()),
            TypeError,
            "start: source must hold tokens as int32 or int64, got torch.float32.",
        ),
        (
            lambda: make().start(tokens()[0], torch.ones(2, 7)),
            TypeError,
            "start: source_token_mask must be bool (True = a real token), got torch.float32.",
        ),
        (lambda: make().start(tokens()[0], capacity=0), ValueError, "start: capacity must be at least 1, got 0."),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, f"Transformer{'.' if words.startswith('start: ') else ': '}{words}")


def test_norm_eps_is_of_every_norm():
    model = Transformer(9, 7, d_model=8, num_heads=2, d_ff=16, num_layers=2, norm="pre", norm_eps=0.5)
    found = [module.eps for module in model.modules() if isinstance(module, torch.nn.LayerNorm)]
    assert len(found) >= 5
    assert set(found) == {0.5}
