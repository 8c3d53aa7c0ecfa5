"""The dates task: its data, its reader, its loss, what is measured, the words when something is refused."""

import datetime
import itertools
import sys

import pytest
import torch

from attnref import AdditiveAttention, LuongAttention, tasks
from attnref.tasks import _recipe, dates, dates_data
from attnref.tasks.dates import BEGIN, WRITTEN, DateReader, Reading, Score, measure
from attnref.tasks.dates_data import LOCALES, PARTS, STYLES, Sample, write

DAY = datetime.date(2013, 5, 7)
FIRST_HELD_OUT = ["1950-01-05", "1950-01-06", "1950-01-08", "1950-01-25", "1950-01-28", "1950-02-03"]


def parts(sample: Sample) -> dict[str, str]:
    return {part: sample.text[slice(*span)] for part, span in sample.spans.items()}


@pytest.fixture(scope="module")
def reader() -> DateReader:
    return tasks.load("dates")


# The data


@pytest.mark.parametrize(
    ("locale", "style", "text", "year", "month", "day"),
    [
        ("en", "full", "Tuesday, May 7, 2013", "2013", "May", "7"),
        ("fr", "long", "7 mai 2013", "2013", "mai", "7"),
        ("de", "medium", "07.05.2013", "2013", "05", "07"),
        ("es", "long", "7 de mayo de 2013", "2013", "mayo", "7"),
        ("it", "full", "martedì 7 maggio 2013", "2013", "maggio", "7"),
        ("ko", "full", "2013년 5월 7일 화요일", "2013", "5월", "7"),
        ("ko", "medium", "2013. 5. 7.", "2013", "5", "7"),
        ("ja", "medium", "2013/05/07", "2013", "05", "07"),
    ],
)
def test_spans_of_dates_read_by_hand(locale, style, text, year, month, day):
    sample = write(DAY, locale, style)
    assert (sample.text, sample.iso) == (text, "2013-05-07")
    assert parts(sample) == {"year": year, "month": month, "day": day}


def test_text_is_what_babel_itself_writes():
    from babel.dates import format_date

    for locale in LOCALES:
        for style in STYLES:
            for day in (DAY, datetime.date(1950, 12, 31), datetime.date(2048, 2, 29)):
                assert write(day, locale, style).text == format_date(day, style, locale=locale)


def test_parts_name_the_digits_of_the_iso_date():
    iso = DAY.isoformat()
    assert {part: iso[where.start : where.stop] for part, where in PARTS.items()} == {
        "year": "2013",
        "month": "05",
        "day": "07",
    }


def test_split_is_by_calendar_day():
    seen, kept = set(dates_data.days(held_out=False)), set(dates_data.days(held_out=True))
    assert not seen & kept
    assert len(seen | kept) == 36525  # every day of a hundred years
    assert 0.09 < len(kept) / 36525 < 0.11


def test_the_split_of_the_shipped_weights_never_changes():
    """Another split would measure the shipped weights on dates that they were trained on."""
    assert [day.isoformat() for day in dates_data.days(held_out=True)[:6]] == FIRST_HELD_OUT
    assert dates_data.SHOWN in dates_data.days(held_out=True)
    assert dates_data.days(held_out=False)[0] == datetime.date(1950, 1, 1)
    assert dates_data.days(held_out=False)[-1] == datetime.date(2049, 12, 31)


def test_no_held_out_day_is_ever_trained_on():
    kept = {day.isoformat() for day in dates_data.days(held_out=True)}
    trained = [sample for batch in dates_data.training_batches(60, 64) for sample in batch]
    assert not kept & {sample.iso for sample in trained}
    assert {sample.locale for sample in trained} == set(LOCALES)
    assert {sample.style for sample in trained} == set(STYLES)


def test_every_held_out_day_is_measured_once():
    measured = dates_data.held_out_samples()
    isos = [sample.iso for sample in measured]
    assert sorted(isos) == [day.isoformat() for day in dates_data.days(held_out=True)] != isos
    kinds = [(sample.locale, sample.style) for sample in measured]
    for kind in itertools.product(LOCALES, STYLES):
        assert kinds.count(kind) > 0.7 * len(kinds) / 24
    assert measured == dates_data.held_out_samples(0) != dates_data.held_out_samples(1)
    for sample, kind in zip(measured, kinds, strict=True):
        assert sample == write(datetime.date.fromisoformat(sample.iso), *kind)


def test_batches_are_drawn_by_their_seed_and_sorted_by_length():
    drawn = list(dates_data.training_batches(30, 16, 4))
    assert [len(batch) for batch in drawn] == [16] * 30
    assert drawn == list(dates_data.training_batches(30, 16, 4)) != list(dates_data.training_batches(30, 16, 5))
    assert list(dates_data.training_batches(2, 16)) == list(dates_data.training_batches(2, 16, 0))
    longest = [[len(sample.text) for sample in batch] for batch in drawn]
    for pool in (longest[:25], longest[25:]):  # 25 batches are sorted together
        together = sorted(length for batch in pool for length in batch)
        assert sorted(map(sorted, pool)) == [together[at : at + 16] for at in range(0, len(together), 16)]
        assert list(map(sorted, pool)) != sorted(map(sorted, pool))  # and shuffled again


def test_characters_are_all_that_any_date_is_written_with():
    known = dates_data.characters()
    assert list(known) == sorted(set(known))
    assert set("0123456789") < set(known)
    written = {character for sample in dates_data.held_out_samples() for character in sample.text}
    assert written == set(known)


# The reader


def test_texts_become_tokens_and_a_mask():
    reader = DateReader("ab")
    source, mask = reader.encode(["ab", "b"])
    assert source.tolist() == [[1, 2], [2, 0]]
    assert mask.tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize(
    ("score", "kind"),
    [("additive", AdditiveAttention), ("dot", LuongAttention), ("general", LuongAttention), ("concat", LuongAttention)],
)
def test_the_decoder_attends_by_the_score_that_is_asked_for(score, kind):
    sizes = {"d_embed": 5, "d_h": 6, "d_a": 3}
    reader = DateReader("ab", score=score, **sizes)
    attend = reader.model.decoder.attend
    assert type(attend) is kind
    assert getattr(attend, "score", "additive") == score
    if score in ("additive", "concat"):
        assert attend.score_proj.weight.shape == (1, 3)
    assert reader.recipe == {"characters": "ab", "attention": True, "score": score, **sizes}
    reading = reader("abba")
    torch.testing.assert_close(reading.weights.sum(-1), torch.ones(10))
    made, losses = dates.train(1, score=score, steps=2, progress=False)
    assert (made.recipe["score"], made.recipe["attention"], len(losses)) == (score, True, 2)


def test_without_attention():
    reader = DateReader("ab", attention=False)
    assert reader.model.decoder.attend is None
    assert reader("ab").weights is None
    made, _ = dates.train(1, attention=False, steps=1, progress=False)
    assert made.model.decoder.attend is None


def test_sizes_by_default():
    defaults = {"attention": True, "score": "additive", "d_embed": 32, "d_h": 128, "d_a": 64}
    assert DateReader("ab").recipe == {"characters": "ab", **defaults}


def test_reads_one_date(reader):
    reading = reader("4 novembre 2001")
    assert isinstance(reading, Reading)
    assert reading.iso == "2001-11-04"
    assert reading.weights.shape == (10, 15)
    torch.testing.assert_close(reading.weights.sum(-1), torch.ones(10))
    assert not reading.weights.requires_grad
    assert tasks.load("dates", attention=False)("4 novembre 2001").weights is None


def test_padding_changes_nothing(reader):
    texts = ["7 mai 2013", "2013년 5월 7일 화요일", "Wednesday, September 29, 2027"]
    for together, text in zip(reader.read(texts), texts, strict=True):
        alone = reader(text)
        assert together.iso == alone.iso
        assert together.weights.shape == (10, len(text))
        torch.testing.assert_close(together.weights, alone.weights, rtol=1e-4, atol=1e-5)
    assert reader.read([]) == []
    assert [reading.iso for reading in reader.read(text for text in texts)] == [r.iso for r in reader.read(texts)]


def test_reading_needs_no_babel(missing):
    missing("babel")
    assert tasks.load("dates")("2001년 11월 4일").iso == "2001-11-04"


# The training


def test_the_loss_is_the_mean_surprise_at_the_character_that_follows():
    _, losses = dates.train(3, score="dot", steps=1, progress=False)
    with _recipe.drawn_from(3):
        reader = DateReader(dates_data.characters(), score="dot")
    samples = next(iter(dates_data.training_batches(1, dates.BATCH, 3)))
    fed = torch.tensor([[BEGIN, *(WRITTEN.index(c) for c in sample.iso[:-1])] for sample in samples])
    follows = torch.tensor([[WRITTEN.index(c) for c in sample.iso] for sample in samples])
    source, mask = reader.encode([sample.text for sample in samples])
    logits, _ = reader.model(source, fed, mask)
    surprise = -logits.log_softmax(-1).gather(-1, follows[..., None])
    assert losses[0] == pytest.approx(surprise.mean().item(), rel=1e-6)


@pytest.mark.slow
def test_loss_falls():
    trained, losses = dates.train(0, steps=16, progress=False)
    assert losses[0] == pytest.approx(torch.tensor(12.0).log().item(), abs=0.2)  # twelve tokens, none preferred
    assert sum(losses[-5:]) / 5 < 0.75 * losses[0]
    written = [reading.iso for reading in trained.read(["7 mai 2013", "2001년 11월 4일", "Jan 9, 2024"])]
    assert {iso[0] for iso in written} <= {"1", "2"}  # by now it knows how a year begins


# What is measured


class Scripted(DateReader):
    """Writes what it was told to write, and attends to where it was told to."""

    def __init__(self, readings, **options):
        super().__init__("x", **options)
        self.readings, self.asked = iter(readings), []

    def read(self, texts):
        self.asked.append(len(texts))
        return [next(self.readings) for _ in texts]


def on(text, span, weight=0.25):
    """Every step attends to these characters, so much to each."""
    weights = torch.zeros(10, len(text))
    weights[:, slice(*span)] = weight
    return weights


def test_share_counts_the_characters_of_the_part_being_written():
    """Weights made by hand that never leave the year: right for one part of three, for four digits of eight."""
    sample = write(DAY, "ko", "full")
    reading = Reading(sample.iso, on(sample.text, sample.spans["year"]))
    score = measure(Scripted([reading] * 3), [sample] * 3)
    assert score == (1.0, {"year": 1.0, "month": 0.0, "day": 0.0, "all": 0.5})
    reading = Reading(sample.iso, on(sample.text, sample.spans["day"], 1.0))
    score = measure(Scripted([reading] * 3), [sample] * 3)
    assert score == (1.0, {"year": 0.0, "month": 0.0, "day": 1.0, "all": 0.25})


def test_every_date_counts_and_no_batch_is_left_out():
    samples = [write(day, "en", "long") for day in dates_data.days(held_out=True)[:5]]
    right = [Reading(sample.iso, on(sample.text, sample.spans["month"], 0.1)) for sample in samples]
    months = [0.1 * (sample.spans["month"][1] - sample.spans["month"][0]) for sample in samples]
    for wrong in range(5):
        readings = [Reading("1950-01-00" if n == wrong else r.iso, r.weights) for n, r in enumerate(right)]
        reader = Scripted(readings)
        score = measure(reader, samples, batch=2)
        assert reader.asked == [2, 2, 1]
        assert score.exact == 0.8
        assert score.shares["month"] == pytest.approx(sum(months) / 5)
        assert score.shares["all"] == pytest.approx(sum(months) / 5 / 4)
    reader = Scripted([Reading(sample.iso, None) for sample in samples], attention=False)
    assert measure(reader, samples, batch=4) == (1.0, {})


def test_batches_of_512_by_default():
    reader = Scripted([Reading("", None)] * 600, attention=False)
    assert measure(reader, [write(DAY, "en", "long")] * 600) == (0.0, {})
    assert reader.asked == [512, 88]


def test_a_score_says_itself():
    assert str(Score(0.98765, {})) == "exact match 0.9877"
    score = Score(0.5, {"year": 0.1, "all": 0.25})
    assert str(score) == "exact match 0.5000; attention on the right characters: year 0.100, all 0.250"


def test_shipped_weights_hold_their_figure(reader):
    samples = dates_data.held_out_samples()[:400]
    score = measure(reader, samples)
    assert score.exact >= 0.99
    assert score.shares["all"] == pytest.approx(0.897, abs=0.01)
    without = measure(tasks.load("dates", attention=False), samples)
    assert without.exact <= 0.05
    assert without.shares == {}


# Refusals


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (
            lambda reader: reader("4 Brumaire ☼"),
            ValueError,
            "DateReader: text must be written with the characters of the training dates, "
            "got 'B' at position 2 of '4 Brumaire ☼'.",
        ),
        (
            lambda reader: reader.read(["7 mai 2013", ""]),
            ValueError,
            "DateReader: text must hold at least one character, got ''.",
        ),
        (lambda reader: reader(20011104), TypeError, "DateReader: text must be a str, got int."),
        (
            lambda reader: reader.read("7 mai 2013"),
            TypeError,
            "DateReader.read: texts must be a list of strings, got the string '7 mai 2013'.",
        ),
        (
            lambda _: DateReader("0123", score="cosine"),
            ValueError,
            "DateReader: score must be one of 'additive', 'dot', 'general', 'concat', got 'cosine'.",
        ),
        (lambda reader: measure(reader, []), ValueError, "dates.measure: samples must be at least 1, got 0."),
        (
            lambda reader: measure(reader, [write(DAY, "en", "long")], batch=0),
            ValueError,
            "dates.measure: batch must be at least 1, got 0.",
        ),
        (
            lambda _: write(DAY, "tlh", "long"),
            ValueError,
            "dates_data.write: locale must be one of 'en', 'fr', 'de', 'es', 'it', 'pt', 'ko', 'ja', got 'tlh'.",
        ),
        (
            lambda _: write(DAY, "en", "short"),
            ValueError,
            "dates_data.write: style must be one of 'full', 'long', 'medium', got 'short'.",
        ),
    ],
)
def test_refusals(call, kind, words, reader, refuses):
    refuses(lambda: call(reader), kind, words)


@pytest.mark.refusal
def test_a_missing_package_is_named(missing, refuses):
    dates_data._pattern.cache_clear()
    missing("babel")
    words = "attnref.tasks: babel is not installed; pip install 'attnref[tasks]'."
    refuses(dates_data.held_out_samples, ModuleNotFoundError, words)


@pytest.mark.refusal
def test_a_package_that_lacks_one_of_its_own_says_so_itself(missing, monkeypatch):
    """Not babel is missing, but something that it needs."""
    dates_data._pattern.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "babel"]:
        monkeypatch.delitem(sys.modules, name)
    missing("decimal")
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'decimal'$"):
        dates_data.held_out_samples()
