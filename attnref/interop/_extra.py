"""Packages that only some of the exchange needs are imported when they are first used."""

import importlib
from types import ModuleType


def extra(who: str, module: str) -> ModuleType:
    """Import a package of the extra `interop`, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        name = module.partition(".")[0]
        if error.name != name:  # it is installed, but something that it needs is missing
            raise
        raise ModuleNotFoundError(
            f"{who}: {name} is not installed; pip install 'attnref[interop]'.", name=name
        ) from error
