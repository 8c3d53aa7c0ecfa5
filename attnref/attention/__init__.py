"""Chapter 2: attention."""

from attnref.attention.additive import AdditiveAttention, additive_attention
from attnref.attention.efficient import EfficientAttention2d, efficient_attention
from attnref.attention.linear import causal_linear_attention, linear_attention, linear_attention_step
from attnref.attention.luong import LuongAttention, concat_attention, dot_attention, general_attention
from attnref.attention.masks import causal_mask, masked_softmax, padding_mask, window_mask
from attnref.attention.multi_head import MultiHeadAttention
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.attention.tiled import tiled_attention

__all__ = [
    "AdditiveAttention",
    "EfficientAttention2d",
    "LuongAttention",
    "MultiHeadAttention",
    "additive_attention",
    "causal_linear_attention",
    "causal_mask",
    "concat_attention",
    "dot_attention",
    "efficient_attention",
    "general_attention",
    "linear_attention",
    "linear_attention_step",
    "masked_softmax",
    "padding_mask",
    "scaled_dot_product_attention",
    "tiled_attention",
    "window_mask",
]
