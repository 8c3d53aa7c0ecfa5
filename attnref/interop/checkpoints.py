"""Checkpoints on disk, as Hugging Face lays them out, to attnref's models and back, without transformers."""

import json
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from attnref._checks import kind_of
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.interop._extra import extra
from attnref.interop.state_dicts import _from, _to
from attnref.protocols import Attend

SAFE, PICKLED = "model.safetensors", "pytorch_model.bin"
POINTER = b"version https://git-lfs"  # what `git clone` brings in place of a large file where Git LFS is not installed


def load_checkpoint(folder: str | Path, *, attend: Attend = scaled_dot_product_attention) -> Any:
    """Make attnref's model of a folder with a checkpoint: `config.json` and the weights.

    The weights are in `model.safetensors`, or in several files that `model.safetensors.index.json` lists, or, in older
    checkpoints, in `pytorch_model.bin` or several of it, of which only tensors are read (`weights_only=True`). Nothing
    is downloaded.

    Args:
        folder: Where the files are.
        attend: The attention of each head; the fast version, for one.

    Returns:
        As of `from_state_dict`: a model in eval mode, on the CPU, in the dtype of the file.

    Raises:
        FileNotFoundError: There is no such folder, or it holds no configuration or no weights.
        ModuleNotFoundError: safetensors is not installed, and the weights are in such a file.
        TypeError: As of `from_state_dict`.
        ValueError: As of `from_state_dict`, or a file cannot be read: it is cut short, or no JSON, or holds a pickled
            model in place of tensors.

    Examples:
        >>> import tempfile
        >>> import torch
        >>> from attnref.interop import load_checkpoint, save_checkpoint
        >>> from attnref.models import ViT
        >>> model = ViT(10, image_size=8, patch=4, d_model=8, num_heads=2, d_ff=32, num_layers=3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_checkpoint(model, folder)
        ...     again = load_checkpoint(folder)
        >>> images = torch.randn(2, 3, 8, 8)
        >>> torch.equal(again(images)[0], model(images)[0])
        True

    Source:
        [safetensors](https://huggingface.co/docs/safetensors), and transformers' layout of
        [a checkpoint in several files](https://huggingface.co/docs/transformers/big_models).
    """
    who, folder = "load_checkpoint", Path(folder)
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{who}: '{folder}' must be a folder with a config.json, got none.")
    config = _json(who, folder / "config.json")
    return _from(who, config, _read(who, folder), attend)


def save_checkpoint(model: nn.Module, folder: str | Path) -> None:
    """Write a model as a checkpoint that Hugging Face's transformers reads: `config.json` and `model.safetensors`.

    Args:
        model: As of `to_state_dict`.
        folder: Where to write; it is made if there is none.

    Raises:
        TypeError, ValueError: As of `to_state_dict`.
        ModuleNotFoundError: safetensors is not installed.

    Examples:
        See `load_checkpoint`.

    Source:
        [safetensors](https://huggingface.co/docs/safetensors).
    """
    who, folder = "save_checkpoint", Path(folder)
    config, weights = _to(who, model)
    content = extra(who, "safetensors.torch").save(weights, metadata={"format": "pt"})
    config["dtype"] = str(next(iter(weights.values())).dtype).removeprefix("torch.")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / SAFE).write_bytes(content)


def _read(who: str, folder: Path) -> dict[str, Tensor]:
    """The weights of all files, the first kind that is there."""
    for name in (SAFE, PICKLED):
        if (folder / name).is_file():
            return _one(who, folder / name)
        if (index := folder / f"{name}.index.json").is_file():
            return _several(who, index)
    names = f"{SAFE} or {PICKLED}, or an index of several"
    raise FileNotFoundError(f"{who}: '{folder}' must hold {names}, got none.")


def _several(who: str, index: Path) -> dict[str, Tensor]:
    """The weights of several files, each from the one that the index names."""
    where = _json(who, index).get("weight_map")
    if not isinstance(where, dict) or not all(isinstance(name, str) for name in where.values()):
        raise ValueError(f"{who}: '{index}' must have a weight_map of names to files, got {kind_of(where)}.")
    found: dict[str, Tensor] = {}
    for name in sorted(set(where.values())):
        path = index.parent / Path(name).name  # beside the index, wherever that says
        if not path.is_file():
            raise FileNotFoundError(f"{who}: '{path}' must be there, since {index.name} lists it, got no such file.")
        found |= _one(who, path)
    return found


def _one(who: str, path: Path) -> dict[str, Tensor]:
    """The weights of one file."""
    with path.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            hint = "; fetch the file itself: git lfs pull"
            raise ValueError(f"{who}: '{path}' must hold weights, got a pointer of Git LFS{hint}.")
    pickled = path.suffix == ".bin"
    library = None if pickled else extra(who, "safetensors.torch")
    try:
        return torch.load(path, map_location="cpu", weights_only=True) if library is None else library.load_file(path)
    except pickle.UnpicklingError as error:
        given = "other things, or no pickle; they are not run (weights_only=True)"
        raise ValueError(f"{who}: '{path}' must hold tensors alone, got {given}.") from error
    except Exception as error:  # safetensors and torch have many kinds for a file that is cut short
        given = f"a file that cannot be read ({type(error).__name__}); it may be cut short"
        raise ValueError(f"{who}: '{path}' must hold weights, got {given}.") from error


def _json(who: str, path: Path) -> dict[str, Any]:
    """What a file with a JSON object holds."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no text
        raise ValueError(f"{who}: '{path}' must hold JSON, got a file that is none: {error}.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{who}: '{path}' must hold a JSON object, got {kind_of(content)}.")
    return content
