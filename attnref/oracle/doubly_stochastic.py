"""Doubly stochastic attention, position by position. Xu et al. 2015, section 4.2.1, equation 14."""


def doubly_stochastic_loss(weights, mask=None):
    """The mean over the batch of sum_i (1 - sum_t alpha_ti)^2, over the real words t."""
    batch, n_q, n_k = weights.shape
    total = 0.0
    for b in range(batch):
        for i in range(n_k):
            looked = sum(weights[b, t, i] for t in range(n_q) if mask is None or mask[b, t])
            total += (1 - looked) ** 2 / batch
    return total
