"""The masking that BERT is trained on: tokens are chosen, and most of them masked (Devlin et al. 2018, section 3.1)."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from attnref._checks import check_at_least, kind_of
from attnref.sequence._checks import check_generator, check_number, check_token, check_token_mask, check_tokens


class MaskedTokens(NamedTuple):
    """A text to predict tokens of.

    Attributes:
        tokens: The text with the chosen tokens masked, replaced, or left as they are; (batch, n).
        chosen: True = this token is to be predicted; (batch, n).
    """

    tokens: Int[Tensor, "batch n"]
    chosen: Bool[Tensor, "batch n"]


def mask_tokens(
    tokens: Int[Tensor, "batch n"],
    *,
    mask_token: int,
    vocab_size: int,
    special: Sequence[int] = (),
    token_mask: Bool[Tensor, "batch n"] | None = None,
    rate: float = 0.15,
    masked: float = 0.8,
    random: float = 0.1,
    exact: bool = False,
    generator: torch.Generator | None = None,
) -> MaskedTokens:
    r"""Choose tokens to predict; mask most of them, replace some by a random token, and leave the others.

    $$ \tilde t_i = \begin{cases} \text{[MASK]} & \text{with probability } 0.8 \\ \text{a random token} & 0.1 \\
       t_i & 0.1 \end{cases} \quad \text{where } i \text{ is chosen} \qquad \tilde t_i = t_i \quad \text{elsewhere} $$

    The random token is drawn from the whole vocabulary, special tokens included, as in BERT's code. Once in
    vocab_size times it is the token itself.

    Args:
        tokens: The text.
        mask_token: The token that stands for a masked one, [MASK]. It is never chosen.
        vocab_size: Number of different tokens, from which random ones are drawn.
        special: Tokens that are never chosen: the class token, the separator, ….
        token_mask: True = a real token, False = padding, which is never chosen.
        rate: Probability with which a token is chosen, or with `exact` the share of tokens.
        masked: Probability with which a chosen token is masked.
        random: Probability with which a chosen token is replaced. The others are left as they are.
        exact: Whether to choose a fixed number in each text: the rate times its number of real tokens, rounded, and at
            least one, as BERT's code does. If False, each token is chosen by itself, so that the number varies and may
            be zero, as in Hugging Face's collator.
        generator: The source of randomness, on the device of the tokens; torch's own if omitted.

    Returns:
        tokens: The new text.
        chosen: True = a token to be predicted, whether it was masked, replaced or left.

    Raises:
        TypeError: The tokens are not integers, the token mask is not bool, a setting is not a number, or `special`
            no sequence of ints.
        ValueError: Tokens or token mask are of the wrong shape or on the wrong device, a token is outside the
            vocabulary, a setting is not a probability, or `masked` and `random` sum to more than one.

    Examples:
        >>> import torch
        >>> from attnref.models import mask_tokens
        >>> tokens, generator = torch.arange(12).reshape(1, 12), torch.Generator().manual_seed(0)
        >>> new, chosen = mask_tokens(tokens, mask_token=99, vocab_size=100, rate=0.5, generator=generator)
        >>> new
        tensor([[99,  1, 99, 99, 99,  5, 99,  7, 99,  9, 99, 85]])
        >>> tokens[chosen]  # what is to be predicted
        tensor([ 0,  2,  3,  4,  6,  8, 10, 11])

    Source:
        Devlin et al. 2018, *BERT*, [arXiv:1810.04805](https://arxiv.org/abs/1810.04805), section 3.1, task 1, and
        appendix A.1; `exact` as in
        [its code](https://github.com/google-research/bert/blob/master/create_pretraining_data.py).
    """
    _check(tokens, mask_token, vocab_size, special, token_mask, generator)
    check_number("mask_tokens", 0, 1, rate=rate, masked=masked, random=random)
    if masked + random > 1 + 1e-9:
        raise ValueError(f"mask_tokens: masked + random must be at most 1, got {masked} + {random}.")

    never = torch.tensor([mask_token, *special], dtype=tokens.dtype, device=tokens.device)
    real = torch.ones_like(tokens, dtype=torch.bool) if token_mask is None else token_mask
    eligible = real & ~torch.isin(tokens, never)  # (batch, n)

    draws = torch.rand((2, *tokens.shape), generator=generator, device=tokens.device)
    anything = torch.randint(vocab_size, tokens.shape, generator=generator, device=tokens.device, dtype=tokens.dtype)
    if exact:
        number = (rate * real.sum(dim=1, keepdim=True).double()).round().clamp(min=1)  # (batch, 1)
        rank = draws[0].masked_fill(~eligible, 2.0).argsort(dim=1).argsort(dim=1)  # (batch, n)
        chosen = eligible & (rank < number)
    else:
        chosen = eligible & (draws[0] < rate)

    new = torch.where(chosen & (draws[1] < masked), mask_token, tokens)
    replaced = chosen & (draws[1] >= masked) & (draws[1] < masked + random)
    return MaskedTokens(torch.where(replaced, anything, new), chosen)


def _check(
    tokens: Tensor,
    mask_token: int,
    vocab_size: int,
    special: Sequence[int],
    token_mask: Tensor | None,
    generator: torch.Generator | None,
) -> None:
    check_at_least("mask_tokens", 1, vocab_size=vocab_size)
    check_tokens("mask_tokens", "tokens", tokens, vocab_size)
    check_token_mask("mask_tokens", "token_mask", token_mask, tokens)
    check_token("mask_tokens", "mask_token", mask_token, vocab_size)
    if not isinstance(special, Iterable):
        raise TypeError(f"mask_tokens: special must be a sequence of tokens, got {kind_of(special)}; pass [{special}].")
    for token in special:
        check_token("mask_tokens", "special", token, vocab_size)
    if generator is not None:
        check_generator("mask_tokens", generator, tokens)
