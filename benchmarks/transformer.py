"""Where the time of a Transformer goes, and what a KV cache saves: `python benchmarks/transformer.py`.

One thread, no gradients, weights as they are drawn, the fast attention inside. Times are medians of several runs after
a warm-up: on a CPU the seconds of CPU time, on CUDA those of the clock after it has finished. The tables are printed,
and their numbers are written to docs/figures/transformer_cost.json.
"""

import argparse
import json
import platform
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch
from _runs import FIGURES
from torch import nn

from attnref import DecoderOnlyTransformer, FeedForward, MultiHeadAttention, Transformer, generate
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fused
from attnref.tasks import device

OUT = FIGURES / "transformer_cost.json"
BASE: dict[str, Any] = {"d_model": 512, "num_heads": 8, "d_ff": 2048, "num_layers": 6}  # the paper's base model
VOCAB = 37000
LENGTHS = (32, 128, 512, 2048)
SMALL: dict[str, Any] = {"d_model": 256, "num_heads": 4, "d_ff": 1024, "num_layers": 6}
WRITTEN = (64, 128, 256, 512, 1024)


def now() -> float:
    """Seconds: of CPU time, or of the clock once CUDA has finished."""
    if device().type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


@contextmanager
def timed(model: Transformer, spent: dict[str, float]) -> Iterator[None]:
    """While it lasts, the seconds inside of each part are added up."""
    begun: dict[nn.Module, float] = {}
    hooks = []
    for module in model.modules():
        if module is model.output_proj:
            part = "output layer"
        elif isinstance(module, MultiHeadAttention):
            part = "attention"
        elif isinstance(module, FeedForward):
            part = "feed-forward"
        elif isinstance(module, nn.LayerNorm):
            part = "layer normalization"
        else:
            continue

        def start(module: nn.Module, _: object) -> None:
            begun[module] = now()

        def stop(module: nn.Module, _args: object, _out: object, part: str = part) -> None:
            spent[part] += now() - begun[module]

        hooks += [module.register_forward_pre_hook(start), module.register_forward_hook(stop)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def shares(runs: int) -> dict[str, list[float]]:
    """Seconds of each part of the base model, for source and target of n tokens."""
    torch.manual_seed(0)
    model = Transformer(VOCAB, VOCAB, **BASE, attend=fused).to(device()).eval()
    table: dict[str, list[float]] = defaultdict(list)
    for n in LENGTHS:
        tokens = torch.randint(VOCAB, (1, n), device=device())
        found: dict[str, list[float]] = defaultdict(list)
        for run in range(1 + runs):
            spent: dict[str, float] = defaultdict(float)
            with timed(model, spent), torch.no_grad():
                begun = now()
                logits, _ = model(tokens, tokens)
                softmax = now()
                logits.softmax(-1)
                spent["softmax over the vocabulary"] = now() - softmax
                spent["all"] = now() - begun
            if run:
                for part, seconds in spent.items():
                    found[part].append(seconds)
        for part, seconds in found.items():
            table[part].append(median(seconds))
    return dict(table)


def decoding(runs: int) -> dict[str, dict[str, list[float]]]:
    """Tokens per second of a small decoder-only model that writes n tokens, with and without a cache."""
    torch.manual_seed(0)
    model = DecoderOnlyTransformer(1000, **SMALL, attend=fused).to(device()).eval()
    rates: dict[str, dict[str, list[float]]] = {}
    for batch in (1, 8):
        prompt = torch.zeros(batch, 1, dtype=torch.long, device=device())
        rates[str(batch)] = {"with": [], "without": []}
        for n in WRITTEN if batch == 1 else WRITTEN[:-1]:
            for how, cache in (("with", True), ("without", False)):
                seconds = []
                for run in range(1 + runs if cache else 1):
                    begun = now()
                    generate(model.start(capacity=n, cache=cache), prompt, max_new_tokens=n)
                    if run or not cache:
                        seconds.append(now() - begun)
                rates[str(batch)][how].append(batch * n / median(seconds))
    return rates


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="measurements of each (default: 5)")
    runs = parser.parse_args().runs
    torch.set_num_threads(1)
    parts, rates = shares(runs), decoding(runs)
    print(f"{'seconds, n =':28}" + "".join(f"{n:>10}" for n in LENGTHS))
    for part, seconds in parts.items():
        print(f"{part:28}" + "".join(f"{s:>10.4f}" for s in seconds))
    for batch, found in rates.items():
        for how, each in found.items():
            print(f"tokens/s, batch {batch}, {how:8}" + "".join(f"{rate:>10.0f}" for rate in each))
    round3 = {part: [float(f"{s:.3g}") for s in seconds] for part, seconds in parts.items()}
    rounded = {b: {how: [float(f"{r:.3g}") for r in each] for how, each in found.items()} for b, found in rates.items()}
    content = {
        "command": "python benchmarks/transformer.py",
        "torch": torch.__version__,
        "device": f"{device()}, {platform.machine()}",
        "threads": 1,
        "runs": runs,
        "base": {**BASE, "vocab_size": VOCAB, "batch": 1},
        "lengths": LENGTHS,
        "seconds": round3,
        "small": {**SMALL, "vocab_size": 1000},
        "written": WRITTEN,
        "tokens per second": rounded,
    }
    OUT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
