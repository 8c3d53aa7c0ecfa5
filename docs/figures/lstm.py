"""The LSTM: its cell step by step, its cell under gates set by hand, and the forget gate's bias in the gradient."""

from functools import cache

import numpy as np
import torch
from _kit import Canvas, ink, number
from matplotlib import rcParams
from matplotlib.figure import Figure
from torch import Tensor

from attnref import LSTM, lstm_step

# One unit. Its inputs are a value and a signal for each gate; the weights are set by hand.
VALUE = [0.3, 1.4, -0.6, 0.8, -1.1, 0.2, 1.0, -0.4, -0.8, 0.9, 0.1, -1.2, 0.6, 0.4]
WRITE, CLEAR, SHOW = (2, 9), (9,), (5, 6, 7, 12, 13, 14)  # the steps at which to add, to forget and to show
W_X = [[0.0, 14.0, 0.0, 0.0], [0.0, 0.0, -14.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 14.0]]  # i, f, g, o
B_X = [-7.0, 7.0, 0.0, -7.0]

TIMES = "\N{MULTIPLICATION SIGN}"

D_X, D_H, FILL, LAGS, RUNS = 8, 32, 50, 50, 20  # the first FILL inputs only fill the state


def forget(narrow: bool = False) -> Figure:
    """Step 1: the forget gate multiplies the old cell state."""
    return _cell(1, narrow)


def add(narrow: bool = False) -> Figure:
    """Steps 2 and 3: the input gate lets in the candidate, and the cell state is complete."""
    return _cell(2, narrow)


def step(narrow: bool = False) -> Figure:
    """The whole step: the output gate decides what of the cell state is shown."""
    return _cell(3, narrow)


def _cell(shown: int, narrow: bool) -> Figure:
    """The cell, its first parts drawn and the others faint. The numbers are those of the page."""
    x, h, c = torch.tensor([1.0]), torch.tensor([0.8, 0.4]), torch.tensor([0.5, -0.5])
    w_x = torch.tensor([[0.0], [0.0], [-20.0], [20.0], [0.5], [0.0], [20.0], [-20.0]])  # i, f, g, o
    w_h = torch.zeros(8, 2)
    w_h[4:6] = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    i, f, g, o = (w_x @ x + w_h @ h).chunk(4)
    new_h, new_c = lstm_step(x, (h, c), w_x=w_x, w_h=w_h, b_x=torch.zeros(8), b_h=torch.zeros(8))

    canvas = Canvas(256, narrow=narrow)
    f_x, i_x, g_x, o_x, end = (36, 85, 137, 189, 232) if narrow else (118, 206, 290, 378, 438)
    left, half = (6, 23) if narrow else (40, 36)
    top, middle, boxes, bottom = 40, 88, 146, 226
    fades = [False, shown < 2, shown < 2, shown < 3]

    canvas.path([(left, top), (canvas.width - 4, top)], width=2.4)  # the cell state runs through
    canvas.path([(left, bottom), (o_x, bottom)], head=False)
    named = [("forget", f.sigmoid()), ("input", i.sigmoid()), ("candidate", g.tanh()), ("output", o.sigmoid())]
    for column, (name, value), faint in zip((f_x, i_x, g_x, o_x), named, fades, strict=True):
        role = "value" if name == "candidate" else "weights"  # what is added; how much of it
        canvas.path([(column, bottom), (column, boxes + 20)], faint=faint)
        canvas.box(column - half, boxes - 20, 2 * half, 40, role=role, faint=faint)
        size = 0.8 if narrow else 0.9
        canvas.text(column, boxes - 8, name, role=role, size=size, weight="bold", alpha=0.25 if faint else 1)
        canvas.text(column, boxes + 9, _pair(value), size=size, alpha=0.25 if faint else 1)

    canvas.path([(f_x, boxes - 20), (f_x, top + 10)], role="weights")
    canvas.node(f_x, top, TIMES)
    canvas.path([(i_x, boxes - 20), (i_x, middle), (g_x - 10, middle)], role="weights", faint=fades[1])
    canvas.path([(g_x, boxes - 20), (g_x, middle + 10)], role="value", faint=fades[2])
    canvas.path([(g_x, middle - 10), (g_x, top + 10)], role="value", faint=fades[2])
    canvas.node(g_x, middle, TIMES, faint=fades[2])
    canvas.node(g_x, top, "+", faint=fades[2])
    canvas.path([(end, top), (end, middle - 10)], head=False, faint=fades[3])
    canvas.path([(end, middle + 10), (end, boxes - 10)], faint=fades[3])
    canvas.path([(o_x + half, boxes), (end - 10, boxes)], role="weights", faint=fades[3])
    canvas.path([(end, boxes + 10), (end, bottom), (canvas.width - 4, bottom)], faint=fades[3])
    canvas.box(end - 17, middle - 10, 34, 20, "tanh", faint=fades[3], size=0.8, zorder=4)
    canvas.node(end, boxes, TIMES, faint=fades[3])

    size = 0.8 if narrow else 0.95
    canvas.text(left - 4, top - 21, f"c = {_pair(c)}", size=size, ha="left")
    canvas.text(left - 4, bottom + 18, f"h = {_pair(h)},  x = (1)", size=size, ha="left")
    canvas.text((f_x + g_x) / 2, top + 14, _pair(f.sigmoid() * c), size=size)
    if shown > 1:
        canvas.text(canvas.width - 6, top - 21, f"c' = {_pair(new_c)}", size=size, ha="right", weight="bold")
    if shown > 2:
        canvas.text(canvas.width - 6, bottom + 18, f"h' = {_pair(new_h)}", size=size, ha="right", weight="bold")
    return canvas.figure


def _pair(numbers: Tensor) -> str:
    return "(" + ", ".join(number(float(x), 2) for x in numbers) + ")"


def cell(narrow: bool = False) -> Figure:
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

    figure = Figure(figsize=(3.58, 5.0) if narrow else (6.7, 5.0), layout="constrained")
    *rows, bottom = figure.subplots(4, 1, sharex=True, height_ratios=(1, 1, 1, 4.2))
    for ax, gate, name in zip(rows, gates, ("forget", "input", "output"), strict=True):
        ax.bar(steps, gate, width=0.55, color=ink("weights"))
        ax.set(ylim=(0, 1.05), yticks=(0, 1))
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
    bottom.axhline(0, color=rcParams["grid.color"], lw=1, zorder=0)
    bottom.plot(steps, candidate, "o", mfc="none", mew=1.6, ms=7, color=ink("value"), label="candidate")
    bottom.step([*steps, 14.5], [*c, c[-1]], where="mid", color=ink("plain"), label="cell")
    bottom.plot(steps, h, "s", ms=6, color=ink("plain", fill=True), label="shown")
    bottom.set(ylim=(-1.05, 1.75), yticks=(-1, 0, 1), xlabel="step", xlim=(0.4, 14.6))
    bottom.set_xticks(steps[:: 3 if narrow else 1])
    bottom.legend(loc="upper center", ncols=3, columnspacing=1.0, handletextpad=0.2 if narrow else 0.8)
    return figure


def forget_bias(narrow: bool = False) -> Figure:
    """Gradient against lag for three biases of the forget gate."""
    figure = Figure(figsize=(3.58 if narrow else 6.7, 3.4), layout="constrained")
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
    """For each bias: 10 %, 50 % and 90 % of the initializations, by lag."""
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
