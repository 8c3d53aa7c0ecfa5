"""The handwritten digits: the images themselves, what is held out, how batches are drawn; and the sunspots."""

import importlib

import numpy as np
import pytest
import torch

from attnref.tasks import digits_data
from attnref.tasks.digits_data import SPLITS, enlarge, held_out_digits, is_held_out, training_batches, training_digits
from attnref.tasks.sunspots_data import FIRST, LAST, yearly_sunspots

FIRST_HELD_OUT = [10, 14, 21, 22, 26, 27, 33, 34, 39, 42, 44, 46]
each_split = pytest.mark.parametrize(("split", "held_out"), [("images", 360), ("forms", 382)])


def labeled(images, digits):
    """Every image, byte for byte, with the digit it shows."""
    return [(image.numpy().tobytes(), int(digit)) for image, digit in zip(images, digits, strict=True)]


@pytest.fixture(scope="module")
def everything():
    return digits_data._digits()


# The numbers


def test_images_are_those_of_scikit_learn(everything):
    datasets = pytest.importorskip("sklearn.datasets")
    theirs, (images, digits) = datasets.load_digits(), everything
    assert np.array_equal(16 * images.numpy(), theirs.images)
    assert np.array_equal(digits.numpy(), theirs.target)
    assert (images.dtype, digits.dtype) == (torch.float32, torch.int64)
    assert (images.min(), images.max()) == (0, 1)


def test_sunspots_are_those_of_statsmodels():
    pytest.importorskip("statsmodels")
    theirs = importlib.import_module("statsmodels.datasets.sunspots").load_pandas().data
    assert np.array_equal(yearly_sunspots().numpy(), theirs["SUNACTIVITY"].to_numpy())
    assert list(range(FIRST, LAST + 1)) == theirs["YEAR"].tolist()
    assert yearly_sunspots().dtype == torch.float64


# What is held out


@each_split
@pytest.mark.parametrize("size", [8, 28])
def test_every_image_is_either_learned_from_or_measured_on(split, held_out, size, everything):
    """By content: all 1797 images differ, so none of those held out can be in training under another index."""
    learned, measured = (labeled(*some(size, split)) for some in (training_digits, held_out_digits))
    assert (len(learned), len(measured)) == (1797 - held_out, held_out)
    assert not {image for image, _ in learned} & {image for image, _ in measured}
    images, digits = everything
    assert sorted(learned + measured) == sorted(labeled(enlarge(images, size), digits))
    assert len({image for image, _ in learned + measured}) == 1797


@each_split
def test_by_index_as_well(split, held_out, everything):
    images, digits = everything
    out = is_held_out(split)
    assert (out.dtype, out.shape, int(out.sum())) == (torch.bool, (1797,), held_out)
    for some, chosen in ((held_out_digits, out), (training_digits, ~out)):
        found, shown = some(split=split)
        assert torch.equal(found, images[chosen])
        assert torch.equal(shown, digits[chosen])
    assert set(digits[out].tolist()) == set(range(10))


def test_the_split_of_the_shipped_weights_never_changes():
    """Another split would measure the shipped weights on images that they were trained on."""
    assert is_held_out("images").nonzero().flatten()[:12].tolist() == FIRST_HELD_OUT
    assert is_held_out("forms").nonzero().flatten().tolist() == list(range(1415, 1797))
    assert torch.equal(is_held_out(), is_held_out("images"))
    torch.manual_seed(1)
    assert is_held_out().nonzero().flatten()[:12].tolist() == FIRST_HELD_OUT


def test_images_and_eight_pixels_are_the_default():
    for some in (training_digits, held_out_digits):
        assert labeled(*some()) == labeled(*some(8, "images"))


# The batches


def shifts(image):
    """The nine pictures that a move by up to one pixel makes of an image."""
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
    return [padded[down : down + 8, right : right + 8].numpy().tobytes() for down in range(3) for right in range(3)]


@pytest.mark.parametrize("split", SPLITS)
def test_batches_hold_moved_training_images_with_their_digits(split):
    images, digits = training_digits(split=split)
    known = {moved: (index, move) for index, image in enumerate(images) for move, moved in enumerate(shifts(image))}
    assert len(known) == 9 * len(images)
    measured = {moved for image in held_out_digits(split=split)[0] for moved in shifts(image)}
    steps, batch = 22, 64  # within the first time through all images
    seen, moves = [], set()
    for some, shown in training_batches(steps, batch, 3, split):
        assert (some.shape, shown.shape) == ((batch, 8, 8), (batch,))
        for image, digit in zip(some, shown, strict=True):
            found = image.numpy().tobytes()
            assert found not in measured
            index, move = known[found]
            assert digit == digits[index]
            seen.append(index)
            moves.add(move)
    assert len(seen) == len(set(seen)) == steps * batch
    assert moves == set(range(9))
    assert seen != sorted(seen)


def test_every_image_comes_before_any_comes_again():
    images, digits = training_digits()
    steps = 2 * len(images) // 64
    shown = torch.cat([digits for _, digits in training_batches(steps, 64, seed=1)])
    assert len(shown) == 64 * steps
    counts = shown[: len(images)].bincount()
    assert torch.equal(counts, digits.bincount())
    assert (shown[len(images) :].bincount() <= digits.bincount()).all()


def test_the_seed_decides_the_batches():
    def drawn(seed, steps=3):
        return [part.numpy().tobytes() for batch in training_batches(steps, 16, seed) for part in batch]

    before = torch.random.get_rng_state()
    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(1, 2) == drawn(1)[:4]
    assert torch.equal(before, torch.random.get_rng_state())
    assert drawn(2**64 - 1) == drawn(2**64 - 1)


# Enlarging


def bilinear(image, size):
    """The picture between the pixels, written out: each pixel of the result is a mean of four, weighted by distance."""
    result = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            y, x = (min(max((at + 0.5) * 8 / size - 0.5, 0), 7) for at in (row, column))
            top, left = min(int(y), 6), min(int(x), 6)
            down, right = y - top, x - left
            result[row, column] = (
                (1 - down) * (1 - right) * image[top, left]
                + (1 - down) * right * image[top, left + 1]
                + down * (1 - right) * image[top + 1, left]
                + down * right * image[top + 1, left + 1]
            )
    return result


def test_enlarging_is_bilinear_for_each_image():
    images, large = held_out_digits()[0][:3], held_out_digits(28)[0][:3]
    assert large.shape == (3, 28, 28)
    for image, one in zip(images, large, strict=True):
        np.testing.assert_allclose(one.numpy(), bilinear(image.numpy(), 28), atol=1e-6)
    assert torch.equal(enlarge(images, 8), images)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: is_held_out("hands"), "digits_data.is_held_out: split must be one of 'images', 'forms', got 'hands'."),
        (
            lambda: training_digits(split="hands"),
            "digits_data.training_digits: split must be one of 'images', 'forms', got 'hands'.",
        ),
        (
            lambda: held_out_digits(split="hands"),
            "digits_data.held_out_digits: split must be one of 'images', 'forms', got 'hands'.",
        ),
        (lambda: training_digits(9), "digits_data.training_digits: size must be one of 8, 28, got 9."),
        (lambda: held_out_digits(9), "digits_data.held_out_digits: size must be one of 8, 28, got 9."),
        (lambda: enlarge(torch.zeros(1, 8, 8), 9), "digits_data.enlarge: size must be one of 8, 28, got 9."),
    ],
)
def test_refusals(call, words, refuses):
    refuses(call, ValueError, words)
