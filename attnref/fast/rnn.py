"""The recurrent neural network by torch's own kernel."""

from attnref.fast._recurrent import KernelNet
from attnref.sequence import rnn


class RNN(KernelNet, rnn.RNN):
    """As [`attnref.RNN`][attnref.RNN], by torch's own kernel."""

    kernel = "rnn_tanh"
