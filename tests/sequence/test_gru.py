"""A step of the GRU against its definition and torch's, and Keras' for the reset gate of the paper."""

import numpy as np
import pytest
import torch
from torch import nn

from attnref import GRU, gru_step
from attnref.fast.gru import GRU as FastGRU
from attnref.oracle import gru as oracle

BATCH, N, D_X, D_H = 4, 7, 3, 5
resets = pytest.mark.parametrize("reset", ["before", "after"])


def step_weights(dtype=torch.float64):
    shapes = {"w_x": (3 * D_H, D_X), "w_h": (3 * D_H, D_H), "b_x": (3 * D_H,), "b_h": (3 * D_H,)}
    return {name: torch.randn(shape).to(dtype) for name, shape in shapes.items()}


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


@pytest.mark.interop
def test_reset_before_agrees_with_keras(agrees, keras):
    """Torch has no reset before the projection; Keras does. It stacks the gates z, r, n and the weights (in, out)."""
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


def step(**change):
    given = {"x": torch.zeros(BATCH, D_X), "state": torch.zeros(BATCH, D_H), **step_weights(torch.float32), **change}
    return gru_step(given.pop("x"), given.pop("state"), **given)


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
            "gru_step: w_x must be (3 d_h, d_x), got shape (15,).",
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
        (
            lambda: step(state=(torch.zeros(BATCH, D_H), torch.zeros(BATCH, D_H))),
            TypeError,
            "gru_step: state must be a torch.Tensor, got tuple of 2.",
        ),
        (lambda: GRU(3, 5, reset="x"), ValueError, "GRU: reset must be one of 'before', 'after', got 'x'."),
        (lambda: FastGRU(3, 5, reset="x"), ValueError, "GRU: reset must be one of 'before', 'after', got 'x'."),
        (
            lambda: FastGRU(3, 5, reset="before"),
            ValueError,
            "GRU: torch's kernel has reset='after' only, got 'before'; attnref.GRU has both.",
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
