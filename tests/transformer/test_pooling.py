"""Mean over real tokens, and the class token."""

import pytest
import torch

from attnref import ClassToken, mean_pooling


@pytest.mark.parametrize("what", [7.0, torch.nan, torch.inf])
def test_padding_is_never_counted(what):
    x, token_mask = torch.randn(3, 5, 4, dtype=torch.float64), torch.arange(5) < torch.tensor([5, 2, 0])[:, None]
    x[~token_mask] = what
    pooled = mean_pooling(x, token_mask)
    torch.testing.assert_close(pooled[0], x[0].mean(0))
    torch.testing.assert_close(pooled[1], x[1, :2].mean(0))
    assert pooled[2].eq(0).all()


def test_class_token_comes_first():
    class_token, x = ClassToken(4), torch.randn(3, 5, 4)
    y, token_mask = class_token(x, torch.zeros(3, 5, dtype=torch.bool))
    assert torch.equal(y[:, 1:], x)
    assert torch.equal(y[:, 0], class_token.weight.expand(3, 4))
    assert token_mask[:, 0].all()
    assert not token_mask[:, 1:].any()
