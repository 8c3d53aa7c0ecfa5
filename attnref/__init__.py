"""attnref: the reference for attention. Every public name, and nothing else."""

from attnref.attention.additive import AdditiveAttention, additive_attention
from attnref.attention.masks import causal_mask, masked_softmax, padding_mask
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.sequence.gru import GRU, gru_step
from attnref.sequence.seq2seq import Decoder, Encoder, Seq2Seq

__version__ = "0.1.0"

__all__ = [
    "GRU",
    "AdditiveAttention",
    "Decoder",
    "Encoder",
    "Seq2Seq",
    "additive_attention",
    "causal_mask",
    "gru_step",
    "masked_softmax",
    "padding_mask",
    "scaled_dot_product_attention",
]
