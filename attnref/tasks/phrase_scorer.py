"""How well a phrase says what a digit looks like: a small contrastive model, as CLIP is a large one."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attnref._checks import check_size
from attnref.tasks import _recipe, digits_data
from attnref.tasks.digit_judge import convolution
from attnref.tasks.digits_from_names_data import PADDING, WORDS, phrases_of

SCORER_STEPS, RATE = 300, 4e-3


class PhraseScorer(nn.Module):
    r"""Give images and phrases a vector each, of length 1; their product says how well they match.

    $$ s_{ij} = \frac{e^{t}\; a_i \cdot b_j}{\lVert a_i \rVert \, \lVert b_j \rVert} $$

    The vector of a phrase is made of the sum of its words; that of an image by two convolutions.

    Args:
        d_score: Size of the vectors.
        channels: Channels of the first convolution; the second has twice as many.

    Examples:
        >>> import torch
        >>> from attnref.tasks.digits_from_names_data import encode
        >>> from attnref.tasks.phrase_scorer import PhraseScorer
        >>> PhraseScorer().eval()(torch.rand(3, 8, 8), encode(["three", "three, thick"])).shape  # not trained yet
        torch.Size([3, 2])

    Source:
        Radford et al. 2021, *Learning Transferable Visual Models From Natural Language Supervision*,
        [arXiv:2103.00020](https://arxiv.org/abs/2103.00020), figure 3.
    """

    def __init__(self, d_score: int = 32, channels: int = 16) -> None:
        super().__init__()
        self.body = nn.Sequential(*convolution(1, channels), *convolution(channels, 2 * channels))
        self.image_proj = nn.Linear(8 * channels, d_score)
        self.words = nn.Embedding(len(WORDS), 2 * d_score, padding_idx=PADDING)
        self.phrase_proj = nn.Sequential(nn.GELU(), nn.Linear(2 * d_score, d_score))
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())

    def forward(
        self, images: Float[Tensor, "n_images height width"], phrases: Int[Tensor, "n_phrases 2"]
    ) -> Float[Tensor, "n_images n_phrases"]:
        """Score every image with every phrase.

        Args:
            images: 8 x 8 pixels, from 0 for paper to 1 for ink.
            phrases: Tokens, as of `digits_from_names_data.encode`.

        Raises:
            TypeError: The images are not of the dtype of the weights.
            ValueError: The images are not (n_images, 8, 8), or the phrases not (n_phrases, 2).
        """
        digits_data.check_pixels("PhraseScorer", images, 8, weights=self.image_proj.weight)
        check_size("PhraseScorer", "n_text", 2, "phrases", phrases, 1)
        of_image = self.image_proj(self.body(images[:, None]).flatten(1))  # (n_images, d_score)
        of_phrase = self.phrase_proj(self.words(phrases).sum(1))  # (n_phrases, d_score)
        normalize = nn.functional.normalize
        return self.log_scale.exp() * normalize(of_image, dim=-1) @ normalize(of_phrase, dim=-1).T

    @torch.no_grad()
    def score(self, images: Float[Tensor, "*batch 8 8"], phrase: Int[Tensor, "2"]) -> Float[Tensor, "*batch"]:
        """Score images with one phrase. No gradient is kept."""
        return self(images.flatten(0, -3), phrase[None])[:, 0].unflatten(0, images.shape[:-2])


class Group(NamedTuple):
    """Phrases that exclude each other, and an image for each of them.

    Attributes:
        images: (n, 8, 8).
        phrases: (n, 2).
    """

    images: Tensor
    phrases: Tensor


def groups(steps: int, seed: int) -> Iterator[list[Group]]:
    """For each step three groups, each with an image of every phrase of its kind, all different.

    The ten names; names with "thick" and "thin"; names with "wide" and "narrow". Within a group no phrase is true of
    another one's image, which would be so of "three" and an image drawn for "three, thick".
    """
    generator = torch.Generator().manual_seed(seed)
    images, digits = digits_data.training_digits()
    kinds = []
    for kind in range(3):
        phrases = phrases_of(images, digits, torch.full_like(digits, kind))
        different = phrases.unique(dim=0)
        kinds.append((different, [(phrases == one).all(1).nonzero()[:, 0] for one in different]))
    for _ in range(steps):
        drawn = []
        for different, rows in kinds:
            chosen = [row[torch.randint(len(row), (), generator=generator)] for row in rows]
            noise = 0.1 * torch.randn(len(chosen), 8, 8, generator=generator)
            drawn.append(Group(images[torch.stack(chosen)] + noise, different))
        yield drawn


def contrastive_loss(scores: Float[Tensor, "n n"]) -> Float[Tensor, ""]:
    """The surprise at the right phrase of each image and at the right image of each phrase, mean of the two."""
    right = torch.arange(len(scores), device=scores.device)
    return (nn.functional.cross_entropy(scores, right) + nn.functional.cross_entropy(scores.T, right)) / 2


def train_scorer(scorer: PhraseScorer, seed: int, *, steps: int = SCORER_STEPS, progress: bool = True) -> list[float]:
    """Train a scorer on the training images: AdamW, one cycle of the learning rate, gradients clipped to norm 1.

    Returns the loss of each step; the scorer is in evaluation mode then.
    """
    device = scorer.log_scale.device

    def loss_of(drawn: list[Group]) -> Tensor:
        each = [contrastive_loss(scorer(images.to(device), phrases.to(device))) for images, phrases in drawn]
        return torch.stack(each).mean()

    losses = _recipe.fit(scorer, groups(steps, seed), loss_of, steps=steps, rate=RATE, progress=progress)
    scorer.eval()
    return losses
