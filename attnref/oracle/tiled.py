"""Tiled attention, one key at a time. Milakov and Gimelshein 2018, algorithm 3; Rabe and Staats 2021, section 3."""

import numpy as np


def tiled_attention(query, key, value, mask=None, *, block=1):
    """For each key: m' = max(m, e_ij), l' = l exp(m - m') + exp(e_ij - m'), a' = a exp(m - m') + exp(e_ij - m') v_j.

    m is the max score so far, l the sum of exponentials, a the weighted sum of values; at the end o_i = a / l. A block
    here is one key, whatever is asked for.
    """
    *batch, n_q, d_k = query.shape
    n_k, d_v = value.shape[-2:]
    mask = np.broadcast_to(True if mask is None else mask, (*batch, n_q, n_k))
    output = np.zeros((*batch, n_q, d_v))

    for *b, i in np.ndindex(*batch, n_q):
        row_max, row_sum, acc = -np.inf, 0.0, np.zeros(d_v)
        for j in range(n_k):
            if not mask[*b, i, j]:
                continue
            score = sum(query[*b, i, c] * key[*b, j, c] for c in range(d_k)) / np.sqrt(d_k)
            previous, row_max = row_max, max(row_max, score)
            row_sum = row_sum * np.exp(previous - row_max) + np.exp(score - row_max)
            for c in range(d_v):
                acc[c] = acc[c] * np.exp(previous - row_max) + np.exp(score - row_max) * value[*b, j, c]
        for c in range(d_v):
            output[*b, i, c] = acc[c] / row_sum if row_sum else 0.0
    return output, None
