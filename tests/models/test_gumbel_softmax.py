"""Gumbel-softmax against its definition, torch's own, and the distributions that it must have in the limits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.distributions import RelaxedOneHotCategorical
from torch.func import jacrev, vmap

from attnref.models import gumbel_softmax, temperature_schedule
from attnref.oracle import gumbel_softmax as oracle

MANY, CHANCE = 20_000, 1e-9  # samples, and how often a bound may fail
LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0], dtype=torch.float64)
temperatures = pytest.mark.parametrize("temperature", [0.1, 1.0, 3.0])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(*shape, seed=0, dtype=torch.float64):
    """Logits and Gumbel noise of a shape."""
    logits = torch.randn(shape, generator=seeded(seed), dtype=torch.float64).to(dtype)
    noise = -torch.empty(shape, dtype=torch.float64).exponential_(generator=seeded(seed + 1)).log()
    return logits, noise.to(dtype)


def many(logits=LOGITS, temperature=1.0, **options):
    """Many samples of the same logits."""
    return gumbel_softmax(logits.expand(MANY, -1), temperature, generator=seeded(), **options)


# The definition, and torch's own.


@temperatures
@pytest.mark.parametrize("hard", [False, True], ids=["soft", "hard"])
@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 3, 1)], ids=str)
def test_agrees_with_oracle(agrees, arrays, temperature, hard, shape):
    logits, noise = drawn(*shape)
    found = gumbel_softmax(logits, temperature, hard=hard, noise=noise)
    agrees(found, oracle.gumbel_softmax(*arrays(logits, noise), temperature, hard))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_every_dtype_is_rounded_once(dtype):
    logits, noise = drawn(3, 5, dtype=dtype)
    found = gumbel_softmax(logits, 0.3, noise=noise)
    exact = gumbel_softmax(logits.double(), 0.3, noise=noise.double())
    assert found.dtype == dtype
    torch.testing.assert_close(found, exact.to(dtype), rtol=4e-6 if dtype == torch.float32 else 0, atol=0)


@temperatures
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_the_same_seed_draws_what_torch_draws(temperature, dtype):
    logits, _ = drawn(3, 5, dtype=dtype)
    torch.manual_seed(7)
    expected = torch.nn.functional.gumbel_softmax(logits, temperature)
    torch.manual_seed(7)
    torch.testing.assert_close(gumbel_softmax(logits, temperature), expected)
    torch.testing.assert_close(gumbel_softmax(logits, temperature, generator=seeded(7)), expected)


@temperatures
def test_hard_has_the_value_and_the_gradient_that_torch_has(temperature):
    logits, change = drawn(3, 5)[0].requires_grad_(), torch.randn(3, 5, dtype=torch.float64)
    torch.manual_seed(7)
    theirs = torch.nn.functional.gumbel_softmax(logits, temperature, hard=True)
    ours = gumbel_softmax(logits, temperature, hard=True, generator=seeded(7))
    torch.testing.assert_close(ours, theirs)
    (one,), (other,) = (torch.autograd.grad(each, logits, change) for each in (ours, theirs))
    torch.testing.assert_close(one, other)


@temperatures
def test_the_gradient_is_that_of_the_definition(agrees, temperature):
    logits, noise = drawn(5)
    y = gumbel_softmax(logits, temperature, noise=noise)
    agrees(jacrev(lambda z: gumbel_softmax(z, temperature, noise=noise))(logits), oracle.slopes(y.numpy(), temperature))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch calls it itself, in forward mode
def test_gradcheck():
    logits, noise = drawn(2, 3)
    logits.requires_grad_(), noise.requires_grad_()
    assert gradcheck(lambda z, g: gumbel_softmax(z, 0.7, noise=g), (logits, noise), check_forward_ad=True)
    assert gradgradcheck(lambda z, g: gumbel_softmax(z, 0.7, noise=g), (logits, noise))


def test_the_temperature_is_one_unless_given():
    logits, noise = drawn(3, 5)
    assert torch.equal(gumbel_softmax(logits, noise=noise), gumbel_softmax(logits, 1.0, noise=noise))


# Hard samples: straight-through.


@temperatures
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16], ids=str)
def test_hard_is_exactly_one_hot(temperature, dtype):
    logits, noise = drawn(2000, 7, dtype=dtype)
    found = gumbel_softmax(logits, temperature, hard=True, noise=noise)
    assert set(found.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(found.argmax(-1), (logits.float() + noise.float()).argmax(-1))
    assert found.sum(-1).eq(1).all()


@temperatures
def test_hard_has_the_gradient_of_the_soft_sample(temperature):
    (logits, noise), change = drawn(3, 5), torch.randn(3, 5, dtype=torch.float64)
    logits.requires_grad_()
    hard, soft = (gumbel_softmax(logits, temperature, hard=hard, noise=noise) for hard in (True, False))
    (through,), (of_soft,) = (torch.autograd.grad(each, logits, change) for each in (hard, soft))
    assert torch.equal(through, of_soft)
    assert through.abs().max() > 0


# What is drawn.


@temperatures
def test_the_largest_is_each_code_as_often_as_softmax_says(temperature):
    """Hoeffding: each of K frequencies is off by e with probability 2 exp(-2 n e^2) at most."""
    found = torch.bincount(many(temperature=temperature).argmax(-1), minlength=4) / MANY
    bound = math.sqrt(math.log(2 * len(LOGITS) / CHANCE) / (2 * MANY))
    assert bound < 0.024
    assert (found - LOGITS.softmax(-1)).abs().max() < bound


@temperatures
@pytest.mark.parametrize("hard", [False, True], ids=["soft", "hard"])
def test_torchs_own_randomness_is_the_same(is_drawn_from, temperature, hard):
    found = gumbel_softmax(LOGITS.expand(MANY, -1), temperature, hard=hard)
    assert is_drawn_from(found.argmax(-1), LOGITS.softmax(-1))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
def test_two_codes_have_the_distribution_of_a_logistic(temperature):
    """The share t of the first has P(share <= t) = sigmoid(tau logit(t) - (z_1 - z_2)), for g_1 - g_2 is logistic.

    Dvoretzky, Kiefer, Wolfowitz: the empirical distribution is off by e with probability 2 exp(-2 n e^2) at most.
    """
    share = many(LOGITS[:2], temperature)[:, 0].sort().values
    exact = torch.sigmoid(temperature * share.logit() - 1.0)
    empirical = torch.arange(1, MANY + 1) / MANY
    assert (exact - empirical).abs().max() < math.sqrt(math.log(2 / CHANCE) / (2 * MANY))


@temperatures
def test_the_density_of_the_definition_is_torchs(temperature):
    """The samples of torch's own distribution, whose density is the paper's equation 3."""
    theirs = RelaxedOneHotCategorical(torch.tensor(temperature, dtype=torch.float64), logits=LOGITS)
    for y in many(temperature=max(temperature, 0.5))[:5]:
        expected = oracle.density(y.numpy(), LOGITS.numpy(), temperature)
        assert float(theirs.log_prob(y)) == pytest.approx(math.log(expected), rel=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 3.0])  # below one the density has no bound
def test_samples_have_that_density(temperature):
    """The mean of a function under the density, by quadrature, and over the samples: six standard errors allowed."""
    share = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    weights = [oracle.density((t, 1 - t), (1.0, 0.0), temperature) for t in share.tolist()]
    assert np.mean(weights) == pytest.approx(1, abs=2e-3)
    found = many(torch.tensor([1.0, 0.0]).double(), temperature)[:, 0].square()
    expected = np.mean([w * t**2 for w, t in zip(weights, share.tolist(), strict=True)])
    assert abs(float(found.mean()) - expected) < 6 * float(found.std()) / math.sqrt(MANY) + 2e-3


def test_a_generator_leaves_torchs_own_alone():
    logits, _ = drawn(3, 5)
    before = torch.get_rng_state()
    one, same, other = (gumbel_softmax(logits, generator=seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, same)
    assert not torch.allclose(one, other)


# The limits.


def gap(scores):
    """How far the largest lies above the second."""
    first, second = scores.topk(2).values.unbind(-1)
    return first - second


@given(st.integers(2, 9), st.floats(1e-4, 0.5), st.integers(0, 10**6))
def test_at_low_temperature_the_sample_is_the_one_hot_one(num_codes, temperature, seed):
    """All others together are (K - 1) exp(-gap / tau) of the largest at most, and exp(-gap / tau) at least."""
    logits, noise = drawn(20, num_codes, seed=seed)
    soft, hard = (gumbel_softmax(logits, temperature, hard=hard, noise=noise) for hard in (False, True))
    ratio = torch.exp(-gap(logits + noise) / temperature)
    others = 1 - (soft * hard).sum(-1)
    assert (others <= (num_codes - 1) * ratio / (1 + (num_codes - 1) * ratio) + 1e-12).all()
    assert (others >= ratio / (1 + ratio) - 1e-12).all()


@given(st.integers(2, 9), st.floats(1, 1e4), st.integers(0, 10**6))
def test_at_high_temperature_it_is_uniform(num_codes, temperature, seed):
    """Scores that differ by r have shares between exp(-r / tau) / K and exp(r / tau) / K."""
    logits, noise = drawn(20, num_codes, seed=seed)
    soft = gumbel_softmax(logits, temperature, noise=noise)
    spread = torch.exp(((logits + noise).amax(-1) - (logits + noise).amin(-1)) / temperature)[:, None]
    assert (soft * num_codes <= spread * (1 + 1e-12)).all()
    assert (soft * num_codes >= (1 - 1e-12) / spread).all()


def test_in_the_limits_it_is_exact():
    logits, noise = drawn(50, 7)
    hard = gumbel_softmax(logits, hard=True, noise=noise)
    assert gap(logits + noise).min() > 1e-3
    assert torch.equal(gumbel_softmax(logits, 1e-6, noise=noise), hard)
    torch.testing.assert_close(gumbel_softmax(logits, 1e9, noise=noise), torch.full_like(logits, 1 / 7))


def mean_share(difference, temperature):
    """The mean of sigmoid((d + L) / tau) for logistic L, by quadrature over the quantiles of L."""
    u = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    return float(torch.sigmoid((difference + u.logit()) / temperature).mean())


@pytest.mark.parametrize("temperature", [0.01, 0.5, 1.0, 5.0])
def test_the_mean_of_soft_samples(temperature):
    """Over two codes two apart: six standard errors from the exact mean are allowed."""
    found = many(torch.tensor([2.0, 0.0]).double(), temperature)[:, 0]
    assert abs(float(found.mean()) - mean_share(2.0, temperature)) < 6 * float(found.std()) / math.sqrt(MANY)


def test_that_mean_is_biased_towards_uniform():
    """The bias vanishes at low temperatures and grows with them; at temperature 1 the exact mean is known."""
    p = math.exp(2) / (math.exp(2) + 1)
    bias = [p - mean_share(2.0, temperature) for temperature in (0.01, 0.5, 1.0, 5.0, 1000.0)]
    assert abs(bias[0]) < 1e-4
    assert 0.02 < bias[1] < bias[2] < bias[3] < bias[4]
    assert bias[2] == pytest.approx(p - math.exp(2) * (math.exp(2) - 3) / (math.exp(2) - 1) ** 2, abs=1e-5)
    assert bias[4] == pytest.approx(p - 0.5, abs=1e-3)


def test_gradients_grow_as_the_temperature_falls():
    """Their size is that of the slope 1 / tau where the sample is not sure."""
    sizes = []
    for temperature in (1.0, 0.1, 0.01):
        logits = torch.zeros(MANY, 2, dtype=torch.float64, requires_grad=True)
        gumbel_softmax(logits, temperature, generator=seeded())[:, 0].sum().backward()
        sizes.append(float(logits.grad[:, 0].std()))
    assert sizes[0] < 0.5 * sizes[1] < 0.25 * sizes[2]


# Laws.


@given(st.integers(1, 6), st.floats(0.05, 5), st.floats(-5, 5), st.integers(0, 10**6))
def test_laws_of_softmax(num_codes, temperature, shift, seed):
    """Sums of one, nothing negative, and a number added to all logits changes nothing."""
    logits, noise = drawn(3, num_codes, seed=seed)
    found = gumbel_softmax(logits, temperature, noise=noise)
    torch.testing.assert_close(found.sum(-1), torch.ones(3, dtype=torch.float64))
    assert (found >= 0).all()
    torch.testing.assert_close(gumbel_softmax(logits + shift, temperature, noise=noise), found)


@given(st.permutations(range(5)))
def test_codes_permuted_permute_the_sample(order):
    logits, noise = drawn(3, 5)
    expected = gumbel_softmax(logits, 0.5, noise=noise)[:, order]
    torch.testing.assert_close(gumbel_softmax(logits[:, order], 0.5, noise=noise[:, order]), expected)


def test_a_code_of_minus_infinity_is_never_drawn():
    logits = torch.tensor([0.0, -torch.inf, 1.0], requires_grad=True)
    found = many(logits)
    assert found[:, 1].eq(0).all()
    assert found.sum(-1).allclose(torch.ones(MANY))
    found[:, 0].sum().backward()
    assert logits.grad[[0, 2]].isfinite().all()


def test_large_logits_and_low_temperatures_stay_finite():
    for dtype, size in ((torch.float16, 6e4), (torch.float32, 1e30), (torch.float64, 1e300)):
        logits = torch.tensor([size, -size, 0.0], dtype=dtype, requires_grad=True)
        found = gumbel_softmax(logits, 1e-3, generator=seeded())
        assert found.tolist() == [1.0, 0.0, 0.0]
        found[0].backward()
        assert logits.grad.isfinite().all()


def test_vmap_over_given_noise_and_meta():
    logits, noise = drawn(3, 5)
    together = vmap(lambda z, g: gumbel_softmax(z, 0.5, hard=True, noise=g))(logits, noise)
    assert torch.equal(together, gumbel_softmax(logits, 0.5, hard=True, noise=noise))
    assert gumbel_softmax(logits.to("meta"), hard=True).is_meta


@pytest.mark.slow
@pytest.mark.refusal  # torch's tracers hand in tensors that jaxtyping cannot read
def test_exports_and_compiles():
    class Sample(torch.nn.Module):
        def forward(self, logits, noise):
            return gumbel_softmax(logits, 0.5, hard=True, noise=noise) + gumbel_softmax(logits, 0.5, noise=noise)

    batch = {0: torch.export.Dim("batch")}
    program = torch.export.export(Sample(), drawn(3, 5), dynamic_shapes=(batch, batch)).module()
    torch.testing.assert_close(program(*drawn(4, 5)), Sample()(*drawn(4, 5)))
    compiled = torch.compile(lambda z: gumbel_softmax(z, 0.5), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(LOGITS).sum(), torch.tensor(1.0, dtype=torch.float64))


# The schedule.


@given(st.integers(0, 300), st.integers(1, 200), st.floats(0.01, 5), st.floats(0.01, 5))
def test_schedule_agrees_with_oracle(step, num_steps, start, end):
    found = temperature_schedule(step, num_steps=num_steps, start=start, end=end)
    assert found == pytest.approx(oracle.temperature_schedule(step, num_steps, start, end), rel=1e-12, abs=1e-12)
    assert min(start, end) - 1e-9 <= found <= max(start, end) + 1e-9


def test_schedule_is_torchs_cosine():
    weight = torch.nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40, eta_min=1 / 16)
    for step in range(41):
        assert temperature_schedule(step, num_steps=40) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9)
        optimizer.step(), theirs.step()
    assert temperature_schedule(0, num_steps=40) == 1.0
    assert temperature_schedule(1000, num_steps=40) == 1 / 16


Z = torch.zeros(2, 3)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: gumbel_softmax([0.0]), TypeError, "logits must be a torch.Tensor, got list."),
        (lambda: gumbel_softmax(torch.tensor(1.0)), ValueError, "logits must be (..., num_codes), got shape ()."),
        (lambda: gumbel_softmax(Z[:, :0]), ValueError, "num_codes must be at least 1, got 0."),
        (lambda: gumbel_softmax(Z.long()), TypeError, "logits must be floating point, got logits torch.int64."),
        (lambda: gumbel_softmax(Z, 0), ValueError, "temperature must be finite and above 0, got 0."),
        (lambda: gumbel_softmax(Z, math.inf), ValueError, "temperature must be finite and above 0, got inf."),
        (lambda: gumbel_softmax(Z, torch.tensor(1.0)), TypeError, "temperature must be a number, got torch.Tensor."),
        (lambda: gumbel_softmax(Z, hard=1), TypeError, "hard must be a bool, got int."),
        (
            lambda: gumbel_softmax(Z, noise=Z[0]),
            ValueError,
            "noise must have the shape of the logits, got logits (2, 3), noise (3,).",
        ),
        (
            lambda: gumbel_softmax(Z, noise=Z.double()),
            TypeError,
            "logits and noise must share one dtype, got logits torch.float32, noise torch.float64.",
        ),
        (
            lambda: gumbel_softmax(Z, noise=Z, generator=seeded()),
            ValueError,
            "noise and generator must not both be given: the noise is given, or drawn.",
        ),
        (lambda: gumbel_softmax(Z, generator=5), TypeError, "generator must be a torch.Generator, got int."),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, f"gumbel_softmax: {words}")


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"step": -1}, ValueError, "step must be at least 0, got -1."),
        ({"step": 0.5}, TypeError, "step must be an int, got float."),
        ({"num_steps": 0}, ValueError, "num_steps must be at least 1, got 0."),
        ({"start": 0}, ValueError, "start must be finite and above 0, got 0."),
        ({"end": -1.0}, ValueError, "end must be finite and above 0, got -1.0."),
    ],
)
def test_refusals_of_the_schedule(refuses, given, error, words):
    refuses(
        lambda: temperature_schedule(**{"step": 1, "num_steps": 9, **given}), error, f"temperature_schedule: {words}"
    )
