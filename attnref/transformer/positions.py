"""Embeddings and positions (Vaswani et al. 2017, sections 3.4 and 3.5)."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attnref._checks import check_at_least, check_axes, check_int, check_range, check_size, check_tensor


def sinusoidal_positions(
    n: int,
    d_model: int,
    *,
    offset: int = 0,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, "n d_model"]:
    r"""Encode each position as sines and cosines of wavelengths from 2π to 10000 · 2π.

    $$ P_{p,\,2i} = \sin\frac{p}{10000^{2i / d_{model}}} \qquad P_{p,\,2i+1} = \cos\frac{p}{10000^{2i / d_{model}}} $$

    Angles are computed in float64: in float32 one of 1,000,000 radians is known to 0.03 only. If d_model is odd, the
    last column is a sine without its cosine.

    Args:
        n: Number of positions, in tokens.
        d_model: Size of each encoding.
        offset: The first position, in tokens; it may be negative.
        dtype: Dtype of the encodings; torch's default dtype if omitted.
        device: Where they are made; torch's default device if omitted.

    Returns:
        One row for each position, from `offset` to `offset + n - 1`.

    Raises:
        TypeError: A size or the offset is not an int, or the dtype is not floating point.
        ValueError: n is negative or d_model less than one.

    Examples:
        >>> from attnref import sinusoidal_positions
        >>> sinusoidal_positions(3, 4)
        tensor([[ 0.0000,  1.0000,  0.0000,  1.0000],
                [ 0.8415,  0.5403,  0.0100,  0.9999],
                [ 0.9093, -0.4161,  0.0200,  0.9998]])

    Source:
        Vaswani et al. 2017, *Attention Is All You Need*, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762),
        section 3.5.
    """
    who = "sinusoidal_positions"
    check_at_least(who, 0, n=n)
    check_at_least(who, 1, d_model=d_model)
    check_int(who, offset=offset)
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if not dtype.is_floating_point:
        raise TypeError(f"{who}: dtype must be floating point, got {dtype}.")

    position = torch.arange(n, dtype=torch.float64, device=device)[:, None] + offset  # (n, 1)
    two_i = torch.arange(0, d_model, 2, dtype=torch.float64, device=device)  # (ceil(d_model / 2),)
    angle = position / 10000 ** (two_i / d_model)  # (n, ceil(d_model / 2))
    pairs = torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)  # sine, cosine, sine, cosine, …
    return pairs[:, :d_model].to(dtype)


class TokenEmbedding(nn.Module):
    r"""Look each token up in a table of vectors, and multiply by the square root of d_model.

    $$ x_i = \sqrt{d_{model}}\; E_{t_i} $$

    The table is drawn with a standard deviation of $1/\sqrt{d_{model}}$, so that the entries of $x_i$ have a variance
    of one; those of the positions that are added have one of a half.

    Args:
        vocab_size: Number of tokens.
        d_model: Size of each vector.
        scale: Whether to multiply by √d_model. BERT and GPT do not, and draw with a standard deviation of 0.02.

    Raises:
        TypeError: A size is not an int.
        ValueError: A size is less than one.

    Examples:
        >>> import torch
        >>> from attnref import TokenEmbedding
        >>> embedding = TokenEmbedding(vocab_size=100, d_model=16)
        >>> embedding(torch.tensor([[5, 7, 5]])).shape
        torch.Size([1, 3, 16])

    Source:
        Vaswani et al. 2017, *Attention Is All You Need*, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762),
        section 3.4. The paper does not say how its table is drawn; this is what its code does.
    """

    def __init__(self, vocab_size: int, d_model: int, *, scale: bool = True) -> None:
        check_at_least("TokenEmbedding", 1, vocab_size=vocab_size, d_model=d_model)
        super().__init__()
        self.vocab_size, self.d_model, self.scale = vocab_size, d_model, scale
        self.weight = nn.Parameter(torch.empty(vocab_size, d_model))
        self.reset_parameters()

    def forward(self, tokens: Int[Tensor, "*batch n"]) -> Float[Tensor, "*batch n d_model"]:
        """Embed tokens.

        Args:
            tokens: Numbers from 0 to vocab_size - 1.

        Returns:
            One vector for each token.

        Raises:
            TypeError: The tokens are not integers.
            ValueError: A token is outside the vocabulary.
        """
        check_tensor("TokenEmbedding", tokens=tokens)
        if tokens.dtype not in (torch.int32, torch.int64):
            raise TypeError(f"TokenEmbedding: tokens must be int64 or int32, got {tokens.dtype}.")
        check_range("TokenEmbedding", "tokens", tokens, self.vocab_size - 1, "0 and vocab_size - 1")

        return (math.sqrt(self.d_model) if self.scale else 1.0) * nn.functional.embedding(tokens, self.weight)

    def reset_parameters(self) -> None:
        """Draw the table anew: normal, of standard deviation 1 / √d_model, or 0.02 if it is not scaled."""
        nn.init.normal_(self.weight, std=self.d_model**-0.5 if self.scale else 0.02)


class SinusoidalPositions(nn.Module):
    """Add `sinusoidal_positions` to a sequence of vectors. It has no weights, and no length is too long.

    Args:
        d_model: Size of the vectors.

    Raises:
        TypeError: d_model is not an int.
        ValueError: d_model is less than one.

    Examples:
        >>> import torch
        >>> from attnref import SinusoidalPositions
        >>> SinusoidalPositions(4)(torch.zeros(1, 2, 4))
        tensor([[[0.0000, 1.0000, 0.0000, 1.0000],
                 [0.8415, 0.5403, 0.0100, 0.9999]]])

    Source:
        Vaswani et al. 2017, *Attention Is All You Need*, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762),
        section 3.5.
    """

    def __init__(self, d_model: int) -> None:
        check_at_least("SinusoidalPositions", 1, d_model=d_model)
        super().__init__()
        self.d_model = d_model

    def forward(self, x: Float[Tensor, "*batch n d_model"], *, offset: int = 0) -> Float[Tensor, "*batch n d_model"]:
        """Add the encoding of each position.

        Args:
            x: The vectors.
            offset: Position of the first vector, in tokens: those that a decoder has already written.

        Returns:
            The sums, in the dtype of x.

        Raises:
            TypeError, ValueError: x is not floating point of (..., n, d_model), or the offset is not an int.
        """
        _check_vectors("SinusoidalPositions", x, self.d_model, offset)

        n, exact = x.shape[-2], torch.float64  # the sum alone is rounded
        positions = sinusoidal_positions(n, self.d_model, offset=offset, dtype=exact, device=x.device)
        return (x + positions).to(x.dtype)


class LearnedPositions(nn.Module):
    r"""Add one learned vector for each position to a sequence of vectors.

    $$ y_p = x_p + P_p $$

    Args:
        max_positions: Number of positions that have a vector, in tokens. A longer sequence is refused.
        d_model: Size of the vectors.

    Raises:
        TypeError: A size is not an int.
        ValueError: A size is less than one.

    Examples:
        >>> import torch
        >>> from attnref import LearnedPositions
        >>> positions = LearnedPositions(max_positions=5, d_model=4)
        >>> positions(torch.zeros(1, 3, 4)).shape
        torch.Size([1, 3, 4])

    Source:
        Gehring et al. 2017, *Convolutional Sequence to Sequence Learning*,
        [arXiv:1705.03122](https://arxiv.org/abs/1705.03122), section 3.1; compared with sinusoids by Vaswani et al.
        2017, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762), section 3.5 and table 3, row E.
    """

    def __init__(self, max_positions: int, d_model: int) -> None:
        check_at_least("LearnedPositions", 1, max_positions=max_positions, d_model=d_model)
        super().__init__()
        self.max_positions, self.d_model = max_positions, d_model
        self.weight = nn.Parameter(torch.empty(max_positions, d_model))
        self.reset_parameters()

    def forward(self, x: Float[Tensor, "*batch n d_model"], *, offset: int = 0) -> Float[Tensor, "*batch n d_model"]:
        """Add the vector of each position.

        Args:
            x: The vectors.
            offset: Position of the first vector, in tokens.

        Returns:
            The sums.

        Raises:
            TypeError, ValueError: As of `SinusoidalPositions`, or a position has no vector.
        """
        _check_vectors("LearnedPositions", x, self.d_model, offset)
        n = x.shape[-2]
        if offset < 0 or offset + n > self.max_positions:
            rule = f"between 0 and max_positions - 1={self.max_positions - 1}"
            raise ValueError(f"LearnedPositions: positions must lie {rule}, got {offset} to {offset + n - 1}.")

        return x + self.weight[offset : offset + n]

    def reset_parameters(self) -> None:
        """Draw the vectors anew: normal, of standard deviation 0.02, as Hugging Face's BERT and GPT-2."""
        nn.init.normal_(self.weight, std=0.02)


def _check_vectors(who: str, x: Tensor, d_model: int, offset: int) -> None:
    """A sequence of vectors of the Module's size, and a whole number."""
    check_axes(who, "x", x, "(..., n, d_model)", at_least=2)
    if not x.is_floating_point():
        raise TypeError(f"{who}: x must be floating point, got {x.dtype}.")
    check_size(who, "d_model", d_model, "x", x, -1)
    check_int(who, offset=offset)
