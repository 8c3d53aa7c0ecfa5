"""Encoder and decoder against torch's own modules, step by step; the whole of both is in test_seq2seq.py."""

import pytest
import torch
from torch import nn

from attnref import (
    GRU,
    LSTM,
    RNN,
    AdditiveAttention,
    MultiHeadAttention,
    RecurrentDecoder,
    RecurrentEncoder,
    padding_mask,
    scaled_dot_product_attention,
)
from attnref.fast.gru import GRU as FastGRU
from attnref.fast.lstm import LSTM as FastLSTM
from attnref.fast.rnn import RNN as FastRNN
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fused

BATCH, N_K, D_EMBED, D_H, VOCAB = 3, 7, 4, 6, 11
LENGTHS = [7, 2, 4]
SOURCE = torch.randint(VOCAB, (BATCH, N_K), generator=torch.Generator().manual_seed(0))
TOKEN = torch.tensor([3, 0, 10])
TOKEN_MASK = torch.arange(N_K) < torch.tensor(LENGTHS)[:, None]
# Each with torch's net and cell, and the fast version.
RECURRENT = {
    "rnn": (RNN, nn.RNN, nn.RNNCell, FastRNN),
    "lstm": (LSTM, nn.LSTM, nn.LSTMCell, FastLSTM),
    "gru": (GRU, nn.GRU, nn.GRUCell, FastGRU),
}
recurrents = pytest.mark.parametrize("recurrent", RECURRENT)
versions = pytest.mark.parametrize("version", [0, 3], ids=["ours", "fast"])


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def encoder(recurrent="gru", version=0):
    return RecurrentEncoder(VOCAB, D_EMBED, D_H, recurrent=RECURRENT[recurrent][version]).double()


def decoder(attend=None, recurrent="gru", version=0):
    made = RecurrentDecoder(VOCAB, D_EMBED, D_H, attend=attend, recurrent=RECURRENT[recurrent][version])
    return made.double()


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@recurrents
@versions
def test_encoder_agrees_with_torch(agrees, recurrent, version):
    """Each sequence alone, so that torch reads no padding."""
    ours = encoder(recurrent, version)
    theirs = RECURRENT[recurrent][1](D_EMBED, D_H // 2, bidirectional=True, batch_first=True).double()
    theirs.load_state_dict(ours.rnn.state_dict())
    memory, last = ours(SOURCE, TOKEN_MASK)
    assert memory.shape == (BATCH, N_K, D_H)
    assert last.shape == (BATCH, D_H)
    for b, length in enumerate(LENGTHS):
        hidden, state = theirs(ours.embedding.weight[SOURCE[b : b + 1, :length]])
        agrees(memory[b, :length], hidden[0])
        assert memory[b, length:].eq(0).all()
        agrees(last[b], torch.cat(tuple(parts(state)[0][:, 0])))  # forward, then backward


def test_encoder_reads_all_tokens_without_a_mask(agrees):
    ours = encoder()
    memory, last = ours(SOURCE)
    expected_memory, expected_last = ours(SOURCE, torch.ones_like(TOKEN_MASK))
    agrees(memory, expected_memory)
    agrees(last, expected_last)
    agrees(ours(SOURCE.int())[0], memory)


@recurrents
@versions
def test_decoder_starts_from_a_projection_of_the_last_states(agrees, recurrent, version):
    ours, last = decoder(recurrent=recurrent, version=version), draw(BATCH, D_H)
    state = ours.start(last)
    agrees(parts(state)[0], torch.tanh(last @ ours.bridge.weight.mT + ours.bridge.bias)[None])
    assert isinstance(state, tuple) == (recurrent == "lstm")
    if recurrent == "lstm":
        assert state[1].eq(0).all()


@recurrents
@versions
@pytest.mark.parametrize("kind", ["none", "additive", "scaled_dot_product"])
@pytest.mark.parametrize("token_mask", [None, TOKEN_MASK], ids=["all", "padding"])
def test_step_agrees_with_torch(agrees, recurrent, version, kind, token_mask):
    attend = {"none": None, "additive": AdditiveAttention(D_H, D_H, 5), "scaled_dot_product": fused}[kind]
    ours = decoder(attend, recurrent, version)
    cell = RECURRENT[recurrent][2](D_EMBED + (0 if attend is None else D_H), D_H).double()
    cell.load_state_dict({name.removesuffix("_l0"): weight for name, weight in ours.rnn.state_dict().items()})
    memory, state = draw(BATCH, N_K, D_H), draw(2, 1, BATCH, D_H)
    state = tuple(state) if recurrent == "lstm" else state[0]

    inputs, context = ours.embedding.weight[TOKEN], ()
    if attend is not None:
        mask = torch.ones_like(TOKEN_MASK) if token_mask is None else token_mask
        query = parts(state)[0][0][:, None]  # before the step
        if kind == "additive":
            scores = attend.score_proj(torch.tanh(attend.query_proj(query) + attend.key_proj(memory)))[..., 0]
        else:
            scores = (query * memory).sum(-1) / D_H**0.5
        weights = torch.softmax(scores.masked_fill(~mask, -torch.inf), -1)
        context = ((weights[:, None] @ memory)[:, 0],)
        inputs = torch.cat((inputs, *context), 1)
    after = cell(inputs, tuple(part[0] for part in state) if recurrent == "lstm" else state[0])
    expected = ours.output_proj(torch.cat((parts(after)[0], *context), 1))

    logits, new, looked = ours.step(TOKEN, state, memory, token_mask)
    agrees(logits, expected)
    for part, wanted in zip(parts(new), parts(after), strict=True):
        agrees(part, wanted[None])
    if kind == "additive":
        agrees(looked, weights)
    else:
        assert looked is None


@versions
def test_several_heads_have_an_axis_of_their_own(agrees, version):
    attend = MultiHeadAttention(D_H, num_heads=2)
    ours, memory = decoder(attend, version=version), draw(BATCH, N_K, D_H)
    state = ours.start(draw(BATCH, D_H))
    *_, weights = ours.step(TOKEN, state, memory, TOKEN_MASK)
    assert weights.shape == (BATCH, 2, N_K)
    agrees(weights, attend(state[0][:, None], memory, memory, TOKEN_MASK[:, None])[1][:, :, 0])
    agrees(weights.sum(-1), torch.ones(BATCH, 2, dtype=torch.float64))
    for head in range(2):  # the hidden states change the weights of each
        assert not torch.allclose(weights[:, head], weights[:, 1 - head])


@recurrents
@versions
@pytest.mark.parametrize("heads", [None, 2])
def test_takes_an_empty_batch(recurrent, version, heads):
    ours = decoder(heads and MultiHeadAttention(D_H, heads), recurrent, version)
    memory, last = encoder(recurrent, version)(SOURCE[:0], TOKEN_MASK[:0])
    assert memory.shape == (0, N_K, D_H)
    assert last.shape == (0, D_H)
    logits, _, weights = ours.step(TOKEN[:0], ours.start(last), memory, TOKEN_MASK[:0])
    assert logits.shape == (0, VOCAB)
    assert weights is None if heads is None else weights.shape == (0, 2, N_K)


def encode(**change):
    given = {"tokens": SOURCE, "token_mask": TOKEN_MASK, **change}
    return encoder()(**given)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: RecurrentEncoder(0, 3, 6), ValueError, "vocab_size must be at least 1, got 0."),
        (lambda: RecurrentEncoder(11, 0, 6), ValueError, "d_embed must be at least 1, got 0."),
        (lambda: RecurrentEncoder(11, 3, 0), ValueError, "d_h must be at least 1, got 0."),
        (lambda: RecurrentEncoder(11, 3, 5), ValueError, "d_h must be even, half for each direction, got d_h=5."),
        (
            lambda: RecurrentEncoder(11, 3, 6, recurrent="gru"),
            TypeError,
            "recurrent must be a maker of recurrent nets, such as GRU, got an instance of str.",
        ),
        (
            lambda: RecurrentEncoder(11, 3, 6, recurrent=GRU(3, 3)),
            TypeError,
            "recurrent must be a maker of recurrent nets, such as GRU, got an instance of attnref.sequence.gru.GRU.",
        ),
        (
            lambda: RecurrentEncoder(11, 3, 6, recurrent=nn.GRU),
            TypeError,
            "recurrent must make an attnref.protocols.RecurrentNet, which has state_of, got torch.nn.modules.rnn.GRU.",
        ),
        (
            lambda: encode(tokens=SOURCE.float()),
            TypeError,
            "tokens must hold tokens as int32 or int64, got torch.float32.",
        ),
        (lambda: encode(tokens=SOURCE.numpy()), TypeError, "tokens must be a torch.Tensor, got numpy.ndarray."),
        (lambda: encode(tokens=SOURCE[0]), ValueError, "tokens must be (batch, n), got shape (7,)."),
        (
            lambda: encode(tokens=SOURCE[:, :0]),
            ValueError,
            "tokens must hold at least one token a sample, got shape (3, 0).",
        ),
        (
            lambda: encode(tokens=torch.tensor([[0, 11], [-1, 3]])),
            ValueError,
            "tokens must lie between 0 and vocab_size - 1=10, got -1 to 11.",
        ),
        (
            lambda: encode(token_mask=padding_mask(LENGTHS, N_K)),
            ValueError,
            "token_mask must be (batch, n) = (3, 7), got shape (3, 1, 7); an attention mask has an axis for the "
            "queries, which is not wanted here: pass token_mask[:, 0].",
        ),
        (
            lambda: encode(token_mask=TOKEN_MASK.double()),
            TypeError,
            "token_mask must be bool (True = a real token), got torch.float64.",
        ),
    ],
)
def test_refusals_of_the_encoder(call, error, words):
    with pytest.raises(error) as refusal:
        call()
    assert str(refusal.value) == f"RecurrentEncoder: {words}"


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"vocab_size": 0}, ValueError, "vocab_size must be at least 1, got 0."),
        ({"d_embed": 0}, ValueError, "d_embed must be at least 1, got 0."),
        ({"d_h": "6"}, TypeError, "d_h must be an int, got str."),
        (
            {"attend": "additive"},
            TypeError,
            "attend must be None or a callable (query, key, value, mask) -> (output, weights), got 'additive'.",
        ),
        (
            {"attend": AdditiveAttention},
            TypeError,
            "attend must be a function or an instance (query, key, value, mask) -> (output, weights), "
            "got the class AdditiveAttention; make one first: AdditiveAttention(...).",
        ),
        (
            {"recurrent": None},
            TypeError,
            "recurrent must be a maker of recurrent nets, such as GRU, got an instance of NoneType.",
        ),
        (
            {"recurrent": lambda *sizes, **options: torch.zeros},
            TypeError,
            "recurrent must make an attnref.protocols.RecurrentNet, which has state_of, "
            "got builtin_function_or_method.",
        ),
    ],
)
def test_refusals_of_the_decoder(change, error, words):
    given = {"vocab_size": VOCAB, "d_embed": D_EMBED, "d_h": D_H, **change}
    with pytest.raises(error) as refusal:
        RecurrentDecoder(given.pop("vocab_size"), given.pop("d_embed"), given.pop("d_h"), **given)
    assert str(refusal.value) == f"RecurrentDecoder: {words}"


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("last", "error", "words"),
    [
        (draw(D_H), ValueError, "last must be (batch, d_h), got shape (6,)."),
        (draw(BATCH, 5), ValueError, "last must have d_h=6, got last (3, 5) with d_h=5."),
        (
            draw(BATCH, D_H).float(),
            TypeError,
            "last and weights must share one dtype, got last torch.float32, weights torch.float64.",
        ),
        ((draw(BATCH, D_H), draw(BATCH, D_H)), TypeError, "last must be a torch.Tensor, got tuple."),
    ],
)
def test_refusals_of_start(last, error, words):
    with pytest.raises(error) as refusal:
        decoder().start(last)
    assert str(refusal.value) == f"RecurrentDecoder.start: {words}"


H, MEMORY = draw(1, BATCH, D_H), draw(BATCH, N_K, D_H)


@pytest.mark.refusal
@versions
@pytest.mark.parametrize("attend", [None, scaled_dot_product_attention], ids=["none", "attention"])
@pytest.mark.parametrize(
    ("recurrent", "change", "error", "words"),
    [
        ("gru", {"token": TOKEN.numpy()}, TypeError, "token must be a torch.Tensor, got numpy.ndarray."),
        ("gru", {"token": TOKEN[:, None]}, ValueError, "token must be (batch,), got shape (3, 1)."),
        ("gru", {"token": TOKEN.half()}, TypeError, "token must hold tokens as int32 or int64, got torch.float16."),
        ("gru", {"token": TOKEN + 1}, ValueError, "token must lie between 0 and vocab_size - 1=10, got 1 to 11."),
        (
            "gru",
            {"token": TOKEN[:2]},
            ValueError,
            "token and memory must agree in batch, got token (2,) with batch=2, memory (3, 7, 6) with batch=3.",
        ),
        ("gru", {"memory": MEMORY[0]}, ValueError, "memory must be (batch, n_k, d_h), got shape (7, 6)."),
        ("gru", {"memory": None}, TypeError, "memory must be a torch.Tensor, got NoneType."),
        (
            "gru",
            {"memory": MEMORY[..., :5]},
            ValueError,
            "memory must have d_h=6, got memory (3, 7, 5) with d_h=5.",
        ),
        (
            "gru",
            {"memory": MEMORY.float()},
            TypeError,
            "memory and weights must share one dtype, got memory torch.float32, weights torch.float64.",
        ),
        ("gru", {"state": (H, H)}, TypeError, "state must be a torch.Tensor, got tuple of 2."),
        ("rnn", {"state": [H]}, TypeError, "state must be a torch.Tensor, got list of 1."),
        ("lstm", {"state": H}, TypeError, "state must be a tuple (h, c), got torch.Tensor."),
        ("lstm", {"state": (H, H, H)}, TypeError, "state must be a tuple (h, c), got tuple of 3."),
        ("gru", {"state": H[0]}, ValueError, "state must be (1, batch, d_h) = (1, 3, 6), got shape (3, 6)."),
        ("rnn", {"state": H[:, :2]}, ValueError, "state must be (1, batch, d_h) = (1, 3, 6), got shape (1, 2, 6)."),
        ("lstm", {"state": (H, H[..., :5])}, ValueError, "c must be (1, batch, d_h) = (1, 3, 6), got shape (1, 3, 5)."),
        (
            "lstm",
            {"state": (H.float(), H)},
            TypeError,
            "memory and h must share one dtype, got memory torch.float64, h torch.float32.",
        ),
        (
            "gru",
            {"source_token_mask": padding_mask(LENGTHS, N_K)},
            ValueError,
            "source_token_mask must be (batch, n) = (3, 7), got shape (3, 1, 7); an attention mask has an axis for the "
            "queries, which is not wanted here: pass source_token_mask[:, 0].",
        ),
        (
            "gru",
            {"source_token_mask": TOKEN_MASK[:, :5]},
            ValueError,
            "source_token_mask must be (batch, n) = (3, 7), got shape (3, 5).",
        ),
        (
            "gru",
            {"source_token_mask": TOKEN_MASK.long()},
            TypeError,
            "source_token_mask must be bool (True = a real token), got torch.int64.",
        ),
    ],
)
def test_refusals_of_step(recurrent, version, attend, change, error, words):
    state = (H, H) if recurrent == "lstm" else H
    given = {"token": TOKEN, "state": state, "memory": MEMORY, "source_token_mask": None, **change}
    with pytest.raises(error) as refusal:
        decoder(attend, recurrent, version).step(**given)
    assert str(refusal.value) == f"RecurrentDecoder.step: {words}"


def returns(result):
    """An attention that returns what is made of the right output and weights."""
    return lambda *inputs: result(*scaled_dot_product_attention(*inputs))


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("result", "error", "words"),
    [
        (lambda o, w: o, TypeError, "a pair (output, weights), got torch.Tensor."),
        (lambda o, w: [o, w], TypeError, "a pair (output, weights), got list of 2."),
        (lambda o, w: (o, w, w), TypeError, "a pair (output, weights), got tuple of 3."),
        (lambda o, w: None, TypeError, "a pair (output, weights), got NoneType."),
        (
            lambda o, w: (o, w.detach().numpy()),
            TypeError,
            "(output, weights), two tensors or a tensor and None, got (torch.Tensor, numpy.ndarray).",
        ),
        (
            lambda o, w: (None, w),
            TypeError,
            "(output, weights), two tensors or a tensor and None, got (NoneType, torch.Tensor).",
        ),
        (
            lambda o, w: (o[:, 0], w),
            ValueError,
            "output (..., n_q, d_v) = (3, 1, 6), got shape (3, 6).",
        ),
        (
            lambda o, w: (o[..., :5], w),
            ValueError,
            "output (..., n_q, d_v) = (3, 1, 6), got shape (3, 1, 5).",
        ),
        (
            lambda o, w: (o, w[..., :5]),
            ValueError,
            "weights (..., n_q, n_k) = (3, 1, 7), for several heads with an axis for them before n_q, "
            "got shape (3, 1, 5).",
        ),
        (
            lambda o, w: (o, w[0]),
            ValueError,
            "weights (..., n_q, n_k) = (3, 1, 7), for several heads with an axis for them before n_q, "
            "got shape (1, 7).",
        ),
        (
            lambda o, w: (o, w[:, 0]),
            ValueError,
            "weights (..., n_q, n_k) = (3, 1, 7), for several heads with an axis for them before n_q, "
            "got shape (3, 7).",
        ),
    ],
)
def test_refuses_what_no_attention_returns(result, error, words):
    with pytest.raises(error) as refusal:
        decoder(returns(result)).step(TOKEN, H, MEMORY, TOKEN_MASK)
    assert str(refusal.value) == f"RecurrentDecoder: attend must return {words}"
