"""The doubly stochastic term against its definition."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnref.models import doubly_stochastic_loss
from attnref.oracle.doubly_stochastic import doubly_stochastic_loss as oracle

WEIGHTS = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(0)).double().softmax(-1)
MASK = torch.tensor([[True, True, True, True], [True, False, True, False], [False, False, False, False]])


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "padding"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_agrees_with_oracle(agrees, arrays, mask, dtype):
    weights = WEIGHTS.to(dtype)
    found = doubly_stochastic_loss(weights, mask)
    assert found.dtype == dtype
    expected = torch.tensor(oracle(*arrays(weights, mask)))
    tolerance = {torch.float64: 1e-12, torch.float32: 2e-6, torch.float16: 5e-3, torch.bfloat16: 4e-2}[dtype]
    torch.testing.assert_close(found.double(), expected.double(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "padding"])
def test_gradcheck(mask):
    assert torch.autograd.gradcheck(lambda w: doubly_stochastic_loss(w, mask), WEIGHTS.clone().requires_grad_())


@given(st.permutations(range(5)))
def test_every_position_once_costs_nothing(order):
    assert doubly_stochastic_loss(torch.eye(5)[order][None]) == 0


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 100))
def test_cannot_fall_below_that_of_equal_shares(n_q, n_k, seed):
    """The weights of n_q words sum to n_q, so shares that are equal leave n_k (1 - n_q / n_k)^2."""
    weights = torch.randn(2, n_q, n_k, generator=torch.Generator().manual_seed(seed)).double().softmax(-1)
    least = n_k * (1 - n_q / n_k) ** 2
    assert doubly_stochastic_loss(weights) >= least - 1e-12
    equal = doubly_stochastic_loss(torch.full((2, n_q, n_k), 1 / n_k, dtype=torch.float64))
    torch.testing.assert_close(equal, torch.tensor(least, dtype=torch.float64), rtol=1e-12, atol=1e-12)


def test_padding_changes_nothing():
    with_nan = WEIGHTS.masked_fill(~MASK[..., None], torch.nan)
    assert torch.equal(doubly_stochastic_loss(with_nan, MASK), doubly_stochastic_loss(WEIGHTS, MASK))


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: doubly_stochastic_loss(WEIGHTS[0]),
            ValueError,
            "weights must be (batch, n_q, n_k), got shape (4, 6).",
        ),
        (
            lambda: doubly_stochastic_loss(WEIGHTS.int()),
            TypeError,
            "weights must be floating point, got weights torch.int32.",
        ),
        (
            lambda: doubly_stochastic_loss(WEIGHTS, MASK[:, :2]),
            ValueError,
            "token_mask must be (batch, n) = (3, 4), got shape (3, 2).",
        ),
        (
            lambda: doubly_stochastic_loss(WEIGHTS, MASK.float()),
            TypeError,
            "token_mask must be bool (True = a real token), got torch.float32.",
        ),
        (lambda: doubly_stochastic_loss(None), TypeError, "weights must be a torch.Tensor, got NoneType."),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, f"doubly_stochastic_loss: {words}")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_rounded_once(dtype):
    weights = torch.randn(2, 200, 6, generator=torch.Generator().manual_seed(0)).softmax(-1).to(dtype)
    exact = doubly_stochastic_loss(weights.double())
    torch.testing.assert_close(doubly_stochastic_loss(weights), exact.to(dtype), rtol=0, atol=0)
