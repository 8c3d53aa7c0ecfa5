"""Hard attention: beside soft attention, and the variance of its gradient against the baseline."""

from functools import cache
from itertools import product
from typing import NamedTuple

import torch
from _kit import Canvas
from matplotlib import rcParams
from matplotlib.figure import Figure
from torch import Tensor, nn

from attnref import additive_attention
from attnref.models import ShowAttendTell, hard_attention_loss

FEATURES = torch.tensor([[3.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 3.0]])  # four positions


def _word() -> tuple[Tensor, Tensor]:
    """The weights of one word of the page on Show, Attend and Tell, 2 by 2, and the mean of the features."""
    query = torch.tanh(FEATURES.mean(dim=0, keepdim=True) * torch.tensor([1.0, -1.0]))
    mean, weights = additive_attention(
        query, FEATURES, FEATURES, w_q=torch.eye(2), w_k=torch.eye(2), v_a=torch.tensor([4.0, -4.0])
    )
    assert weights is not None
    return weights[0].unflatten(0, (2, 2)), mean


def draw(narrow: bool = False) -> Figure:
    """One map of weights used in two ways: the mean of all positions, or one of them."""
    weights_of_word, mean_of_word = _word()
    if narrow:
        c, cell, square = Canvas(228, narrow=True), (30.0, 18.0), (34.0, 29.0)
        at, soft, hard = (10, 34), (112, 16), (10, 128)
        mean_at, ways_at, soft_says, hard_says = (112, 34), (52, 146), (112, 70), (124, 158)
    else:
        c, cell, square = Canvas(196), (34.0, 19.0), (40.0, 36.0)
        at, soft, hard = (10, 66), (190, 16), (190, 96)
        mean_at, ways_at, soft_says, hard_says = (230, 34), (230, 114), (314, 36), (314, 132)
    c.text(*soft, "Soft: the mean of all", ha="left", weight="bold")
    c.text(*hard, "Hard: one of them, drawn", ha="left", weight="bold")
    weights = c.matrix(*at, weights_of_word, role="weights", name="weights", cell=square, digits=2, most=1)
    mean = c.matrix(*mean_at, mean_of_word, role="value", cell=cell, digits=2, most=3)
    rows = [f"{weight:.2f}" for weight in weights_of_word.flatten()]
    c.matrix(*ways_at, FEATURES, role="value", rows=rows, cell=cell)
    for (x, y), lines in (
        (soft_says, ("the same every time; a", "gradient for each weight")),
        (hard_says, ("no gradient at the draw:", "the log-likelihood that", "follows is its reward")),
    ):
        for k, line in enumerate(lines):
            c.text(x, y + 17 * k, line, ha="left", size=0.92)
    if narrow:
        c.arrow((weights.x + weights.w + 5, mean.middle[1]), c.beside(mean, -5), role="weights")
        c.arrow((weights.middle[0] - 20, 97), (weights.middle[0] - 20, 118), role="weights")
    else:
        c.path([c.beside(weights, 5), (150, 102), (150, 43.5), (224, 43.5)], role="weights")
        c.path([(150, 102), (150, 152), (190, 152)], role="weights")
    return c.figure


class Small(NamedTuple):
    """The small model of the page: for each of its 16 ways to look, probability and two parts of the gradient."""

    probability: Tensor
    log_likelihood: Tensor
    plain: Tensor
    by_baseline: Tensor  # the estimate is plain + baseline * by_baseline

    def estimates(self, baseline: float) -> Tensor:
        """One gradient for each way to look."""
        return self.plain + baseline * self.by_baseline


@cache
def _small() -> Small:
    """As the page makes it."""
    torch.manual_seed(0)
    model = ShowAttendTell(nn.Identity(), 5, d_features=3, d_embed=4, d_h=6, d_attention=4).double()
    weights = list(model.decoder.parameters())
    grid = torch.randn(16, 3, 2, 2).double()[:1].expand(16, -1, -1, -1)
    given, target = torch.tensor([[0, 2]] * 16), torch.tensor([[2, 1]] * 16)
    ways = torch.tensor(list(product(range(4), repeat=2)))
    found = model.hard(grid, given, ways)
    log_p = found.logits.log_softmax(-1).take_along_dim(target[..., None], -1).sum((1, 2))
    p = found.weights.take_along_dim(ways[..., None], -1).prod(1)[:, 0]

    def gradients(baseline: float) -> Tensor:
        each = []
        for k in range(16):
            row = slice(k, k + 1)
            loss = hard_attention_loss(log_p[row], found.weights[row], ways[row], baseline=baseline)
            parts = torch.autograd.grad(loss, weights, retain_graph=True, materialize_grads=True)
            each.append(torch.cat([part.flatten() for part in parts]))
        return torch.stack(each)

    plain = gradients(0.0)
    return Small(p.detach(), log_p.detach(), plain, gradients(1.0) - plain)


def variance(narrow: bool = False) -> Figure:
    """The variance of the estimate against the baseline: exact, and of draws."""
    model = _small()
    p, generator = model.probability, torch.Generator().manual_seed(0)
    figure = Figure(figsize=(3.58, 3.3) if narrow else (6.7, 3.2), layout="constrained")
    ax = figure.add_subplot()

    def exact(baseline: float) -> float:
        each = model.estimates(baseline)
        return float(p @ (each - p @ each).square().sum(1))

    baselines = torch.linspace(-8, 2, 101).tolist()
    ax.plot(baselines, [exact(b) for b in baselines], color="C0", label="exact, over 16 ways to look")
    few = torch.arange(-8.0, 2.1, 1.0).tolist()
    drawn = p.multinomial(2000, replacement=True, generator=generator)
    measured = [float(model.estimates(b)[drawn].var(0, correction=1).sum()) for b in few]
    ax.plot(few, measured, "o", color="C1", ms=5, label="measured, 2000 draws")
    mean = float(p @ model.log_likelihood)
    marks = ((0.0, "no baseline", "right", -8), (mean, "mean log-likelihood", "center", 0))
    for b, text, align, shift in marks:
        ax.annotate(
            text, (b, exact(b)), (shift, 42 if b else 10), textcoords="offset points", ha=align, va="bottom",
            arrowprops={"arrowstyle": "-", "lw": 0.8, "color": rcParams["axes.edgecolor"]} if b else None,
        )  # fmt: skip
    ax.set(xlabel="baseline b", ylabel="variance", xlim=(-8.2, 2.2), xticks=range(-8, 3, 2), ylim=(0, None))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=1 if narrow else 2)
    return figure
