"""Why attention: one last state against all states, what is left of the first word, words related across languages."""

import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from _kit import Block, Canvas
from matplotlib import rcParams
from matplotlib.figure import Figure
from torch import Tensor

from attnref import GRU, LSTM, RNN, plot, scaled_dot_product_attention
from attnref.tasks import dates_data, device, load

# The example of the page.
WORDS = ("le", "chat", "noir", "dort")
INPUTS, SCORES = torch.tensor([1.0, 0.0, 1.0, 0.0]), torch.tensor([2.0, 0.0, 1.0, 0.0])
WIDTH, SEQUENCES, LENGTHS = 32, 200, (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
OPEN = 6.0  # the bias of gates that are set to stay open
STYLES = {"RNN": "C1-", "LSTM": "C0-", "GRU": "C2--", "attention": "C3-"}
Net = Callable[[Tensor], Tensor]


def bottleneck(narrow: bool = False) -> Figure:
    """One last state, which the first input reaches through every step, against an answer that reads every input."""
    states, state = [], torch.zeros(1)
    inputs = INPUTS[:, None].requires_grad_()
    for x in inputs:
        state = torch.tanh(x + 0.5 * state)
        states.append(state)
    (slopes,) = torch.autograd.grad(state, inputs)
    output, weights = scaled_dot_product_attention(torch.ones(1, 1), SCORES[:, None], INPUTS[:, None])

    c = Canvas(422 if narrow else 424, narrow=narrow)
    cell = (46.0, 20.0) if narrow else (62.0, 22.0)
    left, gap = (10.0, 10.0) if narrow else (66.0, 20.0)
    at = [left + i * (cell[0] + gap) for i in range(len(INPUTS))]
    edge = at[-1] + cell[0]

    c.step(1, 4 if narrow else 6, 16, "Recurrent: one last state")
    blocks = [c.matrix(x, 46, s.detach(), cell=cell, digits=2, most=1) for x, s in zip(at, states, strict=True)]
    given = _inputs(c, at, 106, cell)
    for block, x in zip(blocks, given, strict=True):
        c.arrow((x.middle[0], x.y - 4), (block.middle[0], block.y + block.h + 4))
    for before, after in pairwise(blocks):
        c.arrow(c.beside(before, 1), c.beside(after, -1))
    if narrow:
        c.text(at[-1] + cell[0] / 2, 38, "last state", weight="bold", va="baseline", size=0.9)
    else:
        c.arrow(c.beside(blocks[-1], 2), (edge + 28, blocks[-1].middle[1]))
        c.text(edge + 34, blocks[-1].middle[1], "last\nstate", ha="left", weight="bold", linespacing=1.2)
    _row(c, at, 174, cell, slopes[:, 0], "what reaches the last state: its derivative")

    c.step(2, 4 if narrow else 6, 232, "Attention: every input is one step away")
    wide = 78.0
    answer = c.box((at[0] + edge - wide) / 2, 252, wide, 24, f"answer {float(output):.2f}", role="value", weight="bold")
    given = _inputs(c, at, 322, cell)
    for i, (x, w) in enumerate(zip(given, weights[0].tolist(), strict=True)):
        end = (answer.middle[0] + 14 * (i - 1.5), answer.y + answer.h + 3)
        c.arrow((x.middle[0], x.y - 4), end, role="weights", width=0.8 + 5 * w)
    _row(c, at, 390, cell, weights[0], "what reaches the answer: the weights")
    return c.figure


def _inputs(c: Canvas, at: list[float], y: float, cell: tuple[float, float]) -> list[Block]:
    """The inputs, a cell each, with their words below."""
    blocks = [c.matrix(x, y, value, role="value", cell=cell, most=1) for x, value in zip(at, INPUTS, strict=True)]
    for block, word in zip(blocks, WORDS, strict=True):
        c.text(block.middle[0], y + cell[1] + 1.05 * c.size, word, size=0.95)
    return blocks


def _row(c: Canvas, at: list[float], y: float, cell: tuple[float, float], numbers: Tensor, text: str) -> None:
    """What arrives of each input, below the inputs."""
    c.text(at[0], y - 6, text, role="weights", ha="left", va="baseline", size=0.95)
    for x, value in zip(at, numbers, strict=True):
        c.matrix(x, y, value, role="weights", cell=cell, digits=2, most=1)


def reach(narrow: bool = False) -> Figure:
    """The first word's share of the gradient against the length, as initialized and set to remember."""
    figure = Figure(figsize=(3.58, 6.6) if narrow else (6.7, 3.7), layout="constrained")
    axes = figure.subplots(*((2, 1) if narrow else (1, 2)), sharey=True)
    titles = ("as initialized", "set to keep the first word")
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
    for ax in axes[: 2 if narrow else 1]:
        ax.set_ylabel("the first word's share")
    handles, names = axes[0].get_legend_handles_labels()
    order = [4, 0, 2, 3, 1]  # as the lines lie, from above
    figure.legend(
        [handles[i] for i in order], [names[i] for i in order], loc="outside lower center", ncols=2 if narrow else 5
    )
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


def words(narrow: bool = False) -> Figure:
    """Which word the trained model attends to as it writes the year, the month and the day, in two languages."""
    reader = load("dates", device=device())
    figure = Figure(figsize=(3.58, 4.6) if narrow else (6.7, 5.0), layout="constrained")
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
