"""The autoregressive model, one sum at a time: normal equations, densities, one step after another. Yule 1927."""

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
    """Log of the normal density of each value around its mean."""
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
    """One step, then the next, in which the last prediction takes the place of a value."""
    result = np.zeros((len(x), steps))
    for s in range(len(x)):
        series = list(x[s])
        for step in range(steps):
            result[s, step] = _mean(series, len(series), weight, bias)
            series.append(result[s, step])
    return result


def _mean(series, t, weight, bias):
    return bias + sum(weight[k - 1] * series[t - k] for k in range(1, len(weight) + 1))
