"""The walk that every recurrent net takes: each layer, direction, sample and real position in turn."""

import numpy as np


def walk(step, x, states, mask, weights):
    """Hidden states of the top layer, and the last states; `step(x, states, **weights)` takes one step of one sample.

    Weights are named as in torch's state dict. At padding the states do not change, and the hidden state returned is
    zero.
    """
    batch, n, _ = x.shape
    d_h = weights["weight_hh_l0"].shape[1]
    directions = ("", "_reverse") if "weight_hh_l0_reverse" in weights else ("",)
    num_layers = sum(name.startswith("weight_hh") for name in weights) // len(directions)
    last = [state.copy() for state in states]

    for layer in range(num_layers):
        hidden = np.zeros((batch, n, d_h * len(directions)))
        for d, direction in enumerate(directions):
            own = layer * len(directions) + d
            named = step_weights(weights, layer, direction)
            for b in range(batch):
                now = tuple(state[own, b] for state in last)
                for t in range(n) if direction == "" else range(n - 1, -1, -1):
                    if mask is None or mask[b, t]:
                        now = step(x[b, t], now, **named)
                        hidden[b, t, d * d_h : (d + 1) * d_h] = now[0]
                for state, value in zip(last, now, strict=True):
                    state[own, b] = value
        x = hidden
    return x, tuple(last)


def zeros(x, weights):
    """The state before the first input, when none is given: one row for each layer and direction."""
    return np.zeros((sum(name.startswith("weight_hh") for name in weights), len(x), weights["weight_hh_l0"].shape[1]))


def step_weights(weights, layer=0, direction=""):
    """The weights of one layer and direction, under the names of a step."""
    names = {"w_x": "weight_ih", "w_h": "weight_hh", "b_x": "bias_ih", "b_h": "bias_hh"}
    return {short: weights[f"{name}_l{layer}{direction}"] for short, name in names.items()}


def row_sum(bias, weight, row, vector):
    """b_a + sum_c w_ac v_c for the row a."""
    return bias[row] + sum(weight[row, c] * vector[c] for c in range(len(vector)))


def sigmoid(a):
    """1 / (1 + e^-a)."""
    return 1 / (1 + np.exp(-a))
