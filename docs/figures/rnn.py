"""The RNN: one cell unrolled over time, and the gradient that a late loss sends back to each earlier input."""

from functools import cache

import numpy as np
import torch
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from attnref import GRU, LSTM, RNN

D_X, D_H, FILL, LAGS, RUNS = 8, 32, 50, 50, 20  # the first FILL inputs only fill the state
KINDS = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}
GATE = {"RNN": None, "LSTM": "forget", "GRU": "update"}  # the gate that keeps: the second block of rows in both


def unrolled() -> Figure:
    """A cell with a loop, and the same cell four times: each arrow carries the matrix that all of its kind share."""
    figure = Figure(figsize=(6.7, 2.6))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(-1.0, 12.4), ylim=(-2.55, 2.65), aspect="equal")
    ax.set_axis_off()

    _cell(ax, 0.4, "x", "h")
    loop = {"arrowstyle": "->", "color": "C1", "lw": 2, "connectionstyle": "arc3,rad=1.9", "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", (0.4 - 0.62, -0.25), (0.4 - 0.62, 0.25), arrowprops=loop)
    ax.text(-0.95, 0.62, "$W_h$", color="C1", ha="center", va="bottom")
    ax.text(2.05, 0, "=", ha="center", va="center", fontsize=20, color=rcParams["axes.edgecolor"])

    centres = [4.3, 6.7, 9.1, 11.5]
    for t, x in enumerate(centres, start=1):
        _cell(ax, x, f"x_{t}", f"h_{t}")
    for start, stop in zip([2.85, *centres[:-1]], centres, strict=True):
        left = start if start == 2.85 else start + 0.62
        _arrow(ax, (left, 0), (stop - 0.62, 0), "C1")
        ax.text((left + stop - 0.62) / 2, 0.14, "$W_h$", color="C1", ha="center", va="bottom")
    ax.text(2.8, -0.2, "$h_0$", ha="center", va="top")
    return figure


def _cell(ax: Axes, x: float, below: str, above: str) -> None:
    """A box with an input from below and a state above."""
    box = FancyBboxPatch(
        (x - 0.58, -0.5), 1.16, 1.0, boxstyle="round,pad=0.03,rounding_size=0.15", fc="none", ec=rcParams["text.color"]
    )
    ax.add_patch(box)
    ax.text(x, 0, "tanh", ha="center", va="center")
    _arrow(ax, (x, -1.75), (x, -0.56), "C0")
    _arrow(ax, (x, 0.56), (x, 1.55), rcParams["axes.edgecolor"])
    ax.text(x + 0.13, -1.15, "$W_x$", color="C0", ha="left", va="center")
    ax.text(x, -1.9, f"${below}$", ha="center", va="top")
    ax.text(x, 1.65, f"${above}$", ha="center", va="bottom")


def _arrow(ax: Axes, start: tuple[float, float], stop: tuple[float, float], color: str) -> None:
    ax.annotate("", stop, start, arrowprops={"arrowstyle": "->", "color": color, "lw": 2, "shrinkA": 0, "shrinkB": 0})


def gradient() -> Figure:
    """Gradient against lag for the three cells: biases as initialised, and with gates that start open."""
    figure = Figure(figsize=(6.7, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, bias, title in zip(axes, (0.0, 3.0), ("gates as initialised", "gates start open (bias 3)"), strict=True):
        for (name, line), style in zip(_lines(bias).items(), ("C1-", "C0-", "C2--"), strict=True):
            color = style[:2]
            ax.fill_between(range(LAGS + 1), line[0], line[2], color=color, alpha=0.18, lw=0)
            ax.plot(line[1], style, label=name)
        ax.set(
            title=title, yscale="log", xlim=(0, LAGS), ylim=(1e-16, 10), xlabel="steps back", xticks=range(0, 51, 10)
        )
        ax.set_yticks([10.0**power for power in (-15, -10, -5, 0)])
    axes[0].set_ylabel("share of the gradient")
    axes[0].legend(loc="lower left")
    return figure


@cache
def _lines(bias: float) -> dict[str, np.ndarray]:
    """For each cell: 10 %, 50 % and 90 % of the initialisations, by lag."""
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
