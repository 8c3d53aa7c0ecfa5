"""From texts to images: drawn as `generate` draws them, decoded; and the best of many kept."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from theirs import randomized
from torch import nn

from attnref import generate
from attnref.models import DALLE, generate_images, rerank

GRID, CODES = (2, 3), 5
SIZES = {"n_text": 3, "grid": GRID, "d_model": 4, "num_heads": 2, "d_ff": 6, "num_layers": 1}
REAL = torch.tensor([[True, True, True], [True, False, False]])


class Tiles(nn.Module):
    """Each token is a pixel."""

    def decode(self, tokens):
        return tokens.unflatten(1, (1, *GRID)).double() / CODES


class Other(Tiles):
    """A VAE of other images."""

    def __init__(self, grid=GRID, num_codes=CODES):
        super().__init__()
        self.grid, self.num_codes = grid, num_codes


def make(**options):
    return randomized(DALLE(7, CODES, **{**SIZES, **options}))


def texts(batch=2):
    return torch.randint(7, (batch, 3))


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("options", [{}, {"temperature": 0.5}, {"top_k": 2}, {"top_k": 3, "temperature": 2.0}], ids=str)
def test_decodes_what_generate_writes(options, cache):
    model, text = make(), texts()
    with torch.no_grad():
        model.embed.padding.weight.mul_(20)
    images = generate_images(model, Tiles(), text, text_mask=REAL, generator=chance(), cache=cache, **options)
    start, prompt = model.start(text, REAL), torch.full((2, 1), CODES)
    written = generate(start, prompt, max_new_tokens=6, generator=chance(), **options).tokens
    assert torch.equal(images, Tiles().decode(written[:, 1:]))
    assert not images.requires_grad


def test_without_a_generator_it_is_greedy():
    model, text = make(), texts()
    tokens = (generate_images(model, Tiles(), text) * CODES).round().long().flatten(1)
    assert torch.equal(model(text, tokens).image_logits.argmax(-1), tokens)


def test_one_text_several_images():
    images = generate_images(make(), Other(), texts(1).expand(8, -1), generator=chance())
    assert images.shape == (8, 1, *GRID)
    assert len(images.flatten(1).unique(dim=0)) > 1


def test_the_cache_is_as_asked_for(monkeypatch):
    asked, start = [], DALLE.start
    monkeypatch.setattr(DALLE, "start", lambda *args, cache: asked.append(cache) or start(*args, cache=cache))
    for cache in (True, False):
        generate_images(make(), Tiles(), texts(), cache=cache)
    generate_images(make(), Tiles(), texts())
    assert asked == [True, False, True]


def test_no_gradient_passes_the_decoder_either():
    class Learned(Tiles):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def decode(self, tokens):
            return self.scale * super().decode(tokens)

    assert not generate_images(make(), Learned(), texts()).requires_grad


@given(
    scores=st.lists(st.lists(st.integers(-3, 3), min_size=4, max_size=4), min_size=1, max_size=3), k=st.integers(1, 4)
)
def test_the_best_come_first(scores, k):
    """Index by index: k times the best of those that are left, the first of equal ones."""
    given_scores = torch.tensor(scores, dtype=torch.float64)
    candidates = torch.randn(len(scores), 4, 2, 3)
    found = rerank(candidates, given_scores, k)
    for b, row in enumerate(scores):
        left = list(range(4))
        for place in range(k):
            best = max(left, key=lambda i, row=row: (row[i], -i))
            left.remove(best)
            assert found.chosen[b, place] == best
            assert found.scores[b, place] == row[best]
            assert torch.equal(found.candidates[b, place], candidates[b, best])
    assert found.candidates.shape == (len(scores), k, 2, 3)


def test_one_is_kept_unless_told():
    assert rerank(torch.randn(2, 5), torch.randn(2, 5)).candidates.shape == (2, 1)


def test_tokens_may_be_reranked_and_infinite_scores_compared():
    tokens, scores = torch.arange(6).reshape(1, 3, 2), torch.tensor([[-torch.inf, torch.inf, 0.0]])
    assert rerank(tokens, scores, 3).candidates.tolist() == [[[2, 3], [4, 5], [0, 1]]]


def test_scores_keep_their_gradient():
    scores = torch.tensor([[1.0, 3.0, 2.0]], requires_grad=True)
    rerank(torch.zeros(1, 3), scores, 2).scores.sum().backward()
    assert scores.grad.tolist() == [[0.0, 1.0, 1.0]]


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: generate_images(nn.Identity(), Tiles(), texts()),
            TypeError,
            "dalle must be a DALLE, got torch.nn.modules.linear.Identity.",
        ),
        (
            lambda: generate_images(make(), nn.Identity(), texts()),
            TypeError,
            "vae must have a method decode(image_tokens), as DiscreteVAE, got torch.nn.modules.linear.Identity.",
        ),
        (
            lambda: generate_images(make(), Tiles, texts()),
            TypeError,
            "vae must have a method decode(image_tokens), as DiscreteVAE, got type.",
        ),
        (
            lambda: generate_images(make(), Other(grid=(3, 2)), texts()),
            ValueError,
            "dalle and vae must agree in grid, got (2, 3) and (3, 2).",
        ),
        (
            lambda: generate_images(make(), Other(num_codes=8), texts()),
            ValueError,
            "dalle and vae must agree in num_codes, got 5 and 8.",
        ),
        (
            lambda: generate_images(make(), Tiles(), texts(), temperature=0.0, generator=chance()),
            ValueError,
            "temperature must be finite and above 0, got 0.0.",
        ),
        (
            lambda: generate_images(make(), Tiles(), texts(), top_k=0, generator=chance()),
            ValueError,
            "top_k must be at least 1, got 0.",
        ),
        (
            lambda: generate_images(make(), Tiles(), texts(), temperature=0.7),
            ValueError,
            "temperature and top_k need a generator to draw with, got none and temperature=0.7.",
        ),
        (
            lambda: generate_images(make(), Tiles(), texts(), temperature=0.7, top_k=3),
            ValueError,
            "temperature and top_k need a generator to draw with, got none and temperature=0.7 and top_k=3.",
        ),
        (
            lambda: generate_images(make(), Tiles(), texts(), generator=0),
            TypeError,
            "generator must be a torch.Generator, got int.",
        ),
    ],
)
def test_refusals_of_generate_images(refuses, call, error, words):
    refuses(call, error, f"generate_images: {words}")


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: rerank(torch.zeros(1, 3), torch.zeros(3)),
            ValueError,
            "scores must be (batch, candidates), got shape (3,).",
        ),
        (
            lambda: rerank(torch.zeros(3), torch.zeros(1, 3)),
            ValueError,
            "candidates must be (batch, candidates, ...), got shape (3,).",
        ),
        (
            lambda: rerank(torch.zeros(1, 3), torch.zeros(1, 3).long()),
            TypeError,
            "scores must be floating point, got scores torch.int64.",
        ),
        (
            lambda: rerank(torch.zeros(2, 3), torch.zeros(1, 3)),
            ValueError,
            "candidates and scores must agree in batch, "
            "got candidates (2, 3) with batch=2, scores (1, 3) with batch=1.",
        ),
        (
            lambda: rerank(torch.zeros(1, 4), torch.zeros(1, 3)),
            ValueError,
            "candidates and scores must agree in the number of candidates, got candidates (1, 4) with the number of "
            "candidates=4, scores (1, 3) with the number of candidates=3.",
        ),
        (lambda: rerank(torch.zeros(1, 3), torch.zeros(1, 3), 0), ValueError, "k must be at least 1, got 0."),
        (
            lambda: rerank(torch.zeros(1, 3), torch.zeros(1, 3), 4),
            ValueError,
            "k must be at most the number of candidates=3, got 4.",
        ),
        (lambda: rerank(torch.zeros(1, 3), torch.zeros(1, 3), 1.0), TypeError, "k must be an int, got float."),
        (
            lambda: rerank(torch.zeros(1, 3), torch.tensor([[0.0, torch.nan, 1.0]])),
            ValueError,
            "scores must not be NaN, got NaN at [0, 1].",
        ),
    ],
)
def test_refusals_of_rerank(refuses, call, error, words):
    refuses(call, error, f"rerank: {words}")
