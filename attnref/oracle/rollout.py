"""Attention rollout, one number at a time. Abnar and Zuidema 2020, section 3, equation 1."""

import numpy as np


def attention_rollout(weights):
    """R_ij = sum_k A_ik R'_kj of the layers so far; A_ij = (mean_h W_hij + [i = j]) / sum_j of these."""
    *leading, h, n, _ = weights[0].shape
    rollout = np.zeros((*leading, n, n))
    for at in np.ndindex(*leading):
        below = [[float(i == j) for j in range(n)] for i in range(n)]
        for of_layer in weights:
            mixed = [[0.0] * n for _ in range(n)]
            for i in range(n):
                row = [sum(of_layer[at][head, i, j] for head in range(h)) / h + (i == j) for j in range(n)]
                for j in range(n):
                    mixed[i][j] = row[j] / sum(row)
            below = [[sum(mixed[i][k] * below[k][j] for k in range(n)) for j in range(n)] for i in range(n)]
        rollout[at] = below
    return rollout
