"""From a text to images: image tokens are written, decoded, and the best of them kept (Ramesh et al. 2021)."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from attnref._checks import check_at_least, check_axes, check_floating, check_same_size, has_values, kind_of, listed
from attnref.models.dalle import DALLE
from attnref.sequence._checks import check_generator, check_number
from attnref.transformer.decoding import generate


@torch.no_grad()
def generate_images(
    dalle: DALLE,
    vae: nn.Module,
    text: Int[Tensor, "batch n_text"],
    *,
    text_mask: Bool[Tensor, "batch n_text"] | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    generator: torch.Generator | None = None,
    cache: bool = True,
) -> Float[Tensor, "batch channels height width"]:
    r"""Write the image tokens of each text, one by one, and decode them to pixels.

    $$ z_i \sim \operatorname{softmax}(\text{logits}(y, z_{<i}) / T) \qquad \text{image} = \operatorname{decode}(z) $$

    For several images of one text, repeat it: `text.expand(8, -1)`. Both models are to be set to `eval()` before.

    Args:
        dalle: The decoder.
        vae: What turns image tokens into images by its method `decode`: the `DiscreteVAE` whose tokens the decoder was
            trained on.
        text: The texts.
        text_mask: As of `DALLE`.
        temperature: See `attnref.scale_temperature`; 1 in the paper.
        top_k: See `attnref.keep_top_k`.
        generator: The source of randomness. Without one, each token is the one of the highest score.
        cache: As of `DALLE.start`.

    Returns:
        One image for each text.

    Raises:
        TypeError: `dalle` is not a `DALLE`, `vae` has no decode, or an option is not of its kind.
        ValueError: As of `DALLE.start`, the two models differ in their grid or number of codes, or an option is out of
            its bounds or needs a generator.

    Examples:
        >>> import torch
        >>> from attnref.models import DALLE, generate_images
        >>> class Tiles(torch.nn.Module):  # a stand-in for a DiscreteVAE: each token is a gray pixel
        ...     def decode(self, tokens):
        ...         return tokens.unflatten(1, (1, 3, 4)) / 8
        >>> model = DALLE(20, 8, n_text=5, grid=(3, 4), d_model=8, num_heads=2, d_ff=32, num_layers=1)
        >>> generate_images(model, Tiles(), torch.randint(20, (2, 5)), generator=torch.Generator()).shape
        torch.Size([2, 1, 3, 4])

    Source:
        Ramesh et al. 2021, *Zero-Shot Text-to-Image Generation*,
        [arXiv:2102.12092](https://arxiv.org/abs/2102.12092), section 2.6; top-k is not the paper's.
    """
    _check(dalle, vae, temperature, top_k, generator)
    start = dalle.start(text, text_mask, cache=cache)
    if generator is not None:
        check_generator("generate_images", generator, text)

    prompt = text.new_full((text.shape[0], 1), dalle.start_of_image)
    n_image = dalle.grid[0] * dalle.grid[1]
    options = {"temperature": temperature, "top_k": top_k, "generator": generator}
    written = generate(start, prompt, max_new_tokens=n_image, **options).tokens[:, 1:]  # (batch, n_image)
    return vae.decode(written)  # pyright: ignore[reportCallIssue]


class Reranked(NamedTuple):
    """The best candidates, the best one first.

    Attributes:
        candidates: (batch, k, ...).
        scores: Their scores, (batch, k).
        chosen: Their numbers among all candidates, (batch, k).
    """

    candidates: Shaped[Tensor, "batch k *rest"]
    scores: Float[Tensor, "batch k"]
    chosen: Int[Tensor, "batch k"]


def rerank(
    candidates: Shaped[Tensor, "batch candidates *rest"], scores: Float[Tensor, "batch candidates"], k: int = 1
) -> Reranked:
    r"""Keep the k best of many candidates by scores that another model gave them.

    The paper draws 512 images of each text, and scores each by a contrastive model: how well does it match the text?

    Args:
        candidates: Images, or the tokens of images: several for each text.
        scores: A score for each of them; the highest is the best.
        k: How many to keep.

    Returns:
        The best candidates, their scores and their numbers. Of equal scores the first one counts as better.

    Raises:
        TypeError: The scores are not floating point, or k is not an int.
        ValueError: Candidates and scores differ in batch or in number, a score is NaN, or k is less than one or more
            than there are candidates.

    Examples:
        >>> import torch
        >>> from attnref.models import rerank
        >>> images, scores = torch.randn(1, 4, 3, 8, 8), torch.tensor([[0.1, 0.7, 0.2, 0.4]])
        >>> best = rerank(images, scores, k=2)
        >>> best.chosen, best.candidates.shape
        (tensor([[1, 3]]), torch.Size([1, 2, 3, 8, 8]))

    Source:
        Ramesh et al. 2021, *Zero-Shot Text-to-Image Generation*,
        [arXiv:2102.12092](https://arxiv.org/abs/2102.12092), section 2.6; the contrastive model: Radford et al. 2021,
        *Learning Transferable Visual Models From Natural Language Supervision*,
        [arXiv:2103.00020](https://arxiv.org/abs/2103.00020).
    """
    check_axes("rerank", "candidates", candidates, "(batch, candidates, ...)", at_least=2)
    check_axes("rerank", "scores", scores, "(batch, candidates)", exactly=2)
    check_floating("rerank", scores=scores)
    check_same_size("rerank", "batch", candidates=(candidates, 0), scores=(scores, 0))
    check_same_size("rerank", "the number of candidates", candidates=(candidates, 1), scores=(scores, 1))
    check_at_least("rerank", 1, k=k)
    if k > scores.shape[1]:
        raise ValueError(f"rerank: k must be at most the number of candidates={scores.shape[1]}, got {k}.")
    if has_values(scores) and bool(scores.isnan().any()):
        raise ValueError(f"rerank: scores must not be NaN, got NaN at {scores.isnan().nonzero()[0].tolist()}.")

    chosen = scores.argsort(dim=1, descending=True, stable=True)[:, :k]  # (batch, k)
    texts = torch.arange(scores.shape[0], device=scores.device)[:, None]  # (batch, 1)
    return Reranked(candidates[texts, chosen], scores[texts, chosen], chosen)


def _check(
    dalle: object, vae: object, temperature: float, top_k: int | None, generator: torch.Generator | None
) -> None:
    """The two models fit each other; what changes only what is drawn needs a generator."""
    who = "generate_images"
    if not isinstance(dalle, DALLE):
        raise TypeError(f"{who}: dalle must be a DALLE, got {kind_of(dalle)}.")
    if isinstance(vae, type) or not callable(getattr(vae, "decode", None)):
        raise TypeError(f"{who}: vae must have a method decode(image_tokens), as DiscreteVAE, got {kind_of(vae)}.")
    for name in ("grid", "num_codes"):
        ours, theirs = getattr(dalle, name), getattr(vae, name, None)
        if theirs is not None and theirs != ours:
            raise ValueError(f"{who}: dalle and vae must agree in {name}, got {ours} and {theirs}.")
    check_number(who, 0, above=True, temperature=temperature)
    if top_k is not None:
        check_at_least(who, 1, top_k=top_k)
    given = [f"temperature={temperature}"] * (temperature != 1) + [f"top_k={top_k}"] * (top_k is not None)
    if generator is None and given:
        raise ValueError(f"{who}: temperature and top_k need a generator to draw with, got none and {listed(given)}.")
