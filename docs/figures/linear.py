"""Linear attention: the state as it fills up, the implied weights, and how much a state can hold."""

import torch
from _kit import Canvas
from matplotlib import rcParams
from matplotlib.figure import Figure

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

N, D_K = 16, 16  # positions of the two heat maps; size of keys, there and where pairs are stored
PAIRS = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256)


def steps(narrow: bool = False) -> Figure:
    """Three tokens: each adds its key features and value to the state, and its query features read from the sum."""
    if narrow:
        c, cell, high = Canvas(446, narrow=True), (22.0, 18.0), 128
        where = {"k": (8, 0), "v": (44, 9), "S": (116, 0), "z": (168, 0), "q": (206, 0), "o": (206, 60)}
        first, step = (0, 92), (0, high)
    else:
        c, cell = Canvas(326), (26.0, 19.0)
        where = {"k": (0, 0), "v": (42, 9), "S": (8, 86), "z": (68, 86), "q": (0, 172), "o": (68, 172)}
        first, step = (26, 102), (160, 0)
    c.step(1, 4, 14, "Write: add φ(k) vᵀ to S, and φ(k) to z")
    c.step(2, 4, 38, "Read: output = φ(q) S / φ(q) z")

    state, before = None, None
    for token in range(3):
        output, state = linear_attention_step(QUERY[token], KEY[token], VALUE[token], state)
        at = {name: (first[0] + token * step[0] + x, first[1] + token * step[1] + y) for name, (x, y) in where.items()}
        phi_q, phi_k = QUERY[token][None] + 1, KEY[token][:, None] + 1  # elu + 1 of what is not negative
        key = c.matrix(*at["k"], phi_k, role="key", name="φ(k)", cell=cell, most=4)
        value = c.matrix(*at["v"], VALUE[token][None], role="value", name="v", cell=cell, most=9)
        S = c.matrix(*at["S"], state[0], role="plain", name="S", cell=cell, most=45)
        z = c.matrix(*at["z"], state[1][:, None], role="plain", name="z", cell=cell, most=6)
        query = c.matrix(*at["q"], phi_q, role="query", name="φ(q)", cell=cell, most=4)
        mean = c.matrix(*at["o"], output[None], role="value", name="output", cell=cell, most=9)
        if narrow:
            c.text(4, key.y - 26, f"token {token + 1}", weight="bold", ha="left")
            c.arrow((value.x + value.w + 6, key.middle[1]), (S.x - 6, key.middle[1]), "+")
            c.arrow((query.middle[0], query.y + query.h + 4), (query.middle[0], mean.y - 16))
            c.path([(z.x + z.w + 4, z.y + z.h - 9), (query.middle[0], z.y + z.h - 9)], head=False, width=1.2)
            if before is not None:
                c.arrow((S.middle[0], before.y + before.h + 4), (S.middle[0], S.y - 20))
        else:
            middle = S.x + 43
            c.text(middle, key.y - 30, f"token {token + 1}", weight="bold")
            c.arrow((middle, key.y + key.h + 4), (middle, S.y - 7), "")
            c.text(middle + 9, key.y + key.h + 15, "+")
            c.arrow((middle, S.y + S.h + 4), (middle, query.y - 7))
            c.arrow((query.x + query.w + 3, query.middle[1]), (mean.x - 3, query.middle[1]))
            if before is not None:
                c.arrow((before.x + before.w + 6, S.middle[1]), (S.x - 6, S.middle[1]))
        before = S if narrow else z
    return c.figure


def weights(narrow: bool = False) -> Figure:
    """The weights of softmax attention and the implied ones of linear attention, from the same queries and keys."""
    position = torch.arange(N)[:, None] * 2.0 ** -torch.arange(D_K // 2)
    x = 2 * torch.cat((position.sin(), position.cos()), dim=-1).to(device())
    _, soft = scaled_dot_product_attention(x, x, x, causal_mask(N, device=device()))
    one_hot = torch.eye(N, device=device())  # as values: the output is the weights
    flat, _ = causal_linear_attention(x, x, one_hot)

    figure = Figure(figsize=(3.58, 6.6) if narrow else (6.7, 3.5), layout="constrained")
    axes = figure.subplots(*((2, 1) if narrow else (1, 2)), sharex=narrow, sharey=not narrow)
    for ax, cells, name in zip(axes, (soft, flat), ("softmax", "linear"), strict=True):
        keys = torch.special.entr(cells[-1]).sum().exp().item()  # as many, all alike, have this entropy
        plot.heat_map(cells, ax=ax, mask=causal_mask(N), max_weight=1.0, bar=ax is axes[1] and not narrow)
        ax.set_title(f"{name}, last row: {keys:.1f} keys")
        ax.label_outer()
    return figure


def capacity(narrow: bool = False) -> Figure:
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

    figure = Figure(figsize=(3.58, 4.2) if narrow else (6.7, 3.9), layout="constrained")
    ax = figure.add_subplot()
    looks = (
        ("linear, elu + 1", "C1", "-", 1.02),
        ("linear, best keys", "C1", "--", 0.92),
        ("softmax", "C0", "-", 0.73),
        ("softmax, longer keys", "C0", "--", 0.31),
    )
    for (name, color, dashes, y), line in zip(looks, zip(*lines, strict=True), strict=True):
        ax.plot(PAIRS, [round(error, 3) for error in line], dashes, color=color, label=name)
        if not narrow:
            ax.text(275, y, name, color=color, va="center")
    if narrow:
        figure.legend(loc="outside lower left", ncols=1)
    ax.axvline(D_K, color=rcParams["axes.edgecolor"], lw=1, ls=":")
    said = "pairs = features" if narrow else "as many pairs as features"
    ax.text(D_K * 0.95, 1.04, said, ha="right", va="center", fontsize="small")
    ax.set_xscale("log", base=2)
    ax.set(xlim=(1, 256), ylim=(-0.02, 1.08), xlabel="pairs stored", ylabel="relative squared error")
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.minorticks_off()
    return figure
