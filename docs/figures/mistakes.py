"""Mistakes: wrong weights beside the right ones, and a leak that looks like success."""

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from attnref import MultiHeadAttention, causal_mask, masked_softmax, plot
from attnref.tasks import device

N, VOCAB, D_MODEL = 8, 16, 32  # the model of the page
EVERY, STEPS, RUNS = 2, 60, 3


def weights(narrow: bool = False) -> Figure:
    """Six ways to turn one table of scores into weights, each with the sums of its rows."""
    draw = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 5, 16, generator=draw)
    products, mask = query @ key.mT, causal_mask(5)
    scores = products / 16**0.5
    ways: dict[str, Callable[[], Tensor]] = {
        "right": lambda: masked_softmax(scores, mask),
        "mask inverted": lambda: masked_softmax(scores, ~mask),
        "softmax over queries": lambda: masked_softmax(scores.mT, mask.mT).mT,
        "mask times the scores": lambda: (scores * mask).softmax(-1),
        "mask after the softmax": lambda: scores.softmax(-1) * mask,
        "no scale": lambda: masked_softmax(products, mask),
    }
    figure = Figure(figsize=(3.58, 5.6) if narrow else (6.7, 4.9), layout="constrained")
    for ax, (name, way) in zip(figure.subplots(*((3, 2) if narrow else (2, 3))).flat, ways.items(), strict=True):
        table = way()
        plot.heat_map(table, ax=ax, bar=False, max_weight=1.0)
        ax.set(xticks=[], yticks=[], xlabel="", ylabel="", xlim=(-0.5, 6.2))
        ax.spines[:].set_visible(False)
        ax.add_patch(Rectangle((-0.5, -0.5), 5, 5, fill=False, lw=0.8, ec=rcParams["grid.color"]))
        ax.set_title(name, loc="left", fontsize=9.5 if narrow else "medium")
        for i, total in enumerate(table.sum(-1).tolist()):
            right = abs(total - 1) < 1e-3
            ax.text(
                4.75, i, f"{total:.2f}", va="center", fontsize="small", color=rcParams["text.color"] if right else "C1"
            )
        for i, j in (~mask & (table > 5e-3)).nonzero().tolist():  # weight on a masked key
            ax.add_patch(Rectangle((j - 0.42, i - 0.42), 0.84, 0.84, fill=False, lw=1.6, ec="C1"))
    first = figure.axes[0]
    first.set(xlabel="key")
    first.set_ylabel("query")
    first.xaxis.set_label_coords(0.37, -0.04)
    first.text(4.75, 4.65, "sum", va="top", fontsize="small")
    return figure


def leak(narrow: bool = False) -> Figure:
    """Accuracy on random tokens while training, with the mask inverted and right, scored in two ways."""
    steps = range(0, STEPS + 1, EVERY)
    figure = Figure(figsize=(3.58, 5.4) if narrow else (6.7, 3.3), layout="constrained")
    axes = figure.subplots(*((2, 1) if narrow else (1, 2)), sharey=True)
    for name, color, dashes in (("right", "C0", "-"), ("inverted", "C1", "--")):
        runs = torch.stack([_train(name == "inverted", seed) for seed in range(RUNS)])
        for ax, lines in zip(axes, runs.unbind(-1), strict=True):
            ax.fill_between(steps, lines.amin(0), lines.amax(0), color=color, alpha=0.2, lw=0)
            ax.plot(steps, lines.median(0).values, dashes, color=color, label=f"mask {name}")
    for ax, title in zip(axes, ("whole sentences, as in training", "token by token, as in generation"), strict=True):
        ax.set(ylim=(0, 1.05), xlim=(0, STEPS), xlabel="training steps", title=title)
        ax.axhline(1 / VOCAB, color=rcParams["axes.edgecolor"], lw=1, ls=":", zorder=0)
    axes[1].text(
        STEPS,
        1 / VOCAB + (0.06 if narrow else 0.025),
        "a guess: 1 in 16",
        ha="right",
        color=rcParams["axes.edgecolor"],
        fontsize="small",
    )
    for ax in axes if narrow else axes[:1]:
        ax.set_ylabel("accuracy, next token")
    axes[1].legend(loc="center right" if narrow else "upper left")
    return figure


class _NextToken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.position = nn.Embedding(VOCAB, D_MODEL), nn.Embedding(N, D_MODEL)
        self.attend, self.output_proj = MultiHeadAttention(D_MODEL, num_heads=1), nn.Linear(D_MODEL, VOCAB)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        x = self.embed(tokens) + self.position.weight[: tokens.shape[1]]
        return self.output_proj(x + self.attend(x, x, x, mask)[0])


@functools.cache
def _train(inverted: bool, seed: int) -> Tensor:
    """(scores, 2): whole and token by token, at the start and after every few steps."""
    mask = (~causal_mask(N) if inverted else causal_mask(N)).to(device())
    torch.manual_seed(seed)  # the weights are made on the CPU, the same on every device
    draw = torch.Generator().manual_seed(seed)
    model = _NextToken().to(device())
    adam = torch.optim.Adam(model.parameters(), lr=0.02)
    unseen = torch.randint(VOCAB, (1000, N), generator=draw).to(device())
    found = [_score(model, mask, unseen)]
    for step in range(1, STEPS + 1):
        tokens = torch.randint(VOCAB, (64, N), generator=draw).to(device())
        loss = F.cross_entropy(model(tokens, mask)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
        adam.zero_grad()
        loss.backward()
        adam.step()
        if step % EVERY == 0:
            found.append(_score(model, mask, unseen))
    return torch.tensor(found)


@torch.no_grad()
def _score(model: _NextToken, mask: Tensor, tokens: Tensor) -> tuple[float, float]:
    whole = model(tokens, mask)[:, :-1].argmax(-1)
    alone = torch.stack([model(tokens[:, :t], mask[:t, :t])[:, -1].argmax(-1) for t in range(1, N)], dim=1)
    right = [(guess == tokens[:, 1:]).float().mean().item() for guess in (whole, alone)]
    return round(right[0], 3), round(right[1], 3)
