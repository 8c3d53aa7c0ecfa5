"""From logits to a token: temperature, top-k, nucleus, min-p, repetition penalty, and the draw."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attnref._checks import check_at_least, check_axes, check_floating, check_same_size, has_values
from attnref._numerics import at_least_float32
from attnref.sequence._checks import check_generator, check_number, check_tokens


def scale_temperature(
    logits: Float[Tensor, "batch vocab_size"], temperature: float
) -> Float[Tensor, "batch vocab_size"]:
    r"""Divide the logits: below one, likely tokens become likelier still; above one, all come closer.

    $$ z_v \leftarrow z_v / T $$

    Args:
        logits: A score for each token.
        temperature: T, above zero.

    Returns:
        The new logits.

    Raises:
        TypeError: The logits are not floating point, or the temperature is not a number.
        ValueError: The logits are not (batch, vocab_size), or the temperature is not above zero.

    Examples:
        >>> import torch
        >>> from attnref import scale_temperature
        >>> scale_temperature(torch.tensor([[2.0, 1.0, 0.0]]), 0.5).softmax(-1)
        tensor([[0.8668, 0.1173, 0.0159]])

    Source:
        Hinton, Vinyals and Dean 2015, *Distilling the Knowledge in a Neural Network*,
        [arXiv:1503.02531](https://arxiv.org/abs/1503.02531), section 2, equation 1.
    """
    _check_logits("scale_temperature", logits)
    check_number("scale_temperature", 0, above=True, temperature=temperature)

    return logits / temperature


def keep_top_k(logits: Float[Tensor, "batch vocab_size"], k: int) -> Float[Tensor, "batch vocab_size"]:
    """Keep the k tokens of the highest logits. The others get minus infinity; ties with the k-th are kept.

    Args:
        logits: A score for each token.
        k: How many to keep; all if there are fewer.

    Returns:
        The new logits.

    Raises:
        TypeError: The logits are not floating point, or k is not an int.
        ValueError: The logits are not (batch, vocab_size), or k is less than one.

    Examples:
        >>> import torch
        >>> from attnref import keep_top_k
        >>> keep_top_k(torch.tensor([[2.0, 1.0, 0.0]]), 2)
        tensor([[2., 1., -inf]])

    Source:
        Fan, Lewis and Dauphin 2018, *Hierarchical Neural Story Generation*,
        [arXiv:1805.04833](https://arxiv.org/abs/1805.04833), section 5.4.
    """
    _check_logits("keep_top_k", logits)
    check_at_least("keep_top_k", 1, k=k)

    kth = logits.topk(min(k, logits.shape[-1])).values[..., -1:]
    return logits.masked_fill(logits < kth, -torch.inf)


def keep_nucleus(logits: Float[Tensor, "batch vocab_size"], p: float) -> Float[Tensor, "batch vocab_size"]:
    r"""Keep the fewest tokens whose probabilities sum to p or more, the likeliest first (top-p).

    $$ \text{keep } v_i \text{ where } \sum_{j < i} p(v_j) < p \qquad p(v_1) \ge p(v_2) \ge \ldots $$

    Args:
        logits: A score for each token.
        p: The sum to reach, above 0 and at most 1.

    Returns:
        The new logits, minus infinity for what is not kept. The likeliest token always is.

    Raises:
        TypeError: The logits are not floating point, or p is not a number.
        ValueError: The logits are not (batch, vocab_size), or p is not above 0 and at most 1.

    Examples:
        >>> import torch
        >>> from attnref import keep_nucleus
        >>> keep_nucleus(torch.tensor([[0.5, 0.3, 0.2]]).log(), 0.7).exp()
        tensor([[0.5000, 0.3000, 0.0000]])

    Source:
        Holtzman et al. 2020, *The Curious Case of Neural Text Degeneration*,
        [arXiv:1904.09751](https://arxiv.org/abs/1904.09751), section 3.1, equations 2 and 3.
    """
    _check_logits("keep_nucleus", logits)
    check_number("keep_nucleus", 0, 1, above=True, p=p)

    probabilities, order = at_least_float32(logits).softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
    before = probabilities.cumsum(dim=-1)[..., :-1]  # the sum over all that are likelier, but for the likeliest
    enough = (before >= p) & (p < 1)  # a sum of one, short of the last tokens, is a rounded one
    enough = torch.nn.functional.pad(enough, (1, 0), value=False)
    dropped = torch.zeros_like(enough).scatter(-1, order, enough)
    return logits.masked_fill(dropped, -torch.inf)


def keep_min_p(logits: Float[Tensor, "batch vocab_size"], p: float) -> Float[Tensor, "batch vocab_size"]:
    r"""Keep the tokens that are at least p times as likely as the likeliest one.

    $$ \text{keep } v \text{ where } p(v) \ge p \cdot \max_u p(u) $$

    Args:
        logits: A score for each token.
        p: The share of the highest probability, from 0 to 1.

    Returns:
        The new logits, minus infinity for what is not kept.

    Raises:
        TypeError: The logits are not floating point, or p is not a number.
        ValueError: The logits are not (batch, vocab_size), or p does not lie between 0 and 1.

    Examples:
        >>> import torch
        >>> from attnref import keep_min_p
        >>> keep_min_p(torch.tensor([[0.5, 0.3, 0.2]]).log(), 0.5).exp()
        tensor([[0.5000, 0.3000, 0.0000]])

    Source:
        Nguyen et al. 2024, *Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs*,
        [arXiv:2407.01082](https://arxiv.org/abs/2407.01082), section 3.
    """
    _check_logits("keep_min_p", logits)
    check_number("keep_min_p", 0, 1, p=p)

    probabilities = at_least_float32(logits).softmax(dim=-1)
    return logits.masked_fill(probabilities < p * probabilities.amax(dim=-1, keepdim=True), -torch.inf)


def penalize_repetition(
    logits: Float[Tensor, "batch vocab_size"], tokens: Int[Tensor, "batch n"], penalty: float
) -> Float[Tensor, "batch vocab_size"]:
    r"""Lower the logits of the tokens that were written before: positive ones are divided, negative ones multiplied.

    Args:
        logits: A score for each token.
        tokens: What was written before.
        penalty: The factor, above zero; above one it lowers. The paper's: 1.2.

    Returns:
        The new logits.

    Raises:
        TypeError: The logits are not floating point, the tokens are not integers, or the penalty is not a number.
        ValueError: The logits are not (batch, vocab_size), the tokens are not (batch, n) or outside the vocabulary, or
            the penalty is not above zero.

    Examples:
        >>> import torch
        >>> from attnref import penalize_repetition
        >>> penalize_repetition(torch.tensor([[2.0, 1.0, -1.0]]), torch.tensor([[0, 2]]), 2.0)
        tensor([[ 1.,  1., -2.]])

    Source:
        Keskar et al. 2019, *CTRL: A Conditional Transformer Language Model for Controllable Generation*,
        [arXiv:1909.05858](https://arxiv.org/abs/1909.05858), section 4.1. Its equation divides whatever the sign, which
        would raise a negative logit; its code, and this one, multiply those.
    """
    _check_logits("penalize_repetition", logits)
    check_tokens("penalize_repetition", "tokens", tokens, logits.shape[-1])
    check_same_size("penalize_repetition", "batch", logits=(logits, 0), tokens=(tokens, 0))
    check_number("penalize_repetition", 0, above=True, penalty=penalty)

    written = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, tokens.long(), True)
    lowered = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(written, lowered, logits)


def sample_token(logits: Float[Tensor, "batch vocab_size"], generator: torch.Generator) -> Int[Tensor, " batch"]:
    r"""Draw a token with the probabilities that the logits give.

    $$ t \sim \operatorname{softmax}(z) $$

    Args:
        logits: A score for each token; minus infinity is never drawn.
        generator: The source of randomness, on the device of the logits.

    Returns:
        One token for each sample.

    Raises:
        TypeError: The logits are not floating point, or the generator is none.
        ValueError: The logits are not (batch, vocab_size), hold NaN or plus infinity or nothing but minus infinity in a
            row, or the generator is on another device.

    Examples:
        >>> import torch
        >>> from attnref import sample_token
        >>> logits = torch.tensor([[0.7, 0.2, 0.1]]).log().expand(100000, 3)
        >>> drawn = sample_token(logits, torch.Generator().manual_seed(0))
        >>> (drawn == 0).float().mean().round(decimals=2)
        tensor(0.7000)

    Source:
        Bengio et al. 2003, *A Neural Probabilistic Language Model*,
        [JMLR 3](https://www.jmlr.org/papers/v3/bengio03a.html), section 2.
    """
    _check_logits("sample_token", logits)
    check_generator("sample_token", generator, logits)
    probabilities = at_least_float32(logits).softmax(dim=-1)
    if has_values(probabilities) and probabilities.isnan().any():
        row = int(probabilities.isnan().any(-1).nonzero()[0])
        wrong = (logits[row].isnan() | logits[row].isposinf()).nonzero().flatten().tolist()
        given = f"{logits[row, wrong[0]].item()} at [{row}, {wrong[0]}]" if wrong else f"-inf alone in row {row}"
        raise ValueError(f"sample_token: logits must be finite or -inf, and not all -inf in a row, got {given}.")

    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]


def _check_logits(who: str, logits: Tensor) -> None:
    check_axes(who, "logits", logits, "(batch, vocab_size)", exactly=2)
    check_floating(who, logits=logits)
