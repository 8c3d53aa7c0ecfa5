"""Digits by a Vision Transformer: the reader, its loss, what it looks at and whether that matters, the refusals."""

import pytest
import torch

from attnref import efficient_attention, linear_attention, scaled_dot_product_attention, tasks
from attnref.models import ViT, attention_rollout
from attnref.tasks import _recipe, digits_data, digits_vit, patch_attention
from attnref.tasks.digits_vit import DigitViT, Reading, Score, measure

MECHANISMS = {
    "softmax": scaled_dot_product_attention,
    "efficient": efficient_attention,
    "linear": linear_attention,
}
SMALL = {"d_model": 8, "num_heads": 2, "num_layers": 2, "d_ff": 12}


@pytest.fixture(scope="module")
def shipped():
    return tasks.load("digits_vit")


@pytest.fixture(scope="module")
def digits():
    return digits_data.held_out_digits()


@pytest.fixture(params=["class", "mean"])
def small(request):
    torch.manual_seed(0)
    return DigitViT(request.param, **SMALL).double()


def some(count):
    return torch.rand(count, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


# The model


@pytest.mark.parametrize("attend", MECHANISMS)
def test_every_block_attends_as_asked(attend):
    reader = DigitViT(attend=attend, **SMALL)
    assert [layer.self_attention.attend for layer in reader.vit.encoder.layers] == [MECHANISMS[attend]] * 2
    assert reader.recipe == {"pool": "class", "attend": attend, "positions": 0.5, **SMALL}
    assert reader(torch.rand(2, 8, 8)).shape == (2, 10)
    assert (reader.read(torch.rand(2, 8, 8)).weights is None) == (attend != "softmax")


def test_it_is_the_vit_of_the_models(small):
    other = ViT(10, image_size=8, patch=2, channels=1, **SMALL, pool=small.recipe["pool"]).double()
    other.load_state_dict(small.vit.state_dict())
    logits, weights = other(some(3)[:, None], return_weights=True)
    torch.testing.assert_close(small(some(3)), logits)
    reading = small.read(some(3))
    assert isinstance(reading, Reading)
    assert torch.equal(reading.digits, logits.argmax(1))
    torch.testing.assert_close(reading.confidence, logits.softmax(1).detach())
    n = 17 if small.recipe["pool"] == "class" else 16
    assert reading.weights.shape == (3, 2, 2, n, n)
    for layer in range(2):
        torch.testing.assert_close(reading.weights[:, layer], weights[layer].detach())
    assert not reading.weights.requires_grad
    assert not reading.confidence.requires_grad
    assert small(some(3)).requires_grad


@pytest.mark.parametrize("pool", digits_vit.POOLS)
def test_training_builds_what_is_asked(pool):
    reader, _ = digits_vit.train(0, pool=pool, steps=1, progress=False)
    sizes = {"d_model": 64, "num_heads": 4, "num_layers": 4, "d_ff": 128}
    assert reader.recipe == {"pool": pool, "attend": "softmax", "positions": 0.5, **sizes}
    assert DigitViT(pool).recipe == reader.recipe
    assert digits_vit.train(0, positions=0.02, steps=1, progress=False)[0].recipe["positions"] == 0.02
    assert not reader.training


@pytest.mark.parametrize("std", [0.5, 0.02])
def test_positions_start_as_large_as_asked(std):
    torch.manual_seed(0)
    assert DigitViT(positions=std).vit.positions.weight.std().item() == pytest.approx(std, rel=0.1)
    assert DigitViT().recipe["positions"] == 0.5


# The training


@pytest.mark.parametrize("split", digits_data.SPLITS)
def test_the_loss_is_the_mean_surprise_at_the_digit(split):
    _, losses = digits_vit.train(3, split=split, steps=1, progress=False)
    with _recipe.drawn_from(3):
        reader = DigitViT()
    images, shown = next(iter(digits_data.training_batches(1, 128, 3, split)))
    surprise = -reader(images).log_softmax(-1)[torch.arange(128), shown]
    assert losses[0] == pytest.approx(surprise.mean().item(), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("pool", digits_vit.POOLS)
def test_learns_to_read_digits_it_was_not_shown(pool, digits):
    """A short training is far from done and far from chance, 0.1."""
    trained, losses = digits_vit.train(0, pool=pool, steps=60, progress=False)
    assert measure(trained, *digits).accuracy > 0.3
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


# What is measured


def test_right_answers_are_counted(small):
    right = small.read(some(3)).digits
    for wrong in range(4):
        shown = torch.cat(((right[:wrong] + 1) % 10, right[wrong:]))
        assert measure(small, some(3), shown).accuracy == pytest.approx((3 - wrong) / 3)
    assert str(Score(0.98765)) == "held-out accuracy 0.9877"


@pytest.mark.parametrize(("positions", "accuracy"), [(0.5, 0.9806), (0.02, 0.9361)])
def test_shipped_weights_hold_their_figure(positions, accuracy, digits):
    shipped = tasks.load("digits_vit", positions=positions)
    assert measure(shipped, *digits).accuracy == pytest.approx(accuracy, abs=1 / 360)
    weights = shipped.read(digits[0][:5]).weights
    assert weights.shape == (5, 4, 4, 17, 17)
    torch.testing.assert_close(weights.sum(-1), torch.ones(5, 4, 4, 17))
    assert sum(weight.numel() for weight in shipped.parameters()) == 136_138  # as the page says


# Where it looks, and whether that matters


def test_a_deleted_patch_is_no_token(small):
    """One image, one patch at a time, by hand."""
    vit, images = small.vit, some(2)
    effects = patch_attention.deletion_effects(small, images)
    assert effects.shape == (2, 16, 10)
    for image, by_patch in zip(images, effects, strict=True):
        tokens = vit.patches(image[None, None])
        if vit.class_token is not None:
            tokens = torch.cat((vit.class_token.weight[None, None], tokens), 1)
        tokens = (tokens + vit.positions.weight)[0]
        first = len(tokens) - 16
        for patch, effect in enumerate(by_patch):
            rest = torch.cat((tokens[: first + patch], tokens[first + patch + 1 :]))
            x, _ = vit.encoder(rest[None])
            logits = vit.head(x[0, 0] if first else x[0].mean(0))
            torch.testing.assert_close(effect, (small(image[None])[0] - logits).detach())
    assert not effects.requires_grad


def test_maps_are_those_they_are_called():
    torch.manual_seed(0)
    reader, images = DigitViT(**SMALL).double(), some(3)
    reader.read(images[:0])
    weights, found = reader.read(images).weights, patch_attention.maps(reader, images)
    assert list(found) == ["ink", "first layer", "last layer", "all layers", "rollout", "gradient"]
    for patch in range(16):
        top, left = 2 * (patch // 4), 2 * (patch % 4)
        torch.testing.assert_close(found["ink"][:, patch], images[:, top : top + 2, left : left + 2].sum((1, 2)))
    first, last = (weights[:, layer, :, 0, 1:].mean(1) for layer in (0, 1))
    torch.testing.assert_close(found["first layer"], first)
    torch.testing.assert_close(found["last layer"], last)
    torch.testing.assert_close(found["all layers"], (first + last) / 2)
    torch.testing.assert_close(found["rollout"], attention_rollout([weights[:, 0], weights[:, 1]])[:, 0, 1:])
    assert not any(guess.requires_grad for guess in found.values())


def test_the_gradient_map_is_the_slope_along_each_embedded_patch():
    torch.manual_seed(0)
    reader, images = DigitViT(**SMALL).double(), some(2)
    vit = reader.vit
    tokens = vit.positions(vit.class_token(vit.patches(images[:, None]))[0]).detach()
    answer, step = reader(images).argmax(-1), 1e-6

    def logit(of):
        return vit.head(vit.encoder(of)[0][:, 0])[torch.arange(2), answer]

    for patch in range(16):
        turn = torch.zeros(1, 17, 1, dtype=torch.float64)
        turn[:, patch + 1] = step
        slope = (logit(tokens * (1 + turn)) - logit(tokens * (1 - turn))) / (2 * step)
        torch.testing.assert_close(
            patch_attention.maps(reader, images)["gradient"][:, patch], slope.detach(), rtol=1e-6, atol=1e-7
        )


def test_rank_correlation_is_that_of_the_ranks():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randint(5, (2, 30, 16), generator=generator).double()  # with ties
    for one, other, found in zip(a, b, patch_attention.rank_correlation(a, b), strict=True):
        ranks = [torch.tensor([(x < v).sum() + ((x == v).sum() + 1) / 2 for v in x]) for x in (one, other)]
        assert found.item() == pytest.approx(torch.corrcoef(torch.stack(ranks))[0, 1].item(), abs=1e-6)
    assert patch_attention.rank_correlation(torch.ones(3), torch.tensor([1.0, 2.0, 3.0])) == 0  # nothing is ranked


def test_agreements_are_counted_by_hand(shipped, digits):
    images = digits[0][:4]
    effects, guesses = patch_attention.deletion_effects(shipped, images), patch_attention.maps(shipped, images)
    order = shipped(images).argsort(-1, descending=True)
    known = digits_data.training_digits()[0][:500]
    each = patch_attention.deletion_effects(shipped, known)
    usual = sum(effect[:, answer] for effect, answer in zip(each, shipped(known).argmax(-1), strict=True)) / 500
    found = patch_attention.agreements(shipped, images)
    assert list(found) == ["position", *guesses]
    guesses["position"] = usual.expand(4, 16)
    for name, (answer, size, second, top) in found.items():
        each = [
            [patch_attention.rank_correlation(guesses[name][i], effects[i, :, order[i, place]]) for i in range(4)]
            for place in (0, 1)
        ]
        hits = [int(guesses[name][i].argmax()) == int(effects[i, :, order[i, 0]].argmax()) for i in range(4)]
        sizes = [effects[i, :, order[i, 0]].abs() for i in range(4)]
        sized = [patch_attention.rank_correlation(guesses[name][i], sizes[i]) for i in range(4)]
        assert answer == pytest.approx(float(sum(each[0]) / 4), abs=1e-6)
        assert size == pytest.approx(float(sum(sized) / 4), abs=1e-6)
        assert second == pytest.approx(float(sum(each[1]) / 4), abs=1e-6)
        assert top == sum(hits) / 4


def test_distances_are_in_pixels(small, monkeypatch):
    """The first head looks one patch to the side, the second at itself, or from corner to corner."""
    n, first = (17, 1) if small.recipe["pool"] == "class" else (16, 0)
    weights = torch.zeros(3, 1, 2, n, n)
    for patch in range(16):
        side = patch + 1 if patch % 4 < 3 else patch - 1
        weights[:, 0, 0, first + patch, first + side] = 0.5
        weights[:, 0, 1, first + patch, first + (15 if patch == 0 else patch)] = 1
    monkeypatch.setattr(small, "read", lambda images: Reading(None, None, weights))
    found = patch_attention.distances(small, some(3))
    torch.testing.assert_close(found, torch.tensor([[2.0, 6 * 2**0.5 / 16]]))


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: DigitViT("max"), "DigitViT: pool must be one of 'class', 'mean', got 'max'."),
        (
            lambda: DigitViT(attend="sigmoid"),
            "DigitViT: attend must be one of 'softmax', 'efficient', 'linear', got 'sigmoid'.",
        ),
        (
            lambda: DigitViT()(torch.zeros(2, 1, 8, 8)),
            "DigitViT: images must be (batch, 8, 8), got shape (2, 1, 8, 8).",
        ),
        (
            lambda: DigitViT().read(torch.zeros(2, 8, 9)),
            "DigitViT: images must be (batch, 8, 8), got shape (2, 8, 9).",
        ),
        (
            lambda: patch_attention.deletion_effects(DigitViT(), torch.zeros(2, 8, 9)),
            "DigitViT: images must be (batch, 8, 8), got shape (2, 8, 9).",
        ),
        (
            lambda: measure(DigitViT(), torch.zeros(0, 8, 8), torch.zeros(0)),
            "digits_vit.measure: images must be at least 1, got 0.",
        ),
        (
            lambda: patch_attention.maps(DigitViT("mean"), torch.zeros(1, 8, 8)),
            "patch_attention.maps: reader must have a class token, got pool 'mean'.",
        ),
        (
            lambda: patch_attention.maps(DigitViT(attend="linear"), torch.zeros(1, 8, 8)),
            "patch_attention.maps: reader must form its attention weights, got attend 'linear'.",
        ),
        (
            lambda: patch_attention.distances(DigitViT(attend="efficient"), torch.zeros(1, 8, 8)),
            "patch_attention.distances: reader must form its attention weights, got attend 'efficient'.",
        ),
        (
            lambda: patch_attention.agreements(DigitViT(), torch.zeros(0, 8, 8)),
            "patch_attention.agreements: images must be at least 1, got 0.",
        ),
        (
            lambda: patch_attention.distances(DigitViT(), torch.zeros(0, 8, 8)),
            "patch_attention.distances: images must be at least 1, got 0.",
        ),
        (
            lambda: patch_attention.rank_correlation(torch.zeros(3), torch.zeros(4)),
            "rank_correlation: a and b must agree in n, got a (3,) with n=3, b (4,) with n=4.",
        ),
    ],
)
def test_refusals(call, words, refuses):
    refuses(call, ValueError, words)


@pytest.mark.refusal
def test_refuses_images_of_another_dtype(refuses):
    words = "DigitViT: images and weights must share one dtype, got images torch.float64, weights torch.float32."
    refuses(lambda: DigitViT()(torch.zeros(2, 8, 8).double()), TypeError, words)
