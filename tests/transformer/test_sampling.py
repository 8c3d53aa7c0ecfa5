"""From logits to a token: against the definitions, Hugging Face's processors, and the distribution to draw from."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnref import keep_min_p, keep_nucleus, keep_top_k, penalize_repetition, sample_token, scale_temperature
from attnref.oracle import sampling as oracle

FILTERS = [
    *((scale_temperature, t) for t in (0.3, 1.0, 2.5)),
    *((keep_top_k, k) for k in (1, 3, 7, 100)),
    *((keep_nucleus, p) for p in (1e-300, 0.2, 0.6, 0.95, 1.0)),
    *((keep_min_p, p) for p in (0.0, 1e-9, 0.4, 1.0)),
]
filters = pytest.mark.parametrize(("function", "argument"), FILTERS)
dtypes = pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])


@filters
@dtypes
def test_agrees_with_oracle(agrees, arrays, function, argument, dtype):
    logits = (2 * torch.randn(5, 7)).to(dtype)
    logits[1:3, 2:4] = -torch.inf
    ours = function(logits, argument)
    assert ours.dtype == dtype
    agrees(ours, getattr(oracle, function.__name__)(*arrays(logits), argument))


@filters
@pytest.mark.parametrize("logits", [[1.0] * 4, [2.0, 2, 1, 1], [1.0, 2, 2, 2], [0.0, -torch.inf, 0, -torch.inf]])
def test_agrees_with_oracle_in_ties(agrees, arrays, function, argument, logits):
    logits = torch.tensor([logits], dtype=torch.float64)
    agrees(function(logits, argument), getattr(oracle, function.__name__)(*arrays(logits), argument))


@pytest.mark.parametrize("penalty", [0.5, 1.0, 1.3])
@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
def test_penalty_agrees_with_oracle(agrees, penalty, kind):
    logits, tokens = torch.randn(5, 7, dtype=torch.float64), torch.randint(7, (5, 4), dtype=kind)
    logits[0, :3], logits[1, :3] = 0.0, -torch.inf
    ours = penalize_repetition(logits, tokens, penalty)
    agrees(ours, oracle.penalize_repetition(logits.numpy(), tokens.numpy(), penalty))


@pytest.mark.plain
@pytest.mark.parametrize("function", [scale_temperature, keep_nucleus, keep_min_p])
def test_a_whole_number_is_taken_too(function):
    logits = torch.randn(2, 5)
    assert torch.equal(function(logits, 1), function(logits, 1.0))


def test_kept_ones_by_hand():
    logits = torch.tensor([[0.1, 0.4, 0.2, 0.3]]).log()
    for function, argument, kept in (
        (keep_top_k, 2, [1, 3]),
        (keep_nucleus, 0.65, [1, 3]),
        (keep_nucleus, 0.75, [1, 2, 3]),
        (keep_min_p, 0.4, [1, 2, 3]),
        (keep_min_p, 0.6, [1, 3]),
    ):
        assert function(logits, argument)[0].isfinite().nonzero().flatten().tolist() == kept


def test_of_equal_tokens_top_k_keeps_all_and_the_nucleus_the_first():
    logits = torch.zeros(1, 4)
    assert keep_top_k(logits, 2).isfinite().sum() == 4
    assert keep_nucleus(logits, 0.5).isfinite().tolist() == [[True, True, False, False]]


@dtypes
def test_a_nucleus_of_one_keeps_all(dtype):
    """In the sum of many probabilities the rounding is larger than the last ones are."""
    logits = torch.linspace(9, -9, 2000, dtype=dtype)[None]
    assert torch.equal(keep_nucleus(logits, 1.0), logits)


@dtypes
@pytest.mark.parametrize("p", [1e-300, 1e-9])
def test_a_nucleus_of_next_to_nothing_keeps_the_likeliest(dtype, p):
    logits = torch.tensor([[1.0, 3.0, 2.0]], dtype=dtype)
    assert keep_nucleus(logits, p).isfinite().tolist() == [[False, True, False]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_few_digits_keep_what_many_keep(dtype):
    """Probabilities are summed in float32 at least: in bfloat16 a sum of many small ones stops growing."""
    logits = torch.zeros(1, 1000, dtype=dtype)
    assert keep_nucleus(logits, 0.9).isfinite().sum() in (900, 901)
    small = torch.tensor([[0.0, -20.0, -30.0]], dtype=dtype)
    assert keep_min_p(small, 1e-10).isfinite().tolist() == [[True, True, False]]


@filters
def test_inputs_stay_as_they_are(function, argument):
    logits = torch.randn(2, 5)
    before = logits.clone()
    function(logits, argument)
    penalize_repetition(logits, torch.tensor([[1], [2]]), 2.0)
    assert torch.equal(logits, before)


@pytest.mark.interop
@pytest.mark.parametrize(
    ("function", "name", "argument"),
    [
        (scale_temperature, "TemperatureLogitsWarper", 0.7),
        (keep_top_k, "TopKLogitsWarper", 4),
        (keep_top_k, "TopKLogitsWarper", 50),
        (keep_nucleus, "TopPLogitsWarper", 0.3),
        (keep_nucleus, "TopPLogitsWarper", 0.9),
        (keep_min_p, "MinPLogitsWarper", 0.1),
        (keep_min_p, "MinPLogitsWarper", 1.0),
    ],
)
def test_agrees_with_hugging_face(function, name, argument):
    theirs = getattr(pytest.importorskip("transformers"), name)(argument)
    logits = 3 * torch.randn(50, 30, dtype=torch.float64)
    torch.testing.assert_close(function(logits, argument), theirs(None, logits))


@pytest.mark.interop
@pytest.mark.parametrize("penalty", [0.5, 1.2])
def test_penalty_agrees_with_hugging_face(penalty):
    theirs = pytest.importorskip("transformers").RepetitionPenaltyLogitsProcessor(penalty)
    logits, tokens = torch.randn(50, 30, dtype=torch.float64), torch.randint(30, (50, 8))
    torch.testing.assert_close(penalize_repetition(logits, tokens, penalty), theirs(tokens, logits.clone()))


@dtypes
def test_draws_with_the_probabilities_of_the_logits(is_drawn_from, dtype):
    logits = torch.tensor([0.5, -torch.inf, 2.0, -1.0, 0.0, 1.0]).to(dtype)
    drawn = sample_token(logits.expand(100_000, -1), torch.Generator().manual_seed(1))
    assert drawn.dtype == torch.int64
    assert is_drawn_from(drawn, logits.double().softmax(-1))
    assert not is_drawn_from(drawn, (1.05 * logits.double()).softmax(-1))  # the test can fail


def test_each_row_draws_from_its_own_logits():
    logits = torch.eye(5).mul(1000).sub(500).roll(2, dims=1)
    assert sample_token(logits, torch.Generator().manual_seed(1)).tolist() == [2, 3, 4, 0, 1]


@given(seed=st.integers(0, 2**31))
def test_the_same_generator_draws_the_same(seed):
    logits = torch.randn(20, 9)
    first, again = (sample_token(logits, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert torch.equal(first, again)


def test_chance_comes_from_the_generator_alone():
    logits, before = torch.zeros(50, 9), torch.get_rng_state()
    generator = torch.Generator().manual_seed(3)
    first, second = sample_token(logits, generator), sample_token(logits, generator)
    assert not torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


RULE = "sample_token: logits must be finite or -inf, and not all -inf in a row"
LOGITS = torch.zeros(2, 3)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: scale_temperature(LOGITS, 0),
            ValueError,
            "scale_temperature: temperature must be finite and above 0, got 0.",
        ),
        (
            lambda: scale_temperature(LOGITS, "hot"),
            TypeError,
            "scale_temperature: temperature must be a number, got str.",
        ),
        (
            lambda: scale_temperature(LOGITS[0], 1.0),
            ValueError,
            "scale_temperature: logits must be (batch, vocab_size), got shape (3,).",
        ),
        (
            lambda: scale_temperature(LOGITS.long(), 1.0),
            TypeError,
            "scale_temperature: logits must be floating point, got logits torch.int64.",
        ),
        (lambda: keep_top_k(LOGITS, 0), ValueError, "keep_top_k: k must be at least 1, got 0."),
        (lambda: keep_top_k(LOGITS, 2.0), TypeError, "keep_top_k: k must be an int, got float."),
        (
            lambda: keep_top_k(LOGITS[None], 1),
            ValueError,
            "keep_top_k: logits must be (batch, vocab_size), got shape (1, 2, 3).",
        ),
        (
            lambda: keep_nucleus(LOGITS, 0.0),
            ValueError,
            "keep_nucleus: p must be finite and above 0 and at most 1, got 0.0.",
        ),
        (
            lambda: keep_nucleus(LOGITS, 1.5),
            ValueError,
            "keep_nucleus: p must be finite and above 0 and at most 1, got 1.5.",
        ),
        (
            lambda: keep_nucleus(LOGITS[0], 0.5),
            ValueError,
            "keep_nucleus: logits must be (batch, vocab_size), got shape (3,).",
        ),
        (
            lambda: keep_min_p(LOGITS, -0.1),
            ValueError,
            "keep_min_p: p must be finite and at least 0 and at most 1, got -0.1.",
        ),
        (
            lambda: keep_min_p(LOGITS, 1.1),
            ValueError,
            "keep_min_p: p must be finite and at least 0 and at most 1, got 1.1.",
        ),
        (
            lambda: keep_min_p(LOGITS[0], 0.5),
            ValueError,
            "keep_min_p: logits must be (batch, vocab_size), got shape (3,).",
        ),
        (
            lambda: penalize_repetition(LOGITS, torch.tensor([[0], [3]]), 1.2),
            ValueError,
            "penalize_repetition: tokens must lie between 0 and vocab_size - 1=2, got 0 to 3.",
        ),
        (
            lambda: penalize_repetition(LOGITS, torch.tensor([[0]]), 1.2),
            ValueError,
            "penalize_repetition: logits and tokens must agree in batch, "
            "got logits (2, 3) with batch=2, tokens (1, 1) with batch=1.",
        ),
        (
            lambda: penalize_repetition(LOGITS, torch.tensor([[0], [1]]), 0.0),
            ValueError,
            "penalize_repetition: penalty must be finite and above 0, got 0.0.",
        ),
        (
            lambda: penalize_repetition(LOGITS[0], torch.tensor([[0]]), 1.2),
            ValueError,
            "penalize_repetition: logits must be (batch, vocab_size), got shape (3,).",
        ),
        (
            lambda: sample_token(LOGITS[0], torch.Generator()),
            ValueError,
            "sample_token: logits must be (batch, vocab_size), got shape (3,).",
        ),
        (
            lambda: sample_token(LOGITS, 0),
            TypeError,
            "sample_token: generator must be a torch.Generator, got int.",
        ),
        (
            lambda: sample_token(torch.tensor([[0.0, 1], [torch.nan, 2]]), torch.Generator()),
            ValueError,
            f"{RULE}, got nan at [1, 0].",
        ),
        (
            lambda: sample_token(torch.tensor([[0.0, torch.inf]]), torch.Generator()),
            ValueError,
            f"{RULE}, got inf at [0, 1].",
        ),
        (
            lambda: sample_token(torch.tensor([[0.0, 1], [-torch.inf, -torch.inf]]), torch.Generator()),
            ValueError,
            f"{RULE}, got -inf alone in row 1.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, words)
