"""The number of sunspots of each year: the series for which Yule made the first autoregressive model.

The numbers are those of NOAA's National Geophysical Data Center, in the public domain (see `data/README.md`).
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FIRST, LAST = 1700, 2008


def yearly_sunspots() -> Tensor:
    """The number of sunspots of each year from 1700 to 2008, (309,), in double precision.

    Examples:
        >>> from attnref.tasks.sunspots_data import yearly_sunspots
        >>> yearly_sunspots()[:5]
        tensor([ 5., 11., 16., 23., 36.], dtype=torch.float64)
    """
    table = np.loadtxt(Path(__file__).with_name("data") / "sunspots.csv", delimiter=",", skiprows=1)
    return torch.from_numpy(table[:, 1].copy())
