"""How a task's weights are kept in a file: half precision, beside the arguments that build their model again."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from attnref.tasks._extra import extra
from attnref.tasks._task import Shipped, Task

POINTER = b"version https://git-lfs.github.com"  # how a file starts whose content Git LFS has not fetched


def save(module: nn.Module, path: str | Path, recipe: dict[str, Any]) -> None:
    """Write weights, in half precision, and the arguments that build their model to a safetensors file.

    Half the bytes; what is measured on the shipped weights was loaded, so it includes what the rounding costs.
    """
    tensors = {name: _in(torch.float16, tensor).cpu().contiguous() for name, tensor in module.state_dict().items()}
    one = json.dumps(recipe)  # one entry: the order of several may vary
    content = extra("safetensors.torch").save(tensors, metadata={"reader": one})
    Path(path).write_bytes(content)  # into the file that is there: `save_file` would put another in its place


def load(task: Task, path: Path) -> Any:
    """Build the model that the file describes and give it the weights of the file, in single precision."""
    recipe, weights = _read(path)
    if recipe is None or not _accepts(task.reader, recipe):
        raise ValueError(f"attnref.tasks.load: '{path}' does not hold weights of the task {task.name!r}.")
    try:
        reader = task.reader(**recipe)
        task.weights(reader).load_state_dict(weights)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"attnref.tasks.load: the weights in '{path}' do not fit the model it describes.") from error
    return reader


def _in(dtype: torch.dtype, tensor: Tensor) -> Tensor:
    """The tensor in this floating dtype; whole numbers, such as the counter of a batch norm, stay as they are."""
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _accepts(function: Callable[..., object], arguments: dict[str, Any]) -> bool:
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError:
        return False
    return True


def _read(path: Path) -> tuple[dict[str, Any] | None, dict[str, Tensor]]:
    """The arguments that build the model, None if the file has none, and the weights."""
    safetensors = extra("safetensors")
    try:
        with path.open("rb") as file:
            if file.read(len(POINTER)) == POINTER:
                pointer = "a pointer of Git LFS, not the weights; `git lfs pull` fetches them"
                raise ValueError(f"attnref.tasks.load: '{path}' is {pointer}.")
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: _in(torch.float32, file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118 (no dict)
    except OSError as error:
        raise type(error)(f"attnref.tasks.load: '{path}' cannot be read: {error.strerror or error}.") from error
    except safetensors.SafetensorError as error:
        raise ValueError(f"attnref.tasks.load: '{path}' is not a whole safetensors file ({error}).") from error
    try:
        return json.loads(metadata["reader"]), weights
    except (KeyError, ValueError):
        return None, weights


def choose(task: Task, options: dict[str, Any]) -> Shipped:
    """The first of the shipped weights that were trained with these arguments."""
    known = list(task.arguments({}))
    for name in options:
        if name not in known:
            raise TypeError(f"attnref.tasks.load: options of {task.name!r} are {', '.join(known)}, got {name}.")
    for shipped in task.shipped:
        arguments = task.arguments(shipped.choices)
        if all(arguments[name] == value for name, value in options.items()):
            return shipped
    trained = " and for ".join(_listed(task.arguments(shipped.choices)) for shipped in task.shipped)
    raise ValueError(f"attnref.tasks.load: weights of {task.name!r} are shipped for {trained}, got {_listed(options)}.")


def _listed(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())
