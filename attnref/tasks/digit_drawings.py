"""What is asked of drawings: whether they are copies, how much they vary, whether a word of style has its effect."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attnref._checks import check_at_least, check_choice
from attnref.tasks import digits_data
from attnref.tasks.digit_artist import DigitArtist
from attnref.tasks.digits_from_names_data import MEASURES, NAMES, PADDING, STYLES, encode, fits


class Nearest(NamedTuple):
    """For each image the most similar training image.

    Attributes:
        distances: (batch,), the Euclidean distance of the pixels.
        numbers: (batch,), the number of that image among `digits_data.training_digits`.
    """

    distances: Tensor
    numbers: Tensor


def nearest(images: Float[Tensor, "batch 8 8"]) -> Nearest:
    r"""Find the training image nearest to each image.

    $$ d(x) = \min_i \lVert x - x_i \rVert_2 $$

    A copy has a distance of nearly 0. How far apart different digits are, held-out images say.

    Examples:
        >>> from attnref.tasks import digits_data
        >>> from attnref.tasks.digit_drawings import nearest
        >>> nearest(digits_data.held_out_digits()[0]).distances.mean()
        tensor(1.0619)
        >>> nearest(digits_data.training_digits()[0][:3])
        Nearest(distances=tensor([0., 0., 0.]), numbers=tensor([0, 1, 2]))
    """
    digits_data.check_pixels("digit_drawings.nearest", images, 8)
    known = digits_data.training_digits()[0].to(images)
    exact = "donot_use_mm_for_euclid_dist"  # the fast way rounds the distance of equal images away from zero
    return Nearest(*torch.cdist(images.flatten(1), known.flatten(1), compute_mode=exact).min(1))


def variety(images: Float[Tensor, "batch 8 8"], digits: Int[Tensor, " batch"]) -> float:
    """The mean distance of two images of one digit, over all pairs.

    Args:
        images: From 0 for paper to 1 for ink.
        digits: The digits that they show, or are to show.

    Raises:
        ValueError: There are not two images of any digit.
    """
    digits_data.check_digits("digit_drawings.variety", images, digits)
    flat = images.flatten(1)
    each = [torch.pdist(flat[digits == digit]) for digit in range(10)]
    if not sum(map(len, each)):
        raise ValueError(
            f"digit_drawings.variety: images must be two of a digit at least, got digits {digits.tolist()}."
        )
    return torch.cat(each).mean().item()


class Effect(NamedTuple):
    """What a word of style does.

    Attributes:
        fits: Share of the drawings that the word is true of, by its rule.
        mean: Their mean ink, or their mean spread in pixels: what the rule looks at.
    """

    fits: float
    mean: float


def effect(images: Float[Tensor, "batch 8 8"], digits: Int[Tensor, " batch"], style: str) -> Effect:
    """Measure what a word of style is true of.

    Args:
        images: Drawings that were asked for with this word, or others to compare with.
        digits: The digits that were asked for.
        style: "thick", "thin", "wide" or "narrow".

    Raises:
        ValueError: There is no image, or no such word.
    """
    digits_data.check_digits("digit_drawings.effect", images, digits)
    check_choice("digit_drawings.effect", "style", style, tuple(STYLES))
    measured = MEASURES[STYLES[style][0]](images)
    return Effect(fits(images, digits, style).double().mean().item(), measured.double().mean().item())


def text_attention(
    artist: DigitArtist, phrases: Sequence[str], tokens: Int[Tensor, "batch 16"]
) -> Float[Tensor, "layers h 16 5"]:
    """What each image token attends to while it is written, mean over these drawings.

    Returns:
        The attention to the start of the text, the name, the word of style or its padding, the start of the image,
        and all image tokens before together.

    Raises:
        ValueError: There is no drawing, or no such phrase.
    """
    check_at_least("digit_drawings.text_attention", 1, phrases=len(phrases))
    weights = artist.weights(phrases, tokens).mean(0)  # (layers, h, 16, 19)
    return torch.cat((weights[..., :4], weights[..., 4:].sum(-1, keepdim=True)), dim=-1)


@torch.no_grad()
def effect_of_the_name(artist: DigitArtist, tokens: Int[Tensor, "batch 16"], digits: Int[Tensor, " batch"]) -> Tensor:
    """How much the name still says about each image token, in nats: by how much a wrong one raises the surprise.

    Args:
        artist: The artist.
        tokens: Those of images.
        digits: The digits that they show; the wrong name is that of the next digit, and of zero after nine.

    Returns:
        (16,), mean over the images.
    """
    text = encode([NAMES[digit] for digit in digits.tolist()]).to(tokens.device)
    wrong = text.clone()
    wrong[:, 0] = text[:, 0] % 10 + 1
    surprises = []
    for one in (text, wrong):
        log_p = artist.dalle(one, tokens, text_mask=one != PADDING).image_logits.log_softmax(-1)
        surprises.append(-log_p.gather(2, tokens[..., None])[..., 0].mean(0))  # (16,)
    return surprises[1] - surprises[0]
