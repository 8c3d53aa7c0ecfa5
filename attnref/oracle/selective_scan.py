"""The selective scan, one number at a time. Gu and Dao 2023, section 2, equation 4, and section 3.2, algorithm 2."""

import numpy as np


def selective_scan(x, delta, a, b, c, d_skip=None, state=None, *, discretize="euler", token_mask=None):
    """y_ie = sum_s c_is h_ies + d_e x_ie; h is what the state's equation h' = a h + b x makes of it in a time delta_ie.

    zoh: x is held during the step; euler: what b x adds is added at once, delta_ie b_is x_ie.
    """
    batch, n, d = x.shape
    d_state = a.shape[1]
    y, last = np.zeros((batch, n, d)), np.zeros((batch, d, d_state))
    for k, e in np.ndindex(batch, d):
        h = [0.0 if state is None else state[k, e, s] for s in range(d_state)]
        for i in range(n):
            if token_mask is not None and not token_mask[k, i]:
                continue
            for s in range(d_state):
                kept = np.exp(delta[k, i, e] * a[e, s])
                held = delta[k, i, e]
                if discretize == "zoh" and a[e, s] != 0:
                    held = np.expm1(delta[k, i, e] * a[e, s]) / a[e, s]
                h[s] = kept * h[s] + held * b[k, i, s] * x[k, i, e]
            y[k, i, e] = sum(c[k, i, s] * h[s] for s in range(d_state))
            y[k, i, e] += 0.0 if d_skip is None else d_skip[e] * x[k, i, e]
        last[k, e] = h
    return y, last


def hidden_matrix(delta, a, b, c, *, discretize="euler"):
    """M_eij, with which y_ie = sum_j M_eij x_je from a state of zero.

    For j <= i it is sum_s c_is (product over j < k <= i of exp(delta_ke a_es)) held_jes b_js; after i it is zero.
    """
    batch, n, d = delta.shape
    matrix = np.zeros((batch, d, n, n))
    for k, e, i in np.ndindex(batch, d, n):
        for j in range(i + 1):
            for s in range(a.shape[1]):
                kept = np.exp(sum(delta[k, m, e] * a[e, s] for m in range(j + 1, i + 1)))
                held = delta[k, j, e]
                if discretize == "zoh" and a[e, s] != 0:
                    held = np.expm1(delta[k, j, e] * a[e, s]) / a[e, s]
                matrix[k, e, i, j] += c[k, i, s] * kept * held * b[k, j, s]
    return matrix
