"""The gated recurrent unit, one index at a time. Cho et al. 2014, section 2.3, equations 5 to 8."""

import numpy as np


def gru_step(x, state, *, w_x, w_h, b_x, b_h, reset="after"):
    """One step: r_a and z_a gate the old state, n_a is the new one, h'_a = (1 - z_a) n_a + z_a h_a."""
    *batch, d_x = x.shape
    d_h = state.shape[-1]
    new_state = np.zeros((*batch, d_h))

    for b in np.ndindex(*batch):

        def from_x(row, b=b):
            return b_x[row] + sum(w_x[row, c] * x[*b, c] for c in range(d_x))

        def from_h(row, h):
            return b_h[row] + sum(w_h[row, c] * h[c] for c in range(d_h))

        h = state[b]
        r = [_sigmoid(from_x(a) + from_h(a, h)) for a in range(d_h)]
        for a in range(d_h):
            z = _sigmoid(from_x(d_h + a) + from_h(d_h + a, h))
            if reset == "before":
                n = np.tanh(from_x(2 * d_h + a) + from_h(2 * d_h + a, [r[c] * h[c] for c in range(d_h)]))
            else:
                n = np.tanh(from_x(2 * d_h + a) + r[a] * from_h(2 * d_h + a, h))
            new_state[*b, a] = (1 - z) * n + z * h[a]
    return new_state


def gru(x, state=None, mask=None, *, weights, reset="after"):
    """Every layer, direction, sample and real position in turn; weights are named as in torch's state dict.

    At padding the state stands still, and the hidden state handed out is zero.
    """
    batch, n, _ = x.shape
    d_h = weights["weight_hh_l0"].shape[1]
    directions = ("", "_reverse") if "weight_hh_l0_reverse" in weights else ("",)
    num_layers = sum(name.startswith("weight_hh") for name in weights) // len(directions)
    last = np.zeros((num_layers * len(directions), batch, d_h)) if state is None else state.copy()

    for layer in range(num_layers):
        hidden = np.zeros((batch, n, d_h * len(directions)))
        for d, direction in enumerate(directions):
            named = {
                "w_x": weights[f"weight_ih_l{layer}{direction}"],
                "w_h": weights[f"weight_hh_l{layer}{direction}"],
                "b_x": weights[f"bias_ih_l{layer}{direction}"],
                "b_h": weights[f"bias_hh_l{layer}{direction}"],
            }
            for b in range(batch):
                h = last[layer * len(directions) + d, b]
                for t in range(n) if direction == "" else range(n - 1, -1, -1):
                    if mask is None or mask[b, t]:
                        h = gru_step(x[b, t], h, **named, reset=reset)
                        hidden[b, t, d * d_h : (d + 1) * d_h] = h
                last[layer * len(directions) + d, b] = h
        x = hidden
    return x, last


def _sigmoid(a):
    return 1 / (1 + np.exp(-a))
