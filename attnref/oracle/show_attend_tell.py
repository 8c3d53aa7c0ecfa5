"""Show, Attend and Tell, word by word and position by position. Xu et al. 2015, sections 3.1 and 4.2."""

import numpy as np

from attnref.oracle._walk import sigmoid, step_weights
from attnref.oracle.lstm import lstm_step


def show_attend_tell(grid, captions, *, weights, chosen=None):
    """The logits of each next word, and the attention weights, alpha_ti, of each position.

    grid: (batch, d_features, height, width), what the encoder returns. weights: named as in the decoder's state dict.
    chosen: for hard attention, the position of each word, (batch, n_q).
    """
    batch, d_features, height, width = grid.shape
    n_q, n_k = captions.shape[1], height * width
    logits = np.zeros((batch, n_q, len(weights["output_proj.bias"])))
    alpha = np.zeros((batch, n_q, n_k))
    cell = step_weights({name[4:]: array for name, array in weights.items() if name.startswith("rnn.")})

    for b in range(batch):
        a = np.array([[grid[b, k, i // width, i % width] for k in range(d_features)] for i in range(n_k)])
        mean = np.array([sum(a[i, k] for i in range(n_k)) / n_k for k in range(d_features)])
        h, c = (np.tanh(_layer(weights, name, mean)) for name in ("init_h", "init_c"))
        for t in range(n_q):
            word = weights["embedding.weight"][captions[b, t]]  # E y_{t-1}
            alpha[b, t] = _attend(weights, a, h)
            z = np.zeros(d_features)
            for k in range(d_features):
                z[k] = sum(alpha[b, t, i] * a[i, k] for i in range(n_k)) if chosen is None else a[chosen[b, t], k]
            if "gate_proj.weight" in weights:
                beta = _layer(weights, "gate_proj", h)  # one number, or one for each channel
                z = np.array([sigmoid(beta[k if len(beta) > 1 else 0]) * z[k] for k in range(d_features)])
            h, c = lstm_step(np.array([*word, *z]), (h, c), **cell)
            out = word + _layer(weights, "hidden_proj", h) + _layer(weights, "context_proj", z)
            logits[b, t] = _layer(weights, "output_proj", out)
    return logits, alpha


def _attend(weights, a, h):
    """e_i = v_a . tanh(W_k a_i + b + W_q h), alpha_i = exp e_i / sum_j exp e_j."""
    from_query = _layer(weights, "query_proj", h)
    exp_score = np.zeros(len(a))
    for i in range(len(a)):
        hidden = np.tanh(_layer(weights, "key_proj", a[i]) + from_query)
        exp_score[i] = np.exp(_layer(weights, "attend.score_proj", hidden)[0])
    return exp_score / sum(exp_score)


def _layer(weights, name, x):
    """W x, and + b where there is one."""
    weight, bias = weights[f"{name}.weight"], weights.get(f"{name}.bias")
    return np.array(
        [sum(row[c] * x[c] for c in range(len(x))) + (0 if bias is None else bias[r]) for r, row in enumerate(weight)]
    )
