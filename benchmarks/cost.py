"""Time and memory of attention as the input grows: `python benchmarks/cost.py`.

One sequence, one thread, no gradients. Times are medians of interleaved runs after a warm-up: on a CPU the seconds of
CPU time, on CUDA those between two events. Memory is the peak of the bytes in tensors, without the inputs: on a CPU the
sum of the allocations that torch.profiler records, on CUDA the allocator's own number. The table is printed, and its
numbers are written to docs/figures/cost.json.
"""

import argparse
import contextlib
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from _runs import FIGURES, medians
from torch import Tensor

import attnref
from attnref.fast.efficient import efficient_attention as fast_efficient
from attnref.fast.linear import causal_linear_attention as fast_causal_linear
from attnref.fast.linear import linear_attention as fast_linear
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fused
from attnref.fast.tiled import tiled_attention as fast_tiled

OUT = FIGURES / "cost.json"
TAIL = 1024  # slopes are fitted from this length on, where fixed costs no longer matter
SHORTEST = 0.01  # seconds: shorter calls are repeated until a measurement takes as long
Attend = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Any]]


def mechanisms(d: int, device: torch.device) -> dict[str, tuple[Attend, int]]:
    """The mechanisms, and the largest n at which each is measured."""
    rnn = attnref.RNN(d, d).to(device)
    return {
        "naive": (attnref.scaled_dot_product_attention, 8192),
        "tiled, reference": (attnref.tiled_attention, 16384),
        "tiled": (fast_tiled, 16384),
        "fused": (fused, 16384),
        "efficient, reference": (attnref.efficient_attention, 65536),
        "efficient": (fast_efficient, 65536),
        "linear": (fast_linear, 65536),
        "linear, causal": (fast_causal_linear, 65536),
        "RNN": (lambda query, *_: rnn(query.flatten(0, 1)), 16384),  # each head is a sequence of the batch
    }


def seconds(call: Callable[[], object], device: torch.device, repeats: int) -> float:
    """One measurement: seconds for each call."""
    if device.type == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(repeats):
            call()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / 1000 / repeats
    begun = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - begun) / repeats


def peak_bytes(call: Callable[[], object], device: torch.device) -> int:
    """Peak of the bytes in tensors during a call, beyond those before it."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with (
        _quiet(),
        torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile,
    ):
        result = call()
    del result
    recorded: list[Any] = profile.profiler.kineto_results.events()  # pyright: ignore[reportOptionalMemberAccess]
    held = peak = 0
    for event in sorted((e for e in recorded if e.name() == "[memory]"), key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Some builds of torch write a line to stderr for each profile."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def slope(ns: list[int], measured: list[float]) -> float:
    """The exponent p of measured = c n^p, by least squares on the logarithms of the tail."""
    points = [(math.log(n), math.log(m)) for n, m in zip(ns, measured, strict=True) if n >= TAIL]
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def crossover(first: dict[str, Any], second: dict[str, Any]) -> float | None:
    """The n from which the first takes less time than the second, interpolated; None if always, infinity if never."""
    both = [n for n in first["n"] if n in second["n"]]
    lead = [math.log(first["seconds"][first["n"].index(n)] / second["seconds"][second["n"].index(n)]) for n in both]
    if lead[-1] >= 0:
        return math.inf
    last = max((i for i, value in enumerate(lead) if value >= 0), default=None)
    if last is None:
        return None
    share = lead[last] / (lead[last] - lead[last + 1])
    return math.exp(math.log(both[last]) + share * math.log(both[last + 1] / both[last]))


def measure(device: torch.device, heads: int, d: int, longest: int, runs: int) -> dict[str, dict[str, Any]]:
    """Seconds and bytes of every mechanism at every n."""
    rows: dict[str, dict[str, Any]] = {}
    n = 128
    while n <= longest:
        query, key, value = (torch.randn(1, heads, n, d, device=device) for _ in range(3))
        calls = {
            name: lambda attend=attend: attend(query, key, value)  # noqa: B023 - called before the next n
            for name, (attend, largest) in mechanisms(d, device).items()
            if n <= largest
        }
        peaks = {name: peak_bytes(call, device) for name, call in calls.items()}  # warms up, too
        repeats = {name: max(1, round(SHORTEST / seconds(call, device, 1))) for name, call in calls.items()}
        times = medians({name: partial(seconds, calls[name], device, repeats[name]) for name in calls}, runs)
        for name in calls:
            row = rows.setdefault(name, {"n": [], "seconds": [], "bytes": []})
            row["n"].append(n)
            row["seconds"].append(float(f"{times[name]:.3g}"))
            row["bytes"].append(peaks[name])
        print(f"n={n:<6}", "  ".join(f"{name} {rows[name]['seconds'][-1] * 1e3:.3g} ms" for name in calls), flush=True)
        n *= 2
    return rows


def memory(device: torch.device, heads: int, d: int, n: int) -> None:
    """Print the peak memory of exact attention at one length, without gradients and with them."""
    print(f"MiB beyond the inputs, n={n}, {heads} heads of dimension {d}, float32")
    print(f"{'':22}{'forward':>10}{'with backward':>15}")
    for name in ("naive", "tiled, reference", "tiled", "fused"):
        attend = mechanisms(d, device)[name][0]
        leaves = [torch.randn(1, heads, n, d, device=device, requires_grad=True) for _ in range(3)]

        def learn(attend: Attend = attend, leaves: list[Tensor] = leaves) -> object:
            return torch.autograd.grad(attend(*leaves)[0].sum(), leaves)

        with torch.no_grad():
            forward = peak_bytes(lambda attend=attend, leaves=leaves: attend(*leaves), device)
        print(f"{name:22}{forward / 2**20:10.1f}{peak_bytes(learn, device) / 2**20:15.1f}")


def main() -> None:
    """Measure, print the table, write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--head-dim", type=int, default=64)
    parser.add_argument("--longest", type=int, default=65536, help="the largest n")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--memory", type=int, metavar="N", help="print only the memory of exact attention, at n=N")
    parser.add_argument("--out", type=Path, help="default: the file above, for the default settings")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    device = torch.device(given.device)
    if given.memory:
        memory(device, given.heads, given.head_dim, given.memory)
        return
    with torch.no_grad():
        rows = measure(device, given.heads, given.head_dim, given.longest, given.runs)
    for row in rows.values():
        enough = sum(n >= TAIL for n in row["n"]) > 1
        row["slope_seconds"], row["slope_bytes"] = (
            round(slope(row["n"], row[what]), 2) if enough else None for what in ("seconds", "bytes")
        )
    pairs = [(a, b) for a in ("efficient", "linear", "linear, causal") for b in ("naive", "fused")]
    crossovers = {f"{a} / {b}": crossover(rows[a], rows[b]) for a, b in pairs}

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    settings = {
        "torch": torch.__version__,
        "device": f"{device.type}, {name}",
        "threads": torch.get_num_threads(),
        "allocator": "torch's, CUDA" if device.type == "cuda" else os.environ.get("LD_PRELOAD") or _libc(),
        "dtype": "float32",
        "heads": given.heads,
        "head_dim": given.head_dim,
        "runs": given.runs,
        "slopes from n": TAIL,
    }
    print(", ".join(f"{what} {value}" for what, value in settings.items()))
    print(f"{'':22}{'at n':>7}{'ms':>10}{'MiB':>10}{'time ~ n^':>11}{'memory ~ n^':>13}")
    for name, row in rows.items():
        print(
            f"{name:22}{row['n'][-1]:7}{row['seconds'][-1] * 1e3:10.1f}{row['bytes'][-1] / 2**20:10.2f}"
            f"{row['slope_seconds'] or math.nan:11.2f}{row['slope_bytes'] or math.nan:13.2f}"
        )
    for pair, n in crossovers.items():
        print(f"{pair}: {_when(n)}")
    crossovers = {pair: None if n is None or math.isinf(n) else round(n) for pair, n in crossovers.items()}
    default = all(getattr(given, name) == parser.get_default(name) for name in ("heads", "head_dim", "longest", "runs"))
    if out := given.out or (OUT if default else None):
        text = json.dumps({**settings, "rows": rows, "crossover": crossovers}, indent=1)
        out.write_text(text + "\n", encoding="utf-8")


def _when(n: float | None) -> str:
    if n is None:
        return "faster at every n measured"
    return "not faster at the longest" if math.isinf(n) else f"faster from n = {n:.0f}"


def _libc() -> str:
    return " ".join(part for part in platform.libc_ver() if part) or "the system's"


if __name__ == "__main__":
    main()
