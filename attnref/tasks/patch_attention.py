"""Where the class token of a trained Vision Transformer looks, and whether what it looks at matters to the answer."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from attnref._checks import check_at_least, check_same_size
from attnref.models import attention_rollout
from attnref.tasks import digits_data
from attnref.tasks.digit_patches import PATCH, SIZE
from attnref.tasks.digits_vit import DigitViT

SIDE = SIZE // PATCH  # patches along one side of an image


@torch.no_grad()
def deletion_effects(reader: DigitViT, images: Float[Tensor, "batch height width"]) -> Float[Tensor, "batch n 10"]:
    """How much each logit falls when a patch is deleted: its token, with its position, is taken out of the sequence.

    A patch painted white would still be a token that says *there is no ink here*. Taken out, it says nothing.

    Args:
        reader: A trained reader.
        images: 8 x 8 pixels, from 0 for paper to 1 for ink.

    Returns:
        For each patch, the logit with it minus the logit without it; positive where the patch speaks for a digit.

    Raises:
        TypeError, ValueError: As of `DigitViT`.

    Examples:
        >>> from attnref import tasks
        >>> from attnref.tasks.digits_data import held_out_digits
        >>> from attnref.tasks.patch_attention import deletion_effects
        >>> deletion_effects(tasks.load("digits_vit"), held_out_digits()[0][:2]).shape
        torch.Size([2, 16, 10])

    Source:
        Zeiler and Fergus 2014, *Visualizing and Understanding Convolutional Networks*,
        [arXiv:1311.2901](https://arxiv.org/abs/1311.2901), section 4.2, cover a patch with gray; here it is gone.
    """
    whole, tokens = _embedded(reader, images)
    first = tokens.shape[1] - SIDE**2  # 1 after a class token
    kept = ~torch.eye(tokens.shape[1], dtype=torch.bool, device=tokens.device)[first:]
    return torch.stack([whole - _logits(reader, tokens[:, keep]) for keep in kept], dim=1)


def maps(reader: DigitViT, images: Float[Tensor, "batch height width"]) -> dict[str, Float[Tensor, "batch n"]]:
    r"""Guesses how important each patch is for the answer, by the name of the guess.

    "ink" is the sum of the patch's pixels, which knows nothing of the model. "first layer", "last layer" and "all
    layers" are the attention of the class token to the patches, the mean over heads (and layers). "rollout" is the
    class token's row of `attention_rollout`. "gradient" is the derivative of the answer's logit along each embedded
    patch, $x_i \cdot \partial y / \partial x_i$, the only one that knows which digit is asked about.

    Raises:
        TypeError, ValueError: As of `DigitViT`, or the reader has no class token or forms no weights.
    """
    _check_forms("patch_attention.maps", reader)
    if reader.vit.class_token is None:
        raise ValueError(f"patch_attention.maps: reader must have a class token, got pool {reader.recipe['pool']!r}.")
    weights = reader.read(images).weights
    assert weights is not None
    looked = weights.mean(2)[..., 0, 1:]  # (batch, num_layers, n)
    _, tokens = _embedded(reader, images)
    tokens = tokens.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(_logits(reader, tokens).amax(-1).sum(), tokens)
    ink = images.unflatten(2, (SIDE, PATCH)).unflatten(1, (SIDE, PATCH)).sum((2, 4)).flatten(1)
    rollout = attention_rollout(list(weights.unbind(1)))[:, 0, 1:]
    found = {"ink": ink, "first layer": looked[:, 0], "last layer": looked[:, -1], "all layers": looked.mean(1)}
    return found | {"rollout": rollout, "gradient": (slope * tokens.detach()).sum(-1)[:, 1:]}


def rank_correlation(a: Float[Tensor, "*#batch n"], b: Float[Tensor, "*#batch n"]) -> Float[Tensor, "*batch"]:
    """Spearman's correlation of each pair of rows: 1 if they rank alike, 0 for no relation; equal values share a rank.

    Raises:
        ValueError: The rows are not equally long.

    Examples:
        >>> import torch
        >>> from attnref.tasks.patch_attention import rank_correlation
        >>> a, b = torch.tensor([1.0, 2.0, 30.0]), torch.tensor([[4.0, 5.0, 6.0], [6.0, 5.0, 4.0]])
        >>> rank_correlation(a, b).round(decimals=3)
        tensor([ 1., -1.])
    """
    check_same_size("rank_correlation", "n", a=(a, -1), b=(b, -1))
    ranks = [
        ((x[..., None] > x[..., None, :]).float() - (x[..., None] < x[..., None, :]).float()).sum(-1) for x in (a, b)
    ]
    return torch.cosine_similarity(*ranks, dim=-1, eps=1e-12)


class Agreement(NamedTuple):
    """How well a guess finds the patches that matter, over all images.

    Attributes:
        answer: Rank correlation with the fall of the answer's logit when a patch is deleted, mean over the images.
        size: The same with the size of the change, whether the logit falls or rises.
        second: The same as `answer`, with the logit of the second best digit.
        top: Share of images whose patch with the largest guess is the one whose deletion costs the answer most; by
            chance 1/16.
    """

    answer: float
    size: float
    second: float
    top: float


def agreements(reader: DigitViT, images: Float[Tensor, "batch height width"]) -> dict[str, Agreement]:
    """How well each of the `maps` agrees with `deletion_effects`, and how well "position" does.

    "position" is the same for all images: the mean effect of each patch over 500 training digits.

    Raises:
        TypeError, ValueError: As of `maps`, or there is no image.
    """
    check_at_least("patch_attention.agreements", 1, images=len(images))
    answer, second = _of_best_two(reader, images)
    known, _ = digits_data.training_digits()
    usual = _of_best_two(reader, known[:500].to(images))[0].mean(0).expand_as(answer)
    return {
        name: Agreement(
            rank_correlation(guess, answer).mean().item(),
            rank_correlation(guess, answer.abs()).mean().item(),
            rank_correlation(guess, second).mean().item(),
            (guess.argmax(-1) == answer.argmax(-1)).float().mean().item(),
        )
        for name, guess in ({"position": usual} | maps(reader, images)).items()
    }


def _of_best_two(reader: DigitViT, images: Tensor) -> tuple[Tensor, Tensor]:
    """The effects on the logits of the best and of the second best digit, (batch, n) each."""
    best = reader.read(images).confidence.topk(2).indices  # (batch, 2)
    answer, second = deletion_effects(reader, images).gather(2, best[:, None].expand(-1, SIDE**2, -1)).unbind(-1)
    return answer, second


def distances(reader: DigitViT, images: Float[Tensor, "batch height width"]) -> Float[Tensor, "num_layers h"]:
    """How far each head looks: the mean distance of patch and attended patch, in pixels, weighted by attention.

    The class token has no position in the image and is left out, as a query and as a key.

    Raises:
        TypeError, ValueError: As of `DigitViT`, or the reader forms no weights.

    Source:
        Dosovitskiy et al. 2020, [arXiv:2010.11929](https://arxiv.org/abs/2010.11929), section 4.5 and figure 7, right.
    """
    check_at_least("patch_attention.distances", 1, images=len(images))
    _check_forms("patch_attention.distances", reader)
    weights = reader.read(images).weights
    assert weights is not None
    among = weights[..., -(SIDE**2) :, -(SIDE**2) :]  # (batch, num_layers, h, n, n)
    among = among / among.sum(-1, keepdim=True)
    return (among * apart(among)).sum(-1).mean((0, -1))


def apart(like: Tensor) -> Float[Tensor, "n n"]:
    """Distance between the middles of each two patches, in pixels."""
    at = PATCH * torch.cartesian_prod(torch.arange(SIDE), torch.arange(SIDE)).to(like)
    return torch.cdist(at, at)


def _check_forms(who: str, reader: DigitViT) -> None:
    """The reader's attention forms weights."""
    if reader.recipe["attend"] != "softmax":
        raise ValueError(f"{who}: reader must form its attention weights, got attend {reader.recipe['attend']!r}.")


def _embedded(reader: DigitViT, images: Tensor) -> tuple[Tensor, Tensor]:
    """The logits, and what the encoder reads: class token, if there is one, and patches, with their positions."""
    digits_data.check_pixels("DigitViT", images, SIZE, weights=reader.vit.positions.weight)
    x = reader.vit.patches(images[:, None])
    if reader.vit.class_token is not None:
        x, _ = reader.vit.class_token(x)
    x = reader.vit.positions(x)
    return _logits(reader, x), x


def _logits(reader: DigitViT, tokens: Tensor) -> Tensor:
    """What the encoder and the head make of these tokens."""
    x, _ = reader.vit.encoder(tokens)
    return reader.vit.head(x.mean(1) if reader.vit.class_token is None else x[:, 0])
