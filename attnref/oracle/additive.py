"""Additive attention, one index at a time. Bahdanau, Cho and Bengio 2015, section 3.1 and appendix A.1.2."""

import numpy as np


def additive_attention(query, key, value, mask=None, *, w_q, w_k, v_a):
    """e_ij = sum_a v_a tanh(sum_c W_ac q_ic + sum_c U_ac k_jc), w_ij = exp e_ij / sum_j' exp e_ij', o = w v.

    The paper's W_a is w_q, its U_a is w_k, its context vector is the output.
    """
    *batch, n_q, d_q = query.shape
    n_k, d_k = key.shape[-2:]
    d_v = value.shape[-1]
    mask = np.broadcast_to(True if mask is None else mask, (*batch, n_q, n_k))
    output, weights = np.zeros((*batch, n_q, d_v)), np.zeros((*batch, n_q, n_k))

    for *b, i in np.ndindex(*batch, n_q):
        allowed = [j for j in range(n_k) if mask[*b, i, j]]
        exp_score = {}
        for j in allowed:
            score = 0.0
            for a in range(len(v_a)):
                from_query = sum(w_q[a, c] * query[*b, i, c] for c in range(d_q))
                from_key = sum(w_k[a, c] * key[*b, j, c] for c in range(d_k))
                score += v_a[a] * np.tanh(from_query + from_key)
            exp_score[j] = np.exp(score)
        for j in allowed:
            weights[*b, i, j] = exp_score[j] / sum(exp_score.values())
            for c in range(d_v):
                output[*b, i, c] += weights[*b, i, j] * value[*b, j, c]
    return output, weights
