"""The three scores, one index at a time. Luong, Pham and Manning 2015, section 3.1, equation 7."""

import numpy as np


def dot_attention(query, key, value, mask=None):
    """e_ij = sum_c q_ic k_jc."""

    def score(q, k):
        return sum(q[c] * k[c] for c in range(len(q)))

    return _attend(query, key, value, mask, score)


def general_attention(query, key, value, mask=None, *, w_a):
    """e_ij = sum_c sum_c' q_ic W_cc' k_jc'."""

    def score(q, k):
        return sum(q[c] * w_a[c, d] * k[d] for c in range(len(q)) for d in range(len(k)))

    return _attend(query, key, value, mask, score)


def concat_attention(query, key, value, mask=None, *, w_a, v_a):
    """e_ij = sum_a v_a tanh(sum_c W_ac [q_i; k_j]_c): the query's numbers first, then the key's."""

    def score(q, k):
        both = [*q, *k]
        return sum(v_a[a] * np.tanh(sum(w_a[a, c] * both[c] for c in range(len(both)))) for a in range(len(v_a)))

    return _attend(query, key, value, mask, score)


def _attend(query, key, value, mask, score):
    """w_ij = exp e_ij / sum_j' exp e_ij', o_i = sum_j w_ij v_j, over the keys that the query may attend to.

    The paper's h_t is the query, its h_s are the keys and the values, its context vector c_t is the output.
    """
    *batch, n_q, _ = query.shape
    n_k, d_v = value.shape[-2:]
    mask = np.broadcast_to(True if mask is None else mask, (*batch, n_q, n_k))
    output, weights = np.zeros((*batch, n_q, d_v)), np.zeros((*batch, n_q, n_k))

    for *b, i in np.ndindex(*batch, n_q):
        allowed = [j for j in range(n_k) if mask[*b, i, j]]
        exp_score = {j: np.exp(score(query[*b, i], key[*b, j])) for j in allowed}
        for j in allowed:
            weights[*b, i, j] = exp_score[j] / sum(exp_score.values())
            for c in range(d_v):
                output[*b, i, c] += weights[*b, i, j] * value[*b, j, c]
    return output, weights
