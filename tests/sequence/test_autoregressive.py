"""Models of the next value against their definition, numpy's least squares, statsmodels, and torch's distributions."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.distributions import Categorical, Normal

from attnref import GRU, LSTM, RNN, AutoregressiveModel, LatentAutoregressiveModel, MarkovModel
from attnref.oracle import autoregressive as oracle

BATCH, N, VOCAB = 3, 40, 4
windows = pytest.mark.parametrize("window", [0, 1, 2, 5])
recurrents = pytest.mark.parametrize("recurrent", [RNN, GRU, LSTM])


def series(n=N):
    return torch.randn(BATCH, n).double().cumsum(1) * 0.3 + torch.randn(BATCH, n).double()


def text(n=N):
    return torch.randint(VOCAB, (BATCH, n))


def latent(recurrent=RNN, d_h=3):
    """A latent model that shifts and scales, with a sigma that is not one."""
    model = LatentAutoregressiveModel(d_h, recurrent=recurrent).double()
    model.mean, model.scale = torch.tensor(0.7, dtype=torch.float64), torch.tensor(1.9, dtype=torch.float64)
    nn.init.constant_(model.log_sigma, -0.4)
    return model


def random_state(model):
    """A fixed window model with weights of no particular kind."""
    model.weight, model.bias = torch.randn(model.window).double() / 3, torch.tensor(0.4).double()
    model.sigma = torch.tensor(0.6).double()
    return model


# a fixed window


@windows
def test_fit_agrees_with_oracle(agrees, window):
    x = series()
    model = AutoregressiveModel(window).fit(x)
    for ours, expected in zip((model.weight, model.bias, model.sigma), oracle.fit(x.numpy(), window), strict=True):
        agrees(ours, expected)


@windows
def test_likelihood_and_prediction_agree_with_oracle(agrees, window):
    x, model = series(), random_state(AutoregressiveModel(window))
    given = model.weight.numpy(), float(model.bias)
    agrees(model.log_conditionals(x), oracle.log_conditionals(x.numpy(), *given, float(model.sigma)))
    agrees(model.predict(x, 6), oracle.predict(x.numpy(), *given, 6))


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


def test_no_other_weights_are_likelier():
    x, model = series(), AutoregressiveModel(2)
    best = model.fit(x).log_likelihood(x).sum()
    for name in ("weight", "bias", "sigma"):
        for change in (0.99, 1.01):
            kept = getattr(model, name)
            setattr(model, name, kept * change)
            assert model.log_likelihood(x).sum() < best
            setattr(model, name, kept)


def test_conditionals_agree_with_torch(agrees):
    x, model = series(), random_state(AutoregressiveModel(2))
    mean = model.bias + model.weight[0] * x[:, 1:-1] + model.weight[1] * x[:, :-2]
    agrees(model.log_conditionals(x), Normal(mean, model.sigma).log_prob(x[:, 2:]))


# tokens


@windows
@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_table_agrees_with_oracle(agrees, arrays, window, smoothing):
    tokens, other = text(), text()
    model = MarkovModel(VOCAB, window, smoothing=smoothing).fit(tokens)
    table = oracle.markov_table(tokens.numpy(), VOCAB, window, smoothing)
    agrees(model.table(), table)
    for seen in (tokens, other):  # in the other text stand windows and tokens that were never seen
        agrees(model.log_conditionals(seen).exp(), np.exp(oracle.markov_log_conditionals(seen.numpy(), table)))
    agrees(model.predict(other, 4), oracle.markov_predict(other.numpy(), table, 4))


def test_table_is_exact():
    tokens = torch.tensor([[0, 1, 0, 1, 0, 2, 0]])
    expected = torch.tensor([[0, 2 / 3, 1 / 3], [1, 0, 0], [1, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(MarkovModel(3).fit(tokens).table(), expected, rtol=0, atol=1e-15)


def test_tokens_agree_with_torch(agrees):
    tokens = text()
    model = MarkovModel(VOCAB, smoothing=0.1).fit(tokens)
    expected = Categorical(model.table()[tokens[:, :-1]]).log_prob(tokens[:, 1:])
    torch.testing.assert_close(model.log_conditionals(tokens), expected, rtol=1e-6, atol=1e-6)


def test_many_steps_are_powers_of_the_table(agrees):
    tokens = text()
    model = MarkovModel(VOCAB, smoothing=0.1).fit(tokens)
    for k, chance in enumerate(model.predict(tokens, 5).unbind(1), 1):
        agrees(chance, torch.linalg.matrix_power(model.table(), k)[tokens[:, -1]])


@windows
@given(seed=st.integers(0, 999))
def test_probabilities_sum_to_one(window, seed):
    torch.manual_seed(seed)
    model = MarkovModel(VOCAB, window).fit(text(12))
    assert model.table().ge(0).all()
    torch.testing.assert_close(model.table().sum(-1), torch.ones([VOCAB] * window).double())
    chances = model.predict(text(), 3)
    torch.testing.assert_close(chances.sum(-1), torch.ones(BATCH, 3).double())


@pytest.mark.parametrize("window", [1, 2])
def test_all_continuations_together_are_certain(window):
    """The joint distribution is the product of conditionals: over all sequences it sums to one."""
    model = MarkovModel(VOCAB, window, smoothing=0.2).fit(text())
    start = torch.tensor([1, 3][:window])
    ends = torch.cartesian_prod(*[torch.arange(VOCAB)] * 4)
    whole = torch.cat((start.expand(len(ends), window), ends), dim=1)
    assert model.log_likelihood(whole).exp().sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize("window", [0, 1, 2])
def test_samples_approach_the_table(window):
    model = MarkovModel(VOCAB, window, smoothing=0.5).fit(text())
    drawn = model.sample(text(), 20_000, generator=torch.Generator().manual_seed(0))
    again = MarkovModel(VOCAB, window).fit(drawn)
    torch.testing.assert_close(again.table(), model.table(), rtol=0, atol=0.03)


def test_what_was_never_seen():
    """No chance for a token that never followed; any token after a window that never came; smoothing mends both."""
    seen, other = torch.tensor([[0, 1, 0, 1]]), torch.tensor([[0, 0, 2, 0]])
    assert MarkovModel(3).fit(seen).log_conditionals(other).exp().tolist() == [[0, 0, pytest.approx(1 / 3)]]
    smooth = MarkovModel(3, smoothing=1.0).fit(seen).log_conditionals(other).exp()
    assert smooth[0].tolist() == pytest.approx([1 / 5, 1 / 5, 1 / 3])


# a hidden state


def test_latent_agrees_with_oracle(agrees, arrays):
    x, model = series(12), latent()
    weights = {name: weight.detach().numpy() for name, weight in model.rnn.named_parameters()}
    weights["output_weight"] = model.output_proj.weight.detach()[0].numpy()
    weights["output_bias"] = model.output_proj.bias.item()
    sigma = model.log_sigma.exp().item()
    expected = oracle.latent_log_conditionals(x.numpy(), weights, 0.7, 1.9, sigma)
    agrees(model.log_conditionals(x), expected)


@recurrents
def test_latent_agrees_with_torch(agrees, recurrent):
    """Torch's own recurrent nets in the same place, with the same weights."""
    x, ours = series(), latent(recurrent)
    theirs = latent(partial(getattr(nn, recurrent.__name__), batch_first=True))
    theirs.load_state_dict(ours.state_dict())
    agrees(ours.log_conditionals(x), theirs.log_conditionals(x))
    agrees(ours.predict(x, 5), theirs.predict(x, 5))


@recurrents
def test_latent_fit_raises_the_likelihood(recurrent):
    x = series()
    model = LatentAutoregressiveModel(3, recurrent=recurrent).double()
    model.fit(x, steps=40, learning_rate=0.03)
    after = -model.log_conditionals(x).mean().item()
    assert len(model.losses) == 40
    assert after < model.losses[0] - 0.1
    assert model.mean.item() == pytest.approx(x.mean().item())
    assert model.scale.item() == pytest.approx(x.std().item())


def test_latent_keeps_what_a_window_has_lost():
    """The last value is the first one over again, six values of noise lie between."""
    generator = torch.Generator().manual_seed(0)

    def echo(n):
        first = torch.randint(2, (n, 1), generator=generator) * 2.0 - 1
        return torch.cat((first, 0.1 * torch.randn(n, 6, generator=generator), first), dim=1)

    train, held_out = echo(128), echo(500)
    window = AutoregressiveModel(4).fit(train[:, -5:])
    state = LatentAutoregressiveModel(6, recurrent=GRU).fit(train, steps=150, learning_rate=0.03)
    missed = [
        (model.predict(held_out[:, :-1])[:, 0] - held_out[:, -1]).square().mean().sqrt().item()
        for model in (window, state)
    ]
    assert missed[0] > 0.9
    assert missed[1] < 0.3


# all three


def models():
    return [random_state(AutoregressiveModel(2)), MarkovModel(VOCAB, 2, smoothing=0.3).fit(text()), latent(GRU)]


all_three = pytest.mark.parametrize("which", [0, 1, 2], ids=["window", "markov", "latent"])


@all_three
def test_the_whole_is_the_sum_of_conditionals(agrees, which):
    model = models()[which]
    x = text() if which == 1 else series()
    agrees(model.log_likelihood(x), model.log_conditionals(x).sum(1))
    skipped = 0 if which == 2 else 2
    assert model.log_conditionals(x).shape == (BATCH, N - skipped)
    for t in (7, 20):  # a value's conditional does not change with what comes after it
        agrees(model.log_conditionals(x[:, :t]), model.log_conditionals(x)[:, : t - skipped])


@pytest.mark.parametrize("which", [0, 2], ids=["window", "latent"])
@given(seed=st.integers(0, 999))
def test_one_step_repeated_is_many_steps(agrees, which, seed):
    torch.manual_seed(seed)
    model, x = models()[which], series(9)
    at_once, extended = model.predict(x, 4), x
    for _ in range(4):
        extended = torch.cat((extended, model.predict(extended)), dim=1)
    agrees(at_once, extended[:, 9:])


@all_three
def test_a_generator_settles_the_sample(which):
    model = models()[which]
    x = text() if which == 1 else series()
    first, again, other = (model.sample(x, 30, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert first.shape == (BATCH, 30)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("which", [0, 2], ids=["window", "latent"])
def test_one_drawn_value_lies_about_its_mean(which):
    model, x = models()[which], series()[:1]
    drawn = model.sample(x.expand(20_000, N), 1, generator=torch.Generator().manual_seed(0))[:, 0]
    sigma = 0.6 if which == 0 else 1.9 * float(np.exp(-0.4))
    assert drawn.mean().item() == pytest.approx(model.predict(x).item(), abs=0.04)
    assert drawn.std().item() == pytest.approx(sigma, rel=0.02)


def test_say_what_they_were_built_with():
    assert repr(AutoregressiveModel(9)) == "AutoregressiveModel(window=9)"
    assert repr(MarkovModel(27, 2, smoothing=0.1)) == "MarkovModel(vocab_size=27, window=2, smoothing=0.1)"


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: AutoregressiveModel(-1), ValueError, "AutoregressiveModel: window must be at least 0, got -1."),
        (lambda: AutoregressiveModel(2.0), TypeError, "AutoregressiveModel: window must be an int, got float."),
        (
            lambda: AutoregressiveModel(2).fit(torch.zeros(9)),
            ValueError,
            "AutoregressiveModel: x must be (batch, n), got shape (9,).",
        ),
        (
            lambda: AutoregressiveModel(2).fit(torch.zeros(1, 9).long()),
            TypeError,
            "AutoregressiveModel: x must be floating point, got x torch.int64.",
        ),
        (
            lambda: AutoregressiveModel(2).fit(torch.zeros(1, 5)),
            ValueError,
            "AutoregressiveModel: x must hold more values to explain than there are weights, "
            "window + 1=3, got 3 from shape (1, 5).",
        ),
        (
            lambda: AutoregressiveModel(4).log_likelihood(torch.zeros(1, 4)),
            ValueError,
            "AutoregressiveModel: x must hold n >= 5 positions, got shape (1, 4).",
        ),
        (
            lambda: AutoregressiveModel(4).predict(torch.zeros(1, 3)),
            ValueError,
            "AutoregressiveModel: x must hold n >= 4 positions, got shape (1, 3).",
        ),
        (
            lambda: AutoregressiveModel(1).predict(torch.zeros(1, 3), 0),
            ValueError,
            "AutoregressiveModel: steps must be at least 1, got 0.",
        ),
        (
            lambda: AutoregressiveModel(1).predict(torch.zeros(1, 3).double()),
            TypeError,
            "AutoregressiveModel: x and weight must share one dtype, got x torch.float64, weight torch.float32.",
        ),
        (lambda: MarkovModel(0), ValueError, "MarkovModel: vocab_size must be at least 1, got 0."),
        (
            lambda: MarkovModel(3, smoothing=-1.0),
            ValueError,
            "MarkovModel: smoothing must not be negative, got -1.0.",
        ),
        (
            lambda: MarkovModel(27, 14),
            ValueError,
            "MarkovModel: vocab_size ** window must be below 2 ** 63, got 27 ** 14.",
        ),
        (
            lambda: MarkovModel(3).fit(torch.tensor([[0, 3]])),
            ValueError,
            "MarkovModel: tokens must lie between 0 and vocab_size - 1=2, got 0 to 3.",
        ),
        (
            lambda: MarkovModel(3).fit(torch.zeros(1, 3)),
            TypeError,
            "MarkovModel: tokens must hold tokens as int32 or int64, got torch.float32.",
        ),
        (
            lambda: MarkovModel(3, 2).fit(torch.tensor([[0, 1]])),
            ValueError,
            "MarkovModel: tokens must hold n >= 3 positions, got shape (1, 2).",
        ),
        (
            lambda: MarkovModel(3).sample(torch.tensor([[0]]), 0, generator=torch.Generator()),
            ValueError,
            "MarkovModel: steps must be at least 1, got 0.",
        ),
        (
            lambda: LatentAutoregressiveModel(0),
            ValueError,
            "LatentAutoregressiveModel: d_h must be at least 1, got 0.",
        ),
        (
            lambda: LatentAutoregressiveModel(2).fit(torch.zeros(1, 1)),
            ValueError,
            "LatentAutoregressiveModel: x must hold n >= 2 positions, got shape (1, 1).",
        ),
        (
            lambda: LatentAutoregressiveModel(2).predict(torch.zeros(1, 3).double()),
            TypeError,
            "LatentAutoregressiveModel: x and weight must share one dtype, got x torch.float64, weight torch.float32.",
        ),
        (
            lambda: LatentAutoregressiveModel(2).fit(torch.zeros(1, 3), steps=0),
            ValueError,
            "LatentAutoregressiveModel: steps must be at least 1, got 0.",
        ),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error) as refusal:
        call()
    assert str(refusal.value) == words


def test_oracle_stands_alone():
    """A line that doubles: the weight of least squares is two, and nothing is left over."""
    weight, bias, sigma = oracle.fit(np.array([[1.0, 2.0, 4.0, 8.0, 16.0]]), 1)
    assert [*weight, bias, sigma] == pytest.approx([2.0, 0.0, 0.0], abs=1e-12)
    table = oracle.markov_table(np.array([[0, 1, 0, 1, 0, 0]]), 2, 1)
    assert table == pytest.approx(np.array([[1 / 3, 2 / 3], [1, 0]]))
    assert oracle.markov_predict(np.array([[0]]), table, 2)[0, 1] == pytest.approx([7 / 9, 2 / 9])
