"""The masked language model: what is masked, its loss, what is measured, and the words when something is refused."""

import pytest
import torch

from attnref import sinusoidal_positions, tasks
from attnref.models import BERTPretraining
from attnref.tasks import _recipe, masked_language_model, stories_data
from attnref.tasks.masked_language_model import Score, attended_offsets, measure, measure_counts, training_batches
from attnref.tasks.masked_model import MaskedLanguageModel
from attnref.tasks.masked_questions import PARTS, blanks, enclose, questions
from attnref.tasks.neighbors import WINDOWS, Neighbors
from attnref.tasks.stories_data import Chapter, chapters


@pytest.fixture(scope="module")
def model():
    return tasks.load("masked_language_model")


@pytest.fixture
def few(monkeypatch):
    """Three chapters of each side, read quickly."""
    monkeypatch.setattr(stories_data, "chapters", lambda side: chapters(side)[:3])


def small(sides="both", context=32):
    """A model that knows few characters, not trained, with weights large enough to tell its tokens apart."""
    with _recipe.drawn_from(2):
        model = MaskedLanguageModel(" .adghinos", sides, d_model=8, num_heads=2, d_ff=16, context=context)
        for weight in model.parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight)
        return model.eval()


# The model


def test_defaults(model):
    recipe = {"sides": "both", "d_model": 64, "num_heads": 4, "d_ff": 256, "num_layers": 2, "context": 32}
    assert MaskedLanguageModel(" a").recipe == {"characters": " a", **recipe}
    assert recipe.items() <= model.recipe.items()
    assert model.recipe["characters"] == masked_language_model.characters()


def test_the_model_is_bert_with_its_head():
    model = small()
    assert isinstance(model.model, BERTPretraining)
    tokens = torch.tensor([model.encode("and so_and on")])
    chosen = tokens == model.mask_token
    torch.testing.assert_close(model(tokens, chosen), model.model(tokens).token_logits[chosen])
    assert model(tokens, chosen).requires_grad
    chosen[0, 2] = True
    assert model(tokens, chosen).shape == (2, len(model.vocabulary)) == (2, 13)


def test_first_weights():
    """Drawn for vectors of this size, with positions that start as sinusoids twice as long as the tokens' vectors."""
    with _recipe.drawn_from(0):
        inner = MaskedLanguageModel(" a", d_model=256, num_heads=2, d_ff=300, context=50).model
    for name, weight in inner.named_parameters():
        if weight.ndim == 2 and weight.shape[0] > 10 and "positions" not in name:
            assert weight.std().item() == pytest.approx(1 / 16, rel=0.03), name
    positions = inner.bert.embed.positions.weight
    torch.testing.assert_close(positions, sinusoidal_positions(50, 256) * 2 / 128**0.5)
    assert positions.norm(dim=-1).tolist() == pytest.approx([2.0] * 50)
    assert positions.requires_grad


def test_encodes_between_class_token_and_separator(model):
    assert model.vocabulary == [*masked_language_model.characters(), "[CLS]", "[SEP]", "[MASK]"]
    for chapter in chapters("validation")[:3]:
        tokens = model.encode(chapter.text)
        assert (tokens[0], tokens[-1]) == (model.class_token, model.separator)
        assert "".join(model.vocabulary[token] for token in tokens[1:-1]) == chapter.text


def test_every_character_is_known():
    known = set(masked_language_model.characters())
    assert "_" not in known
    for side in ("training", "validation", "held out"):
        assert known >= set().union(*(chapter.text for chapter in chapters(side)))


def test_fills_what_is_masked():
    model = small()
    filling = model.fill("_nd o_")
    assert filling.symbols == ["[CLS]", "[MASK]", "n", "d", " ", "o", "[MASK]", "[SEP]"]
    assert filling.blanks == [1, 6]
    scores = model.model(torch.tensor([model.encode("_nd o_")]), return_weights=True)
    for chances, at in zip(filling.chances, filling.blanks, strict=True):
        torch.testing.assert_close(chances, scores.token_logits[0, at].softmax(-1).detach())
    torch.testing.assert_close(filling.weights, torch.cat(scores.weights).detach())
    assert filling.weights.shape == (2, 2, 8, 8)
    assert not filling.chances.requires_grad
    best = filling.best(3)
    assert [len(blank) for blank in best] == [3, 3]
    for blank, chances in zip(best, filling.chances, strict=True):
        assert blank[0] == (model.vocabulary[int(chances.argmax())], round(chances.max().item(), 3))
        assert blank[0][1] >= blank[1][1] >= blank[2][1]
    assert filling.text == best[0][0][0] + "nd o" + best[1][0][0]


def test_one_side_and_both():
    """What comes later changes what is predicted if, and only if, both sides are attended to."""
    for sides in ("both", "left"):
        one = small(sides).fill("and_on")
        other = small(sides).fill("and_in")
        assert torch.equal(one.chances, other.chances) == (sides == "left")
        assert bool(one.weights.triu(1).any()) == (sides == "both")
        before = small(sides).fill("an _on")
        assert not torch.allclose(one.chances, before.chances, atol=1e-3)
        torch.testing.assert_close(one.weights.sum(-1), torch.ones(2, 2, 8))


# The training


@pytest.mark.parametrize(("chosen", "masked"), [("mixed", 0.8), ("masked", 1.0)])
def test_what_is_masked(chosen, masked):
    model = small()
    stories_chapters = [Chapter("", 1, "and so on and on. hand in hand and so on. " * 50)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stories_data, "chapters", lambda _: stories_chapters)
        batches = list(training_batches(model, 40, 0, chosen))
        again = list(training_batches(model, 40, 0, chosen))
        other = next(training_batches(model, 1, 1, chosen))
        texts = list(stories_data.training_batches([model.encode(stories_chapters[0].text)[1:-1]], 40, 32, 29, 0))
    assert not torch.equal(other[1].chosen, batches[0][1].chosen)
    for (right, _), (same, _), piece in zip(batches, again, texts, strict=True):
        assert torch.equal(right, same)
        assert torch.equal(right, enclose(model, piece))
        assert right.shape == (32, 32)
    parts = zip(*((right, *masking) for right, masking in batches), strict=True)
    right, tokens, asked = (torch.cat(part) for part in parts)
    assert not asked[:, [0, -1]].any()  # class token and separator
    assert asked[:, 1:-1].double().mean().item() == pytest.approx(0.15, abs=0.006)
    assert torch.equal(tokens[~asked], right[~asked])
    assert (tokens[asked] == model.mask_token).double().mean().item() == pytest.approx(masked, abs=0.025)
    if chosen == "masked":
        assert (tokens[asked] == model.mask_token).all()


def test_the_loss_is_that_of_what_was_masked(few):
    for sides in ("both", "left"):
        _, losses = masked_language_model.train(3, sides=sides, steps=1, progress=False)
        with _recipe.drawn_from(3):
            model = MaskedLanguageModel(masked_language_model.characters(), sides)
        ((right, (tokens, asked)),) = training_batches(model, 1, 3)
        chances = model.model(tokens).token_logits.softmax(-1)
        surprise = -chances.gather(-1, right[..., None])[..., 0].log()
        assert losses[0] == pytest.approx(surprise[asked].mean().item(), rel=1e-5)


def test_models_of_one_seed_start_alike_and_read_the_same(few):
    seen = []
    for sides, chosen in (("both", "mixed"), ("left", "mixed"), ("both", "masked")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_recipe, "fit", lambda model, batches, *_, **__: seen.append((model, next(batches))) or [])
            masked_language_model.train(5, sides=sides, chosen=chosen, steps=1, progress=False)
    (first, (right, masked)), *others = seen
    for model, (same, other) in others:
        assert all(map(torch.equal, first.parameters(), model.parameters()))
        assert torch.equal(right, same)
        assert torch.equal(masked.chosen, other.chosen)


@pytest.mark.slow
def test_learns_from_stories_it_was_shown():
    trained, losses = masked_language_model.train(0, steps=100, progress=False)
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert measure(trained, chapters("held out")).loss < 3.3  # all alike: 4.2


# What is measured


def test_every_character_is_asked_for_once():
    model = small(context=12)
    told = [Chapter("", 1, "and so on and on. hand in hand and so on."), Chapter("", 2, "sand")]
    found = list(questions(model, told))
    tokens = [model.encode(chapter.text)[1:-1] for chapter in told]
    pieces = [row[at : at + 10] for row in tokens for at in range(0, len(row), 10)]
    at = 0
    for piece in pieces:
        parts = min(PARTS, len(piece))
        some, at = found[at : at + parts], at + parts
        assert all(question.tokens.tolist() == piece for question in some)
        assert torch.stack([question.asked for question in some]).sum(0).tolist() == [1] * len(piece)
        assert {int(question.asked.sum()) for question in some} <= {len(piece) // PARTS, -(-len(piece) // PARTS), 1}
    assert at == len(found)
    again = list(questions(model, told))
    assert all(torch.equal(one.asked, other.asked) for one, other in zip(found, again, strict=True))


@pytest.mark.parametrize("visible", [False, True])
def test_the_figures_by_hand(visible):
    model = small(context=12)
    told = [Chapter("", 1, "and so on and on. hand in hand and so on."), Chapter("", 2, "sand")]
    loss = right = count = 0
    for tokens, asked in questions(model, told):
        shown = tokens if visible else torch.where(asked, model.mask_token, tokens)
        row = torch.tensor([[model.class_token, *shown.tolist(), model.separator]])
        logits = model.model(row).token_logits[0, 1:-1]
        for at in asked.nonzero()[:, 0].tolist():
            loss -= logits[at].log_softmax(-1)[tokens[at]].item()
            right += int(logits[at].argmax()) == int(tokens[at])
            count += 1
    score = measure(model, told, visible=visible)
    assert score.characters == count == sum(len(model.encode(chapter.text)) - 2 for chapter in told)
    assert score.loss == pytest.approx(loss / count, rel=1e-5)
    assert score.accuracy == pytest.approx(right / count)


def test_counts_are_asked_the_same():
    model = small(context=12)
    told = [Chapter("", 1, "and so on and on. hand in hand and so on."), Chapter("", 2, "sand")]
    asked = list(blanks(model, told))
    expected = [
        (
            [None if one else token for token, one in zip(tokens.tolist(), which.tolist(), strict=True)],
            at,
            int(tokens[at]),
        )
        for tokens, which in questions(model, told)
        for at in which.nonzero()[:, 0].tolist()
    ]
    assert asked == expected
    texts = [model.encode("and in hand and so")[1:-1]]
    counts = Neighbors(len(model.vocabulary), texts, WINDOWS["both, 1"]).fit_mix(asked)
    score = measure_counts(counts, model, told)
    chances = [counts(tokens, at) for tokens, at, _ in asked]
    each = [-one[right].log().item() for one, (_, _, right) in zip(chances, asked, strict=True)]
    assert score.loss == pytest.approx(sum(each) / len(each))
    right = [int(one.argmax()) == answer for one, (_, _, answer) in zip(chances, asked, strict=True)]
    assert score.accuracy == pytest.approx(sum(right) / len(right))
    assert score.characters == len(asked)


def test_offsets_of_attention_by_hand():
    model = small(context=12)
    told = [Chapter("", 1, "and so on and on. hand in hand and so on."), Chapter("", 2, "so"), Chapter("", 3, "sand")]
    sums, counts = torch.zeros(2, 2, 7), torch.zeros(7)
    for tokens, asked in questions(model, told):
        shown = torch.where(asked, model.mask_token, tokens)
        row = torch.tensor([[model.class_token, *shown.tolist(), model.separator]])
        weights = torch.cat(model.model(row, return_weights=True).weights).detach()
        for at in asked.nonzero()[:, 0].tolist():
            for offset in range(-3, 4):
                if 0 <= at + offset < len(tokens):
                    sums[..., offset + 3] += weights[..., at + 1, at + offset + 1]
                    counts[offset + 3] += 1
    torch.testing.assert_close(attended_offsets(model, told, 3), sums / counts)


def test_a_score_in_words():
    assert str(Score(0.4, 3.25, 10)) == "held-out accuracy 0.4000, loss 3.250 nats per masked character"


def test_shipped_weights_hold_their_figure(model):
    """On one held-out chapter in four: the whole book takes seconds."""
    score = measure(model, chapters("held out")[::4])
    assert score.accuracy == pytest.approx(0.5957, abs=0.002)
    assert score.characters == 13673


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (
            lambda: MaskedLanguageModel(" a", "right"),
            ValueError,
            "MaskedLanguageModel: sides must be one of 'both', 'left', got 'right'.",
        ),
        (
            lambda: MaskedLanguageModel(" a", context=2),
            ValueError,
            "MaskedLanguageModel: context must be at least 3, got 2.",
        ),
        (
            lambda: MaskedLanguageModel("a_"),
            ValueError,
            "MaskedLanguageModel: characters must not have '_', got 'a_'.",
        ),
        (
            lambda: small().fill("and so on"),
            ValueError,
            "MaskedLanguageModel.fill: text must have a '_' to fill, got 'and so on'.",
        ),
        (
            lambda: small(context=4).fill("an_"),
            ValueError,
            "MaskedLanguageModel.fill: text must have at most 2 characters, got 3.",
        ),
        (
            lambda: small().fill("ox_"),
            ValueError,
            "MaskedLanguageModel: text must be written with the characters of the training, got 'x' at position 1.",
        ),
        (lambda: small().fill(5), TypeError, "MaskedLanguageModel: text must be a str, got int."),
        (
            lambda: masked_language_model.train(sides="right"),
            ValueError,
            "masked_language_model.train: sides must be one of 'both', 'left', got 'right'.",
        ),
        (
            lambda: masked_language_model.train(chosen="all"),
            ValueError,
            "masked_language_model.train: chosen must be one of 'mixed', 'masked', got 'all'.",
        ),
        (
            lambda: measure(small(), []),
            ValueError,
            "masked_language_model.measure: chapters must be at least 1, got 0.",
        ),
    ],
)
def test_refusals(call, kind, words, refuses):
    refuses(call, kind, words)
