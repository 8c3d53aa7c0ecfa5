"""What attention costs in time and memory as the input grows: `python benchmarks/cost.py`.

One sequence, one thread, no gradients. Times are medians of interleaved runs after one that does not count: on a CPU
the seconds that the processor spent on this program, on CUDA those between two events. Memory is the greatest sum of
bytes that tensors held at one moment, inputs left out: on a CPU added up from the allocations that torch.profiler
records, on CUDA as the allocator says. The table goes to the screen, the numbers to docs/figures/cost.json.
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
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import attnref
from attnref.fast.efficient import efficient_attention as fast_efficient
from attnref.fast.linear import causal_linear_attention as fast_causal_linear
from attnref.fast.linear import linear_attention as fast_linear
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fused
from attnref.fast.tiled import tiled_attention as fast_tiled

OUT = Path(__file__).parents[1] / "docs" / "figures" / "cost.json"
TAIL = 1024  # slopes are fitted from here on, where fixed costs have faded
SHORTEST = 0.01  # seconds that one measurement takes at least: short calls are repeated
Attend = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Any]]


def mechanisms(d: int, device: torch.device) -> dict[str, tuple[Attend, int]]:
    """What is measured, and up to which n."""
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
        "RNN": (lambda query, *_: rnn(query.flatten(0, 1)), 16384),  # heads are samples to it
    }


def seconds(call: Callable[[], object], device: torch.device, repeats: int) -> float:
    """One measurement, for one call."""
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


def most_bytes(call: Callable[[], object], device: torch.device) -> int:
    """The most that was held at one moment, beyond what was held before."""
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
    held = most = 0
    for event in sorted((e for e in recorded if e.name() == "[memory]"), key=lambda e: e.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Some builds of torch write a line to the error stream for each profile."""
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
    """From which n on the first takes less time than the second, interpolated; None if always, infinity if never."""
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
            for name, (attend, most) in mechanisms(d, device).items()
            if n <= most
        }
        held = {name: most_bytes(call, device) for name, call in calls.items()}  # warms up, too
        repeats = {name: max(1, round(SHORTEST / seconds(call, device, 1))) for name, call in calls.items()}
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(runs):
            for name, call in calls.items():
                times[name].append(seconds(call, device, repeats[name]))
        for name in calls:
            row = rows.setdefault(name, {"n": [], "seconds": [], "bytes": []})
            row["n"].append(n)
            row["seconds"].append(float(f"{statistics.median(times[name]):.3g}"))
            row["bytes"].append(held[name])
        print(f"n={n:<6}", "  ".join(f"{name} {rows[name]['seconds'][-1] * 1e3:.3g} ms" for name in calls), flush=True)
        n *= 2
    return rows


def memory(device: torch.device, heads: int, d: int, n: int) -> None:
    """Print the bytes that the exact forms hold at one length, without gradients and with them."""
    print(f"MiB beyond the inputs, n={n}, {heads} heads of width {d}, float32")
    print(f"{'':22}{'forward':>10}{'with backward':>15}")
    for name in ("naive", "tiled, reference", "tiled", "fused"):
        attend = mechanisms(d, device)[name][0]
        leaves = [torch.randn(1, heads, n, d, device=device, requires_grad=True) for _ in range(3)]

        def learn(attend: Attend = attend, leaves: list[Tensor] = leaves) -> object:
            return torch.autograd.grad(attend(*leaves)[0].sum(), leaves)

        with torch.no_grad():
            forward = most_bytes(lambda attend=attend, leaves=leaves: attend(*leaves), device)
        print(f"{name:22}{forward / 2**20:10.1f}{most_bytes(learn, device) / 2**20:15.1f}")


def main() -> None:
    """Measure, print the table, write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--width", type=int, default=64, help="of a head")
    parser.add_argument("--longest", type=int, default=65536, help="stop here")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--memory", type=int, metavar="N", help="print the memory of the exact forms at n=N, no more")
    parser.add_argument("--out", type=Path, help="instead of the file above, which is for the usual settings alone")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    device = torch.device(given.device)
    if given.memory:
        memory(device, given.heads, given.width, given.memory)
        return
    with torch.no_grad():
        rows = measure(device, given.heads, given.width, given.longest, given.runs)
    for row in rows.values():
        enough = sum(n >= TAIL for n in row["n"]) > 1
        row["slope_seconds"], row["slope_bytes"] = (
            round(slope(row["n"], row[what]), 2) if enough else None for what in ("seconds", "bytes")
        )
    pairs = [(a, b) for a in ("efficient", "linear", "linear, causal") for b in ("naive", "fused")]
    crossovers = {f"{a} / {b}": crossover(rows[a], rows[b]) for a, b in pairs}

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    told = {
        "torch": torch.__version__,
        "device": f"{device.type}, {name}",
        "threads": torch.get_num_threads(),
        "allocator": "torch's, CUDA" if device.type == "cuda" else os.environ.get("LD_PRELOAD") or _libc(),
        "dtype": "float32",
        "heads": given.heads,
        "width": given.width,
        "runs": given.runs,
        "slopes from n": TAIL,
    }
    print(", ".join(f"{what} {value}" for what, value in told.items()))
    print(f"{'':22}{'at n':>7}{'ms':>10}{'MiB':>10}{'time ~ n^':>11}{'memory ~ n^':>13}")
    for name, row in rows.items():
        print(
            f"{name:22}{row['n'][-1]:7}{row['seconds'][-1] * 1e3:10.1f}{row['bytes'][-1] / 2**20:10.2f}"
            f"{row['slope_seconds'] or math.nan:11.2f}{row['slope_bytes'] or math.nan:13.2f}"
        )
    for pair, n in crossovers.items():
        print(f"{pair}: {_when(n)}")
    crossovers = {pair: None if n is None or math.isinf(n) else round(n) for pair, n in crossovers.items()}
    usual = all(getattr(given, name) == parser.get_default(name) for name in ("heads", "width", "longest", "runs"))
    if out := given.out or (OUT if usual else None):
        text = json.dumps({**told, "rows": rows, "crossover": crossovers}, indent=1)
        out.write_text(text + "\n", encoding="utf-8")


def _when(n: float | None) -> str:
    if n is None:
        return "faster at every n measured"
    return "not faster at the longest" if math.isinf(n) else f"faster from n = {n:.0f}"


def _libc() -> str:
    return " ".join(part for part in platform.libc_ver() if part) or "the system's"


if __name__ == "__main__":
    main()
