"""attnref: the reference for attention. Every public name, and nothing else."""

from attnref.attention.additive import AdditiveAttention, additive_attention
from attnref.attention.masks import causal_mask, masked_softmax, padding_mask, window_mask
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.sequence._coders import Decoder, Encoder
from attnref.sequence._latent import LatentAutoregressiveModel
from attnref.sequence._markov import MarkovModel
from attnref.sequence.autoregressive import AutoregressiveModel
from attnref.sequence.gru import GRU, gru_step
from attnref.sequence.lstm import LSTM, lstm_step
from attnref.sequence.rnn import RNN, rnn_step
from attnref.sequence.seq2seq import Seq2Seq

__version__ = "0.1.0"

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "AdditiveAttention",
    "AutoregressiveModel",
    "Decoder",
    "Encoder",
    "LatentAutoregressiveModel",
    "MarkovModel",
    "Seq2Seq",
    "additive_attention",
    "causal_mask",
    "gru_step",
    "lstm_step",
    "masked_softmax",
    "padding_mask",
    "rnn_step",
    "scaled_dot_product_attention",
    "window_mask",
]
