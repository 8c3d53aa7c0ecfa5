"""BERT: from three embeddings to a masked word, which tokens the masking chooses, and what the right side adds."""

from functools import cache
from typing import NamedTuple

import torch
from _kit import Block, Canvas, Role, ink, number
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from attnref import EncoderBlock, causal_mask, scaled_dot_product_attention
from attnref.models import BERT, BERTPretraining, mask_tokens
from attnref.plot.styles import FAINT, MUTED, current_scheme

WORDS = ("[CLS]", "[SEP]", "[MASK]", "she", "drinks", "reads", "milk", "books", "tasty")
TEXT, SEGMENTS, AT = ("[CLS]", "she", "[MASK]", "milk", "[SEP]", "tasty", "[SEP]"), (0, 0, 0, 0, 0, 1, 1), 2
TOKENS = (
    (0, 1, 1, 1), (0, 0, 0, 2), (0, 2, 2, 0), (-2, -2, -2, 1), (2, -1, 2, -2),
    (2, 2, -1, -2), (0, 0, 1, -1), (0, 1, 0, -1), (0, -1, 0, 1),
)  # fmt: skip
POSITIONS = ((0, 0, 0, 1), (0, 0, 0, 1), (1, -1, -1, 0), (1, 0, 0, 0), (0, 0, 0, 1), (-1, 0, 0, 0), (-1, 0, 0, 1))
OF_SEGMENTS = ((0, 0, 0, 0), (0, 0, 0, 1))
SENTENCE = ("the", "cat", "sat", "on", "the", "mat")
FATES: tuple[tuple[str, Role], ...] = (("masked", "weights"), ("random", "key"), ("left as it is", "value"))


class _Reading(NamedTuple):
    """What the small BERT makes of the text."""

    embedded: Tensor  # (n, d_model)
    weights: Tensor  # (n, n)
    probabilities: Tensor  # (vocab_size,), of the masked token


@cache
@torch.no_grad()
def _read(causal: bool) -> _Reading:
    """The example that the page computes by hand, under a causal mask or without."""

    def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return scaled_dot_product_attention(query, key, value, causal_mask(query.shape[-2]) if causal else mask)

    bert = BERT(len(WORDS), d_model=4, num_heads=1, d_ff=1, num_layers=1, max_positions=7, attend=attend)
    model = BERTPretraining(bert).double()
    embed, block = model.bert.embed, model.bert.encoder.layers[0]
    for part, rows in ((embed.tokens, TOKENS), (embed.positions, POSITIONS), (embed.segments, OF_SEGMENTS)):
        part.weight.copy_(torch.tensor(rows))
    assert isinstance(block, EncoderBlock)
    attention = block.self_attention
    for part in (attention.query_proj, attention.key_proj, attention.value_proj, attention.output_proj):
        nn.init.eye_(part.weight)
    nn.init.zeros_(block.feed_forward.output_proj.weight)
    nn.init.eye_(model.head.proj.weight)
    tokens, segments = torch.tensor([[WORDS.index(word) for word in TEXT]]), torch.tensor([SEGMENTS])
    scores = model(tokens, segments, return_weights=True)
    assert scores.weights is not None
    return _Reading(embed(tokens, segments)[0], scores.weights[0][0, 0], scores.token_logits[0, AT].softmax(-1))


def mechanism(narrow: bool = False) -> Figure:
    """Three embeddings are added and normalized; each token attends to both sides; the masked one is predicted."""
    c = Canvas(676 if narrow else 512, narrow=narrow)
    bottom = _sum(c, 12)
    bottom = _attention(c, bottom + 30)
    _prediction(c, bottom + 30)
    return c.figure


def _sum(c: Canvas, y: float) -> float:
    """Step 1: the three tables, and their normalized sum."""
    reading, narrow = _read(False), c.narrow
    c.step(1, 0, y, "add three vectors for each token, normalize")
    parts = (
        ("token", torch.tensor([TOKENS[WORDS.index(word)] for word in TEXT]), 0),
        ("position", torch.tensor(POSITIONS), 0),
        ("segment", torch.tensor([OF_SEGMENTS[s] for s in SEGMENTS]), 0),
        ("normalized", reading.embedded, 1),
    )
    cell = (22.0, 14.0) if narrow else (23.0, 16.0)
    left, gap, top = (44.0, 18.0, y + 36) if narrow else (52.0, 17.0, y + 42)
    x, block = left, Block(0, 0, 0, 0)
    for i, (name, cells, digits) in enumerate(parts):
        if narrow and i == 2:
            x, top = left, top + 7 * cell[1] + 36
        labels = TEXT if i == 0 or (narrow and i == 2) else ()
        role: Role = "query" if name == "normalized" else "plain"
        block = c.matrix(x, top, cells, cell=cell, digits=digits, rows=labels, role=role, name=name, most=4.0)
        at = (left - 12, top - 0.4 * c.size) if narrow and i == 2 else (x - gap / 2, block.middle[1])
        c.text(*at, ("", "+", "+", "=")[i], size=1.1, color=MUTED[current_scheme()])
        x += block.w + gap
    return block.y + block.h


def _attention(c: Canvas, y: float) -> float:
    """Step 2: the weights with which the masked token attends to every token, as lines of their thickness."""
    reading = _read(False)
    c.step(2, 0, y, "encode: every token attends to both sides")
    wide, n = c.width / len(TEXT), len(TEXT)
    above, below = y + 24, y + 100
    for j, (word, weight) in enumerate(zip(TEXT, reading.weights[AT].tolist(), strict=True)):
        x = (j + 0.5) * wide
        target, box = (AT + 0.5) * wide + (j - AT) * 4, (j * wide + 2, below, wide - 4, 20)
        middle = (above + 20 + below) / 2
        c.curve(
            [(x, below), (x, middle), (target, middle), (target, above + 20)], role="weights", width=0.8 + 9 * weight
        )
        c.box(*box, word, role="key", size=0.9)
        c.text(x, below + 31, f"{weight:.2f}", role="weights", size=0.9)
    c.box(AT * wide + 2, above, wide - 4, 20, "[MASK]", role="query", size=0.9)
    c.text((AT + 1) * wide + 8, above + 10, "its vector, from all seven", ha="left", size=0.9)
    assert n == 7
    return below + 34


def _prediction(c: Canvas, y: float) -> None:
    """Step 3: the probability of each word; beside it, what becomes of the class token."""
    c.step(3, 0, y, "predict: compare its vector with every word's")
    probabilities = _read(False).probabilities.tolist()
    _bars(c, 0, y + 16, probabilities, c.width if c.narrow else 268)
    x, top, wide = (2.0, y + 148, 42) if c.narrow else (300.0, y + 22, 60)
    box = c.box(x, top, wide, 20, "[CLS]", role="query", size=0.9)
    pooler = c.box(x + wide + 22, top, 70 if c.narrow else 92, 20, "pooler: tanh", size=0.9)
    c.arrow(box.right, pooler.left)
    at, shift = (pooler.right[0] + 68, -24) if c.narrow else (pooler.middle[0], 34)
    c.arrow(*(pooler.right, (pooler.right[0] + 16, top + 10)) if c.narrow else (pooler.bottom, (at, top + 44)))
    for line, said in enumerate(("does the second text", "follow the first?")):
        c.text(at, top + 20 + shift + 16 * line + (6 if c.narrow else 0), said, size=0.9)


def _bars(c: Canvas, x: float, y: float, probabilities: list[float], wide: float) -> None:
    """One word a row: its name, a bar, its probability."""
    tall, left = (13.0 if c.narrow else 14.0), x + 48
    for i, (word, probability) in enumerate(zip(WORDS, probabilities, strict=True)):
        middle, bold = y + (i + 0.5) * tall, "bold" if probability > 0.5 else "normal"
        c.text(left - 5, middle, word, ha="right", size=0.88, weight=bold)
        most = wide - 48 - 34
        fill = (*to_rgb(ink("value", fill=True)), 0.75)
        c.ax.add_patch(Rectangle((left, middle - 4.5), max(1.0, most * probability), 9, fc=fill, ec="none"))
        c.text(left + max(1.0, most * probability) + 5, middle, f"{probability:.2f}", ha="left", size=0.88, weight=bold)


def masking(narrow: bool = False) -> Figure:
    """One sentence, masked anew sixteen times; and what becomes of a hundred thousand tokens."""
    generator, vocabulary = torch.Generator().manual_seed(0), (*dict.fromkeys(SENTENCE), "[MASK]")
    tokens = torch.tensor([[vocabulary.index(word) for word in SENTENCE]] * 16)
    new, chosen = mask_tokens(tokens, mask_token=5, vocab_size=6, generator=generator)
    c, tall = Canvas(392, narrow=narrow), 18.0
    wide = c.width / len(SENTENCE)
    for i, row in enumerate(new.tolist()):
        for j, token in enumerate(row):
            x, y = j * wide + 1.5, 4 + i * tall
            if not chosen[i, j]:
                c.text(x + wide / 2, y + tall / 2, vocabulary[token], size=0.95, color=MUTED[current_scheme()])
                continue
            fate = 0 if token == 5 else 2 if token == tokens[i, j] else 1
            c.box(x + 1, y + 1.5, wide - 5, tall - 3, vocabulary[token], role=FATES[fate][1], size=0.95)
    _shares(c, 4 + 16 * tall + 18)
    return c.figure


def _shares(c: Canvas, y: float) -> None:
    """How many of a hundred thousand tokens are chosen, and what becomes of them."""
    many = torch.randint(6, 30_000, (1_000, 100), generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(0)
    new, chosen = mask_tokens(many, mask_token=5, vocab_size=30_000, generator=generator)
    masked, same = chosen & (new == 5), chosen & (new == many)
    counts = [int(part.sum()) for part in (~chosen, masked, chosen & ~masked & ~same, same)]
    shares = [count / many.numel() for count in counts]
    c.text(0, y, "of 100,000 tokens:", ha="left", weight="bold", size=0.95)
    rows: list[tuple[str, Role]] = [("not chosen", "plain"), *FATES]
    high, left, room = 15.0, 84.0, c.width - 84 - 44
    for i, ((name, role), share) in enumerate(zip(rows, shares, strict=True)):
        middle = y + 18 + i * high
        c.text(left - 6, middle, name, ha="right", size=0.9, role=role)
        fill = (*to_rgb(ink(role, fill=True)), 0.75 if role != "plain" else 0.35)
        c.ax.add_patch(Rectangle((left, middle - 4.5), room * share, 9, fc=fill, ec="none"))
        c.text(left + room * share + 5, middle, f"{100 * share:.1f}%", ha="left", size=0.9)


def sides(narrow: bool = False) -> Figure:
    """Who may attend to whom, from the left alone and from both sides, and what is then predicted."""
    c = Canvas(470 if narrow else 246, narrow=narrow)
    for number_of, causal in enumerate((True, False)):
        x = 0.0 if narrow else number_of * (c.width / 2 + 6)
        y = 12.0 + (236 * number_of if narrow else 0)
        _panel(c, x, y, causal)
    return c.figure


def _panel(c: Canvas, x: float, y: float, causal: bool) -> None:
    """A mask with its tokens, and two bars under it."""
    mask = causal_mask(7) if causal else torch.ones(7, 7, dtype=torch.bool)
    reading, cell, left = _read(causal), 17.0, x + 50
    title = "from the left alone (causal)" if causal else "from both sides (BERT)"
    c.text(left + 3.5 * cell, y, title, weight="bold", size=0.95)
    top = y + 52
    for i, word in enumerate(TEXT):
        c.text(left - 5, top + (i + 0.5) * cell, word, ha="right", size=0.85, role="query" if i == AT else "plain")
        c.text(left + (i + 0.5) * cell, top - 4, word, size=0.8, rotation=90, va="bottom")
        for j in range(7):
            fill = (*to_rgb(ink("weights", fill=True)), 0.62 if mask[i, j] else 0.0)
            corner = (left + j * cell, top + i * cell)
            c.ax.add_patch(Rectangle(corner, cell, cell, fc=fill, ec=FAINT[current_scheme()], lw=0.6))
    frame = Rectangle((left, top + AT * cell), 7 * cell, cell, fc="none", ec=ink("query"), lw=1.6)
    c.ax.add_patch(frame)
    for i, word in enumerate(("drinks", "reads")):
        probability, middle = reading.probabilities[WORDS.index(word)].item(), top + 7 * cell + 18 + 17 * i
        c.text(left - 5, middle, word, ha="right", size=0.9)
        fill = (*to_rgb(ink("value", fill=True)), 0.75)
        c.ax.add_patch(Rectangle((left, middle - 5), 7 * cell * probability, 10, fc=fill, ec="none"))
        c.text(left + 7 * cell * probability + 5, middle, number(probability, 2), ha="left", size=0.9)
