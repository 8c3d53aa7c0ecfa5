"""The digits in patches: the reader, its loss, what attention alone cannot see, what is measured, the refusals."""

import pytest
import torch

from attnref import efficient_attention, linear_attention, scaled_dot_product_attention, tasks
from attnref.tasks import _recipe, digit_patches, digits_data
from attnref.tasks.digit_patches import ATTENDS, Block, PatchReader, Reading, Score, measure, patches

MECHANISMS = {
    "softmax": scaled_dot_product_attention,
    "efficient": efficient_attention,
    "linear": linear_attention,
}


@pytest.fixture(scope="module", params=["softmax", "efficient"])
def reader(request):
    return tasks.load("digit_patches", attend=request.param)


@pytest.fixture(scope="module")
def digits():
    return digits_data.held_out_digits()


def joined(cut):
    """The images that were cut into patches."""
    return cut.unflatten(2, (2, 2)).unflatten(1, (4, 4)).transpose(2, 3).flatten(3, 4).flatten(1, 2)


# The model


def test_patches_are_cut_row_by_row():
    images = torch.arange(128.0).reshape(2, 8, 8)
    cut = patches(images)
    assert cut.shape == (2, 16, 4)
    for token in range(16):
        top, left = 2 * (token // 4), 2 * (token % 4)
        assert torch.equal(cut[:, token], images[:, top : top + 2, left : left + 2].flatten(1))
    assert torch.equal(joined(cut), images)


def test_a_block_is_attention_and_a_feed_forward_net_each_added_to_its_input():
    block, x = Block("softmax", 8, 2, 12).double(), torch.randn(3, 5, 8, dtype=torch.float64)
    for norm in (block.attention_norm, block.feed_norm):  # fresh norms are all alike
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    output, weights = block(x)
    normed = block.attention_norm(x)
    attended, expected = block.attention(normed, normed, normed)
    between = x + attended
    first, _, second = block.feed_forward
    fed = second(torch.relu(first(block.feed_norm(between))))
    torch.testing.assert_close(output, between + fed)
    torch.testing.assert_close(weights, expected)
    assert (first.out_features, block.attention.num_heads) == (12, 2)


@pytest.mark.parametrize("attend", ATTENDS)
def test_every_block_attends_as_asked(attend):
    reader = PatchReader(attend, d_model=12, num_heads=3, num_layers=2, d_ff=7)
    assert [block.attention.attend for block in reader.blocks] == [MECHANISMS[attend]] * 2
    assert reader.recipe == {"attend": attend, "d_model": 12, "num_heads": 3, "num_layers": 2, "d_ff": 7}
    assert reader(torch.rand(2, 8, 8)).shape == (2, 10)
    defaults = {"attend": attend, "d_model": 64, "num_heads": 4, "num_layers": 4, "d_ff": 128}
    assert PatchReader(attend).recipe == defaults
    assert digit_patches.train(0, attend=attend, steps=1, progress=False)[0].recipe == defaults


def test_the_answer_is_a_projection_of_the_mean_token():
    """In double precision: behind a norm, a sum of the tokens differs from their mean by little."""
    reader = PatchReader(d_model=8, num_heads=2, num_layers=2, d_ff=12).double()
    images = torch.rand(3, 8, 8, dtype=torch.float64)
    torch.nn.init.normal_(reader.output_norm.bias)
    x = reader.embed(patches(images)) + reader.positions
    weights = []
    for block in reader.blocks:
        x, some = block(x)
        weights.append(some)
    logits = reader.output_proj(reader.output_norm(x.sum(1) / 16))
    torch.testing.assert_close(reader(images), logits)
    reading = reader.read(images)
    assert isinstance(reading, Reading)
    assert torch.equal(reading.digits, logits.argmax(1))
    torch.testing.assert_close(reading.confidence, logits.softmax(1).detach())
    assert reading.weights.shape == (3, 2, 2, 16, 16)
    for layer in range(2):
        torch.testing.assert_close(reading.weights[:, layer], weights[layer].detach())
    assert not reading.weights.requires_grad
    assert not reading.confidence.requires_grad
    assert reader(images).requires_grad


def test_positions_start_as_large_as_half_a_normal():
    torch.manual_seed(0)
    assert PatchReader().positions.std().item() == pytest.approx(0.5, abs=0.05)


def test_all_readers_have_equally_many_weights_and_start_alike():
    starts = []
    for name in ATTENDS:
        torch.manual_seed(0)
        starts.append(PatchReader(name).state_dict())
    assert all(torch.equal(starts[0][name], start[name]) for start in starts for name in starts[0])
    assert sum(weight.numel() for weight in starts[0].values()) == 134_986  # as the page says


def test_positions_alone_tell_the_order(reader, digits):
    """The patches in another order, each with its position, give the same answer; without its position, another."""
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    images, plain = digits[0][:32], reader(digits[0][:32])
    shuffled = joined(patches(images)[:, order])
    assert not torch.allclose(reader(shuffled), plain, atol=1e-1)
    kept = reader.positions.data
    try:
        reader.positions.data = kept[order]
        torch.testing.assert_close(reader(shuffled), plain, rtol=1e-4, atol=1e-4)
        reader.positions.data = torch.zeros_like(kept)
        torch.testing.assert_close(reader(shuffled), reader(images), rtol=1e-4, atol=1e-4)
    finally:
        reader.positions.data = kept


def test_each_image_is_read_for_itself(reader, digits):
    images = digits[0][:6]
    together = reader.read(images).confidence
    for index in range(6):
        alone = reader.read(images[index : index + 1]).confidence[0]
        torch.testing.assert_close(alone, together[index], rtol=1e-4, atol=1e-5)


# The training


@pytest.mark.parametrize("split", digits_data.SPLITS)
def test_the_loss_is_the_mean_surprise_at_the_digit(split):
    _, losses = digit_patches.train(3, split=split, steps=1, progress=False)
    with _recipe.drawn_from(3):
        reader = PatchReader()
    images, digits = next(iter(digits_data.training_batches(1, 128, 3, split)))
    surprise = -reader(images).log_softmax(-1)[torch.arange(128), digits]
    assert losses[0] == pytest.approx(surprise.mean().item(), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("attend", ATTENDS)
def test_learns_to_read_digits_it_was_not_shown(attend, digits):
    """A short training is far from done and far from chance, 0.1."""
    trained, losses = digit_patches.train(0, attend=attend, steps=60, progress=False)
    assert measure(trained, *digits).accuracy > 0.3
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


# What is measured


def test_shares_are_counted_by_hand(digits):
    images, shown = (part[:3] for part in digits)
    reader = tasks.load("digit_patches")
    weights, own = reader.read(images).weights, measure(reader, images, shown).own
    assert own.shape == (4, 4)
    for layer in range(4):
        for head in range(4):
            hits = [int(weights[b, layer, head, i].argmax()) == i for b in range(3) for i in range(16)]
            assert own[layer, head].item() == pytest.approx(sum(hits) / 48)
    right = reader.read(images).digits
    for wrong in range(4):
        shown = torch.cat(((right[:wrong] + 1) % 10, right[wrong:]))
        assert measure(reader, images, shown).accuracy == pytest.approx((3 - wrong) / 3)


def test_a_score_says_itself():
    own = torch.tensor([[0.1, 0.2], [0.3, 0.4]])
    assert str(Score(0.5, own)) == "held-out accuracy 0.5000; a patch's largest weight is its own in 0.2500 of all"
    assert str(Score(0.98765, None)) == "held-out accuracy 0.9877"


def test_shipped_weights_hold_their_figure(reader, digits):
    score, softmax = measure(reader, *digits), reader.recipe["attend"] == "softmax"
    assert score.accuracy == pytest.approx(0.9889 if softmax else 0.975, abs=1 / 360)
    assert (score.own is not None) == softmax
    assert (reader.read(digits[0][:1]).weights is not None) == softmax
    if softmax:
        weights = reader.read(digits[0][:5]).weights
        assert weights.shape == (5, 4, 4, 16, 16)
        torch.testing.assert_close(weights.sum(-1), torch.ones(5, 4, 4, 16))


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: PatchReader("sigmoid"),
            "PatchReader: attend must be one of 'softmax', 'efficient', 'linear', got 'sigmoid'.",
        ),
        (
            lambda: PatchReader()(torch.zeros(2, 1, 8, 8)),
            "PatchReader: images must be (batch, 8, 8), got shape (2, 1, 8, 8).",
        ),
        (
            lambda: PatchReader().read(torch.zeros(2, 8, 9)),
            "PatchReader: images must be (batch, 8, 8), got shape (2, 8, 9).",
        ),
        (lambda: patches(torch.zeros(2, 9, 8)), "patches: images must be (batch, 8, 8), got shape (2, 9, 8)."),
        (
            lambda: measure(PatchReader(), torch.zeros(0, 8, 8), torch.zeros(0)),
            "digit_patches.measure: images must be at least 1, got 0.",
        ),
        (
            lambda: measure(PatchReader(), torch.zeros(2, 8, 8), torch.zeros(1)),
            "digit_patches.measure: images and digits must agree in batch, "
            "got images (2, 8, 8) with batch=2, digits (1,) with batch=1.",
        ),
    ],
)
def test_refusals(call, words, refuses):
    refuses(call, ValueError, words)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.zeros(2, 8, 8).numpy(), "images must be a torch.Tensor, got numpy.ndarray."),
        (
            torch.zeros(2, 8, 8).double(),
            "images and weights must share one dtype, got images torch.float64, weights {}.",
        ),
        (torch.zeros(2, 8, 8).long(), "images and weights must be floating point, got images torch.int64, weights {}."),
    ],
)
def test_refuses_images_that_are_not_numbers_like_its_weights(images, words, refuses):
    refuses(lambda: PatchReader()(images), TypeError, f"PatchReader: {words.format(torch.float32)}")
