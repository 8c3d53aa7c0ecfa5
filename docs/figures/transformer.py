"""The Transformer: its architecture, whole and in steps; the attention of all layers and heads of a trained one."""

from functools import cache
from typing import NamedTuple

import torch
from _kit import Block, Canvas, Point, Role, ink
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from attnref import causal_mask, plot
from attnref.plot.styles import FAINT, MUTED, current_scheme
from attnref.tasks import device, load
from attnref.tasks.number_words import BEGIN, WRITTEN

HELD_OUT = "sechshundertsiebenundvierzig"
SOURCE, TARGET, NEXT = ("sieben", "und", "vierzig"), ("<begin>", "forty", "seven"), ("forty", "seven", "<end>")
TIMES = "\N{MULTIPLICATION SIGN} N"
LINKS = {  # what a box says, and the section that is about it
    "source tokens": "positions.md#special-tokens",
    "target tokens": "#training",
    "next tokens": "#training",
    "embedding": "positions.md#idea",
    "positions": "positions.md#positions",
    "self-attention": "../attention/self_attention.md#self-attention",
    "masked self-attention": "../attention/masks.md#causal",
    "cross-attention": "../attention/cross_attention.md#cross-attention",
    "feed-forward": "blocks.md#idea",
    "add and norm": "blocks.md#norm",
    TIMES: "#c40",
    "memory": "../attention/cross_attention.md#c52",
    "linear": "#output",
    "softmax": "decoding.md#idea",
}
MASKS = {
    "self-attention": torch.ones(3, 3, dtype=torch.bool),
    "masked self-attention": causal_mask(3),
    "cross-attention": torch.ones(3, 3, dtype=torch.bool),
}

# The arrows into an attention: how far each is from the middle, and its role.
INTO_SELF: tuple[tuple[float, Role], ...] = ((-26, "query"), (0, "key"), (26, "value"))
INTO_CROSS: tuple[tuple[float, Role], ...] = ((2, "key"), (-2, "value"))


def architecture(narrow: bool = False) -> Figure:
    """All of it."""
    return _Architecture(5, narrow).c.figure


def step_1(narrow: bool = False) -> Figure:
    """Tokens become vectors."""
    return _Architecture(1, narrow).c.figure


def step_2(narrow: bool = False) -> Figure:
    """An encoder block."""
    return _Architecture(2, narrow).c.figure


def step_3(narrow: bool = False) -> Figure:
    """N encoder blocks, and the memory."""
    return _Architecture(3, narrow).c.figure


def step_4(narrow: bool = False) -> Figure:
    """The decoder."""
    return _Architecture(4, narrow).c.figure


class _Plan(NamedTuple):
    """The middles of the two columns, and sizes."""

    encoder: float
    decoder: float
    box: float
    margin: float  # from a box to the frame of its block
    chip: float
    bottom: float  # the middle of the tokens


HIGH, PITCH, GAP = 20.0, 29.0, 17.0  # of a box; from a sublayer to its sum; from there to the next sublayer


class _Architecture:
    """Draws what the steps so far have added, from the bottom to the top, and the outlines of what is to come."""

    def __init__(self, upto: int, narrow: bool) -> None:
        self.upto, self.narrow = upto, narrow
        self.at = at = _Plan(63.5, 194.5, 108, 8, 36.5, 418) if narrow else _Plan(106, 374, 144, 12, 48, 422)
        self.c = Canvas(at.bottom + 14, narrow=narrow)
        self.middle = (at.encoder + at.decoder) / 2
        whole = Rectangle((1, 2), self.c.width - 2, at.bottom + 10, fc="none", ec="none")
        self.c.ax.add_patch(whole)  # all steps are cut to one size, so nothing moves from one to the next
        self.legend()
        self.embed(at.encoder, SOURCE, "source tokens", 1)
        self.embed(at.decoder, TARGET, "target tokens", 4)
        self.positions()
        top = self.blocks(at.encoder, ("self-attention", "feed-forward"), -1, 2)
        self.title(at.encoder, top, "Encoder", 2, 3)
        self.memory(top - 6)
        top = self.blocks(at.decoder, ("masked self-attention", "cross-attention", "feed-forward"), 1, 4)
        self.title(at.decoder, top, "Decoder", 4, 4)
        self.output(top - 6)

    def legend(self) -> None:
        """What the colors and signs mean; they come with the first block."""
        if self.upto < 2:
            return
        x, y = self.at.encoder - self.at.box / 2, 12.0
        for role in ("query", "key", "value"):
            self.c.arrow((x, y), (x + 20, y), role=role)
            self.c.text(x + 28, y, role, role=role, ha="left", size=0.9)
            y += 17
        self.c.path([(x, y + 4), (x, y - 4), (x + 20, y - 4), (x + 20, y + 5)], width=1.1)
        self.c.text(x + 28, y, "residual connection" if not self.narrow else "residual", ha="left", size=0.9)
        y += 18
        self.mask(x + 4, y, MASKS["masked self-attention"])
        self.c.text(x + 28, y, "filled: may attend", ha="left", size=0.9)

    def embed(self, x: float, tokens: tuple[str, ...], name: str, step: int) -> None:
        """Tokens, their embedding, and the sum with the positions."""
        y = self.at.bottom
        self.chips(x, y, tokens, name, step)
        box = self.box(x, y - 33, "embedding", step)
        if step > self.upto:
            self.c.node(x, y - 66, "", faint=True)
            return
        self.c.arrow((x, y - 10), box.bottom)
        self.c.arrow(box.top, (x, y - 56))
        self.c.node(x, y - 66, "+")
        n, side = ("n_k", -1) if tokens is SOURCE else ("n_q", 1)
        self.shape(x, y - 16.8, n, side)
        self.shape(x, y - 50, f"{n}, d_model", side)

    def positions(self) -> None:
        """One box for both columns: the same numbers are added."""
        y, half = self.at.bottom - 64, 28 if self.narrow else 36
        box = self.c.box(self.middle - half, y - 10, 2 * half, 20, "positions", size=0.9)
        self.c.link(box, "positions", LINKS["positions"])
        self.c.arrow(box.left, (self.at.encoder + 10, y))
        if self.upto >= 4:
            self.c.arrow(box.right, (self.at.decoder - 10, y))

    def blocks(self, x: float, sublayers: tuple[str, ...], side: int, step: int) -> float:
        """One block in its frame, with its residual connections on one side; returns the top of the frame."""
        half, margin = self.at.box / 2, self.at.margin
        y, below = self.at.bottom - 114, self.at.bottom - 76
        top = y - len(sublayers) * PITCH - (len(sublayers) - 1) * (GAP + HIGH) - HIGH / 2 - 7
        self.c.box(x - half - margin, top, 2 * (half + margin), y + HIGH / 2 + 18 - top, faint=True)
        if self.upto >= max(step, 3):
            for behind in (1, 2):
                inset, edge = 5.0 * behind, top - 3.5 * behind
                ends = x - half - margin + inset, x + half + margin - inset
                self.c.path([(ends[0], edge), (ends[1], edge)], faint=True, head=False, width=1.2)
        for sublayer in sublayers:
            box = self.box(x, y, sublayer, step)
            norm = self.box(x, y - PITCH, "add and norm", step)
            if step <= self.upto:
                self.into(sublayer, x, below, box)
                self.c.arrow(box.top, norm.bottom)
                edge, branch = x + side * (half + margin / 2), box.bottom[1] + (13 if y > self.at.bottom - 117 else 9)
                end = (x + side * half, norm.middle[1])
                self.c.path([(x, branch), (edge, branch), (edge, end[1]), end], width=1.1)
            below, y = norm.top[1], norm.top[1] - GAP - HIGH / 2
        return top

    def into(self, sublayer: str, x: float, below: float, box: Block) -> None:
        """The arrows that lead into a sublayer: query, key and value, the query alone, or one."""
        y = box.bottom[1]
        if not sublayer.endswith("self-attention"):
            self.c.arrow((x, below), box.bottom, role="query" if sublayer == "cross-attention" else "plain")
            return
        self.c.path([(x, below), (x, y + 8)], head=False, width=1.1)
        self.c.path([(x - 26, y + 8), (x + 26, y + 8)], head=False, width=1.1)
        for shift, role in INTO_SELF:
            self.c.arrow((x + shift, y + 8), (x + shift, y - 1), role=role)

    def memory(self, top: float) -> None:
        """From the top of the encoder to the cross-attention, as key and as value."""
        if self.upto < 3:
            return
        x, y, left = self.at.encoder, top - 30, self.at.decoder - self.at.box / 2
        cross = self.at.bottom - 114 - PITCH - HIGH - GAP
        for shift, role in INTO_CROSS:
            bend = self.middle + (0 if self.narrow else 30) - shift
            line = [(x + shift, top + 6), (x + shift, y + shift), (bend, y + shift)]
            self.c.path(line + [(bend, cross + shift), (left, cross + shift)] * (self.upto >= 4), role=role)
        end = self.c.extent("memory") + 8
        self.c.text(x, y - 11, "memory", ha="left", size=0.92, weight="bold")
        self.c.link(Block(x - 4, y - 21, end, 19), "memory", LINKS["memory"])
        self.shape(x + end - 6, y - 11, "n_k, d_model", 1)

    def title(self, x: float, top: float, text: str, step: int, repeated: int) -> None:
        """Beside the arrow that leaves a column: its name, and how often its block is repeated."""
        if step <= self.upto:
            self.c.text(x - 10, top - 19, text, weight="bold", ha="right", size=0.92)
        if repeated <= self.upto:
            box = self.c.box(x + 12, top - 28.5, 32, 19, TIMES, size=0.9)
            self.c.link(box, TIMES, LINKS[TIMES])

    def output(self, top: float) -> None:
        """Scores for each token of the vocabulary, probabilities, the next tokens."""
        x, y = self.at.decoder, top - 37
        for text in ("linear", "softmax"):
            box = self.box(x, y, text, 5)
            if self.upto >= 5:
                self.c.arrow((x, top + (6 if text == "linear" else 0)), box.bottom)
            top, y = box.top[1], y - PITCH
        self.chips(x, y, NEXT, "next tokens", 5)
        if self.upto >= 5:
            self.c.arrow((x, top), (x, y + 10))
            self.shape(x - self.at.box / 2, y + 1.5 * PITCH, "n_q, vocab_size", -1)

    def box(self, x: float, y: float, text: str, step: int) -> Block:
        """A box about a point, with its mask if it is an attention; it links to its section."""
        place = (x - self.at.box / 2, y - HIGH / 2, self.at.box, HIGH)
        if step > self.upto:
            return self.c.box(*place, faint=True)
        role: Role = "weights" if text in MASKS else "plain"
        box = self.c.box(*place, role=role)
        if text in MASKS:
            self.mask(box.x + 4, y, MASKS[text])
        self.c.text(x + (6.5 if text in MASKS else 0), y, text, size=0.9)
        self.c.link(box, text, LINKS[text])
        return box

    def mask(self, x: float, y: float, mask: torch.Tensor) -> None:
        """Which key each query may attend to: filled cells."""
        cell = 3.0 if self.narrow else 4.4
        for i, row in enumerate(mask.tolist()):
            for j, may in enumerate(row):
                fill = (*to_rgb(ink("weights")), 0.7 if may else 0.0)
                corner = (x + j * cell, y + (i - 1.5) * cell)
                self.c.ax.add_patch(Rectangle(corner, cell, cell, fc=fill, ec=ink("weights"), lw=0.5))

    def chips(self, x: float, y: float, tokens: tuple[str, ...], name: str, step: int) -> None:
        """Tokens in a row."""
        w, n = self.at.chip, len(tokens)
        for i, token in enumerate(tokens):
            place = (x + (i - n / 2) * w + 1.5, y - 10, w - 3, 20)
            if step > self.upto:
                self.c.box(*place, faint=True)
            else:
                self.c.box(*place)
                self.c.text(place[0] + place[2] / 2, y, token, size=0.86)
        if step <= self.upto:
            self.c.link(Block(x - n * w / 2, y - 10, n * w, 20), name, LINKS[name])

    def shape(self, x: float, y: float, text: str, side: int) -> None:
        """The shape of what an arrow carries, on one side of it; there is no room for it on a phone."""
        if not self.narrow:
            options = {"size": 0.8, "color": MUTED[current_scheme()], "ha": "right" if side < 0 else "left"}
            self.c.text(x + 7 * side, y, f"(batch, {text})", **options)


def heads(narrow: bool = False) -> Figure:
    """The attention of every layer and head of the trained model, as it translates a number it has never seen."""
    (to_source, to_earlier, across), source, fed, written = _looks()
    groups = (
        ("encoder: source to source", to_source, source, source),
        ("decoder: each word to itself and earlier ones", to_earlier, fed, fed),
        ("decoder: the word to be written, to the source", across, written, source),
    )
    left, pitch, wide, tall = (58.5, 50.0, 48.0, 12.5) if narrow else (76.0, 102.0, 94.0, 13.5)
    above = [10 + 5.0 * max(map(len, columns)) for *_, columns in groups]  # for the labels, which are turned
    high = 4 + sum(above) + sum(27 + len(layers) * (len(rows) * tall + 14) for _, layers, rows, _ in groups)
    c, y = Canvas(high, narrow=narrow), 4.0
    for up, (name, layers, rows, columns) in zip(above, groups, strict=True):
        c.text(0, y + 7, name, weight="bold", ha="left", size=0.95)
        y += 23 + up
        for number, layer in enumerate(layers, 1):
            c.text(left - 4, y - 8, f"layer {number}", size=0.74, ha="right", color=MUTED[current_scheme()])
            for head, table in enumerate(layer[0]):
                x = left + head * pitch
                if number == 1:
                    c.text(x + wide / 2, y - up, f"head {head + 1}", size=0.85)
                _heat(c, (x, y), table, (wide / len(columns), tall), rows * (head == 0), columns * (number == 1))
            y += len(rows) * tall + 14
        y += 4
    return c.figure


def _heat(c: Canvas, at: Point, table: torch.Tensor, cell: Point, rows: list[str], columns: list[str]) -> None:
    """A matrix of weights as colors, with its labels; what is masked has no color."""
    (x, y), (w, h), colors = at, cell, plot.colormap(current_scheme())
    for i, row in enumerate(table.tolist()):
        for j, weight in enumerate(row):
            if weight > 0:
                c.ax.add_patch(Rectangle((x + j * w, y + i * h), w, h, fc=colors(weight), ec="none"))
    frame = Rectangle((x, y), w * table.shape[1], h * table.shape[0], fc="none", ec=FAINT[current_scheme()], lw=0.8)
    c.ax.add_patch(frame)
    for i, label in enumerate(rows):
        c.text(x - 4, y + (i + 0.5) * h, label, ha="right", size=0.8)
    for j, label in enumerate(columns):
        c.text(x + (j + 0.5) * w, y - 4, label, size=0.74, rotation=90, va="bottom")


@cache
def _looks() -> tuple[list[list[torch.Tensor]], list[str], list[str], list[str]]:
    """The weights of each kind and layer, the source tokens, the target tokens fed in, and those to be written."""
    reader = load("number_words", device=device())
    reading = reader(HELD_OUT)
    words = reading.english.split()
    source, _ = reader.encode([HELD_OUT])
    target = torch.tensor([[BEGIN, *map(WRITTEN.index, words)]], device=source.device)
    with torch.no_grad():
        _, weights = reader.model(source, target, return_weights=True)
    kinds = [[layer.cpu() for layer in layers] for layers in weights]
    return kinds, reading.subwords, ["<begin>", *words], [*words, "<end>"]
