"""Small real tasks on which the mechanisms learn something, each with its trained weights beside it."""

import importlib
import os
from types import ModuleType
from typing import Any

import torch

TASKS = {"dates": "dates as people write them in eight languages, to ISO: 4 novembre 2001 -> 2001-11-04"}

__all__ = ["TASKS", "device", "load"]


def load(name: str, *, attention: bool = True, device: torch.device | str | None = None) -> Any:
    """Load a trained model that is shipped with the package, ready to use.

    Needs the package `safetensors`, which comes with `pip install 'attnref[tasks]'`.

    Args:
        name: The task, one of `TASKS`.
        attention: False gives the model that was trained the same way without attention.
        device: Where the model is put; the CPU when left out.

    Returns:
        The model in evaluation mode; for "dates" a [DateReader][attnref.tasks.dates.DateReader].

    Raises:
        ValueError: There is no task of this name.
        ModuleNotFoundError: The package that reads the weights is missing.
    """
    if name not in TASKS:
        raise ValueError(f"attnref.tasks.load: name must be one of {', '.join(map(repr, TASKS))}, got {name!r}.")
    return importlib.import_module(f"attnref.tasks.{name}").load(attention=attention, device=device)


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
