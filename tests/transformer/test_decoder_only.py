"""The decoder-only Transformer."""

import torch

from attnref import DecoderOnlyTransformer


def test_a_later_token_changes_no_earlier_logits():
    model = DecoderOnlyTransformer(12, d_model=8, num_heads=2, d_ff=16, num_layers=2)
    tokens = torch.randint(12, (2, 7))
    before, _ = model(tokens)
    tokens[:, 3] = (tokens[:, 3] + 1) % 12
    after, _ = model(tokens)
    torch.testing.assert_close(after[:, :3], before[:, :3])
    assert not torch.allclose(after[:, 3:], before[:, 3:])
