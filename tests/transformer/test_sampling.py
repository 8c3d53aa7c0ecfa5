"""From logits to a token, against the definitions."""

import pytest
import torch

from attnref import keep_min_p, keep_nucleus, keep_top_k, penalize_repetition, scale_temperature
from attnref.oracle import sampling as oracle


@pytest.mark.parametrize(
    ("function", "argument"),
    [(scale_temperature, 0.7), (keep_top_k, 3), (keep_nucleus, 0.6), (keep_min_p, 0.4)],
    ids=["temperature", "top-k", "nucleus", "min-p"],
)
def test_agrees_with_oracle(agrees, function, argument):
    logits = 2 * torch.randn(5, 7, dtype=torch.float64)
    agrees(function(logits, argument), getattr(oracle, function.__name__)(logits.numpy(), argument))


def test_penalty_agrees_with_oracle(agrees):
    logits, tokens = torch.randn(5, 7, dtype=torch.float64), torch.randint(7, (5, 4))
    agrees(penalize_repetition(logits, tokens, 1.3), oracle.penalize_repetition(logits.numpy(), tokens.numpy(), 1.3))
