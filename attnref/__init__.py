"""attnref: the reference for attention. Every public name, and nothing else."""

from attnref.attention.additive import AdditiveAttention, additive_attention
from attnref.attention.efficient import EfficientAttention2d, efficient_attention
from attnref.attention.linear import causal_linear_attention, linear_attention, linear_attention_step
from attnref.attention.luong import LuongAttention, concat_attention, dot_attention, general_attention
from attnref.attention.masks import causal_mask, masked_softmax, padding_mask, window_mask
from attnref.attention.multi_head import MultiHeadAttention
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.attention.tiled import tiled_attention
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
    "EfficientAttention2d",
    "Encoder",
    "LatentAutoregressiveModel",
    "LuongAttention",
    "MarkovModel",
    "MultiHeadAttention",
    "Seq2Seq",
    "additive_attention",
    "causal_linear_attention",
    "causal_mask",
    "concat_attention",
    "dot_attention",
    "efficient_attention",
    "general_attention",
    "gru_step",
    "linear_attention",
    "linear_attention_step",
    "lstm_step",
    "masked_softmax",
    "padding_mask",
    "rnn_step",
    "scaled_dot_product_attention",
    "tiled_attention",
    "window_mask",
]
