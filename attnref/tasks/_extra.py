"""Packages that only the tasks need are imported when they are first used."""

import importlib
from types import ModuleType


class MissingExtra(ModuleNotFoundError):
    """A package of the extra `tasks` is not installed."""


def extra(module: str) -> ModuleType:
    """Import a package of the extra `tasks`, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        name = module.partition(".")[0]
        if error.name != name:  # it is installed, but something that it needs is missing
            raise
        sentence = f"attnref.tasks: {name} is not installed; pip install 'attnref[tasks]'."
        raise MissingExtra(sentence, name=name) from error
