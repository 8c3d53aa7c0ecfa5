"""The KV cache: keys and values of the positions read so far, kept so that each is computed once (Shazeer 2019)."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attnref._checks import check_at_least, check_mask
from attnref.attention.multi_head import MultiHeadAttention
from attnref.transformer._checks import check_vectors


class KeyValueCache:
    r"""The keys and values of one attention over its own past, in buffers that are allocated once and then written to.

    $$ K \leftarrow [\,K;\; x W^K\,] \qquad V \leftarrow [\,V;\; x W^V\,] $$

    A buffer that is full is copied to one of twice the size. Buffers are written in place, so no gradient passes
    through them: read under `torch.no_grad()`.

    Args:
        capacity: Number of positions that the first buffers hold.

    Raises:
        TypeError: The capacity is not an int.
        ValueError: The capacity is less than one.

    Examples:
        >>> import torch
        >>> from attnref import KeyValueCache, MultiHeadAttention, causal_mask
        >>> attention, x = MultiHeadAttention(d_model=8, num_heads=2), torch.randn(1, 5, 8)
        >>> cache = KeyValueCache(capacity=5)
        >>> with torch.no_grad():
        ...     steps = [cache.attend(attention, x[:, t : t + 1], x[:, t : t + 1])[0] for t in range(5)]
        ...     at_once, _ = attention(x, x, x, causal_mask(5))
        >>> torch.allclose(torch.cat(steps, dim=1), at_once, atol=1e-6)
        True

    Source:
        Shazeer 2019, *Fast Transformer Decoding: One Write-Head is All You Need*,
        [arXiv:1911.02150](https://arxiv.org/abs/1911.02150), section 2.4.
    """

    def __init__(self, capacity: int = 64) -> None:
        check_at_least("KeyValueCache", 1, capacity=capacity)
        self.capacity, self.length = capacity, 0
        self.k: Tensor | None = None  # (..., h, capacity, d_k)
        self.v: Tensor | None = None  # (..., h, capacity, d_v)

    def attend(
        self,
        attention: MultiHeadAttention,
        query: Float[Tensor, "*batch n d_model"],
        key: Float[Tensor, "*batch n d_model"],
        mask: Bool[Tensor, "*#batch #n #n_k"] | None = None,
    ) -> tuple[Float[Tensor, "*batch n d_model"], Float[Tensor, "*batch h n n_k"] | None]:
        """Add the keys and values of n positions, and attend to all n_k positions so far.

        Args:
            attention: The attention, the same at every call.
            query: The input of its query projection.
            key: The input of its key and value projections.
            mask: True = may attend.

        Returns:
            output, weights: As of `MultiHeadAttention`.

        Raises:
            TypeError: The inputs and the weights are not of one floating dtype, or the mask is not bool.
            ValueError: The inputs are not (..., n, d_model), the mask does not broadcast, leading axes are not those of
                the first call, or a gradient would have to pass.
        """
        _check("KeyValueCache", attention, query, key)
        n_k = self.length + key.shape[-2]
        check_mask("KeyValueCache", mask, (*query.shape[:-1], n_k), "(..., n, n_k)", query=query)
        k, v = self._append(*attention.project(key, key))
        output, weights = attention.attend_projected(query, k, v, mask)
        self.length = n_k  # positions that were refused do not count
        return output, weights

    def select(self, rows: Int[Tensor, " rows"]) -> None:
        """Keep these samples of the batch, in this order; one may be kept several times."""
        self.k = None if self.k is None else self.k[rows]
        self.v = None if self.v is None else self.v[rows]

    def _append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        if torch.is_grad_enabled() and (k.requires_grad or v.requires_grad):
            raise ValueError("KeyValueCache: a cache passes no gradient on: read under torch.no_grad().")
        if self.k is not None and self.k.shape[:-2] != k.shape[:-2]:
            given = f"{tuple(k.shape[:-2])} after {tuple(self.k.shape[:-2])}"
            raise ValueError(f"KeyValueCache: batch and heads must be those of the positions before, got {given}.")
        length = self.length + k.shape[-2]
        while self.k is None or length > self.capacity:
            self.capacity = self.capacity if length <= self.capacity else 2 * self.capacity
            self.k, self.v = self._moved(self.k, k), self._moved(self.v, v)
        assert self.v is not None
        self.k[..., self.length : length, :] = k
        self.v[..., self.length : length, :] = v
        return self.k[..., :length, :], self.v[..., :length, :]

    def _moved(self, old: Tensor | None, like: Tensor) -> Tensor:
        """A buffer of the present capacity that starts with what is in the old one."""
        new = like.new_empty(*like.shape[:-2], self.capacity, like.shape[-1])
        if old is not None:
            new[..., : self.length, :] = old[..., : self.length, :]
        return new


class MemoryCache:
    """The keys and values of the encoder's output for one cross-attention: projected at the first call, then kept.

    Examples:
        >>> import torch
        >>> from attnref import MemoryCache, MultiHeadAttention
        >>> attention = MultiHeadAttention(d_model=8, num_heads=2)
        >>> query, memory = torch.randn(1, 1, 8), torch.randn(1, 5, 8)
        >>> output, weights = MemoryCache().attend(attention, query, memory)
        >>> torch.equal(output, attention(query, memory, memory)[0])
        True

    Source:
        Shazeer 2019, [arXiv:1911.02150](https://arxiv.org/abs/1911.02150), section 2.4.
    """

    def __init__(self) -> None:
        self.projected: tuple[Tensor, Tensor] | None = None  # (..., h, n_k, d_k) and (..., h, n_k, d_v)

    def attend(
        self,
        attention: MultiHeadAttention,
        query: Float[Tensor, "*batch n d_model"],
        key: Float[Tensor, "*batch n_k d_model"],
        mask: Bool[Tensor, "*#batch #n #n_k"] | None = None,
    ) -> tuple[Float[Tensor, "*batch n d_model"], Float[Tensor, "*batch h n n_k"] | None]:
        """Attend to the encoder's output; `key` is read at the first call alone. Else as `KeyValueCache.attend`."""
        _check("MemoryCache", attention, query, key)
        n_k = key.shape[-2] if self.projected is None else self.projected[0].shape[-2]
        check_mask("MemoryCache", mask, (*query.shape[:-1], n_k), "(..., n, n_k)", query=query)
        if self.projected is None:
            self.projected = attention.project(key, key)
        return attention.attend_projected(query, *self.projected, mask)

    def select(self, rows: Int[Tensor, " rows"]) -> None:
        """Keep these samples of the batch, in this order; one may be kept several times."""
        if self.projected is not None:
            k, v = self.projected
            self.projected = k[rows], v[rows]


class DecoderCache(NamedTuple):
    """The two caches of a decoder block.

    Attributes:
        past: Of its self-attention.
        memory: Of its cross-attention.
    """

    past: KeyValueCache
    memory: MemoryCache

    def select(self, rows: Int[Tensor, " rows"]) -> None:
        """Keep these samples of the batch, in this order; one may be kept several times."""
        self.past.select(rows)
        self.memory.select(rows)


def _check(who: str, attention: MultiHeadAttention, query: Tensor, key: Tensor) -> None:
    for name, x in (("query", query), ("key", key)):
        check_vectors(who, name, x, attention.d_model, attention.query_proj.weight)
