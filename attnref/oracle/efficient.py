"""Efficient attention, one index at a time. Shen et al. 2018, section 3.2."""

import numpy as np


def efficient_attention(query, key, value, mask=None, *, normalization="softmax"):
    """E_ie = sum_c rho_q(Q)_ic G_ce, where G_ce = sum_j rho_k(K)_jc V_je over the keys that are not masked.

    softmax: rho_q(Q)_ic = exp Q_ic / sum_c' exp Q_ic', rho_k(K)_jc = exp K_jc / sum_j' exp K_j'c.
    scaling: rho_q(Q)_ic = Q_ic / sqrt n, rho_k(K)_jc = K_jc / sqrt n, with n keys that are not masked.
    From the exponents the max of their softmax is subtracted, which cancels: large ones would overflow without it.
    """
    *batch, n_q, d_k = query.shape
    n_k, d_v = value.shape[-2:]
    mask = np.broadcast_to(True if mask is None else mask, (*batch, 1, n_k))
    output = np.zeros((*batch, n_q, d_v))

    for b in np.ndindex(*batch):
        real = [j for j in range(n_k) if mask[*b, 0, j]]
        for i in range(n_q):
            query_max = max((query[*b, i, a] for a in range(d_k)), default=0.0)
            for c in range(d_k):
                key_max = max((key[*b, a, c] for a in real), default=0.0)
                for j in real:
                    if normalization == "softmax":
                        rho_q = np.exp(query[*b, i, c] - query_max)
                        rho_q /= sum(np.exp(query[*b, i, a] - query_max) for a in range(d_k))
                        rho_k = np.exp(key[*b, j, c] - key_max) / sum(np.exp(key[*b, a, c] - key_max) for a in real)
                    else:
                        rho_q = query[*b, i, c] / np.sqrt(len(real))
                        rho_k = key[*b, j, c] / np.sqrt(len(real))
                    for e in range(d_v):
                        output[*b, i, e] += rho_q * rho_k * value[*b, j, e]
    return output, None


def efficient_attention2d(x, token_mask=None, *, num_heads, normalization="softmax", **weights):
    """y_b,o,r,s = x_b,o,r,s + a_o + sum_h,e W_o,(h e) E_h,(r s),e, each pixel (r, s) a position and each h a head.

    Queries, keys and values are 1 x 1 convolutions, P_b,p,r,s = a_p + sum_c W_p,c x_b,c,r,s; head h owns the rows
    p = h d to (h + 1) d - 1. Weights have the names of the Module.
    """
    batch, channels, height, width = x.shape
    pixels = [(r, s) for r in range(height) for s in range(width)]

    def project(name, b, h, d):
        weight, bias = weights[f"{name}_proj.weight"], weights[f"{name}_proj.bias"]
        rows = np.zeros((len(pixels), d))
        for i, (r, s) in enumerate(pixels):
            for c in range(d):
                p = h * d + c
                rows[i, c] = bias[p] + sum(weight[p, a, 0, 0] * x[b, a, r, s] for a in range(channels))
        return rows

    d_k = len(weights["key_proj.bias"]) // num_heads
    d_v = len(weights["value_proj.bias"]) // num_heads
    output = x + weights["output_proj.bias"][:, None, None]
    for b in range(batch):
        real = None if token_mask is None else np.array([[token_mask[b, r, s] for r, s in pixels]])
        for h in range(num_heads):
            query, key, value = (project(name, b, h, d) for name, d in (("query", d_k), ("key", d_k), ("value", d_v)))
            attended, _ = efficient_attention(query, key, value, real, normalization=normalization)
            for i, (r, s) in enumerate(pixels):
                for o in range(channels):
                    for e in range(d_v):
                        output[b, o, r, s] += weights["output_proj.weight"][o, h * d_v + e, 0, 0] * attended[i, e]
    return output
