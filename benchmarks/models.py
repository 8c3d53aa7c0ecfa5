"""Time of attnref's BERT and ViT with the fast attention over Hugging Face's: `python benchmarks/models.py`.

The same weights, in the sizes of the base models but for the number of layers. Ratios only, of medians of interleaved
runs in one process and one thread; the time is that of the processor, so that other work on the machine counts little.
"""

import argparse
import importlib
import json
import time
from collections.abc import Callable
from typing import Any

import torch
from _runs import FIGURES, medians
from torch import Tensor

from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast_attention
from attnref.interop import from_hugging_face

transformers: Any = importlib.import_module("transformers")
BASE = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072, "num_hidden_layers": 2}
BATCH, N = 4, 128
Call = Callable[[], Tensor]


def texts(padded: bool) -> tuple[Any, Any, Call, Call]:
    """Two BERTs on the same texts, half of which end early if they are padded."""
    theirs = transformers.BertModel(transformers.BertConfig(**BASE))
    ours = from_hugging_face(theirs.eval(), attend=fast_attention)
    tokens, token_mask = torch.randint(1, 30000, (BATCH, N)), torch.ones(BATCH, N, dtype=torch.bool)
    token_mask[BATCH // 2 :, N // 2 :] = False
    if not padded:
        return theirs, ours, lambda: theirs(tokens).last_hidden_state, lambda: ours(tokens)[0]
    numbers = token_mask.long()
    return (
        theirs,
        ours,
        lambda: theirs(tokens, attention_mask=numbers).last_hidden_state[token_mask],
        lambda: ours(tokens, token_mask=token_mask)[0][token_mask],
    )


def images() -> tuple[Any, Any, Call, Call]:
    """Two ViTs on the same images: 196 patches and the class token."""
    theirs = transformers.ViTForImageClassification(transformers.ViTConfig(**BASE, num_labels=1000))
    ours = from_hugging_face(theirs.eval(), attend=fast_attention)
    pixels = torch.randn(BATCH, 3, 224, 224)
    return theirs, ours, lambda: theirs(pixels).logits, lambda: ours(pixels)[0]


def seconds(call: Call, training: bool) -> float:
    """One run, with its gradient if asked for."""
    start = time.process_time()
    with torch.set_grad_enabled(training):
        output = call()
        if training:
            output.sum().backward()
    return time.process_time() - start


def ratio(made: tuple[Any, Any, Call, Call], training: bool, runs: int) -> float:
    """Time of ours over theirs. Both have seen the same numbers before it counts."""
    theirs, ours, first, second = made
    with torch.no_grad():
        torch.testing.assert_close(second(), first(), rtol=1e-3, atol=1e-3)
    times = medians({"theirs": lambda: seconds(first, training), "ours": lambda: seconds(second, training)}, runs, 2)
    for model in (theirs, ours):
        model.zero_grad()
    return times["ours"] / times["theirs"]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="measurements of each (default: 7)")
    runs = parser.parse_args().runs
    torch.manual_seed(0)
    torch.set_num_threads(1)
    cases: dict[str, Callable[[], tuple[Any, Any, Call, Call]]] = {
        f"BERT, {BATCH} x {N} tokens": lambda: texts(padded=False),
        f"BERT, {BATCH} x {N} tokens, a quarter padding": lambda: texts(padded=True),
        f"ViT, {BATCH} x 197 tokens": images,
    }
    rows = {}
    for name, make in cases.items():
        made = make()
        rows[name] = {way: round(ratio(made, way == "training", runs), 3) for way in ("inference", "training")}
        print(f"{name:48}" + "".join(f"{way} {value:.2f}  " for way, value in rows[name].items()), flush=True)
    about = {"command": "python benchmarks/models.py", "torch": torch.__version__.split("+")[0]}
    about |= {"transformers": transformers.__version__, "runs": runs, "sizes": BASE, "ours over theirs": rows}
    (FIGURES / "models_speed.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
