"""The loss of a discrete VAE: squared error, and the divergence from equally likely codes (Ramesh et al. 2021)."""

import math

from jaxtyping import Float
from torch import Tensor

from attnref._checks import check_axes, check_floating, check_same_size, shape_of
from attnref._numerics import at_least_float32
from attnref.sequence._checks import check_number


def discrete_vae_loss(
    images: Float[Tensor, "batch channels height width"],
    reconstruction: Float[Tensor, "batch channels height width"],
    logits: Float[Tensor, "batch n num_codes"],
    *,
    beta: float,
) -> Float[Tensor, ""]:
    r"""The squared error of the pixels, and a price for being sure of the codes.

    $$ \operatorname*{mean}_\text{pixels} (x - \hat x)^2 + \beta \operatorname*{mean}_\text{patches}
       \operatorname{KL}(q \,\|\, \text{uniform}) \qquad
       \operatorname{KL}(q \,\|\, \text{uniform}) = \log K + \sum_k q_k \log q_k \qquad q = \operatorname{softmax}(z) $$

    The second term is zero where all K codes are equally likely, and log K where one is certain. The paper's error is
    the negative log likelihood of a logit-Laplace distribution, and its $\beta$ is 6.6 for sums over pixels and
    patches: a weight of 6.6 / 192 for the means of here, since a patch of 8 x 8 pixels in 3 colors has 192 numbers.

    Args:
        images: What was encoded.
        reconstruction: What was decoded.
        logits: The scores of the codes, as `DiscreteVAE` returns them.
        beta: The weight of the second term, not below zero.

    Returns:
        The loss, to be minimized.

    Raises:
        TypeError: The tensors are not of one floating dtype, or `beta` is not a number.
        ValueError: The images and the reconstruction differ in shape, the batches differ, or `beta` is below zero.

    Examples:
        >>> import torch
        >>> from attnref.models import discrete_vae_loss
        >>> images, logits = torch.ones(1, 1, 2, 2), torch.tensor([[[0.0, 0.0]]])
        >>> discrete_vae_loss(images, 0.5 * images, logits, beta=1.0)  # 0.5 ** 2, and nothing for equal codes
        tensor(0.2500)
        >>> discrete_vae_loss(images, 0.5 * images, torch.tensor([[[99.0, 0.0]]]), beta=1.0)  # log(2) for a certain one
        tensor(0.9431)

    Source:
        Ramesh et al. 2021, *Zero-Shot Text-to-Image Generation*,
        [arXiv:2102.12092](https://arxiv.org/abs/2102.12092), section 2, equation 1, section 2.1 and appendix A.
    """
    who = "discrete_vae_loss"
    form = "(batch, channels, height, width)"
    check_axes(who, "images", images, form, exactly=4)
    check_axes(who, "reconstruction", reconstruction, form, exactly=4)
    check_axes(who, "logits", logits, "(batch, n, num_codes)", exactly=3)
    check_floating(who, images=images, reconstruction=reconstruction, logits=logits)
    if images.shape != reconstruction.shape:
        given = f"images {shape_of(images)}, reconstruction {shape_of(reconstruction)}"
        raise ValueError(f"{who}: the reconstruction must have the shape of the images, got {given}.")
    check_same_size(who, "batch", images=(images, 0), logits=(logits, 0))
    check_number(who, 0, beta=beta)

    error = (at_least_float32(images) - at_least_float32(reconstruction)).square().mean()
    log_q = at_least_float32(logits).log_softmax(-1)  # (batch, n, num_codes)
    kl = math.log(logits.shape[-1]) + (log_q.exp() * log_q).sum(-1)  # (batch, n)
    return (error + beta * kl.mean()).to(reconstruction.dtype)
