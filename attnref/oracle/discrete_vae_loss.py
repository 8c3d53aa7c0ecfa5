"""The loss of a discrete VAE, term by term. Ramesh et al. 2021, section 2, equation 1, with a squared error."""

import math

import numpy as np


def discrete_vae_loss(images, reconstruction, logits, beta):
    """The mean of (x - x')^2 over all pixels, and beta times the mean over all patches of the divergence."""
    error = sum((images[i] - reconstruction[i]) ** 2 for i in np.ndindex(*images.shape)) / images.size
    patches = list(np.ndindex(*logits.shape[:-1]))
    return error + beta * sum(divergence_from_uniform(logits[i]) for i in patches) / len(patches)


def divergence_from_uniform(z):
    """KL(q || uniform) = sum_k q_k log(q_k / (1 / K)), where q_k = exp(z_k) / sum_j exp(z_j)."""
    num_codes = len(z)
    log_total = max(z) + math.log(sum(math.exp(one - max(z)) for one in z))
    return sum(math.exp(one - log_total) * (one - log_total + math.log(num_codes)) for one in z)
