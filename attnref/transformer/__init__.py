"""Chapter 3: the Transformer."""

from attnref.transformer.beam_search import Beams, beam_search
from attnref.transformer.blocks import DecoderBlock, EncoderBlock
from attnref.transformer.cache import DecoderCache, KeyValueCache, MemoryCache
from attnref.transformer.decoder import DecoderWeights, TransformerDecoder
from attnref.transformer.decoder_only import DecoderOnlyTransformer
from attnref.transformer.decoding import Generated, generate
from attnref.transformer.encoder import TransformerEncoder
from attnref.transformer.feed_forward import FeedForward
from attnref.transformer.pooling import ClassToken, mean_pooling
from attnref.transformer.positions import LearnedPositions, SinusoidalPositions, TokenEmbedding, sinusoidal_positions
from attnref.transformer.sampling import (
    keep_min_p,
    keep_nucleus,
    keep_top_k,
    penalize_repetition,
    sample_token,
    scale_temperature,
)
from attnref.transformer.transformer import Transformer, TransformerWeights

__all__ = [
    "Beams",
    "ClassToken",
    "DecoderBlock",
    "DecoderCache",
    "DecoderOnlyTransformer",
    "DecoderWeights",
    "EncoderBlock",
    "FeedForward",
    "Generated",
    "KeyValueCache",
    "LearnedPositions",
    "MemoryCache",
    "SinusoidalPositions",
    "TokenEmbedding",
    "Transformer",
    "TransformerDecoder",
    "TransformerEncoder",
    "TransformerWeights",
    "beam_search",
    "generate",
    "keep_min_p",
    "keep_nucleus",
    "keep_top_k",
    "mean_pooling",
    "penalize_repetition",
    "sample_token",
    "scale_temperature",
    "sinusoidal_positions",
]
