"""The RNN: one cell unrolled over time, and the gradient that a late loss sends back to each earlier input."""

from functools import cache

import numpy as np
import torch
from _kit import Canvas, number
from matplotlib.figure import Figure
from torch import Tensor

from attnref import GRU, LSTM, RNN, rnn_step

D_X, D_H, FILL, LAGS, RUNS = 8, 32, 50, 50, 20  # the first FILL inputs only fill the state
KINDS = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}
GATE = {"RNN": None, "LSTM": "forget", "GRU": "update"}  # the gate that keeps: the second block of rows in both


def unrolled(narrow: bool = False) -> Figure:
    """The cell with its loop, and the same cell at three steps with the numbers of the page."""
    w_x, w_h = torch.tensor([[1.0], [0.0]]), torch.tensor([[0.0, 0.5], [1.0, 0.0]])
    states, inputs = [torch.zeros(2)], (1.0, 0.0, 0.0)
    for x in inputs:
        zero = torch.zeros(2)
        states.append(rnn_step(torch.tensor([x]), states[-1], w_x=w_x, w_h=w_h, b_x=zero, b_h=zero))

    c = Canvas(262 if narrow else 206, narrow=narrow)
    half, high = (30, 17) if narrow else (34, 19)
    if narrow:  # step below step
        cells = [(120, 62 + 84 * t) for t in range(3)]
    else:
        cells = [(208 + 112 * t, 92) for t in range(3)]
        _loop(c, 50, 92, half, high)
    for t, (x, y) in enumerate(cells):
        c.box(x - half, y - high, 2 * half, 2 * high, "tanh")
        before, after = (_numbers(states[t]), _numbers(states[t + 1]))
        if narrow:
            c.path([(x, y - 84 + high if t else y - 42), (x, y - high)], role="key")
            c.text(x + 8, y - 30, "W_h", role="key", size=0.86, ha="left")
            c.path([(x - 72, y), (x - half, y)], role="query")
            c.text(x - 52, y - 9, "W_x", role="query", size=0.86)
            c.text(x - 76, y, f"x{SUB[t + 1]} = {inputs[t]:.0f}", ha="right", size=0.9)
            c.text(x + half + 6, y, f"h{SUB[t + 1]} = {after}", ha="left", size=0.9)
        else:
            c.path([(x - 112 + half if t else x - 74, y), (x - half, y)], role="key")
            c.text(x - 56 + (half - 34) / 2, y - 12, "W_h", role="key", size=0.86)
            c.path([(x, y + 66), (x, y + high)], role="query")
            c.text(x + 8, y + 45, "W_x", role="query", size=0.86, ha="left")
            c.text(x, y + 80, f"x{SUB[t + 1]} = {inputs[t]:.0f}")
            c.path([(x, y - high), (x, y - 56)])
            c.text(x, y - 70, f"h{SUB[t + 1]} = {after}")
        if t == 0 and narrow:
            c.text(x, y - 50, f"h{SUB[0]} = {before}")
        elif t == 0:
            c.text(x - 78, y, f"h{SUB[0]}", ha="right")
    return c.figure


SUB = ("\N{SUBSCRIPT ZERO}", "\N{SUBSCRIPT ONE}", "\N{SUBSCRIPT TWO}", "\N{SUBSCRIPT THREE}")


def _loop(c: Canvas, x: float, y: float, half: float, high: float) -> None:
    """The cell once, its state led back into itself."""
    c.box(x - half, y - high, 2 * half, 2 * high, "tanh")
    c.path([(x, y + 66), (x, y + high)], role="query")
    c.text(x, y + 80, "x")
    c.path([(x, y - high), (x, y - 56)])
    c.text(x, y - 70, "h")
    c.path([(x, y - 38), (x + half + 12, y - 38), (x + half + 12, y), (x + half, y)], role="key")
    c.text(x + half + 16, y - 20, "W_h", role="key", size=0.86, ha="left")


def _numbers(state: Tensor) -> str:
    return "(" + ", ".join(number(float(x), 2) for x in state) + ")"


def gradient(narrow: bool = False) -> Figure:
    """Gradient against lag for the three cells: biases as initialized, and with gates that start open."""
    figure = Figure(figsize=(3.58, 5.6) if narrow else (6.7, 3.6), layout="constrained")
    axes = figure.subplots(*((2, 1) if narrow else (1, 2)), sharey=True)
    for ax, bias, title in zip(axes, (0.0, 3.0), ("gates as initialized", "gates start open (bias 3)"), strict=True):
        for (name, line), style in zip(_lines(bias).items(), ("C1-", "C0-", "C2--"), strict=True):
            color = style[:2]
            ax.fill_between(range(LAGS + 1), line[0], line[2], color=color, alpha=0.18, lw=0)
            ax.plot(line[1], style, label=name)
        ax.set(
            title=title, yscale="log", xlim=(0, LAGS), ylim=(1e-16, 10), xlabel="steps back", xticks=range(0, 51, 10)
        )
        ax.set_yticks([10.0**power for power in (-15, -10, -5, 0)])
    for ax in axes if narrow else axes[:1]:
        ax.set_ylabel("share of the gradient")
    axes[0].legend(loc="lower left")
    return figure


@cache
def _lines(bias: float) -> dict[str, np.ndarray]:
    """For each cell: 10 %, 50 % and 90 % of the initializations, by lag."""
    lines = {}
    for name, kind in KINDS.items():
        torch.manual_seed(0)
        runs = torch.stack([_by_lag(kind(D_X, D_H), bias if GATE[name] else 0.0) for _ in range(RUNS)])
        lines[name] = np.quantile(runs.numpy(), (0.1, 0.5, 0.9), axis=0)
    return {name: np.array([[float(f"{x:.3g}") for x in row] for row in line]) for name, line in lines.items()}


def _by_lag(net: RNN | LSTM | GRU, bias: float) -> Tensor:
    """Norm of the gradient of a loss on the last state, for the input so many steps back, over that at lag 0."""
    net = net.double()
    with torch.no_grad():
        net.get_parameter("bias_ih_l0")[D_H : 2 * D_H] += bias
    x = torch.randn(1, FILL + LAGS + 1, D_X, dtype=torch.float64, requires_grad=True)
    loss = net(x)[0][0, -1] @ torch.randn(D_H, dtype=torch.float64)
    (by_input,) = torch.autograd.grad(loss, x)
    norm = by_input[0].norm(dim=-1).flip(0)[: LAGS + 1]
    return norm / norm[0]
