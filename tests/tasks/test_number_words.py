"""Number words: their data, the reader, its loss, what is measured, the words when something is refused."""

import random
from types import SimpleNamespace

import pytest
import torch

from attnref import tasks
from attnref.tasks import _recipe, number_reader, number_words, number_words_data
from attnref.tasks.number_reader import BEGIN, END, PADDING, WRITTEN, NumberReader, Reading
from attnref.tasks.number_words import Score, head_shares, measure
from attnref.tasks.number_words_data import SHOWN, WORDS, Sample, is_held_out, translates, write

FIRST_HELD_OUT = [18, 47, 72, 74, 87, 96, 105, 111, 127, 148]
BELOW_1000 = [number for number in range(1, 1000) if is_held_out(number)]
SUBWORDS = ["sieben", "und", "vier", "zig"]


def parts(sample: Sample) -> list[str]:
    return [sample.text[start:stop] for start, stop in sample.spans]


def some_numbers() -> list[int]:
    """All below 120, the ends of every length, and random ones."""
    rng = random.Random(3)
    ends = [10**digits + step for digits in range(2, 7) for step in (-1, 0, 1, 11, 21)]
    return [*range(1, 120), *(n for n in ends if n < 10**6), *(rng.randrange(1, 10**6) for _ in range(150))]


@pytest.fixture(scope="module")
def reader() -> NumberReader:
    return tasks.load("number_words")


# The data


@pytest.mark.parametrize(
    ("number", "text", "pairs"),
    [
        (1, "eins", "one=eins"),
        (12, "zwölf", "twelve=zwölf"),
        (16, "sechzehn", "sixteen=sechzehn"),
        (30, "dreißig", "thirty=dreißig"),
        (47, "siebenundvierzig", "forty=vierzig seven=sieben"),
        (61, "einundsechzig", "sixty=sechzig one=ein"),
        (101, "einhunderteins", "one=ein hundred=hundert one=eins"),
        (1001, "eintausendeins", "one=ein thousand=tausend one=eins"),
        (21_000, "einundzwanzigtausend", "twenty=zwanzig one=ein thousand=tausend"),
        (
            147_074,
            "einhundertsiebenundvierzigtausendvierundsiebzig",
            "one=ein hundred=hundert forty=vierzig seven=sieben thousand=tausend seventy=siebzig four=vier",
        ),
    ],
)
def test_parts_of_numbers_read_by_hand(number, text, pairs):
    sample = write(number)
    assert (sample.number, sample.text) == (number, text)
    assert [f"{word}={part}" for word, part in zip(sample.words, parts(sample), strict=True)] == pairs.split()


def test_text_is_what_num2words_itself_writes():
    from num2words import num2words

    for number in some_numbers():
        english = num2words(number).replace("-", " ").replace(",", "").replace(" and ", " ").split()
        for source in number_words_data.SOURCES:
            sample = write(number, source)
            assert sample.text == num2words(number, lang=source)
            assert list(sample.words) == english
            assert set(english) <= set(WORDS)
            assert (sample.spans is None) == (source == "ko")


def test_parts_are_all_of_the_text_but_und():
    for sample in map(write, some_numbers()):
        left = list(sample.text)
        for start, stop in sample.spans:
            left[start:stop] = " " * (stop - start)
        assert set("".join(left).split()) <= {"und"}
        assert all(start < stop for start, stop in sample.spans)


def test_subwords_of_each_english_word():
    right = translates(write(47), SUBWORDS)
    assert right.dtype == torch.bool
    assert right.tolist() == [[False, False, True, True], [True, False, False, False]]
    right = translates(write(47), ["siebenund", "vier", "zig"])  # one character of a part is enough
    assert right.tolist() == [[False, True, True], [True, False, False]]
    right = translates(write(40_001), ["vier", "zigtausend", "ein", "s"])
    assert right.int().tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]]


def test_the_split_of_the_shipped_weights_never_changes():
    """Another split would measure the shipped weights on numbers that they were trained on."""
    assert BELOW_1000[:10] == FIRST_HELD_OUT
    assert len(BELOW_1000) == 95
    assert 0.09 < sum(map(is_held_out, range(1, 10**5))) / 10**5 < 0.11
    assert is_held_out(SHOWN)


def test_no_held_out_number_is_ever_trained_on():
    drawn = [sample for batch in number_words_data.training_batches(30, 64) for sample in batch]
    seen = number_words_data.training_samples(500)
    assert not any(is_held_out(sample.number) for sample in drawn + seen)
    lengths = [len(str(sample.number)) for sample in drawn]
    for digits in range(1, 7):
        assert lengths.count(digits) / len(lengths) == pytest.approx(1 / 6, abs=0.03)
    assert {sample.number for sample in drawn} >= set(range(1, 10))
    assert number_words_data.training_samples(9, "ko")[3] == write(
        number_words_data.training_samples(9)[3].number, "ko"
    )


def test_held_out_numbers_are_measured_once():
    measured = number_words_data.held_out_samples()
    numbers = [sample.number for sample in measured]
    assert all(map(is_held_out, numbers))
    assert len(set(numbers)) == len(numbers) == 95 + 3 * 600
    assert sorted(number for number in numbers if number < 1000) == BELOW_1000
    assert [sum(len(str(n)) == digits for n in numbers) for digits in (4, 5, 6)] == [600] * 3
    assert numbers != sorted(numbers)
    assert measured == number_words_data.held_out_samples("de", 0) != number_words_data.held_out_samples("de", 1)
    assert [sample.number for sample in number_words_data.held_out_samples("ko")] == numbers
    assert all(sample == write(sample.number) for sample in measured[:50])


def test_batches_are_drawn_by_their_seed_and_sorted_by_length():
    drawn = list(number_words_data.training_batches(30, 16, 4))
    assert [len(batch) for batch in drawn] == [16] * 30
    assert (
        drawn
        == list(number_words_data.training_batches(30, 16, 4))
        != list(number_words_data.training_batches(30, 16, 5))
    )
    longest = [[len(sample.text) for sample in batch] for batch in drawn]
    for pool in (longest[:25], longest[25:]):  # 25 batches are sorted together
        together = sorted(length for batch in pool for length in batch)
        assert sorted(map(sorted, pool)) == [together[at : at + 16] for at in range(0, len(together), 16)]
        assert list(map(sorted, pool)) != sorted(map(sorted, pool))  # and shuffled again


def test_the_subwords_of_the_sources():
    german = number_words_data.learn_subwords("de", 70)
    assert german.split("siebenundvierzig") == ["sieben", "undvierzig"]
    assert (len(german.merges), german.end) == (70, "")
    korean = number_words_data.learn_subwords("ko", 40)
    assert korean.decode(korean.encode("사만 칠천사십칠")) == "사만 칠천사십칠"
    assert korean.end == "_"
    assert number_words_data.learn_subwords("de", 0).split("zwölf") == [*"zwölf"]


def test_what_the_page_says_of_sets_of_subwords_and_of_its_numbers(reader):
    """Below 1000 no two numbers have the same subwords, and the numbers of its picture are held out."""
    seen = [tuple(sorted(reader.subwords.split(write(number).text))) for number in range(1, 1000)]
    assert len(set(seen)) == len(seen)
    one, other = (sorted(reader.subwords.split(write(number).text)) for number in (39_047, 37_049))
    assert one == other
    assert is_held_out(47)
    assert is_held_out(39_047)


# The reader


def test_texts_become_tokens_and_a_mask():
    reader = NumberReader("ab", [("a", "b")])
    source, mask = reader.encode(["ab", "bab"])
    assert source.tolist() == [[3, 0], [2, 3]]
    assert mask.tolist() == [[True, False], [True, True]]


def test_sizes_by_default():
    defaults = {"end": "", "positions": "sinusoidal", "d_model": 64, "num_heads": 4, "d_ff": 128}
    defaults |= {"encoder_layers": 2, "decoder_layers": 1}
    assert NumberReader("ab", [("a", "b")]).recipe == {"characters": "ab", "merges": [["a", "b"]], **defaults}


def test_reads_one_number(reader):
    reading = reader("siebenundvierzig")
    assert isinstance(reading, Reading)
    assert (reading.english, reading.subwords) == ("forty seven", ["sieben", "undvierzig"])
    assert reading.weights.shape == (1, 4, 2, 2)
    torch.testing.assert_close(reading.weights.sum(-1), torch.ones(1, 4, 2))
    assert not reading.weights.requires_grad


def test_padding_changes_nothing(reader):
    texts = ["neun", "einhundertsiebenundvierzigtausendvierundsiebzig", "siebenundvierzig"]
    for together, text in zip(reader.read(texts), texts, strict=True):
        alone = reader(text)
        assert together[:2] == alone[:2]
        torch.testing.assert_close(together.weights, alone.weights, rtol=1e-4, atol=1e-5)
    assert reader.read([]) == []
    assert [reading.english for reading in reader.read(text for text in texts)] == [
        "nine",
        "one hundred forty seven thousand seventy four",
        "forty seven",
    ]


@pytest.mark.parametrize(("positions", "same"), [("none", True), ("sinusoidal", False)])
def test_positions_are_those_that_are_asked_for(positions, same):
    with _recipe.drawn_from(0):
        model = NumberReader("ab", [], positions=positions).model
    target = torch.tensor([[BEGIN]])
    (one, _), (other, _) = (model(torch.tensor([source]), target) for source in ([1, 2, 2], [2, 1, 2]))
    assert torch.allclose(one, other, atol=1e-5) == same


def test_without_positions_the_order_is_not_seen(reader):
    three_thousand_five, five_thousand_three = "dreitausendfünf", "fünftausenddrei"
    assert reader(three_thousand_five).english == "three thousand five"
    assert reader(five_thousand_three).english == "five thousand three"
    blind = tasks.load("number_words", positions="none")
    assert blind(three_thousand_five).english == blind(five_thousand_three).english


def test_writing_stops_at_the_end_token(monkeypatch):
    """And never takes more than nine words and their end, however long the model would go on."""
    reader, asked = NumberReader("ab", []), {}
    one, two = WRITTEN.index("one"), WRITTEN.index("two")
    tokens = torch.tensor([[BEGIN, two, END, PADDING], [BEGIN, one, two, one], [BEGIN, END, one, one]])

    def written(start, prompt, **options):
        asked.update(options, prompt=prompt.tolist())
        return SimpleNamespace(tokens=tokens)

    monkeypatch.setattr(number_reader, "generate", written)
    first, second, third = reader.read(["ab", "b", "bab"])
    assert (first.english, second.english, third.english) == ("two", "one two one", "")
    assert asked == {"prompt": [[BEGIN]] * 3, "max_new_tokens": 10, "end": END}
    assert [tuple(reading.weights.shape) for reading in (first, second, third)] == [
        (1, 4, 1, 2),
        (1, 4, 3, 1),
        (1, 4, 0, 3),
    ]
    source, mask = reader.encode(["ab", "b", "bab"])
    _, weights = reader.model(source, tokens[:, :-1], mask, return_weights=True)
    torch.testing.assert_close(first.weights, torch.stack(weights.cross)[:, 0, :, :1, :2].detach())


def test_reading_needs_no_num2words(missing):
    missing("num2words")
    assert tasks.load("number_words")("siebenundvierzig").english == "forty seven"


# The training


@pytest.mark.parametrize(
    ("options", "symbols", "end", "positions"),
    [
        ({}, 21 + 70, "", "sinusoidal"),
        ({"units": "characters"}, 21, "", "sinusoidal"),
        ({"positions": "none"}, 21 + 70, "", "none"),
        ({"source": "ko"}, 14 + 70, "_", "sinusoidal"),
    ],
)
def test_trains_what_is_asked_for(options, symbols, end, positions):
    made, losses = number_words.train(1, steps=1, progress=False, **options)
    assert (len(losses), made.training) == (1, False)
    assert (len(made.subwords.vocabulary), made.subwords.end) == (symbols, end)
    assert made.recipe["positions"] == positions


def test_the_loss_is_the_mean_surprise_at_the_word_that_follows():
    trained, losses = number_words.train(3, steps=1, progress=False)
    with _recipe.drawn_from(3):
        reader = NumberReader(trained.recipe["characters"], trained.recipe["merges"])
    samples = next(iter(number_words_data.training_batches(1, number_words.BATCH, 3)))
    surprise = []
    for sample in samples:  # one at a time, so that there is no padding
        source, _ = reader.encode([sample.text])
        tokens = [WRITTEN.index(word) for word in sample.words]
        logits, _ = reader.model(source, torch.tensor([[BEGIN, *tokens]]))
        surprise += (-logits.log_softmax(-1)[0].gather(-1, torch.tensor([*tokens, END])[:, None])).flatten().tolist()
    assert losses[0] == pytest.approx(sum(surprise) / len(surprise), rel=1e-5)


@pytest.mark.slow
def test_loss_falls():
    _, losses = number_words.train(0, steps=40, progress=False)
    assert sum(losses[-5:]) / 5 < 0.6 * losses[0]


# What is measured


class Scripted(NumberReader):
    """Writes what it was told to write, and attends to where it was told to."""

    def __init__(self, readings):
        super().__init__("x", [])
        self.readings, self.asked = readings, []

    def read(self, texts):
        self.asked.append(len(texts))
        return [self.readings[text] for text in texts]


def looking(sample, subwords, *heads, english=None):
    """One layer; each head attends to these subwords at every step, in equal parts."""
    english = " ".join(sample.words) if english is None else english
    weights = torch.zeros(1, len(heads), len(english.split()), len(subwords))
    for head, at in enumerate(heads):
        weights[0, head, :, at] = 1 / len(at)
    return Reading(english, subwords, weights)


def test_share_counts_the_subwords_of_the_word_being_written():
    sample = write(47)
    reading = looking(sample, SUBWORDS, [0], [2, 3], [1], [0, 1, 2, 3])
    shares = head_shares(Scripted({sample.text: reading}), [sample] * 3)
    assert shares.tolist() == [[0.5, 0.5, 0.0, 0.375]]
    sample = write(100)  # two words as well: all words of all numbers count the same
    reading = looking(sample, ["ein", "hundert"], [0], [1], [0, 1], [1])
    assert head_shares(Scripted({sample.text: reading}), [sample]).tolist() == [[0.5, 0.5, 0.5, 0.5]]
    short = looking(write(147), ["einhundert", *SUBWORDS], [1], [0], english="seven hundred")
    # one and seven of "one hundred forty seven" are never written; the others were at the steps of one and hundred
    assert head_shares(Scripted({write(147).text: short}), [write(147)]).tolist() == [[0.0, 0.5]]


def test_the_head_is_chosen_on_training_numbers(monkeypatch):
    """The third head is the best on what is held out; the second was on what was seen, so it is the one reported."""
    seen, kept = write(46), write(47)
    assert not is_held_out(46)
    monkeypatch.setattr(number_words, "training_samples", lambda count: [seen] * count)
    readings = {
        seen.text: looking(seen, ["sechs", *SUBWORDS[1:]], [1], [0], [1]),
        kept.text: looking(kept, SUBWORDS, [1], [1, 2], [0]),
    }
    score = measure(Scripted(readings), [kept])
    assert score.head == (0, 1)
    assert score.shares["head"] == 0.25
    assert score.shares["mean"] == pytest.approx((0 + 0.25 + 0.5) / 3)
    assert score.shares["uniform"] == pytest.approx((2 / 4 + 1 / 4) / 2)


def test_every_number_counts_and_no_batch_is_left_out():
    samples = [write(number, "ko") for number in (5, 47, 1000, 20_000, 300_000)]
    for wrong in range(5):
        readings = {
            sample.text: looking(sample, ["x"], [0], english="one" if n == wrong else None)
            for n, sample in enumerate(samples)
        }
        reader = Scripted(readings)
        score = measure(reader, samples, batch=2)
        assert reader.asked == [2, 2, 1]
        assert (score.exact, score.shares, score.head) == (0.8, {}, None)
        assert score.small == (0.5 if wrong < 2 else 1.0)
        assert score.large == pytest.approx(1.0 if wrong < 2 else 2 / 3)
    assert measure(Scripted(readings), samples[:1]).large == 0.0


def test_batches_of_512_by_default():
    sample = write(47, "ko")
    reader = Scripted({sample.text: looking(sample, ["x"], [0], english="")})
    assert measure(reader, [sample] * 600).exact == 0.0
    assert reader.asked == [512, 88]


def test_a_score_says_itself():
    assert str(Score(0.98765, 1.0, 0.5, {}, None)) == "exact match 0.9877 (1.0000 below 1000, 0.5000 from 1000 on)"
    score = Score(0.5, 0.5, 0.5, {"head": 0.9, "mean": 0.7, "uniform": 0.2}, (1, 2))
    assert str(score) == (
        "exact match 0.5000 (0.5000 below 1000, 0.5000 from 1000 on); "
        "cross-attention on the right subwords: layer 2 head 3 0.900, mean 0.700, equal weights 0.200"
    )


def test_shipped_weights_hold_their_figures(reader):
    samples = number_words_data.held_out_samples()[:400]
    score = measure(reader, samples)
    assert score.exact >= 0.99
    assert score.shares["head"] >= 0.95 > 0.25 > score.shares["uniform"]
    without = measure(tasks.load("number_words", positions="none"), samples)
    assert without.small == 1.0
    assert without.large <= 0.6


# Refusals


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (
            lambda reader: reader("sieben Zwerge"),
            ValueError,
            "NumberReader: text must be written with the characters of the training numbers, "
            "got 'Z' at position 7 of 'sieben Zwerge'.",
        ),
        (
            lambda reader: reader.read(["neun", ""]),
            ValueError,
            "NumberReader: text must hold at least one word, got ''.",
        ),
        (lambda reader: reader(" "), ValueError, "NumberReader: text must hold at least one word, got ' '."),
        (lambda reader: reader(47), TypeError, "NumberReader: text must be a str, got int."),
        (
            lambda reader: reader.read("neun"),
            TypeError,
            "NumberReader.read: texts must be a list of strings, got the string 'neun'.",
        ),
        (
            lambda _: NumberReader("a_", [], end="_")("a_"),
            ValueError,
            "NumberReader: text must be written with the characters of the training numbers, "
            "got '_' at position 1 of 'a_'.",
        ),
        (
            lambda _: NumberReader("ab", [], positions="rotary"),
            ValueError,
            "NumberReader: positions must be one of 'sinusoidal', 'none', got 'rotary'.",
        ),
        (
            lambda _: number_words.train(source="en"),
            ValueError,
            "number_words.train: source must be one of 'de', 'ko', got 'en'.",
        ),
        (
            lambda _: number_words.train(units="words"),
            ValueError,
            "number_words.train: units must be one of 'subwords', 'characters', got 'words'.",
        ),
        (
            lambda _: number_words.train(positions="rotary"),
            ValueError,
            "number_words.train: positions must be one of 'sinusoidal', 'none', got 'rotary'.",
        ),
        (lambda _: number_words.train(steps=0), ValueError, "number_words.train: steps must be at least 1, got 0."),
        (lambda reader: measure(reader, []), ValueError, "number_words.measure: samples must be at least 1, got 0."),
        (
            lambda reader: measure(reader, [write(SHOWN)], batch=0),
            ValueError,
            "number_words.measure: batch must be at least 1, got 0.",
        ),
        (
            lambda _: write(1, "la"),
            ValueError,
            "number_words_data.write: source must be one of 'de', 'ko', got 'la'.",
        ),
        (
            lambda _: write(0),
            ValueError,
            "number_words_data.write: number must be from 1 to 999 999, got 0.",
        ),
        (
            lambda _: write(10**6),
            ValueError,
            "number_words_data.write: number must be from 1 to 999 999, got 1000000.",
        ),
        (
            lambda _: translates(write(9), ["neu"]),
            ValueError,
            "number_words_data.translates: subwords must spell a German text, got ['neu'] for 'neun'.",
        ),
        (
            lambda _: translates(write(9, "ko"), ["구"]),
            ValueError,
            "number_words_data.translates: subwords must spell a German text, got ['구'] for '구'.",
        ),
    ],
)
def test_refusals(call, kind, words, reader, refuses):
    refuses(lambda: call(reader), kind, words)


@pytest.mark.refusal
def test_a_missing_package_is_named(missing, refuses):
    for cached in (number_words_data._words, number_words_data._english, number_words_data._parts):
        cached.cache_clear()
    missing("num2words")
    words = "attnref.tasks: num2words is not installed; pip install 'attnref[tasks]'."
    refuses(number_words_data.held_out_samples, ModuleNotFoundError, words)
