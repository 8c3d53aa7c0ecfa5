"""Chapter 3: the Transformer."""

from attnref.transformer.blocks import DecoderBlock, EncoderBlock
from attnref.transformer.feed_forward import FeedForward
from attnref.transformer.positions import LearnedPositions, SinusoidalPositions, TokenEmbedding, sinusoidal_positions

__all__ = [
    "DecoderBlock",
    "EncoderBlock",
    "FeedForward",
    "LearnedPositions",
    "SinusoidalPositions",
    "TokenEmbedding",
    "sinusoidal_positions",
]
