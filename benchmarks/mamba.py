"""What a selective scan costs beside attention and beside Hugging Face's Mamba: `python benchmarks/mamba.py`.

One thread, weights as they are drawn, medians of runs that take turns; the time is that of the processor, the memory
the peak of the bytes in tensors. First one sublayer of each kind reads sequences of growing length without gradients: a
Mamba mixer with the fast scan, and causal self-attention with the fused kernel. Then one token more is read after n
others. Then the scan and the training of a mixer are held to those of transformers without its kernels. The tables are
printed, and their numbers are written to docs/figures/mamba.json.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from _runs import FIGURES, medians
from cost import peak_bytes, slope  # pyright: ignore[reportAttributeAccessIssue]
from torch import Tensor
from transformers.models.mamba import modeling_mamba
from transformers.models.mamba.configuration_mamba import MambaConfig

from attnref import MultiHeadAttention, causal_mask
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fused
from attnref.fast.selective_scan import selective_scan
from attnref.models import MambaMixer

D_MODEL, HEADS, D_STATE, KERNEL = 64, 4, 16, 4
LENGTHS = [256, 512, 1024, 2048, 4096, 8192]
SCAN = {"batch": 4, "channels": 256, "d_state": 16}


def seconds(call: Callable[[], object], repeats: int = 1) -> float:
    """Of the processor, for one call."""
    begun = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - begun) / repeats


def sublayers(runs: int) -> dict[str, dict[str, Any]]:
    """Seconds of each sublayer for each length, whole and for one token more, and the bytes that it keeps for that."""
    torch.manual_seed(0)
    mixer = MambaMixer(D_MODEL, d_state=D_STATE, kernel=KERNEL, scan=selective_scan)
    attention = MultiHeadAttention(D_MODEL, HEADS, attend=fused)
    rows: dict[str, dict[str, Any]] = {
        name: {"n": LENGTHS, "seconds": [], "step": [], "kept": []} for name in ("Mamba", "attention")
    }
    for n in LENGTHS:
        x, token = torch.randn(1, n, D_MODEL), torch.randn(1, 1, D_MODEL)
        mask = causal_mask(n)
        _, state = mixer(x)
        key, value = (torch.randn(1, HEADS, n, D_MODEL // HEADS) for _ in range(2))
        whole = {"Mamba": lambda x=x: mixer(x), "attention": lambda x=x, mask=mask: attention(x, x, x, mask)}
        step = {
            "Mamba": lambda token=token, state=state: mixer(token, state),
            "attention": lambda token=token, key=key, value=value: _one_more(attention, token, key, value),
        }
        kept = {"Mamba": sum(part.nbytes for part in state), "attention": key.nbytes + value.nbytes}
        times = medians({name: partial(seconds, call) for name, call in whole.items()}, runs, 1)
        steps = medians({name: partial(seconds, call, 50) for name, call in step.items()}, runs, 1)
        for name, row in rows.items():
            row["seconds"].append(times[name])
            row["step"].append(steps[name])
            row["kept"].append(kept[name])
    for row in rows.values():
        row["slope_seconds"] = slope(LENGTHS, row["seconds"])
    return rows


def _one_more(attention: MultiHeadAttention, token: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Self-attention of a token to n others, whose keys and values are kept. Its own is left out: it is one of many."""
    query = attention.query_proj(token).unflatten(-1, (HEADS, -1)).transpose(1, 2)
    _ = attention.key_proj(token), attention.value_proj(token)
    output, _ = fused(query, key, value)
    return attention.output_proj(output.transpose(1, 2).flatten(-2))


def beside_hugging_face(runs: int) -> dict[str, float]:
    """Time and memory of Hugging Face's scan and of a mixer's training over those of attnref's fast scan."""
    found = {}
    for n in (512, 8192):
        torch.manual_seed(0)
        batch, d, d_state = SCAN.values()
        x, delta, z = torch.randn(batch, n, d), 0.1 * torch.rand(batch, n, d), torch.randn(d)
        a, b, c = -torch.rand(d, d_state), torch.randn(batch, n, d_state), torch.randn(batch, n, d_state)
        ours = partial(selective_scan, x, delta, a, b, c, z)
        other = (x.mT.contiguous(), delta.mT.contiguous(), a, b.mT.contiguous(), c.mT.contiguous())
        theirs = partial(modeling_mamba.mamba_selective_scan, *other, D=z)
        torch.testing.assert_close(theirs().mT, ours()[0], rtol=1e-4, atol=1e-4)
        if n == 512:
            times = medians({"ours": partial(seconds, ours), "theirs": partial(seconds, theirs)}, runs, 1)
            found["forward"] = times["theirs"] / times["ours"]
        else:
            found["memory"] = peak_bytes(theirs, x.device) / peak_bytes(ours, x.device)
    config = MambaConfig(hidden_size=128, state_size=D_STATE, num_hidden_layers=1)
    mixers = {
        "theirs": modeling_mamba.MambaMixer(config, layer_idx=0).train(),
        "ours": MambaMixer(128, d_state=D_STATE, scan=selective_scan),
    }
    x = torch.randn(4, 256, 128)

    def train(name: str) -> None:
        with torch.enable_grad():
            output = mixers[name](x)
            (output if name == "theirs" else output[0]).sum().backward()

    times = medians({name: partial(seconds, partial(train, name)) for name in mixers}, runs, 1)
    return {**found, "training": times["theirs"] / times["ours"]}


@torch.no_grad()
def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="measurements of each (default: 3)")
    runs = parser.parse_args().runs
    torch.set_num_threads(1)
    rows, ratios = sublayers(runs), beside_hugging_face(runs)
    for name, row in rows.items():
        for what in ("seconds", "step", "kept"):
            print(f"{name:10} {what:8}" + "".join(f"{value:>12.4g}" for value in row[what]))
            row[what] = [float(f"{value:.3g}") if isinstance(value, float) else value for value in row[what]]
        row["slope_seconds"] = round(row["slope_seconds"], 2)
        print(f"{name:10} time grows as n^{row['slope_seconds']}")
    for what, ratio in ratios.items():
        print(f"Hugging Face over attnref, {what}: {ratio:.2f}")
    content = {
        "command": "python benchmarks/mamba.py",
        "torch": torch.__version__.split("+")[0],
        "threads": 1,
        "runs": runs,
        "sizes": {"d_model": D_MODEL, "num_heads": HEADS, "d_state": D_STATE, "kernel": KERNEL, "expand": 2},
        "rows": rows,
        "scan": SCAN,
        "hugging_face_over_ours": {what: round(ratio, 2) for what, ratio in ratios.items()},
    }
    (FIGURES / "mamba.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
