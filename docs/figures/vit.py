"""The Vision Transformer: a photograph becomes tokens, the order of its patches, and where attention rollout fails.

The photograph comes with scikit-learn: china.jpg, by danielbuechele, CC BY 2.0.
"""

from functools import cache

import torch
from _kit import Block, Canvas, Point, Role
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from attnref.models import ViT, attention_rollout
from attnref.plot.styles import FAINT, MUTED, current_scheme

WHITE, X = "#ffffff", "\N{MULTIPLICATION SIGN}"


def tokens(narrow: bool = False) -> Figure:
    """From the photograph to the logits: ten tokens, of which one is read."""
    return _Tokens(narrow).c.figure


def order(narrow: bool = False) -> Figure:
    """The photograph in 196 patches, and the same patches in another order: what positions are for."""
    side, gap = (196.0, 0.0) if narrow else (222.0, 22.0)
    c = Canvas(2 * side + 128 if narrow else side + 74, narrow=narrow)
    image = photograph(224)
    turned = _shuffled(image)
    without, with_positions = _moved(image, turned)
    for number, (pixels, title) in enumerate(((image, "in reading order"), (turned, "in another order"))):
        x = (c.width - side) / 2 if narrow else 8 + number * (side + gap)
        y = 24 + number * (side + 34) if narrow else 24
        picture(c, nn.functional.avg_pool2d(pixels, 4), x, y, side, levels=6)
        for k in range(15):
            at = side * k / 14
            c.ax.plot((x + at, x + at), (y, y + side), color=WHITE, lw=0.5)
            c.ax.plot((x, x + side), (y + at, y + at), color=WHITE, lw=0.5)
        c.text(x + side / 2, y - 12, f"196 patches {title}", weight="bold")
    below, middle = c.height - 34, c.width / 2
    if narrow:
        c.text(middle, below - 17, "The class token's output differs by", size=0.95)
        c.text(middle, below, f"{without:.6f} without positions,", size=0.95)
        c.text(middle, below + 17, f"{with_positions:.6f} with positions.", size=0.95)
    else:
        c.text(middle, below, f"The class token's output differs by {without:.6f} without positions,", size=0.95)
        c.text(middle, below + 17, f"by {with_positions:.6f} with positions.", size=0.95)
    return c.figure


def rollout(narrow: bool = False) -> Figure:
    """Attention, rollout, and what each patch changes, side by side: their order is reversed."""
    weights = torch.tensor([0.1, 0.6, 0.2, 0.1])
    table = torch.eye(4)
    table[0] = weights
    share = attention_rollout([table[None]])[0]
    value = torch.tensor([0.0, 0.0, 1.0, -3.0])
    effect = (weights * value).abs()
    c = Canvas(176 if narrow else 190, narrow=narrow)
    rows = ["class", "patch 1", "patch 2", "patch 3"]
    cell = (38.0, 22.0) if narrow else (62.0, 26.0)
    columns: tuple[tuple[str, Tensor, Role, str], ...] = (
        ("weight", weights, "weights", "attention"),
        ("value", value, "value", ""),
        ("rollout", share, "weights", ""),
        ("effect", effect, "query", ""),
    )
    gap, x, y = (13.0 if narrow else 34.0), (49.0 if narrow else 74.0), 40.0
    for number, (name, column, role, _) in enumerate(columns):
        c.matrix(x, y, column[:, None], role=role, rows=rows if not number else (), cell=cell, digits=2, name=name)
        x += cell[0] + gap
    bottom = y + 4 * cell[1]
    c.text(c.width / 2, bottom + 20, "rollout: patch 1 > patch 2 > patch 3", role="weights")
    c.text(c.width / 2, bottom + 37, "effect: patch 3 > patch 2 > patch 1", role="query")
    return c.figure


@cache
def photograph(size: int) -> Tensor:
    """A square of the photograph, (3, size, size), from 0 to 1."""
    from sklearn.datasets import load_sample_image

    pixels = torch.tensor(load_sample_image("china.jpg")).movedim(-1, 0) / 255  # (3, 427, 640)
    return nn.functional.interpolate(pixels[None, :, 10:420, 0:410], (size, size), mode="area")[0]


def picture(c: Canvas, pixels: Tensor, x: float, y: float, side: float, *, levels: int = 10) -> Block:
    """Pixels (3, height, width) as a square of the canvas, in a few levels of each color: they weigh less."""
    pixels = (levels * pixels).round() / levels
    extent = (x, x + side, y + side, y)
    c.ax.imshow(pixels.movedim(0, -1).numpy(), extent=extent, interpolation="none", aspect="auto", zorder=1)
    c.ax.set(xlim=(0, c.width), ylim=(c.height, 0))
    return Block(x, y, side, side)


def _patches(image: Tensor, patch: int) -> Tensor:
    """The patches in reading order, (n, 3, patch, patch)."""
    return image.unfold(1, patch, patch).unfold(2, patch, patch).flatten(1, 2).movedim(0, 1)


def _shuffled(image: Tensor) -> Tensor:
    mixed = _patches(image, 16)[torch.randperm(196, generator=torch.Generator().manual_seed(3))]
    return mixed.unflatten(0, (14, 14)).permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)


@torch.no_grad()
def _moved(image: Tensor, turned: Tensor) -> tuple[float, float]:
    """How far the class token's output is from that for the patches in another order, without and with positions."""
    torch.manual_seed(0)
    model = ViT(2, image_size=224, patch=16, d_model=32, num_heads=4, d_ff=64, num_layers=2)
    found = []
    for scale in (0.0, 1.0):
        nn.init.normal_(model.positions.weight, std=1.0).mul_(scale)
        there, back = (model.encode(2 * pixels[None] - 1)[0][0, 0] for pixels in (image, turned))
        found.append((there - back).norm().item())
    return found[0], found[1]


class _Tokens:
    """Draws the way of ten tokens, from the top to the bottom."""

    def __init__(self, narrow: bool) -> None:
        self.narrow = narrow
        self.c = c = Canvas(496 if narrow else 386, narrow=narrow)
        self.pitch, self.thumb, self.cell = (23.8, 20.0, (17.0, 8.0)) if narrow else (36.0, 30.0, (24.0, 10.0))
        self.first = 21.0 if narrow else 134.0  # the middle of the class token's column
        torch.manual_seed(1)
        model = ViT(3, image_size=48, patch=16, d_model=5, num_heads=1, d_ff=16, num_layers=2)
        nn.init.normal_(model.positions.weight)
        nn.init.normal_(model.class_token.weight)  # pyright: ignore[reportOptionalMemberAccess]
        image = photograph(48)
        with torch.no_grad():
            embedded = model.patches(2 * image[None] - 1)
            joined = model.class_token(embedded)[0][0]  # pyright: ignore[reportOptionalCall]
            outputs = model.encode(2 * image[None] - 1)[0][0]
        y = self.photo(image)
        y = self.vectors(y, joined)
        y = self.positions(y, model.positions.weight.detach())
        y = self.encoder(y)
        self.head(self.outputs(y, outputs))
        c.ax.set(xlim=(0, c.width), ylim=(c.height, 0))

    def column(self, k: int) -> float:
        """The middle of a token's column."""
        return self.first + k * self.pitch

    def step(self, count: int, y: float, text: str, shape: str = "") -> None:
        """What is done in a row, on its left, or above it where the picture is narrow."""
        c = self.c
        c.step(count, 2, y, text)
        if shape:
            if self.narrow:
                c.text(c.width - 4, y, shape, ha="right", size=0.86, color=MUTED[current_scheme()])
            else:
                c.text(27, y + 17, shape, ha="left", size=0.86, color=MUTED[current_scheme()])

    def photo(self, image: Tensor) -> float:
        """The photograph with its grid, and the patches in a row."""
        c, side = self.c, 84.0 if self.narrow else 96.0
        x, y = 2.0, 26.0
        self.step(1, 11, "cut")
        block = picture(c, image, x, y, side)
        for k in range(4):
            at = side * k / 3
            c.ax.plot((x + at, x + at), (y, y + side), color=WHITE, lw=1.6)
            c.ax.plot((x, x + side), (y + at, y + at), color=WHITE, lw=1.6)
        if self.narrow:
            c.text(96, 44, f"48 {X} 48 pixels", ha="left")
            c.text(96, 61, f"3 {X} 3 patches", ha="left")
            c.text(96, 78, f"of 16 {X} 16 pixels", ha="left")
            row = y + side + 20
            c.arrow((42, y + side + 3), (42, row - 3))
        else:
            row = y + 33
            c.arrow(c.beside(block, 5), (self.column(1) - self.thumb / 2 - 5, row + self.thumb / 2))
            c.text(self.column(5), 11, f"48 {X} 48 pixels: 3 {X} 3 patches of 16 {X} 16 pixels, 3 colors")
        for k, pixels in enumerate(_patches(image, 16), start=1):
            picture(c, pixels, self.column(k) - self.thumb / 2, row, self.thumb)
            if not self.narrow:
                c.text(self.column(k), row - 9, str(k), size=0.86, color=MUTED[current_scheme()])
        return row + self.thumb

    def row(self, y: float, vectors: Tensor, role: Role, first: Role | None = None, faint: bool = False) -> list[Block]:
        """One vector for each token, as a column of cells."""
        (w, h), blocks = self.cell, []
        most = float(vectors.abs().max())
        for k, vector in enumerate(vectors):
            x = self.column(k) - w / 2
            if faint and k:
                self.faint(x, y, len(vector))
                blocks.append(Block(x, y, w, h * len(vector)))
                continue
            own = first if first is not None and k == 0 else role
            blocks.append(self.c.matrix(x, y, vector[:, None], role=own, cell=self.cell, digits=-1, most=most))
        return blocks

    def faint(self, x: float, y: float, n: int) -> None:
        """An output that nobody reads."""
        w, h = self.cell
        color = FAINT[current_scheme()]
        self.c.ax.add_patch(Rectangle((x, y), w, n * h, fc=(*to_rgb(color), 0.12), ec=color, lw=0.8, ls=(0, (2, 2))))

    def arrows(self, y: float, length: float, first: int = 0, last: int = 9) -> float:
        """One for each token."""
        for k in range(first, last + 1):
            self.c.arrow((self.column(k), y + 2), (self.column(k), y + length - 1), width=1.0)
        return y + length

    def vectors(self, y: float, joined: Tensor) -> float:
        """The projected patches, and the class token before them."""
        c = self.c
        if self.narrow:
            self.step(2, y + 14, "project, add a class token", "(10, d_model)")
            y += 26
        top = self.arrows(y, 16, first=1)
        blocks = self.row(top, joined, "plain", "query")
        if self.narrow:
            c.text(self.column(0), top - 9, "class", role="query", size=0.86)
        else:
            c.text(self.column(0), top - 10, "class", role="query", size=0.9)
            self.step(2, top + 42, "project", "(10, d_model)")
        return blocks[0].bottom[1]

    def positions(self, y: float, weight: Tensor) -> float:
        """One more learned vector for each."""
        c = self.c
        if self.narrow:
            self.step(3, y + 16, "add positions")
            y += 12
        for k in range(10):
            c.text(self.column(k), y + 9 + (8 if self.narrow else 0), "+", color=MUTED[current_scheme()])
        top = y + (28 if self.narrow else 19)
        blocks = self.row(top, weight, "key")
        if not self.narrow:
            self.step(3, top + 25, "add positions", "(10, d_model)")
        return blocks[0].bottom[1]

    def encoder(self, y: float) -> float:
        """All that the encoder does, in a box."""
        c, (w, _) = self.c, self.cell
        if self.narrow:
            self.step(4, y + 16, "encode")
            y += 26
        top = self.arrows(y, 18)
        left, right = self.column(0) - w / 2 - 4, self.column(9) + w / 2 + 4
        text = (
            "Transformer encoder: each attends to all"
            if self.narrow
            else "Transformer encoder: every token attends to all ten"
        )
        box = c.box(left, top, right - left, 28, text, size=0.95)
        if not self.narrow:
            self.step(4, top + 14, "encode")
        return self.arrows(box.bottom[1], 18)

    def outputs(self, y: float, outputs: Tensor) -> Block:
        """One is read, nine are not."""
        blocks = self.row(y, outputs, "plain", "query", faint=True)
        middle = (self.column(1) + self.column(9)) / 2
        text = "these outputs are not used"
        self.c.text(middle, blocks[0].bottom[1] + 13, text, size=0.9, color=MUTED[current_scheme()])
        return blocks[0]

    def head(self, output: Block) -> None:
        """A linear layer on the class token's output."""
        c = self.c
        x, y = output.bottom
        width = 36.0 if self.narrow else 44.0
        left = max(2.0, x - width / 2)
        c.arrow((x, y + 2), (x, y + 24), role="query")
        box = c.box(left, y + 25, width, 22, "head", role="query", size=0.95)
        end: Point = (box.right[0] + 26, box.right[1])
        c.arrow(c.beside(box, 2), end)
        if self.narrow:
            c.step(5, end[0] + 5, end[1], "a score for each class")
        else:
            self.step(5, y + 36, "classify")
            c.text(end[0] + 5, end[1], "a score for each class", ha="left")
