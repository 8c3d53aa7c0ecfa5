"""What a model with a window looks at: each value, and those right before it, as they are or as one number."""

import torch
from jaxtyping import Int, Shaped
from torch import Tensor


def past_and_next(
    x: Shaped[Tensor, "batch n"], window: int
) -> tuple[Shaped[Tensor, "batch n_explained window"], Shaped[Tensor, "batch n_explained"]]:
    """Each value that has a whole window before it, and that window, the nearest value first."""
    stretches = x.unfold(1, window + 1, 1)
    return stretches[..., :-1].flip(-1), stretches[..., -1]


def window_numbers(tokens: Int[Tensor, "batch n"], window: int, vocab_size: int) -> Int[Tensor, "batch n_windows"]:
    """One number for each window, from the first to the last: its tokens are the digits, the oldest one in front."""
    count = tokens.shape[1] - window + 1
    number = torch.zeros(len(tokens), count, dtype=torch.long, device=tokens.device)
    for k in range(window):
        number.mul_(vocab_size).add_(tokens[:, k : k + count])
    return number


def next_number(
    number: Int[Tensor, " batch"], token: Int[Tensor, " batch"], window: int, vocab_size: int
) -> Int[Tensor, " batch"]:
    """The number of the window after one more token. The oldest token goes first, so that nothing passes 2 ** 63."""
    rest = number % vocab_size ** max(window - 1, 0)
    return (rest * vocab_size + token) % vocab_size**window
