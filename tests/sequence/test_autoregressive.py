"""The autoregressive model against its definition, exact fractions, numpy, statsmodels, and torch's distributions."""

import copy
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch._subclasses import FakeTensorMode
from torch.distributions import Normal

from attnref import AutoregressiveModel
from attnref.oracle import autoregressive as oracle

BATCH, N = 3, 40
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
windows = pytest.mark.parametrize("window", [0, 1, 2, 5])
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def series(batch=BATCH, n=N, dtype=torch.float64):
    x = torch.randn(batch, n).double()
    return (x.cumsum(1) * 0.3 + torch.randn(batch, n).double()).to(dtype)


def random_state(window, dtype=torch.float64):
    """A model with weights of no particular kind."""
    model = AutoregressiveModel(window)
    model.weight, model.bias = (torch.randn(window) / 3).to(dtype), torch.tensor(0.4, dtype=dtype)
    model.sigma = torch.tensor(0.6, dtype=dtype)
    return model


def parameters(model):
    return torch.cat((model.weight, model.bias[None], model.sigma[None]))


def exact_fit(x, window):
    """The normal equations in fractions, so that nothing is rounded; None where they have no single solution."""
    rows = [[Fraction(value) for value in row] for row in x.double().tolist()]
    past = [[*row[t - window : t][::-1], Fraction(1)] for row in rows for t in range(window, len(row))]
    following = [row[t] for row in rows for t in range(window, len(row))]
    size = window + 1
    system = [
        [sum(p[i] * p[j] for p in past) for j in range(size)]
        + [sum(p[i] * y for p, y in zip(past, following, strict=True))]
        for i in range(size)
    ]
    for i in range(size):
        pivot = next((j for j in range(i, size) if system[j][i] != 0), None)
        if pivot is None:
            return None
        system[i], system[pivot] = system[pivot], system[i]
        system[i] = [entry / system[i][i] for entry in system[i]]
        for j in range(size):
            if j != i:
                system[j] = [a - system[j][i] * b for a, b in zip(system[j], system[i], strict=True)]
    solution = [row[-1] for row in system]
    unit = max(abs(y) for y in following) or Fraction(1)  # squares of small numbers are no floats
    squares = [
        ((y - sum(a * b for a, b in zip(p, solution, strict=True))) / unit) ** 2
        for p, y in zip(past, following, strict=True)
    ]
    return [float(w) for w in solution[:-1]], float(solution[-1]), math.sqrt(sum(squares) / len(squares)) * float(unit)


# fit


@windows
@given(batch=st.integers(1, 4), more=st.integers(8, 20), seed=st.integers(0, 2**32))
def test_fit_agrees_with_oracle(agrees, window, batch, more, seed):
    torch.manual_seed(seed)
    x = series(batch, window + more)
    model = AutoregressiveModel(window).fit(x)
    for ours, expected in zip((model.weight, model.bias, model.sigma), oracle.fit(x.numpy(), window), strict=True):
        torch.testing.assert_close(ours, torch.as_tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-9)


@given(
    dtype=st.sampled_from(DTYPES),
    window=st.integers(0, 3),
    exponent=st.floats(-1, 1),
    offset=st.floats(-0.01, 0.01),
    trend=st.floats(-30, 30),
    seed=st.integers(0, 2**32),
)
@example(dtype=torch.float32, window=2, exponent=0.0, offset=0.0, trend=1e3, seed=0)
@example(dtype=torch.float64, window=2, exponent=0.0, offset=2.2e-10, trend=0.0, seed=0)  # 1e6
@example(dtype=torch.float64, window=2, exponent=0.0, offset=0.01, trend=0.0, seed=0)
@example(dtype=torch.float64, window=2, exponent=1.0, offset=0.0, trend=0.0, seed=0)
@example(dtype=torch.float64, window=2, exponent=-1.0, offset=0.0, trend=0.0, seed=0)
def test_fit_is_exact_whatever_the_scale_offset_and_trend(dtype, window, exponent, offset, trend, seed):
    """Against fractions: the offset goes up to where the dtype has two digits left, the scale up to its range."""
    torch.manual_seed(seed)
    eps = torch.finfo(dtype).eps
    largest = {torch.float64: 200, torch.float32: 25, torch.bfloat16: 25, torch.float16: 1}[dtype]
    x = series(2, 12) + offset / eps + torch.linspace(-trend, trend, 12)
    x = (x * 10.0 ** (largest * exponent)).to(dtype)
    weight, bias, sigma = exact_fit(x, window)
    model = AutoregressiveModel(window).fit(x)
    assert model.weight.dtype == model.bias.dtype == model.sigma.dtype == dtype
    near, size = eps + 1e-8, x.double().abs().max().item()
    assert model.weight.tolist() == pytest.approx(weight, rel=near, abs=near)
    assert model.bias.item() == pytest.approx(bias, rel=near, abs=near * size)
    assert model.sigma.item() == pytest.approx(sigma, rel=near, abs=1e-3 * near * size)


@dtypes
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_fit_is_that_of_float64_rounded(dtype, offset):
    x = (series() + offset).to(dtype)
    low, high = AutoregressiveModel(2).fit(x), AutoregressiveModel(2).fit(x.double())
    assert torch.equal(low.weight, high.weight.to(dtype))
    assert torch.equal(low.bias, high.bias.to(dtype))
    assert torch.equal(low.sigma, high.sigma.to(dtype))


def test_fit_agrees_with_least_squares_of_numpy(agrees):
    x = series()[:1]
    rows = np.stack([np.append(x[0, t - 3 : t].flip(0), 1.0) for t in range(3, N)])
    solution, squares, _, _ = np.linalg.lstsq(rows, x[0, 3:].numpy())
    model = AutoregressiveModel(3).fit(x)
    agrees(torch.cat((model.weight, model.bias[None])), solution)
    agrees(model.sigma, np.sqrt(squares[0] / (N - 3)))


def test_agrees_with_statsmodels(agrees):
    """On the sunspots: weights, likelihood and forecasts."""
    ar_model = pytest.importorskip("statsmodels.tsa.ar_model")
    sunspots = pytest.importorskip("statsmodels.datasets.sunspots")
    numbers = sunspots.load_pandas().data["SUNACTIVITY"].to_numpy()
    x, model = torch.tensor(numbers)[None], AutoregressiveModel(9)
    model.fit(x)
    theirs = ar_model.AutoReg(numbers, 9).fit()  # the constant first, then lag 1, 2, ...
    near = {"rtol": 1e-9, "atol": 1e-9}
    torch.testing.assert_close(torch.cat((model.bias[None], model.weight)), torch.tensor(theirs.params), **near)
    torch.testing.assert_close(model.sigma**2, torch.tensor(theirs.sigma2).double(), **near)
    torch.testing.assert_close(model.log_likelihood(x)[0], torch.tensor(theirs.llf).double(), **near)
    forecast = torch.tensor(theirs.forecast(12).copy())
    torch.testing.assert_close(model.predict(x, 12)[0], forecast, **near)


def test_fit_finds_what_a_series_was_made_with():
    made = AutoregressiveModel(2)
    made.weight, made.bias, made.sigma = torch.tensor([1.2, -0.6]), torch.tensor(0.5), torch.tensor(0.3)
    x = made.sample(torch.zeros(8, 2), 4000, generator=torch.Generator().manual_seed(0))
    found = AutoregressiveModel(2).fit(x)
    torch.testing.assert_close(found.weight, made.weight, rtol=0, atol=0.02)
    torch.testing.assert_close(found.bias, made.bias, rtol=0, atol=0.02)
    torch.testing.assert_close(found.sigma, made.sigma, rtol=0, atol=0.01)


@pytest.mark.parametrize("name", ["weight", "bias", "sigma"])
@pytest.mark.parametrize("change", [0.99, 1.01])
def test_no_other_weights_are_likelier(name, change):
    x = series() + 3.0
    model = AutoregressiveModel(2).fit(x)
    best = model.log_likelihood(x).sum()
    setattr(model, name, getattr(model, name) * change)
    assert model.log_likelihood(x).sum() < best


# series without noise, without change, without values


LINE, DOUBLING = 3.0 * torch.arange(12.0) + 1, 2.0 ** torch.arange(12)
WAVE = [0.0, 1.0]
for _ in range(28):
    WAVE.append(1.5 * WAVE[-1] - WAVE[-2])
WAVE = torch.tensor(WAVE, dtype=torch.float64)


@pytest.mark.parametrize(
    ("x", "window", "weight", "bias", "following"),
    [
        (LINE, 1, [1.0], 3.0, [37.0, 40.0]),
        (LINE.bfloat16(), 1, [1.0], 3.0, [37.0, 40.0]),
        (1e6 + LINE, 1, [1.0], 3.0, [1000037.0, 1000040.0]),
        (DOUBLING, 1, [2.0], 0.0, [4096.0, 8192.0]),
        (DOUBLING.half(), 1, [2.0], 0.0, [4096.0, 8192.0]),
        (1e30 * DOUBLING, 1, [2.0], 0.0, [4096e30, 8192e30]),
        (torch.tensor([0.0, 1.0] * 6), 1, [-1.0], 1.0, [0.0, 1.0]),
        (torch.full((9,), 0.1), 0, [], 0.1, [0.1, 0.1]),
        (torch.zeros(9), 0, [], 0.0, [0.0, 0.0]),
        (WAVE[:28], 2, [1.5, -1.0], 0.0, WAVE[28:].tolist()),
    ],
    ids=["line", "bfloat16", "far", "doubling", "float16", "large", "square", "constant", "zero", "wave"],
)
def test_a_series_that_follows_exactly_is_predicted_and_has_no_density(x, window, weight, bias, following):
    x, near = x[None], 4 * torch.finfo(x.dtype).eps
    model = AutoregressiveModel(window).fit(x)
    assert model.weight.tolist() == pytest.approx(weight, rel=near)
    assert model.bias.item() == pytest.approx(bias, rel=near, abs=near * x.abs().max().item())
    assert model.sigma.item() == 0
    assert model.predict(x, 2)[0].tolist() == pytest.approx(following, rel=10 * near, abs=10 * near)
    drawn = model.sample(x, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(drawn, model.predict(x, 2))
    with pytest.raises(ValueError, match=r"sigma must be finite and above 0, or there is no density, got 0\.0"):
        model.log_likelihood(x)


@pytest.mark.parametrize("exponent", [1023, -1040])
def test_the_largest_and_the_smallest_numbers(exponent):
    """Near the bounds of float64: the squares of these numbers are far outside."""
    x = series(1, 12)
    x = (x / x.abs().max() * 1.9).round(decimals=2)  # up to 1.9 * 2 ** 1023, just below the largest
    unit = 2.0**exponent
    model, near_one = AutoregressiveModel(1).fit(x * unit), AutoregressiveModel(1).fit(x)
    assert model.weight.item() == pytest.approx(near_one.weight.item(), rel=1e-5)  # the smallest have few digits
    assert model.bias.item() == pytest.approx(near_one.bias.item() * unit, rel=1e-5)
    assert model.sigma.item() == pytest.approx(near_one.sigma.item() * unit, rel=1e-5)


@pytest.mark.parametrize("dtype", DTYPES[1:], ids=str)
def test_what_rounding_leaves_is_no_noise(dtype):
    """Neighbors, as one number between them is rounded to; four steps apart they are noise."""
    eps = torch.finfo(dtype).eps
    for steps, sigma in ((1, 0.0), (4, 2 * eps)):
        x = torch.tensor([[1.0, 1.0 + steps * eps] * 6], dtype=dtype)
        assert AutoregressiveModel(0).fit(x).sigma.item() == pytest.approx(sigma, rel=0.01)


def test_little_noise_is_not_taken_for_none():
    """Noise of a hundredth of a millionth, far above the rounding of float64."""
    x = LINE.double() + 1e-8 * series(1, 12)
    assert 1e-9 < AutoregressiveModel(1).fit(x).sigma.item() < 1e-7


@pytest.mark.parametrize(
    ("x", "window", "settled"),
    [
        (torch.ones(1, 9), 1, 0),
        (torch.full((1, 9), 0.1), 3, 0),
        (torch.zeros(2, 9).double(), 2, 0),
        (torch.full((1, 9), 1e30), 1, 0),
        (torch.tensor([[0.0, 1.0] * 6]), 2, 1),
        (LINE[None], 2, 1),
        (DOUBLING[None].half(), 3, 1),
        (WAVE[None], 3, 2),
    ],
    ids=["ones", "tenths", "zeros", "large", "square", "line", "doubling", "wave"],
)
def test_windows_that_leave_the_weights_open_are_refused(x, window, settled):
    words = f"x must settle window={window} weights, got series that settle only {settled}; "
    with pytest.raises(ValueError, match=words + rf"AutoregressiveModel\(window={settled}\) may fit them\."):
        AutoregressiveModel(window).fit(x)
    AutoregressiveModel(settled).fit(x)


@given(
    dtype=st.sampled_from(DTYPES),
    value=st.floats(-6e4, 6e4),
    batch=st.integers(1, 3),
    n=st.integers(9, 400),
    window=st.integers(1, 3),
)
def test_no_constant_settles_a_weight(dtype, value, batch, n, window):
    x = torch.full((batch, n), value, dtype=dtype)
    with pytest.raises(ValueError, match="got series that settle only 0"):
        AutoregressiveModel(window).fit(x)
    model = AutoregressiveModel(0).fit(x)
    assert (model.bias, model.sigma) == (x[0, 0], 0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@dtypes
def test_fit_refuses_what_is_not_finite_and_keeps_what_it_had(bad, dtype):
    x, model = series(dtype=dtype), AutoregressiveModel(2).fit(series(dtype=dtype))
    before = parameters(model)
    x[1, 7] = bad
    with pytest.raises(ValueError, match=rf"AutoregressiveModel.fit: x must be finite, got {bad} at \[1, 7\]\."):
        model.fit(x)
    assert torch.equal(parameters(model), before)


def test_a_nan_reaches_what_depends_on_it_and_nothing_else():
    x, model = series(), random_state(2)
    spoiled = x.clone()
    spoiled[1, 20] = torch.nan
    clean, log = model.log_conditionals(x), model.log_conditionals(spoiled)
    assert log[1, 18:21].isnan().all()
    assert log.isnan().sum() == 3
    assert torch.equal(log[~log.isnan()], clean[~log.isnan()])
    assert torch.equal(model.predict(spoiled, 3), model.predict(x, 3))


@windows
def test_before_a_fit_it_is_noise_of_one_around_zero(agrees, window):
    x, model = series(dtype=torch.float32), AutoregressiveModel(window)
    agrees(model.log_conditionals(x), Normal(0.0, 1.0).log_prob(x[:, window:]))
    assert model.predict(x, 3).eq(0).all()


@windows
def test_an_empty_batch(window):
    model, x = random_state(window), torch.zeros(0, 7).double()
    assert model.log_conditionals(x).shape == (0, 7 - window)
    assert model.log_likelihood(x).shape == (0,)
    assert model.predict(x, 3).shape == (0, 3)
    assert model.sample(x, 3, generator=torch.Generator()).shape == (0, 3)


def test_without_a_window_no_values_are_needed():
    model, nothing = random_state(0), torch.zeros(2, 0).double()
    assert model.predict(nothing, 3).eq(0.4).all()
    assert model.predict(nothing, 3).shape == (2, 3)


# conditionals, predictions, samples


@windows
@given(batch=st.integers(1, 4), more=st.integers(1, 9), steps=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_likelihood_and_prediction_agree_with_oracle(agrees, window, batch, more, steps, seed):
    torch.manual_seed(seed)
    x, model = series(batch, window + more), random_state(window)
    weights = model.weight.numpy(), float(model.bias)
    expected = oracle.log_conditionals(x.numpy(), *weights, float(model.sigma))
    agrees(model.log_conditionals(x), expected)
    agrees(model.log_likelihood(x), expected.sum(1))
    agrees(model.predict(x, steps), oracle.predict(x.numpy(), *weights, steps))
    at_least = x[:, more:]  # as long as the window
    agrees(model.predict(at_least, steps), oracle.predict(at_least.numpy(), *weights, steps))


def test_conditionals_agree_with_torch(agrees):
    x, model = series(), random_state(2)
    mean = model.bias + model.weight[0] * x[:, 1:-1] + model.weight[1] * x[:, :-2]
    agrees(model.log_conditionals(x), Normal(mean, model.sigma).log_prob(x[:, 2:]))


@dtypes
def test_every_dtype_is_near_float64(agrees, dtype):
    """Of weights and values that the dtype holds: what is computed is rounded once."""
    x, low = series(dtype=dtype) + 30, random_state(2, dtype)
    high = AutoregressiveModel(2)
    high.weight, high.bias, high.sigma = low.weight.double(), low.bias.double(), low.sigma.double()
    for call in (
        lambda model, x: model.log_conditionals(x),
        lambda model, x: model.log_likelihood(x),
        lambda model, x: model.predict(x, 20),
    ):
        result = call(low, x)
        assert result.dtype == dtype
        agrees(result, call(high, x.double()))
    drawn = low.sample(x, 20, generator=torch.Generator().manual_seed(0))
    assert drawn.dtype == dtype
    assert drawn.isfinite().all()


def test_a_value_depends_on_those_before_it_and_not_on_those_after(agrees):
    model, x = random_state(2), series()
    for t in (3, 7, 20):
        agrees(model.log_conditionals(x[:, :t]), model.log_conditionals(x)[:, : t - 2])


@given(window=st.integers(0, 4), steps=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_one_step_repeated_is_many_steps(agrees, window, steps, seed):
    torch.manual_seed(seed)
    model, x = random_state(window), series(2, 9)
    at_once, extended = model.predict(x, steps), x
    for _ in range(steps):
        extended = torch.cat((extended, model.predict(extended)), dim=1)
    agrees(at_once, extended[:, 9:])


@given(window=st.integers(0, 4), k=st.integers(-60, 60), offset=st.floats(-100, 100), seed=st.integers(0, 2**32))
def test_the_unit_and_the_origin_change_nothing(window, k, offset, seed):
    """In another unit the weights stay, bias and sigma are in that unit; another origin moves the bias alone."""
    torch.manual_seed(seed)
    x = series(2, 20)
    model, moved = AutoregressiveModel(window).fit(x), AutoregressiveModel(window).fit(2.0**k * (x + offset))
    near = {"rtol": 1e-9, "atol": 1e-9}
    torch.testing.assert_close(moved.weight, model.weight, **near)
    torch.testing.assert_close(moved.bias / 2.0**k, model.bias + offset * (1 - model.weight.sum()), **near)
    torch.testing.assert_close(moved.sigma / 2.0**k, model.sigma, **near)


def test_a_generator_settles_the_sample():
    model, x = random_state(2), series()
    first, again, other = (model.sample(x, 30, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert first.shape == (BATCH, 30)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_draw_is_the_mean_and_sigma_times_the_noise_of_the_generator(agrees):
    model, x = random_state(2), series()
    noise = torch.randn(BATCH, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    drawn = model.sample(x, 1, generator=torch.Generator().manual_seed(3))
    agrees(drawn[:, 0], model.predict(x)[:, 0] + 0.6 * noise)


def test_drawn_values_lie_around_their_means():
    """The first around its prediction; each later one around the mean after those that were drawn before it."""
    model, x = random_state(2), series(1)
    drawn = model.sample(x.expand(20_000, N), 3, generator=torch.Generator().manual_seed(0))
    whole = torch.cat((x.expand(20_000, N), drawn), dim=1)
    for k in range(3):
        noise = drawn[:, k] - model.predict(whole[:, : N + k])[:, 0]
        assert noise.mean().item() == pytest.approx(0, abs=0.02)
        assert noise.std().item() == pytest.approx(0.6, rel=0.02)
    assert drawn[:, 0].mean().item() == pytest.approx(model.predict(x).item(), abs=0.02)


# the ways of torch


def test_default_dtype_and_device():
    dtype = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        assert AutoregressiveModel(2).predict(series()).dtype == torch.float64
    finally:
        torch.set_default_dtype(dtype)
    on_cpu = series()
    with torch.device("meta"):
        model, x = AutoregressiveModel(2), torch.empty(3, 9)
        assert model.log_conditionals(x).shape == (3, 7)
        assert model.predict(x, 4).device.type == "meta"
        assert model.sample(x, 4, generator=torch.Generator("cpu")).shape == (3, 4)
        model.fit(on_cpu)  # nothing of it is made on the device that is the default
        assert model.weight.device.type == "cpu"
        assert model.predict(on_cpu, 2).device.type == "cpu"
    with pytest.raises(ValueError, match="x must hold values, got a tensor without any on the device meta"):
        AutoregressiveModel(2).fit(x)


def test_tensors_without_values():
    with FakeTensorMode():
        model, x = AutoregressiveModel(2), torch.empty(2, 9)
        assert model.log_conditionals(x).shape == (2, 7)
        assert model.predict(x, 4).shape == (2, 4)
        with pytest.raises(ValueError, match="x must hold values, got a tensor without any on the device cpu"):
            model.fit(x)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_pickles_and_copies(duplicate):
    x = series().requires_grad_()
    model = AutoregressiveModel(2).fit(x)  # of a leaf, whose graph must not be kept
    copied = duplicate(model)
    assert torch.equal(copied.log_conditionals(x), model.log_conditionals(x))
    copied.bias += 1
    assert not torch.equal(copied.bias, model.bias)


def test_gradients():
    x, model = series(2, 7).requires_grad_(), AutoregressiveModel(2).fit(series())
    leaves = [getattr(model, name).requires_grad_() for name in ("weight", "bias", "sigma")]

    def call(x, weight, bias, sigma):
        model.weight, model.bias, model.sigma = weight, bias, sigma
        drawn = model.sample(x, 3, generator=torch.Generator().manual_seed(0))
        return model.log_conditionals(x), model.log_likelihood(x), model.predict(x, 3), drawn

    assert torch.autograd.gradcheck(call, (x, *leaves))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # torch's own, of its forward mode
def test_transforms_of_functions(agrees):
    x, model = series(), random_state(2)
    per_series = torch.func.vmap(lambda row: model.log_likelihood(row[None])[0])
    agrees(per_series(x), model.log_likelihood(x))
    tangent = torch.randn_like(x)
    _, forward = torch.func.jvp(model.log_likelihood, (x,), (tangent,))
    agrees(forward, (torch.func.grad(lambda x: model.log_likelihood(x).sum())(x) * tangent).sum(1))


def test_autocast_changes_nothing():
    x, model = series().float(), random_state(2, torch.float32)
    expected = model.log_conditionals(x), model.predict(x, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.log_conditionals(x), expected[0])
        assert torch.equal(model.predict(x, 5), expected[1])
        assert torch.equal(parameters(AutoregressiveModel(2).fit(x)), parameters(model.fit(x)))


# refusals


def by_hand(**given):
    model = AutoregressiveModel(1)
    for name, value in given.items():
        setattr(model, name, value)
    return model


class Elsewhere(torch.Generator):
    """A generator that says it is on another device."""

    device = torch.device("cuda")


def draw(steps=1, generator=None, model=None):
    return (model or AutoregressiveModel(1)).sample(torch.zeros(1, 3), steps, generator=generator)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: AutoregressiveModel(-1), ValueError, "AutoregressiveModel: window must be at least 0, got -1."),
        (lambda: AutoregressiveModel(2.0), TypeError, "AutoregressiveModel: window must be an int, got float."),
        (lambda: AutoregressiveModel(True), TypeError, "AutoregressiveModel: window must be an int, got bool."),
        (
            lambda: AutoregressiveModel(2).fit([[0.0, 1.0]]),
            TypeError,
            "AutoregressiveModel.fit: x must be a torch.Tensor, got list.",
        ),
        (
            lambda: AutoregressiveModel(2).fit(torch.zeros(9)),
            ValueError,
            "AutoregressiveModel.fit: x must be (batch, n), got shape (9,).",
        ),
        (
            lambda: AutoregressiveModel(2).fit(torch.zeros(1, 9).long()),
            TypeError,
            "AutoregressiveModel.fit: x must be floating point, got x torch.int64.",
        ),
        (
            lambda: AutoregressiveModel(2).fit(torch.zeros(1, 5)),
            ValueError,
            "AutoregressiveModel.fit: x must hold more values to explain than there are weights and bias, "
            "window + 1=3, got 3 from shape (1, 5).",
        ),
        (
            lambda: AutoregressiveModel(0).fit(torch.zeros(0, 5)),
            ValueError,
            "AutoregressiveModel.fit: x must hold more values to explain than there are weights and bias, "
            "window + 1=1, got 0 from shape (0, 5).",
        ),
        (
            lambda: AutoregressiveModel(0).fit(torch.zeros(3, 0)),
            ValueError,
            "AutoregressiveModel.fit: x must hold n >= 1 positions, got shape (3, 0).",
        ),
        (
            lambda: AutoregressiveModel(1).fit(torch.tensor([[6e-8, 0.0, 0.0, 0.0, 6e4]]).half()),
            ValueError,
            "AutoregressiveModel.fit: weight, bias and sigma must fit into torch.float16, got one of size 3.4e+11.",
        ),
        (
            lambda: AutoregressiveModel(1).fit(torch.tensor([[6e-8, 0.0, 0.0, 0.0, -6e4]]).half()),
            ValueError,
            "AutoregressiveModel.fit: weight, bias and sigma must fit into torch.float16, got one of size 3.4e+11.",
        ),
        (
            lambda: AutoregressiveModel(4).log_conditionals(torch.zeros(1, 4)),
            ValueError,
            "AutoregressiveModel.log_conditionals: x must hold n >= 5 positions, got shape (1, 4).",
        ),
        (
            lambda: AutoregressiveModel(4).log_likelihood(torch.zeros(1, 4)),
            ValueError,
            "AutoregressiveModel.log_likelihood: x must hold n >= 5 positions, got shape (1, 4).",
        ),
        (
            lambda: AutoregressiveModel(4).predict(torch.zeros(1, 3)),
            ValueError,
            "AutoregressiveModel.predict: x must hold n >= 4 positions, got shape (1, 3).",
        ),
        (
            lambda: AutoregressiveModel(1).predict(torch.zeros(1, 3), 0),
            ValueError,
            "AutoregressiveModel.predict: steps must be at least 1, got 0.",
        ),
        (
            lambda: AutoregressiveModel(1).predict(torch.zeros(1, 3), 2.0),
            TypeError,
            "AutoregressiveModel.predict: steps must be an int, got float.",
        ),
        (
            lambda: AutoregressiveModel(1).predict(torch.zeros(1, 3).double()),
            TypeError,
            "AutoregressiveModel.predict: x, weight, bias and sigma must share one dtype, "
            "got x torch.float64, weight torch.float32, bias torch.float32, sigma torch.float32.",
        ),
        (
            lambda: AutoregressiveModel(1).predict(torch.zeros(1, 3, device="meta")),
            ValueError,
            "AutoregressiveModel.predict: x, weight, bias and sigma must be on one device, "
            "got x on meta, weight on cpu, bias on cpu, sigma on cpu.",
        ),
        (
            lambda: by_hand(weight=torch.zeros(2)).predict(torch.zeros(1, 3)),
            ValueError,
            "AutoregressiveModel.predict: weight must have shape (1,), got (2,).",
        ),
        (
            lambda: by_hand(bias=torch.zeros(1)).predict(torch.zeros(1, 3)),
            ValueError,
            "AutoregressiveModel.predict: bias must have shape (), got (1,).",
        ),
        (
            lambda: by_hand(sigma=1.0).predict(torch.zeros(1, 3)),
            TypeError,
            "AutoregressiveModel.predict: sigma must be a torch.Tensor, got float.",
        ),
        (
            lambda: by_hand(sigma=torch.tensor(-1.0)).log_conditionals(torch.zeros(1, 3)),
            ValueError,
            "AutoregressiveModel.log_conditionals: sigma must be finite and above 0, or there is no density, got -1.0.",
        ),
        (
            lambda: by_hand(sigma=torch.tensor(math.nan)).log_likelihood(torch.zeros(1, 3)),
            ValueError,
            "AutoregressiveModel.log_likelihood: sigma must be finite and above 0, or there is no density, got nan.",
        ),
        (
            lambda: draw(generator=torch.Generator(), model=by_hand(sigma=torch.tensor(math.inf))),
            ValueError,
            "AutoregressiveModel.sample: sigma must be finite and at least 0, got inf.",
        ),
        (
            lambda: draw(generator=torch.Generator(), model=by_hand(sigma=torch.tensor(-0.5))),
            ValueError,
            "AutoregressiveModel.sample: sigma must be finite and at least 0, got -0.5.",
        ),
        (
            lambda: draw(generator=torch.Generator(), model=by_hand(sigma=1.0)),
            TypeError,
            "AutoregressiveModel.sample: sigma must be a torch.Tensor, got float.",
        ),
        (
            lambda: draw(generator=7),
            TypeError,
            "AutoregressiveModel.sample: generator must be a torch.Generator, got int.",
        ),
        (
            lambda: draw(),
            TypeError,
            "AutoregressiveModel.sample: generator must be a torch.Generator, got NoneType.",
        ),
        (
            lambda: draw(generator=Elsewhere()),
            ValueError,
            "AutoregressiveModel.sample: generator must be on the device of the values, "
            "got generator on cuda, values on cpu.",
        ),
        (
            lambda: draw(True, generator=torch.Generator()),
            TypeError,
            "AutoregressiveModel.sample: steps must be an int, got bool.",
        ),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error) as refusal:
        call()
    assert str(refusal.value) == words


def test_says_what_it_was_built_with():
    assert repr(AutoregressiveModel(9)) == "AutoregressiveModel(window=9)"


def test_oracle_alone():
    """A line that doubles: the weight of least squares is two, and nothing is left over."""
    weight, bias, sigma = oracle.fit(np.array([[1.0, 2.0, 4.0, 8.0, 16.0]]), 1)
    assert [*weight, bias, sigma] == pytest.approx([2.0, 0.0, 0.0], abs=1e-12)
