"""The LSTM: its cell under gates set by hand, and what the forget gate's bias does to the gradient."""

from functools import cache

import numpy as np
import torch
from matplotlib import rcParams
from matplotlib.figure import Figure
from torch import Tensor

from attnref import LSTM, lstm_step

# One unit. Its inputs are a value and a signal for each gate; the weights are set by hand.
VALUE = [0.3, 1.4, -0.6, 0.8, -1.1, 0.2, 1.0, -0.4, -0.8, 0.9, 0.1, -1.2, 0.6, 0.4]
WRITE, CLEAR, SHOW = (2, 9), (9,), (5, 6, 7, 12, 13, 14)  # the steps at which to add, to forget and to show
W_X = [[0.0, 14.0, 0.0, 0.0], [0.0, 0.0, -14.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 14.0]]  # i, f, g, o
B_X = [-7.0, 7.0, 0.0, -7.0]

D_X, D_H, FILL, LAGS, RUNS = 8, 32, 50, 50, 20  # the first FILL inputs only fill the state


def cell() -> Figure:
    """The three gates as bars, and below them the cell, the candidate and what is shown."""
    steps = range(1, len(VALUE) + 1)
    signals = [[float(step in when) for step in steps] for when in (WRITE, CLEAR, SHOW)]
    x, w_x, b_x = torch.tensor([VALUE, *signals]).T, torch.tensor(W_X), torch.tensor(B_X)
    state, states = (torch.zeros(1), torch.zeros(1)), list[Tensor]()
    for now in x:
        state = lstm_step(now, state, w_x=w_x, w_h=torch.zeros(4, 1), b_x=b_x, b_h=torch.zeros(4))
        states.append(torch.cat(state))
    i, f, g, o = (x @ w_x.mT + b_x).T  # the hidden state has no say: w_h and b_h are zero
    gates = [torch.sigmoid(gate).numpy().round(3) for gate in (f, i, o)]
    candidate = torch.tanh(g).numpy().round(3)
    h, c = torch.stack(states).T.numpy().round(3)

    figure = Figure(figsize=(6.7, 5.0), layout="constrained")
    *rows, bottom = figure.subplots(4, 1, sharex=True, height_ratios=(1, 1, 1, 4.2))
    for ax, gate, name in zip(rows, gates, ("forget", "input", "output"), strict=True):
        ax.bar(steps, gate, width=0.55, color="C2")
        ax.set(ylim=(0, 1.05), yticks=(0, 1))
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
    bottom.axhline(0, color=rcParams["grid.color"], lw=1, zorder=0)
    bottom.plot(steps, candidate, "o", mfc="none", mew=1.6, ms=7, color="C3", label="candidate")
    bottom.step([*steps, 14.5], [*c, c[-1]], where="mid", color="C0", label="cell")
    bottom.plot(steps, h, "s", ms=6, color="C1", label="shown")
    bottom.set(ylim=(-1.05, 1.75), yticks=(-1, 0, 1), xlabel="step", xticks=steps, xlim=(0.4, 14.6))
    bottom.legend(loc="upper center", ncols=3)
    return figure


def forget_bias() -> Figure:
    """Gradient against lag for three biases of the forget gate."""
    figure = Figure(figsize=(6.7, 3.4), layout="constrained")
    ax = figure.subplots()
    for (bias, line), color in zip(_lines().items(), ("C1", "C2", "C0"), strict=True):
        ax.fill_between(range(LAGS + 1), line[0], line[2], color=color, alpha=0.18, lw=0)
        ax.plot(line[1], color=color)
        ax.annotate(
            f"bias {bias:.0f}", (LAGS, line[1, -1]), (6, 0), textcoords="offset points", va="center", color=color
        )
    ax.set(yscale="log", xlim=(0, LAGS), ylim=(1e-12, 10), xlabel="steps back", ylabel="share of the gradient")
    ax.set_yticks([10.0**power for power in (-12, -8, -4, 0)])
    return figure


@cache
def _lines() -> dict[float, np.ndarray]:
    """For each bias: 10 %, 50 % and 90 % of the initialisations, by lag."""
    lines = {}
    for bias in (0.0, 1.0, 3.0):
        torch.manual_seed(0)
        runs = torch.stack([_by_lag(LSTM(D_X, D_H).double(), bias) for _ in range(RUNS)])
        quantiles = np.quantile(runs.numpy(), (0.1, 0.5, 0.9), axis=0)
        lines[bias] = np.array([[float(f"{x:.3g}") for x in row] for row in quantiles])
    return lines


def _by_lag(lstm: LSTM, bias: float) -> Tensor:
    """Norm of the gradient of a loss on the last state, for the input so many steps back, over that at lag 0."""
    with torch.no_grad():
        lstm.get_parameter("bias_ih_l0")[D_H : 2 * D_H] += bias  # the second block of rows: the forget gate
    x = torch.randn(1, FILL + LAGS + 1, D_X, dtype=torch.float64, requires_grad=True)
    loss = lstm(x)[0][0, -1] @ torch.randn(D_H, dtype=torch.float64)
    (by_input,) = torch.autograd.grad(loss, x)
    norm = by_input[0].norm(dim=-1).flip(0)[: LAGS + 1]
    return norm / norm[0]
