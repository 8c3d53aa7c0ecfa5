"""Models of the next value, one sum at a time: normal equations, counts of tokens, products of conditionals."""

import numpy as np


def fit(x, window):
    """Weights, bias and sigma from the normal equations of least squares, each entry a sum over series and time."""
    batch, n = x.shape
    size = window + 1
    left, right = np.zeros((size, size)), np.zeros(size)

    def row(s, t):
        return [x[s, t - k] for k in range(1, window + 1)] + [1.0]

    for s in range(batch):
        for t in range(window, n):
            for i in range(size):
                right[i] += row(s, t)[i] * x[s, t]
                for j in range(size):
                    left[i, j] += row(s, t)[i] * row(s, t)[j]
    *weight, bias = np.linalg.solve(left, right)

    squares = [(x[s, t] - _mean(x[s], t, weight, bias)) ** 2 for s in range(batch) for t in range(window, n)]
    return np.array(weight), bias, np.sqrt(sum(squares) / len(squares))


def log_conditionals(x, weight, bias, sigma):
    """Log of the normal density of each value about its mean."""
    batch, n = x.shape
    window = len(weight)
    result = np.zeros((batch, n - window))
    for s in range(batch):
        for t in range(window, n):
            error = x[s, t] - _mean(x[s], t, weight, bias)
            density = np.exp(-(error**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
            result[s, t - window] = np.log(density)
    return result


def predict(x, weight, bias, steps):
    """One step, then the next with the last prediction in the place of a value."""
    result = np.zeros((len(x), steps))
    for s in range(len(x)):
        series = list(x[s])
        for step in range(steps):
            result[s, step] = _mean(series, len(series), weight, bias)
            series.append(result[s, step])
    return result


def _mean(series, t, weight, bias):
    return bias + sum(weight[k - 1] * series[t - k] for k in range(1, len(weight) + 1))


def markov_table(tokens, vocab_size, window, smoothing=0.0):
    """Count, smooth, divide: p(v | u) for every window u, oldest token first, and token v."""
    batch, n = tokens.shape
    table = np.zeros([vocab_size] * (window + 1))
    for s in range(batch):
        for t in range(window, n):
            table[tuple(tokens[s, t - window : t + 1])] += 1
    for u in np.ndindex(*table.shape[:-1]):
        if table[u].sum() == 0:
            table[u] = 1.0  # never seen: each token is as likely as the next
        else:
            table[u] += smoothing
        table[u] /= table[u].sum()
    return table


def markov_log_conditionals(tokens, table):
    """Look each token up in the table."""
    batch, n = tokens.shape
    window = table.ndim - 1
    result = np.zeros((batch, n - window))
    with np.errstate(divide="ignore"):
        for s in range(batch):
            for t in range(window, n):
                result[s, t - window] = np.log(table[tuple(tokens[s, t - window : t + 1])])
    return result


def markov_predict(tokens, table, steps):
    """Probability of each token at each place to come: the sum over all that may stand between."""
    vocab_size, window = table.shape[-1], table.ndim - 1
    result = np.zeros((len(tokens), steps, vocab_size))
    for s in range(len(tokens)):
        for path in np.ndindex(*[vocab_size] * steps):
            whole, chance = [*tokens[s], *path], 1.0
            for step in range(steps):
                t = len(tokens[s]) + step
                chance *= table[tuple(whole[t - window : t + 1])]
                if chance == 0:
                    break
            else:
                for step in range(steps):
                    result[s, step, path[step]] += chance
    return result


def latent_log_conditionals(x, weights, mean, scale, sigma):
    """An RNN's state from the values before, a normal density about what it says; weights named as in torch."""
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
            said = weights["output_bias"] + sum(weights["output_weight"][c] * h[c] for c in range(d_h))
            error = x[s, t] - (mean + scale * said)
            spread = scale * sigma
            result[s, t] = np.log(np.exp(-(error**2) / (2 * spread**2)) / (spread * np.sqrt(2 * np.pi)))
    return result
