"""The discrete VAE: an image as codes and back, a soft sample step by step, its limits, and codes that were learned."""

import math
from functools import cache

import torch
from _kit import Canvas, Role, ink
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from torch import Tensor

from attnref.models import DiscreteVAE, gumbel_softmax
from attnref.plot.styles import INK, MUTED, current_scheme
from attnref.tasks import digits_data, load

SIDE = 4  # codes along one side of the grid
SHOWN, PATCH = 5, (2, 1)  # the first held-out image of this digit, and the patch whose scores are drawn
TAU, X, MINUS = "\N{GREEK SMALL LETTER TAU}", "\N{MULTIPLICATION SIGN}", "\N{MINUS SIGN}"
LOGITS, NOISE = torch.tensor([2.0, 1.0, 0.0]), torch.tensor([-0.5, 1.0, 0.1])  # the numbers of the page
TEMPERATURES = (5.0, 1.0, 0.5, 0.1)


def grid(narrow: bool = False) -> Figure:
    """A held-out digit, the scores of the codes for one of its patches, its sixteen tokens, and the image they give."""
    c = Canvas(326 if narrow else 152, narrow=narrow)
    vae, (image, _) = _vae(), _digit(SHOWN)
    logits = vae.encode(image[None, None])[0].detach()
    tokens = logits.argmax(-1)
    again = vae.decode(tokens[None])[0, 0].detach().clamp(0, 1)
    n = PATCH[0] * SIDE + PATCH[1]
    side, muted = (88.0 if narrow else 96.0), MUTED[current_scheme()]
    if narrow:
        first, second, third = (4.0, 28.0), (4.0, 216.0), (166.0, 216.0)
        bars = (116.0, 44.0, 138.0, 66.0)
    else:
        first, second, third = (2.0, 32.0), (260.0, 32.0), (384.0, 32.0)
        bars = (120.0, 42.0, 112.0, 70.0)
    c.step(1, first[0], first[1] - 15, "image")
    _pixels(c, image, *first, side)
    _patches(c, *first, side)
    c.text(first[0] + side / 2, first[1] + side + 12, f"8 {X} 8 pixels", size=0.88, color=muted)
    x, y, w, h = bars
    c.step(2, x, first[1] - 15, "score 32 codes")
    _bars(c, logits[n].softmax(-1), int(tokens[n]), *bars)
    c.text(x + w / 2, y + h + 13, "of the marked patch", size=0.88, color=muted)
    c.arrow((first[0] + side + 3, y + h / 2), (x - 4, y + h / 2), role="query")
    c.step(3, second[0], second[1] - 15, "tokens")
    _tokens(c, tokens, *second, side, n)
    c.text(second[0] + side / 2, second[1] + side + 12, f"{SIDE} {X} {SIDE} codes", size=0.88, color=muted)
    if narrow:
        middle, end = x + w / 2, second[0] + side / 2 + 30
        c.path([(middle, y + h + 24), (middle, 172), (end, 172), (end, 194)])
    else:
        c.arrow((x + w + 3, y + h / 2), (second[0] - 4, y + h / 2))
    c.step(4, third[0], third[1] - 15, "image again")
    _pixels(c, again, *third, side)
    c.text(third[0] + side / 2, third[1] + side + 12, f"8 {X} 8 pixels", size=0.88, color=muted)
    c.arrow((second[0] + side + 3, second[1] + side / 2), (third[0] - 4, third[1] + side / 2))
    return c.figure


def sample(narrow: bool = False) -> Figure:
    """The numbers of the page: logits and noise are added, and softmax is taken at four temperatures."""
    c = Canvas(252 if narrow else 108, narrow=narrow)
    cell = (40.0, 22.0) if narrow else (42.0, 24.0)
    top = 24.0
    x, blocks = 6.0, []
    columns: list[tuple[str, Tensor, Role]] = [
        ("logits z", LOGITS, "query"),
        ("noise g", NOISE, "plain"),
        ("z + g", LOGITS + NOISE, "key"),
    ]
    for name, numbers, role in columns:
        blocks.append(c.matrix(x, top, numbers[:, None], role=role, cell=cell, digits=2, name=name, most=3.0))
        x += cell[0] + (36 if narrow else 20)
    c.sign(blocks[0], blocks[1], "+")
    c.sign(blocks[1], blocks[2], "=")
    if narrow:
        below = top + 3 * cell[1]
        c.path([(blocks[2].bottom[0], below + 5), (blocks[2].bottom[0], below + 26)], role="key")
        c.text(blocks[2].bottom[0] - 12, below + 16, f"softmax(· / {TAU})", ha="right")
        x, top = 6.0, below + 66.0
    else:
        c.arrow(c.beside(blocks[2], 4), (x + 64, blocks[2].right[1]), role="key")
        c.text(x + 23, blocks[2].right[1] - 12, f"softmax(· / {TAU})", size=0.85)
        x += 72
    gap = 24.0 if narrow else 14.0
    for temperature in TEMPERATURES:
        y = gumbel_softmax(LOGITS, temperature, noise=NOISE)
        name = f"{TAU} = {temperature:g}"
        c.matrix(x, top, y[:, None], role="weights", cell=cell, digits=2, name=name, most=1.0)
        x += cell[0] + gap
    return c.figure


def simplex(narrow: bool = False) -> Figure:
    """Three hundred samples at each of four temperatures, as points in the triangle of three codes."""
    figure = Figure(figsize=(3.58, 3.7) if narrow else (6.7, 1.9), layout="constrained")
    axes = (figure.subplots(2, 2) if narrow else figure.subplots(1, 4)).flat
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(0.75)]])
    edge = rcParams["axes.edgecolor"]
    for ax, temperature in zip(axes, TEMPERATURES, strict=True):
        drawn = gumbel_softmax(LOGITS.expand(300, -1), temperature, generator=torch.Generator().manual_seed(0))
        points = drawn @ corners
        ax.add_patch(Polygon(corners.tolist(), closed=True, fc="none", ec=edge, lw=0.8))
        ax.scatter(*points.T.tolist(), s=9, color=ink("weights"), alpha=0.35, lw=0, clip_on=False, zorder=3)
        for k, (x, y) in enumerate(corners.tolist()):
            ax.text(
                x,
                y + (0.07 if k == 2 else -0.07),
                f"code {k}",
                ha="center",
                va="bottom" if k == 2 else "top",
                fontsize=9,
            )
        ax.set(xlim=(-0.16, 1.16), ylim=(-0.22, 1.08), aspect="equal", xticks=(), yticks=())
        ax.set_title(f"{TAU} = {temperature:g}")
        ax.spines[:].set_visible(False)
    return figure


def bias(narrow: bool = False) -> Figure:
    """Against the temperature: the mean share of the first of two codes, and the spread of its gradient."""
    figure = Figure(figsize=(3.58, 4.6) if narrow else (6.7, 2.5), layout="constrained")
    left, right = figure.subplots(2, 1, sharex=True) if narrow else figure.subplots(1, 2)
    u = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000  # g_0 - g_1 is logistic: its quantiles
    difference = 2.0 + u.logit()
    temperatures = torch.logspace(-1.5, 1.5, 61, dtype=torch.float64)
    share = torch.sigmoid(difference / temperatures[:, None])
    slope = share * (1 - share) / temperatures[:, None]
    p = float(torch.sigmoid(torch.tensor(2.0)))
    for ax in (left, right):
        ax.set_xscale("log")
        ax.set_xticks([0.1, 1, 10], ["0.1", "1", "10"])
        ax.set_xlabel(f"temperature {TAU}" if ax is right or not narrow else "")
    left.axhline(p, color=ink("query"), ls="--", lw=1.4)
    left.plot(temperatures, share.mean(1), color=ink("weights"), lw=2)
    left.text(0.035, p + 0.015, "softmax(z)", color=ink("query"), va="bottom", ha="left")
    left.set(ylim=(0.45, 1.0), title="mean of the samples")
    right.plot(temperatures, slope.std(1), color=ink("key"), lw=2)
    right.set(title="standard deviation of the gradient", ylim=(0, None))
    return figure


def codes(narrow: bool = False) -> Figure:
    """The codes that held-out images use, the most used first: the mean of their patches, with what is around."""
    used, means = _use(), _means()
    order = [code for code in used.argsort(descending=True).tolist() if used[code] > 0]
    columns = 5 if narrow else 9
    rows = -(-len(order) // columns)
    figure = Figure(figsize=(3.58, 0.95 * rows) if narrow else (6.7, 0.98 * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax in axes:
        ax.set(xticks=(), yticks=())
        ax.spines[:].set_visible(False)
    for ax, code in zip(axes, order, strict=False):
        _gray(ax, means[code])
        ax.add_patch(Rectangle((0.5, 0.5), 2, 2, fc="none", ec=ink("query"), lw=1.4))
        ax.set_title(f"{code}: {100 * float(used[code]):.0f} %", fontsize=9)
    return figure


def images(narrow: bool = False) -> Figure:
    """A held-out image of each digit, its tokens, and the image that they give."""
    vae = _vae()
    shown = range(10)
    pairs = [_digit(digit)[0] for digit in shown]
    batch = torch.stack(pairs)[:, None]
    again = vae.decode(vae.tokens(batch)).detach()[:, 0].clamp(0, 1)
    figure = Figure(figsize=(3.58, 3.6) if narrow else (6.7, 1.75), layout="constrained")
    axes = figure.subplots(4, 5) if narrow else figure.subplots(2, 10)
    for at, (one, other) in enumerate(zip(pairs, again, strict=True)):
        row, column = (2 * (at // 5), at % 5) if narrow else (0, at)
        for down, image in enumerate((one, other)):
            ax = axes[row + down, column]
            _gray(ax, image)
            ax.set(xticks=(), yticks=())
            ax.spines[:].set_visible(False)
            if column == 0:
                ax.set_ylabel(("image", "again")[down])
    return figure


@cache
def _vae() -> DiscreteVAE:
    return load("digits_from_names").vae


def _digit(digit: int) -> tuple[Tensor, int]:
    """The first held-out image of a digit."""
    held_out, digits = digits_data.held_out_digits()
    return held_out[int((digits == digit).nonzero()[0, 0])], digit


def _use() -> Tensor:
    """The share of the held-out patches that each code stands for."""
    tokens = _vae().tokens(digits_data.held_out_digits()[0][:, None])
    return torch.bincount(tokens.flatten(), minlength=_vae().num_codes) / tokens.numel()


def _means() -> Tensor:
    """The mean of the held-out patches of each code, with one pixel more on every side: (num_codes, 4, 4)."""
    held_out = digits_data.held_out_digits()[0]
    tokens = _vae().tokens(held_out[:, None]).flatten()
    around = torch.nn.functional.unfold(torch.nn.functional.pad(held_out[:, None], (1, 1, 1, 1)), 4, stride=2)
    around = around.transpose(1, 2).flatten(0, 1)  # (images * 16, 16)
    return torch.stack([around[tokens == code].mean(0) for code in range(_vae().num_codes)]).unflatten(1, (4, 4))


def _gray(ax: Axes, image: Tensor) -> None:
    """Pixels as ink on the page's paper."""
    edge = INK[current_scheme()]
    gray = LinearSegmentedColormap.from_list("ink", [to_rgba(edge, 0.04), to_rgba(edge, 0.9)])
    ax.imshow(image.numpy(), cmap=gray, vmin=0, vmax=1, interpolation="none")


def _pixels(c: Canvas, image: Tensor, x: float, y: float, side: float) -> None:
    """An image as squares on the canvas."""
    step, color = side / len(image), to_rgb(INK[current_scheme()])
    for i, row in enumerate(image.tolist()):
        for j, value in enumerate(row):
            corner = (x + j * step, y + i * step)
            c.ax.add_patch(Rectangle(corner, step, step, fc=(*color, 0.04 + 0.86 * value), ec="none", lw=0))


def _patches(c: Canvas, x: float, y: float, side: float) -> None:
    """The lines between patches, and a frame about one of them."""
    step = side / SIDE
    for k in range(SIDE + 1):
        c.line((x, y + k * step), (x + side, y + k * step), width=0.6)
        c.line((x + k * step, y), (x + k * step, y + side), width=0.6)
    _frame(c, x, y, step)


def _frame(c: Canvas, x: float, y: float, step: float) -> None:
    corner = (x + PATCH[1] * step, y + PATCH[0] * step)
    c.ax.add_patch(Rectangle(corner, step, step, fc="none", ec=ink("query"), lw=2.2, zorder=4))


def _bars(c: Canvas, q: Tensor, best: int, x: float, y: float, w: float, h: float) -> None:
    """The probability of each code, the largest named."""
    step, most = w / len(q), float(q.max())
    for k, share in enumerate(q.tolist()):
        tall = max(h * share / most, 0.6)
        color = ink("weights") if k == best else MUTED[current_scheme()]
        c.ax.add_patch(Rectangle((x + k * step + 0.5, y + h - tall), step - 1.0, tall, fc=color, lw=0))
    middle = x + (best + 0.5) * step
    right = best < len(q) / 2
    c.text(
        middle + (5 if right else -5),
        y + 5,
        f"code {best}: {100 * most:.0f} %",
        role="weights",
        ha="left" if right else "right",
        size=0.9,
    )
    c.line((x, y + h), (x + w, y + h), width=1.0)


def _tokens(c: Canvas, tokens: Tensor, x: float, y: float, side: float, marked: int) -> None:
    """The grid of codes with their numbers."""
    step = side / SIDE
    for n, token in enumerate(tokens.tolist()):
        corner = (x + n % SIDE * step, y + n // SIDE * step)
        strong = n == marked
        fc = (*to_rgb(ink("weights", fill=True)), 0.45 if strong else 0.14)
        c.ax.add_patch(Rectangle(corner, step, step, fc=fc, ec=ink("weights"), lw=0.8))
        c.text(corner[0] + step / 2, corner[1] + step / 2, str(token), size=0.9, weight="bold" if strong else "normal")
