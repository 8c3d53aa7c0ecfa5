"""Chapter 3: the Transformer."""

from attnref.transformer.positions import LearnedPositions, SinusoidalPositions, TokenEmbedding, sinusoidal_positions

__all__ = [
    "LearnedPositions",
    "SinusoidalPositions",
    "TokenEmbedding",
    "sinusoidal_positions",
]
