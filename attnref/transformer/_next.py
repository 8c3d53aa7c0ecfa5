"""The model in the middle of a text, as generation and beam search take it: checked, and what it returns, too."""

from torch import Tensor

from attnref._checks import has_values, kind_of, shape_of
from attnref.protocols import NextToken


def check_start(who: str, start: object) -> None:
    """It keeps to the protocol: not a model before `start`, nor the class of one."""
    if not isinstance(start, NextToken) or isinstance(start, type):
        hint = "; pass model.start(...)" if hasattr(start, "start") else ""
        raise TypeError(f"{who}: start must be an attnref.protocols.NextToken, got {kind_of(start)}{hint}.")


def read(who: str, start: NextToken, tokens: Tensor, counts: Tensor | None = None) -> Tensor:
    """Read on: the logits of the next token, (batch, vocab_size), of which a softmax can be taken.

    `counts`, (batch,), says for which samples they count; those of the others, which have ended, may be anything, and
    become zeros.
    """
    logits = start.read(tokens)
    if not isinstance(logits, Tensor) or not logits.is_floating_point():
        given = logits.dtype if isinstance(logits, Tensor) else kind_of(logits)
        raise TypeError(f"{who}: start.read must return logits, a tensor in floating point, got {given}.")
    if logits.ndim != 2 or logits.shape[0] != tokens.shape[0]:
        wanted = f"(batch, vocab_size) = ({tokens.shape[0]}, ...), those after the last token"
        raise ValueError(f"{who}: start.read must return logits {wanted}, got shape {shape_of(logits)}.")
    logits = logits if counts is None else logits.masked_fill(~counts[:, None], 0.0)
    if has_values(logits) and not bool((highest := logits.amax(-1)).isfinite().all()):  # NaN is higher than all
        row = int(highest.isfinite().logical_not().nonzero()[0])
        given = {"nan": "NaN", "inf": "inf", "-inf": "-inf alone"}[str(highest[row].item())]
        rule = "logits must be finite or -inf, and not all -inf in a row"
        raise ValueError(f"{who}: {rule}, got {given} in row {row}.")
    return logits
