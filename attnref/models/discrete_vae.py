"""The discrete VAE: an image as a grid of tokens, and back (Ramesh et al. 2021, section 2.1)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attnref._checks import (
    check_at_least,
    check_axes,
    check_floating,
    check_size,
    check_tensor,
    shape_of,
)
from attnref.models._images import check_divides, check_images, pair
from attnref.models.gumbel_softmax import gumbel_softmax
from attnref.sequence._checks import check_tokens
from attnref.transformer._stacks import draw_anew


class DiscreteVAE(nn.Module):
    r"""Describe each patch of an image by one code out of `num_codes`, and draw the image again from the codes.

    $$ z = \operatorname{Encoder}(x) \qquad y = \operatorname{GumbelSoftmax}(z, \tau) \qquad
       \hat x = \operatorname{Decoder}(y E) $$

    The encoder halves the image until one position is left for each patch, and scores every code there; the last
    convolution is 1 x 1. The code is drawn softly, so that the encoder gets a gradient: a mixture of the rows of the
    codebook $E$ goes into the decoder. Once trained, the tokens of an image are the codes of the largest scores.

    Args:
        num_codes: Number of codes.
        image_size: Height and width of the images, in pixels; one number for a square.
        patch: Pixels along each side of what a code stands for; a power of two that divides height and width.
        channels: Number of channels of the images, 1 for gray, 3 for RGB.
        d_hidden: Channels inside the convolutions.
        d_code: Size of a row of the codebook.

    Raises:
        TypeError: A size is not an int, or `image_size` not a pair of ints.
        ValueError: A size is less than one, `patch` is not a power of two, or the images do not divide into patches.

    Examples:
        >>> import torch
        >>> from attnref.models import DiscreteVAE
        >>> model = DiscreteVAE(512, image_size=(16, 24), patch=4, channels=3)
        >>> images = torch.rand(2, 3, 16, 24)
        >>> reconstruction, logits = model(images, temperature=0.5)
        >>> reconstruction.shape, logits.shape, model.grid
        (torch.Size([2, 3, 16, 24]), torch.Size([2, 24, 512]), (4, 6))
        >>> tokens = model.tokens(images)
        >>> tokens.shape, model.decode(tokens).shape
        (torch.Size([2, 24]), torch.Size([2, 3, 16, 24]))

    Source:
        Ramesh et al. 2021, *Zero-Shot Text-to-Image Generation*,
        [arXiv:2102.12092](https://arxiv.org/abs/2102.12092), section 2.1 and appendix A. The paper's networks are
        deeper: residual blocks, max pooling and upsampling.
    """

    def __init__(
        self,
        num_codes: int,
        *,
        image_size: int | tuple[int, int],
        patch: int = 4,
        channels: int = 1,
        d_hidden: int = 64,
        d_code: int = 64,
    ) -> None:
        sizes = {"channels": channels, "d_hidden": d_hidden, "d_code": d_code}
        check_at_least("DiscreteVAE", 1, num_codes=num_codes, patch=patch, **sizes)
        if patch & (patch - 1):
            raise ValueError(f"DiscreteVAE: patch must be a power of two, got {patch}.")
        super().__init__()
        self.num_codes, self.patch = num_codes, patch
        self.image_size = pair("DiscreteVAE", "image_size", image_size)
        check_divides("DiscreteVAE", self.image_size, (patch, patch))
        halvings = patch.bit_length() - 1
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, d_hidden, 3, padding=1),
            nn.ReLU(),
            *(layer for _ in range(halvings) for layer in (nn.Conv2d(d_hidden, d_hidden, 4, 2, 1), nn.ReLU())),
            nn.Conv2d(d_hidden, num_codes, 1),
        )
        self.codebook = nn.Embedding(num_codes, d_code)
        self.decoder = nn.Sequential(
            nn.Conv2d(d_code, d_hidden, 1),
            nn.ReLU(),
            *(layer for _ in range(halvings) for layer in (nn.ConvTranspose2d(d_hidden, d_hidden, 4, 2, 1), nn.ReLU())),
            nn.Conv2d(d_hidden, channels, 3, padding=1),
        )

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of codes."""
        return self.image_size[0] // self.patch, self.image_size[1] // self.patch

    def forward(
        self,
        images: Float[Tensor, "batch channels height width"],
        temperature: float = 1.0,
        *,
        hard: bool = False,
        noise: Float[Tensor, "batch n num_codes"] | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "batch channels height width"], Float[Tensor, "batch n num_codes"]]:
        """Encode, draw soft codes, decode: what training needs. Noise is drawn in evaluation mode, too.

        To see an image as its tokens keep it, without noise, call `decode(tokens(images))`.

        Args:
            images: Of the size that the model was made for.
            temperature: Of the soft codes, see `gumbel_softmax`.
            hard: Whether the decoder gets one-hot codes, see `gumbel_softmax`.
            noise: The Gumbel noise, if it is not to be drawn.
            generator: The source of randomness of the noise; torch's own if omitted.

        Returns:
            reconstruction: The images drawn again.
            logits: The scores of the codes, as of `encode`.

        Raises:
            TypeError, ValueError: As of `encode` and `gumbel_softmax`.
        """
        logits = self.encode(images)
        codes = gumbel_softmax(logits, temperature, hard=hard, noise=noise, generator=generator)
        return self.decode(codes), logits

    def encode(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch n num_codes"]:
        """Score every code for each patch.

        Args:
            images: Of the size that the model was made for.

        Returns:
            The logits, row by row from the top left.

        Raises:
            TypeError: The images and the weights are not of one floating dtype.
            ValueError: The images are not (batch, channels, height, width), or of another size.
        """
        check_images("DiscreteVAE", images, self.encoder[0])  # pyright: ignore[reportArgumentType]
        for letter, axis, wanted in zip(("height", "width"), (-2, -1), self.image_size, strict=True):
            check_size("DiscreteVAE", letter, wanted, "images", images, axis)

        x = self.encoder(images)  # (batch, num_codes, rows, columns)
        return x.flatten(2).transpose(1, 2)  # (batch, n, num_codes)

    def tokens(self, images: Float[Tensor, "batch channels height width"]) -> Int[Tensor, "batch n"]:
        """Give the image tokens: for each patch the code of the largest score, without noise.

        Args:
            images: As of `encode`.

        Returns:
            The tokens, from 0 to `num_codes - 1`, row by row.

        Raises:
            TypeError, ValueError: As of `encode`.
        """
        return self.encode(images).argmax(-1)

    def decode(
        self, codes: Float[Tensor, "batch n num_codes"] | Int[Tensor, "batch n"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Draw images from codes.

        Args:
            codes: Soft or one-hot codes, (batch, n, num_codes); or tokens, (batch, n). One for each patch, row by row.

        Returns:
            The images. Their pixels are not clamped to any range.

        Raises:
            TypeError: The codes are neither integers nor of the floating dtype of the weights.
            ValueError: The codes are not one for each patch, or a token is not below `num_codes`.
        """
        x = self._look_up(codes)  # (batch, n, d_code)
        return self.decoder(x.transpose(1, 2).unflatten(2, self.grid))  # (batch, channels, height, width)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        draw_anew(*self.encoder, self.codebook, *self.decoder)

    def _look_up(self, codes: Tensor) -> Tensor:
        """The row of each token, or the mixture of rows that a soft code asks for."""
        who, n = "DiscreteVAE", self.grid[0] * self.grid[1]
        check_tensor(who, codes=codes)
        soft = codes.is_floating_point()
        if soft:
            check_axes(who, "codes", codes, "(batch, n, num_codes)", exactly=3)
            check_floating(who, codes=codes, weights=self.codebook.weight)
            check_size(who, "num_codes", self.num_codes, "codes", codes, 2)
        else:
            check_tokens(who, "codes", codes, self.num_codes)
        if codes.shape[1] != n:
            rule = f"codes must be one for each of the {self.grid[0]} x {self.grid[1]} patches, n={n}"
            raise ValueError(f"{who}: {rule}, got shape {shape_of(codes)}.")
        return codes @ self.codebook.weight if soft else self.codebook(codes)
