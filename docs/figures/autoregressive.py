"""Models of the next value: forecasts of sunspots that drift, and text by windows of one letter to nine."""

import functools
import re
from pydoc_data.topics import topics

import torch
from matplotlib import rcParams
from matplotlib.figure import Figure
from torch import Tensor

from attnref import RNN, AutoregressiveModel, LatentAutoregressiveModel, MarkovModel
from attnref.tasks.sunspots_data import yearly_sunspots

TRAIN = 209  # the years 1700 to 1908; the hundred after them are held out
LETTERS = " abcdefghijklmnopqrstuvwxyz"
STYLES = (("window 1", "C1", "--"), ("window 2", "C2", "-."), ("window 9", "C0", "-"), ("hidden state", "C3", ":"))


@functools.cache
def _series() -> tuple[Tensor, tuple[AutoregressiveModel | LatentAutoregressiveModel, ...]]:
    """The sunspots, and the models of the page, fitted on the CPU as there."""
    x = yearly_sunspots()[None]
    torch.manual_seed(0)
    latent = LatentAutoregressiveModel(d_h=4, recurrent=RNN).double()
    latent.fit(x[:, :TRAIN], steps=100, learning_rate=0.02, weight_decay=0.3)
    return x, (*(AutoregressiveModel(window).fit(x[:, :TRAIN]) for window in (1, 2, 9)), latent)


@functools.cache
def _text() -> tuple[Tensor, Tensor]:
    """The help texts of Python as letters and spaces: nine in ten to fit, each tenth held out."""
    names = sorted(topics)

    def tokens(chosen: list[str]) -> Tensor:
        letters = re.sub("[^a-z]+", " ", " ".join(topics[name] for name in chosen).lower())
        return torch.tensor([[LETTERS.index(letter) for letter in letters]])

    return tokens([name for i, name in enumerate(names) if i % 10]), tokens(names[::10])


@functools.cache
def _likelihoods(smoothing: float) -> tuple[list[float], list[float]]:
    """Log-likelihood of a letter by window, over the same letters: of the text in training and of the held-out text."""
    train, held_out = _text()
    lines: tuple[list[float], list[float]] = [], []
    for window in range(10):
        model = MarkovModel(27, window, smoothing=smoothing).fit(train)
        for line, tokens in zip(lines, (train, held_out), strict=True):
            line.append(round(model.log_conditionals(tokens)[:, 9 - window :].mean().item(), 3))
    return lines


def forecasts() -> Figure:
    """The forty years after the last one in training, foretold at once."""
    x, models = _series()
    figure = Figure(figsize=(6.7, 3.4), layout="constrained")
    ax = figure.add_subplot()
    ax.plot(range(1880, 1949), x[0, 180:249], color=rcParams["xtick.color"], lw=1.2, label="counted")
    for (name, color, dashes), model in zip(STYLES, models, strict=True):
        ahead = torch.cat((x[0, TRAIN - 1 : TRAIN], model.predict(x[:, :TRAIN], 40)[0]))
        ax.plot(range(1908, 1949), ahead.numpy().round(2), dashes, color=color, label=name)
    ax.axvline(1908, color=rcParams["grid.color"], lw=1, zorder=0)
    ax.set(xlabel="year", ylabel="sunspots", xlim=(1880, 1948), ylim=(0, 160))
    figure.legend(loc="outside upper center", ncols=3, columnspacing=1.4)
    return figure


def steps_ahead() -> Figure:
    """How far off each model is, by how far it looks ahead, over all starts in the held-out years."""
    x, models = _series()
    starts, furthest = range(TRAIN, x.shape[1] - 21), 22
    figure = Figure(figsize=(6.7, 3.4), layout="constrained")
    ax = figure.add_subplot()
    true = torch.cat([x[:, t : t + furthest] for t in starts])
    mean = (true - x[:, :TRAIN].mean()).square().mean(0).sqrt()
    ax.plot(range(1, furthest + 1), mean.numpy().round(2), color=rcParams["xtick.color"], lw=1.2, label="the mean")
    for (name, color, dashes), model in zip(STYLES, models, strict=True):
        missed = torch.cat([model.predict(x[:, :t], furthest) for t in starts]) - true
        off = missed.square().mean(0).sqrt()
        ax.plot(range(1, furthest + 1), off.numpy().round(2), dashes, color=color, label=name)
    ax.set(xlabel="years ahead", ylabel="error", xlim=(1, furthest), ylim=(0, 70), xticks=(1, 5, 10, 15, 20))
    figure.legend(loc="outside upper center", ncols=3, columnspacing=1.4)
    return figure


def letters() -> Figure:
    """Log-likelihood of a letter against the window, in training and held out, little and much smoothing."""
    figure = Figure(figsize=(6.7, 3.5), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, smoothing in zip(axes, (0.1, 1.0), strict=True):
        for line, marks, name in zip(_likelihoods(smoothing), ("s--", "o-"), ("training", "held out"), strict=True):
            ax.plot(range(10), line, marks, ms=5, color="C1" if "s" in marks else "C0", label=name)
        ax.set(title=f"smoothing {smoothing}", xlabel="window", xticks=range(0, 10, 2), ylim=(-3, 0))
    axes[0].set_ylabel("log-likelihood of a letter")
    axes[0].legend(loc="lower right")
    return figure


def samples() -> Figure:
    """What each window writes, from the same start."""
    train, _ = _text()
    figure = Figure(figsize=(6.7, 3.0), layout="constrained")
    ax = figure.add_subplot(xlim=(0, 1), ylim=(0, 1))
    ax.set_axis_off()
    start = torch.tensor([[LETTERS.index(letter) for letter in "the value"]])
    for place, window in enumerate((0, 1, 2, 4, 8)):
        drawn = MarkovModel(27, window).fit(train).sample(start, 103, generator=torch.Generator().manual_seed(0))
        written = "the value" + "".join(LETTERS[token] for token in drawn[0].tolist())
        top = 0.98 - 0.2 * place
        ax.text(0.0, top, f"{window}", color="C0", va="top", weight="bold")
        for line in range(2):
            said = written[56 * line : 56 * (line + 1)]
            ax.text(0.05, top - 0.08 * line, said, family="monospace", va="top", fontsize=12)
    return figure
