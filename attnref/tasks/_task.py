"""What a task is made of: the file of each task ends in one `TASK`, all that `load` and the command line know of it."""

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import nn


class Option(NamedTuple):
    """One choice between models or data.

    Attributes:
        name: The option of the command line, without its hyphens.
        choices: What can be chosen, and the arguments of `train` that each choice stands for.
        default: The choice when nothing is said.
        about: What is chosen, in a few words.
    """

    name: str
    choices: Mapping[str, dict[str, Any]]
    default: str
    about: str

    @classmethod
    def of(cls, name: str, values: Iterable[Any], default: Any, about: str) -> "Option":
        """The choice between the values of an argument of `train` with the same name."""
        return cls(name, {str(value): {name: value} for value in values}, str(default), about)


class Shipped(NamedTuple):
    """Trained weights beside the code.

    Attributes:
        stem: The name of their file, without `.safetensors`.
        about: What was trained, in a few words.
        choices: What was chosen for the training, by the name of each option.
    """

    stem: str
    about: str
    choices: dict[str, str]


@dataclass(frozen=True)
class Task:
    """A small real task: data, a model, its training and its figure of merit.

    Attributes:
        name: The name of its module.
        about: One line for the list of tasks.
        merit: The figure of merit, in words.
        steps: How many batches the recipe trains on.
        options: The choices between models and data.
        shipped: The weights beside the code; `load` takes the first of those that fit.
        reader: The class of the model. Its attribute `recipe` holds the arguments that build it again.
        weights: The part of a reader that holds its weights.
        train: Trains a reader: `train(seed, steps=..., device=..., watch=..., **arguments) -> (reader, losses)`.
        measure: Measures a reader on the data that these arguments of `train` hold out. The result is a tuple whose
            first item is the figure of merit; `str` of it says all that was measured, in one line.
        held_out: Says in one line what the shipped weights are measured on.
    """

    name: str
    about: str
    merit: str
    steps: int
    options: tuple[Option, ...]
    shipped: tuple[Shipped, ...]
    reader: type[nn.Module]
    train: Callable[..., tuple[Any, list[float]]]
    measure: Callable[[Any, dict[str, Any]], tuple[Any, ...]]
    held_out: Callable[[], str]
    weights: Callable[[Any], nn.Module] = lambda reader: reader

    def arguments(self, choices: Mapping[str, str]) -> dict[str, Any]:
        """The arguments of `train` that these choices, and the defaults of the options left out, stand for."""
        found: dict[str, Any] = {}
        for option in self.options:
            found |= option.choices[choices.get(option.name, option.default)]
        return found


def find(name: str) -> Task:
    """The task of this name."""
    return importlib.import_module(f"attnref.tasks.{name}").TASK
