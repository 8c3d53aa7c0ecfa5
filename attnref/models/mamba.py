"""Mamba: a language model of selective state spaces, without attention (Gu and Dao 2023)."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnref._checks import check_at_least, check_choice, kind_of
from attnref.models._checks import check_right_padding
from attnref.models.mamba_mixer import MambaMixer, State
from attnref.models.selective_scan import selective_scan
from attnref.sequence._checks import check_token_mask, check_tokens
from attnref.sequence._reading import Reading
from attnref.transformer._checks import check_norm_eps

Scan = Callable[..., tuple[Tensor, Tensor]]


class MambaBlock(nn.Module):
    r"""Normalize, mix, add: $x + \operatorname{Mixer}(\operatorname{RMSNorm}(x))$.

    There is no feed-forward network: the mixer's gate and its larger number of channels do its work.

    Args:
        d_model: Size of each vector.
        norm_eps: Added to the mean square that a norm divides by.
        d_state: As of `MambaMixer`.
        kernel: As of `MambaMixer`.
        expand: As of `MambaMixer`.
        delta_rank: As of `MambaMixer`.
        bias: As of `MambaMixer`.
        conv_bias: As of `MambaMixer`.
        scan: As of `MambaMixer`.

    Raises:
        TypeError, ValueError: As of `MambaMixer`.

    Examples:
        >>> import torch
        >>> from attnref.models import MambaBlock
        >>> x, state = MambaBlock(d_model=8)(torch.randn(2, 5, 8))
        >>> x.shape
        torch.Size([2, 5, 8])

    Source:
        Gu and Dao 2023, *Mamba*, [arXiv:2312.00752](https://arxiv.org/abs/2312.00752), section 3.4; the norm: Zhang and
        Sennrich 2019, *Root Mean Square Layer Normalization*, [arXiv:1910.07467](https://arxiv.org/abs/1910.07467).
    """

    def __init__(
        self,
        d_model: int,
        *,
        d_state: int = 16,
        kernel: int = 4,
        expand: int = 2,
        delta_rank: int | None = None,
        norm_eps: float = 1e-5,
        bias: bool = False,
        conv_bias: bool = True,
        scan: Scan = selective_scan,
    ) -> None:
        check_norm_eps("MambaBlock", norm_eps)
        super().__init__()
        sizes = {"d_state": d_state, "kernel": kernel, "expand": expand, "delta_rank": delta_rank}
        self.mixer = MambaMixer(d_model, **sizes, bias=bias, conv_bias=conv_bias, scan=scan)
        self.norm = nn.RMSNorm(d_model, eps=norm_eps)

    def forward(
        self,
        x: Float[Tensor, "batch n d_model"],
        state: tuple[Float[Tensor, "batch d past"], Float[Tensor, "batch d d_state"]] | None = None,
        token_mask: Bool[Tensor, "batch n"] | None = None,
    ) -> tuple[
        Float[Tensor, "batch n d_model"], tuple[Float[Tensor, "batch d past"], Float[Tensor, "batch d d_state"]]
    ]:
        """As of `MambaMixer`, with the input added to the output."""
        mixed, after = self.mixer(self.norm(x), state, token_mask)
        return x + mixed, after

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.mixer.reset_parameters()
        self.norm.reset_parameters()


class Mamba(nn.Module):
    r"""Score each next token of a text, given those before it, with a state of constant size for each block.

    $$ p(t_{i+1} \mid t_1 \ldots t_i) =
       \operatorname{softmax}\bigl(W \operatorname{RMSNorm}(\operatorname{Blocks}(E_t)_i)\bigr) $$

    There are no positions: the order is in the recurrence.

    Args:
        vocab_size: Number of different tokens.
        d_model: Size of each vector.
        num_layers: Number of blocks.
        d_state: As of `MambaMixer`.
        kernel: As of `MambaMixer`.
        expand: As of `MambaMixer`.
        delta_rank: As of `MambaMixer`.
        bias: As of `MambaMixer`.
        conv_bias: As of `MambaMixer`.
        norm_eps: As of `MambaBlock`.
        tie: Whether the "output" layer shares the embedding's table, as in the paper's code, or "none".
        scan: As of `MambaMixer`.

    Raises:
        TypeError, ValueError: As of `MambaMixer`, or `tie` is neither "output" nor "none".

    Examples:
        >>> import torch
        >>> from attnref.models import Mamba
        >>> model = Mamba(20, d_model=8, num_layers=2)
        >>> logits, state = model(torch.randint(20, (3, 7)))
        >>> logits.shape, len(state)
        (torch.Size([3, 7, 20]), 2)

    Source:
        Gu and Dao 2023, *Mamba*, [arXiv:2312.00752](https://arxiv.org/abs/2312.00752), section 3.4;
        [its code](https://github.com/state-spaces/mamba/blob/main/mamba_ssm/models/mixer_seq_simple.py).
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        d_model: int,
        num_layers: int,
        d_state: int = 16,
        kernel: int = 4,
        expand: int = 2,
        delta_rank: int | None = None,
        norm_eps: float = 1e-5,
        bias: bool = False,
        conv_bias: bool = True,
        tie: Literal["none", "output"] = "output",
        scan: Scan = selective_scan,
    ) -> None:
        check_at_least("Mamba", 1, vocab_size=vocab_size, d_model=d_model, num_layers=num_layers)
        check_choice("Mamba", "tie", tie, ("none", "output"))
        super().__init__()
        self.vocab_size = vocab_size
        sizes = {"d_state": d_state, "kernel": kernel, "expand": expand, "delta_rank": delta_rank}
        options = {**sizes, "norm_eps": norm_eps, "bias": bias, "conv_bias": conv_bias, "scan": scan}
        self.embed = nn.Embedding(vocab_size, d_model)
        self.layers = nn.ModuleList([MambaBlock(d_model, **options) for _ in range(num_layers)])
        self.final_norm = nn.RMSNorm(d_model, eps=norm_eps)
        self.output_proj = nn.Linear(d_model, vocab_size, bias=False) if tie == "none" else None
        self._scale()

    def forward(
        self,
        tokens: Int[Tensor, "batch n"],
        token_mask: Bool[Tensor, "batch n"] | None = None,
        state: Sequence[State] | None = None,
    ) -> tuple[Float[Tensor, "batch n vocab_size"], list[State]]:
        """Score the token after each token.

        Args:
            tokens: The text, or the next part of one.
            token_mask: True = a real token, False = padding on the right, which leaves the state alone.
            state: What a call before returned; zeros if omitted.

        Returns:
            logits: A score for each token of the vocabulary at each position.
            state: The state of each block after the last real token; there are no attention weights to return.

        Raises:
            TypeError: The tokens are not integers, or the token mask is not bool.
            ValueError: Tokens, mask or state are of the wrong shape, a token is outside the vocabulary, or padding is
                not on the right.
        """
        check_tokens("Mamba", "tokens", tokens, self.vocab_size)
        check_token_mask("Mamba", "token_mask", token_mask, tokens)
        check_right_padding("Mamba", token_mask)
        states = self._states(state)

        x, after = self.embed(tokens), []  # (batch, n, d_model)
        for layer, before in zip(self.layers, states, strict=True):
            x, one = layer(x, before, token_mask)
            after.append(one)
        return self._logits(self.final_norm(x)), after

    def start(self) -> Reading:
        """Be ready to write: an `attnref.protocols.NextToken`, as `generate` takes it.

        Returns:
            The model before its first token. It keeps a state of constant size, however long the text gets.
        """
        return Reading(self._next, [_Kept() for _ in self.layers])

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for module in (self.embed, *self.layers, self.final_norm, self.output_proj):
            if module is not None:
                module.reset_parameters()  # pyright: ignore[reportCallIssue]
        self._scale()

    @torch.no_grad()
    def _scale(self) -> None:
        """As the paper's code has it: a table of 0.02, and what each block adds is smaller the more there are."""
        nn.init.normal_(self.embed.weight, std=0.02)
        for name, weight in self.layers.named_parameters():
            if name.endswith("out_proj.weight"):
                weight /= math.sqrt(len(self.layers))

    def _states(self, state: Sequence[State] | None) -> Sequence[State | None]:
        if state is None:
            return [None] * len(self.layers)
        if not isinstance(state, list | tuple) or len(state) != len(self.layers):
            given = f"{kind_of(state)} of {len(state)}" if isinstance(state, list | tuple) else kind_of(state)
            raise ValueError(f"Mamba: state must be a list of {len(self.layers)}, one for each block, got {given}.")
        return state

    def _next(self, tokens: Tensor, kept: Sequence["_Kept"]) -> Tensor:
        """The logits of the token after these."""
        logits, states = self(tokens, None, None if kept[0].state is None else [one.state for one in kept])
        for one, state in zip(kept, states, strict=True):
            one.state = state
        return logits[:, -1]

    def _logits(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.embed.weight) if self.output_proj is None else self.output_proj(x)


class _Kept:
    """The state of one block while a text is written."""

    state: State | None = None

    def select(self, rows: Tensor) -> None:
        """Keep these samples of the batch."""
        if self.state is not None:
            past, h = self.state
            self.state = past[rows], h[rows]
