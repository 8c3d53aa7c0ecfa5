"""Long short-term memory, one index at a time. Hochreiter and Schmidhuber 1997; Gers et al. 2000."""

import numpy as np

from attnref.oracle._walk import row_sum, sigmoid, walk, zeros


def lstm_step(x, state, *, w_x, w_h, b_x, b_h):
    """One step: c'_a = f_a c_a + i_a g_a, h'_a = o_a tanh(c'_a); the rows hold i, f, g, o in this order."""
    h, c = state
    *batch, d_h = h.shape
    hidden, cell = np.zeros((*batch, d_h)), np.zeros((*batch, d_h))
    for *b, a in np.ndindex(*batch, d_h):
        i, f, g, o = (
            row_sum(b_x, w_x, gate * d_h + a, x[*b]) + row_sum(b_h, w_h, gate * d_h + a, h[*b]) for gate in range(4)
        )
        cell[*b, a] = sigmoid(f) * c[*b, a] + sigmoid(i) * np.tanh(g)
        hidden[*b, a] = sigmoid(o) * np.tanh(cell[*b, a])
    return hidden, cell


def lstm(x, state=None, mask=None, *, weights):
    """Every layer, direction, sample and real position in turn; weights are named as in torch's state dict."""
    states = (zeros(x, weights), zeros(x, weights)) if state is None else state
    return walk(lstm_step, x, states, mask, weights)
