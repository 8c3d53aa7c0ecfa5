"""Models of the next value: what each looks at, forecasts of sunspots, and text by windows of one letter to nine."""

import functools
import itertools
import re
from pydoc_data.topics import topics

import torch
from _kit import Block, Canvas
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


def models(narrow: bool = False) -> Figure:
    """Five years of sunspots, and what each of three models looks at to predict the sixth."""
    x, (markov, window, _, latent) = _series()
    last = x[:, TRAIN - 5 : TRAIN]
    c = Canvas(330, narrow=narrow)
    left, pitch, wide, high = (4, 41, 34, 22) if narrow else (14, 74, 50, 24)
    rows = ((46, "Fixed window: the last w values, here 2", window), (138, "Markov: the last value alone", markov))
    for top, name, model in (*rows, (230, "Hidden state: a summary of all values", latent)):
        c.text(left, top, name, ha="left", weight="bold")
        y, seen = top + 16, {window: 2, markov: 1}.get(model, 5)  # pyright: ignore[reportCallIssue, reportArgumentType]
        boxes = []
        for i, number in enumerate(last[0].tolist()):
            boxes.append(c.box(left + i * pitch, y, wide, high, f"{number:.0f}", faint=i < 5 - seen))
        predicted = model.predict(x[:, :TRAIN])[0, 0].item()
        guess = c.box(left + 5 * pitch, y, wide, high, f"{predicted:.0f}", role="value")
        _reads(c, boxes[-seen:], guess, hidden=model is latent)
    for i in range(6):
        c.text(left + i * pitch + wide / 2, 14, f"{1904 + i}", size=0.9, role="value" if i == 5 else "plain")
    return c.figure


def _reads(c: Canvas, boxes: list[Block], guess: Block, *, hidden: bool) -> None:
    """What a model looks at goes below the boxes to what it predicts; through a chain of states, or at once."""
    level = boxes[0].y + boxes[0].h + (30 if hidden else 16)
    if not hidden:
        for box in boxes:
            c.path([box.bottom, (box.bottom[0], level)], head=False)
        c.path([(boxes[0].bottom[0], level), (guess.bottom[0], level), (guess.bottom[0], guess.bottom[1] + 2)])
        return
    states = [c.box(box.x + 3, level, box.w - 6, 20, "h", role="weights") for box in boxes]
    for box, state in zip(boxes, states, strict=True):
        c.arrow((box.bottom[0], box.bottom[1] + 2), (state.top[0], state.top[1] - 2))
    for before, after in itertools.pairwise(states):
        c.arrow((before.right[0] + 1, before.right[1]), (after.left[0] - 1, after.left[1]), role="weights")
    c.path([states[-1].right, (guess.bottom[0], states[-1].right[1]), (guess.bottom[0], guess.bottom[1] + 2)])


def forecasts(narrow: bool = False) -> Figure:
    """The forty years after the last one in training, predicted at once."""
    x, models = _series()
    figure = Figure(figsize=(3.58, 3.6) if narrow else (6.7, 3.4), layout="constrained")
    ax = figure.add_subplot()
    ax.plot(range(1880, 1949), x[0, 180:249], color=rcParams["xtick.color"], lw=1.2, label="counted")
    for (name, color, dashes), model in zip(STYLES, models, strict=True):
        ahead = torch.cat((x[0, TRAIN - 1 : TRAIN], model.predict(x[:, :TRAIN], 40)[0]))
        ax.plot(range(1908, 1949), ahead.numpy().round(2), dashes, color=color, label=name)
    ax.axvline(1908, color=rcParams["grid.color"], lw=1, zorder=0)
    ax.set(xlabel="year", ylabel="sunspots", xlim=(1880, 1948), ylim=(0, 160), xticks=range(1880, 1941, 20))
    figure.legend(loc="outside upper center", ncols=2 if narrow else 3, columnspacing=1.4)
    return figure


def steps_ahead(narrow: bool = False) -> Figure:
    """How far off each model is, by how far it looks ahead, over all starts in the held-out years."""
    x, models = _series()
    starts, furthest = range(TRAIN, x.shape[1] - 21), 22
    figure = Figure(figsize=(3.58, 3.6) if narrow else (6.7, 3.4), layout="constrained")
    ax = figure.add_subplot()
    true = torch.cat([x[:, t : t + furthest] for t in starts])
    mean = (true - x[:, :TRAIN].mean()).square().mean(0).sqrt()
    ax.plot(range(1, furthest + 1), mean.numpy().round(2), color=rcParams["xtick.color"], lw=1.2, label="the mean")
    for (name, color, dashes), model in zip(STYLES, models, strict=True):
        missed = torch.cat([model.predict(x[:, :t], furthest) for t in starts]) - true
        off = missed.square().mean(0).sqrt()
        ax.plot(range(1, furthest + 1), off.numpy().round(2), dashes, color=color, label=name)
    ax.set(xlabel="years ahead", ylabel="error", xlim=(1, furthest), ylim=(0, 70), xticks=(1, 5, 10, 15, 20))
    figure.legend(loc="outside upper center", ncols=2 if narrow else 3, columnspacing=1.4)
    return figure


def letters(narrow: bool = False) -> Figure:
    """Log-likelihood of a letter against the window, in training and held out, little and much smoothing."""
    figure = Figure(figsize=(3.58, 5.8) if narrow else (6.7, 3.5), layout="constrained")
    axes = figure.subplots(*((2, 1) if narrow else (1, 2)), sharey=True)
    for ax, smoothing in zip(axes, (0.1, 1.0), strict=True):
        for line, marks, name in zip(_likelihoods(smoothing), ("s--", "o-"), ("training", "held out"), strict=True):
            ax.plot(range(10), line, marks, ms=5, color="C1" if "s" in marks else "C0", label=name)
        ax.set(title=f"smoothing {smoothing}", xlabel="window", xticks=range(0, 10, 2), ylim=(-3, 0))
    for ax in axes if narrow else axes[:1]:
        ax.set_ylabel("log-likelihood of a letter")
    axes[-1 if narrow else 0].legend(loc="upper right" if narrow else "lower right")
    return figure


def samples(narrow: bool = False) -> Figure:
    """What each window generates, from the same start."""
    train, _ = _text()
    figure = Figure(figsize=(3.58, 3.9) if narrow else (6.7, 3.0), layout="constrained")
    ax = figure.add_subplot(xlim=(0, 1), ylim=(0, 1))
    ax.set_axis_off()
    start = torch.tensor([[LETTERS.index(letter) for letter in "the value"]])
    wide, lines, size = (38, 3, 9.5) if narrow else (56, 2, 12)
    for row, window in enumerate((0, 1, 2, 4, 8)):
        drawn = MarkovModel(27, window).fit(train).sample(start, 105, generator=torch.Generator().manual_seed(0))
        text = "the value" + "".join(LETTERS[token] for token in drawn[0].tolist())
        top = 0.98 - 0.2 * row
        ax.text(0.0, top, f"{window}", color="C0", va="top", weight="bold")
        for line in range(lines):
            part = text[wide * line : wide * (line + 1)]
            ax.text(0.05, top - (0.055 if narrow else 0.08) * line, part, family="monospace", va="top", fontsize=size)
    return figure
