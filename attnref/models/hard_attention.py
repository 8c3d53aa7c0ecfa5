"""Hard attention: look at one position, drawn by its weight, and learn by reward (Xu et al. 2015, section 4.1)."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attnref._checks import check_axes, check_floating, check_range, check_same_size, check_tensor, kind_of, shape_of
from attnref._numerics import at_least_float32
from attnref.models._choose import check_chosen
from attnref.sequence._checks import check_number, check_token_mask


class HardScores(NamedTuple):
    """What a model with hard attention scores, and where it looked.

    Attributes:
        logits: (batch, n_q, vocab_size), a score for each token of the vocabulary at each position of the caption.
        weights: (batch, n_q, n_k), the attention weights: the probability of each position.
        chosen: (batch, n_q), the position looked at.
    """

    logits: Float[Tensor, "batch n_q vocab_size"]
    weights: Float[Tensor, "batch n_q n_k"]
    chosen: Int[Tensor, "batch n_q"]


def hard_attention_loss(
    log_likelihood: Float[Tensor, " batch"],
    weights: Float[Tensor, "batch n_q n_k"],
    chosen: Int[Tensor, "batch n_q"],
    token_mask: Bool[Tensor, "batch n_q"] | None = None,
    *,
    baseline: float | Float[Tensor, ""] = 0.0,
    reinforce: float = 1.0,
    entropy: float = 0.0,
) -> Float[Tensor, ""]:
    r"""A loss whose gradient estimates that of hard attention, from the positions that were drawn.

    $$ -\frac{\partial L_s}{\partial W} \approx -\frac{1}{N} \sum_n \Bigl[
       \frac{\partial \log p(y \mid s^n)}{\partial W}
       + \lambda_r \bigl(\log p(y \mid s^n) - b\bigr) \frac{\partial \log p(s^n)}{\partial W}
       + \lambda_e \frac{\partial H[s^n]}{\partial W} \Bigr] \qquad
       \log p(s) = \sum_t \log \alpha_{t, s_t} $$

    A drawn position has no derivative. So the draw is rewarded: its probability grows by as much as the caption was
    more likely than the baseline. With `reinforce=1` and `entropy=0` the gradient is right on average, whatever the
    baseline, as long as that does not depend on the draw; a good baseline lowers its variance. The value itself means
    nothing.

    Args:
        log_likelihood: Of each caption, given the positions drawn: the sum over its words.
        weights: The probability of each position, for each word.
        chosen: The positions drawn.
        token_mask: True = a real word; padding draws nothing.
        baseline: The paper's b, such as `moving_average_baseline` keeps.
        reinforce: The paper's $\lambda_r$.
        entropy: The paper's $\lambda_e$, above zero to keep the draws varied.

    Returns:
        The mean over the batch, to be minimized.

    Raises:
        TypeError: The first two are not of one floating dtype, the positions are not integers, or the baseline or a
            setting is not a number.
        ValueError: The shapes do not agree, a position is outside the grid, the baseline is not one number, or a
            setting is below zero.

    Examples:
        >>> import torch
        >>> from attnref.models import hard_attention_loss
        >>> scores = torch.zeros(1, 1, 2, requires_grad=True)
        >>> better = torch.tensor([-0.5])  # the caption is more likely than the baseline after looking at position 1
        >>> hard_attention_loss(better, scores.softmax(-1), torch.tensor([[1]]), baseline=-1.5).backward()
        >>> scores.grad  # so a step against the gradient looks there more often
        tensor([[[ 0.5000, -0.5000]]])

    Source:
        Xu et al. 2015, [arXiv:1502.03044](https://arxiv.org/abs/1502.03044), section 4.1, equations 11 and 12 and the
        learning rule after them; Williams 1992, *Simple Statistical Gradient-Following Algorithms*,
        [Machine Learning 8](https://doi.org/10.1007/BF00992696).
    """
    who = "hard_attention_loss"
    check_axes(who, "log_likelihood", log_likelihood, "(batch,)", exactly=1)
    check_axes(who, "weights", weights, "(batch, n_q, n_k)", exactly=3)
    check_floating(who, log_likelihood=log_likelihood, weights=weights)
    check_same_size(who, "batch", log_likelihood=(log_likelihood, 0), weights=(weights, 0))
    check_chosen(who, chosen, weights)
    check_range(who, "chosen", chosen, weights.shape[-1] - 1, "0 and n_k - 1")
    check_token_mask(who, "token_mask", token_mask, weights)
    check_number(who, 0, reinforce=reinforce, entropy=entropy)
    _check_baseline(who, baseline)

    dtype = torch.promote_types(log_likelihood.dtype, weights.dtype)  # they differ under autocast alone
    log_likelihood, weights = at_least_float32(log_likelihood), at_least_float32(weights)
    if token_mask is not None:
        weights = weights.masked_fill(~token_mask[..., None], 1.0)  # whatever is drawn is certain, and not varied
    probability = weights.take_along_dim(chosen.long()[..., None], dim=-1)[..., 0]  # (batch, n_q), of what was drawn
    spread = -(weights * weights.clamp_min(torch.finfo(weights.dtype).tiny).log()).sum(-1)  # the entropy of each draw
    reward = (log_likelihood - baseline).detach()
    loss = -(log_likelihood + reinforce * reward * probability.log().sum(1) + entropy * spread.sum(1)).mean()
    return loss.to(dtype)


def moving_average_baseline(
    baseline: float | Float[Tensor, ""], log_likelihood: Float[Tensor, " batch"], *, decay: float = 0.9
) -> Float[Tensor, ""]:
    r"""The baseline of the next batch: a moving average of the log-likelihoods so far.

    $$ b_k = 0.9\, b_{k-1} + 0.1\, \log p(y \mid s_k) $$

    Take the loss with the baseline first, then update it: a baseline that has read the draw it judges is biased.

    Args:
        baseline: That of this batch; 0 before the first.
        log_likelihood: Of each caption of this batch.
        decay: How much of the old baseline is kept.

    Returns:
        The new one, without a graph.

    Raises:
        TypeError: The log-likelihoods are not floating point, or baseline or decay is not a number.
        ValueError: The log-likelihoods are not (batch,), the baseline is not one number, or decay is not from 0 to 1.

    Examples:
        >>> import torch
        >>> from attnref.models import moving_average_baseline
        >>> moving_average_baseline(-4.0, torch.tensor([-1.0, -3.0]))  # 0.9 * -4 + 0.1 * -2
        tensor(-3.8000)

    Source:
        Xu et al. 2015, [arXiv:1502.03044](https://arxiv.org/abs/1502.03044), section 4.1.
    """
    who = "moving_average_baseline"
    check_tensor(who, log_likelihood=log_likelihood)
    check_axes(who, "log_likelihood", log_likelihood, "(batch,)", exactly=1)
    check_floating(who, log_likelihood=log_likelihood)
    check_number(who, 0, 1, decay=decay)
    _check_baseline(who, baseline)

    return decay * baseline + (1 - decay) * log_likelihood.detach().mean()


def _check_baseline(who: str, baseline: float | Tensor) -> None:
    """One number for the whole batch: another shape would be broadcast against the batch without an error."""
    if isinstance(baseline, Tensor):
        check_floating(who, baseline=baseline)
        if baseline.ndim > 0:
            raise ValueError(f"{who}: baseline must be one number, got shape {shape_of(baseline)}.")
    elif isinstance(baseline, bool) or not isinstance(baseline, int | float):
        raise TypeError(f"{who}: baseline must be a number, got {kind_of(baseline)}.")
    elif not math.isfinite(baseline):
        raise ValueError(f"{who}: baseline must be finite, got {baseline}.")
