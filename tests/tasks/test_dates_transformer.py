"""The dates by a Transformer: its reader, its loss, what is measured, the words when something is refused."""

import datetime

import pytest
import torch

from attnref import tasks
from attnref.tasks import _recipe, dates_data, dates_transformer
from attnref.tasks.dates import BEGIN, WRITTEN
from attnref.tasks.dates_data import write
from attnref.tasks.dates_transformer import DateTransformer, Reading, Score, measure

DAY = datetime.date(2013, 5, 7)


@pytest.fixture(scope="module")
def reader() -> DateTransformer:
    return tasks.load("dates_transformer")


def test_reads_one_date(reader):
    reading = reader("4 novembre 2001")
    assert isinstance(reading, Reading)
    assert reading.iso == "2001-11-04"
    assert reading.weights.shape == (1, 4, 10, 15)
    torch.testing.assert_close(reading.weights.sum(-1), torch.ones(1, 4, 10))
    assert not reading.weights.requires_grad


def test_padding_changes_nothing(reader):
    texts = ["7 mai 2013", "2013년 5월 7일 화요일", "Wednesday, September 29, 2027"]
    for together, text in zip(reader.read(texts), texts, strict=True):
        alone = reader(text)
        assert together.iso == alone.iso
        assert together.weights.shape == (1, 4, 10, len(text))
        torch.testing.assert_close(together.weights, alone.weights, rtol=1e-4, atol=1e-5)
    assert reader.read([]) == []


def test_weights_are_those_of_the_steps_that_wrote(reader):
    """Row i is where the decoder looked when it wrote character i, which it did after reading character i - 1."""
    reading = reader("7 mai 2013")
    source, mask = reader.encode(["7 mai 2013"])
    fed = torch.tensor([[BEGIN, *(WRITTEN.index(character) for character in reading.iso[:-1])]])
    logits, weights = reader.model(source, fed, mask, return_weights=True)
    assert "".join(WRITTEN[token] for token in logits[0].argmax(-1).tolist()) == reading.iso
    torch.testing.assert_close(reading.weights[0], weights.cross[0][0].detach())


def test_the_loss_is_the_mean_surprise_at_the_character_that_follows():
    _, losses = dates_transformer.train(3, steps=1, progress=False)
    with _recipe.drawn_from(3):
        reader = DateTransformer(dates_data.characters())
    samples = next(iter(dates_data.training_batches(1, dates_transformer.BATCH, 3)))
    fed = torch.tensor([[BEGIN, *(WRITTEN.index(c) for c in sample.iso[:-1])] for sample in samples])
    follows = torch.tensor([[WRITTEN.index(c) for c in sample.iso] for sample in samples])
    source, mask = reader.encode([sample.text for sample in samples])
    surprise = -reader.model(source, fed, mask)[0].log_softmax(-1).gather(-1, follows[..., None])
    assert losses[0] == pytest.approx(surprise.mean().item(), rel=1e-6)


@pytest.mark.slow
def test_loss_falls():
    _, losses = dates_transformer.train(0, steps=30, progress=False)
    assert losses[0] > 2
    assert sum(losses[-5:]) / 5 < 0.75 * losses[0]


class Scripted(DateTransformer):
    """Writes what it was told to write, and attends to where it was told to."""

    def __init__(self, readings):
        super().__init__("x")
        self.readings, self.asked = iter(readings), []

    def read(self, texts):
        self.asked.append(len(texts))
        return [next(self.readings) for _ in texts]


def test_each_head_has_its_share():
    """The first head never leaves the year, the second never the day."""
    sample = write(DAY, "ko", "full")
    weights = torch.zeros(1, 2, 10, len(sample.text))
    weights[:, 0, :, slice(*sample.spans["year"])] = 0.25
    weights[:, 1, :, slice(*sample.spans["day"])] = 1.0
    readings = [Reading(sample.iso, weights)] * 2 + [Reading("1950-01-00", weights)]
    scripted = Scripted(readings)
    score = measure(scripted, [sample] * 3, batch=2)
    assert scripted.asked == [2, 1]
    assert score.exact == pytest.approx(2 / 3)
    assert score.shares == {
        "year": [[1.0, 0.0]],
        "month": [[0.0, 0.0]],
        "day": [[0.0, 1.0]],
        "all": [[0.5, 0.25]],
    }


def test_a_score_says_itself():
    said = "exact match 0.5000; attention on the right characters: layer 1 head 1 year 0.100, all 0.250"
    assert str(Score(0.5, {"year": [[0.1]], "all": [[0.25]]})) == said


def test_shipped_weights_hold_their_figure(reader):
    score = measure(reader, dates_data.held_out_samples()[:400])
    assert score.exact >= 0.99
    assert score.shares["all"][0] == pytest.approx([0.733, 0.936, 0.733, 0.938], abs=0.01)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (
            lambda reader: reader("4 Brumaire ☼"),
            ValueError,
            "DateTransformer: text must be written with the characters of the training dates, "
            "got 'B' at position 2 of '4 Brumaire ☼'.",
        ),
        (
            lambda reader: reader.read(["7 mai 2013", ""]),
            ValueError,
            "DateTransformer: text must hold at least one character, got ''.",
        ),
        (lambda reader: reader(20011104), TypeError, "DateTransformer: text must be a str, got int."),
        (
            lambda reader: reader.read("7 mai 2013"),
            TypeError,
            "DateTransformer.read: texts must be a list of strings, got the string '7 mai 2013'.",
        ),
        (
            lambda reader: measure(reader, []),
            ValueError,
            "dates_transformer.measure: samples must be at least 1, got 0.",
        ),
        (
            lambda _: dates_transformer.train(0, steps=0, progress=False),
            ValueError,
            "dates_transformer.train: steps must be at least 1, got 0.",
        ),
    ],
)
def test_refusals(refuses, reader, call, kind, words):
    refuses(lambda: call(reader), kind, words)
