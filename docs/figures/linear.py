"""Linear attention: the state as it fills up, the weights it stands for, and how much it can hold."""

import torch
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from attnref import (
    causal_linear_attention,
    causal_mask,
    linear_attention,
    linear_attention_step,
    plot,
    scaled_dot_product_attention,
)
from attnref.tasks import device

# The example of the page.
QUERY = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
KEY = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
VALUE = torch.tensor([[9.0, 0.0], [0.0, 9.0], [9.0, 9.0]])

N, D_K = 16, 16  # positions of the two maps; width of keys, there and where pairs are stored
PAIRS = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256)


def steps() -> Figure:
    """Three tokens: what each adds to the state, the state after it, and what its query reads."""
    figure = Figure(figsize=(6.7, 3.75))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 16.2), ylim=(7.8, -1.27), aspect="equal")
    ax.set_axis_off()
    columns = {"φ(k)": 1.9, "v": 3.2, "adds": 5.5, "S": 8.1, "z": 10.4, "φ(q)": 11.8, "output": 14.1}
    for (name, x), width in zip(columns.items(), (1, 2, 2, 2, 1, 2, 2), strict=True):
        ax.text(x + width / 2, -0.2, name, ha="center", va="bottom")
    ax.text(9.75, -0.75, "the state", ha="center", va="bottom", color=rcParams["axes.edgecolor"], fontsize=11)
    state = None
    for token in range(3):
        output, state = linear_attention_step(QUERY[token], KEY[token], VALUE[token], state)
        _, (added, phi_k) = linear_attention_step(QUERY[token], KEY[token], VALUE[token])
        y = 2.7 * token
        ax.text(0.1, y + 1, f"token {token + 1}", va="center")
        tables = (
            phi_k[:, None],
            VALUE[token][None],
            added,
            state[0],
            state[1][:, None],
            QUERY[token][None] + 1,
            output[None],
        )
        for (name, x), numbers in zip(columns.items(), tables, strict=True):
            full = {"S": 36.0, "z": 9.0}.get(name)
            _table(ax, x, y + 1 - len(numbers) / 2, numbers, full)
    return figure


def _table(ax: Axes, x: float, y: float, numbers: Tensor, full: float | None) -> None:
    """Numbers in boxes, of the state the fuller the greater."""
    for i, j in torch.cartesian_prod(*map(torch.arange, numbers.shape)).tolist():
        number = round(float(numbers[i, j]), 3)
        if full is not None:
            ax.add_patch(Rectangle((x + j, y + i), 1, 1, fc="C0", alpha=0.55 * number / full, lw=0))
        ax.add_patch(Rectangle((x + j, y + i), 1, 1, fc="none", ec=rcParams["axes.edgecolor"], lw=0.8))
        ax.text(x + j + 0.5, y + i + 0.5, f"{number:g}", ha="center", va="center", fontsize=11)


def weights() -> Figure:
    """The weights of softmax attention and those that linear attention stands for, from the same queries and keys."""
    place = torch.arange(N)[:, None] * 2.0 ** -torch.arange(D_K // 2)
    x = 2 * torch.cat((place.sin(), place.cos()), dim=-1).to(device())
    _, soft = scaled_dot_product_attention(x, x, x, causal_mask(N, device=device()))
    one_hot = torch.eye(N, device=device())  # as values: the output is the weights
    flat, _ = causal_linear_attention(x, x, one_hot)

    figure = Figure(figsize=(6.7, 3.5), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, cells, name in zip(axes, (soft, flat), ("softmax", "linear"), strict=True):
        keys = torch.special.entr(cells[-1]).sum().exp().item()  # as many, all alike, have this entropy
        plot.heat_map(cells, ax=ax, mask=causal_mask(N), max_weight=1.0, bar=ax is axes[1])
        ax.set_title(f"{name}, last row: {keys:.1f} keys")
        ax.label_outer()
    return figure


def capacity() -> Figure:
    """How far the value that comes back is from the one that was stored, as more pairs are stored."""
    draw = torch.Generator().manual_seed(0)
    lines = []
    for n in PAIRS:
        key, value = (torch.randn(64, n, D_K, generator=draw).to(device()) for _ in range(2))
        apart = torch.eye(D_K, device=device())[torch.arange(n) % D_K].expand(64, n, D_K)
        outputs = (
            linear_attention(key, key, value)[0],
            linear_attention(apart, apart, value, feature_map=torch.relu)[0],
            scaled_dot_product_attention(key, key, value)[0],
            scaled_dot_product_attention(2 * key, key, value)[0],
        )
        lines.append([((output - value).square().sum() / value.square().sum()).item() for output in outputs])

    figure = Figure(figsize=(6.7, 3.9), layout="constrained")
    ax = figure.add_subplot()
    looks = (
        ("linear, elu + 1", "C1", "-", 1.02),
        ("linear, best keys", "C1", "--", 0.92),
        ("softmax", "C0", "-", 0.73),
        ("softmax, longer keys", "C0", "--", 0.31),
    )
    for (name, color, dashes, y), line in zip(looks, zip(*lines, strict=True), strict=True):
        ax.plot(PAIRS, [round(error, 3) for error in line], dashes, color=color)
        ax.text(275, y, name, color=color, va="center")
    ax.axvline(D_K, color=rcParams["axes.edgecolor"], lw=1, ls=":")
    ax.text(D_K * 0.95, 1.04, "as many pairs as features", ha="right", va="center", fontsize="small")
    ax.set_xscale("log", base=2)
    ax.set(xlim=(1, 256), ylim=(-0.02, 1.08), xlabel="pairs stored", ylabel="relative squared error")
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.minorticks_off()
    return figure
