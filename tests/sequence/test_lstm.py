"""A step of the LSTM against its definition and torch's; whole sequences are in test_recurrent.py."""

import numpy as np
import pytest
import torch
from torch import nn

from attnref import LSTM, lstm_step
from attnref.oracle import lstm as oracle

BATCH, D_X, D_H = 4, 3, 5
SHUT, OPEN = -1000.0, 1000.0


def step_weights(dtype=torch.float64):
    shapes = {"w_x": (4 * D_H, D_X), "w_h": (4 * D_H, D_H), "b_x": (4 * D_H,), "b_h": (4 * D_H,)}
    return {name: torch.randn(shape).to(dtype) for name, shape in shapes.items()}


def draw(*batch):
    return torch.randn(*batch, D_X).double(), tuple(torch.randn(2, *batch, D_H).double().unbind())


@pytest.mark.parametrize("batch", [(), (4,), (2, 4), (0,)], ids=str)
def test_step_agrees_with_oracle(agrees, arrays, batch):
    (x, state), weights = draw(*batch), step_weights()
    named = dict(zip(weights, arrays(*weights.values()), strict=True))
    expected = oracle.lstm_step(*arrays(x), arrays(*state), **named)
    for ours, defined in zip(lstm_step(x, state, **weights), expected, strict=True):
        agrees(ours, defined)


def test_step_agrees_with_torch(agrees):
    cell, (x, state) = nn.LSTMCell(D_X, D_H).double(), draw(BATCH)
    w_x, w_h, b_x, b_h = cell.parameters()
    for ours, theirs in zip(lstm_step(x, state, w_x=w_x, w_h=w_h, b_x=b_x, b_h=b_h), cell(x, state), strict=True):
        agrees(ours, theirs)


def test_says_what_it_was_built_with():
    assert repr(LSTM(3, 5, num_layers=2)) == "LSTM(d_x=3, d_h=5, num_layers=2, bidirectional=False)"


def test_step_gradient():
    (x, (h, c)), weights = draw(2), step_weights()
    leaves = [t.requires_grad_() for t in (x, h, c, *weights.values())]

    def step(x, h, c, *given):
        return lstm_step(x, (h, c), **dict(zip(weights, given, strict=True)))

    assert torch.autograd.gradcheck(step, leaves)
    assert torch.autograd.gradgradcheck(step, leaves, fast_mode=True)


def test_gates_set_by_hand_do_what_their_names_say(agrees):
    """Shut the input, open the forget gate: the cell stays as it is. The other way round: only the new is in it."""
    x, (h, c) = draw(BATCH)

    def gated(i, f, o):
        weights = step_weights()
        for gate, bias in enumerate((i, f, 0.0, o)):
            weights["b_x"][gate * D_H : (gate + 1) * D_H] += bias
        candidate = slice(2 * D_H, 3 * D_H)
        new = torch.tanh(
            x @ weights["w_x"][candidate].mT
            + weights["b_x"][candidate]
            + h @ weights["w_h"][candidate].mT
            + weights["b_h"][candidate]
        )
        return *lstm_step(x, (h, c), **weights), new

    hidden, cell, _ = gated(SHUT, OPEN, OPEN)
    agrees(cell, c)
    agrees(hidden, torch.tanh(c))
    hidden, cell, new = gated(OPEN, SHUT, SHUT)
    agrees(cell, new)
    agrees(hidden, torch.zeros_like(hidden))


def step(**change):
    zeros = {"x": torch.zeros(BATCH, D_X), "h": torch.zeros(BATCH, D_H), "c": torch.zeros(BATCH, D_H)}
    given = {**zeros, **step_weights(torch.float32), **change}
    pair = given.pop("h"), given.pop("c")
    return lstm_step(given.pop("x"), given.pop("state", pair), **given)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"w_x": torch.zeros(20)}, ValueError, "w_x must be (4 d_h, d_x), got shape (20,)."),
        ({"b_h": torch.zeros(20, 1)}, ValueError, "b_h must be (4 d_h,), got shape (20, 1)."),
        (
            {"w_h": torch.zeros(15, 5), "w_x": torch.zeros(15, 3)},
            ValueError,
            "w_h must have 4 d_h=20, got w_h (15, 5) with 4 d_h=15.",
        ),
        (
            {"b_x": torch.zeros(15)},
            ValueError,
            "w_x, w_h, b_x and b_h must agree in 4 d_h, got w_x (20, 3) with 4 d_h=20, "
            "w_h (20, 5) with 4 d_h=20, b_x (15,) with 4 d_h=15, b_h (20,) with 4 d_h=20.",
        ),
        (
            {"c": torch.zeros(BATCH, D_H).half()},
            TypeError,
            "x, h, c and w_x must share one dtype, "
            "got x torch.float32, h torch.float32, c torch.float16, w_x torch.float32.",
        ),
        (
            {"x": torch.zeros(BATCH, 2)},
            ValueError,
            "x and w_x must agree in d_x, got x (4, 2) with d_x=2, w_x (20, 3) with d_x=3.",
        ),
        (
            {"c": torch.zeros(BATCH, 6)},
            ValueError,
            "h, c and w_h must agree in d_h, got h (4, 5) with d_h=5, c (4, 6) with d_h=6, w_h (20, 5) with d_h=5.",
        ),
        (
            {"c": torch.zeros(1, D_H)},
            ValueError,
            "x, h and c must agree in their leading axes, got x (4, 3), h (4, 5), c (1, 5).",
        ),
        ({"state": torch.zeros(2, D_H)}, TypeError, "state must be a tuple (h, c), got torch.Tensor."),
        ({"state": [torch.zeros(BATCH, D_H)] * 2}, TypeError, "state must be a tuple (h, c), got list of 2."),
        ({"state": (torch.zeros(BATCH, D_H),) * 3}, TypeError, "state must be a tuple (h, c), got tuple of 3."),
        ({"c": None}, TypeError, "c must be a torch.Tensor, got NoneType."),
    ],
)
def test_refusals(change, error, words):
    with pytest.raises(error) as refusal:
        step(**change)
    assert str(refusal.value) == f"lstm_step: {words}"


def test_oracle_stands_alone():
    """All weights zero: every gate half open, nothing new, so half of the cell stays, and half of that is shown."""
    zeros = {"w_x": np.zeros((4, 1)), "w_h": np.zeros((4, 1)), "b_x": np.zeros(4), "b_h": np.zeros(4)}
    hidden, cell = oracle.lstm_step(np.ones(1), (np.zeros(1), np.array([0.8])), **zeros)
    assert cell == pytest.approx([0.4])
    assert hidden == pytest.approx([0.5 * np.tanh(0.4)])
