"""What the trainings share: a seed, an optimizer, one thread."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

from attnref._checks import check_at_least
from attnref.tasks._device import usable
from attnref.tasks._extra import extra

Batch = TypeVar("Batch")
Reader = TypeVar("Reader", bound=nn.Module)
SEEDS = 2**64  # torch takes seeds below this


def check_training(who: str, seed: int, steps: int, device: torch.device | str | None) -> None:
    """The seed is one that torch takes, there is something to train on, and the device is one of this machine."""
    check_at_least(who, 0, seed=seed)
    if seed >= SEEDS:
        raise ValueError(f"{who}: seed must be below 2**64, got {seed}.")
    check_at_least(who, 1, steps=steps)
    if device is not None:
        usable(f"{who}: device", device)


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Draw first weights from a seed; the caller's random numbers go on as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Matrices this small gain nothing from a second core, and sums that are never split do not depend on how many."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def fit(
    reader: Reader,
    batches: Iterable[Batch],
    loss_of: Callable[[Batch], Tensor],
    *,
    steps: int,
    rate: float,
    progress: bool,
    watch: Callable[[int, Reader], None] | None = None,
) -> list[float]:
    """Train with AdamW, one cycle of the learning rate, gradients clipped to norm 1.

    Args:
        reader: The model to train.
        batches: As many batches as there are steps.
        loss_of: The loss of one batch.
        steps: How many batches there are; the cycle of the learning rate spans them.
        rate: The maximum of the learning rate.
        progress: Whether to show a progress bar.
        watch: Called after each step with its number, from 1, and the reader so far.

    Returns:
        The loss of each step.
    """
    optimizer = torch.optim.AdamW(reader.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)

    losses: list[float] = []
    with extra("tqdm").tqdm(batches, total=steps, disable=not progress, desc=type(reader).__name__) as bar:
        for batch in bar:
            loss = loss_of(batch)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            bar.set_postfix(loss=f"{losses[-1]:.4f}")
            if watch is not None:
                watch(len(losses), reader)
    return losses
