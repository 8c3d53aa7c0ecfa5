"""A model in the middle of a text (`attnref.protocols.NextToken`)."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class _Cache(Protocol):
    def select(self, rows: Tensor, /) -> None: ...


class Reading:
    """Scores the next token by `next_logits(tokens, caches, *beside)`.

    Args:
        next_logits: Scores what comes after the tokens, (batch, vocab_size). With caches it is given the new tokens
            alone, and the caches hold what it needs of those before; without, all tokens read so far.
        caches: What has a method `select`, or None.
        beside: Tensors with a leading axis for the batch, such as the encoder's output; or None.
    """

    def __init__(
        self, next_logits: Callable[..., Tensor], caches: Sequence[_Cache] | None = None, *beside: Tensor | None
    ) -> None:
        self._next_logits, self._caches, self._beside = next_logits, caches, beside
        self._tokens: Tensor | None = None  # read so far, where nothing is cached

    @torch.no_grad()
    def read(self, tokens: Tensor) -> Tensor:
        """Read on, and score the next token."""
        if self._caches is None:
            tokens = tokens if self._tokens is None else torch.cat((self._tokens, tokens), dim=1)
            self._tokens = tokens
        return self._next_logits(tokens, self._caches, *self._beside)

    def select(self, rows: Tensor) -> None:
        """Keep these samples of the batch."""
        for cache in self._caches or ():
            cache.select(rows)
        self._tokens = _rows(self._tokens, rows)
        self._beside = tuple(_rows(tensor, rows) for tensor in self._beside)


class RecurrentReading:
    """Scores the next token by `step(token, state, *beside) -> (logits, state)`, token by token."""

    def __init__(
        self, step: Callable[..., tuple[Tensor, Any]], state: Tensor | tuple[Tensor, Tensor], *beside: Tensor | None
    ) -> None:
        self._step, self._state, self._beside = step, state, beside

    @torch.no_grad()
    def read(self, tokens: Tensor) -> Tensor:
        """Read on, and score the next token."""
        logits = tokens.new_empty(0)
        for token in tokens.unbind(1):
            logits, self._state = self._step(token, self._state, *self._beside)
        return logits

    def select(self, rows: Tensor) -> None:
        """Keep these samples of the batch; the second axis of a state."""
        state = self._state
        self._state = tuple(part[:, rows] for part in state) if isinstance(state, tuple) else state[:, rows]  # pyright: ignore[reportAttributeAccessIssue]
        self._beside = tuple(_rows(tensor, rows) for tensor in self._beside)


def _rows(tensor: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if tensor is None else tensor[rows]
