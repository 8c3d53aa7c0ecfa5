"""Beam search against greedy decoding and exhaustive search."""

import torch

from attnref import Transformer, beam_search, generate


def test_one_beam_is_greedy():
    model = Transformer(12, 12, d_model=16, num_heads=2, d_ff=32, num_layers=2).double()
    source, prompt = torch.randint(12, (3, 7)), torch.randint(12, (3, 1))
    greedy = generate(model.start(source), prompt, max_new_tokens=6, end=3)
    found = beam_search(model.start(source), prompt, beams=1, max_new_tokens=6, end=3)
    assert torch.equal(found.tokens[:, 0], greedy.tokens)
    assert torch.equal(found.token_mask[:, 0], greedy.token_mask)
