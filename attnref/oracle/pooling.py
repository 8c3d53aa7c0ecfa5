"""The mean of the real tokens' vectors, one number at a time. Reimers and Gurevych 2019, section 3."""

import numpy as np


def mean_pooling(x, token_mask=None):
    """y_c = sum_i m_i x_ic / sum_i m_i, for each sequence; zero where no token is real."""
    y = np.zeros((*x.shape[:-2], x.shape[-1]))
    for at in np.ndindex(x.shape[:-2]):
        real = [i for i in range(x.shape[-2]) if token_mask is None or token_mask[at][i]]
        for c in range(x.shape[-1]):
            y[at][c] = sum(x[at][i, c] for i in real) / len(real) if real else 0.0
    return y
