"""The gated recurrent unit by torch's own kernel."""

from attnref.fast._recurrent import KernelNet
from attnref.sequence import gru


class GRU(KernelNet, gru.GRU):
    """As [`attnref.GRU`][attnref.GRU], by torch's own kernel, which has `reset="after"` only."""

    kernel = "gru"

    def __init__(
        self,
        d_x: int,
        d_h: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        reset: gru.Reset = "after",
    ) -> None:
        if reset == "before":
            raise ValueError("GRU: torch's kernel has reset='after' only, got 'before'; attnref.GRU has both.")
        super().__init__(d_x, d_h, num_layers=num_layers, bidirectional=bidirectional, reset=reset)
