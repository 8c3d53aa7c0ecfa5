"""The digits with what can be said about them: the name of the digit, and a word for how it is written.

A phrase is a name alone, "three", or a name and one word of style, "three, thick". The words are measured, not felt: a
digit is *thick* if it has more ink than the median training image of that digit, else *thin*; and *wide* if its ink
spreads further to the sides than in the median training image of that digit, else *narrow*.
"""

import functools
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attnref._checks import check_at_least, check_choice
from attnref.tasks import digits_data
from attnref.tasks.captions_data import DIGITS as NAMES

STYLES = {"thick": ("ink", 1), "thin": ("ink", -1), "wide": ("spread", 1), "narrow": ("spread", -1)}
WORDS = ("", *NAMES, *STYLES)  # the tokens of a phrase; the first is padding
PADDING, LONGEST = 0, 2


def encode(phrases: Sequence[str]) -> Int[Tensor, "batch 2"]:
    """Tokens of phrases: the name, then the word of style, or padding where there is none.

    Raises:
        ValueError: A phrase is not a name, or a name, a comma and a word of style.

    Examples:
        >>> from attnref.tasks.digits_from_names_data import encode
        >>> encode(["three", "three, thick"])
        tensor([[ 4,  0],
                [ 4, 11]])
    """
    rows = []
    for phrase in phrases:
        name, comma, style = phrase.partition(", ")
        check_choice("digits_from_names_data.encode", "name", name, NAMES)
        if comma:
            check_choice("digits_from_names_data.encode", "style", style, tuple(STYLES))
        rows.append([WORDS.index(name), WORDS.index(style)])
    return torch.tensor(rows, dtype=torch.long).reshape(-1, LONGEST)


def ink(images: Float[Tensor, "batch 8 8"]) -> Float[Tensor, " batch"]:
    """How much ink an image has: the sum of its pixels, of which each is at most 1."""
    return images.sum((-2, -1))


def spread(images: Float[Tensor, "batch 8 8"]) -> Float[Tensor, " batch"]:
    r"""How far the ink reaches to the sides: the standard deviation of its column, in pixels.

    $$ \sqrt{\sum_c p_c (c - \bar c)^2} \qquad p_c = \frac{\sum_r x_{rc}}{\sum_{r, c} x_{rc}} \qquad
       \bar c = \sum_c p_c\, c $$

    An image without ink has a spread of 0.

    Examples:
        >>> import torch
        >>> from attnref.tasks.digits_from_names_data import spread
        >>> image = torch.zeros(1, 8, 8)
        >>> image[0, :, [2, 5]] = 1  # two columns, 1.5 pixels left and right of the middle
        >>> spread(image)
        tensor([1.5000])
    """
    columns = torch.arange(images.shape[-1], dtype=images.dtype, device=images.device)
    shares = images.sum(-2)  # (batch, 8)
    shares = shares / shares.sum(-1, keepdim=True).clamp(min=torch.finfo(images.dtype).tiny)
    middle = (shares * columns).sum(-1, keepdim=True)
    return (shares * (columns - middle) ** 2).sum(-1).sqrt()


MEASURES = {"ink": ink, "spread": spread}


@functools.cache
def medians(measure: str) -> Float[Tensor, "10"]:
    """For each digit the median of a measure, "ink" or "spread", over its training images."""
    check_choice("digits_from_names_data.medians", "measure", measure, tuple(MEASURES))
    images, digits = digits_data.training_digits()
    measured = MEASURES[measure](images)
    return torch.stack([measured[digits == digit].median() for digit in range(10)])


def fits(images: Float[Tensor, "batch 8 8"], digits: Int[Tensor, " batch"], style: str) -> Tensor:
    """Which images a word of style is said of, (batch,).

    Args:
        images: From 0 for paper to 1 for ink.
        digits: The digits that they show, or are to show: each has its own median.
        style: "thick", "thin", "wide" or "narrow".

    Raises:
        ValueError: There is no such word.

    Examples:
        >>> from attnref.tasks import digits_data
        >>> from attnref.tasks.digits_from_names_data import fits
        >>> images, digits = digits_data.held_out_digits()
        >>> [round(fits(images, digits, word).double().mean().item(), 2) for word in ("thick", "thin", "wide")]
        [0.47, 0.53, 0.48]
    """
    check_choice("digits_from_names_data.fits", "style", style, tuple(STYLES))
    measure, sign = STYLES[style]
    above = MEASURES[measure](images) > medians(measure).to(images)[digits]
    return above if sign > 0 else ~above


def phrases_of(
    images: Float[Tensor, "batch 8 8"], digits: Int[Tensor, " batch"], kinds: Int[Tensor, " batch"]
) -> Int[Tensor, "batch 2"]:
    """Tokens of one phrase for each image: its name alone (kind 0), with its ink (1) or with its spread (2)."""
    said = torch.stack((digits + 1, torch.full_like(digits, PADDING)), dim=1)
    for kind, (high, low) in enumerate((("thick", "thin"), ("wide", "narrow")), 1):
        word = torch.where(fits(images, digits, high), WORDS.index(high), WORDS.index(low))
        said[:, 1] = torch.where(kinds == kind, word, said[:, 1])
    return said


def training_batches(steps: int, batch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of images (batch, 8, 8) and tokens of phrases (batch, 2).

    A third of the phrases are names alone, a third have a word about ink, a third one about spread. Every image comes
    once before any comes again. No image is moved: that would push ink over the edge.
    """
    check_at_least("digits_from_names_data.training_batches", 1, steps=steps, batch=batch)
    generator = torch.Generator().manual_seed(seed)
    images, digits = digits_data.training_digits()
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        while len(order) < batch:
            order = torch.cat((order, torch.randperm(len(images), generator=generator)))
        chosen, order = order[:batch], order[batch:]
        kinds = torch.randint(3, (batch,), generator=generator)
        yield images[chosen], phrases_of(images[chosen], digits[chosen], kinds)
