"""Scaled dot-product attention: what the division by the root of d_k is for."""

import numpy as np
import torch
from matplotlib import rcParams
from matplotlib.figure import Figure

from attnref import scaled_dot_product_attention
from attnref.tasks import device


def scale() -> Figure:
    """How many keys a query listens to, and the gradient it gets, with and without the division, by width."""
    widths = np.array([4, 8, 16, 32, 64, 128, 256, 512])
    figure = Figure(figsize=(6.7, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, color, dashes, divided in (("divided", "C0", "-", True), ("not divided", "C1", "--", False)):
        entropy, gradient = np.stack([_ask(int(d_k), divided) for d_k in widths], axis=-1)
        for ax, (low, middle, high) in ((left, entropy), (right, gradient)):
            ax.fill_between(widths, low, high, color=color, alpha=0.2, lw=0)
            ax.plot(widths, middle, dashes, color=color, label=name)
    left.set(ylim=(0, 4.1), yticks=range(5), title="entropy of the weights, bits")
    right.set(ylim=(0, None), title="gradient of the query, norm")
    for ax in (left, right):
        ax.set_xscale("log", base=2)
        ax.set(xticks=(4, 16, 64, 256), xlabel="width of query and key")
        ax.xaxis.set_major_formatter("{x:.0f}")
        ax.minorticks_off()
    left.axhline(4, color=rcParams["axes.edgecolor"], lw=1, ls=":")
    left.text(512, 3.93, "16 keys alike", ha="right", va="top", fontsize="small", color=rcParams["axes.edgecolor"])
    right.legend(loc="upper left")
    return figure


def _ask(d_k: int, divided: bool, queries: int = 2000, n_k: int = 16) -> np.ndarray:
    """The 10 %, 50 % and 90 % quantiles over queries of entropy in bits and of the norm of d output / d query."""
    draw = torch.Generator().manual_seed(d_k)  # on the CPU: the same numbers on every device
    query = torch.randn(queries, 1, d_k, generator=draw).to(device()).requires_grad_()
    key = torch.randn(queries, n_k, d_k, generator=draw).to(device())
    value = torch.randn(queries, n_k, 1, generator=draw).to(device())
    output, weights = scaled_dot_product_attention(query if divided else query * d_k**0.5, key, value)
    (gradient,) = torch.autograd.grad(output.sum(), query)
    entropy = torch.special.entr(weights).sum(-1) / np.log(2)
    three = torch.tensor([0.1, 0.5, 0.9], device=device())
    measured = torch.stack([x.flatten().quantile(three) for x in (entropy.detach(), gradient.norm(dim=-1))])
    return measured.cpu().numpy().round(3)
