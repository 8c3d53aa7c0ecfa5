"""The model of the task: a discrete VAE, `DALLE` over its tokens, and a scorer that picks the best of several."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attnref import generate
from attnref._checks import check_at_least
from attnref.models import DALLE, DiscreteVAE, rerank
from attnref.tasks import _weights, digits_data
from attnref.tasks.digits_from_names_data import LONGEST, PADDING, WORDS, encode
from attnref.tasks.phrase_scorer import PhraseScorer

SIZE, PATCH = 8, 2  # pixels along a side of an image, and of what a code stands for


class Drawn(NamedTuple):
    """Digits that were drawn.

    Attributes:
        images: (batch, 8, 8), from 0 for paper to 1 for ink.
        tokens: The image tokens that they were decoded from, (batch, 16).
    """

    images: Tensor
    tokens: Tensor


class DigitArtist(nn.Module):
    """Draw digits of 8 x 8 pixels from phrases such as "three" or "three, thick".

    `DALLE` writes 16 image tokens, one for each patch of 2 x 2 pixels, after the two tokens of the phrase; the
    `DiscreteVAE` decodes them.

    Args:
        num_codes: Number of codes of the discrete VAE.
        d_hidden: Channels of its convolutions.
        d_model: Size of each vector of the decoder.
        num_heads: Number of heads of each attention.
        d_ff: Size inside the feed-forward networks.
        num_layers: Number of blocks.
        dropout: Of the decoder, while it is trained.

    Raises:
        ValueError: A size is less than one, or the heads do not divide d_model.

    Examples:
        >>> import torch
        >>> from attnref.tasks.digit_artist import DigitArtist
        >>> artist = DigitArtist().eval()  # not trained yet: what it draws means nothing
        >>> artist.draw(["three", "three, thick"], generator=torch.Generator().manual_seed(0)).images.shape
        torch.Size([2, 8, 8])
    """

    def __init__(
        self,
        num_codes: int = 32,
        *,
        d_hidden: int = 32,
        d_model: int = 64,
        num_heads: int = 4,
        d_ff: int = 128,
        num_layers: int = 3,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        sizes: dict[str, Any] = {"d_model": d_model, "num_heads": num_heads, "d_ff": d_ff, "num_layers": num_layers}
        self.recipe: dict[str, Any] = {"num_codes": num_codes, "d_hidden": d_hidden, **sizes, "dropout": dropout}
        self.vae = DiscreteVAE(num_codes, image_size=SIZE, patch=PATCH, d_hidden=d_hidden, d_code=d_hidden)
        self.dalle = DALLE(len(WORDS), num_codes, n_text=LONGEST, grid=self.vae.grid, **sizes, dropout=dropout)
        self.scorer = PhraseScorer()

    def forward(self, phrases: Sequence[str], generator: torch.Generator) -> Float[Tensor, "batch 8 8"]:
        """One image for each phrase; see `draw`."""
        return self.draw(phrases, generator=generator).images

    @torch.no_grad()
    def draw(
        self,
        phrases: Sequence[str],
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        best_of: int = 1,
        generator: torch.Generator,
    ) -> Drawn:
        """Draw one image for each phrase. No gradient is kept.

        Args:
            phrases: Names of digits, each alone or with a word of style.
            temperature: See `attnref.scale_temperature`.
            top_k: See `attnref.keep_top_k`.
            best_of: How many are drawn of each phrase, of which the scorer keeps the best.
            generator: The source of randomness.

        Raises:
            ValueError: There is no such phrase, an option is out of its bounds, or the artist is in training mode.
        """
        check_at_least("DigitArtist.draw", 1, best_of=best_of)
        device = self.vae.codebook.weight.device
        text = encode(phrases).repeat_interleave(best_of, 0).to(device)
        prompt = torch.full((len(text), 1), self.dalle.start_of_image, device=device)
        n_image = self.dalle.grid[0] * self.dalle.grid[1]
        options = {"temperature": temperature, "top_k": top_k, "generator": generator}
        tokens = generate(self.dalle.start(text, text != PADDING), prompt, max_new_tokens=n_image, **options).tokens
        drawn = Drawn(self.decode(tokens[:, 1:]), tokens[:, 1:])
        if best_of == 1:
            return drawn
        candidates = [part.unflatten(0, (len(phrases), best_of)) for part in drawn]
        each = [self.scorer.score(images, one) for images, one in zip(candidates[0], text[::best_of], strict=True)]
        scores = torch.stack(each)
        images, tokens = (rerank(part, scores).candidates[:, 0] for part in candidates)
        return Drawn(images, tokens)

    @torch.no_grad()
    def decode(self, tokens: Int[Tensor, "batch 16"]) -> Float[Tensor, "batch 8 8"]:
        """The images of these tokens, their pixels between 0 and 1. No gradient is kept."""
        return self.vae.decode(tokens)[:, 0].clamp(0, 1)

    @torch.no_grad()
    def tokens(self, images: Float[Tensor, "batch height width"]) -> Int[Tensor, "batch 16"]:
        """The tokens of these images. No gradient is kept."""
        digits_data.check_pixels("DigitArtist", images, SIZE, weights=self.vae.codebook.weight)
        return self.vae.tokens(images[:, None])

    @torch.no_grad()
    def weights(self, phrases: Sequence[str], tokens: Int[Tensor, "batch 16"]) -> Float[Tensor, "batch layers h 16 19"]:
        """The attention weights with which each token of these images is written. No gradient is kept.

        Returns:
            For each token what was attended to: the start of the text, the name, the word of style or its padding, the
            start of the image, and the tokens before.
        """
        text = encode(phrases).to(tokens.device)
        weights = self.dalle(text, tokens, text_mask=text != PADDING, return_weights=True).weights
        assert weights is not None, "scaled dot-product attention forms them"
        return torch.stack(weights, dim=1)[..., LONGEST + 1 :, :]

    def save(self, path: str | Path) -> None:
        """Write the weights, in half precision, to a safetensors file that `attnref.tasks.load` reads."""
        _weights.save(self, path, self.recipe)
