"""The dates task: its data, its training, its shipped weights, its words when it refuses."""

import datetime
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from attnref import tasks
from attnref.tasks import __main__ as command
from attnref.tasks import dates, dates_data
from attnref.tasks.dates import DateReader, Reading, measure
from attnref.tasks.dates_data import LOCALES, PARTS, STYLES, Sample, write

HERE = Path(dates.__file__).parent
DAY = datetime.date(2013, 5, 7)


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


def test_no_held_out_day_is_ever_trained_on():
    kept = {day.isoformat() for day in dates_data.days(held_out=True)}
    trained = [sample for batch in dates_data.training_batches(60, 64) for sample in batch]
    assert len(trained) == 60 * 64
    assert not kept & {sample.iso for sample in trained}
    assert {sample.locale for sample in trained} == set(LOCALES)
    measured = dates_data.held_out_samples()
    assert {sample.iso for sample in measured} == kept
    assert len(measured) == len(kept)


# The training


def test_loss_falls():
    trained, losses = dates.train(0, steps=16, progress=False)
    assert losses[0] == pytest.approx(torch.tensor(12.0).log().item(), abs=0.2)  # twelve tokens, none preferred
    assert sum(losses[-5:]) / 5 < 0.75 * losses[0]
    written = [reading.iso for reading in trained.read(["7 mai 2013", "2001년 11월 4일", "Jan 9, 2024"])]
    assert {iso[0] for iso in written} <= {"1", "2"}  # by now it knows how a year begins
    assert trained.model.training is False


def test_seed_decides():
    before = torch.random.get_rng_state()
    one = dates.train(3, steps=1, progress=False)[0].state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(1)  # what was drawn before does not matter
    again = dates.train(3, steps=1, progress=False)[0].state_dict()
    other = dates.train(4, steps=1, progress=False)[0].state_dict()
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one if "proj" in name)


def test_saved_and_loaded_is_the_same_but_for_half_precision(tmp_path):
    for attention in (True, False):
        made, _ = dates.train(5, attention=attention, steps=2, progress=False)
        made.save(tmp_path / "one.safetensors")
        made.save(tmp_path / "two.safetensors")
        assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
        loaded = tasks.load("dates", tmp_path / "one.safetensors")
        assert (loaded.characters, loaded.recipe, loaded.training) == (made.characters, made.recipe, False)
        assert loaded.state_dict().keys() == made.state_dict().keys()
        rounded = {name: weight.half().float() for name, weight in made.state_dict().items()}
        assert all(torch.equal(loaded.state_dict()[name], weight) for name, weight in rounded.items())


@pytest.mark.parametrize("score", dates.SCORES)
def test_every_score_trains_and_is_saved(tmp_path, score):
    seen = []
    made, losses = dates.train(1, score=score, steps=2, progress=False, watch=lambda *now: seen.append(now))
    assert seen == [(1, made), (2, made)]
    assert len(losses) == 2
    attend = made.model.decoder.attend
    assert made.recipe["score"] == score
    assert getattr(attend, "score", "additive") == score
    made.save(tmp_path / "made.safetensors")
    loaded = tasks.load("dates", tmp_path / "made.safetensors")
    assert loaded.recipe == made.recipe
    assert getattr(loaded.model.decoder.attend, "score", "additive") == score
    reading = loaded("7 mai 2013")
    assert torch.allclose(reading.weights.sum(-1), torch.ones(10))
    assert torch.allclose(loaded.read(["7 mai 2013", "2013. 5. 7."])[0].weights, reading.weights, atol=1e-5)


# The shipped weights


def test_shipped_weights_hold_their_figure(reader):
    samples = dates_data.held_out_samples()[:400]
    score = measure(reader, samples)
    assert score.exact >= 0.99
    assert score.shares["all"] >= 0.80
    without = measure(tasks.load("dates", attention=False), samples)
    assert without.exact <= 0.75
    assert without.shares == {}


def test_shipped_weights_are_small():
    from safetensors.torch import load_file

    files = sorted(HERE.glob("dates*.safetensors"))
    assert [file.name for file in files] == ["dates-no-attention.safetensors", "dates.safetensors"]
    assert sum(file.stat().st_size for file in files) <= 1_000_000
    assert {tensor.dtype for file in files for tensor in load_file(file).values()} == {torch.float16}


def test_reads_one_date(reader):
    reading = reader("4 novembre 2001")
    assert isinstance(reading, Reading)
    assert reading.iso == "2001-11-04"
    assert reading.weights.shape == (10, 15)
    assert torch.allclose(reading.weights.sum(-1), torch.ones(10))
    assert not reading.weights.requires_grad
    assert not reader.training
    assert tasks.load("dates", attention=False)("4 novembre 2001").weights is None


def test_padding_changes_nothing(reader):
    texts = ["7 mai 2013", "2013년 5월 7일 화요일", "Wednesday, September 29, 2027"]
    for together, text in zip(reader.read(texts), texts, strict=True):
        alone = reader(text)
        assert together.iso == alone.iso
        assert torch.allclose(together.weights, alone.weights, atol=1e-5)
    assert reader.read([]) == []


def test_share_counts_the_characters_of_the_part_being_written():
    """Weights made by hand that never leave the year: right for one part of three, for four digits of eight."""

    class Gazer(DateReader):
        def read(self, texts):
            weights = torch.zeros(10, len(texts[0]))
            weights[:, slice(*write(DAY, "ko", "full").spans["year"])] = 0.25
            return [Reading("2013-05-07", weights) for _ in texts]

    score = measure(Gazer("x"), [write(DAY, "ko", "full")] * 3)
    assert score == (1.0, {"year": 1.0, "month": 0.0, "day": 0.0, "all": 0.5})


# The command line


def test_command_lists_the_tasks(capsys):
    command.main([])
    assert re.search("^dates +dates as people write them", capsys.readouterr().out, re.MULTILINE)


def test_command_trains_measures_and_writes(tmp_path, capsys, monkeypatch):
    few = dates_data.held_out_samples()[:40]
    monkeypatch.setattr(dates, "held_out_samples", lambda: few)
    out = tmp_path / "new.safetensors"
    command.main(["dates", "--steps", "2", "--seed", "1", "--device", "cpu", "--out", str(out)])
    said = capsys.readouterr()
    assert "seed 1: 2 steps in" in said.out
    assert "exact match 0.0" in said.out
    assert "2/2" in said.err  # the progress bar
    assert tasks.load("dates", out).recipe["attention"]
    command.main(["dates", "--evaluate", "--device", "cpu"])
    said = capsys.readouterr().out
    assert "attention additive: exact match" in said
    assert "attention none: exact match" in said


def test_command_trains_the_score_it_is_asked_for(tmp_path, capsys, monkeypatch):
    few = dates_data.held_out_samples()[:20]
    monkeypatch.setattr(dates, "held_out_samples", lambda: few)
    out = tmp_path / "new.safetensors"
    for asked, attention, score in (("concat", True, "concat"), ("dot", True, "dot"), ("none", False, "additive")):
        options = ["--attention", asked, "--steps", "1", "--device", "cpu", "--out", str(out)]
        command.main(["dates", *options])
        recipe = tasks.load("dates", out).recipe
        assert (recipe["attention"], recipe["score"]) == (attention, score)
    assert "exact match" in capsys.readouterr().out


def test_importing_needs_no_extra():
    code = (
        "import sys, attnref, attnref.tasks, attnref.tasks.dates; "
        "print({'babel', 'matplotlib', 'safetensors'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_reading_needs_no_babel(monkeypatch):
    monkeypatch.setitem(sys.modules, "babel", None)
    monkeypatch.setitem(sys.modules, "babel.dates", None)
    assert tasks.load("dates")("2001년 11월 4일").iso == "2001-11-04"


def test_device_is_named_by_the_environment(monkeypatch):
    monkeypatch.setenv("ATTNREF_DEVICE", "cpu:0")
    assert tasks.device() == torch.device("cpu:0")
    monkeypatch.delenv("ATTNREF_DEVICE")
    assert tasks.device().type == ("cuda" if torch.cuda.is_available() else "cpu")


# Refusals


def words(error: pytest.ExceptionInfo) -> str:
    return str(error.value)


@pytest.mark.refusal
def test_refusals(reader):
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the words are compared whole)
        reader("4 Brumaire ☼")
    assert words(error) == (
        "DateReader: text must be written with the characters of the training dates, "
        "got 'B' at position 2 of '4 Brumaire ☼'."
    )
    with pytest.raises(ValueError) as error:  # noqa: PT011
        reader.read(["7 mai 2013", ""])
    assert words(error) == "DateReader: text must hold at least one character, got ''."
    with pytest.raises(TypeError) as error:
        reader(20011104)
    assert words(error) == "DateReader: text must be a str, got int."
    with pytest.raises(TypeError) as error:
        reader.read("7 mai 2013")
    assert words(error) == "DateReader.read: texts must be a list of strings, got the string '7 mai 2013'."
    with pytest.raises(ValueError) as error:  # noqa: PT011
        DateReader("0123", score="cosine")
    assert words(error) == "DateReader: score must be one of 'additive', 'dot', 'general', 'concat', got 'cosine'."
    with pytest.raises(ValueError) as error:  # noqa: PT011
        tasks.load("dances")
    names = ", ".join(map(repr, tasks.TASKS))
    assert words(error) == f"attnref.tasks.load: name must be one of {names}, got 'dances'."


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("module", "use"),
    [
        ("babel", lambda: dates_data.held_out_samples()),
        ("safetensors", lambda: tasks.load("dates")),
        ("tqdm", lambda: dates.train(steps=1)),
    ],
)
def test_missing_extra_is_named(monkeypatch, module, use):
    dates_data._pattern.cache_clear()
    torch.optim.SGD([torch.zeros(1)])  # torch's first optimizer imports tqdm for its own use
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Missing(module), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError) as error:
        use()
    assert words(error) == f"attnref.tasks: {module} is not installed; pip install 'attnref[tasks]'."


class _Missing:
    """Stands first among the finders and says that one package is not there."""

    def __init__(self, module: str) -> None:
        self.module = module

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == self.module:
            raise ModuleNotFoundError(f"No module named {name!r}", name=self.module)


@pytest.mark.refusal
def test_weights_are_shipped_for_two_kinds(capsys):
    with pytest.raises(SystemExit):
        command.main(["dates", "--evaluate", "--attention", "dot"])
    assert "--attention additive and --attention none, got --attention dot." in capsys.readouterr().err


@pytest.mark.refusal
def test_out_takes_one_seed(capsys):
    with pytest.raises(SystemExit):
        command.main(["dates", "--seeds", "0", "1", "--out", "x.safetensors"])
    assert "--out takes one seed" in capsys.readouterr().err
