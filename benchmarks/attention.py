"""Time of the reference over the time of the fast version: `python benchmarks/attention.py`.

Ratios only, of medians of interleaved runs in one process: both see the same machine in the same minute.
"""

import argparse
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import torch
from _runs import medians
from torch import Tensor
from torch.nn import functional

import attnref
from attnref.fast.additive import additive_attention as fast_additive
from attnref.fast.gru import GRU as FastGRU
from attnref.fast.lstm import LSTM as FastLSTM
from attnref.fast.rnn import RNN as FastRNN
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast_scaled
from attnref.fast.tiled import tiled_attention as fast_tiled

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def seconds(call: Callable[[], Tensor], training: bool) -> float:
    """One run, gradient included if asked for."""
    start = time.perf_counter()
    with torch.set_grad_enabled(training):
        output = call()
        if training:
            output.sum().backward()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def compare(name: str, first: Callable[[], Tensor], second: Callable[[], Tensor]) -> None:
    """Print the time of the first over that of the second, forward alone and with the backward pass."""
    ratios = []
    for training in (False, True):
        calls = {"first": lambda t=training: seconds(first, t), "second": lambda t=training: seconds(second, t)}
        times = medians(calls, runs=7, warm_up=2)
        ratios.append(times["first"] / times["second"])
    print(f"{name:52} {ratios[0]:10.2f} {ratios[1]:14.2f}", flush=True)


def leaf(*shape: int) -> Tensor:
    """A random tensor that requires its gradient."""
    return torch.randn(*shape, device=DEVICE, requires_grad=True)


def masks(n: int) -> tuple[tuple[Tensor | None, str], ...]:
    """None, and causal; each with its label in the table."""
    return (None, ""), (attnref.causal_mask(n, device=DEVICE), ", causal")


def scaled() -> None:
    """The reference against torch's fused kernel."""
    for n in (128, 512, 1024):
        q, k, v = (leaf(1, 8, n, 64) for _ in range(3))
        for mask, kind in masks(n):
            compare(
                f"scaled dot-product / fused, n={n}{kind}",
                lambda q=q, k=k, v=v, mask=mask: attnref.scaled_dot_product_attention(q, k, v, mask)[0],
                lambda q=q, k=k, v=v, mask=mask: fast_scaled(q, k, v, mask)[0],
            )


def causal() -> None:
    """A causal mask against torch's `is_causal`: alone, compiled, and in a block of the Transformer."""

    def told(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, None]:
        return functional.scaled_dot_product_attention(query, key, value, is_causal=True), None

    for n in (512, 1024, 2048):
        q, k, v = (leaf(2, 8, n, 64) for _ in range(3))
        x, mask = leaf(2, n, 512), attnref.causal_mask(n, device=DEVICE)
        ours, theirs = (attnref.EncoderBlock(512, 8, 2048, attend=attend).to(DEVICE) for attend in (fast_scaled, told))
        for kind, ready in (("", lambda call: call), (", compiled", torch.compile)):
            torch.compiler.reset()
            attends, blocks = [ready(attend) for attend in (fast_scaled, told)], [ready(ours), ready(theirs)]
            compare(
                f"fused, causal mask / is_causal, n={n}{kind}",
                lambda q=q, k=k, v=v, mask=mask, attends=attends: attends[0](q, k, v, mask)[0],
                lambda q=q, k=k, v=v, attends=attends: attends[1](q, k, v)[0],
            )
            compare(
                f"block, causal mask / is_causal, n={n}{kind}",
                lambda x=x, mask=mask, blocks=blocks: blocks[0](x, mask)[0],
                lambda x=x, blocks=blocks: blocks[1](x)[0],
            )


def tiled() -> None:
    """Attention that stores all scores, the tiled reference and the fused kernel against fast tiled attention."""
    others = {
        "scaled dot-product": attnref.scaled_dot_product_attention,
        "tiled, reference": attnref.tiled_attention,
        "fused": fast_scaled,
    }
    for n in (512, 2048):
        q, k, v = (leaf(1, 8, n, 64) for _ in range(3))
        for mask, kind in masks(n):
            for name, other in others.items():
                compare(
                    f"{name} / tiled, n={n}{kind}",
                    lambda q=q, k=k, v=v, mask=mask, other=other: other(q, k, v, mask)[0],
                    lambda q=q, k=k, v=v, mask=mask: fast_tiled(q, k, v, mask)[0],
                )


def heads() -> None:
    """Torch's module, and that of x-transformers where it is installed, against multi-head with the fused kernel."""
    ours = attnref.MultiHeadAttention(512, 8, attend=fast_scaled).to(DEVICE).eval()
    theirs = torch.nn.MultiheadAttention(512, 8, bias=False, batch_first=True).to(DEVICE).eval()
    for n in (128, 512, 1024):
        x = leaf(1, n, 512)
        attend = lambda x=x: ours(x, x, x)[0]  # noqa: E731
        compare(
            f"nn.MultiheadAttention / multi-head, n={n}", lambda x=x: theirs(x, x, x, need_weights=False)[0], attend
        )
        if find_spec("x_transformers"):
            flash = import_module("x_transformers.x_transformers").Attention(512, heads=8, flash=True).to(DEVICE).eval()
            compare(f"x-transformers, flash / multi-head, n={n}", lambda x=x, flash=flash: flash(x)[0], attend)


def additive() -> None:
    """All queries at once against blocks of queries."""
    for n in (32, 128, 512):
        q, k, v = (leaf(n, 64) for _ in range(3))
        weights = {"w_q": leaf(64, 64), "w_k": leaf(64, 64), "v_a": leaf(64)}
        compare(
            f"additive / additive in blocks, n={n}",
            lambda q=q, k=k, v=v, weights=weights: attnref.additive_attention(q, k, v, **weights)[0],
            lambda q=q, k=k, v=v, weights=weights: fast_additive(q, k, v, **weights)[0],
        )


def recurrent() -> None:
    """Loops over the positions against torch's kernels."""
    for batch, d_h in ((1, 64), (64, 128)):
        for slow, fast in ((attnref.RNN, FastRNN), (attnref.LSTM, FastLSTM), (attnref.GRU, FastGRU)):
            ours, theirs, x = slow(32, d_h).to(DEVICE), fast(32, d_h).to(DEVICE), leaf(batch, 128, 32)
            lengths = torch.linspace(1, 128, batch, device=DEVICE)[:, None]
            for mask, kind in ((None, ""), (torch.arange(128, device=DEVICE) < lengths, ", padded")):
                compare(
                    f"{slow.__name__} loop / kernel, n=128, batch={batch}, d_h={d_h}{kind}",
                    lambda ours=ours, x=x, mask=mask: ours(x, None, mask)[0],
                    lambda theirs=theirs, x=x, mask=mask: theirs(x, None, mask)[0],
                )


def main() -> None:
    """Print the table, or the parts of it that are named."""
    parts = {part.__name__: part for part in (scaled, causal, tiled, heads, additive, recurrent)}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(parts)} (default: all)")
    chosen = parser.parse_args().parts or list(parts)
    if unknown := [part for part in chosen if part not in parts]:
        parser.error(f"there is no part {unknown[0]!r}; the parts are {', '.join(parts)}")
    print(f"torch {torch.__version__}, {DEVICE}, {torch.get_num_threads()} threads; above 1 the second is faster")
    print(f"{'first / second':52} {'forward':>10} {'with backward':>14}")
    for part in chosen:
        parts[part]()


if __name__ == "__main__":
    main()
