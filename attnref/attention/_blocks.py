"""The blocks that blockwise mechanisms and their fast versions take positions in."""

from collections.abc import Iterator

import torch


def blocks(n: int, size: int) -> Iterator[slice]:
    """Slices of `size` positions; one of all while torch records a program, which has to hold for every length."""
    if records():
        yield slice(None)
    else:
        yield from (slice(start, start + size) for start in range(0, n, size))


def records() -> bool:
    """Whether torch compiles, exports or traces: a Python loop over positions would hold for one length only."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
