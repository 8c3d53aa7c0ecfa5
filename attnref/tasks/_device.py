"""A device that is asked for by name must be one that this machine can compute on."""

import torch


def usable(who: str, name: str | torch.device, *, meta: bool = False) -> torch.device:
    """The device of this name, tried with one number; refused in the words of whoever was told the name.

    With `meta` the device meta is taken too, which holds no numbers.
    """
    try:
        found = torch.device(name)
        number = torch.zeros((), device=found)
        if not (meta and number.is_meta):
            number.item()
    except (RuntimeError, AssertionError, ImportError) as error:  # torch raises any of them, and NotImplementedError
        here = "cpu or cuda" if torch.cuda.is_available() else "cpu, for one"
        raise ValueError(f"{who} must name a device of this machine ({here}), got {str(name)!r}.") from error
    return found
