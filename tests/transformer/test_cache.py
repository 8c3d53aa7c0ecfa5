"""The KV cache: any chunks of the positions, the same as all at once."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnref import (
    DecoderBlock,
    DecoderCache,
    EncoderBlock,
    KeyValueCache,
    MemoryCache,
    MultiHeadAttention,
    causal_linear_attention,
    causal_mask,
    padding_mask,
)


def make(**options):
    return MultiHeadAttention(8, 2, bias=True, **options).double()


def vectors(n=7, *batch):
    return torch.randn(*(batch or (3,)), n, 8, dtype=torch.float64)


def in_chunks(cache, attention, x, chunks, mask=None):
    """Outputs, joined, and the weights of each chunk. The mask is the one for all positions at once."""
    outputs, weights, past = [], [], 0
    with torch.no_grad():
        for n in chunks:
            part = x[..., past : past + n, :]
            seen = None if mask is None else mask[..., past : past + n, : past + n]
            output, of_chunk = cache.attend(attention, part, part, seen)
            outputs.append(output)
            weights.append(of_chunk)
            past += n
            assert cache.length == past
    return torch.cat(outputs, -2), weights


@pytest.mark.parametrize("capacity", [1, 3, 64])
def test_step_by_step_is_all_at_once(capacity):
    attention, x = make(), vectors()
    steps, weights = in_chunks(KeyValueCache(capacity), attention, x, [1] * 7)
    expected, at_once = attention(x, x, x, causal_mask(7))
    torch.testing.assert_close(steps, expected)
    for t, of_step in enumerate(weights):
        torch.testing.assert_close(of_step, at_once[..., t : t + 1, : t + 1])


@given(
    chunks=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    capacity=st.integers(1, 9),
    batch=st.sampled_from([(3,), (), (2, 3), (0,)]),
    lengths=st.booleans(),
)
def test_any_chunks_are_all_at_once(chunks, capacity, batch, lengths):
    n = sum(chunks)
    attention, x, mask = make(d_k=3, d_v=5), vectors(n, *batch) if batch else torch.randn(n, 8).double(), causal_mask(n)
    if lengths and batch == (3,):
        mask = mask & padding_mask([n, 1, max(1, n - 1)], n)
    found, _ = in_chunks(KeyValueCache(capacity), attention, x, chunks, mask)
    torch.testing.assert_close(found, attention(x, x, x, mask)[0])


@pytest.mark.parametrize(
    ("capacity", "chunks", "grown"), [(4, [3, 1], 4), (4, [4], 4), (4, [3, 2], 8), (1, [9], 16), (2, [1] * 9, 16)]
)
def test_a_full_buffer_doubles(capacity, chunks, grown):
    cache = KeyValueCache(capacity)
    in_chunks(cache, make(), vectors(sum(chunks)), chunks)
    assert cache.capacity == cache.k.shape[-2] == cache.v.shape[-2] == grown
    assert cache.length == sum(chunks)


def test_what_fits_is_written_in_place():
    cache, attention, x = KeyValueCache(8), make(), vectors()
    in_chunks(cache, attention, x, [2])
    where = cache.k.data_ptr(), cache.v.data_ptr()
    with torch.no_grad():
        for _ in range(3):
            cache.attend(attention, x[:, :1], x[:, :1])
    assert (cache.k.data_ptr(), cache.v.data_ptr()) == where


def test_keys_and_values_are_those_of_the_projections():
    cache, attention, x = KeyValueCache(1), make(d_k=3, d_v=5), vectors()
    in_chunks(cache, attention, x, [2, 4, 1])
    k, v = attention.project(x, x)
    torch.testing.assert_close(cache.k[..., :7, :], k)
    torch.testing.assert_close(cache.v[..., :7, :], v)


@given(rows=st.lists(st.integers(0, 2), min_size=1, max_size=5))
def test_selected_rows_go_on_as_their_own_samples(rows):
    cache, attention, x = KeyValueCache(2), make(), vectors()
    in_chunks(cache, attention, x, [5])
    cache.select(torch.tensor(rows))
    chosen = x[rows]
    with torch.no_grad():
        found, _ = cache.attend(attention, chosen[:, 5:], chosen[:, 5:], causal_mask(2, 7, offset=5))
    torch.testing.assert_close(found, attention(chosen, chosen, chosen, causal_mask(7))[0][:, 5:])


def test_selecting_before_anything_is_kept_does_nothing():
    for cache in (KeyValueCache(), MemoryCache(), DecoderCache(KeyValueCache(), MemoryCache())):
        cache.select(torch.tensor([0, 0]))
    assert cache.past.length == 0


def test_the_memory_is_projected_once():
    attention, memory, x = make(), vectors(), vectors(4)
    cache, expected = MemoryCache(), attention(x, memory, memory, padding_mask([7, 4, 1], 7))[0]
    for t in range(4):
        given = memory if t == 0 else torch.full_like(memory, torch.nan)  # read at the first call alone
        found, weights = cache.attend(attention, x[:, t : t + 1], given, padding_mask([7, 4, 1], 7))
        torch.testing.assert_close(found, expected[:, t : t + 1])
        assert weights.shape == (3, 2, 1, 7)
    cache.select(torch.tensor([1, 1]))
    found, _ = cache.attend(attention, x[[1, 1]], memory[[1, 1]], padding_mask([4, 4], 7))
    torch.testing.assert_close(found, expected[[1, 1]])


def test_a_cache_of_two_caches_selects_in_both():
    cache, attention, x = DecoderCache(KeyValueCache(), MemoryCache()), make(), vectors()
    in_chunks(cache.past, attention, x, [3])
    cache.memory.attend(attention, x, x)
    cache.select(torch.tensor([2, 0]))
    torch.testing.assert_close(cache.past.k[..., :3, :], attention.project(x, x)[0][[2, 0], :, :3])
    torch.testing.assert_close(cache.memory.projected, tuple(part[[2, 0]] for part in attention.project(x, x)))


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("kind", [EncoderBlock, DecoderBlock])
def test_blocks_step_by_step(norm, kind):
    block, x, memory = kind(8, 2, 16, norm=norm).double(), vectors(), vectors(4)
    cache = KeyValueCache(2) if kind is EncoderBlock else DecoderCache(KeyValueCache(2), MemoryCache())
    beside = () if kind is EncoderBlock else (memory,)
    with torch.no_grad():
        steps = [block(x[:, t : t + 1], *beside, None, cache=cache)[0] for t in range(7)]
    torch.testing.assert_close(torch.cat(steps, 1), block(x, *beside, causal_mask(7))[0])


@given(what=st.sampled_from([torch.nan, torch.inf, -torch.inf]), at=st.integers(0, 6))
def test_what_is_no_number_stays_where_the_mask_keeps_it(what, at):
    attention, x = make(), vectors()
    x[1, at] = what
    found, _ = in_chunks(KeyValueCache(2), attention, x, [2, 3, 2], causal_mask(7))
    lost = found.isnan().any(-1)
    assert lost[1].tolist() == [t >= at for t in range(7)]
    assert not lost[[0, 2]].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_keeps_the_dtype(dtype):
    attention, x, cache = make().to(dtype), vectors().to(dtype), KeyValueCache(2)
    found, _ = in_chunks(cache, attention, x, [3, 1, 3])
    assert cache.k.dtype == found.dtype == dtype
    found, _ = in_chunks(KeyValueCache(2), attention, x, [3, 1, 3], causal_mask(7))
    expected = attention(x, x, x, causal_mask(7))[0]
    torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)


def test_with_autocast():
    attention, x, cache = MultiHeadAttention(8, 2), torch.randn(3, 7, 8), KeyValueCache(2)
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = in_chunks(cache, attention, x, [3, 4], causal_mask(7))
        expected = attention(x, x, x, causal_mask(7))[0]
    assert cache.k.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected.detach(), rtol=2e-2, atol=2e-2)


def test_frozen_weights_need_no_context():
    """Nothing has to pass a gradient on, so nothing is refused."""
    attention, x = make().requires_grad_(False), vectors()
    KeyValueCache().attend(attention, x, x)


def after(x, *given, cache=None, **options):
    """Read five positions of three samples, then something that does not fit."""
    cache, attention = cache or KeyValueCache(), make()
    with torch.no_grad():
        cache.attend(attention, vectors(5), vectors(5))
        return cache.attend(attention, x, x, *given, **options)


def test_a_refusal_leaves_the_cache_as_it_was():
    cache, attention, x = KeyValueCache(2), make(), vectors()
    in_chunks(cache, attention, x, [3])
    k = cache.k.clone()
    for wrong, mask in ((x, causal_mask(7)), (x.float(), None), (x[:2], None), (x[..., :5], None)):
        with pytest.raises((TypeError, ValueError)), torch.no_grad():
            cache.attend(attention, wrong, wrong, mask)
    assert cache.length == 3
    assert torch.equal(cache.k[..., :3, :], k[..., :3, :])


@pytest.mark.refusal
def test_what_the_attention_refuses_is_not_kept():
    """Causal linear attention takes as many queries as keys, so it goes no further than the first call."""
    attention, cache = make(attend=causal_linear_attention), KeyValueCache()
    with torch.no_grad():
        cache.attend(attention, x := vectors(), x)
        with pytest.raises(ValueError, match="causal_linear_attention: query and key must agree in n"):
            cache.attend(attention, x[:, :1], x[:, :1])
    assert cache.length == 7


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: KeyValueCache(0), ValueError, "KeyValueCache: capacity must be at least 1, got 0."),
        (lambda: KeyValueCache("8"), TypeError, "KeyValueCache: capacity must be an int, got str."),
        (
            lambda: KeyValueCache().attend(make(), vectors(), vectors()),
            ValueError,
            "KeyValueCache: a cache passes no gradient on: read under torch.no_grad().",
        ),
        (
            lambda: after(vectors(1, 2)),
            ValueError,
            "KeyValueCache: batch and heads must be those of the positions before, got (2, 2) after (3, 2).",
        ),
        (
            lambda: after(vectors(1)[..., :7]),
            ValueError,
            "KeyValueCache: query must have d_model=8, got query (3, 1, 7) with d_model=7.",
        ),
        (
            lambda: after(vectors(1).float()),
            TypeError,
            "KeyValueCache: query and weights must share one dtype, got query torch.float32, weights torch.float64.",
        ),
        (
            lambda: after(vectors(2), causal_mask(2)),
            ValueError,
            "KeyValueCache: mask must broadcast to (..., n, n_k) = (3, 2, 7), got shape (2, 2).",
        ),
        (
            lambda: MemoryCache().attend(make(), vectors(), vectors()[..., :7]),
            ValueError,
            "MemoryCache: key must have d_model=8, got key (3, 7, 7) with d_model=7.",
        ),
        (
            lambda: MemoryCache().attend(make(), vectors(2), vectors(5), causal_mask(5)),
            ValueError,
            "MemoryCache: mask must broadcast to (..., n, n_k) = (3, 2, 5), got shape (5, 5).",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, words)
