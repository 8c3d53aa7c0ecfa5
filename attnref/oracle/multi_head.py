"""Multi-head attention, one index at a time. Vaswani et al. 2017, section 3.2.2."""

import numpy as np


def multi_head_attention(query, key, value, mask=None, *, num_heads, d_model=None, **weights):
    """Head h owns some rows of each projection: e_hij = sum_c q_hic k_hjc / sqrt(d_k), o_hic = sum_j w_hij v_hjc.

    The output is sum_h sum_c W_a(h,c) o_hic: head h owns columns h d_v to (h + 1) d_v of the output projection. Weights
    are named as in the Module's state dict, and all sizes are read off them; a bias that is left out is zero.
    """
    w_q, w_k, w_v, w_o = (weights[f"{name}_proj.weight"] for name in ("query", "key", "value", "output"))
    b_q, b_k, b_v, b_o = (
        weights.get(f"{name}_proj.bias", np.zeros(len(w)))
        for name, w in (("query", w_q), ("key", w_k), ("value", w_v), ("output", w_o))
    )
    *batch, n_q, d_x = query.shape
    n_k = key.shape[-2]
    d_k, d_v, d_model = len(w_q) // num_heads, len(w_v) // num_heads, len(w_o)
    mask = np.broadcast_to(True if mask is None else mask, (*batch, n_q, n_k))
    output = np.zeros((*batch, n_q, d_model)) + b_o
    all_weights = np.zeros((*batch, num_heads, n_q, n_k))

    def projected(w, b, row, vector):
        return b[row] + sum(w[row, c] * vector[c] for c in range(d_x))

    for *b, h in np.ndindex(*batch, num_heads):
        k = [[projected(w_k, b_k, h * d_k + c, key[*b, j]) for c in range(d_k)] for j in range(n_k)]
        v = [[projected(w_v, b_v, h * d_v + c, value[*b, j]) for c in range(d_v)] for j in range(n_k)]
        for i in range(n_q):
            q = [projected(w_q, b_q, h * d_k + c, query[*b, i]) for c in range(d_k)]
            allowed = [j for j in range(n_k) if mask[*b, i, j]]
            exp_score = {j: np.exp(sum(q[c] * k[j][c] for c in range(d_k)) / np.sqrt(d_k)) for j in allowed}
            for j in allowed:
                all_weights[*b, h, i, j] = exp_score[j] / sum(exp_score.values())
            for c in range(d_v):
                mean = sum(all_weights[*b, h, i, j] * v[j][c] for j in allowed)
                for a in range(d_model):
                    output[*b, i, a] += w_o[a, h * d_v + c] * mean
    return output, all_weights
