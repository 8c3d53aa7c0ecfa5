"""Hard attention: its gradient estimate against the exact sum over all positions that could be drawn."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.distributions import Categorical

from attnref.models import ShowAttendTell, hard_attention_loss, moving_average_baseline
from attnref.oracle import hard_attention as oracle

VOCAB, N_Q, N_K = 7, 2, 4
CAPTION = torch.tensor([[1, 3]])
TARGET = torch.tensor([[3, 2]])
LOG_P = torch.tensor([-1.5, -0.2, -3.0], dtype=torch.float64)
WEIGHTS = torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(0)).double().softmax(-1)
CHOSEN = torch.tensor([[0, 4], [2, 2], [1, 3]])
MASK = torch.tensor([[True, True], [True, False], [False, False]])
masks = pytest.mark.parametrize("mask", [None, MASK], ids=["all", "padding"])


@masks
@pytest.mark.parametrize("settings", [{}, {"baseline": -0.7, "reinforce": 0.3, "entropy": 0.2}], ids=["plain", "all"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_agrees_with_oracle(agrees, arrays, mask, settings, dtype):
    log_p, weights = LOG_P.to(dtype), WEIGHTS.to(dtype)
    found = hard_attention_loss(log_p, weights, CHOSEN, mask, **settings)
    assert found.dtype == dtype
    agrees(found, np.float64(oracle.hard_attention_loss(*arrays(log_p, weights, CHOSEN, mask), **settings)))


@masks
def test_gradient_is_that_with_the_reward_held_fixed(agrees, arrays, mask):
    """Finite differences of the definition, reward fixed; torch must not differentiate the reward."""
    settings = {"baseline": -0.7, "reinforce": 0.3, "entropy": 0.2}
    log_p, weights = LOG_P.clone().requires_grad_(), WEIGHTS.clone().requires_grad_()
    hard_attention_loss(log_p, weights, CHOSEN, mask, **settings).backward()
    log_p0, weights0, chosen, mask0 = arrays(LOG_P, WEIGHTS, CHOSEN, mask)

    def value(log_p, weights):
        return oracle.hard_attention_loss(log_p, weights, chosen, mask0, reward=log_p0 + 0.7, **settings)

    for leaf, number in ((log_p, 0), (weights, 1)):
        given = [log_p0, weights0]
        expected = np.zeros(leaf.shape)
        for index in np.ndindex(*leaf.shape):
            step = np.zeros(leaf.shape)
            step[index] = 1e-6
            ahead, behind = (value(*given[:number], given[number] + s, *given[number + 1 :]) for s in (step, -step))
            expected[index] = (ahead - behind) / 2e-6
        torch.testing.assert_close(leaf.grad, torch.tensor(expected), rtol=1e-7, atol=1e-7)


def test_agrees_with_torchs_distributions(agrees):
    draws = Categorical(probs=WEIGHTS)
    expected = -(LOG_P + (LOG_P + 1) * draws.log_prob(CHOSEN).sum(1) + 0.5 * draws.entropy().sum(1)).mean()
    agrees(hard_attention_loss(LOG_P, WEIGHTS, CHOSEN, baseline=-1.0, entropy=0.5), expected)


class Everything:
    """A small model, and for every way to draw its positions: probability, log-likelihood, gradient estimates."""

    def __init__(self):
        torch.manual_seed(0)
        sizes = {"d_features": 3, "d_embed": 2, "d_h": 3, "d_attention": 2}
        self.model = ShowAttendTell(nn.Identity(), VOCAB, **sizes).double()
        for weight in self.model.parameters():
            nn.init.normal_(weight)
        self.weights = list(self.model.parameters())
        grid = torch.randn(1, 3, 2, 2).double()
        self.drawn = [torch.tensor(s)[None] for s in oracle.positions(N_Q, N_K)]
        self.scores = [self.model.hard(grid, CAPTION, s) for s in self.drawn]
        self.log_likelihood = [
            scores.logits.log_softmax(-1).take_along_dim(TARGET[..., None], -1).sum((1, 2)) for scores in self.scores
        ]
        self.probability = [
            scores.weights.take_along_dim(s[..., None], -1).prod(1)[:, 0]
            for scores, s in zip(self.scores, self.drawn, strict=True)
        ]

    def gradient(self, value):
        found = torch.autograd.grad(value, self.weights, retain_graph=True, allow_unused=True, materialize_grads=True)
        return torch.cat([gradient.flatten() for gradient in found])

    def estimates(self, **settings):
        """One for each way to draw, (64, weights)."""
        rows = zip(self.log_likelihood, self.scores, self.drawn, strict=True)
        return torch.stack(
            [self.gradient(hard_attention_loss(log_p, scores.weights, s, **settings)) for log_p, scores, s in rows]
        )

    def mean_and_variance(self, estimates):
        p = torch.cat(self.probability).detach()[:, None]
        mean = (p * estimates).sum(0)
        return mean, float((p * (estimates - mean).square()).sum())


@pytest.fixture(scope="module")
def everything():
    return Everything()


def test_all_that_can_be_drawn_sums_to_one(everything, agrees):
    agrees(torch.cat(everything.probability).sum(), torch.tensor(1.0))


@pytest.mark.parametrize("baseline", [0.0, -2.0, 5.0])
def test_the_estimate_is_right_on_average_whatever_the_baseline(everything, agrees, baseline):
    """The exact sum over all 16 pairs of positions, differentiated by torch, and equation 11 from its parts."""
    exact = everything.gradient(
        oracle.objective(torch.cat(everything.log_likelihood), torch.cat(everything.probability))
    )
    mean, _ = everything.mean_and_variance(everything.estimates(baseline=baseline))
    agrees(-mean, exact)
    parts = oracle.gradient(
        [float(value.detach()) for value in everything.log_likelihood],
        [float(p.detach()) for p in everything.probability],
        [everything.gradient(value).numpy() for value in everything.log_likelihood],
        [everything.gradient(p.log()).numpy() for p in everything.probability],
    )
    agrees(exact, parts)


def test_a_good_baseline_lowers_the_variance(everything):
    expected = float(oracle.objective(torch.cat(everything.log_likelihood), torch.cat(everything.probability)).detach())
    variances = {b: everything.mean_and_variance(everything.estimates(baseline=b))[1] for b in (0.0, expected, 5.0)}
    assert variances[expected] < 0.5 * variances[0.0] < 0.5 * variances[5.0]


def test_without_the_reward_the_scores_learn_nothing(everything):
    exact = oracle.objective(torch.cat(everything.log_likelihood), torch.cat(everything.probability))
    scores = everything.model.decoder.attend.score_proj.weight
    assert torch.autograd.grad(exact, scores, retain_graph=True)[0].norm() > 0.01
    for log_p, found, s in zip(everything.log_likelihood, everything.scores, everything.drawn, strict=True):
        loss = hard_attention_loss(log_p, found.weights, s, reinforce=0.0)
        (gradient,) = torch.autograd.grad(loss, scores, retain_graph=True)
        assert gradient.eq(0).all()


def test_draws_of_the_model_average_to_the_exact_gradient(everything):
    """As it is used: positions drawn, a batch of them at once. Six standard errors are allowed."""
    model, many = everything.model, 4000
    grid = torch.randn(1, 3, 2, 2, generator=torch.Generator().manual_seed(1)).double().expand(many, -1, -1, -1)
    scores = model.hard(grid, CAPTION.expand(many, -1), generator=torch.Generator().manual_seed(2))
    log_p = scores.logits.log_softmax(-1).take_along_dim(TARGET.expand(many, -1)[..., None], -1).sum((1, 2))
    estimate = everything.gradient(hard_attention_loss(log_p, scores.weights, scores.chosen, baseline=-3.0))

    drawn = torch.cat(everything.drawn)
    every = model.hard(grid[: len(drawn)], CAPTION.expand(len(drawn), -1), drawn)
    log_p = every.logits.log_softmax(-1).take_along_dim(TARGET.expand(len(drawn), -1)[..., None], -1).sum((1, 2))
    p = every.weights.take_along_dim(drawn[..., None], -1).prod(1)[:, 0]
    exact = -everything.gradient((p * log_p).sum())
    singles = torch.stack(
        [
            everything.gradient(
                hard_attention_loss(log_p[k : k + 1], every.weights[k : k + 1], drawn[k : k + 1], baseline=-3.0)
            )
            for k in range(len(drawn))
        ]
    )
    variance = (p.detach()[:, None] * (singles - exact).square()).sum(0)
    assert ((estimate - exact).abs() <= 6 * (variance / many).sqrt() + 1e-12).all()
    assert not torch.allclose(estimate, exact)


def test_weights_of_zero_have_gradients_of_zero_not_nan():
    scores = torch.tensor([[[0.0, -200.0, 0.0]]], requires_grad=True)
    hard_attention_loss(LOG_P[:1].float(), scores.softmax(-1), torch.tensor([[0]]), entropy=1.0).backward()
    assert scores.grad.isfinite().all()


def test_padding_changes_nothing():
    with_zero = WEIGHTS.masked_fill(~MASK[..., None], 0.0).requires_grad_()
    loss = hard_attention_loss(LOG_P, with_zero, CHOSEN, MASK, entropy=0.5)
    torch.testing.assert_close(loss, hard_attention_loss(LOG_P, WEIGHTS, CHOSEN, MASK, entropy=0.5))
    loss.backward()
    assert with_zero.grad[~MASK].eq(0).all()


def test_padding_may_hold_anything():
    odd = WEIGHTS.masked_fill(~MASK[..., None], torch.nan).requires_grad_()
    loss = hard_attention_loss(LOG_P, odd, CHOSEN, MASK, entropy=0.5)
    torch.testing.assert_close(loss, hard_attention_loss(LOG_P, WEIGHTS, CHOSEN, MASK, entropy=0.5))
    loss.backward()
    assert odd.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_rounded_once(dtype):
    log_p, weights = LOG_P.to(dtype), WEIGHTS.to(dtype)
    found = hard_attention_loss(log_p, weights, CHOSEN, baseline=-1.0, entropy=0.5)
    exact = hard_attention_loss(log_p.double(), weights.double(), CHOSEN, baseline=-1.0, entropy=0.5)
    assert torch.equal(found, exact.to(dtype))


@given(st.lists(st.floats(-50, 0), min_size=1, max_size=5), st.floats(-50, 0), st.floats(0, 1))
def test_baseline_agrees_with_oracle(values, baseline, decay):
    log_p = torch.tensor(values, dtype=torch.float64)
    found = moving_average_baseline(baseline, log_p, decay=decay)
    assert float(found) == pytest.approx(oracle.moving_average_baseline(baseline, values, decay), rel=1e-12, abs=1e-12)


def test_the_baseline_forgets_by_a_tenth_and_keeps_no_graph():
    log_p = LOG_P.clone().requires_grad_()
    found = moving_average_baseline(moving_average_baseline(0.0, log_p), log_p)
    assert float(found) == pytest.approx((0.1 + 0.09) * float(LOG_P.mean()))
    assert not found.requires_grad


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: hard_attention_loss(LOG_P[:, None], WEIGHTS, CHOSEN),
            ValueError,
            "log_likelihood must be (batch,), got shape (3, 1).",
        ),
        (
            lambda: hard_attention_loss(LOG_P, WEIGHTS[0], CHOSEN),
            ValueError,
            "weights must be (batch, n_q, n_k), got shape (2, 5).",
        ),
        (
            lambda: hard_attention_loss(LOG_P[:2], WEIGHTS, CHOSEN),
            ValueError,
            "log_likelihood and weights must agree in batch, "
            "got log_likelihood (2,) with batch=2, weights (3, 2, 5) with batch=3.",
        ),
        (
            lambda: hard_attention_loss(LOG_P.float(), WEIGHTS, CHOSEN),
            TypeError,
            "log_likelihood and weights must share one dtype, got log_likelihood torch.float32, weights torch.float64.",
        ),
        (
            lambda: hard_attention_loss(LOG_P, WEIGHTS, CHOSEN[:, :1]),
            ValueError,
            "chosen must be (batch, n_q) = (3, 2), got shape (3, 1).",
        ),
        (
            lambda: hard_attention_loss(LOG_P, WEIGHTS, CHOSEN + 1),
            ValueError,
            "chosen must lie between 0 and n_k - 1=4, got 1 to 5.",
        ),
        (
            lambda: hard_attention_loss(LOG_P, WEIGHTS, WEIGHTS[..., 0]),
            TypeError,
            "chosen must hold positions as int32 or int64, got torch.float64.",
        ),
        (
            lambda: hard_attention_loss(LOG_P, WEIGHTS, CHOSEN, MASK[:2]),
            ValueError,
            "token_mask must be (batch, n) = (3, 2), got shape (2, 2).",
        ),
        (
            lambda: hard_attention_loss(LOG_P, WEIGHTS, CHOSEN, reinforce=-1),
            ValueError,
            "reinforce must be finite and at least 0, got -1.",
        ),
        (
            lambda: hard_attention_loss(LOG_P, WEIGHTS, CHOSEN, entropy="much"),
            TypeError,
            "entropy must be a number, got str.",
        ),
        (
            lambda: hard_attention_loss(LOG_P, WEIGHTS, CHOSEN, baseline=LOG_P[:, None]),
            ValueError,
            "baseline must be one number, got shape (3, 1).",
        ),
        (
            lambda: hard_attention_loss(LOG_P, WEIGHTS, CHOSEN, baseline=torch.tensor(1)),
            TypeError,
            "baseline must be floating point, got baseline torch.int64.",
        ),
        (
            lambda: hard_attention_loss(LOG_P, WEIGHTS, CHOSEN, baseline=None),
            TypeError,
            "baseline must be a number, got NoneType.",
        ),
        (
            lambda: hard_attention_loss(LOG_P, WEIGHTS, CHOSEN, baseline=float("nan")),
            ValueError,
            "baseline must be finite, got nan.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, f"hard_attention_loss: {words}")


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: moving_average_baseline(0.0, WEIGHTS),
            ValueError,
            "log_likelihood must be (batch,), got shape (3, 2, 5).",
        ),
        (
            lambda: moving_average_baseline(0.0, LOG_P, decay=1.5),
            ValueError,
            "decay must be finite and at least 0 and at most 1, got 1.5.",
        ),
        (
            lambda: moving_average_baseline(0.0, CHOSEN[:, 0]),
            TypeError,
            "log_likelihood must be floating point, got log_likelihood torch.int64.",
        ),
        (
            lambda: moving_average_baseline(LOG_P, LOG_P),
            ValueError,
            "baseline must be one number, got shape (3,).",
        ),
    ],
)
def test_refusals_of_the_baseline(refuses, call, error, words):
    refuses(call, error, f"moving_average_baseline: {words}")
