"""Sequences that ask for what was read before: induction, selective copying, and the recall of pairs."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from attnref._checks import check_at_least

NOT_ASKED = -100  # the target of a position that is not asked for; what `cross_entropy` ignores
DATA, NOISE, MARKER = 14, 14, 15  # the tokens 0 to 13 are data
COPIED = 4  # data tokens to be copied
KEYS, VALUES = 64, 16  # keys are the tokens 0 to 63, values 64 to 79


class Batch(NamedTuple):
    """Sequences and what is asked at each of their positions.

    Attributes:
        tokens: The sequences.
        targets: The token to give at each position, `NOT_ASKED` where none is asked for.
    """

    tokens: Int[Tensor, "batch n"]
    targets: Int[Tensor, "batch n"]


def induction(batch: int, n: int, generator: torch.Generator) -> Batch:
    """Random data tokens, a marker among them and at the end. Asked there: which token followed the first marker?

    Args:
        batch: How many sequences.
        n: Tokens of each.
        generator: Draws them, on the CPU.

    Raises:
        TypeError, ValueError: There is no sequence, or n is less than three.

    Examples:
        >>> import torch
        >>> from attnref.tasks import recall_data
        >>> tokens, targets = recall_data.induction(1, 8, torch.Generator().manual_seed(3))
        >>> tokens  # the marker is 15
        tensor([[12, 15,  3, 11,  0,  6,  2, 15]])
        >>> targets[0, -1]
        tensor(3)

    Source:
        Gu and Dao 2023, *Mamba*, [arXiv:2312.00752](https://arxiv.org/abs/2312.00752), section 4.1.2; the heads that
        do it in Transformers: Olsson et al. 2022, [arXiv:2209.11895](https://arxiv.org/abs/2209.11895).
    """
    check_at_least("recall_data.induction", 1, batch=batch)
    check_at_least("recall_data.induction", 3, n=n)
    tokens = torch.randint(DATA, (batch, n), generator=generator)
    first = torch.randint(n - 2, (batch, 1), generator=generator)
    tokens.scatter_(1, first, MARKER)
    tokens[:, -1] = MARKER
    targets = torch.full_like(tokens, NOT_ASKED)
    targets[:, -1:] = tokens.gather(1, first + 1)
    return Batch(tokens, targets)


def selective_copying(batch: int, n: int, generator: torch.Generator) -> Batch:
    """Four data tokens at random positions among noise, then four markers. Asked at those: the data tokens, in order.

    Args:
        batch: How many sequences.
        n: Tokens of each, without the markers.
        generator: Draws them, on the CPU.

    Raises:
        TypeError, ValueError: There is no sequence, or n is less than four.

    Examples:
        >>> import torch
        >>> from attnref.tasks import recall_data
        >>> tokens, targets = recall_data.selective_copying(1, 10, torch.Generator().manual_seed(0))
        >>> tokens  # the noise is 14, the marker 15
        tensor([[ 4, 14, 14, 14, 14, 14,  3, 14,  7,  2, 15, 15, 15, 15]])
        >>> targets[0, 10:]
        tensor([4, 3, 7, 2])

    Source:
        Gu and Dao 2023, *Mamba*, [arXiv:2312.00752](https://arxiv.org/abs/2312.00752), section 4.1.1; with the data
        always at the start: Arjovsky et al. 2015, [arXiv:1511.06464](https://arxiv.org/abs/1511.06464), section 5.1.
    """
    check_at_least("recall_data.selective_copying", 1, batch=batch)
    check_at_least("recall_data.selective_copying", COPIED, n=n)
    data = torch.randint(DATA, (batch, COPIED), generator=generator)
    where = torch.rand(batch, n, generator=generator).argsort(1)[:, :COPIED].sort(1).values
    tokens = torch.full((batch, n + COPIED), NOISE).scatter_(1, where, data)
    tokens[:, n:] = MARKER
    targets = torch.full_like(tokens, NOT_ASKED)
    targets[:, n:] = data
    return Batch(tokens, targets)


def pairs(batch: int, n: int, generator: torch.Generator) -> Batch:
    """Pairs of a key and a value, all keys different; then the keys in another order. Asked at those: their values.

    Args:
        batch: How many sequences.
        n: Pairs of each, at most 64; a sequence has three times as many tokens.
        generator: Draws them, on the CPU.

    Raises:
        TypeError, ValueError: There is no sequence or no pair, or there are more pairs than keys.

    Examples:
        >>> import torch
        >>> from attnref.tasks import recall_data
        >>> tokens, targets = recall_data.pairs(1, 3, torch.Generator().manual_seed(0))
        >>> tokens  # values are 64 and more
        tensor([[12, 71, 35, 76, 43, 66, 12, 35, 43]])
        >>> targets[0, 6:]
        tensor([71, 76, 66])

    Source:
        Arora et al. 2023, *Zoology: Measuring and Improving Recall in Efficient Language Models*,
        [arXiv:2312.04927](https://arxiv.org/abs/2312.04927), section 3.2: multi-query associative recall.
    """
    check_at_least("recall_data.pairs", 1, batch=batch, n=n)
    if n > KEYS:
        raise ValueError(f"recall_data.pairs: n must be at most {KEYS}, the number of keys, got {n}.")
    keys = torch.rand(batch, KEYS, generator=generator).argsort(1)[:, :n]
    values = KEYS + torch.randint(VALUES, (batch, n), generator=generator)
    order = torch.rand(batch, n, generator=generator).argsort(1)
    told = torch.stack((keys, values), dim=2).flatten(1)
    tokens = torch.cat((told, keys.gather(1, order)), dim=1)
    targets = torch.full_like(tokens, NOT_ASKED)
    targets[:, 2 * n :] = values.gather(1, order)
    return Batch(tokens, targets)


class Question(NamedTuple):
    """One of the three tasks.

    Attributes:
        draw: Draws sequences: of how many, of which size, from which generator.
        vocab_size: Number of different tokens.
        trained: The sizes of training, in turn.
        asked: The sizes that a model is measured on.
    """

    draw: Callable[[int, int, torch.Generator], Batch]
    vocab_size: int
    trained: Sequence[int]
    asked: Sequence[int]


QUESTIONS = {
    "induction": Question(induction, 16, (32,), (32, 64, 128, 256)),
    "selective_copying": Question(selective_copying, 16, (32,), (32, 64, 128, 256)),
    "pairs": Question(pairs, KEYS + VALUES, (4, 8, 16), (2, 4, 8, 16, 32)),
}


def training_batches(question: str, steps: int, batch: int, seed: int) -> Iterator[Batch]:
    """As many batches as there are steps, of the sizes of training in turn."""
    generator, (draw, _, trained, _) = torch.Generator().manual_seed(seed), QUESTIONS[question]
    for step in range(steps):
        yield draw(batch, trained[step % len(trained)], generator)


def held_out(question: str, n: int, batch: int = 256) -> Batch:
    """Sequences that no seed of training below a million draws; always the same."""
    return QUESTIONS[question].draw(batch, n, torch.Generator().manual_seed(1_000_000 + n))
