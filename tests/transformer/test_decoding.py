"""Generation: with and without a cache, in a batch and alone."""

import pytest
import torch

from attnref import Transformer, generate

KINDS = [
    {},
    {"norm": "pre", "positions": "learned", "max_positions": 40, "tie": "all"},
    {"positions": "none", "tie": "output"},
]


@pytest.mark.parametrize("options", KINDS, ids=["sinusoidal", "learned", "none"])
def test_cached_is_uncached_and_in_a_batch_as_alone(options):
    model = Transformer(12, 12, d_model=16, num_heads=2, d_ff=32, num_layers=(2, 3), **options).double()
    source, source_mask = torch.randint(12, (3, 7)), torch.arange(7) < torch.tensor([7, 4, 5])[:, None]
    prompt, prompt_mask = torch.randint(12, (3, 4)), torch.arange(4) < torch.tensor([2, 4, 1])[:, None]
    how = {"max_new_tokens": 6, "end": 3}
    cached = generate(model.start(source, source_mask, capacity=2), prompt, prompt_token_mask=prompt_mask, **how)
    without = generate(model.start(source, source_mask, cache=False), prompt, prompt_token_mask=prompt_mask, **how)
    assert torch.equal(cached.tokens, without.tokens)
    assert torch.equal(cached.token_mask, without.token_mask)
    for b in range(3):
        alone = generate(model.start(source[b : b + 1, source_mask[b]]), prompt[b : b + 1, prompt_mask[b]], **how)
        assert alone.tokens[0].tolist() == cached.tokens[b][cached.token_mask[b]].tolist()
