"""The language model: its data, its loss, what is measured, and the words when something is refused."""

import math

import pytest
import torch

from attnref import DecoderOnlyTransformer, tasks
from attnref.tasks import _recipe, language_model, stories_data
from attnref.tasks.language_model import Score, measure, pieces
from attnref.tasks.stories_data import Chapter, chapters, words
from attnref.tasks.story_model import LanguageModel


@pytest.fixture(scope="module")
def model():
    return tasks.load("language_model")


def small(context=64):
    """A model that knows few characters, not trained."""
    with _recipe.drawn_from(2):
        merges = [("▁", "a"), ("n", "d"), ("▁a", "nd")]
        return LanguageModel("▁adghinos.", merges, d_model=8, num_heads=2, d_ff=16, context=context).eval()


# The stories


def test_whole_books_are_held_out():
    books = {side: {chapter.book for chapter in chapters(side)} for side in ("training", "validation", "held out")}
    assert books["held out"] == {"Daniel"}
    assert books["validation"] == {"Ruth", "Esther", "Jonah"}
    assert len(books["training"]) == 11
    assert not books["training"] & (books["validation"] | books["held out"])
    assert sum(len(chapters(side)) for side in books) == 320


def test_chapters_are_numbered_from_one_and_in_order():
    last = {}
    for chapter in stories_data._all_chapters():
        assert chapter.number == last.get(chapter.book, 0) + 1
        last[chapter.book] = chapter.number
        assert chapter.text == " ".join(chapter.text.split())
        assert chapter.text.isascii()
    assert last["Daniel"] == 12


def test_chapters_are_whole():
    """From their first verse to their last, and nothing of the next chapter."""
    text = {(chapter.book, chapter.number): chapter.text for chapter in stories_data._all_chapters()}
    for chapter, first, last in (
        (("Genesis", 1), "In the beginning God created the heavens", "and there was morning, the sixth day."),
        (("Judges", 21), "Now the men of Israel had sworn", "that which was right in his own eyes."),
        (("Ruth", 1), "It happened in the days when the judges judged", "in the beginning of barley harvest."),
        (("Daniel", 1), "In the third year of the reign of Jehoiakim", "the first year of king Cyrus."),
        (("Daniel", 12), "At that time shall Michael stand up", "in your lot, at the end of the days."),
    ):
        opening, closing = text[chapter].lstrip('"')[: len(first)], text[chapter][-len(last) :]
        assert (opening, closing) == (first, last)


def test_no_chapter_is_told_twice():
    """Eight words in a row of a held-out book are hardly ever in training: no book tells the same story."""
    seen = set()
    for chapter in chapters("training"):
        row = chapter.text.split()
        seen.update(tuple(row[at : at + 8]) for at in range(len(row) - 7))
    for side in ("validation", "held out"):
        rows = [chapter.text.split() for chapter in chapters(side)]
        found = [tuple(row[at : at + 8]) in seen for row in rows for at in range(len(row) - 7)]
        assert sum(found) / len(found) < 0.01


def test_words_are_the_text_again():
    assert words(" It's  12,\n(or 13). ") == ["▁It", "'", "s", "▁12", ",", "▁(", "or", "▁13", ")", "."]
    assert words("") == ["▁"]
    for chapter in stories_data._all_chapters():
        assert "".join(words(chapter.text)).replace("▁", " ") == " " + chapter.text


def test_subwords_are_learned_from_the_training_chapters_alone(monkeypatch):
    asked = []
    learn = stories_data.Subwords.learn
    monkeypatch.setattr(stories_data.Subwords, "learn", lambda *given: asked.append(given) or learn(given[0], 3))
    assert len(stories_data.learn_subwords.__wrapped__().merges) == 3
    ((counts, merges),) = asked
    assert merges == 1000
    assert counts["▁Daniel"] < 10
    assert counts["▁Moses"] > 40


def test_pieces_of_training_start_anywhere_and_depend_on_the_seed():
    texts = [[0, 1, 2, 3], [4, 5, 6]]
    batches = list(stories_data.training_batches(texts, 200, 3, 2))
    assert {batch.shape for batch in batches} == {(3, 3)}
    rows = {tuple(row) for batch in batches for row in batch.tolist()}
    assert rows == {(at, at + 1, at + 2) for at in range(5)}  # the last one too
    again = list(stories_data.training_batches(texts, 200, 3, 2, seed=0))
    other = list(stories_data.training_batches(texts, 200, 3, 2, seed=1))
    assert all(map(torch.equal, batches, again))
    assert not all(map(torch.equal, batches, other))


# The model


def test_defaults(model):
    recipe = {"d_model": 64, "num_heads": 4, "d_ff": 256, "num_layers": 2, "context": 64}
    assert LanguageModel("▁a", []).recipe == {"characters": "▁a", "merges": [], **recipe}
    assert recipe.items() <= model.recipe.items()
    assert len(model.recipe["merges"]) == 1000


def test_the_model_is_a_decoder_only_transformer():
    model = small()
    inner = model.model
    assert isinstance(inner, DecoderOnlyTransformer)
    assert inner.output_proj is None
    assert inner.blocks.final_norm is not None
    tokens = torch.tensor([model.encode("and so on")])
    torch.testing.assert_close(model(tokens), inner(tokens)[0])
    assert model(tokens).requires_grad


def test_shipped_subwords_are_those_that_are_learned(model):
    """Those of the vocabulary that is shipped; learning them again takes seconds, so the first hundred are."""
    counts = stories_data.Counter(word for chapter in chapters("training") for word in words(chapter.text))
    learned = stories_data.Subwords.learn(counts, 100)
    assert [list(pair) for pair in learned.merges] == model.recipe["merges"][:100]
    assert "".join(symbol for symbol in learned.vocabulary if len(symbol) == 1) == model.recipe["characters"]


def test_every_chapter_is_encoded_and_decoded(model):
    for side in ("validation", "held out"):
        for chapter in chapters(side):
            tokens = model.encode(chapter.text)
            assert tokens[0] == model.begin == len(model.vocabulary) - 1
            assert model.decode(tokens) == chapter.text
    assert model.decode([]) == ""


def test_reading_says_what_surprised_it(model):
    reading = model.read("Then the king refused")
    assert reading.symbols == ["<begin>", "▁Then", "▁the", "▁king", "▁re", "f", "us", "ed"]
    assert reading.weights.shape == (2, 4, 8, 8)
    torch.testing.assert_close(reading.weights.sum(-1), torch.ones(2, 4, 8))
    assert not reading.weights.triu(1).any()
    logits = model(torch.tensor([model.encode("Then the king refused")]))[0]
    for at, symbol in enumerate(reading.symbols[1:]):
        expected = -logits[at].log_softmax(-1)[model.vocabulary.index(symbol)]
        torch.testing.assert_close(reading.surprise[at], expected.detach())
    assert not reading.surprise.requires_grad
    assert not reading.weights.requires_grad


def test_what_comes_later_changes_nothing(model):
    short, long = model.read("Then the king"), model.read("Then the king spoke to Daniel")
    torch.testing.assert_close(short.surprise, long.surprise[: len(short.surprise)])
    torch.testing.assert_close(short.weights, long.weights[:, :, :4, :4])


def test_writes_on(model):
    greedy = model.write("Then the king", max_new_tokens=8)
    assert greedy == model.write("Then the king", max_new_tokens=8)
    assert greedy.startswith("Then the king")
    tokens = model.encode("Then the king")
    for _ in range(8):
        tokens.append(int(model(torch.tensor([tokens]))[0, -1].argmax()))
    assert greedy == model.decode(tokens)

    def drawn(seed, **options):
        generator = torch.Generator().manual_seed(seed)
        return model.write("Then the king", max_new_tokens=8, generator=generator, **options)

    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(1, temperature=1e-6) == greedy
    assert drawn(1, top_p=1e-6) == greedy
    assert drawn(1, temperature=3.0) != drawn(1)


# The training


def test_the_loss_is_that_of_each_next_token(monkeypatch):
    few = stories_data.Subwords.learn({word: 1 for chapter in chapters() for word in words(chapter.text)}, 5)
    monkeypatch.setattr(stories_data, "learn_subwords", lambda: few)
    _, losses = language_model.train(3, steps=1, progress=False)
    with _recipe.drawn_from(3):
        model = LanguageModel("".join(symbol for symbol in few.vocabulary if len(symbol) == 1), few.merges)
    texts = [model.encode(chapter.text) for chapter in chapters()]
    (tokens,) = stories_data.training_batches(texts, 1, language_model.BATCH, 64, 3)
    assert tokens.shape == (16, 65)
    probabilities = model(tokens[:, :-1]).softmax(-1)
    surprise = -probabilities.gather(-1, tokens[:, 1:, None]).log()
    assert losses[0] == pytest.approx(surprise.mean().item(), rel=1e-5)


@pytest.mark.slow
def test_learns_from_stories_it_was_shown():
    trained, losses = language_model.train(0, steps=60, progress=False)
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert measure(trained, chapters("held out")).per_subword < 6.2  # all alike: 6.97


# What is measured


def test_pieces_predict_each_token_once():
    model = small(context=4)
    text = "and so on and."
    tokens = model.encode(text)
    some = pieces(model, [Chapter("", 1, text), Chapter("", 2, "a")])
    assert [len(piece) for piece in some] == [5, 5, 2, 2]
    predicted = [token for piece in some[:-1] for token in piece[1:].tolist()]
    assert predicted == tokens[1:]
    assert [int(piece[0]) for piece in some[:-1]] == [tokens[at] for at in (0, 4, 8)]


def test_the_loss_is_summed_by_hand():
    model = small(context=4)
    told = [Chapter("", 1, "and so on and on."), Chapter("", 2, "sand")]
    loss = count = 0
    for chapter in told:
        tokens = model.encode(chapter.text)
        for at in range(1, len(tokens)):
            first = (at - 1) // 4 * 4
            logits = model(torch.tensor([tokens[first:at]]))[0, -1]
            loss -= logits.log_softmax(-1)[tokens[at]].item()
            count += 1
    score = measure(model, told)
    assert score.subwords == count
    assert score.per_subword == pytest.approx(loss / count, rel=1e-5)
    assert score.per_character == pytest.approx(loss / 21, rel=1e-5)


def test_a_score_in_words():
    words = "held-out loss 1.3863 nats per character (2.000 bits), 4.200 nats per subword"
    assert str(Score(2 * math.log(2), 4.2, 10)) == words


def test_shipped_weights_hold_their_figure(model):
    score = measure(model, chapters("held out"))
    assert score.per_character == pytest.approx(1.2011, abs=0.002)
    assert score.subwords == 19509


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: LanguageModel("▁a", [], context=0), ValueError, "LanguageModel: context must be at least 1, got 0."),
        (
            lambda: LanguageModel("▁a", [("a", "b")]),
            ValueError,
            "Subwords: merges must join symbols that are known by then, got ('a', 'b').",
        ),
        (
            lambda: small().read("and x"),
            ValueError,
            "Subwords: text must be written with the characters that were learned, got 'x' at position 1 of '▁x'.",
        ),
        (
            lambda: small(context=4).read("and so"),
            ValueError,
            "LanguageModel.read: text must have at most 3 subwords, got 4.",
        ),
        (
            lambda: small(context=9).write("and so", max_new_tokens=5),
            ValueError,
            "LanguageModel.write: prompt and max_new_tokens must be at most 8 subwords together, got 4 and 5.",
        ),
        (
            lambda: measure(small(), []),
            ValueError,
            "language_model.measure: chapters must be at least 1, got 0.",
        ),
        (
            lambda: chapters("test"),
            ValueError,
            "stories_data.chapters: split must be one of 'training', 'validation', 'held out', got 'test'.",
        ),
        (
            lambda: next(stories_data.training_batches([[1, 2]], 1, 1, 2)),
            ValueError,
            "stories_data.training_batches: tokens must be at least 3, got 2.",
        ),
        (lambda: small().read(5), TypeError, "stories_data.words: text must be a str, got int."),
    ],
)
def test_refusals(call, kind, words, refuses):
    refuses(call, kind, words)
