"""What a model with a window looks at: each value, and those right before it."""

from jaxtyping import Shaped
from torch import Tensor


def past_and_next(
    x: Shaped[Tensor, "batch n"], window: int
) -> tuple[Shaped[Tensor, "batch n_explained window"], Shaped[Tensor, "batch n_explained"]]:
    """Each value that has a whole window behind it, and that window, the nearest value first."""
    stretches = x.unfold(1, window + 1, 1)
    return stretches[..., :-1].flip(-1), stretches[..., -1]
