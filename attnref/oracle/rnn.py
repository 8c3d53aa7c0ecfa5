"""The recurrent neural network, one index at a time. Elman 1990."""

import numpy as np

from attnref.oracle._walk import row_sum, walk, zeros


def rnn_step(x, state, *, w_x, w_h, b_x, b_h):
    """One step: h'_a = tanh(b_a + sum_c w_ac x_c + d_a + sum_c u_ac h_c)."""
    *batch, d_h = state.shape
    new_state = np.zeros((*batch, d_h))
    for *b, a in np.ndindex(*batch, d_h):
        new_state[*b, a] = np.tanh(row_sum(b_x, w_x, a, x[*b]) + row_sum(b_h, w_h, a, state[*b]))
    return new_state


def rnn(x, state=None, mask=None, *, weights):
    """Every layer, direction, sample and real position in turn; weights are named as in torch's state dict."""

    def step(x, states, **named):
        return (rnn_step(x, states[0], **named),)

    hidden, (last,) = walk(step, x, (zeros(x, weights) if state is None else state,), mask, weights)
    return hidden, last
