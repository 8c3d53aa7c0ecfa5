"""Long short-term memory by torch's own kernel."""

from attnref.fast._recurrent import KernelNet
from attnref.sequence import lstm


class LSTM(KernelNet, lstm.LSTM):
    """As [`attnref.LSTM`][attnref.LSTM], by torch's own kernel."""

    kernel = "lstm"
