"""Masking against the distribution that the paper gives it: exact binomial bounds, whatever the seed."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnref.models import MaskedTokens, mask_tokens

VOCAB_SIZE, MASK, CLS, SEP, PAD = 1000, 999, 998, 997, 0
SPECIAL = (CLS, SEP)
TAIL = 1e-10  # of a sound mask_tokens, how often a count lies out of its bounds


def bounds(number, probability):
    """Counts below the first and above the second are rarer than `TAIL` each: exact sums of the binomial."""
    k = np.arange(number + 1)
    factorials = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, number + 1)))))
    ways = factorials[number] - factorials[k] - factorials[number - k]
    mass = np.exp(ways + k * np.log(probability) + (number - k) * np.log1p(-probability))
    return int(np.searchsorted(np.cumsum(mass), TAIL)), number - int(np.searchsorted(np.cumsum(mass[::-1]), TAIL))


def within(count, number, probability):
    low, high = bounds(number, probability)
    return low <= int(count) <= high


def texts(batch=200, n=128):
    """A class token, words, a separator, and padding after some."""
    tokens = torch.randint(1, 900, (batch, n))
    tokens[:, 0], tokens[:, n // 2] = CLS, SEP
    lengths = torch.randint(n // 2 + 1, n + 1, (batch, 1))
    real = torch.arange(n) < lengths
    return tokens.masked_fill(~real, PAD), real


def masked(tokens, **options):
    options = {"mask_token": MASK, "vocab_size": VOCAB_SIZE, "special": SPECIAL, **options}
    return mask_tokens(tokens, **options)


def test_bounds_are_those_of_the_binomial():
    """For four draws of one half all is known: a sixteenth, five sixteenths, eleven, fifteen."""
    global TAIL
    kept = TAIL
    try:
        for tail, low, high in ((0.05, 0, 4), (0.07, 1, 3), (0.3, 1, 3), (0.32, 2, 2)):
            TAIL = tail
            assert bounds(4, 0.5) == (low, high)
    finally:
        TAIL = kept


@pytest.mark.parametrize("seed", range(3))
def test_chosen_and_what_becomes_of_them(seed, is_drawn_from):
    torch.manual_seed(seed)
    tokens, real = texts()
    new, chosen = masked(tokens, token_mask=real)
    eligible = real & (tokens != CLS) & (tokens != SEP)
    number, count = int(eligible.sum()), int(chosen.sum())
    assert within(count, number, 0.15)
    assert not within(count, number, 0.18)  # the test can fail
    same = 1 / VOCAB_SIZE  # a random token may be the token itself, or the mask
    assert within((new == MASK).sum(), count, 0.8 + 0.1 * same)
    assert within((new[chosen] == tokens[chosen]).sum(), count, 0.1 + 0.1 * same)
    other = chosen & (new != tokens) & (new != MASK)
    assert within(other.sum(), count, 0.1 * (1 - 2 * same))
    assert not within((new == MASK).sum(), count, 0.9)
    assert not within(other.sum(), count, 0.2)


def test_each_position_is_chosen_as_often_and_by_itself():
    tokens = torch.randint(1, 900, (4000, 12))
    _, chosen = masked(tokens)
    for i in range(12):
        assert within(chosen[:, i].sum(), 4000, 0.15)
        for j in range(i):
            assert within((chosen[:, i] & chosen[:, j]).sum(), 4000, 0.15**2)
    assert within((chosen.sum(1) == 0).sum(), 4000, 0.85**12)  # texts without anything to predict


@pytest.mark.parametrize("exact", [False, True])
def test_random_tokens_are_drawn_from_the_whole_vocabulary(is_drawn_from, exact):
    """Special tokens among them, and the token itself; whatever stood there."""
    tokens = torch.randint(1, 9, (300, 200))
    new, chosen = mask_tokens(tokens, mask_token=9, vocab_size=10, rate=0.5, masked=0.0, random=1.0, exact=exact)
    uniform = torch.full((10,), 0.1)
    assert is_drawn_from(new[chosen], uniform)
    assert within((new[chosen] == tokens[chosen]).sum(), int(chosen.sum()), 0.1)
    for word in (1, 4):
        assert is_drawn_from(new[chosen & (tokens == word)], uniform)


@given(rate=st.sampled_from([0.15, 0.5, 1.0]), exact=st.booleans(), seed=st.integers(0, 99))
def test_special_tokens_and_padding_are_never_chosen(rate, exact, seed):
    torch.manual_seed(seed)
    tokens, real = texts(4, 10)
    tokens[0, 3] = MASK  # of an earlier masking
    new, chosen = masked(tokens, token_mask=real, rate=rate, exact=exact)
    never = ~real | (tokens == CLS) | (tokens == SEP) | (tokens == MASK)
    assert not chosen[never].any()
    assert torch.equal(new[~chosen], tokens[~chosen])
    assert chosen.dtype == torch.bool
    if rate == 1.0:
        assert torch.equal(chosen, ~never)


@pytest.mark.parametrize("rate", [0.15, 0.4])
def test_exact_chooses_the_number_that_berts_code_does(rate):
    """round() is Python's, to even; special tokens count in the length, and cannot be chosen."""
    for n in range(1, 513):
        tokens = torch.randint(1, 900, (2, n))
        real = torch.arange(n) < torch.tensor([[n], [(n + 1) // 2]])
        _, chosen = masked(tokens, token_mask=real, rate=rate, exact=True)
        wanted = [max(1, round(length * rate)) for length in (n, (n + 1) // 2)]
        assert chosen.sum(1).tolist() == wanted, n
    _, chosen = masked(torch.tensor([[CLS, 5, SEP], [CLS, SEP, PAD]]), rate=rate, exact=True)
    assert chosen[0].tolist() == [False, True, False]
    assert not chosen[1, :2].any()


def test_exact_chooses_each_position_as_often():
    tokens = torch.randint(1, 900, (4000, 12))
    tokens[:, 0] = CLS
    new, chosen = masked(tokens, exact=True)
    assert chosen.sum(1).eq(2).all()
    for i in range(1, 12):
        assert within(chosen[:, i].sum(), 4000, 2 / 11)
    assert within((new == MASK).sum(), 8000, 0.8)
    assert within((new[chosen] == tokens[chosen]).sum(), 8000, 0.1 + 0.1 / VOCAB_SIZE)


def test_shares_of_its_own():
    tokens = torch.randint(1, 900, (100, 100))
    for share, replaced in ((1.0, 0.0), (0.0, 0.0), (0.5, 0.5), (0.2, 0.7), (0.9, 0.1)):
        new, chosen = masked(tokens, rate=0.5, masked=share, random=replaced)
        count, of_mask = int(chosen.sum()), int((new == MASK).sum())
        same = int((new[chosen] == tokens[chosen]).sum())
        stays = 1 - share - replaced
        for found, wanted in ((of_mask, share), (same, stays)):
            wanted = min(max(wanted, 0.0), 1.0)
            wanted += replaced / VOCAB_SIZE * (wanted < 1)
            assert within(found, count, wanted) if 0 < wanted < 1 else found == wanted * count
    assert torch.equal(masked(tokens, rate=0.0).tokens, tokens)


def test_a_seed_gives_the_same_text_again():
    tokens, real = texts(3, 20)

    def drawn(seed, **options):
        return masked(tokens, token_mask=real, generator=torch.Generator().manual_seed(seed), **options)

    state = torch.get_rng_state()
    for exact in (False, True):
        torch.testing.assert_close(drawn(1, exact=exact), drawn(1, exact=exact), rtol=0, atol=0)
        assert not torch.equal(drawn(1, exact=exact).chosen, drawn(2, exact=exact).chosen)
    assert torch.equal(torch.get_rng_state(), state)  # torch's own is left as it is
    torch.manual_seed(5)
    first, second = masked(tokens), masked(tokens)
    torch.manual_seed(5)
    assert torch.equal(masked(tokens).chosen, first.chosen)
    assert not torch.equal(first.chosen, second.chosen)  # a text is masked anew each time


def test_the_text_is_left_as_it_was():
    tokens, real = texts(3, 20)
    before = tokens.clone()
    result = masked(tokens, token_mask=real, rate=0.9)
    assert torch.equal(tokens, before)
    assert isinstance(result, MaskedTokens)
    assert not torch.equal(result.tokens, tokens)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("exact", [False, True])
def test_keeps_the_dtype(dtype, exact):
    tokens = texts(3, 20)[0].to(dtype)
    assert masked(tokens, exact=exact).tokens.dtype == dtype


@pytest.mark.interop
def test_agrees_with_hugging_faces_collator_in_distribution():
    """Both are random, so counts are compared: theirs lie within the bounds of ours, one by one."""
    transformers = pytest.importorskip("transformers")
    tokens, real = texts()

    class Tokenizer:  # of a tokenizer, the collator asks no more than this
        mask_token, pad_token_id = "[MASK]", PAD

        def convert_tokens_to_ids(self, _):
            return MASK

        def __len__(self):
            return VOCAB_SIZE

    collator = transformers.DataCollatorForLanguageModeling(Tokenizer(), mlm_probability=0.15)
    never = ~real | (tokens == CLS) | (tokens == SEP)
    new, labels = collator.torch_mask_tokens(tokens.clone(), never)
    chosen = labels != -100
    count = int(chosen.sum())
    assert torch.equal(labels[chosen], tokens[chosen])
    assert within(count, int((~never).sum()), 0.15)
    assert within((new == MASK).sum(), count, 0.8)
    assert within((new[chosen] == tokens[chosen]).sum(), count, 0.1 + 0.1 / VOCAB_SIZE)


TOKENS = torch.zeros(2, 3, dtype=torch.long)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: masked(TOKENS.double()), TypeError, "tokens must hold tokens as int32 or int64, got torch.float64."),
        (lambda: masked(TOKENS[0]), ValueError, "tokens must be (batch, n), got shape (3,)."),
        (
            lambda: masked(TOKENS + 1000),
            ValueError,
            "tokens must lie between 0 and vocab_size - 1=999, got 1000 to 1000.",
        ),
        (
            lambda: masked(TOKENS, mask_token=1000),
            ValueError,
            "mask_token must lie between 0 and vocab_size - 1=999, got 1000.",
        ),
        (lambda: masked(TOKENS, mask_token="[MASK]"), TypeError, "mask_token must be an int, got str."),
        (
            lambda: masked(TOKENS, special=(1, -100)),
            ValueError,
            "special must lie between 0 and vocab_size - 1=999, got -100.",
        ),
        (
            lambda: masked(TOKENS, special=2),
            TypeError,
            "special must be a sequence of tokens, got int; pass [2].",
        ),
        (lambda: masked(TOKENS, vocab_size=0), ValueError, "vocab_size must be at least 1, got 0."),
        (
            lambda: masked(TOKENS, token_mask=TOKENS),
            TypeError,
            "token_mask must be bool (True = a real token), got torch.int64.",
        ),
        (
            lambda: masked(TOKENS, token_mask=TOKENS[:1] == 0),
            ValueError,
            "token_mask must be (batch, n) = (2, 3), got shape (1, 3).",
        ),
        (lambda: masked(TOKENS, rate=15), ValueError, "rate must be finite and at least 0 and at most 1, got 15."),
        (lambda: masked(TOKENS, rate="0.15"), TypeError, "rate must be a number, got str."),
        (
            lambda: masked(TOKENS, random=-0.1),
            ValueError,
            "random must be finite and at least 0 and at most 1, got -0.1.",
        ),
        (
            lambda: masked(TOKENS, masked=1.1),
            ValueError,
            "masked must be finite and at least 0 and at most 1, got 1.1.",
        ),
        (lambda: masked(TOKENS, random=0.3), ValueError, "masked + random must be at most 1, got 0.8 + 0.3."),
        (lambda: masked(TOKENS, generator=5), TypeError, "generator must be a torch.Generator, got int."),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, f"mask_tokens: {words}")
