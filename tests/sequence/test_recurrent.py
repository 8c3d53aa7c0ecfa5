"""RNN, LSTM and GRU over whole sequences: against definitions, torch, fast versions, and their laws."""

import copy
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attnref import GRU, LSTM, RNN, padding_mask
from attnref.fast.gru import GRU as FastGRU
from attnref.fast.lstm import LSTM as FastLSTM
from attnref.fast.rnn import RNN as FastRNN
from attnref.oracle.gru import gru
from attnref.oracle.lstm import lstm
from attnref.oracle.rnn import rnn


class Kind(NamedTuple):
    """A recurrent net; torch has no GRU that resets before the state's projection."""

    ours: object
    oracle: object
    theirs: object = None
    fast: object = None


KINDS = {
    "rnn": Kind(RNN, rnn, nn.RNN, FastRNN),
    "lstm": Kind(LSTM, lstm, nn.LSTM, FastLSTM),
    "gru": Kind(GRU, gru, nn.GRU, FastGRU),
    "gru, reset before": Kind(partial(GRU, reset="before"), partial(gru, reset="before")),
}
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
BATCH, N, D_X, D_H = 4, 7, 3, 5
LENGTHS = [7, 1, 4, 2]
MASK = torch.arange(N) < torch.tensor(LENGTHS)[:, None]
HOLES = torch.tensor([[1, 0, 1, 1, 0, 0, 1], [0, 0, 0, 1, 0, 0, 0], [0] * 7, [1] * 7], dtype=torch.bool)

kinds = pytest.mark.parametrize("kind", KINDS)
versions = pytest.mark.parametrize("version", ["ours", "fast"])
not_finite = pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf], ids=str)
in_torch = pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
stacks = pytest.mark.parametrize(
    ("num_layers", "bidirectional"), [(1, False), (4, False), (1, True), (3, True)], ids=["1", "4", "1 both", "3 both"]
)
token_masks = pytest.mark.parametrize(
    "token_mask", [None, MASK, MASK.flip(1), HOLES, MASK & False], ids=["all", "right", "left", "holes", "nothing"]
)
with_states = pytest.mark.parametrize("with_state", [False, True])


def parts(state):
    """The state as a tuple: (h,), or (h, c)."""
    return state if isinstance(state, tuple) else (state,)


def build(kind, num_layers=1, bidirectional=False, d_x=D_X, d_h=D_H, version="ours"):
    return getattr(KINDS[kind], version)(d_x, d_h, num_layers=num_layers, bidirectional=bidirectional).double()


def pair(kind, num_layers, bidirectional, other="theirs"):
    """Ours and torch's, or the fast version, with the same weights, moved in one line."""
    ours = build(kind, num_layers, bidirectional)
    if other == "theirs":
        theirs = KINDS[kind].theirs(D_X, D_H, num_layers, bidirectional=bidirectional, batch_first=True).double()
    else:
        theirs = build(kind, num_layers, bidirectional, version="fast")
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def draw_state(kind, rows, batch=BATCH, d_h=D_H):
    h, c = torch.randn(2, rows, batch, d_h).double().unbind()
    return (h, c) if kind == "lstm" else h


def by_definition(arrays, kind, net, x, state=None, token_mask=None):
    weights = {name: weight.double().numpy() for name, weight in net.state_dict().items()}
    if isinstance(state, tuple):
        state = arrays(*state)
    elif state is not None:
        (state,) = arrays(state)
    hidden, last = KINDS[kind].oracle(*arrays(x), state, *arrays(token_mask), weights=weights)
    return hidden, *parts(last)


def gradients(net, x, state, *token_mask):
    """The results, and their gradients with respect to inputs and weights."""
    leaves = [x, *(parts(state) if state is not None else ()), *dict(sorted(net.named_parameters())).values()]
    hidden, last = net(x, state, *token_mask)
    loss = hidden.square().sum() + sum((k + 1) * part.sin().sum() for k, part in enumerate(parts(last)))
    return (hidden, *parts(last), *torch.autograd.grad(loss, leaves))


def leaves_of(kind, num_layers, bidirectional, with_state):
    x = torch.randn(BATCH, N, D_X).double().requires_grad_()
    state = draw_state(kind, num_layers * (1 + bidirectional)) if with_state else None
    for part in parts(state) if with_state else ():
        part.requires_grad_()
    return x, state


@kinds
@stacks
@token_masks
@with_states
def test_agrees_with_oracle(agrees, arrays, kind, num_layers, bidirectional, token_mask, with_state):
    net, x = build(kind, num_layers, bidirectional), torch.randn(BATCH, N, D_X).double()
    state = draw_state(kind, num_layers * (1 + bidirectional)) if with_state else None
    hidden, last = net(x, state, token_mask)
    expected = by_definition(arrays, kind, net, x, state, token_mask)
    for ours, defined in zip((hidden, *parts(last)), expected, strict=True):
        agrees(ours, defined)


every_version = pytest.mark.parametrize(
    ("kind", "version"), [*((kind, "ours") for kind in KINDS), ("rnn", "fast"), ("lstm", "fast"), ("gru", "fast")]
)


@every_version
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_agrees_with_oracle_in_every_dtype(agrees, arrays, kind, version, dtype):
    """And its gradient with that in float64."""
    net = build(kind, 2, True, version=version).to(dtype)
    x = torch.randn(BATCH, N, D_X).to(dtype).requires_grad_()
    hidden, last = net(x, token_mask=HOLES)
    expected = by_definition(arrays, kind, net, x, None, HOLES)
    for ours, defined in zip((hidden, *parts(last)), expected, strict=True):
        assert ours.dtype == dtype
        agrees(ours, defined)
    exact = copy.deepcopy(net).double()
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 0.01, torch.bfloat16: 0.05}[dtype]
    wanted = gradients(exact, x.detach().double().requires_grad_(), None, HOLES)
    for gradient, expected in zip(gradients(net, x, None, HOLES), wanted, strict=True):
        assert gradient.dtype == dtype
        assert (gradient - expected).norm() <= tolerance * expected.norm()
    assert torch.autograd.grad(net(x, token_mask=HOLES)[0].sum(), x)[0][~HOLES].eq(0).all()


@in_torch
@stacks
@with_states
def test_agrees_with_torch(agrees, kind, num_layers, bidirectional, with_state):
    ours, theirs = pair(kind, num_layers, bidirectional)
    given = leaves_of(kind, num_layers, bidirectional, with_state)
    for mine, torchs in zip(gradients(ours, *given), gradients(theirs, *given), strict=True):
        agrees(mine, torchs)


@in_torch
@stacks
def test_padding_agrees_with_packed_sequences_of_torch(agrees, kind, num_layers, bidirectional):
    ours, theirs = pair(kind, num_layers, bidirectional)

    def packed(x, state):
        x = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
        hidden, last = theirs(x, state)
        return pad_packed_sequence(hidden, batch_first=True, total_length=N)[0], last

    packed.named_parameters = theirs.named_parameters
    given = leaves_of(kind, num_layers, bidirectional, True)
    for mine, torchs in zip(gradients(ours, *given, MASK), gradients(packed, *given), strict=True):
        agrees(mine, torchs)


@in_torch
@stacks
@token_masks
@with_states
def test_agrees_with_fast(agrees, kind, num_layers, bidirectional, token_mask, with_state):
    ours, fast = pair(kind, num_layers, bidirectional, "fast")
    given = leaves_of(kind, num_layers, bidirectional, with_state)
    for mine, quick in zip(gradients(ours, *given, token_mask), gradients(fast, *given, token_mask), strict=True):
        agrees(mine, quick)


@every_version
@not_finite
def test_what_is_not_finite_in_padding_reaches_nothing(agrees, kind, version, value):
    net, (x, state) = build(kind, 2, True, version=version), leaves_of(kind, 2, True, True)
    clean = x.detach().masked_fill(~HOLES[..., None], 0.0).requires_grad_()
    dirty = x.detach().masked_fill(~HOLES[..., None], value).requires_grad_()
    for found, expected in zip(gradients(net, dirty, state, HOLES), gradients(net, clean, state, HOLES), strict=True):
        assert expected.isfinite().all()
        assert torch.equal(found, expected)


@every_version
@not_finite
@pytest.mark.parametrize("token_mask", [HOLES, HOLES & False], ids=["one of padding", "all of padding"])
def test_what_is_not_finite_in_the_state_of_a_sequence_of_padding_stays_there(kind, version, value, token_mask):
    """It is that sequence's last state too, and reaches neither its hidden states nor any gradient."""
    net, (x, state) = build(kind, 2, True, version=version), leaves_of(kind, 2, True, True)
    of_padding = ~token_mask.any(1)[:, None]

    def read(value):
        given = tuple(part.detach().masked_fill(of_padding, value).requires_grad_() for part in parts(state))
        hidden, last = net(x, given if kind == "lstm" else given[0], token_mask)
        loss = hidden.square().sum() + sum(part[:, ~of_padding[:, 0]].sin().sum() for part in parts(last))
        found = torch.autograd.grad(loss, [x, *given, *net.parameters()], allow_unused=True, materialize_grads=True)
        return (hidden, *found), given, parts(last)

    (clean, *_), (found, given, last) = read(0.0), read(value)
    for ours, expected in zip(found, clean, strict=True):
        assert expected.isfinite().all()
        assert torch.equal(ours, expected)
    for before, after in zip(given, last, strict=True):
        chosen = of_padding.expand_as(before)
        torch.testing.assert_close(after[chosen], before[chosen], equal_nan=True, rtol=0, atol=0)


@every_version
@not_finite
@pytest.mark.parametrize("t", [0, 3, N - 1])
def test_what_is_not_finite_at_a_position_reaches_no_earlier_hidden_state(kind, version, value, t):
    """Nor a later one of the direction that reads from the end."""
    net, x = build(kind, 1, True, version=version), torch.randn(BATCH, N, D_X).double()
    before, _ = net(x)
    x[:, t] = value
    after, _ = net(x)
    torch.testing.assert_close(after[:, :t, :D_H], before[:, :t, :D_H])
    torch.testing.assert_close(after[:, t + 1 :, D_H:], before[:, t + 1 :, D_H:])
    assert not torch.equal(after[:, t], before[:, t])


@in_torch
@pytest.mark.parametrize("other", ["theirs", "fast"])
def test_weights_move_both_ways(agrees, kind, other):
    ours, theirs = pair(kind, 2, True, other)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    fresh = build(kind, 2, True)
    fresh.load_state_dict(theirs.state_dict())
    x = torch.randn(BATCH, N, D_X).double()
    agrees(fresh(x)[0], ours(x)[0])


@every_version
def test_starts_from_the_weights_of_torch(kind, version):
    """The same distribution, and the same numbers for the same seed."""
    torch.manual_seed(7)
    net = getattr(KINDS[kind], version)(D_X, D_H, num_layers=2, bidirectional=True)
    first = {name: weight.detach().clone() for name, weight in net.named_parameters()}
    torch.manual_seed(7)
    theirs = KINDS[kind].theirs or nn.GRU
    for name, weight in theirs(D_X, D_H, 2, bidirectional=True).named_parameters():
        assert torch.equal(first[name], weight), name
    net.reset_parameters()
    assert not any(torch.equal(first[name], weight) for name, weight in net.named_parameters())
    torch.manual_seed(7)
    net.reset_parameters()
    assert all(torch.equal(first[name], weight) for name, weight in net.named_parameters())


@in_torch
@versions
def test_shares_weights_with_torch(agrees, kind, version):
    ours, theirs = build(kind, 2, version=version), KINDS[kind].theirs(D_X, D_H, 2, batch_first=True).double()
    for name, weight in theirs.named_parameters():
        setattr(ours, name, weight)
    x = torch.randn(BATCH, N, D_X).double()
    (ours(x)[0].square().sum() - theirs(x)[0].square().sum()).backward()
    for weight in ours.parameters():
        agrees(weight.grad, torch.zeros_like(weight))
    with torch.no_grad():
        theirs.weight_hh_l0.mul_(2)
    agrees(ours(x)[0], theirs(x)[0])


@kinds
def test_gradient_under_a_mask(kind):
    net = build(kind, 1, True, d_x=2, d_h=3)
    x, state = torch.randn(2, 4, 2).double().requires_grad_(), draw_state(kind, 2, batch=2, d_h=3)
    token_mask = torch.tensor([[True, True, False, False], [False] * 4])
    leaves = [part.requires_grad_() for part in parts(state)]

    def whole(x, *state):
        hidden, last = net(x, state if kind == "lstm" else state[0], token_mask)
        return hidden, *parts(last)

    assert torch.autograd.gradcheck(whole, (x, *leaves))


@kinds
@given(seed=st.integers(0, 999))
def test_one_step_at_a_time_is_all_at_once(agrees, kind, seed):
    torch.manual_seed(seed)
    net, x, state = build(kind, 2), torch.randn(BATCH, N, D_X).double(), None
    whole, last = net(x)
    for t in range(N):
        hidden, state = net(x[:, t : t + 1], state)
        agrees(hidden[:, 0], whole[:, t])
    for mine, expected in zip(parts(state), parts(last), strict=True):
        agrees(mine, expected)


@kinds
@given(seed=st.integers(0, 999), t=st.integers(0, N - 2))
def test_one_direction_reads_no_future_and_the_other_no_past(kind, seed, t):
    torch.manual_seed(seed)
    net, x = build(kind, 1, True), torch.randn(BATCH, N, D_X).double()
    changed = x.clone()
    changed[:, t + 1 :] += 1.0
    (before, _), (after, _) = net(x), net(changed)
    forward = (before - after)[..., :D_H].abs().amax((0, 2))
    backward = (before - after)[..., D_H:].abs().amax((0, 2))
    assert forward[: t + 1].eq(0).all()
    assert forward[t + 1 :].gt(0).all()
    assert backward[t].gt(0)
    changed = x.clone()
    changed[:, : t + 1] += 1.0
    assert torch.equal(net(changed)[0][:, t + 1 :, D_H:], before[:, t + 1 :, D_H:])


@kinds
@given(seed=st.integers(0, 999), length=st.integers(1, N), left=st.booleans())
def test_padding_changes_nothing(agrees, kind, seed, length, left):
    torch.manual_seed(seed)
    net, x = build(kind, 2, True), torch.randn(1, length, D_X).double()
    padding = 100 * torch.randn(1, N - length, D_X).double()
    token_mask = torch.arange(N)[None] < length
    alone, last_alone = net(x)
    if left:
        hidden, last = net(torch.cat((padding, x), 1), token_mask=token_mask.flip(1))
        hidden = hidden.roll(length, 1)
    else:
        hidden, last = net(torch.cat((x, padding), 1), token_mask=token_mask)
    agrees(hidden[:, :length], alone)
    assert hidden[:, length:].eq(0).all()
    for mine, expected in zip(parts(last), parts(last_alone), strict=True):
        agrees(mine, expected)


@every_version
@pytest.mark.parametrize("token_mask", [None, MASK[:0]], ids=["all", "masked"])
def test_an_empty_batch_gives_an_empty_batch(kind, version, token_mask):
    net = build(kind, 2, True, version=version)
    hidden, last = net(torch.zeros(0, N, D_X).double(), None, token_mask)
    assert hidden.shape == (0, N, 2 * D_H)
    assert all(part.shape == (4, 0, D_H) for part in parts(last))
    hidden.sum().backward()
    assert all(weight.grad is not None and weight.grad.eq(0).all() for weight in net.parameters())


def run(kind, version, x=(BATCH, N, D_X), **change):
    return build(kind, version=version).float()(torch.zeros(x), **change)


@pytest.mark.refusal
@in_torch
@versions
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda net: net(0, 5), ValueError, "d_x must be at least 1, got 0."),
        (lambda net: net(3, 5.0), TypeError, "d_h must be an int, got float."),
        (lambda net: net(3, 5, num_layers=0), ValueError, "num_layers must be at least 1, got 0."),
    ],
)
def test_refusals_of_sizes(kind, version, call, error, words):
    with pytest.raises(error) as refusal:
        call(getattr(KINDS[kind], version))
    assert str(refusal.value) == f"{kind.upper()}: {words}"


@pytest.mark.refusal
@in_torch
@versions
@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"x": torch.zeros(N, D_X)}, ValueError, "x must be (batch, n, d_x), got shape (7, 3)."),
        ({"x": torch.zeros(BATCH, N, 2)}, ValueError, "x must have d_x=3, got x (4, 7, 2) with d_x=2."),
        ({"x": torch.zeros(BATCH, 0, D_X)}, ValueError, "x must hold n >= 1 positions, got shape (4, 0, 3)."),
        ({"x": np.zeros((BATCH, N, D_X))}, TypeError, "x must be a torch.Tensor, got numpy.ndarray."),
        (
            {"x": torch.zeros(BATCH, N, D_X).double()},
            TypeError,
            "x and weight_ih_l0 must share one dtype, got x torch.float64, weight_ih_l0 torch.float32.",
        ),
        (
            {"x": torch.zeros(BATCH, N, D_X).long()},
            TypeError,
            "x and weight_ih_l0 must be floating point, got x torch.int64, weight_ih_l0 torch.float32.",
        ),
        (
            {"x": torch.zeros(BATCH, N, D_X, device="meta")},
            ValueError,
            "x and weight_ih_l0 must be on one device, got x on meta, weight_ih_l0 on cpu.",
        ),
        (
            {"token_mask": torch.ones(BATCH, N)},
            TypeError,
            "token_mask must be bool (True = a real token), got torch.float32.",
        ),
        (
            {"token_mask": np.ones((BATCH, N), dtype=bool)},
            TypeError,
            "token_mask must be a torch.Tensor of bool (True = a real token), got numpy.ndarray.",
        ),
        (
            {"token_mask": torch.ones(N, dtype=torch.bool)},
            ValueError,
            "token_mask must be (batch, n) = (4, 7), got shape (7,).",
        ),
        (
            {"token_mask": torch.ones(BATCH, N - 1, dtype=torch.bool)},
            ValueError,
            "token_mask must be (batch, n) = (4, 7), got shape (4, 6).",
        ),
        (
            {"token_mask": padding_mask(LENGTHS, N)},
            ValueError,
            "token_mask must be (batch, n) = (4, 7), got shape (4, 1, 7); an attention mask has an axis for the "
            "queries, which is not wanted here: pass token_mask[:, 0].",
        ),
        (
            {"token_mask": torch.ones(BATCH, N, dtype=torch.bool, device="meta")},
            ValueError,
            "token_mask must be on the device of the tokens, got token_mask on meta, tokens on cpu.",
        ),
    ],
)
def test_refusals_of_inputs(kind, version, given, error, words):
    net = build(kind, version=version).float()
    with pytest.raises(error) as refusal:
        net(**{"x": torch.zeros(BATCH, N, D_X), **given})
    assert str(refusal.value) == f"{kind.upper()}: {words}"


@pytest.mark.refusal
@in_torch
@versions
def test_refuses_float64_beside_others_under_autocast(kind, version):
    net = build(kind, version=version).float()
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(TypeError) as refusal:
        net(torch.zeros(BATCH, N, D_X).double())
    assert str(refusal.value) == (
        f"{kind.upper()}: x and weight_ih_l0 must share one dtype, got x torch.float64, weight_ih_l0 torch.float32; "
        "autocast leaves float64 as it is."
    )


H = torch.zeros(1, BATCH, D_H)


@pytest.mark.refusal
@versions
@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        ("lstm", H, "state must be a tuple (h, c), got torch.Tensor."),
        ("lstm", [H, H], "state must be a tuple (h, c), got list of 2."),
        ("lstm", (H, H, H), "state must be a tuple (h, c), got tuple of 3."),
        ("lstm", (H, H.numpy()), "c must be a torch.Tensor, got numpy.ndarray."),
        ("lstm", ((H, H), H), "h must be a torch.Tensor, got tuple of 2."),
        ("gru", (H, H), "state must be a torch.Tensor, got tuple of 2."),
        ("gru", [H], "state must be a torch.Tensor, got list of 1."),
        ("rnn", (H, H, H), "state must be a torch.Tensor, got tuple of 3."),
        ("rnn", H.numpy(), "state must be a torch.Tensor, got numpy.ndarray."),
    ],
)
def test_refuses_a_state_of_another_kind(kind, version, state, words):
    with pytest.raises(TypeError) as refusal:
        run(kind, version, state=state)
    assert str(refusal.value) == f"{kind.upper()}: {words}"


@pytest.mark.refusal
@in_torch
@versions
@pytest.mark.parametrize("part", [0, 1])
def test_refuses_a_state_that_does_not_fit(kind, version, part):
    good, name = torch.zeros(1, BATCH, D_H), ("h", "c")[part] if kind == "lstm" else "state"

    def given(bad):
        return ((bad, good) if part == 0 else (good, bad)) if kind == "lstm" else bad

    for bad in (good[0], good[:, :3], good[..., :4], good.expand(2, BATCH, D_H)):
        with pytest.raises(ValueError, match="num_layers") as refusal:
            run(kind, version, state=given(bad))
        assert str(refusal.value) == (
            f"{kind.upper()}: {name} must be (num_layers * directions, batch, d_h) = (1, 4, 5), "
            f"got shape {tuple(bad.shape)}."
        )
    with pytest.raises(TypeError) as refusal:
        run(kind, version, state=given(good.half()))
    assert str(refusal.value) == (
        f"{kind.upper()}: x and {name} must share one dtype, got x torch.float32, {name} torch.float16."
    )
