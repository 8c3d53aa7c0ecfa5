"""Patches by a convolution are a linear projection of what `unfold` cuts; positions against Hugging Face's."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from theirs import randomized
from torch import nn

from attnref.models import PatchEmbedding, ViT, resize_positions

sizes = st.integers(1, 3)


@given(batch=st.integers(0, 2), channels=sizes, rows=sizes, columns=sizes, height=sizes, width=sizes)
def test_is_a_linear_map_of_each_patch(batch, channels, rows, columns, height, width):
    """Of what torch's `unfold` cuts, whose columns are channel by channel, row by row."""
    embedding = randomized(PatchEmbedding(channels, 5, (height, width)))
    images = torch.randn(batch, channels, rows * height, columns * width, dtype=torch.float64)
    cut = nn.functional.unfold(images, (height, width), stride=(height, width)).transpose(1, 2)
    linear = nn.Linear(channels * height * width, 5).double()
    linear.load_state_dict({"weight": embedding.proj.weight.flatten(1), "bias": embedding.proj.bias})
    assert cut.shape == (batch, rows * columns, channels * height * width)
    torch.testing.assert_close(embedding(images), linear(cut), rtol=1e-12, atol=1e-12)


def test_patches_are_in_reading_order():
    """Each is its first pixel, where the one filter keeps that."""
    embedding = PatchEmbedding(1, 1, 2)
    nn.init.zeros_(embedding.proj.bias)
    with torch.no_grad():
        embedding.proj.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    images = torch.arange(24.0).reshape(1, 1, 4, 6)
    assert embedding(images)[0, :, 0].tolist() == [0, 2, 4, 12, 14, 16]


def test_a_pixel_is_in_one_patch():
    embedding, images = randomized(PatchEmbedding(3, 5, 2)), torch.randn(1, 3, 4, 6, dtype=torch.float64)
    before = embedding(images)
    images[0, 1, 3, 2] += 1.0
    changed = (embedding(images) != before).any(-1)[0]
    assert changed.tolist() == [False, False, False, False, True, False]


def test_reset_draws_everything_anew():
    embedding = PatchEmbedding(3, 5, 2)
    for weight in embedding.parameters():
        nn.init.constant_(weight, torch.nan)
    embedding.reset_parameters()
    assert all(weight.isfinite().all() for weight in embedding.parameters())


@pytest.mark.interop
@pytest.mark.parametrize("new", [(4, 4), (5, 7), (2, 3), (3, 3)])
def test_resizes_as_hugging_face(new):
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=12)
    config.patch_size = 4
    theirs = transformers.ViTModel(config).double().embeddings
    height, width = 4 * new[0], 4 * new[1]
    expected = theirs.interpolate_pos_encoding(torch.zeros(1, 1 + new[0] * new[1], 8), height, width)[0]
    found = resize_positions(theirs.position_embeddings[0], (3, 3), new)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_a_grid_in_two_directions():
    """A plane over rows and columns stays a plane inside, and the class token's row is kept."""
    rows, columns = torch.meshgrid(torch.arange(4.0), torch.arange(6.0), indexing="ij")
    positions = torch.stack((rows.flatten(), columns.flatten()), dim=1).double()
    found = resize_positions(positions, (4, 6), (8, 12), mode="bilinear").unflatten(0, (8, 12))
    inside = found[1:-1, 1:-1]
    torch.testing.assert_close(inside[:, :, 0], (0.25 + 0.5 * torch.arange(6.0).double())[:, None].expand(6, 10))
    torch.testing.assert_close(inside[:, :, 1], (0.25 + 0.5 * torch.arange(10.0).double()).expand(6, 10))
    with_class = torch.cat((torch.full((1, 2), 7.0).double(), positions))
    assert torch.equal(
        resize_positions(with_class, (4, 6), (8, 12), mode="bilinear"),
        torch.cat((with_class[:1], found.flatten(0, 1))),
    )


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_the_same_grid_keeps_all(mode, dtype):
    positions = torch.randn(1 + 12, 5).to(dtype)
    found = resize_positions(positions, (3, 4), (3, 4), mode=mode)
    assert found.dtype == dtype
    torch.testing.assert_close(found, positions)


def test_modes_differ():
    positions = torch.randn(12, 5)
    assert torch.equal(resize_positions(positions, (3, 4), (6, 8)), resize_positions(positions, (3, 4), (6, 8)))
    bilinear = resize_positions(positions, (3, 4), (6, 8), mode="bilinear")
    assert not torch.allclose(resize_positions(positions, (3, 4), (6, 8)), bilinear)


def test_a_larger_image_with_resized_positions():
    """As the docstring says it is used: the same weights, another grid."""
    options = {"patch": 2, "d_model": 8, "num_heads": 2, "d_ff": 16, "num_layers": 1}
    small, large = ViT(5, image_size=(4, 6), **options), ViT(5, image_size=(8, 10), **options)
    weights = small.state_dict()
    weights["positions.weight"] = resize_positions(weights["positions.weight"], (2, 3), (4, 5))
    large.load_state_dict(weights)
    assert large(torch.randn(1, 3, 8, 10))[0].shape == (1, 5)


def test_gradients_reach_the_old_positions():
    positions = torch.randn(7, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: resize_positions(p, (2, 3), (3, 5)), (positions,))


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: PatchEmbedding(0, 8, 2), ValueError, "PatchEmbedding: channels must be at least 1, got 0."),
        (lambda: PatchEmbedding(3, 8.0, 2), TypeError, "PatchEmbedding: d_model must be an int, got float."),
        (
            lambda: PatchEmbedding(3, 8, "2"),
            TypeError,
            "PatchEmbedding: patch must be an int, or a pair (height, width) of two, got str.",
        ),
        (
            lambda: PatchEmbedding(3, 8, 16)(torch.randn(1, 3, 50, 48)),
            ValueError,
            "PatchEmbedding: the height of images must divide by that of a patch, "
            "got height=50 and a patch of 16 x 16.",
        ),
        (
            lambda: PatchEmbedding(3, 8, 2)(torch.randn(1, 4, 4, 3)),
            ValueError,
            "PatchEmbedding: images (batch, channels, height, width) must have channels=3, "
            "got images (1, 4, 4, 3) with channels=4; the channels come first: images.movedim(-1, 1).",
        ),
        (
            lambda: PatchEmbedding(3, 8, 2)([[1.0]]),
            TypeError,
            "PatchEmbedding: images must be a torch.Tensor, got list.",
        ),
        (
            lambda: PatchEmbedding(3, 8, 2)(torch.randn(3, 4, 4)),
            ValueError,
            "PatchEmbedding: images must be (batch, channels, height, width), got shape (3, 4, 4).",
        ),
        (
            lambda: PatchEmbedding(3, 8, 2)(torch.randn(1, 3, 4, 4).double()),
            TypeError,
            "PatchEmbedding: images and weights must share one dtype, got images torch.float64, weights torch.float32.",
        ),
        (
            lambda: resize_positions(torch.randn(11, 8), (3, 3), (4, 4)),
            ValueError,
            "resize_positions: positions must be one for each of the 3 x 3 patches, and one for a class token if any, "
            "got 11.",
        ),
        (
            lambda: resize_positions(torch.randn(8, 8), (3, 3), (4, 4)),
            ValueError,
            "resize_positions: positions must be one for each of the 3 x 3 patches, and one for a class token if any, "
            "got 8.",
        ),
        (
            lambda: resize_positions(torch.randn(1, 10, 8), (3, 3), (4, 4)),
            ValueError,
            "resize_positions: positions must be (n, d_model), got shape (1, 10, 8).",
        ),
        (
            lambda: resize_positions(torch.ones(9, 8).long(), (3, 3), (4, 4)),
            TypeError,
            "resize_positions: positions must be floating point, got positions torch.int64.",
        ),
        (
            lambda: resize_positions(torch.randn(9, 8), (3, 3), (4.0, 4)),
            TypeError,
            "resize_positions: new_grid must be an int, or a pair (height, width) of two, got (4.0, 4).",
        ),
        (
            lambda: resize_positions(torch.randn(9, 8), (3, 0), (4, 4)),
            ValueError,
            "resize_positions: grid must be at least 1, got 0.",
        ),
        (
            lambda: resize_positions(torch.randn(9, 8), (3, 3), (4, 4), mode="nearest"),
            ValueError,
            "resize_positions: mode must be one of 'bicubic', 'bilinear', got 'nearest'.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, words)
