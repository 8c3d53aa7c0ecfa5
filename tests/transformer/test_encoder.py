"""The encoder: N blocks, one after another."""

import torch

from attnref import TransformerEncoder, causal_mask


def test_is_its_blocks_one_after_another():
    encoder, x = TransformerEncoder(8, 2, 16, 3, norm="pre").double(), torch.randn(2, 5, 8, dtype=torch.float64)
    expected, by_layer = x, []
    for layer in encoder.layers:
        expected, weights = layer(expected, causal_mask(5))
        by_layer.append(weights)
    y, weights = encoder(x, causal_mask(5), return_weights=True)
    torch.testing.assert_close(y, encoder.final_norm(expected))
    torch.testing.assert_close(weights, tuple(by_layer))
    assert encoder(x)[1] is None
