"""Pooling: a mean and a class token as two weighted averages, and the accuracy of both as inputs grow."""

import json
from pathlib import Path

import torch
from _kit import Canvas
from matplotlib.figure import Figure

from attnref import ClassToken, mean_pooling, scaled_dot_product_attention

X = torch.tensor([[0.0, 1.0], [3.0, 0.0], [0.0, 1.0], [9.0, 9.0]])
REAL = torch.tensor([True, True, True, False])
WORDS = ["a", "great", "film", "[pad]"]
CLASS = torch.tensor([1.0, 0.0])


def ways(narrow: bool = False) -> Figure:
    """Each word's weight, its vector, and the sum: with equal weights, and with those of a class token's attention."""
    c = Canvas(426 if narrow else 236, narrow=narrow)
    cell = (44.0, 22.0) if narrow else (42.0, 24.0)
    weight = REAL / REAL.sum()
    token = ClassToken(2)
    with torch.no_grad():
        token.weight.copy_(CLASS)
        x, real = token(X, REAL)
        one, weights = scaled_dot_product_attention(x[:1], x, x, real[None])
    left, right = (52.0, 26.0), (52.0, 236.0) if narrow else (300.0, 26.0)
    _way(c, *left, cell, "mean of the real tokens", WORDS, weight, X, mean_pooling(X, REAL)[None])
    _way(c, *right, cell, "attention of a class token", ["[cls]", *WORDS], weights[0], x, one)
    return c.figure


def lengths(narrow: bool = False) -> Figure:
    """Share of new sequences classified right against their length, as `benchmarks/pooling_lengths.py` measured it."""
    measured = json.loads(Path(__file__).with_name("pooling.json").read_text(encoding="utf-8"))
    figure = Figure(figsize=(3.58, 5.6) if narrow else (6.7, 3.6), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True) if narrow else figure.subplots(1, 2, sharey=True)
    titles = {"marked": "which letter is marked", "majority": "which letter is in the majority"}
    for ax, (question, title) in zip(axes, titles.items(), strict=True):
        for setting, line in (("short", "-"), ("short and long", "--")):
            for pooling, color, mark in (("mean", "C0", "o"), ("class token", "C1", "s")):
                wanted = (question, pooling, setting)
                runs = [
                    r["accuracy"] for r in measured["runs"] if (r["question"], r["pooling"], r["setting"]) == wanted
                ]
                columns = list(zip(*runs, strict=True))
                low, high = [min(column) for column in columns], [max(column) for column in columns]
                mean = [sum(column) / len(column) for column in columns]
                ax.fill_between(measured["lengths"], low, high, color=color, alpha=0.2, lw=0)
                fill = color if setting == "short" else "none"
                longest = measured["settings"][setting][0]
                name = f"{pooling}, trained up to {longest}"
                ax.plot(measured["lengths"], mean, mark + line, color=color, mfc=fill, ms=5, clip_on=False, label=name)
        ax.set_xscale("log")
        ax.set_xticks(measured["lengths"], measured["lengths"])
        ax.minorticks_off()
        ax.set(ylim=(0.45, 1.02), yticks=(0.5, 0.75, 1), title=title)
        ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
        if not narrow or ax is axes[-1]:
            ax.set_xlabel("letters")
    axes[0].set_ylabel("sequences right")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=1 if narrow else 2)
    return figure


def _way(
    c: Canvas,
    left: float,
    top: float,
    cell: tuple[float, float],
    title: str,
    words: list[str],
    weight: torch.Tensor,
    x: torch.Tensor,
    one: torch.Tensor,
) -> None:
    """A column of weights, the vectors beside it, and the sum below them."""
    (w, h), n, gap = cell, len(words), 26.0
    c.text(left + (3 * w + gap) / 2, top - 18, title, weight="bold")
    unused = (weight == 0)[:, None]
    y = top + 24 + (0 if c.narrow else (5 - n) * h)  # side by side, both end at the same height
    weights = c.matrix(left, y, weight[:, None], role="weights", rows=words, cell=cell, digits=2, hidden=unused.numpy())
    vectors = c.matrix(
        left + w + gap, y, x, role="value", cell=cell, digits=1, hidden=unused.expand_as(x).numpy(), most=3.0
    )
    c.sign(weights, vectors, "\N{MULTIPLICATION SIGN}")
    c.text(weights.middle[0], y - 8, "weight", role="weights", va="baseline")
    c.text(vectors.middle[0], y - 8, "vector", role="value", va="baseline")
    below = y + n * h + 28
    out = c.matrix(left + w + gap, below, one, cell=cell, digits=2, most=3.0)
    c.arrow(vectors.bottom, out.top)
    c.text(out.middle[0] + 8, below - 15, "sum", ha="left")
    c.text(out.x - 6, out.middle[1], "one vector", ha="right", size=0.9)
