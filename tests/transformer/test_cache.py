"""The KV cache: step by step, the same as all at once."""

import pytest
import torch

from attnref import KeyValueCache, MultiHeadAttention, causal_mask


@pytest.mark.parametrize("capacity", [1, 3, 64])
def test_step_by_step_is_all_at_once(capacity):
    attention, x = MultiHeadAttention(8, 2).double(), torch.randn(3, 7, 8, dtype=torch.float64)
    cache = KeyValueCache(capacity)
    with torch.no_grad():
        steps = [cache.attend(attention, x[:, t : t + 1], x[:, t : t + 1])[0] for t in range(7)]
    torch.testing.assert_close(torch.cat(steps, 1), attention(x, x, x, causal_mask(7))[0])
