"""Hard attention by its sums over all that could be drawn. Xu et al. 2015, section 4.1, equations 10 to 12.

The positions of a caption are s = (s_1, ..., s_T), each one of L, so there are L^T of them. Arrays of their leading
size L^T go through them in the order of `itertools.product`.
"""

import itertools

import numpy as np


def positions(n_q, n_k):
    """Every s, (n_k ** n_q, n_q)."""
    return np.array(list(itertools.product(range(n_k), repeat=n_q)))


def objective(log_likelihood, probability):
    """L_s = sum_s p(s) log p(y | s), the lower bound that is maximized."""
    return sum(p * value for p, value in zip(probability, log_likelihood, strict=True))


def gradient(log_likelihood, probability, d_log_likelihood, d_log_probability):
    """Equation 11: sum_s p(s) (d log p(y | s) + log p(y | s) d log p(s)), by one weight."""
    rows = zip(log_likelihood, probability, d_log_likelihood, d_log_probability, strict=True)
    return sum(p * (d_value + value * d_log_p) for value, p, d_value, d_log_p in rows)


def hard_attention_loss(
    log_likelihood, weights, chosen, mask=None, *, baseline=0.0, reinforce=1.0, entropy=0.0, reward=None
):
    """The mean over the batch of -(log p(y | s) + lambda_r (log p(y | s) - b) log p(s) + lambda_e H[s]).

    reward: log p(y | s) - b where it is to be held fixed, as it is when the gradient is taken.
    """
    batch, n_q, _ = weights.shape
    total = 0.0
    for b in range(batch):
        real = [t for t in range(n_q) if mask is None or mask[b, t]]
        log_p = sum(np.log(weights[b, t, chosen[b, t]]) for t in real)
        spread = -sum(w * np.log(w) for t in real for w in weights[b, t] if w > 0)
        r = log_likelihood[b] - baseline if reward is None else reward[b]
        total -= (log_likelihood[b] + reinforce * r * log_p + entropy * spread) / batch
    return total


def moving_average_baseline(baseline, log_likelihood, decay=0.9):
    """b_k = 0.9 b_{k-1} + 0.1 log p(y | s_k), the mean over the batch."""
    return decay * baseline + (1 - decay) * sum(log_likelihood) / len(log_likelihood)
