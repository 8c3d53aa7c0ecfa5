"""A Vision Transformer trained on digits: where its class token looks, whether that matters, what it has learned."""

import json
from functools import cache
from pathlib import Path

import torch
from _kit import ink
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from attnref.tasks import device, digits_data, load, patch_attention
from attnref.tasks.digits_vit import DigitViT

SIDE = 4  # patches along one side
SHOWN = (2, 5, 7, 8)  # the first held-out image of each


def looks(narrow: bool = False) -> Figure:
    """A held-out digit in patches, and the attention of the class token to them in each layer, mean over the heads."""
    image, looked = _shown(SHOWN[1])
    figure = Figure(figsize=(3.58, 2.75) if narrow else (6.7, 1.75), layout="constrained")
    rows = ["aabbcc", ".ddee."] if narrow else ["abcde"]
    plain, *each = figure.subplot_mosaic("\n".join(rows)).values()
    _draw(plain, image)
    plain.set_title("16 patches")
    for number, (ax, weights) in enumerate(zip(each, looked.mean(1), strict=True), 1):
        _draw(ax, image, weights)
        ax.set_title(f"layer {number}")
    return figure


def heads(narrow: bool = False) -> Figure:
    """The same digit: what each head of each layer attends to for the class token."""
    image, looked = _shown(SHOWN[1])
    figure = Figure(figsize=(3.58, 3.85) if narrow else (5.4, 5.7), layout="constrained")
    grid = figure.subplots(*looked.shape[:2])
    for row, (axes, of_layer) in enumerate(zip(grid, looked, strict=True)):
        for ax, weights in zip(axes, of_layer, strict=True):
            _draw(ax, image, weights)
        axes[0].set_ylabel(f"layer {row + 1}")
    for number, ax in enumerate(grid[0], 1):
        ax.set_title(f"head {number}")
    return figure


def rollout(narrow: bool = False) -> Figure:
    """Four held-out digits: attention of the last layer, rollout, and what the deletion of each patch costs."""
    figure = Figure(figsize=(3.58, 5.6) if narrow else (6.7, 5.6), layout="constrained")
    grid = figure.subplots(4, 3) if narrow else figure.subplots(3, 4).T
    reader = load("digits_vit", device=device())
    for axes, digit in zip(grid, SHOWN, strict=True):
        image = _image(digit)
        batch = image[None].to(device())
        answer = int(reader.read(batch).digits)
        effect = patch_attention.deletion_effects(reader, batch)[0, :, answer].cpu()
        guesses = patch_attention.maps(reader, batch)
        for ax, name in zip(axes, ("last layer", "rollout"), strict=False):
            guess = guesses[name][0].cpu()
            _draw(ax, image, guess / guess.max())
            ax.set_xlabel(f"r = {patch_attention.rank_correlation(guess, effect):.2f}".replace("-", "\N{MINUS SIGN}"))
        _draw(axes[2], image, effect / effect.abs().max(), signed=True)
    for ax, name in zip(grid[0], ("last layer", "rollout", "deletion"), strict=True):
        (ax.set_title if narrow else ax.set_ylabel)(name)
    fell = Rectangle((0, 0), 1, 1, fc=ink("query"), lw=0)
    rose = Rectangle((0, 0), 1, 1, fc=ink("key"), lw=0)
    said = ["logit falls", "logit rises"]
    figure.legend([fell, rose], said, loc="outside lower center", ncols=2, handlelength=1, handleheight=1)
    return figure


def positions(narrow: bool = False) -> Figure:
    """How alike the position embeddings are, after a start near zero and after a larger one."""
    figure = Figure(figsize=(3.58, 7.0) if narrow else (6.7, 3.7), layout="constrained")
    halves = figure.subfigures(*((2, 1) if narrow else (1, 2)), squeeze=False).flat
    for half, start in zip(halves, (0.02, 0.5), strict=True):
        grid = load("digits_vit", positions=start).vit.positions.weight.detach()[1:]
        alike = torch.cosine_similarity(grid[:, None], grid[None], dim=-1).unflatten(1, (SIDE, SIDE))
        half.suptitle(f"started at {start}")
        for ax, of_one in zip(half.subplots(SIDE, SIDE).flat, alike, strict=True):
            ax.imshow(of_one, cmap=_diverging(), vmin=-1, vmax=1, interpolation="none")
            ax.add_patch(
                Rectangle((-0.5, -0.5), SIDE, SIDE, fc="none", ec=rcParams["grid.color"], lw=0.8, clip_on=False)
            )
            ax.set(xticks=(), yticks=())
            ax.spines[:].set_visible(False)
    return figure


def filters(narrow: bool = False) -> Figure:
    """The principal directions of the patch embedding, the strongest first."""
    figure = Figure(figsize=(3.58, 1.35) if narrow else (5.0, 1.6), layout="constrained")
    _, sizes, directions = torch.linalg.svd(load("digits_vit").vit.patches.proj.weight.detach().flatten(1))
    shares = (sizes**2 / (sizes**2).sum()).tolist()
    for ax, one, share in zip(figure.subplots(1, 4), directions, shares, strict=True):
        turned = one * one[one.abs().argmax()].sign()
        ax.imshow(turned.unflatten(0, (2, 2)), cmap=_diverging(), vmin=-1, vmax=1, interpolation="none")
        ax.add_patch(Rectangle((-0.5, -0.5), 2, 2, fc="none", ec=rcParams["grid.color"], lw=0.8, clip_on=False))
        ax.set(xticks=(), yticks=(), xlabel=f"{100 * share:.0f} %")
        ax.spines[:].set_visible(False)
    return figure


def growing(narrow: bool = False) -> Figure:
    """Share of held-out digits read against the size of the canvas, as `benchmarks/growing_images.py` measured it."""
    measured = json.loads(Path(__file__).with_name("growing_images.json").read_text(encoding="utf-8"))
    figure = Figure(figsize=(3.58, 5.6) if narrow else (6.7, 3.4), layout="constrained")
    axes = figure.subplots(2, 1) if narrow else figure.subplots(1, 2, sharey=True)
    sizes = measured["sizes"]
    for ax, background in zip(axes, ("blank", "scraps"), strict=True):
        for pool, name, look in (("class", "class token", "C1s"), ("mean", "mean", "C0o")):
            runs = [run["asked"] for run in measured["runs"] if (run["background"], run["pool"]) == (background, pool)]
            for how, line in (("extended", "-"), ("stretched", "--")):
                columns = list(zip(*(asked[how] for asked in runs), strict=True))
                mean = [sum(column) / len(column) for column in columns]
                fill, label = look[:2] if line == "-" else "none", f"{name}, positions {how}"
                ax.fill_between(sizes, [*map(min, columns)], [*map(max, columns)], color=look[:2], alpha=0.2, lw=0)
                ax.plot(sizes, mean, look[2] + line, color=look[:2], mfc=fill, ms=5, clip_on=False, label=label)
        ax.set(title=f"{background} around the digit", ylim=(0, 1.03), xticks=sizes)
        ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
        if not narrow or ax is axes[-1]:
            ax.set_xlabel("canvas, pixels along one side")
    axes[0].set_ylabel("digits read")
    figure.legend(*axes[-1].get_legend_handles_labels(), loc="outside upper center", ncols=1 if narrow else 2)
    return figure


def _image(digit: int) -> Tensor:
    """The first held-out image of a digit."""
    images, digits = digits_data.held_out_digits()
    return images[int((digits == digit).nonzero()[0, 0])]


@cache
def _shown(digit: int) -> tuple[Tensor, Tensor]:
    """An image, and what the class token attends to: (num_layers, h, 16)."""
    reader: DigitViT = load("digits_vit", device=device())
    image = _image(digit)
    weights = reader.read(image[None].to(device())).weights
    assert weights is not None
    return image, weights[0, :, :, 0, 1:].cpu()


def _draw(ax: Axes, image: Tensor, weights: Tensor | None = None, *, signed: bool = False) -> None:
    """The image in gray and its patches, a square on each as large as its weight."""
    edge = rcParams["axes.edgecolor"]
    gray = LinearSegmentedColormap.from_list("ink", [to_rgba(edge, 0.0), to_rgba(edge, 0.75)])
    ax.imshow(image.numpy(), cmap=gray, vmin=0, vmax=1, interpolation="none")
    for patch in range(SIDE**2):
        corner = (2 * (patch % SIDE) - 0.5, 2 * (patch // SIDE) - 0.5)
        ax.add_patch(Rectangle(corner, 2, 2, fc="none", ec=rcParams["grid.color"], lw=0.6))
        if weights is not None:
            weight = round(float(weights[patch]), 3)
            side = 2 * abs(weight) ** 0.5  # the area is the weight: a whole patch for a weight of one
            middle = (corner[0] + 1 - side / 2, corner[1] + 1 - side / 2)
            color = ink("weights") if not signed else ink("query") if weight > 0 else ink("key")
            ax.add_patch(Rectangle(middle, side, side, fc=color, lw=0, zorder=3))
    ax.set(xticks=(), yticks=())
    ax.spines[:].set_visible(False)


def _diverging() -> LinearSegmentedColormap:
    """Orange for negative, blue for positive, the page's ground for zero."""
    low, high = to_rgba(ink("key")), to_rgba(ink("query"))
    stops = [(0.0, low), (0.5, (*low[:3], 0.0)), (0.5, (*high[:3], 0.0)), (1.0, high)]
    return LinearSegmentedColormap.from_list("signed", stops)
