"""Mamba: a selective scan step by step, what the step size does, hidden matrices, and what it costs, as measured."""

import json
from pathlib import Path

import torch
from _kit import Canvas, ink
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from attnref import causal_mask, scaled_dot_product_attention
from attnref.models import MambaMixer, selective_scan
from attnref.plot.styles import MUTED, current_scheme

MEASURED = json.loads((Path(__file__).parent / "mamba.json").read_text(encoding="utf-8"))
DELTA, MINUS = "\N{GREEK CAPITAL LETTER DELTA}", "\N{MINUS SIGN}"

X = torch.tensor([4.0, 9.0, 1.0, 2.0])  # the numbers of the page
STEP = torch.tensor([1.0, 0.0, 1.0, 5.0])
A = torch.tensor([[-0.5, -2.0]])
B = torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
C = torch.tensor([[1.0, 1.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])


def scan(narrow: bool = False) -> Figure:
    """Four steps of one channel with two numbers of state: what is kept, what is added, what is read."""
    c = Canvas(372 if narrow else 352, narrow=narrow)
    states = [selective_scan(*_part(n))[1][0, 0] for n in range(1, 5)]
    y = selective_scan(*_part(4))[0][0, :, 0]
    cell, first, pitch = ((34.0, 21.0), 62.0, 53.0) if narrow else ((48.0, 23.0), 132.0, 92.0)
    rows = {"x": 38.0, "delta": 82.0, "kept": 134.0, "added": 192.0, "state": 258.0, "y": 328.0}
    left = 4.0
    words = {
        "x": "x",
        "delta": DELTA,
        "kept": f"exp({DELTA}a)",
        "added": f"{DELTA} b x",
        "state": "h",
        "y": "y",
    }
    told = {
        "x": "input",
        "delta": "step size",
        "kept": "kept of h",
        "added": "added to h",
        "state": "state",
        "y": "output",
    }
    muted = MUTED[current_scheme()]
    for name, top in rows.items():
        tall = 2 if name in ("kept", "added", "state") else 1
        middle = top + tall * cell[1] / 2
        if narrow:
            c.text(left, middle, words[name], ha="left", weight="bold")
        else:
            c.text(left, middle - 8, words[name], ha="left", weight="bold")
            c.text(left, middle + 9, told[name], ha="left", size=0.88, color=muted)
    takes = ("take", "skip", "mix", "replace")
    before = None
    for i in range(4):
        x = first + i * pitch
        c.text(x + cell[0] / 2, 14, takes[i], weight="bold")
        kept = torch.exp(STEP[i] * A[0])[:, None]
        added = (STEP[i] * B[i] * X[i])[:, None]
        c.matrix(x, rows["x"], X[i : i + 1, None], role="value", cell=cell, digits=0, most=9)
        c.matrix(x, rows["delta"], STEP[i : i + 1, None], role="query", cell=cell, digits=0, most=5)
        c.matrix(x, rows["kept"], kept, role="weights", cell=cell, digits=2, most=1)
        c.matrix(x, rows["added"], added, role="value", cell=cell, digits=0, most=10)
        state = c.matrix(x, rows["state"], states[i][:, None], role="key", cell=cell, digits=2, most=10)
        c.matrix(x, rows["y"], y[i : i + 1, None], role="value", cell=cell, digits=2, most=10)
        c.arrow((x + cell[0] / 2, rows["added"] + 2 * cell[1] + 2), (x + cell[0] / 2, rows["state"] - 2))
        c.arrow((x + cell[0] / 2, rows["state"] + 2 * cell[1] + 2), (x + cell[0] / 2, rows["y"] - 2))
        if before is not None:
            c.arrow((before.right[0] + 2, before.right[1]), (x - 2, state.left[1]), role="key")
        before = state
    if narrow:
        c.text(c.width / 2, 362, "kept \N{MULTIPLICATION SIGN} h before + added = h", size=0.95)
    return c.figure


def _part(n: int) -> tuple[Tensor, ...]:
    """The first n positions."""
    return X[None, :n, None], STEP[None, :n, None], A, B[None, :n], C[None, :n]


def hidden_matrix(delta: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The (n, n) matrix of one channel: what output i gets of input j. A column is the answer to one input alone."""
    n = delta.shape[0]
    x = torch.eye(n)[:, :, None]  # a sample for each input that is one, all others zero
    given = (each.expand(n, *each.shape) for each in (b, c))
    y, _ = selective_scan(x, delta.expand(n, n)[..., None], a, *given)
    return y[..., 0].T


def steps(narrow: bool = False) -> Figure:
    """The hidden matrix for small, middling and large steps, and for steps that depend on the token."""
    n, cell = 8, (11.0, 11.0) if narrow else (12.5, 12.5)
    a, one = torch.tensor([[-1.0]]), torch.ones(n, 1)
    selective = torch.tensor([1.5, 0.02, 0.02, 0.02, 4.0, 0.02, 0.02, 0.02])
    panels = (
        (f"{DELTA} = 0.1", torch.full((n,), 0.1), "keeps long"),
        (f"{DELTA} = 0.7", torch.full((n,), 0.7), "fades"),
        (f"{DELTA} = 4", torch.full((n,), 4.0), "forgets at once"),
        (f"{DELTA} by token", selective, "two tokens count"),
    )
    side = n * cell[0]
    gap = (c_width := 258.0 if narrow else 482.0) - (2 if narrow else 4) * side
    gap = gap / (2 if narrow else 4)
    c = Canvas(2 * (side + 62) if narrow else side + 60, narrow=narrow)
    assert c.width == c_width
    for number, (title, delta, words) in enumerate(panels):
        column, row = (number % 2, number // 2) if narrow else (number, 0)
        x, y = gap / 2 + column * (side + gap), 26 + row * (side + 62)
        matrix = hidden_matrix(delta, a, one, one)
        hidden = ~causal_mask(n).numpy()
        c.text(x + side / 2, y - 12, title, weight="bold")
        share = matrix / matrix.abs().amax()
        c.matrix(x, y, share, role="weights", cell=cell, digits=-1, most=1, hidden=hidden)
        c.text(x + side / 2, y + side + 13, words, size=0.95)
    return c.figure


def matrices(narrow: bool = False) -> Figure:
    """Attention weights beside the hidden matrices of two channels of a mixer that reads the same ten vectors."""
    torch.manual_seed(3)
    n, cell = 10, (10.4, 10.4) if narrow else (13.0, 13.0)
    x = torch.randn(1, n, 16)
    mixer = MambaMixer(16, d_state=4)
    nn.init.normal_(mixer.delta_proj.bias, mean=0.0, std=1.0)
    nn.init.normal_(mixer.delta_proj.weight, std=2.0)
    nn.init.normal_(mixer.x_proj.weight, std=0.5)
    seen: list[tuple[Tensor, ...]] = []

    def watch(*given: Tensor, **options: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(given[1:5])
        return selective_scan(*given, **options)  # pyright: ignore[reportArgumentType]

    mixer.scan = watch
    with torch.no_grad():
        mixer(x)
        delta, a, b, read = seen[0]
        of_channels = [hidden_matrix(delta[0, :, e], a[e : e + 1], b[0], read[0]) for e in (2, 9)]
        _, weights = scaled_dot_product_attention(x, x, x, causal_mask(n))
    side = n * cell[0]
    c = Canvas(2 * (side + 64) if narrow else side + 66, narrow=narrow)
    panels = (
        ("attention", weights[0], "rows sum to 1"),
        ("Mamba, channel 3", of_channels[0], "either sign"),
        ("Mamba, channel 10", of_channels[1], "another matrix"),
    )
    gap = (c.width - (2 if narrow else 3) * side) / (2 if narrow else 3)
    for number, (title, matrix, words) in enumerate(panels):
        column, row = (number % 2, number // 2) if narrow else (number, 0)
        x0, y0 = gap / 2 + column * (side + gap), 26 + row * (side + 64)
        c.text(x0 + side / 2, y0 - 12, title, weight="bold")
        most, hidden = float(matrix.abs().max()), ~causal_mask(n).numpy()
        c.matrix(x0, y0, matrix.clamp(min=0), role="weights", cell=cell, digits=-1, most=most, hidden=hidden)
        for i, j in (matrix < 0).nonzero().tolist():
            alpha = 0.1 + 0.62 * abs(float(matrix[i, j])) / most
            corner, fill = (x0 + j * cell[0], y0 + i * cell[1]), (*to_rgb(ink("key", fill=True)), alpha)
            c.ax.add_patch(Rectangle(corner, *cell, fc=fill, ec="none"))
        c.text(x0 + side / 2, y0 + side + 14, words, size=0.95)
    return c.figure


def cost(narrow: bool = False) -> Figure:
    """Time for a whole sequence and bytes kept for the next token, against the length; as measured."""
    figure = Figure(figsize=(3.58, 6.2) if narrow else (6.7, 3.3), layout="constrained")
    left, right = figure.subplots(2, 1) if narrow else figure.subplots(1, 2)
    for name, color, dashes in (("attention", "C1", "-"), ("Mamba", "C2", "--")):
        row = MEASURED["rows"][name]
        label = rf"{name}, $n^{{{row['slope_seconds']:.2f}}}$"
        milliseconds, kept = [1000 * s for s in row["seconds"]], [k / 1024 for k in row["kept"]]
        left.plot(row["n"], milliseconds, dashes, color=color, marker="o", ms=3, label=label)
        right.plot(row["n"], kept, dashes, color=color, marker="o", ms=3, label=name)
    left.set(title="a sequence of n: time, ms")
    right.set(title="the next token: KiB kept")
    for ax in (left, right):
        ax.set(xscale="log", yscale="log", xlabel="n")
        ax.set_xticks([256, 1024, 4096], ["256", "1024", "4096"])
        ax.minorticks_off()
        ax.legend()
    return figure
