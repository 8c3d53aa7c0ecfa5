"""The Transformer as a whole."""

import torch

from attnref import Transformer


def test_a_later_target_token_changes_no_earlier_logits():
    model = Transformer(12, 9, d_model=8, num_heads=2, d_ff=16, num_layers=(2, 3))
    source, target = torch.randint(12, (2, 7)), torch.randint(9, (2, 5))
    before, _ = model(source, target)
    target[:, 3] = (target[:, 3] + 1) % 9
    after, _ = model(source, target)
    torch.testing.assert_close(after[:, :3], before[:, :3])
    assert not torch.allclose(after[:, 3:], before[:, 3:])
