"""Why attention: the way from the first word, how much of it arrives, and words related across languages."""

import re
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from attnref import GRU, LSTM, RNN, plot, scaled_dot_product_attention
from attnref.tasks import dates_data, device, load

WORDS = ("le", "chat", "noir", "dort", "ce", "soir")
WIDTH, SEQUENCES, LENGTHS = 32, 200, (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
OPEN = 6.0  # the bias of gates that are set to stay open
STYLES = {"RNN": "C1-", "LSTM": "C0-", "GRU": "C2--", "attention": "C3-"}
Net = Callable[[Tensor], Tensor]


def path() -> Figure:
    """From the first word to what is known at the end: a step for each word, or one step."""
    figure = Figure(figsize=(6.7, 4.0))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(-0.75, 6.1), ylim=(-2.75, 1.6), aspect="equal")
    ax.set_axis_off()
    strong, weak = {"color": "C0", "lw": 3.5}, {"color": rcParams["axes.edgecolor"], "lw": 1.2}
    for i, word in enumerate(WORDS):
        _box(ax, i, 0.55, word, "C0" if i == 0 else rcParams["axes.edgecolor"])
        _box(ax, i, -1.0, word, "C0" if i == 0 else rcParams["axes.edgecolor"])
        if i:
            _arrow(ax, (i - 0.64, 0.55), (i - 0.36, 0.55), **strong)
            ax.text(i - 0.5, 0.74, str(i), ha="center", va="bottom", color="C0")
        start, stop = (i, -1.3), (2.5 + 0.1 * (i - 2.5), -2.12)
        _arrow(ax, start, stop, **(strong if i == 0 else weak))
    _box(ax, 2.5, -2.4, "answer", rcParams["axes.edgecolor"], half=0.5)
    ax.text(0.95, -1.93, "1", ha="right", va="center", color="C0")
    ax.text(-0.36, 1.3, "recurrent: 5 steps from the first word to the last state", ha="left", va="center")
    ax.text(-0.36, -0.3, "attention: 1 step from every word to the answer", ha="left", va="center")
    return figure


def _box(ax: Axes, x: float, y: float, text: str, color: str, half: float = 0.33) -> None:
    style = "round,pad=0.02,rounding_size=0.1"
    ax.add_patch(FancyBboxPatch((x - half, y - 0.26), 2 * half, 0.52, boxstyle=style, fc="none", ec=color, lw=1.5))
    ax.text(x, y - 0.01, text, ha="center", va="center", fontsize=12)


def _arrow(ax: Axes, start: tuple[float, float], stop: tuple[float, float], *, color: str, lw: float) -> None:
    ax.annotate("", stop, start, arrowprops={"arrowstyle": "->", "color": color, "lw": lw, "shrinkA": 0, "shrinkB": 0})


def reach() -> Figure:
    """The first word's share of the gradient against the length, as initialised and set to remember."""
    figure = Figure(figsize=(6.7, 3.7), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    titles = ("as initialised", "set to keep the first word")
    for ax, title, lines in zip(axes, titles, (_lines(False), _lines(True)), strict=True):
        ax.plot(LENGTHS, 1 / np.array(LENGTHS), ":", color=rcParams["axes.edgecolor"], lw=1.5, label="equal share")
        for name, line in lines.items():
            ax.plot(LENGTHS, line, STYLES[name], label=name)
        ax.set(title=title, xlabel="length of the sequence", xlim=(2, 256), ylim=(1e-8, 2))
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.set_xticks((2, 8, 32, 128))
        ax.xaxis.set_major_formatter("{x:.0f}")
        ax.minorticks_off()
    axes[0].set_ylabel("the first word's share")
    handles, names = axes[0].get_legend_handles_labels()
    order = [4, 0, 2, 3, 1]  # as the lines lie, from above
    figure.legend([handles[i] for i in order], [names[i] for i in order], loc="outside lower center", ncols=5)
    return figure


@cache
def _lines(set_to_keep: bool) -> dict[str, np.ndarray]:
    torch.manual_seed(0)
    bias = OPEN if set_to_keep else 0.0
    nets: dict[str, Net] = {
        "RNN": _last_state(RNN(WIDTH, WIDTH), 0.0),
        "LSTM": _last_state(LSTM(WIDTH, WIDTH), bias),
        "GRU": _last_state(GRU(WIDTH, WIDTH), bias),
        "attention": _ask_the_first if set_to_keep else _ask_anything,
    }
    shares = {name: np.array([_share(net, n) for n in LENGTHS]) for name, net in nets.items()}
    return {name: np.array([float(f"{share:.3g}") for share in line]) for name, line in shares.items()}


def _last_state(net: RNN | LSTM | GRU, bias: float) -> Net:
    """The last state, with the gate that keeps opened by a bias: the second block of rows in LSTM and GRU."""
    net = net.double().to(device())
    if bias:
        with torch.no_grad():
            net.get_parameter("bias_ih_l0")[WIDTH : 2 * WIDTH] += bias
    return lambda x: net(x)[0][:, -1]


def _ask_anything(x: Tensor) -> Tensor:
    query = torch.randn(len(x), 1, WIDTH, dtype=torch.float64).to(x.device)
    return scaled_dot_product_attention(query, x, x)[0]


def _ask_the_first(x: Tensor) -> Tensor:
    return scaled_dot_product_attention(4 * x[:, :1].detach(), x, x)[0]


def _share(net: Net, n: int) -> float:
    """The gradient at the first input over the sum of all, median of the sequences."""
    x = torch.randn(SEQUENCES, n, WIDTH, dtype=torch.float64).to(device()).requires_grad_()
    (gradient,) = torch.autograd.grad(net(x).sum(), x)
    size = gradient.norm(dim=-1)
    return (size[:, 0] / size.sum(-1)).median().item()


def words() -> Figure:
    """Which word the trained model looks at as it writes the year, the month and the day, in two languages."""
    reader = load("dates", device=device())
    figure = Figure(figsize=(6.7, 5.0), layout="constrained")
    for ax, locale, name in zip(figure.subplots(2, 1), ("es", "ko"), ("Spanish", "Korean"), strict=True):
        text = dates_data.write(dates_data.SHOWN, locale, "long").text
        iso, weights = reader(text)
        read = list(re.finditer(r"\S+", text))
        rows = [weights[part.start : part.stop].mean(0) for part in dates_data.PARTS.values()]
        table = [[float(row[word.start() : word.end()].sum()) for word in read] for row in rows]
        source, target = [word.group() for word in read], [iso[p.start : p.stop] for p in dates_data.PARTS.values()]
        plot.alignment(np.round(table, 3), source, target, groups=[0, 1, 2], ax=ax)
        ax.set_title(f"read in {name}, written as an ISO date", pad=8)
    return figure
