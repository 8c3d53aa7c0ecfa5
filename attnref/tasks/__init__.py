"""Small real tasks on which the mechanisms learn something, each with its trained weights beside it."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch

TASKS = {
    "dates": "dates as people write them in eight languages, to ISO: 4 novembre 2001 -> 2001-11-04",
    "digit_rows": "handwritten digits read row by row, with a guess after every row",
    "digit_patches": "handwritten digits cut into patches that attend to each other",
}

__all__ = ["TASKS", "device", "load"]


def load(name: str, *, device: torch.device | str | None = None, **options: Any) -> Any:
    """Load a trained model that is shipped with the package, ready to use.

    Needs the package `safetensors`, which comes with `pip install 'attnref[tasks]'`.

    Args:
        name: The task, one of `TASKS`.
        device: Where the model is put; the CPU when left out.
        options: Which of a task's models. "dates" takes `attention`: False gives the model that was trained the same
            way without attention. "digit_patches" takes `attend`: "softmax" or "efficient".

    Returns:
        The model in evaluation mode; for "dates" a [DateReader][attnref.tasks.dates.DateReader], for "digit_rows" a
        [RowReader][attnref.tasks.digit_rows.RowReader], for "digit_patches" a
        [PatchReader][attnref.tasks.digit_patches.PatchReader].

    Raises:
        TypeError: The task has no such option.
        ValueError: There is no task of this name.
        ModuleNotFoundError: The package that reads the weights is missing.
    """
    if name not in TASKS:
        raise ValueError(f"attnref.tasks.load: name must be one of {', '.join(map(repr, TASKS))}, got {name!r}.")
    return importlib.import_module(f"attnref.tasks.{name}").load(device=device, **options)


def device() -> torch.device:
    """Where tasks and figures are computed: `ATTNREF_DEVICE` if set, else CUDA where there is one, else the CPU."""
    named = os.environ.get("ATTNREF_DEVICE")
    return torch.device(named or ("cuda" if torch.cuda.is_available() else "cpu"))


def extra(module: str) -> ModuleType:
    """Import a package of the extra `tasks`, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        name = module.partition(".")[0]
        if error.name != name:  # it is there, but something else is missing
            raise
        raise ModuleNotFoundError(
            f"attnref.tasks: {name} is not installed; pip install 'attnref[tasks]'.", name=name
        ) from error


@contextmanager
def one_thread() -> Iterator[None]:
    """Matrices this small gain nothing from a second core, and sums that are never split do not depend on how many."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
