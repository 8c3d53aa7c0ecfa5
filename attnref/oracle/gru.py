"""The gated recurrent unit, one index at a time. Cho et al. 2014, section 2.3, equations 5 to 8."""

import numpy as np

from attnref.oracle._walk import row_sum, sigmoid, walk, zeros


def gru_step(x, state, *, w_x, w_h, b_x, b_h, reset="after"):
    """One step: r_a and z_a gate the old state, n_a is the new one, h'_a = (1 - z_a) n_a + z_a h_a."""
    *batch, d_h = state.shape
    new_state = np.zeros((*batch, d_h))

    for b in np.ndindex(*batch):
        h = state[b]
        r = [sigmoid(row_sum(b_x, w_x, a, x[b]) + row_sum(b_h, w_h, a, h)) for a in range(d_h)]
        for a in range(d_h):
            z = sigmoid(row_sum(b_x, w_x, d_h + a, x[b]) + row_sum(b_h, w_h, d_h + a, h))
            n = row_sum(b_x, w_x, 2 * d_h + a, x[b])
            if reset == "before":
                n = np.tanh(n + row_sum(b_h, w_h, 2 * d_h + a, [r[c] * h[c] for c in range(d_h)]))
            else:
                n = np.tanh(n + r[a] * row_sum(b_h, w_h, 2 * d_h + a, h))
            new_state[*b, a] = (1 - z) * n + z * h[a]
    return new_state


def gru(x, state=None, mask=None, *, weights, reset="after"):
    """Every layer, direction, sample and real position in turn; weights are named as in torch's state dict."""

    def step(x, states, **named):
        return (gru_step(x, states[0], **named, reset=reset),)

    hidden, (last,) = walk(step, x, (zeros(x, weights) if state is None else state,), mask, weights)
    return hidden, last
