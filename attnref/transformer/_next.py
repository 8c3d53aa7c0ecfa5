"""The model in the middle of a text, as generation and beam search take it: checked, and what it returns, too."""

import torch
from torch import Tensor

from attnref._checks import has_values, kind_of, shape_of
from attnref.protocols import NextToken


def check_start(who: str, start: object) -> None:
    """It keeps to the protocol: not a model before `start`, nor the class of one."""
    if not isinstance(start, NextToken) or isinstance(start, type):
        hint = "; pass model.start(...)" if hasattr(start, "start") else ""
        raise TypeError(f"{who}: start must be an attnref.protocols.NextToken, got {kind_of(start)}{hint}.")


def read(who: str, start: NextToken, tokens: Tensor) -> Tensor:
    """Read on: the logits of the next token, (batch, vocab_size), none of them NaN."""
    logits = start.read(tokens)
    if not isinstance(logits, Tensor) or not logits.is_floating_point():
        given = logits.dtype if isinstance(logits, Tensor) else kind_of(logits)
        raise TypeError(f"{who}: start.read must return logits, a tensor in floating point, got {given}.")
    if logits.ndim != 2 or logits.shape[0] != tokens.shape[0]:
        wanted = f"(batch, vocab_size) = ({tokens.shape[0]}, ...), those after the last token"
        raise ValueError(f"{who}: start.read must return logits {wanted}, got shape {shape_of(logits)}.")
    if has_values(logits) and bool(logits.isnan().any()):
        row = int(torch.isnan(logits).any(-1).nonzero()[0])
        raise ValueError(f"{who}: logits must not be NaN, got NaN in row {row}.")
    return logits
