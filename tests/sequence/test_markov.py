"""The Markov model of tokens against its definition and torch's distributions; its laws, and the memory it takes."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from attnref import MarkovModel
from attnref.oracle import markov as oracle

BATCH, N, VOCAB = 3, 40, 4
sizes = {"vocab": st.integers(1, 4), "window": st.integers(0, 3), "seed": st.integers(0, 2**32)}


def text(batch=BATCH, n=N, vocab=VOCAB):
    return torch.randint(vocab, (batch, n))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# the table


@given(**sizes, smoothing=st.sampled_from([0.0, 0.5, 3.0, 1e-300]), n=st.integers(5, 40), steps=st.integers(1, 4))
def test_agrees_with_oracle(agrees, vocab, window, seed, smoothing, n, steps):
    torch.manual_seed(seed)
    tokens, other = text(2, n, vocab), text(3, 8, vocab)
    model = MarkovModel(vocab, window, smoothing=smoothing).fit(tokens)
    table = oracle.table(tokens.numpy(), vocab, window, smoothing)
    agrees(model.table(), table)
    for seen in (tokens, other):  # the other text has windows and tokens that were never seen
        agrees(model.log_conditionals(seen).exp(), np.exp(oracle.log_conditionals(seen.numpy(), table)))
    agrees(model.predict(other, steps), oracle.predict(other.numpy(), table, steps))


def test_table_is_exact():
    tokens = torch.tensor([[0, 1, 0, 1, 0, 2, 0]])
    expected = torch.tensor([[0, 2 / 3, 1 / 3], [1, 0, 0], [1, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(MarkovModel(3).fit(tokens).table(), expected, rtol=0, atol=1e-15)


def test_agrees_with_torch(agrees):
    tokens = text()
    model = MarkovModel(VOCAB, smoothing=0.1).fit(tokens)
    expected = Categorical(model.table()[tokens[:, :-1]]).log_prob(tokens[:, 1:])
    torch.testing.assert_close(model.log_conditionals(tokens), expected, rtol=1e-6, atol=1e-6)


def test_the_oldest_token_is_the_first_axis():
    model = MarkovModel(VOCAB, 2).fit(torch.tensor([[3, 1, 2]]))
    assert model.table()[3, 1].tolist() == [0, 0, 1, 0]


def test_what_was_never_seen():
    """No chance for a token that never followed; any token after a window that never came; smoothing mends both."""
    seen, other = torch.tensor([[0, 1, 0, 1]]), torch.tensor([[0, 0, 2, 0]])
    assert MarkovModel(3).fit(seen).log_conditionals(other).exp().tolist() == [[0, 0, pytest.approx(1 / 3)]]
    smooth = MarkovModel(3, smoothing=1.0).fit(seen).log_conditionals(other).exp()
    assert smooth[0].tolist() == pytest.approx([1 / 5, 1 / 5, 1 / 3])


@given(**sizes, batch=st.integers(0, 3), smoothing=st.floats(0, 1e307))
def test_probabilities_are_probabilities(vocab, window, seed, batch, smoothing):
    """Whatever the smoothing, from the smallest number to the largest: never NaN, and each row sums to one."""
    torch.manual_seed(seed)
    tokens, other = text(batch, 12, vocab), text(batch, 5, vocab)
    model = MarkovModel(vocab, window, smoothing=smoothing).fit(tokens)
    for chances in (model.table(), model.predict(other, 3)):
        assert chances.ge(0).all()
        torch.testing.assert_close(chances.sum(-1), torch.ones(chances.shape[:-1]).double())
    assert not model.log_conditionals(other).isnan().any()
    assert model.log_conditionals(tokens).isfinite().all()


@pytest.mark.parametrize("window", [1, 2])
def test_all_continuations_together_are_certain(window):
    """The joint distribution is the product of conditionals: over all sequences it sums to one."""
    model = MarkovModel(VOCAB, window, smoothing=0.2).fit(text())
    start = torch.tensor([1, 3][:window])
    ends = torch.cartesian_prod(*[torch.arange(VOCAB)] * 4)
    whole = torch.cat((start.expand(len(ends), window), ends), dim=1)
    assert model.log_likelihood(whole).exp().sum().item() == pytest.approx(1.0)


def test_the_whole_is_the_sum_of_conditionals(agrees):
    model, tokens = MarkovModel(VOCAB, 2, smoothing=0.3).fit(text()), text()
    agrees(model.log_likelihood(tokens), model.log_conditionals(tokens).sum(1))
    assert model.log_conditionals(tokens).shape == (BATCH, N - 2)
    for t in (3, 7, 20):  # a token's conditional does not change with what comes after it
        agrees(model.log_conditionals(tokens[:, :t]), model.log_conditionals(tokens)[:, : t - 2])


def test_a_fit_drops_the_counts_of_the_one_before():
    first, second = text(), text(n=9)
    again = MarkovModel(VOCAB, 2).fit(first).fit(second)
    assert torch.equal(again.table(), MarkovModel(VOCAB, 2).fit(second).table())
    assert again.counts.sum() == BATCH * 7


@given(**sizes)
def test_the_order_of_the_sequences_and_the_dtype_of_tokens_change_nothing(vocab, window, seed):
    torch.manual_seed(seed)
    tokens, other = text(4, 9, vocab), text(2, 9, vocab)
    model = MarkovModel(vocab, window, smoothing=0.1).fit(tokens)
    turned = MarkovModel(vocab, window, smoothing=0.1).fit(tokens.flip(0).int())
    assert torch.equal(turned.counts, model.counts)
    assert torch.equal(turned.log_conditionals(other.int()), model.log_conditionals(other))
    assert torch.equal(turned.predict(other.int(), 3), model.predict(other, 3))
    drawn = turned.sample(other.int(), 9, generator=generator())
    assert torch.equal(drawn, model.sample(other, 9, generator=generator()))
    assert drawn.dtype == torch.long


@given(**sizes, smoothing=st.sampled_from([0.0, 0.5]))
def test_what_no_token_was_seen_for_is_uniform(vocab, window, seed, smoothing):
    """Before any fit, and after a fit to an empty batch."""
    torch.manual_seed(seed)
    tokens = text(2, 6, vocab)
    for model in (
        MarkovModel(vocab, window, smoothing=smoothing),
        MarkovModel(vocab, window, smoothing=smoothing).fit(tokens).fit(tokens[:0]),
    ):
        assert model.table().eq(1 / vocab).all()
        assert model.predict(tokens, 3).sub(1 / vocab).abs().max() < 1e-15
        assert model.log_conditionals(tokens).eq(math.log(1 / vocab)).all()
        assert model.sample(tokens, 4, generator=generator()).shape == (2, 4)


@pytest.mark.parametrize("window", [0, 1, 3])
def test_an_empty_batch(window):
    model, nothing = MarkovModel(VOCAB, window).fit(text()), text(0, 7)
    assert model.log_conditionals(nothing).shape == (0, 7 - window)
    assert model.log_likelihood(nothing).shape == (0,)
    for steps in (1, 3):
        assert model.predict(nothing, steps).shape == (0, steps, VOCAB)
        assert model.sample(nothing, steps, generator=generator()).shape == (0, steps)


def test_counts_and_probabilities_are_float64():
    model = MarkovModel(2).fit(torch.tensor([[0, 0, 1]]))
    assert model.counts.dtype == model.table().dtype == model.log_conditionals(text(vocab=2)).dtype == torch.float64


# several steps


def test_many_steps_are_powers_of_the_table(agrees):
    tokens = text()
    model = MarkovModel(VOCAB, smoothing=0.1).fit(tokens)
    for k, chance in enumerate(model.predict(tokens, 5).unbind(1), 1):
        agrees(chance, torch.linalg.matrix_power(model.table(), k)[tokens[:, -1]])


@given(**sizes, steps=st.integers(1, 6), more=st.integers(1, 3))
def test_further_steps_leave_the_first_as_they_were(agrees, vocab, window, seed, steps, more):
    torch.manual_seed(seed)
    model, tokens = MarkovModel(vocab, window).fit(text(2, 20, vocab)), text(3, 5, vocab)
    agrees(model.predict(tokens, steps + more)[:, :steps], model.predict(tokens, steps))


@pytest.mark.parametrize("window", [0, 1, 2])
def test_samples_approach_the_table(window):
    model = MarkovModel(VOCAB, window, smoothing=0.5).fit(text())
    drawn = model.sample(text(200), 100, generator=generator())
    again = MarkovModel(VOCAB, window).fit(drawn)
    torch.testing.assert_close(again.table(), model.table(), rtol=0, atol=0.05)


def test_samples_of_several_steps_approach_the_prediction():
    model, start = MarkovModel(VOCAB, 2, smoothing=0.1).fit(text()), torch.tensor([[2, 1]])
    drawn = model.sample(start.expand(20_000, 2), 4, generator=generator())
    shares = torch.nn.functional.one_hot(drawn, VOCAB).double().mean(0)
    torch.testing.assert_close(shares, model.predict(start, 4)[0], rtol=0, atol=0.02)


@pytest.mark.parametrize(("vocab", "window"), [(27, 13), (3, 39), (2, 62), (1, 1000)])
def test_the_longest_windows_that_can_be_numbered(vocab, window):
    """A text that repeats goes on repeating, though the numbers of its windows come near 2 ** 63."""
    period = torch.randperm(vocab)
    tokens = period.repeat(1200 // vocab)[None]
    model = MarkovModel(vocab, window).fit(tokens)
    drawn = model.sample(tokens[:, :1005], 60, generator=generator())
    assert torch.equal(drawn, tokens[:, 1005:1065])
    assert model.log_likelihood(tokens).eq(0).all()
    assert model.counts.shape == (vocab, vocab)


def test_a_generator_settles_the_sample():
    model, tokens = MarkovModel(VOCAB, 2, smoothing=0.3).fit(text()), text()
    first, again, other = (model.sample(tokens, 30, generator=generator(seed)) for seed in (1, 1, 2))
    assert first.shape == (BATCH, 30)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


# memory


class Largest(TorchDispatchMode):
    """Remembers the most numbers that any tensor made within it keeps in memory."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.untyped_storage().nbytes() // tensor.element_size())
        return result


def largest(call):
    with Largest() as mode:
        call()
    return mode.numbers


@given(
    vocab=st.integers(2, 7),
    window=st.integers(0, 3),
    batch=st.integers(1, 30),
    steps=st.integers(2, 5),
    n=st.integers(4, 40),
)
def test_no_tensor_is_larger_than_what_is_promised(vocab, window, batch, steps, n):
    """The table, the result, or a few numbers for each token; never the table for each sequence."""
    tokens = text(batch, n, vocab)
    model, table = MarkovModel(vocab, window, smoothing=0.1), vocab ** (window + 1)
    assert largest(lambda: model.fit(tokens)) <= max(batch * n, min(table, batch * n * vocab))
    kept = model.counts.numel()
    assert kept <= min(table, batch * n * vocab)
    assert largest(lambda: model.table()) <= table
    assert largest(lambda: model.log_conditionals(tokens)) <= max(batch * n, kept)
    assert largest(lambda: model.predict(tokens)) <= max(batch * n, batch * vocab)
    assert largest(lambda: model.predict(tokens, steps)) <= max(batch * n, batch * steps * vocab, table)
    drawn = largest(lambda: model.sample(tokens, steps, generator=generator()))
    assert drawn <= max(batch * n, batch * vocab, batch * steps)


def test_a_large_vocabulary_costs_its_rows_and_not_its_table():
    """A table of 10 ** 15 numbers is never formed by what does without it."""
    tokens = text(2, 50, 1000)
    model = MarkovModel(1000, 4, smoothing=0.1).fit(tokens)
    assert model.counts.shape == (92, 1000)
    assert model.log_likelihood(tokens).isfinite().all()
    assert model.predict(tokens).shape == (2, 1, 1000)
    assert model.sample(tokens, 7, generator=generator()).shape == (2, 7)


# the ways of torch


def test_default_dtype_and_device():
    dtype, tokens = torch.get_default_dtype(), text()
    expected = MarkovModel(VOCAB, 2).fit(tokens).table()
    try:
        torch.set_default_dtype(torch.float16)
        assert torch.equal(MarkovModel(VOCAB, 2).fit(tokens).table(), expected)
    finally:
        torch.set_default_dtype(dtype)
    with torch.device("meta"):
        model, shapes = MarkovModel(VOCAB, 2), torch.empty(3, 9, dtype=torch.long)
        assert model.table().shape == (VOCAB,) * 3
        assert model.log_conditionals(shapes).shape == (3, 7)
        assert model.predict(shapes, 4).shape == (3, 4, VOCAB)
        model.fit(tokens)  # nothing of it is made on the device that is the default
        assert torch.equal(model.table(), expected)
        assert model.log_conditionals(tokens).isfinite().all()
        assert model.predict(tokens, 3).device.type == "cpu"
        assert model.sample(tokens, 3, generator=torch.Generator("cpu")).device.type == "cpu"


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_pickles_and_copies(duplicate):
    tokens = text()
    model = MarkovModel(VOCAB, 2, smoothing=0.2).fit(tokens)
    copied = duplicate(model)
    assert torch.equal(copied.log_conditionals(tokens), model.log_conditionals(tokens))
    copied.fit(tokens[:, :9])
    assert not torch.equal(copied.table(), model.table())


# refusals


class Elsewhere(torch.Generator):
    """A generator that says it is on another device."""

    device = torch.device("cuda")


def draw(steps=1, generator=None):
    return MarkovModel(3).sample(torch.tensor([[0]]), steps, generator=generator)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: MarkovModel(0), ValueError, "MarkovModel: vocab_size must be at least 1, got 0."),
        (lambda: MarkovModel(3.0), TypeError, "MarkovModel: vocab_size must be an int, got float."),
        (lambda: MarkovModel(3, -1), ValueError, "MarkovModel: window must be at least 0, got -1."),
        (lambda: MarkovModel(3, True), TypeError, "MarkovModel: window must be an int, got bool."),
        (
            lambda: MarkovModel(27, 14),
            ValueError,
            "MarkovModel: vocab_size ** window must be below 2 ** 63, got 27 ** 14.",
        ),
        (
            lambda: MarkovModel(2, 10**9),
            ValueError,
            "MarkovModel: vocab_size ** window must be below 2 ** 63, got 2 ** 1000000000.",
        ),
        (
            lambda: MarkovModel(2, 63),
            ValueError,
            "MarkovModel: vocab_size ** window must be below 2 ** 63, got 2 ** 63.",
        ),
        (
            lambda: MarkovModel(10**30, 0),
            ValueError,
            f"MarkovModel: vocab_size must be below 2 ** 63, got {10**30}.",
        ),
        (
            lambda: MarkovModel(3, smoothing=-1.0),
            ValueError,
            "MarkovModel: smoothing must be finite and at least 0, got -1.0.",
        ),
        (
            lambda: MarkovModel(2, smoothing=math.inf),
            ValueError,
            "MarkovModel: smoothing must be finite and at least 0, got inf.",
        ),
        (
            lambda: MarkovModel(2, smoothing=math.nan),
            ValueError,
            "MarkovModel: smoothing must be finite and at least 0, got nan.",
        ),
        (
            lambda: MarkovModel(2, smoothing=10**400),
            ValueError,
            f"MarkovModel: smoothing must be finite and at least 0, got {10**400}.",
        ),
        (
            lambda: MarkovModel(2, smoothing=1e308),
            ValueError,
            "MarkovModel: vocab_size * smoothing must be finite, got 2 * 1e+308.",
        ),
        (lambda: MarkovModel(2, smoothing=True), TypeError, "MarkovModel: smoothing must be a number, got bool."),
        (lambda: MarkovModel(2, smoothing="0.1"), TypeError, "MarkovModel: smoothing must be a number, got str."),
        (
            lambda: MarkovModel(2, smoothing=torch.tensor(0.1)),
            TypeError,
            "MarkovModel: smoothing must be a number, got torch.Tensor.",
        ),
        (
            lambda: MarkovModel(3).fit([[0, 1]]),
            TypeError,
            "MarkovModel.fit: tokens must be a torch.Tensor, got list.",
        ),
        (
            lambda: MarkovModel(3).fit(torch.tensor([[0, 3]])),
            ValueError,
            "MarkovModel.fit: tokens must lie between 0 and vocab_size - 1=2, got 0 to 3.",
        ),
        (
            lambda: MarkovModel(3).predict(torch.tensor([[0, -1]])),
            ValueError,
            "MarkovModel.predict: tokens must lie between 0 and vocab_size - 1=2, got -1 to 0.",
        ),
        (
            lambda: MarkovModel(3).fit(torch.zeros(1, 3)),
            TypeError,
            "MarkovModel.fit: tokens must hold tokens as int32 or int64, got torch.float32.",
        ),
        (
            lambda: MarkovModel(3, 2).fit(torch.tensor([[0, 1]])),
            ValueError,
            "MarkovModel.fit: tokens must hold n >= 3 positions, got shape (1, 2).",
        ),
        (
            lambda: MarkovModel(3, 0).fit(torch.zeros(2, 0).long()),
            ValueError,
            "MarkovModel.fit: tokens must hold at least one token a sample, got shape (2, 0).",
        ),
        (
            lambda: MarkovModel(3).fit(torch.zeros(1, 3, device="meta").long()),
            ValueError,
            "MarkovModel.fit: tokens must hold values, got a tensor without any on the device meta.",
        ),
        (
            lambda: MarkovModel(3).log_likelihood(torch.tensor([[0]])),
            ValueError,
            "MarkovModel.log_likelihood: tokens must hold n >= 2 positions, got shape (1, 1).",
        ),
        (
            lambda: MarkovModel(3, 2).log_conditionals(torch.tensor([[0, 1]])),
            ValueError,
            "MarkovModel.log_conditionals: tokens must hold n >= 3 positions, got shape (1, 2).",
        ),
        (
            lambda: MarkovModel(3, 2).predict(torch.tensor([[0]])),
            ValueError,
            "MarkovModel.predict: tokens must hold n >= 2 positions, got shape (1, 1).",
        ),
        (
            lambda: MarkovModel(3).predict(torch.zeros(1, 3, device="meta").long()),
            ValueError,
            "MarkovModel.predict: tokens and counts must be on one device, got tokens on meta, counts on cpu.",
        ),
        (
            lambda: MarkovModel(3).predict(torch.tensor([[0]]), 0),
            ValueError,
            "MarkovModel.predict: steps must be at least 1, got 0.",
        ),
        (
            lambda: MarkovModel(3).predict(torch.tensor([[0]]), 1.5),
            TypeError,
            "MarkovModel.predict: steps must be an int, got float.",
        ),
        (
            lambda: draw(0, generator=torch.Generator()),
            ValueError,
            "MarkovModel.sample: steps must be at least 1, got 0.",
        ),
        (lambda: draw(), TypeError, "MarkovModel.sample: generator must be a torch.Generator, got NoneType."),
        (
            lambda: draw(generator=Elsewhere()),
            ValueError,
            "MarkovModel.sample: generator must be on the device of the values, got generator on cuda, values on cpu.",
        ),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error) as refusal:
        call()
    assert str(refusal.value) == words


def test_says_what_it_was_built_with():
    assert repr(MarkovModel(27, 2, smoothing=0.1)) == "MarkovModel(vocab_size=27, window=2, smoothing=0.1)"


def test_oracle_alone():
    table = oracle.table(np.array([[0, 1, 0, 1, 0, 0]]), 2, 1)
    assert table == pytest.approx(np.array([[1 / 3, 2 / 3], [1, 0]]))
    assert oracle.predict(np.array([[0]]), table, 2)[0, 1] == pytest.approx([7 / 9, 2 / 9])
