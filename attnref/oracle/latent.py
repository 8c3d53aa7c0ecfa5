"""The latent autoregressive model with an RNN for a net, one index at a time. Zhang et al., section 9.1."""

import numpy as np


def log_conditionals(x, weights, mean, scale, sigma):
    """An RNN's hidden state from the values before, a normal density around its output; weights named as in torch."""
    batch, n = x.shape
    w_x, w_h = weights["weight_ih_l0"], weights["weight_hh_l0"]
    bias, d_h = weights["bias_ih_l0"] + weights["bias_hh_l0"], len(w_h)
    result = np.zeros((batch, n))
    for s in range(batch):
        h = np.zeros(d_h)
        for t in range(n):
            before = 0.0 if t == 0 else (x[s, t - 1] - mean) / scale
            h = np.array(
                [np.tanh(w_x[a, 0] * before + sum(w_h[a, c] * h[c] for c in range(d_h)) + bias[a]) for a in range(d_h)]
            )
            output = weights["output_bias"] + sum(weights["output_weight"][c] * h[c] for c in range(d_h))
            error = x[s, t] - (mean + scale * output)
            spread = scale * sigma
            result[s, t] = np.log(np.exp(-(error**2) / (2 * spread**2)) / (spread * np.sqrt(2 * np.pi)))
    return result
