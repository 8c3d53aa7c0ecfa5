"""A device that is asked for by name must be one that this machine can compute on."""

import torch


def usable(who: str, name: str) -> torch.device:
    """The device of this name, tried with one number; refused in the words of whoever was told the name."""
    try:
        found = torch.device(name)
        torch.zeros((), device=found).item()
    except (RuntimeError, AssertionError, ImportError) as error:  # torch raises any of them, and NotImplementedError
        here = "cpu or cuda" if torch.cuda.is_available() else "cpu, for one"
        raise ValueError(f"{who} must name a device of this machine ({here}), got {name!r}.") from error
    return found
