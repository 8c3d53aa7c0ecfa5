"""The Vision Transformer: an image cut into patches, read as a sentence of words (Dosovitskiy et al. 2020)."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from attnref._checks import check_at_least, check_choice, check_size
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.models._images import check_divides, check_images, pair
from attnref.models.patches import PatchEmbedding
from attnref.protocols import Attend
from attnref.transformer._checks import check_block
from attnref.transformer._stacks import Layers, draw_anew
from attnref.transformer.encoder import TransformerEncoder
from attnref.transformer.pooling import ClassToken, mean_pooling
from attnref.transformer.positions import LearnedPositions


class ViT(nn.Module):
    r"""Classify images: an encoder reads the patches, and a head what it made of the class token.

    $$ z_0 = [x_\text{class};\; x_1;\; \ldots;\; x_n] + P \qquad z = \operatorname{Encoder}(z_0) \qquad
       y = \operatorname{Head}(z_{\text{class}}) $$

    The encoder is pre-norm with gelu, and its last output is normalized.

    Args:
        num_classes: Number of classes.
        image_size: Height and width of the images, in pixels; one number for a square. Each patch has its own position.
        patch: Height and width of a patch, in pixels; they divide those of an image.
        channels: Number of channels of the images, 3 for RGB.
        d_model: Size of each vector.
        num_heads: Number of heads of each attention, `h`.
        d_ff: Size inside the feed-forward networks.
        num_layers: Number of blocks.
        dropout: Of each sublayer's output and of the embedded patches. The paper also drops inside the feed-forward
            networks.
        norm_eps: What each normalization adds to the variance: 1e-6 as in the paper's code. Hugging Face's default is
            1e-12.
        pool: What the head reads: "class", a learned token put before the patches, as in the paper's text; or "mean",
            the mean of the patches' outputs, without such a token, as in its appendix D.3.
        d_hidden: Size inside the head: linear, tanh, linear, as the paper pre-trains. None for one linear layer, as it
            fine-tunes.
        attend: The attention of each head. A Module is copied for each layer.

    Raises:
        TypeError: A size is not an int, or an image or a patch not a pair of ints.
        ValueError: As of `EncoderBlock`, the images do not divide into patches, or there is no such pool.

    Examples:
        >>> import torch
        >>> from attnref.models import ViT
        >>> model = ViT(10, image_size=48, patch=16, d_model=8, num_heads=2, d_ff=32, num_layers=3)
        >>> logits, weights = model(torch.randn(2, 3, 48, 48), return_weights=True)
        >>> logits.shape, len(weights), weights[0].shape  # 9 patches and the class token
        (torch.Size([2, 10]), 3, torch.Size([2, 2, 10, 10]))

    Source:
        Dosovitskiy et al. 2020, *An Image is Worth 16x16 Words*, [arXiv:2010.11929](https://arxiv.org/abs/2010.11929),
        section 3.1, equations 1 to 4.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        image_size: int | tuple[int, int],
        patch: int | tuple[int, int],
        channels: int = 3,
        d_model: int,
        num_heads: int,
        d_ff: int,
        num_layers: int,
        dropout: float = 0.0,
        norm_eps: float = 1e-6,
        pool: Literal["class", "mean"] = "class",
        d_hidden: int | None = None,
        attend: Attend = scaled_dot_product_attention,
    ) -> None:
        options = {"dropout": dropout, "norm": "pre", "activation": "gelu", "norm_eps": norm_eps}
        check_at_least("ViT", 1, num_classes=num_classes, channels=channels, num_layers=num_layers)
        check_block("ViT", d_model, num_heads, d_ff, **options, attend=attend)
        check_choice("ViT", "pool", pool, ("class", "mean"))
        if d_hidden is not None:
            check_at_least("ViT", 1, d_hidden=d_hidden)
        super().__init__()
        self.image_size = pair("ViT", "image_size", image_size)
        self.patches = PatchEmbedding(channels, d_model, pair("ViT", "patch", patch))
        n = check_divides("ViT", self.image_size, self.patches.patch)
        self.class_token = ClassToken(d_model) if pool == "class" else None
        self.positions = LearnedPositions(n + (pool == "class"), d_model)
        self.dropout = nn.Dropout(dropout)
        self.encoder = TransformerEncoder(d_model, num_heads, d_ff, num_layers, **options, attend=attend)
        self.head = _head(d_model, d_hidden, num_classes)

    def forward(
        self, images: Float[Tensor, "batch channels height width"], *, return_weights: bool = False
    ) -> tuple[Float[Tensor, "batch num_classes"], Layers | None]:
        """Score each class.

        Args:
            images: Of the size that the model was made for.
            return_weights: Whether to keep the attention weights of every layer and head.

        Returns:
            logits: A score for each class.
            weights: (batch, h, n + 1, n + 1) for each layer, the class token first; with the pool "mean" (batch, h, n,
                n). None if they were not asked for, or `attend` forms none.

        Raises:
            TypeError: The images and the weights are not of one floating dtype.
            ValueError: The images are not (batch, channels, height, width), or of another size.
        """
        x, weights = self.encode(images, return_weights=return_weights)
        return self.head(mean_pooling(x) if self.class_token is None else x[:, 0]), weights

    def encode(
        self, images: Float[Tensor, "batch channels height width"], *, return_weights: bool = False
    ) -> tuple[Float[Tensor, "batch n d_model"], Layers | None]:
        """Give one vector for each patch: what the head pools.

        Args:
            images: As of `forward`.
            return_weights: As of `forward`.

        Returns:
            x: The class token's vector, if there is one, then those of the patches, row by row.
            weights: As of `forward`.

        Raises:
            TypeError, ValueError: As of `forward`.
        """
        check_images("ViT", images, self.patches.proj)
        self._check_size(images)

        x = self.patches(images)  # (batch, n, d_model)
        if self.class_token is not None:
            x, _ = self.class_token(x)  # (batch, n + 1, d_model)
        return self.encoder(self.dropout(self.positions(x)), return_weights=return_weights)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        draw_anew(self.patches, self.class_token, self.positions, self.encoder, *self.head.modules())

    def _check_size(self, images: Tensor) -> None:
        """The image has the grid of patches whose positions were learned."""
        for letter, axis, wanted in zip(("height", "width"), (-2, -1), self.image_size, strict=True):
            check_size("ViT", letter, wanted, "images", images, axis)


def _head(d_model: int, d_hidden: int | None, num_classes: int) -> nn.Module:
    """One linear layer, or two with tanh in between."""
    if d_hidden is None:
        return nn.Linear(d_model, num_classes)
    return nn.Sequential(nn.Linear(d_model, d_hidden), nn.Tanh(), nn.Linear(d_hidden, num_classes))
