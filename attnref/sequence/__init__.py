"""Chapter 1: sequence models, before attention."""

from attnref.sequence.autoregressive import AutoregressiveModel
from attnref.sequence.encoder_decoder import RecurrentDecoder, RecurrentEncoder
from attnref.sequence.gru import GRU, gru_step
from attnref.sequence.latent import LatentAutoregressiveModel
from attnref.sequence.lstm import LSTM, lstm_step
from attnref.sequence.markov import MarkovModel
from attnref.sequence.rnn import RNN, rnn_step
from attnref.sequence.seq2seq import Seq2Seq

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "AutoregressiveModel",
    "LatentAutoregressiveModel",
    "MarkovModel",
    "RecurrentDecoder",
    "RecurrentEncoder",
    "Seq2Seq",
    "gru_step",
    "lstm_step",
    "rnn_step",
]
