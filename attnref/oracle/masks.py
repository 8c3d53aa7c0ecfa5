"""Masks and the softmax under a mask, one entry at a time. Vaswani et al. 2017, section 3.2.3."""

import numpy as np


def causal_mask(n_q, n_k=None, *, offset=0):
    """Query i may attend to key j where j <= i + offset."""
    n_k = n_q if n_k is None else n_k
    mask = np.zeros((n_q, n_k), dtype=bool)
    for i in range(n_q):
        for j in range(n_k):
            mask[i, j] = j <= i + offset
    return mask


def window_mask(n_q, n_k=None, *, width, offset=0):
    """Query i may attend to key j where j is fewer than width positions from i + offset."""
    n_k = n_q if n_k is None else n_k
    mask = np.zeros((n_q, n_k), dtype=bool)
    for i in range(n_q):
        for j in range(n_k):
            mask[i, j] = i + offset - width < j < i + offset + width
    return mask


def padding_mask(lengths, n_k):
    """Every query of sample b may attend to its first lengths[b] keys."""
    lengths = np.asarray(lengths)
    mask = np.zeros((*lengths.shape, 1, n_k), dtype=bool)
    for b in np.ndindex(lengths.shape):
        for j in range(n_k):
            mask[*b, 0, j] = j < lengths[b]
    return mask


def masked_softmax(scores, mask=None):
    """The softmax over the keys a query may attend to; zeros where there are none.

    w_ij = exp(e_ij - m_i) / sum_j' exp(e_ij' - m_i) with m_i the max score of the row, which cancels: large scores
    would overflow without it.
    """
    *batch, n_q, n_k = scores.shape
    mask = np.broadcast_to(True if mask is None else mask, scores.shape)
    weights = np.zeros(scores.shape)
    for *b, i in np.ndindex(*batch, n_q):
        allowed = [j for j in range(n_k) if mask[*b, i, j]]
        row_max = max((scores[*b, i, j] for j in allowed), default=0.0)
        total = sum(np.exp(scores[*b, i, j] - row_max) for j in allowed)
        for j in allowed:
            weights[*b, i, j] = np.exp(scores[*b, i, j] - row_max) / total
    return weights
