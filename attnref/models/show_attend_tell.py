"""Show, Attend and Tell: a caption, word by word, each with a look at the image (Xu et al. 2015)."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attnref._checks import (
    check_at_least,
    check_attend,
    check_choice,
    check_floating,
    check_same_size,
    check_tensor,
    kind_of,
    shape_of,
)
from attnref.models._caption_decoder import CaptionDecoder, Choose, State
from attnref.models._choose import chooser
from attnref.models.hard_attention import HardScores
from attnref.protocols import Attend
from attnref.sequence._checks import check_tokens
from attnref.sequence._net import draw_anew
from attnref.sequence._reading import RecurrentReading
from attnref.transformer._checks import check_dropout, check_drops_nothing


class ShowAttendTell(nn.Module):
    r"""Write a caption for an image: an encoder of images, attention to its grid, and an LSTM that writes.

    $$ \begin{aligned}
       e_{ti} &= v_a^\top \tanh(W_k\, a_i + b + W_q\, h_{t-1}) \qquad
       \alpha_t = \operatorname{softmax}(e_t) \\
       \hat z_t &= \beta_t \sum_i \alpha_{ti}\, a_i \qquad \beta_t = \sigma(f_\beta(h_{t-1})) \\
       h_t, c_t &= \operatorname{LSTM}\bigl([E y_{t-1}, \hat z_t],\, h_{t-1}, c_{t-1}\bigr) \\
       p(y_t) &= \operatorname{softmax}\bigl(L_o (E y_{t-1} + L_h h_t + L_z \hat z_t)\bigr)
       \end{aligned} $$

    The positions of the encoder's grid, height · width of them, are keys and values; each word has one query, the
    hidden state before it. $h_0$ and $c_0$ are each one layer with tanh on the mean of all positions.

    torch.compile and torch.export unroll the loop over the caption: a program for each n_q, with a free batch.

    Args:
        encoder: Any Module (images) -> (batch, d_features, height, width); `nn.Identity()` if such a grid is what the
            model is given.
        vocab_size: Number of different tokens.
        d_features: Size of the vector at each position: the encoder's channels.
        d_embed: Size of an embedded token.
        d_h: Size of the hidden state.
        d_attention: Size of the projected queries and keys.
        gate: Of the context, read off the hidden state: "scalar" as in the paper, one number for the whole vector;
            "vector", one for each channel, as many implementations have it; or "none".
        attend: Any attention of queries and keys of size d_attention and values of size d_features. If omitted, the
            additive score above, whose $v_a$ is `decoder.attend.score_proj.weight`.
        dropout: Of the vector from which the output layer scores the words.

    Raises:
        TypeError: A size is not a whole number, the encoder is not a Module, or `attend` is not an attention.
        ValueError: A size is less than one, the gate is not one of those, or dropout is not a probability below one.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> from attnref.models import ShowAttendTell
        >>> encoder = nn.Conv2d(3, 16, kernel_size=4, stride=4)
        >>> model = ShowAttendTell(encoder, 20, d_features=16, d_embed=8, d_h=12, d_attention=10)
        >>> images, captions = torch.randn(2, 3, 20, 24), torch.randint(20, (2, 7))
        >>> logits, weights = model(images, captions, return_weights=True)
        >>> logits.shape, weights.shape  # a grid of 5 by 6
        (torch.Size([2, 7, 20]), torch.Size([2, 7, 30]))

    Source:
        Xu et al. 2015, *Show, Attend and Tell: Neural Image Caption Generation with Visual Attention*,
        [arXiv:1502.03044](https://arxiv.org/abs/1502.03044), sections 3.1 (equations 1 to 7), 4.1 and 4.2.
    """

    def __init__(
        self,
        encoder: nn.Module,
        vocab_size: int,
        *,
        d_features: int,
        d_embed: int,
        d_h: int,
        d_attention: int,
        gate: Literal["scalar", "vector", "none"] = "scalar",
        attend: Attend | None = None,
        dropout: float = 0.0,
    ) -> None:
        who = "ShowAttendTell"
        sizes = {"d_features": d_features, "d_embed": d_embed, "d_h": d_h, "d_attention": d_attention}
        if not isinstance(encoder, nn.Module):
            raise TypeError(f"{who}: encoder must be an nn.Module, got {kind_of(encoder)}.")
        check_at_least(who, 1, vocab_size=vocab_size, **sizes)
        check_choice(who, "gate", gate, ("scalar", "vector", "none"))
        check_attend(who, attend)
        check_dropout(who, dropout)
        super().__init__()
        self.d_features = d_features
        self.encoder = encoder
        self.decoder = CaptionDecoder(vocab_size, **sizes, gate=gate, attend=attend, dropout=dropout)

    def forward(
        self, images: Tensor, captions: Int[Tensor, "batch n_q"], *, return_weights: bool = False
    ) -> tuple[Float[Tensor, "batch n_q vocab_size"], Float[Tensor, "batch *heads n_q n_k"] | None]:
        """Score each next word, the true ones before it being given (teacher forcing), with soft attention.

        Args:
            images: What the encoder takes.
            captions: The begin token, then the true caption without its last token.
            return_weights: Whether to return the attention weights.

        Returns:
            logits: A score for each token of the vocabulary at each position of the caption.
            weights: The attention weights of each word, the grid row by row, with an axis for the heads where `attend`
                has several; None if they were not asked for, or `attend` forms none.

        Raises:
            TypeError: The captions do not hold integers, or the encoder does not return a tensor of the weights' dtype.
            ValueError: Captions or the encoder's grid are of the wrong shape, or a token is outside the vocabulary.
        """
        logits, looked, _ = self._unroll("ShowAttendTell", images, captions, None)
        formed = [weights for weights in looked if weights is not None]
        return logits, torch.stack(formed, -2) if return_weights and len(formed) == len(looked) else None

    def hard(
        self,
        images: Tensor,
        captions: Int[Tensor, "batch n_q"],
        chosen: Int[Tensor, "batch n_q"] | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> HardScores:
        """As `forward`, but for each word look at one position alone: hard attention.

        Args:
            images: What the encoder takes.
            captions: As in `forward`.
            chosen: The position to look at for each word.
            generator: The source of randomness by which the positions are drawn, each with the probability that is its
                weight. Without it, and without `chosen`, each is the position of the largest weight.

        Returns:
            The logits, the weights, and the positions looked at. `attnref.models.hard_attention_loss` trains by them.

        Raises:
            TypeError, ValueError: As of `forward`; `chosen` is not of its shape, or outside the grid; both `chosen` and
                a generator are given; or `attend` forms no weights, or several heads of them.
        """
        who = "ShowAttendTell.hard"
        logits, looked, positions = self._unroll(who, images, captions, chooser(who, captions, chosen, generator))
        return HardScores(logits, torch.stack(looked, 1), torch.stack(positions, 1))  # pyright: ignore[reportArgumentType]

    @torch.no_grad()
    def start(
        self, images: Tensor, *, hard: bool = False, generator: torch.Generator | None = None
    ) -> RecurrentReading:
        """Look at the images, and be ready to write: an `attnref.protocols.NextToken`, as `attnref.generate` takes it.

        Args:
            images: What the encoder takes.
            hard: Whether to look at one position for each word, that of the largest weight.
            generator: Draws this position by the weights instead.

        Returns:
            The model before its first word. Its first token to read is the begin token.

        Raises:
            TypeError, ValueError: As of `forward`, or the model would drop numbers: it is in training mode, and its
                dropout is not 0.
        """
        who = "ShowAttendTell.start"
        check_drops_nothing(who, self)
        if generator is not None and not hard:
            raise ValueError(f"{who}: generator needs hard=True, got hard=False: soft attention draws nothing.")
        features = self._grid(who, images)
        choose = chooser(who, features, None, generator) if hard else None

        def step(token: Tensor, state: State, features: Tensor, keys: Tensor) -> tuple[Tensor, State]:
            check_tokens(who, "tokens", token[:, None], self.decoder.embedding.num_embeddings)
            check_same_size(who, "batch", tokens=(token, 0), features=(features, 0))
            x = self.decoder.embedding(token)
            hidden, context, state, *_ = self.decoder.step(x, state, features, keys, choose)
            return self.decoder.logits(x, hidden, context), state

        return RecurrentReading(step, self.decoder.start(features), features, self.decoder.key_proj(features))

    def features(self, images: Tensor) -> Float[Tensor, "batch n_k d_features"]:
        """The vector at each position of the encoder's grid, row by row: keys and values, the paper's annotations.

        Args:
            images: What the encoder takes.

        Returns:
            One vector for each position, the channels last.

        Raises:
            TypeError: The encoder does not return a tensor of the weights' dtype.
            ValueError: It does not return (batch, d_features, height, width).
        """
        return self._grid("ShowAttendTell.features", images)

    def reset_parameters(self) -> None:
        """Draw all weights anew, those of the encoder and of `attend` included."""
        draw_anew(*self.children())

    def _unroll(
        self, who: str, images: Tensor, captions: Tensor, choose: Choose | None
    ) -> tuple[Tensor, list[Tensor | None], list[Tensor | None]]:
        """The logits of all words, and of each its weights and the position chosen."""
        decoder = self.decoder
        check_tokens(who, "captions", captions, decoder.embedding.num_embeddings)
        features = self._grid(who, images)
        check_same_size(who, "batch", features=(features, 0), captions=(captions, 0))

        keys, state = decoder.key_proj(features), decoder.start(features)  # the keys are projected once
        embedded, steps = decoder.embedding(captions), []
        for x in embedded.unbind(1):
            hidden, context, state, *looked = decoder.step(x, state, features, keys, choose)
            steps.append((hidden, context, *looked))
        hidden, context, weights, chosen = zip(*steps, strict=True)
        return decoder.logits(embedded, torch.stack(hidden, 1), torch.stack(context, 1)), [*weights], [*chosen]

    def _grid(self, who: str, images: Tensor) -> Tensor:
        """The encoder's grid, (batch, channels, height, width), as one vector a position, (batch, n_k, d_features)."""
        check_tensor(who, images=images)
        grid = self.encoder(images)
        if not isinstance(grid, Tensor):
            raise TypeError(f"{who}: encoder must return a tensor, got {kind_of(grid)}.")
        if grid.ndim != 4 or grid.shape[1] != self.d_features:
            wanted = f"(batch, d_features, height, width) with d_features={self.d_features}"
            raise ValueError(f"{who}: encoder must return {wanted}, got shape {shape_of(grid)}.")
        check_floating(who, grid=grid, weights=self.decoder.output_proj.weight)
        return grid.flatten(2).mT
