"""BERT's own sums, one number at a time: what goes into the encoder, and its heads. Devlin et al. 2018, section 3."""

import numpy as np

from attnref.oracle.feed_forward import ACTIVATIONS


def embed(tokens, segments, token_table, position_table, segment_table, gain, shift, *, norm_eps=1e-12):
    """x_i = LayerNorm(E_t(i) + P_i + S_s(i))."""
    x = np.zeros((*tokens.shape, token_table.shape[1]))
    for b, i in np.ndindex(tokens.shape):
        for c in range(token_table.shape[1]):
            x[b, i, c] = token_table[tokens[b, i], c] + position_table[i, c] + segment_table[segments[b, i], c]
        x[b, i] = layer_norm(x[b, i], gain, shift, norm_eps)
    return x


def score_tokens(x, w, b, gain, shift, token_table, bias, *, activation="gelu", norm_eps=1e-12):
    """z_v = c_v + sum_c E_vc LayerNorm(gelu(W x + b))_c, for each position by itself."""
    scores = np.zeros((*x.shape[:-1], len(token_table)))
    for at in np.ndindex(x.shape[:-1]):
        inner = [b[a] + sum(w[a, c] * x[at][c] for c in range(len(w))) for a in range(len(w))]
        y = layer_norm([ACTIVATIONS[activation](z) for z in inner], gain, shift, norm_eps)
        for v in range(len(token_table)):
            scores[at][v] = bias[v] + sum(token_table[v, c] * y[c] for c in range(len(y)))
    return scores


def pool(x, w, b):
    """p_a = tanh(b_a + sum_c W_ac x_0c): of each text, the first token alone."""
    pooled = np.zeros((len(x), len(w)))
    for text in range(len(x)):
        for a in range(len(w)):
            pooled[text, a] = np.tanh(b[a] + sum(w[a, c] * x[text, 0, c] for c in range(len(w))))
    return pooled


def layer_norm(x, gain, shift, norm_eps):
    """y_c = g_c (x_c - mean) / sqrt(variance + eps) + s_c."""
    mean = sum(x) / len(x)
    variance = sum((value - mean) ** 2 for value in x) / len(x)
    return np.array([gain[c] * (x[c] - mean) / np.sqrt(variance + norm_eps) + shift[c] for c in range(len(x))])
