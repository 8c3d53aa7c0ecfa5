"""Chapter 4: models of images, captions and texts. Their names stay here: `from attnref.models import BERT`."""

from attnref.models.patches import PatchEmbedding, resize_positions
from attnref.models.rollout import attention_rollout
from attnref.models.vit import ViT

__all__ = [
    "PatchEmbedding",
    "ViT",
    "attention_rollout",
    "resize_positions",
]
