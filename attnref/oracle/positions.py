"""Token embeddings and positions, one number at a time. Vaswani et al. 2017, sections 3.4 and 3.5."""

import numpy as np


def sinusoidal_positions(n, d_model, *, offset=0):
    """P_p,c = sin(p / 10000^(c / d_model)) for even c, and the cosine of the angle of c - 1 for odd c."""
    encoding = np.zeros((n, d_model))
    for p in range(n):
        for c in range(d_model):
            angle = (p + offset) / 10000 ** ((c - c % 2) / d_model)
            encoding[p, c] = np.cos(angle) if c % 2 else np.sin(angle)
    return encoding


def token_embedding(tokens, table):
    """x_ic = sqrt(d_model) E_t(i),c."""
    x = np.zeros((*tokens.shape, table.shape[1]))
    for at in np.ndindex(tokens.shape):
        for c in range(table.shape[1]):
            x[at][c] = np.sqrt(table.shape[1]) * table[tokens[at], c]
    return x


def learned_positions(x, table, *, offset=0):
    """y_pc = x_pc + P_p+offset,c."""
    y = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        y[at] = x[at] + table[at[-2] + offset, at[-1]]
    return y
