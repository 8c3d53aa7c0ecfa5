"""The GRU: its cell step by step, what its gates do over time, and whether it matters where the reset gate acts."""

from typing import Literal

import torch
from _kit import Canvas, ink, number
from matplotlib import rcParams
from matplotlib.figure import Figure
from torch import Tensor

from attnref import gru_step
from attnref.tasks import device

TIMES, ONE_MINUS_Z = "\N{MULTIPLICATION SIGN}", "1 \N{MINUS SIGN} z"

# One unit. Its two inputs are a value and a signal to take the value over; the weights are set by hand.
VALUE = [0.0, 0.8, 0.3, -0.6, 0.5, -0.9, 0.4, 0.0, -0.5, 0.6, 0.2, -0.3]
WRITE = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
W_X = [[0.0, 0.0], [0.0, -7.0], [1.5, 0.0]]  # one below another: reset, update, new
B_X = [-4.0, 3.5, 0.0]


def new_state(narrow: bool = False) -> Figure:
    """Steps 1 and 2: the reset gate decides how much of the state enters the new one."""
    return _cell(1, narrow)


def step(narrow: bool = False) -> Figure:
    """The whole step: the update gate mixes the old state with the new one."""
    return _cell(2, narrow)


def _cell(shown: int, narrow: bool) -> Figure:
    """The cell, its first parts drawn and the others faint. The numbers are those of the page."""
    x, h = torch.tensor([1.0]), torch.tensor([0.8, 0.4])
    w_x = torch.tensor([[-20.0], [20.0], [0.0], [0.0], [0.5], [0.0]])  # reset, update, new
    w_h = torch.zeros(6, 2)
    w_h[4:] = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    (x_r, x_z, x_n), h_n = (w_x @ x).chunk(3), (w_h @ h)[4:]
    r, z = x_r.sigmoid(), x_z.sigmoid()
    n = torch.tanh(x_n + r * h_n)
    after = gru_step(x, h, w_x=w_x, w_h=w_h, b_x=torch.zeros(6), b_h=torch.zeros(6))

    canvas = Canvas(256, narrow=narrow)
    columns = (38, 106, 174) if narrow else (116, 222, 326)
    left, half, end = (6, 28, 222) if narrow else (40, 38, 404)
    top, middle, boxes, bottom = 40, 88, 146, 226
    old = shown < 2
    r_x, n_x, z_x = columns
    canvas.path([(left, top), (canvas.width - 4, top)], width=2.4, faint=old)
    canvas.path([(left, bottom), (z_x, bottom)], head=False)
    named = [("reset", r, False), ("new state", n, False), ("update", z, old)]
    for column, (name, value, faint) in zip(columns, named, strict=True):
        role = "value" if name == "new state" else "weights"
        canvas.path([(column, bottom), (column, boxes + 20)], faint=faint)
        canvas.box(column - half, boxes - 20, 2 * half, 40, role=role, faint=faint)
        size = 0.8 if narrow else 0.9
        canvas.text(column, boxes - 8, name, role=role, size=size, weight="bold", alpha=0.25 if faint else 1)
        canvas.text(column, boxes + 9, _pair(value), size=size, alpha=0.25 if faint else 1)
    canvas.path([(r_x + half, boxes), (n_x - half, boxes)], role="weights")
    canvas.path([(n_x, boxes - 20), (n_x, middle), (end - 10, middle)], role="value", faint=old)
    canvas.path([(z_x, boxes - 20), (z_x, top + 10)], role="weights", faint=old)
    canvas.path([(z_x + half, boxes), (end, boxes), (end, middle + 10)], role="weights", faint=old)
    canvas.path([(end, middle - 10), (end, top + 10)], role="value", faint=old)
    for x_node, y_node, sign in ((z_x, top, TIMES), (end, middle, TIMES), (end, top, "+")):
        canvas.node(x_node, y_node, sign, faint=old)

    size = 0.8 if narrow else 0.95
    canvas.text(left - 2, top - 21, f"h = {_pair(h)}", size=size, ha="left")
    canvas.text(left - 2, bottom + 18, f"h = {_pair(h)},  x = (1)", size=size, ha="left")
    if not old:
        canvas.text(z_x - 7, middle - 16, "z", role="weights", size=size, ha="right")
        canvas.text(end + 6, (middle + boxes) / 2, ONE_MINUS_Z, role="weights", size=size, ha="left")
        canvas.text(canvas.width - 6, top - 21, f"h' = {_pair(after)}", size=size, ha="right", weight="bold")
    return canvas.figure


def _pair(numbers: Tensor) -> str:
    return "(" + ", ".join(number(float(x), 2) for x in numbers) + ")"


def gates(narrow: bool = False) -> Figure:
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

    figure = Figure(figsize=(3.58 if narrow else 6.7, 3.9), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.9))
    steps = range(1, len(VALUE) + 1)
    top.bar(steps, z, width=0.55, color=ink("weights"))
    top.set(ylim=(0, 1.05), yticks=(0, 1), ylabel="update")
    bottom.axhline(0, color=rcParams["grid.color"], lw=1, zorder=0)
    bottom.plot(steps, n, "o", mfc="none", mew=1.8, ms=8, color=ink("value"))
    bottom.step([*steps, 12.5], [*h, h[-1]], where="mid", color=ink("plain"))
    bottom.set(ylim=(-1.05, 1.05), yticks=(-1, 0, 1), xlabel="step", xlim=(0.4, 12.6))
    bottom.set_xticks(steps[:: 2 if narrow else 1])
    bottom.text(4, 0.84, "state", color=ink("plain"), ha="center")
    bottom.text(3.7, -0.72, "proposed", color=ink("value"), ha="right", va="center")
    return figure


def reset(narrow: bool = False) -> Figure:
    """Both forms of the reset gate with the weights of the page, an input of one at each step."""
    weights = {
        "w_x": torch.tensor([[-20.0], [20.0], [0.0], [0.0], [0.5], [0.0]]),  # reset shut, open; update half open; new
        "w_h": torch.tensor([[0.0, 0.0]] * 4 + [[0.0, 1.0], [1.0, 0.0]]),  # the new state swaps the two numbers
        "b_x": torch.zeros(6),
        "b_h": torch.zeros(6),
    }
    weights = {name: weight.to(device()) for name, weight in weights.items()}
    figure = Figure(figsize=(3.58, 4.8) if narrow else (6.7, 2.9), layout="constrained")
    axes = figure.subplots(*((2, 1) if narrow else (1, 2)), sharey=True)
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
