"""What the tasks share: how a reader is trained, and how its weights are kept."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from attnref.tasks import extra

Batch = TypeVar("Batch")


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Draw first weights from a seed; the caller's random numbers go on as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def fit(
    model: nn.Module,
    batches: Iterable[Batch],
    loss_of: Callable[[Batch], Tensor],
    *,
    steps: int,
    rate: float,
    name: str,
    progress: bool,
    watch: Callable[[int], None] | None = None,
) -> list[float]:
    """Train with AdamW, one cycle of the learning rate, gradients clipped to norm 1.

    Args:
        model: What learns.
        batches: As many batches as there are steps.
        loss_of: The loss of one batch.
        steps: How many batches there are; the cycle of the learning rate spans them.
        rate: The greatest learning rate.
        name: What the progress bar says.
        progress: Whether to show it.
        watch: Called after each step with its number, from 1.

    Returns:
        The loss of each step.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)

    losses: list[float] = []
    bar = extra("tqdm").tqdm(batches, total=steps, disable=not progress, desc=name)
    for batch in bar:
        loss = loss_of(batch)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        bar.set_postfix(loss=f"{losses[-1]:.4f}")
        if watch is not None:
            watch(len(losses))
    return losses


def save(model: nn.Module, path: str | Path, about: dict[str, Any]) -> None:
    """Write weights, in half precision, and what they are of to a safetensors file.

    Half the bytes; what is measured on the shipped weights was loaded, so it includes what the rounding costs.
    """
    tensors = {name: tensor.half().cpu().contiguous() for name, tensor in model.state_dict().items()}
    one = json.dumps(about)  # one entry: the order of several may vary
    extra("safetensors.torch").save_file(tensors, path, metadata={"reader": one})


def read(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `save` has written: what the weights are of, and the weights, in single precision."""
    with extra("safetensors").safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["reader"])
        weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (no dict)
    return about, weights
