"""The latent autoregressive model against its definition, torch's recurrent nets and distributions, and its laws."""

import copy
import math
import pickle
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.distributions import Normal
from torch.optim.optimizer import register_optimizer_step_pre_hook

from attnref import GRU, LSTM, RNN, AutoregressiveModel, LatentAutoregressiveModel
from attnref.fast.gru import GRU as FastGRU
from attnref.fast.lstm import LSTM as FastLSTM
from attnref.fast.rnn import RNN as FastRNN
from attnref.oracle import latent as oracle

BATCH, N = 3, 14
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
NETS = {
    "rnn": (RNN, FastRNN, partial(nn.RNN, batch_first=True)),
    "gru": (GRU, FastGRU, partial(nn.GRU, batch_first=True)),
    "lstm": (LSTM, FastLSTM, partial(nn.LSTM, batch_first=True)),
}
nets = pytest.mark.parametrize("net", NETS)
makers = pytest.mark.parametrize("maker", [maker for made in NETS.values() for maker in made])
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def series(batch=BATCH, n=N, dtype=torch.float64):
    x = torch.randn(batch, n).double()
    return (x.cumsum(1) * 0.3 + torch.randn(batch, n).double()).to(dtype)


def latent(recurrent=RNN, d_h=3, dtype=torch.float64, mean=0.7, scale=1.9):
    """A model that shifts and scales, with a sigma that is not one."""
    model = LatentAutoregressiveModel(d_h, recurrent=recurrent).to(dtype)
    nn.init.constant_(model.mean, mean)
    nn.init.constant_(model.scale, scale)
    nn.init.constant_(model.log_sigma, -0.4)
    return model


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def weights_of(model):
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


# conditionals, predictions, samples


@given(
    d_h=st.integers(1, 4),
    batch=st.integers(1, 3),
    n=st.integers(1, 7),
    mean=st.floats(-9, 9),
    scale=st.floats(0.1, 9),
    seed=st.integers(0, 2**32),
)
def test_agrees_with_oracle(d_h, batch, n, mean, scale, seed):
    torch.manual_seed(seed)
    x, model = mean + scale * series(batch, n), latent(RNN, d_h, mean=mean, scale=scale)
    weights = {name: weight.detach().numpy() for name, weight in model.rnn.named_parameters()}
    weights["output_weight"] = model.output_proj.weight.detach()[0].numpy()
    weights["output_bias"] = model.output_proj.bias.item()
    expected = oracle.log_conditionals(x.numpy(), weights, mean, scale, model.log_sigma.exp().item())
    near = {"rtol": 1e-10, "atol": 1e-10}
    torch.testing.assert_close(model.log_conditionals(x).detach(), torch.tensor(expected), **near)
    torch.testing.assert_close(model.log_likelihood(x).detach(), torch.tensor(expected.sum(1)), **near)


@nets
def test_any_net_with_the_same_weights_is_the_same_model(agrees, net):
    """The chapter's nets, their fast versions, and torch's own."""
    x, (first, *others) = series(), NETS[net]
    ours = latent(first)
    for maker in others:
        theirs = latent(maker)
        theirs.load_state_dict(ours.state_dict())
        agrees(ours.log_conditionals(x), theirs.log_conditionals(x))
        agrees(ours.predict(x, 5), theirs.predict(x, 5))
        drawn = (model.sample(x, 5, generator=generator()) for model in (ours, theirs))
        agrees(*drawn)


def test_takes_a_net_that_nobody_here_wrote():
    """A Module that reads (x, state), forward in time."""

    class Sum(nn.Module):
        def __init__(self, d_x, d_h):
            super().__init__()
            self.d_h = d_h

        def forward(self, x, state):
            hidden = x.cumsum(1).expand(-1, -1, self.d_h) + (0 if state is None else state)
            return hidden, hidden[:, -1:]

    model, x = latent(Sum), series()
    model.fit(x, steps=5)
    assert model.predict(x, 4).shape == (BATCH, 4)


def test_conditionals_agree_with_torch(agrees):
    """The means are the predictions from all shorter series; before the first value comes the mean."""
    x, model = series(), latent()
    means = torch.cat([model.predict(x[:, :t]) for t in range(1, N)], dim=1)
    expected = Normal(means, 1.9 * math.exp(-0.4)).log_prob(x[:, 1:])
    agrees(model.log_conditionals(x)[:, 1:], expected)
    first = model.log_conditionals(x)[:, 0]
    other = x.clone()
    other[:, 1:] += 1
    agrees(model.log_conditionals(other)[:, 0], first)
    given_mean = torch.full((BATCH, 1), 0.7).double()
    hidden, _ = model.rnn(torch.zeros(BATCH, 1, 1).double())
    expected = 0.7 + 1.9 * model.output_proj(hidden)[:, 0, 0]
    agrees(first, Normal(expected, 1.9 * math.exp(-0.4)).log_prob(x[:, 0]))
    agrees(model.predict(given_mean), model.predict(given_mean.expand(BATCH, 1)))


@given(made=st.sampled_from(sorted(NETS)), n=st.integers(1, 9), steps=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_one_step_repeated_is_many_steps(agrees, made, n, steps, seed):
    torch.manual_seed(seed)
    model, x = latent(NETS[made][0]), series(2, n)
    at_once, extended = model.predict(x, steps), x
    for _ in range(steps):
        extended = torch.cat((extended, model.predict(extended)), dim=1)
    agrees(at_once, extended[:, n:])


@makers
def test_a_value_depends_on_those_before_it_and_not_on_those_after(agrees, maker):
    model, x = latent(maker), series()
    whole = model.log_conditionals(x)
    assert whole.shape == (BATCH, N)
    agrees(model.log_likelihood(x), whole.sum(1))
    for t in (1, 5, 9):
        agrees(model.log_conditionals(x[:, :t]), whole[:, :t])


def test_a_nan_reaches_what_comes_after_it_and_nothing_else():
    x, model = series(), latent()
    spoiled = x.clone()
    spoiled[1, 5] = torch.nan
    clean, log = model.log_conditionals(x), model.log_conditionals(spoiled)
    assert log[1, 5:].isnan().all()
    assert log.isnan().sum() == N - 5
    assert torch.equal(log[~log.isnan()], clean[~log.isnan()])


def test_a_generator_settles_the_sample():
    model, x = latent(GRU), series()
    first, again, other = (model.sample(x, 30, generator=generator(seed)) for seed in (1, 1, 2))
    assert first.shape == (BATCH, 30)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_draw_is_the_mean_and_sigma_times_the_noise_of_the_generator(agrees):
    model, x = latent(), series()
    noise = torch.randn(BATCH, generator=generator(3), dtype=torch.float64)
    drawn = model.sample(x, 1, generator=generator(3))
    agrees(drawn[:, 0], model.predict(x)[:, 0] + 1.9 * math.exp(-0.4) * noise)


def test_drawn_values_lie_around_their_means():
    """The first around its prediction; each later one around the mean after those that were drawn before it."""
    model, x = latent(), series(1)
    drawn = model.sample(x.expand(20_000, N), 3, generator=generator())
    whole = torch.cat((x.expand(20_000, N), drawn), dim=1)
    for k in range(3):
        noise = drawn[:, k] - model.predict(whole[:, : N + k])[:, 0]
        assert noise.mean().item() == pytest.approx(0, abs=0.03)
        assert noise.std().item() == pytest.approx(1.9 * math.exp(-0.4), rel=0.02)
    assert drawn[:, 0].mean().item() == pytest.approx(model.predict(x).item(), abs=0.03)


@dtypes
def test_every_dtype_is_near_float64(dtype):
    """Of weights and values that the dtype holds. What is returned has the dtype of x."""
    x, low = series(dtype=dtype), latent(GRU, dtype=dtype)
    high = copy.deepcopy(low).double()
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 8e-2}[dtype]
    for call in (
        lambda model, x: model.log_conditionals(x),
        lambda model, x: model.log_likelihood(x) / N,
        lambda model, x: model.predict(x, 5),
    ):
        result = call(low, x)
        assert result.dtype == dtype
        torch.testing.assert_close(result.double(), call(high, x.double()), rtol=tolerance, atol=tolerance)
    drawn = low.sample(x, 5, generator=generator())
    assert drawn.dtype == dtype
    assert drawn.isfinite().all()


@pytest.mark.parametrize(
    ("offset", "dtype", "tolerance"),
    [(1e6, torch.float32, 1e-4), (1e6, torch.float64, 1e-9), (1e3, torch.float16, 0.05)],
)
def test_an_offset_costs_no_digits(offset, dtype, tolerance):
    """Of values that the dtype holds: the density is that of the same values without the offset."""
    x = (series(dtype=dtype) + offset).to(dtype)
    far, near = latent(dtype=dtype, mean=offset, scale=1.0), latent(dtype=dtype, mean=0.0, scale=1.0)
    near.load_state_dict({**far.state_dict(), "mean": torch.zeros((), dtype=dtype)})
    expected = near.log_conditionals((x.double() - offset).to(dtype))
    torch.testing.assert_close(far.log_conditionals(x), expected, rtol=tolerance, atol=tolerance)


@makers
def test_an_empty_batch(maker):
    model, nothing = latent(maker), torch.zeros(0, 7).double()
    assert model.log_conditionals(nothing).shape == (0, 7)
    assert model.log_likelihood(nothing).shape == (0,)
    assert model.predict(nothing, 3).shape == (0, 3)
    assert model.sample(nothing, 3, generator=generator()).shape == (0, 3)


# fit


@makers
def test_fit_raises_the_likelihood(maker):
    x = series(n=40)
    model = LatentAutoregressiveModel(3, recurrent=maker).double()
    before = -model.log_conditionals(x).mean().item()
    model.fit(x, steps=40, learning_rate=0.03)
    after = -model.log_conditionals(x).mean().item()
    assert len(model.losses) == 40
    assert after < min(before, model.losses[0]) - 0.1
    assert model.mean.item() == pytest.approx(x.mean().item())
    assert model.scale.item() == pytest.approx(x.std().item())


def test_the_losses_are_those_before_each_step_of_the_last_fit():
    x, model = series(), latent()
    model.fit(x, steps=3)
    after_three = -model.log_conditionals(x).mean().item()
    model.fit(x, steps=2)
    assert len(model.losses) == 2
    assert model.losses[0] == pytest.approx(after_three)


@given(learning_rate=st.floats(1e-4, 0.1), weight_decay=st.floats(0, 3), seed=st.integers(0, 2**32))
def test_the_first_step_is_as_long_as_the_learning_rate_after_the_decay(learning_rate, weight_decay, seed):
    """Adam's first step moves each weight by the learning rate; the decay takes its share before."""
    torch.manual_seed(seed)
    model = latent()
    before, names = weights_of(model), [name for name, _ in model.named_parameters()]
    model.fit(series(), steps=1, learning_rate=learning_rate, weight_decay=weight_decay)
    moved = weights_of(model) - before * (1 - learning_rate * weight_decay)
    assert "log_sigma" in names
    assert moved.abs().max().item() == pytest.approx(learning_rate, rel=1e-3)
    assert moved.abs().median().item() == pytest.approx(learning_rate, rel=1e-2)


def test_the_learning_rate_falls_to_zero():
    """Along a cosine, whose mean is one half: while the signs of the gradient stay, so far do the weights go."""
    model = latent()
    before = weights_of(model)
    model.fit(series(), steps=20, learning_rate=1e-4)
    assert (weights_of(model) - before).abs().max().item() == pytest.approx(20 * 1e-4 * (1 / 2 + 1 / 40), rel=0.01)


def test_large_gradients_are_clipped():
    """With little sigma a miss costs much: each step still sees a gradient of length one."""
    model, norms = latent(), []
    nn.init.constant_(model.log_sigma, -3.0)
    hook = register_optimizer_step_pre_hook(
        lambda optimizer, args, kwargs: norms.append(nn.utils.get_total_norm([p.grad for p in model.parameters()]))
    )
    try:
        model.fit(series(), steps=3)
    finally:
        hook.remove()
    assert [norm.item() for norm in norms] == pytest.approx([1.0] * 3, rel=1e-4)


def test_a_seed_settles_the_fit():
    x, fitted = series(), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        fitted.append(weights_of(LatentAutoregressiveModel(3).double().fit(x, steps=5)))
    assert torch.equal(fitted[0], fitted[1])
    assert not torch.equal(fitted[0], fitted[2])


@given(k=st.integers(-60, 60), offset=st.floats(-100, 100), seed=st.integers(0, 2**32))
def test_the_unit_and_the_origin_change_nothing(k, offset, seed):
    """In another unit and from another origin the fit takes the same steps; the density is per that unit."""
    torch.manual_seed(seed)
    x, model = series(), latent()
    moved = copy.deepcopy(model).fit(2.0**k * (x + offset), steps=3)
    model.fit(x, steps=3)
    torch.testing.assert_close(weights_of(moved), weights_of(model), rtol=1e-7, atol=1e-7)
    expected = model.log_conditionals(x) - k * math.log(2)
    torch.testing.assert_close(moved.log_conditionals(2.0**k * (x + offset)), expected, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(moved.predict(2.0**k * (x + offset), 3) / 2.0**k - offset, model.predict(x, 3))


@dtypes
def test_half_precision_is_fitted_in_float32(dtype):
    x, model = series(dtype=dtype), latent(GRU, dtype=dtype)
    wide = copy.deepcopy(model).to(torch.promote_types(dtype, torch.float32))
    model.fit(x, steps=30, learning_rate=0.02)
    wide.fit(x.to(wide.log_sigma.dtype), steps=30, learning_rate=0.02)
    assert {tensor.dtype for tensor in model.state_dict().values()} == {dtype}
    assert model.losses == wide.losses
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, wide.state_dict()[name].to(dtype)), name


@dtypes
@given(value=st.floats(-6e4, 6e4), batch=st.integers(1, 3), n=st.integers(2, 400))
def test_a_series_that_never_changes_has_no_fit(dtype, value, batch, n):
    model, x = latent(dtype=dtype), torch.full((batch, n), value, dtype=dtype)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=rf"x must change, got a standard deviation of 0\.0 in {dtype}\."):
        model.fit(x, steps=2)
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
    assert not model.log_conditionals(x[:, :3]).isnan().any()


def test_a_fit_that_fails_leaves_the_dtype():
    model = latent(dtype=torch.bfloat16)
    with pytest.raises(ValueError, match="learning_rate and weight_decay must give a finite loss"):
        model.fit(series(dtype=torch.bfloat16), learning_rate=1e6)
    assert model.log_sigma.dtype == torch.bfloat16


def test_keeps_what_a_window_has_lost():
    """The last value is the first one over again, six values of noise lie between."""
    chance = generator()

    def echo(n):
        first = torch.randint(2, (n, 1), generator=chance) * 2.0 - 1
        return torch.cat((first, 0.1 * torch.randn(n, 6, generator=chance), first), dim=1)

    train, held_out = echo(128), echo(500)
    window = AutoregressiveModel(4).fit(train[:, -5:])
    state = LatentAutoregressiveModel(6, recurrent=GRU).fit(train, steps=150, learning_rate=0.03)
    missed = [
        (model.predict(held_out[:, :-1])[:, 0] - held_out[:, -1]).square().mean().sqrt().item()
        for model in (window, state)
    ]
    assert missed[0] > 0.9
    assert missed[1] < 0.3


# the ways of torch


def test_the_state_dict_keeps_the_mean_and_the_scale(agrees):
    x = 5 + 3 * series()
    fitted, fresh = LatentAutoregressiveModel(3).double().fit(x, steps=3), LatentAutoregressiveModel(3).double()
    assert {"mean", "scale", "log_sigma"} < set(fitted.state_dict())
    fresh.load_state_dict(fitted.state_dict())
    agrees(fresh.log_conditionals(x), fitted.log_conditionals(x))
    agrees(fresh.predict(x, 3), fitted.predict(x, 3))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@makers
def test_pickles_and_copies(maker, duplicate):
    x = series().requires_grad_()
    model = latent(maker).fit(x, steps=2)
    copied = duplicate(model)
    assert torch.equal(copied.log_conditionals(x), model.log_conditionals(x))
    assert copied.losses == model.losses
    copied.fit(x, steps=2)
    assert not torch.equal(weights_of(copied), weights_of(model))


@makers
def test_made_without_memory_and_filled_later(maker):
    with torch.device("meta"):
        model = LatentAutoregressiveModel(5, recurrent=maker)
    assert model(torch.empty(3, 9, device="meta")).shape == (3, 9)
    model.to_empty(device="cpu")
    for tensor in model.state_dict().values():
        nn.init.constant_(tensor, torch.nan)
    torch.manual_seed(0)
    model.reset_parameters()
    torch.manual_seed(0)
    expected = LatentAutoregressiveModel(5, recurrent=maker)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected.state_dict()[name]), name
    with pytest.raises(ValueError, match="x must hold values, got a tensor without any on the device meta"):
        expected.to("meta").fit(torch.empty(3, 9, device="meta"))


class Wrapped(nn.Module):
    """A net of the user's own, whose weights are those of a part of it."""

    def __init__(self, d_x, d_h):
        super().__init__()
        self.inner = GRU(d_x, d_h)

    def forward(self, x, state=None):
        return self.inner(x, state)


def test_a_net_without_reset_parameters_has_those_of_its_parts_drawn_anew():
    torch.manual_seed(0)
    model = LatentAutoregressiveModel(5, recurrent=Wrapped)
    expected = copy.deepcopy(model.state_dict())
    model.fit(series().float(), steps=2)
    torch.manual_seed(0)
    model.reset_parameters()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_default_dtype():
    dtype = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        assert LatentAutoregressiveModel(3).fit(series(), steps=2).predict(series()).dtype == torch.float64
    finally:
        torch.set_default_dtype(dtype)


def test_a_fit_takes_no_gradient_of_the_series_and_works_without_any():
    x, model = series().requires_grad_(), latent()
    model.fit(x, steps=2)
    assert x.grad is None
    assert not model.mean.requires_grad
    assert not model.scale.requires_grad
    for off in (torch.no_grad, torch.inference_mode):
        before = weights_of(model)
        with off():
            model.fit(x * 2, steps=2)
        assert not torch.equal(weights_of(model), before)


def test_gradients():
    model, x = latent(), series(2, 4).requires_grad_()
    names, weights = zip(*model.named_parameters(), strict=True)

    def call(x, *weights):
        named = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(model, named, x)

    assert torch.autograd.gradcheck(call, (x, *weights))
    assert not model.predict(x).requires_grad


def test_an_ensemble_by_vmap(agrees):
    """Weights, mean and scale stacked, one model each."""
    models, x = [latent(GRU, mean=k, scale=k + 1) for k in range(3)], series()
    weights, buffers = torch.func.stack_module_state(models)
    call = torch.func.vmap(lambda *state: torch.func.functional_call(models[0], state, x))
    agrees(call(weights, buffers), torch.stack([model(x) for model in models]))


def test_tensors_without_values():
    with FakeTensorMode():
        model, x = LatentAutoregressiveModel(3), torch.empty(2, 9)
        assert model(x).shape == (2, 9)
        assert model.predict(x, 4).shape == (2, 4)
        with pytest.raises(ValueError, match="x must hold values, got a tensor without any on the device cpu"):
            model.fit(x)


def test_autocast_returns_the_dtype_of_x():
    model, x = latent(GRU, dtype=torch.float32), series(dtype=torch.float32)
    expected = model.log_conditionals(x), model.predict(x, 3)
    with torch.autocast("cpu", torch.bfloat16):
        for low, high in zip((model.log_conditionals(x), model.predict(x, 3)), expected, strict=True):
            assert low.dtype == torch.float32
            torch.testing.assert_close(low, high, rtol=0.05, atol=0.05)


def test_called_it_gives_the_log_conditionals():
    model, x = latent(), series()
    assert torch.equal(model(x), model.log_conditionals(x))


# refusals


class Elsewhere(torch.Generator):
    """A generator that says it is on another device."""

    device = torch.device("cuda")


class Odd(nn.Module):
    """A net that returns what it was made with."""

    def __init__(self, result):
        super().__init__()
        self.result = result

    def forward(self, x, state):
        return self.result


def fit(x=None, **settings):
    return LatentAutoregressiveModel(2).fit(torch.tensor([[0.0, 1.0, 3.0]]) if x is None else x, **settings)


def draw(steps=1, **change):
    return LatentAutoregressiveModel(2).sample(torch.zeros(1, 3), steps, **change)


def made_by(recurrent):
    return LatentAutoregressiveModel(2, recurrent=recurrent)


def with_buffers(**values):
    model = LatentAutoregressiveModel(2)
    for name, value in values.items():
        setattr(model, name, torch.tensor(value))
    return model


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: LatentAutoregressiveModel(0),
            ValueError,
            "LatentAutoregressiveModel: d_h must be at least 1, got 0.",
        ),
        (
            lambda: LatentAutoregressiveModel(2.0),
            TypeError,
            "LatentAutoregressiveModel: d_h must be an int, got float.",
        ),
        (
            lambda: made_by("gru"),
            TypeError,
            "LatentAutoregressiveModel: recurrent must be a maker of recurrent nets, such as GRU, "
            "got an instance of str.",
        ),
        (
            lambda: made_by(GRU(1, 2)),
            TypeError,
            "LatentAutoregressiveModel: recurrent must be a maker of recurrent nets, such as GRU, "
            "got an instance of attnref.sequence.gru.GRU.",
        ),
        (
            lambda: made_by(lambda d_x, d_h: None),
            TypeError,
            "LatentAutoregressiveModel: recurrent must make an nn.Module, got NoneType.",
        ),
        (
            lambda: made_by(nn.GRU),
            ValueError,
            "LatentAutoregressiveModel: recurrent must make a net whose batch comes first, "
            "got torch.nn.modules.rnn.GRU without batch_first; pass partial(GRU, batch_first=True).",
        ),
        (
            lambda: made_by(nn.Linear),
            TypeError,
            "LatentAutoregressiveModel: recurrent must make a net that takes (x, state), got Linear(input).",
        ),
        (
            lambda: made_by(partial(GRU, bidirectional=True)).predict(torch.zeros(1, 3)),
            ValueError,
            "LatentAutoregressiveModel: recurrent must make a net whose hidden is (batch, n, d_h) = (1, 4, 2), "
            "got hidden of shape (1, 4, 4).",
        ),
        (
            lambda: made_by(lambda d_x, d_h: Odd(torch.zeros(1, 3, 2))).predict(torch.zeros(1, 3)),
            TypeError,
            "LatentAutoregressiveModel: recurrent must make a net that returns (hidden, state), got torch.Tensor.",
        ),
        (
            lambda: made_by(lambda d_x, d_h: Odd((None, None)))(torch.zeros(1, 3)),
            TypeError,
            "LatentAutoregressiveModel: recurrent must make a net that returns (hidden, state), got tuple.",
        ),
        (
            lambda: fit(torch.zeros(1, 1)),
            ValueError,
            "LatentAutoregressiveModel.fit: x must hold n >= 2 positions, got shape (1, 1).",
        ),
        (
            lambda: fit(torch.zeros(0, 9)),
            ValueError,
            "LatentAutoregressiveModel.fit: x must hold at least one series, got shape (0, 9).",
        ),
        (
            lambda: fit(torch.zeros(9)),
            ValueError,
            "LatentAutoregressiveModel.fit: x must be (batch, n), got shape (9,).",
        ),
        (lambda: fit([[0.0]]), TypeError, "LatentAutoregressiveModel.fit: x must be a torch.Tensor, got list."),
        (
            lambda: fit(torch.tensor([[0.0, math.nan]])),
            ValueError,
            "LatentAutoregressiveModel.fit: x must be finite, got nan at [0, 1].",
        ),
        (
            lambda: LatentAutoregressiveModel(2).half().fit(torch.tensor([[6e4, -6e4]]).half()),
            ValueError,
            "LatentAutoregressiveModel.fit: x must have a standard deviation that torch.float16 can hold, got inf.",
        ),
        (
            lambda: fit(steps=0),
            ValueError,
            "LatentAutoregressiveModel.fit: steps must be at least 1, got 0.",
        ),
        (lambda: fit(steps=3.0), TypeError, "LatentAutoregressiveModel.fit: steps must be an int, got float."),
        (
            lambda: fit(learning_rate=0),
            ValueError,
            "LatentAutoregressiveModel.fit: learning_rate must be finite and above 0 and at most 1000000.0, got 0.",
        ),
        (
            lambda: fit(learning_rate=-0.1),
            ValueError,
            "LatentAutoregressiveModel.fit: learning_rate must be finite and above 0 and at most 1000000.0, got -0.1.",
        ),
        (
            lambda: fit(learning_rate=math.nan),
            ValueError,
            "LatentAutoregressiveModel.fit: learning_rate must be finite and above 0 and at most 1000000.0, got nan.",
        ),
        (
            lambda: fit(learning_rate="0.1"),
            TypeError,
            "LatentAutoregressiveModel.fit: learning_rate must be a number, got str.",
        ),
        (
            lambda: fit(learning_rate=True),
            TypeError,
            "LatentAutoregressiveModel.fit: learning_rate must be a number, got bool.",
        ),
        (
            lambda: fit(learning_rate=1e6),
            ValueError,
            "LatentAutoregressiveModel.fit: learning_rate and weight_decay must give a finite loss, "
            "got 1000000.0 and 0.0, and a loss of inf after step 1.",
        ),
        (
            lambda: LatentAutoregressiveModel(2).requires_grad_(False).fit(torch.tensor([[0.0, 1.0, 3.0]])),
            ValueError,
            "LatentAutoregressiveModel.fit: some weight must take gradients, got requires_grad=False for all of them.",
        ),
        (
            lambda: fit(weight_decay=-1),
            ValueError,
            "LatentAutoregressiveModel.fit: weight_decay must be finite and at least 0 and at most 1000000.0, got -1.",
        ),
        (
            lambda: fit(weight_decay=math.inf),
            ValueError,
            "LatentAutoregressiveModel.fit: weight_decay must be finite and at least 0 and at most 1000000.0, got inf.",
        ),
        (
            lambda: LatentAutoregressiveModel(2)(torch.zeros(3, 0)),
            ValueError,
            "LatentAutoregressiveModel.log_conditionals: x must hold n >= 1 positions, got shape (3, 0).",
        ),
        (
            lambda: LatentAutoregressiveModel(2).log_likelihood(torch.zeros(1, 3).long()),
            TypeError,
            "LatentAutoregressiveModel.log_likelihood: x and weight must be floating point, "
            "got x torch.int64, weight torch.float32.",
        ),
        (
            lambda: LatentAutoregressiveModel(2).predict(torch.zeros(1, 3).double()),
            TypeError,
            "LatentAutoregressiveModel.predict: x and weight must share one dtype, "
            "got x torch.float64, weight torch.float32.",
        ),
        (
            lambda: LatentAutoregressiveModel(2).predict(torch.zeros(1, 3, device="meta")),
            ValueError,
            "LatentAutoregressiveModel.predict: x and weight must be on one device, got x on meta, weight on cpu.",
        ),
        (
            lambda: LatentAutoregressiveModel(2).predict(torch.zeros(1, 3), 2.5),
            TypeError,
            "LatentAutoregressiveModel.predict: steps must be an int, got float.",
        ),
        (
            lambda: with_buffers(scale=0.0).predict(torch.zeros(1, 3)),
            ValueError,
            "LatentAutoregressiveModel.predict: mean and scale must be finite, and scale above 0, "
            "got mean 0.0, scale 0.0 in torch.float32.",
        ),
        (
            lambda: with_buffers(mean=1e6).half().predict(torch.zeros(1, 3).half()),
            ValueError,
            "LatentAutoregressiveModel.predict: mean and scale must be finite, and scale above 0, "
            "got mean inf, scale 1.0 in torch.float16.",
        ),
        (
            lambda: draw(generator=torch.Generator(), steps=0),
            ValueError,
            "LatentAutoregressiveModel.sample: steps must be at least 1, got 0.",
        ),
        (
            lambda: draw(generator=None),
            TypeError,
            "LatentAutoregressiveModel.sample: generator must be a torch.Generator, got NoneType.",
        ),
        (
            lambda: draw(generator=Elsewhere()),
            ValueError,
            "LatentAutoregressiveModel.sample: generator must be on the device of the values, "
            "got generator on cuda, values on cpu.",
        ),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error) as refusal:
        call()
    assert str(refusal.value) == words
