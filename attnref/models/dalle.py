"""DALL·E: a decoder alone, over the text tokens and then the image tokens of one sequence (Ramesh et al. 2021)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnref._checks import check_at_least
from attnref.attention.masks import causal_mask
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.models._dalle_embed import DALLEEmbed, check_grid
from attnref.protocols import Attend
from attnref.sequence._reading import Reading
from attnref.transformer._checks import check_block, check_drops_nothing
from attnref.transformer._stacks import Layers, draw_anew
from attnref.transformer.cache import KeyValueCache
from attnref.transformer.encoder import TransformerEncoder


class DALLEScores(NamedTuple):
    """What DALL·E makes of texts and their images: a score for each token, given all tokens before it.

    Attributes:
        text_logits: (batch, n_text, text_vocab_size); `text_logits[:, i]` scores `text[:, i]`.
        image_logits: (batch, n_image, num_codes); `image_logits[:, i]` scores `image_tokens[:, i]`.
        weights: (batch, h, n, n) for each layer, n = n_text + 1 + n_image; None if they were not asked for, or `attend`
            forms none.
    """

    text_logits: Float[Tensor, "batch n_text text_vocab_size"]
    image_logits: Float[Tensor, "batch n_image num_codes"]
    weights: Layers | None


class DALLE(nn.Module):
    r"""Score each token of a text, then each token of its image, given all before: one sequence, one causal mask.

    $$ p(y, z) = \prod_i p(y_i \mid y_{<i}) \prod_i p(z_i \mid y,\, z_{<i}) \qquad
       x_i = \begin{cases} E_{y_i} + P_i & \text{text} \\ E'_{z_i} + R_{\text{row}(i)} + C_{\text{column}(i)} &
       \text{image} \end{cases} $$

    The model reads: start of text, the text, start of image, the image tokens row by row; n = n_text + 1 + n_image
    positions, since the last image token is scored but not read. Text and image have tables and output layers of their
    own. The blocks are pre-norm with gelu. The paper's attention is sparse between image tokens; here it is dense.

    Args:
        text_vocab_size: Number of different text tokens.
        num_codes: Number of different image tokens, those of the discrete VAE.
        n_text: Number of text tokens, padding included. A padding token is learned for each position.
        grid: Rows and columns of an image's tokens.
        d_model: Size of each vector.
        num_heads: Number of heads of each attention, `h`.
        d_ff: Size inside the feed-forward networks.
        num_layers: Number of blocks.
        dropout: Of each sublayer's output and of the embedded tokens.
        norm_eps: As of `EncoderBlock`.
        attend: The attention of each head. A Module is copied for each layer.

    Raises:
        TypeError: A size is not an int, or the grid is not a pair.
        ValueError: A size is less than one, or as of `EncoderBlock`.

    Examples:
        >>> import torch
        >>> from attnref import generate
        >>> from attnref.models import DALLE
        >>> model = DALLE(20, 32, n_text=5, grid=(4, 4), d_model=8, num_heads=2, d_ff=32, num_layers=3)
        >>> text, image_tokens = torch.randint(20, (2, 5)), torch.randint(32, (2, 16))
        >>> scores = model(text, image_tokens, return_weights=True)
        >>> scores.text_logits.shape, scores.image_logits.shape, scores.weights[0].shape
        (torch.Size([2, 5, 20]), torch.Size([2, 16, 32]), torch.Size([2, 2, 22, 22]))
        >>> prompt = torch.full((2, 1), model.start_of_image)
        >>> written = generate(model.start(text), prompt, max_new_tokens=16, top_k=8, generator=torch.Generator())
        >>> written.tokens[:, 1:].shape
        torch.Size([2, 16])

    Source:
        Ramesh et al. 2021, *Zero-Shot Text-to-Image Generation*,
        [arXiv:2102.12092](https://arxiv.org/abs/2102.12092), section 2.2 and appendix B.1. The start of the text is
        ours, so that the first text token is scored, too.
    """

    def __init__(
        self,
        text_vocab_size: int,
        num_codes: int,
        *,
        n_text: int,
        grid: tuple[int, int],
        d_model: int,
        num_heads: int,
        d_ff: int,
        num_layers: int,
        dropout: float = 0.0,
        norm_eps: float = 1e-5,
        attend: Attend = scaled_dot_product_attention,
    ) -> None:
        sizes = {"text_vocab_size": text_vocab_size, "num_codes": num_codes, "n_text": n_text, "num_layers": num_layers}
        options = {"dropout": dropout, "norm": "pre", "activation": "gelu", "norm_eps": norm_eps, "attend": attend}
        check_at_least("DALLE", 1, **sizes)
        check_block("DALLE", d_model, num_heads, d_ff, **options)
        super().__init__()
        self.text_vocab_size, self.num_codes, self.n_text = text_vocab_size, num_codes, n_text
        self.grid = check_grid("DALLE", grid)
        self.start_of_image = num_codes  # what `generate` is prompted with
        self.embed = DALLEEmbed(text_vocab_size, num_codes, n_text, self.grid, d_model, dropout)
        self.blocks = TransformerEncoder(d_model, num_heads, d_ff, num_layers, **options)
        self.text_proj = nn.Linear(d_model, text_vocab_size)
        self.image_proj = nn.Linear(d_model, num_codes)

    def forward(
        self,
        text: Int[Tensor, "batch n_text"],
        image_tokens: Int[Tensor, "batch n_image"],
        *,
        text_mask: Bool[Tensor, "batch n_text"] | None = None,
        return_weights: bool = False,
    ) -> DALLEScores:
        """Score every token of texts and their images.

        Args:
            text: The texts.
            image_tokens: Their images, row by row; or the first tokens of them, at least one.
            text_mask: True = a real token, False = padding on the right, which is read as the padding token of its
                position.
            return_weights: Whether to keep the attention weights of every layer and head.

        Returns:
            The scores, and the attention weights: rows and columns in the order in which the model reads.

        Raises:
            TypeError: Tokens are not integers, or the text mask is not bool.
            ValueError: A shape or device is wrong, a token is outside its vocabulary, padding is not on the right, or
                there are more image tokens than cells.
        """
        self.embed.check_text("DALLE", text, text_mask)
        self.embed.check_image("DALLE", image_tokens, text)

        x = self.embed(text, image_tokens, text_mask)  # (batch, n, d_model)
        x, weights = self.blocks(x, causal_mask(x.shape[1], device=x.device), return_weights=return_weights)
        of_text, of_image = x[:, : self.n_text], x[:, self.n_text + 1 :]  # the start and all tokens but the last, each
        text_logits = self.text_proj(of_text)  # (batch, n_text, text_vocab_size)
        image_logits = self.image_proj(of_image)  # (batch, n_image, num_codes)
        return DALLEScores(text_logits, image_logits, weights)

    def start(
        self,
        text: Int[Tensor, "batch n_text"],
        text_mask: Bool[Tensor, "batch n_text"] | None = None,
        *,
        cache: bool = True,
    ) -> Reading:
        """Be ready to write images of texts: an `attnref.protocols.NextToken`, as `generate` takes it.

        Its vocabulary is the image tokens. The prompt is `start_of_image`, (batch, 1), and after it the first tokens of
        an image if it is to be completed.

        Args:
            text: The texts.
            text_mask: As of `forward`.
            cache: Whether to keep keys and values. Without, all tokens are read anew for each next one.

        Returns:
            The model before the first image token.

        Raises:
            TypeError, ValueError: As of `forward`, or the model would drop numbers: it is in training mode, and its
                dropout is not 0.
        """
        self.embed.check_text("DALLE.start", text, text_mask)
        check_drops_nothing("DALLE.start", self)
        rows, columns = self.grid
        caches = [KeyValueCache(self.n_text + 1 + rows * columns) for _ in self.blocks.layers]
        return Reading(self._next, caches if cache else None, text, text_mask)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        draw_anew(*self.children())

    def _next(
        self, tokens: Tensor, caches: Sequence[KeyValueCache] | None, text: Tensor, text_mask: Tensor | None
    ) -> Tensor:
        """The logits of the image token after these; the text is read before the first of them."""
        past = caches[0].length if caches else 0
        offset = max(past - (1 + self.n_text), 0)  # in the image
        self.embed.check_read("DALLE.start", tokens, offset, text)
        x = self.embed.of_image(tokens, offset)  # (batch, n, d_model)
        if past == 0:
            x = torch.cat((self.embed.of_text(text, text_mask), x), dim=1)
        n = x.shape[1]
        mask = causal_mask(n, past + n, offset=past, device=x.device) if n > 1 else None
        x, _ = self.blocks(x, mask, cache=caches)
        return self.image_proj(x[:, -1])
