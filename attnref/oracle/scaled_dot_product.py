"""Scaled dot-product attention, one index at a time. Vaswani et al. 2017, section 3.2.1, equation 1."""

import numpy as np


def scaled_dot_product_attention(query, key, value, mask=None):
    """e_ij = sum_c q_ic k_jc / sqrt(d_k), w_ij = exp e_ij / sum_j' exp e_ij', o_ic = sum_j w_ij v_jc."""
    *batch, n_q, d_k = query.shape
    n_k, d_v = value.shape[-2:]
    mask = np.broadcast_to(True if mask is None else mask, (*batch, n_q, n_k))
    output, weights = np.zeros((*batch, n_q, d_v)), np.zeros((*batch, n_q, n_k))

    for *b, i in np.ndindex(*batch, n_q):
        allowed = [j for j in range(n_k) if mask[*b, i, j]]
        exp_score = {}
        for j in allowed:
            product = sum(query[*b, i, c] * key[*b, j, c] for c in range(d_k))
            exp_score[j] = np.exp(product / np.sqrt(d_k))
        for j in allowed:
            weights[*b, i, j] = exp_score[j] / sum(exp_score.values())
            for c in range(d_v):
                output[*b, i, c] += weights[*b, i, j] * value[*b, j, c]
    return output, weights
