"""Chapter 4: models of images, captions and texts. Their names stay here: `from attnref.models import BERT`."""

from attnref.models.bert import BERT, BERTPretraining, BERTScores
from attnref.models.dalle import DALLE, DALLEScores
from attnref.models.dalle_loss import dalle_loss
from attnref.models.discrete_vae import DiscreteVAE
from attnref.models.discrete_vae_loss import discrete_vae_loss
from attnref.models.doubly_stochastic import doubly_stochastic_loss
from attnref.models.gumbel_softmax import gumbel_softmax, temperature_schedule
from attnref.models.hard_attention import HardScores, hard_attention_loss, moving_average_baseline
from attnref.models.image_generation import Reranked, generate_images, rerank
from attnref.models.mamba import Mamba, MambaBlock
from attnref.models.mamba_mixer import MambaMixer
from attnref.models.masking import MaskedTokens, mask_tokens
from attnref.models.patches import PatchEmbedding, resize_positions
from attnref.models.rollout import attention_rollout
from attnref.models.selective_scan import selective_scan
from attnref.models.show_attend_tell import ShowAttendTell
from attnref.models.vit import ViT

__all__ = [
    "BERT",
    "DALLE",
    "BERTPretraining",
    "BERTScores",
    "DALLEScores",
    "DiscreteVAE",
    "HardScores",
    "Mamba",
    "MambaBlock",
    "MambaMixer",
    "MaskedTokens",
    "PatchEmbedding",
    "Reranked",
    "ShowAttendTell",
    "ViT",
    "attention_rollout",
    "dalle_loss",
    "discrete_vae_loss",
    "doubly_stochastic_loss",
    "generate_images",
    "gumbel_softmax",
    "hard_attention_loss",
    "mask_tokens",
    "moving_average_baseline",
    "rerank",
    "resize_positions",
    "selective_scan",
    "temperature_schedule",
]
