"""What DALL·E is trained on: the cross-entropies of the text and of the image, weighed (Ramesh et al. 2021)."""

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnref._checks import check_axes, check_floating, kind_of
from attnref._numerics import at_least_float32, divide_or_zero
from attnref.models.dalle import DALLEScores
from attnref.sequence._checks import check_number, check_token_mask, check_tokens


def dalle_loss(
    scores: DALLEScores,
    text: Int[Tensor, "batch n_text"],
    image_tokens: Int[Tensor, "batch n_image"],
    *,
    text_mask: Bool[Tensor, "batch n_text"] | None = None,
    text_weight: float = 1 / 8,
) -> Float[Tensor, ""]:
    r"""Weigh the mean cross-entropy of the text tokens against that of the image tokens.

    $$ -\frac{\lambda}{|y|} \sum_i \ln p(y_i \mid y_{<i}) - \frac{1 - \lambda}{|z|} \sum_i \ln p(z_i \mid y, z_{<i}) $$

    Each mean is over all tokens of its kind in the batch. Padding is not scored.

    Args:
        scores: What the model made of the tokens.
        text: The texts that the model read.
        image_tokens: The image tokens that it read.
        text_mask: As of `DALLE`.
        text_weight: λ, from 0 to 1. The paper's is 1/8, since it is after images.

    Returns:
        The loss, in nats for each token.

    Raises:
        TypeError: The scores are not `DALLEScores`, tokens are not integers, or the text mask is not bool.
        ValueError: Scores, tokens and mask do not fit each other, a token is outside its vocabulary, or the weight is
            not between 0 and 1.

    Examples:
        >>> import torch
        >>> from attnref.models import DALLEScores, dalle_loss
        >>> undecided = DALLEScores(torch.zeros(1, 2, 4), torch.zeros(1, 3, 32), None)  # ln 4 and ln 32 nats
        >>> text, image_tokens = torch.tensor([[3, 1]]), torch.tensor([[7, 30, 7]])
        >>> dalle_loss(undecided, text, image_tokens)
        tensor(3.2058)
        >>> (torch.tensor(4.0).log() + 7 * torch.tensor(32.0).log()) / 8
        tensor(3.2058)

    Source:
        Ramesh et al. 2021, *Zero-Shot Text-to-Image Generation*,
        [arXiv:2102.12092](https://arxiv.org/abs/2102.12092), section 2.2.
    """
    if not isinstance(scores, DALLEScores):
        raise TypeError(f"dalle_loss: scores must be the DALLEScores of a DALLE, got {kind_of(scores)}.")
    check_number("dalle_loss", 0, 1, text_weight=text_weight)
    _check("text", scores.text_logits, text, "text_vocab_size")
    _check("image", scores.image_logits, image_tokens, "num_codes")
    check_token_mask("dalle_loss", "text_mask", text_mask, text)

    of_text = _surprise(scores.text_logits, text)  # (batch, n_text)
    of_image = _surprise(scores.image_logits, image_tokens).mean()
    if text_mask is not None:
        of_text = divide_or_zero((of_text * text_mask).sum(), text_mask.sum())
    loss = text_weight * of_text.mean() + (1 - text_weight) * of_image
    return loss.to(scores.image_logits.dtype)


def _surprise(logits: Tensor, tokens: Tensor) -> Tensor:
    """-ln p of each token."""
    return nn.functional.cross_entropy(at_least_float32(logits).movedim(-1, 1), tokens.long(), reduction="none")


def _check(kind: str, logits: Tensor, tokens: Tensor, size: str) -> None:
    """A score for each token of the vocabulary, for each token that was read."""
    name = "text" if kind == "text" else "image_tokens"
    check_axes("dalle_loss", f"{kind}_logits", logits, f"(batch, n_{kind}, {size})", exactly=3)
    check_floating("dalle_loss", **{f"{kind}_logits": logits})
    check_tokens("dalle_loss", name, tokens, logits.shape[-1])
    if logits.shape[:2] != tokens.shape:
        given = f"{kind}_logits {tuple(logits.shape)}, {name} {tuple(tokens.shape)}"
        raise ValueError(f"dalle_loss: {kind}_logits and {name} must agree in batch and n_{kind}, got {given}.")
