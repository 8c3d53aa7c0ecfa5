"""The digits read row by row: the reader, its loss, what is measured, and the words when something is refused."""

import pytest
import torch

from attnref import GRU, LSTM, RNN, tasks
from attnref.tasks import _recipe, digit_rows, digits_data
from attnref.tasks.digit_rows import Reading, RowReader, Score, measure


@pytest.fixture(scope="module")
def reader():
    return tasks.load("digit_rows")


@pytest.fixture(scope="module")
def digits():
    return digits_data.held_out_digits()


@pytest.mark.parametrize(("model", "kind"), [("rnn", RNN), ("gru", GRU), ("lstm", LSTM)])
def test_the_net_is_the_one_asked_for(model, kind):
    reader = RowReader(model, size=28, d_h=7, num_layers=2)
    assert type(reader.net) is kind
    hidden, state = reader.net(torch.rand(3, 5, 28))
    assert hidden.shape == (3, 5, 7)
    assert [part.shape for part in (state if model == "lstm" else (state,))] == [(2, 3, 7)] * (1 + (model == "lstm"))
    assert reader.recipe == {"model": model, "size": 28, "d_h": 7, "num_layers": 2}
    assert digit_rows.train(0, model=model, steps=1, progress=False)[0].recipe["model"] == model


def test_defaults():
    assert RowReader().recipe == {"model": "lstm", "size": 8, "d_h": 128, "num_layers": 1}


def test_a_guess_is_a_projection_of_the_hidden_state():
    reader, images = RowReader(d_h=6), torch.rand(4, 8, 8)
    hidden, _ = reader.net(images)
    expected = hidden @ reader.output_proj.weight.mT + reader.output_proj.bias
    torch.testing.assert_close(reader(images), expected)
    reading = reader.read(images)
    assert isinstance(reading, Reading)
    torch.testing.assert_close(reading.confidence, expected.softmax(2).detach())
    assert reading.digits.tolist() == [int(scores[-1].argmax()) for scores in expected]
    assert not reading.confidence.requires_grad
    assert reader(images).requires_grad


def test_a_guess_needs_the_rows_above_it_alone(reader, digits):
    images = digits[0][:8]
    whole = reader.read(images).confidence
    torch.testing.assert_close(reader.read(images[:, :5]).confidence, whole[:, :5])
    changed = images.clone()
    changed[:, 5:] = 0.5
    torch.testing.assert_close(reader.read(changed).confidence[:, :5], whole[:, :5])
    assert not torch.allclose(reader.read(changed).confidence[:, 5:], whole[:, 5:])


def test_each_image_is_read_for_itself(reader, digits):
    images = digits[0][:6]
    together = reader.read(images)
    for index in range(6):
        alone = reader.read(images[index : index + 1])
        torch.testing.assert_close(alone.confidence[0], together.confidence[index])
        assert alone.digits[0] == together.digits[index]


# The training


@pytest.mark.parametrize(("model", "size", "split"), [("rnn", 8, "images"), ("lstm", 28, "forms")])
def test_the_loss_is_half_of_the_last_row_and_half_of_all(model, size, split):
    _, losses = digit_rows.train(3, model=model, size=size, split=split, steps=1, progress=False)
    with _recipe.drawn_from(3):
        reader = RowReader(model, size=size)
    images, digits = next(iter(digits_data.training_batches(1, 64, 3, split)))
    logits = reader(digits_data.enlarge(images, size))
    surprise = -logits.log_softmax(-1)[torch.arange(64), :, digits]  # (batch, n)
    assert losses[0] == pytest.approx((0.5 * surprise.mean() + 0.5 * surprise[:, -1].mean()).item(), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["rnn", "gru", "lstm"])
def test_learns_to_read_digits_it_was_not_shown(model, digits):
    """A short training is far from done and far from chance, 0.1."""
    trained, losses = digit_rows.train(0, model=model, steps=80, progress=False)
    assert measure(trained, *digits).accuracy > 0.4
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


# What is measured


class Guesser(RowReader):
    """Says after every row what it was told to say."""

    def __init__(self, guesses):
        super().__init__()
        self.guesses = torch.tensor(guesses)

    def read(self, images):
        confidence = torch.nn.functional.one_hot(self.guesses, 10).double()
        return Reading(self.guesses[:, -1], confidence)


def test_shares_are_counted_by_hand():
    guesses = [[1, 1, 2, 2], [0, 3, 3, 3], [4, 4, 4, 0]]
    score = measure(Guesser(guesses), torch.zeros(3, 8, 8), torch.tensor([2, 3, 4]))
    assert score == Score(2 / 3, [1 / 3, 2 / 3, 1.0, 2 / 3])
    assert str(score) == "held-out accuracy 0.6667; after each quarter of the rows: 0.333, 0.667, 1.000, 0.667"
    quarters = str(Score(0.5, [n / 100 for n in range(1, 29)]))
    assert quarters == "held-out accuracy 0.5000; after each quarter of the rows: 0.070, 0.140, 0.210, 0.280"


def test_shipped_weights_hold_their_figure(reader, digits):
    score, reading = measure(reader, *digits), reader.read(digits[0])
    assert score.accuracy == pytest.approx(0.9917, abs=1 / 360)
    assert score.accuracy == score.rows[-1] == (reading.digits == digits[1]).double().mean()
    assert score.rows == sorted(score.rows)  # with every row it knows more
    assert score.rows[0] < 0.3


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: RowReader("cnn"), "RowReader: model must be one of 'rnn', 'gru', 'lstm', got 'cnn'."),
        (
            lambda: RowReader()(torch.zeros(2, 8, 28)),
            "RowReader: images must have rows of size=8 pixels, got shape (2, 8, 28).",
        ),
        (lambda: RowReader()(torch.zeros(2, 0, 8)), "RowReader: rows must be at least 1, got 0."),
        (lambda: RowReader()(torch.zeros(8, 8)), "RowReader: images must be (batch, n, size), got shape (8, 8)."),
        (
            lambda: measure(RowReader(), torch.zeros(0, 8, 8), torch.zeros(0)),
            "digit_rows.measure: images must be at least 1, got 0.",
        ),
        (
            lambda: measure(RowReader(), torch.zeros(2, 8, 8), torch.zeros(1)),
            "digit_rows.measure: images and digits must agree in batch, "
            "got images (2, 8, 8) with batch=2, digits (1,) with batch=1.",
        ),
    ],
)
def test_refusals(call, words, refuses):
    refuses(call, ValueError, words)


@pytest.mark.refusal
def test_refuses_images_of_another_dtype(refuses):
    words = "RowReader: images and weights must share one dtype, got images torch.float64, weights torch.float32."
    refuses(lambda: RowReader()(torch.zeros(2, 8, 8).double()), TypeError, words)
