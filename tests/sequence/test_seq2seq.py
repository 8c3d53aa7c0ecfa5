"""Sequence to sequence against its definition and torch's modules; its parts are in test_encoder_decoder.py."""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attnref import (
    GRU,
    LSTM,
    RNN,
    AdditiveAttention,
    MultiHeadAttention,
    Seq2Seq,
    padding_mask,
    scaled_dot_product_attention,
)
from attnref.fast.gru import GRU as FastGRU
from attnref.fast.lstm import LSTM as FastLSTM
from attnref.fast.rnn import RNN as FastRNN
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fused
from attnref.oracle.additive import additive_attention as additive_oracle
from attnref.oracle.scaled_dot_product import scaled_dot_product_attention as scaled_oracle
from attnref.oracle.seq2seq import seq2seq as oracle

N_K, N_Q, D_EMBED, D_H = 7, 5, 3, 6
LENGTHS = [7, 2, 4]
SOURCE = torch.randint(11, (3, N_K), generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(9, (3, N_Q), generator=torch.Generator().manual_seed(1))
MASK = torch.arange(N_K) < torch.tensor(LENGTHS)[:, None]
attends = pytest.mark.parametrize("kind", ["none", "additive", "scaled_dot_product"])
# Each with torch's net and cell, and the fast version.
RECURRENT = {
    "rnn": (RNN, nn.RNN, nn.RNNCell, FastRNN),
    "lstm": (LSTM, nn.LSTM, nn.LSTMCell, FastLSTM),
    "gru": (GRU, nn.GRU, nn.GRUCell, FastGRU),
}
recurrents = pytest.mark.parametrize("recurrent", RECURRENT)
token_masks = pytest.mark.parametrize("token_mask", [None, MASK], ids=["all", "padding"])


def build(kind, dtype=torch.float64, recurrent="gru"):
    torch.manual_seed(0)
    attend = {
        "none": None,
        "additive": AdditiveAttention(D_H, D_H, 8),
        "scaled_dot_product": scaled_dot_product_attention,
    }
    return Seq2Seq(11, 9, d_embed=D_EMBED, d_h=D_H, attend=attend[kind], recurrent=RECURRENT[recurrent][0]).to(dtype)


def oracle_of(model, kind, recurrent="gru"):
    weights = {name: weight.double().numpy() for name, weight in model.state_dict().items()}
    if kind == "additive":
        own = "decoder.attend."
        attend = partial(
            additive_oracle,
            w_q=weights[own + "query_proj.weight"],
            w_k=weights[own + "key_proj.weight"],
            v_a=weights[own + "score_proj.weight"][0],
        )
    else:
        attend = None if kind == "none" else scaled_oracle
    return partial(oracle, weights=weights, attend=attend, recurrent=recurrent)


@attends
@token_masks
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_agrees_with_oracle(agrees, arrays, kind, token_mask, dtype):
    model = build(kind, dtype)
    logits, weights = model(SOURCE, TARGET, token_mask)
    expected_logits, expected_weights = oracle_of(model, kind)(*arrays(SOURCE, TARGET, token_mask))
    assert logits.dtype == dtype
    agrees(logits, expected_logits)
    assert (weights is None) == (kind == "none")
    if weights is not None:
        agrees(weights, expected_weights)


@attends
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_gradients_agree_with_those_in_float64(kind, dtype):
    model = build(kind, dtype)
    exact = copy.deepcopy(model).double()
    for each in (model, exact):
        each(SOURCE, TARGET, MASK)[0].square().sum().backward()
    tolerance = {torch.float32: 1e-5, torch.float16: 0.01, torch.bfloat16: 0.05}[dtype]
    for (name, found), expected in zip(model.named_parameters(), exact.parameters(), strict=True):
        assert found.grad.dtype == dtype
        assert (found.grad - expected.grad).norm() <= tolerance * expected.grad.norm(), name


@pytest.mark.parametrize("recurrent", ["rnn", "lstm"])
@pytest.mark.parametrize("kind", ["none", "additive"])
@token_masks
def test_agrees_with_oracle_whatever_carries_the_state(agrees, arrays, recurrent, kind, token_mask):
    model = build(kind, recurrent=recurrent)
    logits, weights = model(SOURCE, TARGET, token_mask)
    expected_logits, expected_weights = oracle_of(model, kind, recurrent)(*arrays(SOURCE, TARGET, token_mask))
    agrees(logits, expected_logits)
    if weights is not None:
        agrees(weights, expected_weights)
    logits.square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


class Composed(nn.Module):
    """The same model out of torch's modules only, with packed sequences in place of masks."""

    def __init__(self, kind, recurrent):
        super().__init__()
        _, net, cell, _ = RECURRENT[recurrent]
        self.kind, size = kind, 2 * D_H if kind == "additive" else D_H
        self.source_embedding, self.target_embedding = nn.Embedding(11, D_EMBED), nn.Embedding(9, D_EMBED)
        self.reader = net(D_EMBED, D_H // 2, bidirectional=True, batch_first=True)
        self.bridge = nn.Linear(D_H, D_H)
        self.writer = cell(D_EMBED + size - D_H, D_H)
        self.output = nn.Linear(size, 9)
        if kind == "additive":
            self.from_query, self.from_key = nn.Linear(D_H, 8, bias=False), nn.Linear(D_H, 8, bias=False)
            self.score = nn.Linear(8, 1, bias=False)

    def copy(self, model):
        decoder = model.decoder
        self.source_embedding.load_state_dict(model.encoder.embedding.state_dict())
        self.target_embedding.load_state_dict(decoder.embedding.state_dict())
        self.reader.load_state_dict(model.encoder.rnn.state_dict())
        self.bridge.load_state_dict(decoder.bridge.state_dict())
        self.writer.load_state_dict({name.removesuffix("_l0"): w for name, w in decoder.rnn.state_dict().items()})
        self.output.load_state_dict(decoder.output_proj.state_dict())
        if self.kind == "additive":
            self.from_query.load_state_dict(decoder.attend.query_proj.state_dict())
            self.from_key.load_state_dict(decoder.attend.key_proj.state_dict())
            self.score.load_state_dict(decoder.attend.score_proj.state_dict())
        return self

    def forward(self, source, target, lengths):
        packed = pack_padded_sequence(
            self.source_embedding(source), torch.tensor(lengths), batch_first=True, enforce_sorted=False
        )
        packed, last = self.reader(packed)
        last, lstm = (last[0], True) if isinstance(last, tuple) else (last, False)
        memory, _ = pad_packed_sequence(packed, batch_first=True, total_length=N_K)
        h = self.bridge(torch.cat(tuple(last), 1)).tanh()
        c = torch.zeros_like(h)
        logits = []
        for token in target.T:
            inputs, to_output = [self.target_embedding(token)], []
            if self.kind == "additive":
                contexts = []
                for b, length in enumerate(lengths):
                    hidden = torch.tanh(self.from_query(h[b]) + self.from_key(memory[b, :length]))
                    contexts.append(torch.softmax(self.score(hidden), 0).T @ memory[b, :length])
                inputs, to_output = [*inputs, torch.cat(contexts)], [torch.cat(contexts)]
            inputs = torch.cat(inputs, 1)
            if lstm:
                h, c = self.writer(inputs, (h, c))
            else:
                h = self.writer(inputs, h)
            logits.append(self.output(torch.cat([h, *to_output], 1)))
        return torch.stack(logits, 1)


@recurrents
@pytest.mark.parametrize("kind", ["none", "additive"])
def test_agrees_with_a_composition_of_torch_modules(agrees, kind, recurrent):
    model = build(kind, recurrent=recurrent)
    composed = Composed(kind, recurrent).double().copy(model)
    logits, _ = model(SOURCE, TARGET, MASK)
    expected = composed(SOURCE, TARGET, LENGTHS)
    agrees(logits, expected)
    logits.square().sum().backward()
    expected.square().sum().backward()
    for ours, theirs in (
        (model.encoder.embedding, composed.source_embedding),
        (model.encoder.rnn, composed.reader),
        (model.decoder.bridge, composed.bridge),
        (model.decoder.rnn, composed.writer),
        (model.decoder.output_proj, composed.output),
    ):
        theirs_named = {name: p.grad for name, p in theirs.named_parameters()}
        for name, parameter in ours.named_parameters():
            expected_grad = theirs_named.get(name, theirs_named.get(name.removesuffix("_l0")))
            agrees(parameter.grad, expected_grad)


def test_a_fast_attention_goes_in_the_same_way(agrees):
    model = build("scaled_dot_product")
    expected, _ = model(SOURCE, TARGET, MASK)
    model.decoder.attend = fused
    logits, weights = model(SOURCE, TARGET, MASK)
    agrees(logits, expected)
    assert weights is None


@recurrents
@attends
def test_a_fast_recurrent_net_goes_in_the_same_way(agrees, recurrent, kind):
    model = build(kind, recurrent=recurrent)
    fast = Seq2Seq(
        11, 9, d_embed=D_EMBED, d_h=D_H, attend=copy.deepcopy(model.decoder.attend), recurrent=RECURRENT[recurrent][3]
    ).double()
    fast.load_state_dict(model.state_dict())
    assert type(fast.encoder.rnn) is type(fast.decoder.rnn) is RECURRENT[recurrent][3]
    agrees(fast(SOURCE, TARGET, MASK)[0], model(SOURCE, TARGET, MASK)[0])
    tokens, weights = fast.generate(SOURCE, MASK, begin=1, length=4)
    expected, expected_weights = model.generate(SOURCE, MASK, begin=1, length=4)
    assert torch.equal(tokens, expected)
    if weights is not None:
        agrees(weights, expected_weights)


def test_several_heads_have_an_axis_of_their_own(agrees):
    model = Seq2Seq(11, 9, d_embed=D_EMBED, d_h=D_H, attend=MultiHeadAttention(D_H, 2)).double()
    _, weights = model(SOURCE, TARGET, MASK)
    assert weights.shape == (3, 2, N_Q, N_K)
    agrees(weights.sum(-1), torch.ones(3, 2, N_Q).double())
    assert weights.masked_select(~MASK[:, None, None]).eq(0).all()
    assert model.generate(SOURCE, MASK, begin=1, length=4)[1].shape == (3, 2, 4, N_K)


def test_weights_that_are_not_formed_at_every_step_are_none():
    formed = iter([True, False, True])

    def attend(*inputs):
        output, weights = scaled_dot_product_attention(*inputs)
        return output, weights if next(formed) else None

    model = Seq2Seq(11, 9, d_embed=D_EMBED, d_h=D_H, attend=attend)
    assert model(SOURCE, TARGET[:, :3])[1] is None


@recurrents
@attends
def test_padding_changes_nothing(agrees, kind, recurrent):
    model = build(kind, recurrent=recurrent)
    whole, weights = model(SOURCE, TARGET, MASK)
    for b, length in enumerate(LENGTHS):
        alone, own = model(SOURCE[b : b + 1, :length], TARGET[b : b + 1])
        agrees(whole[b], alone[0])
        if weights is not None:
            agrees(weights[b, :, :length], own[0])
            assert weights[b, :, length:].eq(0).all()
    other = torch.where(MASK, SOURCE, (SOURCE + 1) % 11)
    assert torch.equal(model(other, TARGET, MASK)[0], whole)


@attends
def test_a_source_of_nothing_but_padding_gives_no_nan(kind):
    model = build(kind, torch.float32)
    logits, _ = model(SOURCE, TARGET, MASK & torch.tensor([[True], [False], [True]]))
    logits.sum().backward()
    assert logits.isfinite().all()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@attends
def test_the_future_of_the_target_changes_nothing(kind):
    model = build(kind)
    before, _ = model(SOURCE, TARGET)
    for t in range(N_Q - 1):
        changed = TARGET.clone()
        changed[:, t + 1 :] = (changed[:, t + 1 :] + 1) % 9
        after, _ = model(SOURCE, changed)
        assert torch.equal(before[:, : t + 1], after[:, : t + 1])
        assert not torch.isclose(before[:, t + 1 :], after[:, t + 1 :]).all()


@attends
@token_masks
@recurrents
def test_writing_is_reading_what_was_written(agrees, kind, token_mask, recurrent):
    """One step at a time, each fed its own last token, is all at once, fed what was written."""
    model = build(kind, recurrent=recurrent)
    tokens, weights = model.generate(SOURCE, token_mask, begin=1, length=N_Q)
    fed = torch.cat((torch.full((3, 1), 1), tokens[:, :-1]), 1)
    logits, expected_weights = model(SOURCE, fed, token_mask)
    assert tokens.shape == (3, N_Q)
    assert torch.equal(tokens, logits.argmax(-1))
    assert (weights is None) == (kind == "none")
    if weights is not None:
        agrees(weights, expected_weights)
        assert expected_weights.requires_grad
        assert not weights.requires_grad


def test_every_weight_learns_and_a_copy_is_the_same(agrees):
    model = build("additive")
    logits, _ = model(SOURCE, TARGET, MASK)
    agrees(copy.deepcopy(model)(SOURCE, TARGET, MASK)[0], logits)
    fresh = build("additive")
    for parameter in fresh.parameters():
        nn.init.zeros_(parameter)
    fresh.load_state_dict(model.state_dict())
    agrees(fresh(SOURCE, TARGET, MASK)[0], logits)
    logits.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@attends
def test_takes_an_empty_batch(kind):
    logits, weights = build(kind)(SOURCE[:0], TARGET[:0], MASK[:0])
    assert logits.shape == (0, N_Q, 9)
    assert weights is None if kind == "none" else weights.shape == (0, N_Q, N_K)


def make(*vocab_sizes, **change):
    return Seq2Seq(*(vocab_sizes or (11, 9)), **{"d_embed": D_EMBED, "d_h": D_H, **change})


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: make(0, 9), ValueError, "Seq2Seq: source_vocab_size must be at least 1, got 0."),
        (lambda: make(11, 9.0), TypeError, "Seq2Seq: target_vocab_size must be an int, got float."),
        (lambda: make(d_embed=0), ValueError, "Seq2Seq: d_embed must be at least 1, got 0."),
        (lambda: make(d_h=5), ValueError, "Seq2Seq: d_h must be even, half for each direction, got d_h=5."),
        (
            lambda: make(attend=AdditiveAttention),
            TypeError,
            "Seq2Seq: attend must be a function or an instance (query, key, value, mask) -> (output, weights), "
            "got the class AdditiveAttention; make one first: AdditiveAttention(...).",
        ),
        (
            lambda: make(attend=8),
            TypeError,
            "Seq2Seq: attend must be None or a callable (query, key, value, mask) -> (output, weights), got 8.",
        ),
        (
            lambda: make(recurrent=LSTM(3, 3)),
            TypeError,
            "Seq2Seq: recurrent must be a maker of recurrent nets, such as GRU, "
            "got an instance of attnref.sequence.lstm.LSTM.",
        ),
        (
            lambda: make(recurrent=nn.LSTM),
            TypeError,
            "RecurrentEncoder: recurrent must make an attnref.protocols.RecurrentNet, which has state_of, "
            "got torch.nn.modules.rnn.LSTM.",
        ),
        (
            lambda: build("none")(SOURCE.float(), TARGET),
            TypeError,
            "Seq2Seq: source must hold tokens as int32 or int64, got torch.float32.",
        ),
        (
            lambda: build("none")(SOURCE, TARGET.bool()),
            TypeError,
            "Seq2Seq: target must hold tokens as int32 or int64, got torch.bool.",
        ),
        (
            lambda: build("none")(SOURCE, TARGET + 1),
            ValueError,
            "Seq2Seq: target must lie between 0 and vocab_size - 1=8, got 1 to 9.",
        ),
        (
            lambda: build("none")(SOURCE - 1, TARGET),
            ValueError,
            "Seq2Seq: source must lie between 0 and vocab_size - 1=10, got -1 to 9.",
        ),
        (
            lambda: build("none")(SOURCE, TARGET[:, :0]),
            ValueError,
            "Seq2Seq: target must hold at least one token a sample, got shape (3, 0).",
        ),
        (
            lambda: build("none")(SOURCE[:2], TARGET),
            ValueError,
            "Seq2Seq: source and target must agree in batch, "
            "got source (2, 7) with batch=2, target (3, 5) with batch=3.",
        ),
        (
            lambda: build("additive")(SOURCE, TARGET, MASK[:, :5]),
            ValueError,
            "Seq2Seq: source_token_mask must be (batch, n) = (3, 7), got shape (3, 5).",
        ),
        (
            lambda: build("additive")(SOURCE, TARGET, padding_mask(LENGTHS, N_K)),
            ValueError,
            "Seq2Seq: source_token_mask must be (batch, n) = (3, 7), got shape (3, 1, 7); an attention mask has an "
            "axis for the queries, which is not wanted here: pass source_token_mask[:, 0].",
        ),
        (
            lambda: build("additive")(SOURCE, TARGET, MASK.int()),
            TypeError,
            "Seq2Seq: source_token_mask must be bool (True = a real token), got torch.int32.",
        ),
        (
            lambda: build("additive").generate(SOURCE, padding_mask(LENGTHS, N_K), begin=0, length=2),
            ValueError,
            "Seq2Seq.generate: source_token_mask must be (batch, n) = (3, 7), got shape (3, 1, 7); an attention mask "
            "has an axis for the queries, which is not wanted here: pass source_token_mask[:, 0].",
        ),
        (
            lambda: build("none").generate(SOURCE, begin=9, length=2),
            ValueError,
            "Seq2Seq.generate: begin must lie between 0 and vocab_size - 1=8, got 9.",
        ),
        (
            lambda: build("none").generate(SOURCE, begin=True, length=2),
            TypeError,
            "Seq2Seq.generate: begin must be an int, got bool.",
        ),
        (
            lambda: build("none").generate(SOURCE, begin=0, length=0),
            ValueError,
            "Seq2Seq.generate: length must be at least 1, got 0.",
        ),
        (
            lambda: build("none").generate(SOURCE[0], begin=0, length=2),
            ValueError,
            "Seq2Seq.generate: source must be (batch, n), got shape (7,).",
        ),
        (
            lambda: build("none").generate(SOURCE + 1, begin=0, length=2),
            ValueError,
            "Seq2Seq.generate: source must lie between 0 and vocab_size - 1=10, got 1 to 11.",
        ),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error) as refusal:
        call()
    assert str(refusal.value) == words
