"""The Markov model of tokens: count, divide, look up, and sum over all tokens in between. Markov 1913."""

import numpy as np


def table(tokens, vocab_size, window, smoothing=0.0):
    """Count, smooth, divide: p(v | u) for every window u, oldest token first, and token v."""
    batch, n = tokens.shape
    rows = np.zeros([vocab_size] * (window + 1))
    for s in range(batch):
        for t in range(window, n):
            rows[tuple(tokens[s, t - window : t + 1])] += 1
    for u in np.ndindex(*rows.shape[:-1]):
        if rows[u].sum() == 0:
            rows[u] = 1.0  # never seen: each token is as likely as the next
        else:
            rows[u] += smoothing
        rows[u] /= rows[u].sum()
    return rows


def log_conditionals(tokens, table):
    """Look each token up in the table."""
    batch, n = tokens.shape
    window = table.ndim - 1
    result = np.zeros((batch, n - window))
    with np.errstate(divide="ignore"):
        for s in range(batch):
            for t in range(window, n):
                result[s, t - window] = np.log(table[tuple(tokens[s, t - window : t + 1])])
    return result


def predict(tokens, table, steps):
    """Probability of each token at each next position: the sum over all tokens in between."""
    vocab_size, window = table.shape[-1], table.ndim - 1
    result = np.zeros((len(tokens), steps, vocab_size))
    for s in range(len(tokens)):
        for path in np.ndindex(*[vocab_size] * steps):
            whole, p = [*tokens[s], *path], 1.0
            for step in range(steps):
                t = len(tokens[s]) + step
                p *= table[tuple(whole[t - window : t + 1])]
                if p == 0:
                    break
            else:
                for step in range(steps):
                    result[s, step, path[step]] += p
    return result
