"""The GRU: what its gates do over time, and whether it matters where the reset gate acts."""

from typing import Literal

import torch
from matplotlib import rcParams
from matplotlib.figure import Figure
from torch import Tensor

from attnref import gru_step
from attnref.tasks import device

# One unit. Its two inputs are a value and a signal to take the value over; the weights are set by hand.
VALUE = [0.0, 0.8, 0.3, -0.6, 0.5, -0.9, 0.4, 0.0, -0.5, 0.6, 0.2, -0.3]
WRITE = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
W_X = [[0.0, 0.0], [0.0, -7.0], [1.5, 0.0]]  # one below another: reset, update, new
B_X = [-4.0, 3.5, 0.0]


def gates() -> Figure:
    """The update gate over time, and the state that stands still while the gate is near one."""
    weights = {"w_x": W_X, "w_h": [[0.0]] * 3, "b_x": B_X, "b_h": [0.0] * 3}
    weights = {name: torch.tensor(weight, device=device()) for name, weight in weights.items()}
    x = torch.tensor([VALUE, WRITE], device=device()).T
    state, states = torch.zeros(1, device=device()), list[Tensor]()
    for now in x:
        state = gru_step(now, state, reset="after", **weights)
        states.append(state)
    from_x = x @ weights["w_x"].mT + weights["b_x"]
    z, n = torch.sigmoid(from_x[:, 1]), torch.tanh(from_x[:, 2])  # the state has no say: w_h and b_h are zero
    z, n, h = (line.cpu().numpy().round(3) for line in (z, n, torch.cat(states)))

    figure = Figure(figsize=(6.7, 3.9), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.9))
    steps = range(1, len(VALUE) + 1)
    top.bar(steps, z, width=0.55, color="C2")
    top.set(ylim=(0, 1.05), yticks=(0, 1), ylabel="update")
    bottom.axhline(0, color=rcParams["grid.color"], lw=1, zorder=0)
    bottom.plot(steps, n, "o", mfc="none", mew=1.8, ms=8, color="C1")
    bottom.step([*steps, 12.5], [*h, h[-1]], where="mid", color="C0")
    bottom.set(ylim=(-1.05, 1.05), yticks=(-1, 0, 1), xlabel="step", xticks=steps, xlim=(0.4, 12.6))
    bottom.text(4, 0.84, "state", color="C0", ha="center")
    bottom.text(3.7, -0.72, "proposed", color="C1", ha="right", va="center")
    return figure


def reset() -> Figure:
    """Both forms of the reset gate with the weights of the page, an input of one at each step."""
    weights = {
        "w_x": torch.tensor([[-20.0], [20.0], [0.0], [0.0], [0.5], [0.0]]),  # reset shut, open; update half open; new
        "w_h": torch.tensor([[0.0, 0.0]] * 4 + [[0.0, 1.0], [1.0, 0.0]]),  # the new state swaps the two numbers
        "b_x": torch.zeros(6),
        "b_h": torch.zeros(6),
    }
    weights = {name: weight.to(device()) for name, weight in weights.items()}
    figure = Figure(figsize=(6.7, 2.9), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    forms: tuple[tuple[Literal["after", "before"], str, str], ...] = (("after", "C0", "o-"), ("before", "C1", "s--"))
    for form, color, marks in forms:
        states = [torch.tensor([0.8, 0.4], device=device())]
        for _ in range(8):
            states.append(gru_step(torch.ones(1, device=device()), states[-1], reset=form, **weights))
        for ax, line in zip(axes, torch.stack(states).T.cpu().numpy().round(3), strict=True):
            ax.plot(line, marks, color=color, ms=5, clip_on=False, label=f"reset {form}")
    for ax, name in zip(axes, ("first", "second"), strict=True):
        ax.set(title=f"{name} number of the state", xlabel="step", xticks=range(0, 9, 2), ylim=(0, 1))
    axes[0].legend(loc="lower right")
    return figure
