"""The GRU against its definition, torch's, and Keras' for the reset gate of the paper."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attnref import GRU, gru_step
from attnref.oracle import gru as oracle

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
BATCH, N, D_X, D_H = 4, 7, 3, 5
LENGTHS = [7, 1, 4, 2]
MASK = torch.arange(N) < torch.tensor(LENGTHS)[:, None]
resets = pytest.mark.parametrize("reset", ["before", "after"])
stacks = pytest.mark.parametrize(
    ("num_layers", "bidirectional"), [(1, False), (2, False), (1, True), (3, True)], ids=["1", "2", "1 both", "3 both"]
)


def step_weights(dtype=torch.float64):
    shapes = {"w_x": (3 * D_H, D_X), "w_h": (3 * D_H, D_H), "b_x": (3 * D_H,), "b_h": (3 * D_H,)}
    return {name: torch.randn(shape).to(dtype) for name, shape in shapes.items()}


def pair(num_layers, bidirectional, reset="after"):
    """Ours and torch's with the same weights, moved in one line."""
    ours = GRU(D_X, D_H, num_layers=num_layers, bidirectional=bidirectional, reset=reset).double()
    theirs = nn.GRU(D_X, D_H, num_layers, bidirectional=bidirectional, batch_first=True).double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def by_definition(arrays, gru, x, state=None, mask=None):
    weights = {name: weight.double().numpy() for name, weight in gru.state_dict().items()}
    return oracle.gru(*arrays(x, state, mask), weights=weights, reset=gru.reset)


@resets
@pytest.mark.parametrize("batch", [(), (4,), (2, 4), (0,)], ids=str)
def test_step_agrees_with_oracle(agrees, arrays, reset, batch):
    x, state, weights = torch.randn(*batch, D_X).double(), torch.randn(*batch, D_H).double(), step_weights()
    named = dict(zip(weights, arrays(*weights.values()), strict=True))
    agrees(gru_step(x, state, **weights, reset=reset), oracle.gru_step(*arrays(x, state), **named, reset=reset))


def test_step_agrees_with_torch(agrees):
    cell = nn.GRUCell(D_X, D_H).double()
    x, state = torch.randn(BATCH, D_X).double(), torch.randn(BATCH, D_H).double()
    w_x, w_h, b_x, b_h = cell.parameters()
    agrees(gru_step(x, state, w_x=w_x, w_h=w_h, b_x=b_x, b_h=b_h), cell(x, state))


def test_no_gradient_comes_from_padding():
    """Not even where the padding holds NaN."""
    gru, x = GRU(D_X, D_H), torch.randn(BATCH, N, D_X).masked_fill(~MASK[..., None], torch.nan)
    gru(x, mask=MASK)[0].sum().backward()
    assert all(weight.grad.isfinite().all() for weight in gru.parameters())


def test_says_what_it_was_built_with():
    assert repr(GRU(3, 5, reset="before")) == "GRU(d_x=3, d_h=5, num_layers=1, bidirectional=False, reset='before')"


@resets
def test_step_gradient(reset):
    weights = step_weights()
    leaves = [
        t.requires_grad_() for t in (torch.randn(2, D_X).double(), torch.randn(2, D_H).double(), *weights.values())
    ]

    def step(x, state, *given):
        return gru_step(x, state, **dict(zip(weights, given, strict=True)), reset=reset)

    assert torch.autograd.gradcheck(step, leaves)
    assert torch.autograd.gradgradcheck(step, leaves, fast_mode=True)


@resets
def test_an_open_update_gate_keeps_the_state(agrees, reset):
    """The bias of z pushed far up: nothing new comes in. Far down: nothing old stays."""
    weights, x, state = step_weights(), torch.randn(BATCH, D_X).double(), torch.randn(BATCH, D_H).double()
    weights["b_x"][D_H : 2 * D_H] = 1000.0
    agrees(gru_step(x, state, **weights, reset=reset), state)
    weights["b_x"][D_H : 2 * D_H] = -1000.0
    weights["b_x"][:D_H] = -1000.0  # and the reset gate shut: the old state is not even looked at
    weights["b_h"][2 * D_H :] = 0.0
    new = torch.tanh(x @ weights["w_x"][2 * D_H :].mT + weights["b_x"][2 * D_H :])
    agrees(gru_step(x, state, **weights, reset=reset), new)


@resets
@stacks
@pytest.mark.parametrize("mask", [None, MASK, MASK.flip(1), MASK & False], ids=["all", "right", "left", "nothing"])
@pytest.mark.parametrize("with_state", [False, True])
def test_agrees_with_oracle(agrees, arrays, reset, num_layers, bidirectional, mask, with_state):
    gru = GRU(D_X, D_H, num_layers=num_layers, bidirectional=bidirectional, reset=reset).double()
    x = torch.randn(BATCH, N, D_X).double()
    state = torch.randn(num_layers * (1 + bidirectional), BATCH, D_H).double() if with_state else None
    for ours, expected in zip(gru(x, state, mask), by_definition(arrays, gru, x, state, mask), strict=True):
        agrees(ours, expected)


@resets
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_agrees_with_oracle_in_every_dtype(agrees, arrays, reset, dtype):
    gru = GRU(D_X, D_H, num_layers=2, bidirectional=True, reset=reset).to(dtype)
    x = torch.randn(BATCH, N, D_X).to(dtype).requires_grad_()
    mask = MASK & torch.tensor([True, True, False, True])[:, None]  # one sample is all padding
    results = gru(x, mask=mask)
    for ours, expected in zip(results, by_definition(arrays, gru, x, None, mask), strict=True):
        assert ours.dtype == dtype
        agrees(ours, expected)
    results[0].sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad[2].eq(0).all()


@stacks
@pytest.mark.parametrize("with_state", [False, True])
def test_agrees_with_torch(agrees, num_layers, bidirectional, with_state):
    ours, theirs = pair(num_layers, bidirectional)
    x = torch.randn(BATCH, N, D_X).double().requires_grad_()
    state = torch.randn(num_layers * (1 + bidirectional), BATCH, D_H).double().requires_grad_()
    gradients = []
    for gru in (ours, theirs):
        hidden, last = gru(x, state) if with_state else gru(x)
        leaves = [x, *([state] if with_state else []), *dict(sorted(gru.named_parameters())).values()]
        gradients.append((hidden, last, *torch.autograd.grad(hidden.square().sum() + last.sin().sum(), leaves)))
    for mine, torchs in zip(*gradients, strict=True):
        agrees(mine, torchs)


@stacks
def test_padding_agrees_with_packed_sequences_of_torch(agrees, num_layers, bidirectional):
    ours, theirs = pair(num_layers, bidirectional)
    x = torch.randn(BATCH, N, D_X).double()
    packed = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    packed_hidden, expected_last = theirs(packed)
    expected_hidden, _ = pad_packed_sequence(packed_hidden, batch_first=True, total_length=N)
    hidden, last = ours(x, mask=MASK)
    agrees(hidden, expected_hidden)
    agrees(last, expected_last)


def test_weights_move_both_ways(agrees):
    ours, theirs = pair(2, True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    fresh = GRU(D_X, D_H, num_layers=2, bidirectional=True).double()
    fresh.load_state_dict(theirs.state_dict())
    x = torch.randn(BATCH, N, D_X).double()
    agrees(fresh(x)[0], ours(x)[0])
    agrees(copy.deepcopy(ours)(x)[0], ours(x)[0])


def test_starts_within_the_bounds_of_torch():
    bound = D_H**-0.5
    weights = torch.cat([weight.detach().flatten() for weight in GRU(D_X, D_H).parameters()])
    assert weights.abs().max() <= bound
    assert weights.std().item() == pytest.approx(bound / 3**0.5, rel=0.15)


@pytest.mark.interop
def test_reset_before_agrees_with_keras(agrees, keras):
    """Torch has no reset before the state's map; Keras does. It stacks the gates z, r, n and the weights (in, out)."""
    ours = GRU(D_X, D_H, reset="before").double()
    theirs = keras.layers.GRU(D_H, reset_after=False, return_sequences=True, return_state=True, dtype="float64")
    theirs.build((BATCH, N, D_X))
    r_z_n = [ours.weight_ih_l0, ours.weight_hh_l0, ours.bias_ih_l0 + ours.bias_hh_l0]
    for variable, weight in zip(theirs.weights, r_z_n, strict=True):
        r, z, n = weight.detach().chunk(3)
        variable.assign(torch.cat((z, r, n)).mT if weight.ndim == 2 else torch.cat((z, r, n)))
    x = torch.randn(BATCH, N, D_X).double()
    hidden, last = ours(x)
    expected_hidden, expected_last = theirs(x)
    agrees(hidden, expected_hidden, torch.float32)
    agrees(last[0], expected_last, torch.float32)


@resets
def test_gradient_under_a_mask(reset):
    gru = GRU(2, 3, bidirectional=True, reset=reset).double()
    x, state = torch.randn(2, 4, 2).double().requires_grad_(), torch.randn(2, 2, 3).double().requires_grad_()
    mask = torch.tensor([[True, True, False, False], [False] * 4])
    assert torch.autograd.gradcheck(lambda x, state: gru(x, state, mask), (x, state))


@resets
@given(seed=st.integers(0, 999))
def test_one_step_at_a_time_is_all_at_once(agrees, reset, seed):
    torch.manual_seed(seed)
    gru = GRU(D_X, D_H, num_layers=2, reset=reset).double()
    x = torch.randn(BATCH, N, D_X).double()
    whole, last = gru(x)
    state = None
    for t in range(N):
        hidden, state = gru(x[:, t : t + 1], state)
        agrees(hidden[:, 0], whole[:, t])
    agrees(state, last)


@given(seed=st.integers(0, 999), t=st.integers(0, N - 2))
def test_one_direction_reads_no_future_and_the_other_no_past(seed, t):
    torch.manual_seed(seed)
    gru = GRU(D_X, D_H, bidirectional=True).double()
    x = torch.randn(BATCH, N, D_X).double()
    changed = x.clone()
    changed[:, t + 1 :] += 1.0
    (before, _), (after, _) = gru(x), gru(changed)
    forward = (before - after)[..., :D_H].abs().amax((0, 2))
    backward = (before - after)[..., D_H:].abs().amax((0, 2))
    assert forward[: t + 1].eq(0).all()
    assert forward[t + 1 :].gt(0).all()
    assert backward[t].gt(0)
    changed = x.clone()
    changed[:, : t + 1] += 1.0
    assert torch.equal(gru(changed)[0][:, t + 1 :, D_H:], before[:, t + 1 :, D_H:])


@resets
@given(seed=st.integers(0, 999), length=st.integers(1, N), left=st.booleans())
def test_padding_changes_nothing(agrees, reset, seed, length, left):
    torch.manual_seed(seed)
    gru = GRU(D_X, D_H, num_layers=2, bidirectional=True, reset=reset).double()
    x = torch.randn(1, length, D_X).double()
    padding = 100 * torch.randn(1, N - length, D_X).double()
    mask = torch.arange(N)[None] < length
    alone, last_alone = gru(x)
    if left:
        hidden, last = gru(torch.cat((padding, x), 1), mask=mask.flip(1))
        hidden = hidden.roll(length, 1)
    else:
        hidden, last = gru(torch.cat((x, padding), 1), mask=mask)
    agrees(hidden[:, :length], alone)
    assert hidden[:, length:].eq(0).all()
    agrees(last, last_alone)


def test_an_empty_batch_gives_an_empty_batch():
    hidden, state = GRU(D_X, D_H, num_layers=2, bidirectional=True)(torch.zeros(0, N, D_X))
    assert hidden.shape == (0, N, 2 * D_H)
    assert state.shape == (4, 0, D_H)


@pytest.mark.refusal  # not of words: shapes are not enforced inside a compiled graph
def test_compiles_whole(agrees):
    torch._dynamo.reset()
    gru, x = GRU(D_X, D_H, bidirectional=True), torch.randn(BATCH, 3, D_X)
    compiled = torch.compile(gru, fullgraph=True, backend="eager")
    agrees(compiled(x, None, MASK[:, :3])[0], gru(x, None, MASK[:, :3])[0])


def test_autocast_stays_near():
    gru, x = GRU(D_X, D_H), torch.randn(BATCH, N, D_X)
    with torch.autocast("cpu", torch.bfloat16):
        hidden, _ = gru(x.bfloat16(), mask=MASK)
    torch.testing.assert_close(hidden.float(), gru(x, mask=MASK)[0], rtol=0.05, atol=0.05)


def step(**change):
    given = {"x": torch.zeros(BATCH, D_X), "state": torch.zeros(BATCH, D_H), **step_weights(torch.float32), **change}
    return gru_step(given.pop("x"), given.pop("state"), **given)


def run(x=(BATCH, N, D_X), **change):
    return GRU(D_X, D_H)(torch.zeros(x), **change)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: step(reset="never"),
            ValueError,
            "gru_step: reset must be one of 'before', 'after', got 'never'.",
        ),
        (
            lambda: step(w_x=torch.zeros(15)),
            ValueError,
            "gru_step: w_x must be (3 d_h, d), got shape (15,).",
        ),
        (
            lambda: step(b_h=torch.zeros(15, 1)),
            ValueError,
            "gru_step: b_h must be (3 d_h,), got shape (15, 1).",
        ),
        (
            lambda: step(w_h=torch.zeros(14, 5), w_x=torch.zeros(14, 3)),
            ValueError,
            "gru_step: w_h must have 3 d_h=15, got w_h (14, 5) with 3 d_h=14.",
        ),
        (
            lambda: step(b_x=torch.zeros(12)),
            ValueError,
            "gru_step: w_x, w_h, b_x and b_h must agree in 3 d_h, got w_x (15, 3) with 3 d_h=15, "
            "w_h (15, 5) with 3 d_h=15, b_x (12,) with 3 d_h=12, b_h (15,) with 3 d_h=15.",
        ),
        (
            lambda: step(x=torch.zeros(BATCH, D_X).long()),
            TypeError,
            "gru_step: x, state and w_x must be floating point, "
            "got x torch.int64, state torch.float32, w_x torch.float32.",
        ),
        (
            lambda: step(state=torch.zeros(BATCH, D_H).half()),
            TypeError,
            "gru_step: x, state and w_x must share one dtype, "
            "got x torch.float32, state torch.float16, w_x torch.float32.",
        ),
        (
            lambda: step(x=torch.zeros(BATCH, 2)),
            ValueError,
            "gru_step: x and w_x must agree in d_x, got x (4, 2) with d_x=2, w_x (15, 3) with d_x=3.",
        ),
        (
            lambda: step(state=torch.zeros(BATCH, 6)),
            ValueError,
            "gru_step: state and w_h must agree in d_h, got state (4, 6) with d_h=6, w_h (15, 5) with d_h=5.",
        ),
        (
            lambda: step(state=torch.zeros(1, D_H)),
            ValueError,
            "gru_step: x and state must agree in their leading axes, got x (4, 3), state (1, 5).",
        ),
        (lambda: GRU(0, 5), ValueError, "GRU: d_x must be at least 1, got 0."),
        (lambda: GRU(3, 5.0), TypeError, "GRU: d_h must be an int, got float."),
        (lambda: GRU(3, 5, num_layers=0), ValueError, "GRU: num_layers must be at least 1, got 0."),
        (lambda: GRU(3, 5, reset="x"), ValueError, "GRU: reset must be one of 'before', 'after', got 'x'."),
        (lambda: run(x=(N, D_X)), ValueError, "GRU: x must be (batch, n, d_x), got shape (7, 3)."),
        (lambda: run(x=(BATCH, N, 2)), ValueError, "GRU: x must have d_x=3, got x (4, 7, 2) with d_x=2."),
        (
            lambda: run(x=(BATCH, 0, D_X)),
            ValueError,
            "GRU: x must hold at least one position, got shape (4, 0, 3).",
        ),
        (
            lambda: GRU(D_X, D_H)(torch.zeros(BATCH, N, D_X).double()),
            TypeError,
            "GRU: x and weight_ih_l0 must share one dtype, got x torch.float64, weight_ih_l0 torch.float32.",
        ),
        (
            lambda: run(state=torch.zeros(BATCH, D_H)),
            ValueError,
            "GRU: state must be (num_layers * directions, batch, d_h) = (1, 4, 5), got shape (4, 5).",
        ),
        (
            lambda: run(state=torch.zeros(1, BATCH, D_H).half()),
            TypeError,
            "GRU: x and state must share one dtype, got x torch.float32, state torch.float16.",
        ),
        (
            lambda: run(mask=torch.ones(BATCH, N)),
            TypeError,
            "GRU: mask must be bool (True = a real input), got torch.float32.",
        ),
        (
            lambda: run(mask=torch.ones(N, dtype=torch.bool)),
            ValueError,
            "GRU: mask must be (batch, n) = (4, 7), got shape (7,).",
        ),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error) as refusal:
        call()
    assert str(refusal.value) == words


def test_oracle_stands_alone():
    """All weights zero: both gates half open, nothing new, so half of the state stays."""
    zeros = {"w_x": np.zeros((3, 1)), "w_h": np.zeros((3, 1)), "b_x": np.zeros(3), "b_h": np.zeros(3)}
    for reset in ("before", "after"):
        assert oracle.gru_step(np.ones(1), np.array([0.8]), **zeros, reset=reset) == pytest.approx([0.4])
