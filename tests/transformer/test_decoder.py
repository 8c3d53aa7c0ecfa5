"""The decoder: N blocks, one after another, all with the same memory."""

import torch

from attnref import TransformerDecoder, causal_mask, padding_mask


def test_is_its_blocks_one_after_another():
    decoder = TransformerDecoder(8, 2, 16, 3, norm="pre").double()
    x, memory = torch.randn(2, 5, 8, dtype=torch.float64), torch.randn(2, 7, 8, dtype=torch.float64)
    masks = (causal_mask(5), padding_mask([7, 4], 7))
    expected, own, cross = x, [], []
    for layer in decoder.layers:
        expected, weights, cross_weights = layer(expected, memory, *masks)
        own.append(weights)
        cross.append(cross_weights)
    y, weights = decoder(x, memory, *masks, return_weights=True)
    torch.testing.assert_close(y, decoder.final_norm(expected))
    torch.testing.assert_close(weights.to_itself, tuple(own))
    torch.testing.assert_close(weights.to_memory, tuple(cross))
    assert decoder(x, memory)[1] is None
