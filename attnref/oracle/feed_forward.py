"""The position-wise feed-forward network, one number at a time. Vaswani et al. 2017, equation 2."""

import math

import numpy as np


def feed_forward(x, w_1, b_1, w_2, b_2, *, activation="relu"):
    """y_ia = b_2,a + sum_f w_2,af act(b_1,f + sum_c w_1,fc x_ic), for each position i by itself."""
    y = np.zeros((*x.shape[:-1], len(w_2)))
    for at in np.ndindex(x.shape[:-1]):
        inner = [b_1[f] + sum(w_1[f, c] * x[at][c] for c in range(x.shape[-1])) for f in range(len(w_1))]
        active = [ACTIVATIONS[activation](z) for z in inner]
        for a in range(len(w_2)):
            y[at][a] = b_2[a] + sum(w_2[a, f] * active[f] for f in range(len(w_1)))
    return y


def gelu(z):
    """Z times the probability that a normal number is below z."""
    return z * (1 + math.erf(z / math.sqrt(2))) / 2


def gelu_tanh(z):
    """Nearly gelu: z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2, as Hendrycks and Gimpel 2016 give it."""
    return z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))) / 2


def silu(z):
    """Z times the logistic function of z."""
    return z / (1 + math.exp(-z))


ACTIVATIONS = {"relu": lambda z: max(0.0, z), "gelu": gelu, "gelu_tanh": gelu_tanh, "silu": silu}
