"""Digits from their names: the phrases, the judge, the scorer, the artist, what is measured, the refusals."""

import math

import pytest
import torch
from torch import nn

from attnref import tasks
from attnref.models import generate_images
from attnref.tasks import _recipe, digit_drawings, digit_judge, digits_data, digits_from_names, phrase_scorer
from attnref.tasks import digits_from_names_data as data
from attnref.tasks.digit_artist import DigitArtist
from attnref.tasks.digit_judge import DigitJudge
from attnref.tasks.phrase_scorer import Group, PhraseScorer, contrastive_loss

SMALL = {"d_hidden": 4, "d_model": 8, "num_heads": 2, "d_ff": 12, "num_layers": 2}


@pytest.fixture(scope="module")
def shipped():
    return tasks.load("digits_from_names")


@pytest.fixture
def artist():
    torch.manual_seed(0)
    return DigitArtist(6, **SMALL).eval()


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def some(count):
    return torch.rand(count, 8, 8, generator=generator())


# Phrases


def test_a_phrase_is_two_tokens():
    assert data.encode(["zero", "nine, narrow"]).tolist() == [[1, 0], [10, 14]]
    assert data.encode([]).shape == (0, 2)
    assert [data.WORDS[token] for token in data.encode(["six, wide"])[0]] == ["six", "wide"]


def test_ink_and_spread_by_hand():
    image = torch.zeros(1, 8, 8)
    image[0, 2, 1], image[0, 7, 4] = 0.75, 0.25  # the mean column is 1.75
    assert data.ink(image).item() == 1
    assert data.spread(image).item() == pytest.approx(math.sqrt(0.75 * 0.75**2 + 0.25 * 2.25**2))
    assert data.spread(torch.zeros(1, 8, 8)).item() == 0
    assert data.spread(image.transpose(1, 2)).item() != data.spread(image).item()


@pytest.mark.parametrize(("high", "low", "measure"), [("thick", "thin", "ink"), ("wide", "narrow", "spread")])
def test_words_of_style_split_the_training_images_of_each_digit(high, low, measure):
    images, digits = digits_data.training_digits()
    above = data.fits(images, digits, high)
    assert torch.equal(above, ~data.fits(images, digits, low))
    for digit in range(10):
        own = above[digits == digit]
        measured = data.MEASURES[measure](images[digits == digit])
        assert 0.4 < own.double().mean() <= 0.5  # those at the median are below
        assert measured[own].min() > measured.median() == data.medians(measure)[digit] >= measured[~own].max()
    other = (digits + 1) % 10  # the median is that of the digit that is asked for
    assert not torch.equal(data.fits(images, other, high), above)


def test_phrases_are_true_of_their_images():
    images, digits = digits_data.training_digits()
    for kind, words in enumerate((("",), ("thick", "thin"), ("wide", "narrow"))):
        said = data.phrases_of(images, digits, torch.full_like(digits, kind))
        assert torch.equal(said[:, 0], digits + 1)
        assert {data.WORDS[token] for token in said[:, 1].unique()} == set(words)
        for word in filter(None, words):
            assert torch.equal(said[:, 1] == data.WORDS.index(word), data.fits(images, digits, word))


def test_batches_hold_every_image_once_before_any_again_and_every_kind_of_phrase():
    images, digits = digits_data.training_digits()
    drawn = list(data.training_batches(12, 125, 0))  # 1437 = 11 * 125 + 62
    every = torch.cat([batch for batch, _ in drawn])[: len(images)].flatten(1)
    assert torch.equal(every.unique(dim=0), images.flatten(1).unique(dim=0))
    said = torch.cat([text for _, text in drawn])
    shares = [
        ((said[:, 1] > low) & (said[:, 1] <= high)).double().mean() for low, high in ((-1, 0), (10, 12), (12, 14))
    ]
    assert all(abs(share - 1 / 3) < 0.04 for share in shares)
    number = {tuple(image.flatten().tolist()): digit for image, digit in zip(images, digits.tolist(), strict=True)}
    for batch, text in drawn[:2]:
        for image, (name, style) in zip(batch, text.tolist(), strict=True):
            digit = number[tuple(image.flatten().tolist())]
            assert name == digit + 1
            assert not style or data.fits(image[None], torch.tensor([digit]), data.WORDS[style])
    again = next(data.training_batches(1, 125, 0))
    assert all(map(torch.equal, drawn[0], again))
    assert not torch.equal(drawn[0][0], next(data.training_batches(1, 125, 1))[0])


# The judge


def test_the_judge_learns_from_held_out_digits_alone():
    """Each image of a batch is a held-out one, moved, with noise of 0.1; none is a training image."""
    images, digits = digits_data.held_out_digits()
    padded, moves = nn.functional.pad(images, (1, 1, 1, 1)), []
    for batch, shown in digit_judge.held_out_batches(2, 8, 0):
        for image, digit in zip(batch, shown, strict=True):
            moved = {
                (down, right): (padded[:, down : down + 8, right : right + 8] - image).square().mean((1, 2)).sqrt()
                for down in range(3)
                for right in range(3)
            }
            move, distances = min(moved.items(), key=lambda item: item[1].min())
            moves.append(move)
            assert 0.05 < distances.min() < 0.15
            assert digits[distances.argmin()] == digit
    assert len(set(moves)) > 4


def test_the_shipped_judge_holds_its_figure():
    judge, (images, digits) = tasks.load("digit_judge"), digits_data.training_digits()
    assert digit_judge.measure(judge, images, digits).accuracy == pytest.approx(0.9763, abs=3 / 1437)
    assert torch.equal(judge.read(images[:5]), judge(images[:5]).argmax(1))


def test_right_answers_are_counted():
    judge, wrong = DigitJudge(2).eval(), torch.tensor([0, 0, 0, 1])
    assert digit_judge.measure(judge, some(4), (judge.read(some(4)) + wrong) % 10).accuracy == 0.75
    assert str(digit_judge.Score(0.98765)) == "accuracy on digits that it never saw 0.9877"


def test_a_judge_is_decided_by_its_seed_alone():
    (one, losses), (other, same) = (digit_judge.train(1, steps=2, progress=False) for _ in range(2))
    assert losses == same
    assert all(map(torch.equal, one.parameters(), other.parameters()))
    assert losses != digit_judge.train(2, steps=2, progress=False)[1]
    with _recipe.drawn_from(1):
        judge = DigitJudge()
        images, digits = next(digit_judge.held_out_batches(1, 64, 1))
        surprise = -judge(images).log_softmax(-1)[torch.arange(64), digits].mean()
    assert losses[0] == pytest.approx(surprise.item(), rel=1e-6)
    assert not one.training


# The scorer


def test_scores_are_scaled_cosines():
    torch.manual_seed(0)
    scorer = PhraseScorer().eval()
    images, phrases = some(3), data.encode(["two", "two, thin"])
    scores = scorer(images, phrases)
    for i, image in enumerate(images):
        a = scorer.image_proj(scorer.body(image[None, None]).flatten())
        for j, (name, style) in enumerate(phrases):
            words = scorer.words.weight[name] + (scorer.words.weight[style] if style else 0)
            cosine = torch.cosine_similarity(a, scorer.phrase_proj(words), dim=0)
            assert scores[i, j].item() == pytest.approx(10 * cosine.item(), rel=1e-4)
    torch.testing.assert_close(scorer.score(images, phrases[1]), scores[:, 1].detach())
    assert scorer.score(images.reshape(1, 3, 8, 8), phrases[1]).shape == (1, 3)


def test_groups_hold_each_phrase_once_and_an_image_it_is_true_of():
    images, digits = digits_data.training_digits()
    for group, size in zip(next(phrase_scorer.groups(1, 0)), (10, 20, 20), strict=True):
        assert isinstance(group, Group)
        assert len(group.images) == len(group.phrases.unique(dim=0)) == size
        for image, (name, style) in zip(group.images, group.phrases.tolist(), strict=True):
            near = (images - image).square().mean((1, 2)).sqrt()  # noise of 0.1
            assert 0.05 < near.min() < 0.15
            found = near.argmin()
            assert digits[found] == name - 1
            assert not style or data.fits(images[found, None], digits[found, None], data.WORDS[style])


def test_the_contrastive_loss_goes_both_ways():
    scores = torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    rows = [math.log(1 + math.exp(-2)), math.log(1 + math.exp(-2))]
    columns = [math.log(1 + math.exp(-1)), math.log(1 + math.exp(-3))]
    assert contrastive_loss(scores).item() == pytest.approx(sum(rows + columns) / 4, rel=1e-6)


def test_the_shipped_scorer_knows_names_and_styles(shipped):
    images, digits = digits_data.held_out_digits()
    names = shipped.scorer(images, data.encode(data.NAMES)).argmax(1)
    assert (names == digits).double().mean() > 0.95
    for high, low in (("thick", "thin"), ("wide", "narrow")):
        scores = [
            shipped.scorer(images, data.encode([f"{name}, {word}" for name in data.NAMES])) for word in (high, low)
        ]
        own = [score[torch.arange(len(digits)), digits] for score in scores]
        assert ((own[0] > own[1]) == data.fits(images, digits, high)).double().mean() > 0.75


# The artist


def test_drawings_are_those_of_the_models(artist):
    nn.init.normal_(artist.dalle.embed.padding.weight, std=5.0)  # so that it matters
    nn.init.normal_(artist.dalle.image_proj.weight)
    phrases = ["three"] * 30 + ["four, wide"]
    drawn = artist.draw(phrases, temperature=0.8, top_k=3, generator=generator())
    text = data.encode(phrases)
    options = {"temperature": 0.8, "top_k": 3, "generator": generator()}
    expected = generate_images(artist.dalle, artist.vae, text, text_mask=text != 0, **options)
    assert torch.equal(drawn.images, expected[:, 0].clamp(0, 1))
    assert torch.equal(drawn.images, artist.decode(drawn.tokens))
    assert (drawn.tokens.shape, drawn.tokens.max() < 6) == ((31, 16), True)
    torch.testing.assert_close(
        artist(phrases[:2], generator(1)), artist.draw(phrases[:2], generator=generator(1)).images
    )


def test_the_best_of_several_is_the_one_of_the_highest_score(artist):
    phrases = ["one", "seven, thin"]
    every = artist.draw([phrase for phrase in phrases for _ in range(5)], generator=generator())
    best = artist.draw(phrases, best_of=5, generator=generator())
    for i, text in enumerate(data.encode(phrases)):
        mine = slice(5 * i, 5 * i + 5)
        chosen = 5 * i + int(artist.scorer(every.images[mine], text[None])[:, 0].argmax())
        assert torch.equal(best.images[i], every.images[chosen])
        assert torch.equal(best.tokens[i], every.tokens[chosen])


def test_tokens_and_weights_of_images(artist):
    images, phrases = some(3), ["one", "two, thin", "six"]
    tokens = artist.tokens(images)
    assert torch.equal(tokens, artist.vae.encode(images[:, None]).argmax(-1))
    weights = artist.weights(phrases, tokens)
    assert weights.shape == (3, 2, 2, 16, 19)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 2, 16))
    for i in range(16):
        assert (weights[..., i, : 4 + i] > 0).all()
        assert not weights[..., i, 4 + i :].any()
    text = data.encode(phrases)
    each = artist.dalle(text, tokens, text_mask=text != 0, return_weights=True).weights
    torch.testing.assert_close(weights[:, 1], each[1][:, :, 3:].detach())


# The training


QUICK = {"steps": 2, "vae_steps": 2, "scorer_steps": 1, "progress": False}


def test_a_training_is_decided_by_its_seed_alone(monkeypatch):
    monkeypatch.setattr(digits_from_names, "BATCH", 8)
    before, seen = torch.random.get_rng_state(), []
    one, losses = digits_from_names.train(3, **QUICK, watch=lambda *now: seen.append(now))
    assert torch.equal(before, torch.random.get_rng_state())
    other, same = digits_from_names.train(3, **QUICK)
    assert losses == same
    assert not set(losses) & set(digits_from_names.train(4, **QUICK)[1])
    assert all(map(torch.equal, one.parameters(), other.parameters()))
    assert seen == [(1, one), (2, one)]
    assert not one.training
    assert not one.scorer.training


def test_tokens_to_learn_from_are_drawn_and_the_text_counts_an_eighth(monkeypatch):
    """With undecided logits of the discrete VAE, tokens are drawn from all codes alike."""
    monkeypatch.setattr(digits_from_names, "pretrain", lambda vae, *_, **__: vae.encoder[-1].weight.data.zero_())
    monkeypatch.setattr(digits_from_names, "DigitArtist", lambda: DigitArtist(dropout=0.0))
    seen = []
    loss = digits_from_names.dalle_loss
    monkeypatch.setattr(digits_from_names, "dalle_loss", lambda *asked, **o: seen.append(asked) or loss(*asked, **o))
    _, (first,) = digits_from_names.train(0, **{**QUICK, "steps": 1})
    scores, text, tokens = seen[0]
    assert len(tokens.unique()) == 32
    pairs = ((scores.text_logits, text), (scores.image_logits, tokens))
    of_text, of_image = (-part.log_softmax(-1).gather(2, right[..., None])[..., 0] for part, right in pairs)
    assert first == pytest.approx((of_text[text != 0].mean() + 7 * of_image.mean()).item() / 8, rel=1e-5)


def test_soft_codes_get_colder(monkeypatch):
    asked, vae = [], DigitArtist(6, **SMALL).vae
    forward = vae.forward
    monkeypatch.setattr(
        vae, "forward", lambda images, temperature: asked.append(temperature) or forward(images, temperature)
    )
    losses = digits_from_names.pretrain(vae, 0, steps=4, progress=False)
    assert len(losses) == len(asked) == 4
    assert asked == pytest.approx([0.3 + 0.35 * (1 + math.cos(math.pi * i / 4)) for i in range(4)])


# What is measured


def test_drawings_are_judged_by_the_digit_that_was_asked_for(monkeypatch):
    judged = torch.tensor([3, 3, 5, 5])
    monkeypatch.setattr(digits_from_names, "load", lambda *_, **__: DigitJudge())
    monkeypatch.setattr(DigitJudge, "read", lambda *_: judged)
    assert digits_from_names.judged_right(some(4), ["three", "three, thin", "three", "five, wide"]) == 0.75


def test_surprise_is_that_at_the_tokens_of_the_images(artist):
    images, digits = some(3), torch.tensor([1, 0, 7])
    text, tokens = torch.tensor([[2, 0], [1, 0], [8, 0]]), artist.tokens(images)
    log_p = artist.dalle(text, tokens, text_mask=text != 0).image_logits.log_softmax(-1)
    surprise = -log_p.gather(2, tokens[..., None]).mean().item()
    assert digits_from_names.nats_per_token(artist, images, digits) == pytest.approx(surprise, rel=1e-5)


@pytest.mark.slow
def test_shipped_weights_hold_their_figures(shipped):
    score = digits_from_names.measure(shipped)
    assert score == pytest.approx((0.949, 0.978, 1.478), abs=0.02)
    assert str(score).startswith("drawings judged right 0.")
    assert sum(weight.numel() for weight in shipped.dalle.parameters()) == 107_503  # as the page says


def test_shipped_weights_draw_what_is_asked_for(shipped):
    phrases = [name for name in data.NAMES for _ in range(10)]
    images = shipped.draw(phrases, temperature=0.7, generator=generator()).images
    assert digits_from_names.judged_right(images, phrases) >= 0.9
    wrong = phrases[10:] + phrases[:10]
    assert digits_from_names.judged_right(images, wrong) < 0.1


def test_nearest_training_images():
    known = digits_data.training_digits()[0]
    images = torch.cat((known[[7, 5]], some(1)))
    found = digit_drawings.nearest(images)
    by_hand = (images[2] - known).square().sum((1, 2)).sqrt()
    torch.testing.assert_close(found.distances, torch.tensor([0, 0, by_hand.min()]))
    assert found.numbers.tolist() == [7, 5, int(by_hand.argmin())]


def test_variety_is_within_a_digit():
    images, digits = some(5), torch.tensor([1, 2, 1, 2, 1])
    pairs = [(0, 2), (0, 4), (2, 4), (1, 3)]
    by_hand = sum((images[i] - images[j]).square().sum().sqrt() for i, j in pairs) / 4
    assert digit_drawings.variety(images, digits) == pytest.approx(by_hand.item(), rel=1e-5)


def test_effects_of_words():
    images, digits = digits_data.training_digits()
    for word in data.STYLES:
        own = data.fits(images, digits, word)
        found = digit_drawings.effect(images, digits, word)
        assert found.fits == pytest.approx(own.double().mean().item())
        assert found.mean == pytest.approx(data.MEASURES[data.STYLES[word][0]](images).mean().item(), rel=1e-5)


def test_attention_to_the_text_sums_to_one(artist):
    phrases, tokens = ["one", "two, thin"], artist.tokens(some(2))
    found, weights = digit_drawings.text_attention(artist, phrases, tokens), artist.weights(phrases, tokens)
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 2, 16))
    torch.testing.assert_close(found[..., 1], weights[..., 1].mean(0))
    assert not found[:, :, 0, 4].any()  # there is no image token before the first


def test_effect_of_a_wrong_name(artist):
    tokens = artist.tokens(some(2))
    found = digit_drawings.effect_of_the_name(artist, tokens, torch.tensor([3, 9]))
    surprise = [
        -artist.dalle(text, tokens, text_mask=text != 0)
        .image_logits.log_softmax(-1)
        .gather(2, tokens[..., None])[..., 0]
        for text in (torch.tensor([[4, 0], [10, 0]]), torch.tensor([[5, 0], [1, 0]]))
    ]
    torch.testing.assert_close(found, (surprise[1] - surprise[0]).mean(0).detach())


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: data.encode(["eleven"]),
            "digits_from_names_data.encode: name must be one of 'zero', 'one', 'two', 'three', 'four', 'five', 'six', "
            "'seven', 'eight', 'nine', got 'eleven'.",
        ),
        (
            lambda: data.encode(["one, fat"]),
            "digits_from_names_data.encode: style must be one of 'thick', 'thin', 'wide', 'narrow', got 'fat'.",
        ),
        (
            lambda: data.fits(some(1), torch.tensor([0]), "fat"),
            "digits_from_names_data.fits: style must be one of 'thick', 'thin', 'wide', 'narrow', got 'fat'.",
        ),
        (
            lambda: data.medians("height"),
            "digits_from_names_data.medians: measure must be one of 'ink', 'spread', got 'height'.",
        ),
        (
            lambda: next(data.training_batches(0, 8, 0)),
            "digits_from_names_data.training_batches: steps must be at least 1, got 0.",
        ),
        (
            lambda: DigitArtist().eval().draw(["one"], best_of=0, generator=generator()),
            "DigitArtist.draw: best_of must be at least 1, got 0.",
        ),
        (
            lambda: DigitArtist().tokens(torch.zeros(1, 8, 9)),
            "DigitArtist: images must be (batch, 8, 8), got shape (1, 8, 9).",
        ),
        (
            lambda: DigitJudge()(torch.zeros(1, 7, 8)),
            "DigitJudge: images must be (batch, 8, 8), got shape (1, 7, 8).",
        ),
        (
            lambda: digit_judge.measure(DigitJudge(), some(0), torch.zeros(0)),
            "digit_judge.measure: images must be at least 1, got 0.",
        ),
        (
            lambda: PhraseScorer()(torch.zeros(1, 7, 8), data.encode(["one"])),
            "PhraseScorer: images must be (batch, 8, 8), got shape (1, 7, 8).",
        ),
        (
            lambda: digits_from_names.train(vae_steps=0),
            "digits_from_names.train: vae_steps must be at least 1, got 0.",
        ),
        (
            lambda: digits_from_names.measure(DigitArtist(), samples=0),
            "digits_from_names.measure: samples must be at least 1, got 0.",
        ),
        (
            lambda: digit_drawings.variety(some(2), torch.tensor([1, 2])),
            "digit_drawings.variety: images must be two of a digit at least, got digits [1, 2].",
        ),
        (
            lambda: digit_drawings.effect(some(0), torch.zeros(0, dtype=torch.long), "thick"),
            "digit_drawings.effect: images must be at least 1, got 0.",
        ),
        (
            lambda: digit_drawings.effect(some(1), torch.tensor([1]), "fat"),
            "digit_drawings.effect: style must be one of 'thick', 'thin', 'wide', 'narrow', got 'fat'.",
        ),
        (
            lambda: digit_drawings.text_attention(DigitArtist(), [], torch.zeros(0, 16, dtype=torch.long)),
            "digit_drawings.text_attention: phrases must be at least 1, got 0.",
        ),
    ],
)
def test_refusals(call, words, refuses):
    refuses(call, ValueError, words)
