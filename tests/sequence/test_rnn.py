"""A step of the RNN against its definition and torch's; whole sequences are in test_recurrent.py."""

import numpy as np
import pytest
import torch
from torch import nn

from attnref import RNN, rnn_step
from attnref.oracle import rnn as oracle

BATCH, D_X, D_H = 4, 3, 5


def step_weights(dtype=torch.float64):
    shapes = {"w_x": (D_H, D_X), "w_h": (D_H, D_H), "b_x": (D_H,), "b_h": (D_H,)}
    return {name: torch.randn(shape).to(dtype) for name, shape in shapes.items()}


@pytest.mark.parametrize("batch", [(), (4,), (2, 4), (0,)], ids=str)
def test_step_agrees_with_oracle(agrees, arrays, batch):
    x, state, weights = torch.randn(*batch, D_X).double(), torch.randn(*batch, D_H).double(), step_weights()
    named = dict(zip(weights, arrays(*weights.values()), strict=True))
    agrees(rnn_step(x, state, **weights), oracle.rnn_step(*arrays(x, state), **named))


def test_step_agrees_with_torch(agrees):
    cell = nn.RNNCell(D_X, D_H).double()
    x, state = torch.randn(BATCH, D_X).double(), torch.randn(BATCH, D_H).double()
    w_x, w_h, b_x, b_h = cell.parameters()
    agrees(rnn_step(x, state, w_x=w_x, w_h=w_h, b_x=b_x, b_h=b_h), cell(x, state))


def test_says_what_it_was_built_with():
    assert repr(RNN(3, 5, bidirectional=True)) == "RNN(d_x=3, d_h=5, num_layers=1, bidirectional=True)"


def test_step_gradient():
    weights = step_weights()
    leaves = [t.requires_grad_() for t in (torch.randn(2, D_X).double(), torch.randn(2, D_H).double())]
    leaves += [weight.requires_grad_() for weight in weights.values()]

    def step(x, state, *given):
        return rnn_step(x, state, **dict(zip(weights, given, strict=True)))

    assert torch.autograd.gradcheck(step, leaves)
    assert torch.autograd.gradgradcheck(step, leaves, fast_mode=True)


def step(**change):
    given = {"x": torch.zeros(BATCH, D_X), "state": torch.zeros(BATCH, D_H), **step_weights(torch.float32), **change}
    return rnn_step(given.pop("x"), given.pop("state"), **given)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"w_x": torch.zeros(5)}, ValueError, "w_x must be (d_h, d_x), got shape (5,)."),
        ({"b_h": torch.zeros(5, 1)}, ValueError, "b_h must be (d_h,), got shape (5, 1)."),
        (
            {"w_h": torch.zeros(4, 5), "w_x": torch.zeros(4, 3)},
            ValueError,
            "w_h must have d_h=5, got w_h (4, 5) with d_h=4.",
        ),
        (
            {"b_x": torch.zeros(4)},
            ValueError,
            "w_x, w_h, b_x and b_h must agree in d_h, got w_x (5, 3) with d_h=5, w_h (5, 5) with d_h=5, "
            "b_x (4,) with d_h=4, b_h (5,) with d_h=5.",
        ),
        (
            {"state": torch.zeros(BATCH, D_H).half()},
            TypeError,
            "x, state and w_x must share one dtype, got x torch.float32, state torch.float16, w_x torch.float32.",
        ),
        (
            {"x": torch.zeros(BATCH, 2)},
            ValueError,
            "x and w_x must agree in d_x, got x (4, 2) with d_x=2, w_x (5, 3) with d_x=3.",
        ),
        (
            {"state": torch.zeros(BATCH, 6)},
            ValueError,
            "state and w_h must agree in d_h, got state (4, 6) with d_h=6, w_h (5, 5) with d_h=5.",
        ),
        (
            {"state": torch.zeros(1, D_H)},
            ValueError,
            "x and state must agree in their leading axes, got x (4, 3), state (1, 5).",
        ),
        ({"x": torch.zeros(())}, ValueError, "x must be (..., d_x), got shape ()."),
        ({"state": torch.zeros(())}, ValueError, "state must be (..., d_h), got shape ()."),
        ({"x": np.zeros((BATCH, D_X))}, TypeError, "x must be a torch.Tensor, got numpy.ndarray."),
        ({"w_h": np.zeros((D_H, D_H))}, TypeError, "w_h must be a torch.Tensor, got numpy.ndarray."),
        (
            {"state": (torch.zeros(BATCH, D_H), torch.zeros(BATCH, D_H))},
            TypeError,
            "state must be a torch.Tensor, got tuple of 2.",
        ),
        ({"state": [0.0] * 5}, TypeError, "state must be a torch.Tensor, got list of 5."),
    ],
)
def test_refusals(change, error, words):
    with pytest.raises(error) as refusal:
        step(**change)
    assert str(refusal.value) == f"rnn_step: {words}"


def test_oracle_stands_alone():
    """The sum of what comes in and what stood there, squashed."""
    one, zero = np.ones((1, 1)), np.zeros(1)
    given = {"w_x": one, "w_h": 2 * one, "b_x": zero + 0.1, "b_h": zero - 0.3}
    assert oracle.rnn_step(np.array([0.3]), np.array([0.2]), **given) == pytest.approx([np.tanh(0.5)])
