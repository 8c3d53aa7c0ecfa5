"""RNN, LSTM and GRU over whole sequences: against their definitions, torch's, their fast twins, and the same laws."""

import copy
from functools import partial
from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attnref import GRU, LSTM, RNN
from attnref.fast.gru import GRU as FastGRU
from attnref.fast.lstm import LSTM as FastLSTM
from attnref.fast.rnn import RNN as FastRNN
from attnref.oracle.gru import gru
from attnref.oracle.lstm import lstm
from attnref.oracle.rnn import rnn


class Kind(NamedTuple):
    """A recurrent net; torch has no GRU that resets before the state's map."""

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
in_torch = pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
stacks = pytest.mark.parametrize(
    ("num_layers", "bidirectional"), [(1, False), (2, False), (1, True), (3, True)], ids=["1", "2", "1 both", "3 both"]
)
masks = pytest.mark.parametrize(
    "mask", [None, MASK, MASK.flip(1), HOLES, MASK & False], ids=["all", "right", "left", "holes", "nothing"]
)
with_states = pytest.mark.parametrize("with_state", [False, True])


def parts(state):
    """The state as a tuple: (h,), or (h, c)."""
    return state if isinstance(state, tuple) else (state,)


def build(kind, num_layers=1, bidirectional=False, d_x=D_X, d_h=D_H):
    return KINDS[kind].ours(d_x, d_h, num_layers=num_layers, bidirectional=bidirectional).double()


def pair(kind, num_layers, bidirectional, twin="theirs"):
    """Ours and torch's, or the fast twin, with the same weights, moved in one line."""
    ours = build(kind, num_layers, bidirectional)
    if twin == "theirs":
        theirs = KINDS[kind].theirs(D_X, D_H, num_layers, bidirectional=bidirectional, batch_first=True)
    else:
        theirs = KINDS[kind].fast(D_X, D_H, num_layers=num_layers, bidirectional=bidirectional)
    theirs.double().load_state_dict(ours.state_dict())
    return ours, theirs


def draw_state(kind, rows, batch=BATCH, d_h=D_H):
    h, c = torch.randn(2, rows, batch, d_h).double().unbind()
    return (h, c) if kind == "lstm" else h


def by_definition(arrays, kind, net, x, state=None, mask=None):
    weights = {name: weight.double().numpy() for name, weight in net.state_dict().items()}
    if isinstance(state, tuple):
        state = arrays(*state)
    elif state is not None:
        (state,) = arrays(state)
    hidden, last = KINDS[kind].oracle(*arrays(x), state, *arrays(mask), weights=weights)
    return hidden, *parts(last)


def gradients(net, x, state, *mask):
    """What comes out, and the gradients of all that goes in."""
    leaves = [x, *(parts(state) if state is not None else ()), *dict(sorted(net.named_parameters())).values()]
    hidden, last = net(x, state, *mask)
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
@masks
@with_states
def test_agrees_with_oracle(agrees, arrays, kind, num_layers, bidirectional, mask, with_state):
    net, x = build(kind, num_layers, bidirectional), torch.randn(BATCH, N, D_X).double()
    state = draw_state(kind, num_layers * (1 + bidirectional)) if with_state else None
    hidden, last = net(x, state, mask)
    expected = by_definition(arrays, kind, net, x, state, mask)
    for ours, defined in zip((hidden, *parts(last)), expected, strict=True):
        agrees(ours, defined)


@kinds
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_agrees_with_oracle_in_every_dtype(agrees, arrays, kind, dtype):
    net = build(kind, 2, True).to(dtype)
    x = torch.randn(BATCH, N, D_X).to(dtype).requires_grad_()
    hidden, last = net(x, token_mask=HOLES)
    expected = by_definition(arrays, kind, net, x, None, HOLES)
    for ours, defined in zip((hidden, *parts(last)), expected, strict=True):
        assert ours.dtype == dtype
        agrees(ours, defined)
    hidden.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad[2].eq(0).all()  # all padding


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
@masks
@with_states
def test_agrees_with_fast(agrees, kind, num_layers, bidirectional, mask, with_state):
    ours, fast = pair(kind, num_layers, bidirectional, "fast")
    given = leaves_of(kind, num_layers, bidirectional, with_state)
    for mine, quick in zip(gradients(ours, *given, mask), gradients(fast, *given, mask), strict=True):
        agrees(mine, quick)


@in_torch
def test_fast_takes_no_gradient_from_padding(kind):
    net, x = KINDS[kind].fast(D_X, D_H), torch.randn(BATCH, N, D_X).masked_fill(~HOLES[..., None], torch.nan)
    net(x, token_mask=HOLES)[0].sum().backward()
    assert all(weight.grad.isfinite().all() for weight in net.parameters())


@in_torch
@pytest.mark.parametrize("twin", ["theirs", "fast"])
def test_weights_move_both_ways(agrees, kind, twin):
    ours, theirs = pair(kind, 2, True, twin)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    fresh = build(kind, 2, True)
    fresh.load_state_dict(theirs.state_dict())
    x = torch.randn(BATCH, N, D_X).double()
    agrees(fresh(x)[0], ours(x)[0])
    agrees(copy.deepcopy(ours)(x)[0], ours(x)[0])


@kinds
def test_starts_within_the_bounds_of_torch(kind):
    bound = D_H**-0.5
    weights = torch.cat([weight.detach().flatten() for weight in build(kind, 2).parameters()])
    assert weights.abs().max() <= bound
    assert weights.std().item() == pytest.approx(bound / 3**0.5, rel=0.15)


@kinds
def test_gradient_under_a_mask(kind):
    net = build(kind, 1, True, d_x=2, d_h=3)
    x, state = torch.randn(2, 4, 2).double().requires_grad_(), draw_state(kind, 2, batch=2, d_h=3)
    mask = torch.tensor([[True, True, False, False], [False] * 4])
    leaves = [part.requires_grad_() for part in parts(state)]

    def whole(x, *state):
        hidden, last = net(x, state if kind == "lstm" else state[0], mask)
        return hidden, *parts(last)

    assert torch.autograd.gradcheck(whole, (x, *leaves))


@kinds
def test_no_gradient_comes_from_padding(kind):
    """Not even where the padding holds NaN."""
    net, x = build(kind), torch.randn(BATCH, N, D_X).double().masked_fill(~MASK[..., None], torch.nan)
    net(x, token_mask=MASK)[0].sum().backward()
    assert all(weight.grad.isfinite().all() for weight in net.parameters())


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
    mask = torch.arange(N)[None] < length
    alone, last_alone = net(x)
    if left:
        hidden, last = net(torch.cat((padding, x), 1), token_mask=mask.flip(1))
        hidden = hidden.roll(length, 1)
    else:
        hidden, last = net(torch.cat((x, padding), 1), token_mask=mask)
    agrees(hidden[:, :length], alone)
    assert hidden[:, length:].eq(0).all()
    for mine, expected in zip(parts(last), parts(last_alone), strict=True):
        agrees(mine, expected)


@kinds
def test_an_empty_batch_gives_an_empty_batch(kind):
    hidden, last = build(kind, 2, True)(torch.zeros(0, N, D_X).double())
    assert hidden.shape == (0, N, 2 * D_H)
    assert all(part.shape == (4, 0, D_H) for part in parts(last))


@pytest.mark.refusal  # not of words: shapes are not enforced inside a compiled graph
@kinds
def test_compiles_whole(agrees, kind):
    torch._dynamo.reset()
    net, x = build(kind, 1, True), torch.randn(BATCH, 3, D_X).double()
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    agrees(compiled(x, None, MASK[:, :3])[0], net(x, None, MASK[:, :3])[0])


@kinds
def test_autocast_stays_near(kind):
    net, x = build(kind).float(), torch.randn(BATCH, N, D_X)
    with torch.autocast("cpu", torch.bfloat16):
        hidden, _ = net(x.bfloat16(), token_mask=MASK)
    torch.testing.assert_close(hidden.float(), net(x, token_mask=MASK)[0], rtol=0.05, atol=0.05)


def run(kind, x=(BATCH, N, D_X), **change):
    return build(kind).float()(torch.zeros(x), **change)


@pytest.mark.refusal
@in_torch
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda kind: KINDS[kind].ours(0, 5), ValueError, "d_x must be at least 1, got 0."),
        (lambda kind: KINDS[kind].ours(3, 5.0), TypeError, "d_h must be an int, got float."),
        (lambda kind: KINDS[kind].ours(3, 5, num_layers=0), ValueError, "num_layers must be at least 1, got 0."),
        (lambda kind: KINDS[kind].fast(0, 5), ValueError, "d_x must be at least 1, got 0."),
        (lambda kind: run(kind, x=(N, D_X)), ValueError, "x must be (batch, n, d_x), got shape (7, 3)."),
        (lambda kind: run(kind, x=(BATCH, N, 2)), ValueError, "x must have d_x=3, got x (4, 7, 2) with d_x=2."),
        (
            lambda kind: run(kind, x=(BATCH, 0, D_X)),
            ValueError,
            "x must hold at least one position, got shape (4, 0, 3).",
        ),
        (
            lambda kind: build(kind)(torch.zeros(BATCH, N, D_X)),
            TypeError,
            "x and weight_ih_l0 must share one dtype, got x torch.float32, weight_ih_l0 torch.float64.",
        ),
        (
            lambda kind: run(kind, token_mask=torch.ones(BATCH, N)),
            TypeError,
            "token_mask must be bool (True = a real token), got torch.float32.",
        ),
        (
            lambda kind: run(kind, token_mask=torch.ones(N, dtype=torch.bool)),
            ValueError,
            "token_mask must be (batch, n) = (4, 7), got shape (7,).",
        ),
    ],
)
def test_refusals(kind, call, error, words):
    with pytest.raises(error) as refusal:
        call(kind)
    assert str(refusal.value) == f"{kind.upper()}: {words}"


@pytest.mark.refusal
@in_torch
@pytest.mark.parametrize("part", [0, 1])
def test_refuses_a_state_that_does_not_fit(kind, part):
    good, name = torch.zeros(1, BATCH, D_H), ("h", "c")[part] if kind == "lstm" else "state"

    def given(bad):
        return ((bad, good) if part == 0 else (good, bad)) if kind == "lstm" else bad

    with pytest.raises(ValueError, match="num_layers") as refusal:
        run(kind, state=given(good[0]))
    assert str(refusal.value) == (
        f"{kind.upper()}: {name} must be (num_layers * directions, batch, d_h) = (1, 4, 5), got shape (4, 5)."
    )
    with pytest.raises(TypeError) as refusal:
        run(kind, state=given(good.half()))
    assert str(refusal.value) == (
        f"{kind.upper()}: x and {name} must share one dtype, got x torch.float32, {name} torch.float16."
    )
