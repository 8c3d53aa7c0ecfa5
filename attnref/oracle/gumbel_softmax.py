"""Gumbel-softmax number by number. Jang, Gu and Poole 2016, section 2; its density: equation 3 and appendix B."""

import math

import numpy as np


def gumbel_softmax(logits, noise, temperature=1.0, hard=False):
    """y_k = exp((z_k + g_k) / tau) / sum_j exp((z_j + g_j) / tau); hard: one where z_k + g_k is largest, else zero."""
    y = np.zeros(logits.shape)
    for row in np.ndindex(*logits.shape[:-1]):
        z, g, num_codes = logits[row], noise[row], logits.shape[-1]
        largest = max(z[k] + g[k] for k in range(num_codes))
        exps = [math.exp((z[k] + g[k] - largest) / temperature) for k in range(num_codes)]
        for k in range(num_codes):
            y[(*row, k)] = float(z[k] + g[k] == largest) if hard else exps[k] / sum(exps)
    return y


def slopes(y, temperature):
    """The derivative of y_i by z_j for one sample: y_i (1 - y_i) / tau where i = j, else -y_i y_j / tau."""
    n = len(y)
    return np.array([[y[i] * (float(i == j) - y[j]) / temperature for j in range(n)] for i in range(n)])


def density(y, logits, temperature):
    """Of one sample y: (K - 1)! tau^(K - 1) (sum_k p_k / y_k^tau)^(-K) prod_k p_k / y_k^(tau + 1)."""
    num_codes = len(y)
    p = [math.exp(z) / sum(math.exp(other) for other in logits) for z in logits]
    scale = math.factorial(num_codes - 1) * temperature ** (num_codes - 1)
    total = sum(p[k] / y[k] ** temperature for k in range(num_codes))
    return scale * total ** (-num_codes) * math.prod(p[k] / y[k] ** (temperature + 1) for k in range(num_codes))


def temperature_schedule(step, num_steps, start=1.0, end=1 / 16):
    """Half a cosine: start at step 0, the mean of both half-way, end from num_steps on."""
    if step >= num_steps:
        return end
    return end + (start - end) * math.cos(math.pi * step / (2 * num_steps)) ** 2
