"""Beam search with length normalization (Sutskever et al. 2014, section 3.2; Wu et al. 2016, section 7)."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attnref._checks import check_at_least
from attnref._numerics import float32_or_wider
from attnref.protocols import NextToken
from attnref.sequence._checks import check_number, check_token, check_token_axes
from attnref.transformer._next import check_start, read


class Beams(NamedTuple):
    """The texts found for each sample, the best first.

    Attributes:
        tokens: (batch, beams, n), the prompt included. After the end of a text comes the end token again.
        token_mask: (batch, beams, n), True = a token of the text, its prompt and its end token included.
        scores: (batch, beams), the log-probability of what was written, in nats, divided by the length penalty. Where
            there are fewer texts than beams it is minus infinity, and the token mask False.
    """

    tokens: Int[Tensor, "batch beams n"]
    token_mask: Bool[Tensor, "batch beams n"]
    scores: Float[Tensor, "batch beams"]


@torch.no_grad()
def beam_search(
    start: NextToken,
    prompt: Int[Tensor, "batch n"],
    *,
    beams: int,
    max_new_tokens: int,
    end: int,
    length_penalty: float = 0.6,
) -> Beams:
    r"""Keep the few likeliest beginnings at each step, and of the texts that they end as, return the best first.

    $$ \operatorname{score}(t) = \frac{\log p(t)}{\operatorname{lp}(|t|)} \qquad
       \operatorname{lp}(m) = \Bigl(\frac{5 + m}{6}\Bigr)^{\alpha} $$

    Beginnings are compared by their log-probability, texts by their score. A text that ends keeps its beam; the others
    go on in what is left. So one beam is greedy decoding, and as many beams as there are texts is exhaustive search.

    Args:
        start: The model before its first token: `model.start(...)`. It is used up.
        prompt: What the texts begin with, of one length: the begin token of a translation.
        beams: How many beginnings are kept. The paper on the Transformer has 4.
        max_new_tokens: How many tokens to write at most, the end token included. A text may stop without it.
        end: The token after which a text ends.
        length_penalty: The exponent, alpha. Zero compares log-probabilities, which favors short texts; the
            Transformer's paper has 0.6.

    Returns:
        Texts and scores.

    Raises:
        TypeError: `start` is not an `attnref.protocols.NextToken`, or a number is not of its kind.
        ValueError: The prompt is not (batch, n), a number is less than one, the penalty is below zero, `end` is outside
            the vocabulary, or the model's scores for a text that goes on hold NaN or plus infinity, or minus infinity
            alone.

    Examples:
        >>> import torch
        >>> from attnref import MarkovModel, beam_search
        >>> chain = MarkovModel(vocab_size=3).fit(torch.tensor([[0, 1, 1, 2], [0, 1, 2, 2], [0, 2, 2, 2]]))
        >>> prompt = torch.tensor([[0]])
        >>> found = beam_search(chain.start(), prompt, beams=2, max_new_tokens=3, end=2, length_penalty=0.0)
        >>> found.tokens[0].tolist(), found.scores.exp()
        ([[0, 1, 2], [0, 2, 2]], tensor([[0.4444, 0.3333]], dtype=torch.float64))

    Source:
        Sutskever, Vinyals and Le 2014, *Sequence to Sequence Learning with Neural Networks*,
        [arXiv:1409.3215](https://arxiv.org/abs/1409.3215), section 3.2; Wu et al. 2016, *Google's Neural Machine
        Translation System*, [arXiv:1609.08144](https://arxiv.org/abs/1609.08144), section 7, equation 14; Vaswani et
        al. 2017, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762), section 6.1.
    """
    _check(start, prompt, beams, max_new_tokens, length_penalty)
    logits = read("beam_search", start, prompt)
    check_token("beam_search", "end", end, logits.shape[-1])

    batch, n = prompt.shape
    last = n + max_new_tokens
    sample = torch.arange(batch, device=prompt.device)
    start.select(sample.repeat_interleave(beams))
    logits = logits.repeat_interleave(beams, dim=0)
    tokens = prompt.new_full((batch, beams, last), end)
    tokens[..., :n] = prompt[:, None]
    log_p = logits.new_full((batch, beams), -torch.inf, dtype=float32_or_wider(logits.dtype))
    log_p[:, 0] = 0.0  # all beams are equal yet: one goes on
    ended = torch.zeros_like(log_p, dtype=torch.bool)
    length = torch.zeros_like(log_p)  # of what was written, the end token included

    for t in range(n, last):
        next_log_p = logits.log_softmax(-1, dtype=log_p.dtype).unflatten(0, (batch, beams))
        longer = log_p[..., None] + next_log_p  # (batch, beams, vocab_size)
        longer = longer.masked_fill(ended[..., None], -torch.inf)
        longer[..., end] = torch.where(ended, log_p, longer[..., end])
        rank = longer.clone()
        rank[..., end] = rank[..., end].masked_fill(ended, torch.inf)  # what has ended keeps its beam
        best = rank.flatten(1).sort(descending=True, stable=True).indices[:, :beams]  # (batch, beams)
        beam, token = best // logits.shape[-1], best % logits.shape[-1]

        log_p, was_ended = longer.flatten(1).gather(1, best), ended.gather(1, beam)
        tokens = tokens.gather(1, beam[..., None].expand_as(tokens))
        tokens[..., t] = token
        length = length.gather(1, beam) + ~was_ended
        ended = (token == end) & ~log_p.isneginf()  # what cannot be written does not end
        done = ended | log_p.isneginf()
        if t + 1 == last or bool(done.all()):
            last = t + 1
            break
        start.select((sample[:, None] * beams + beam).flatten())
        logits = read("beam_search", start, token.reshape(-1, 1), ~done.flatten())

    score = log_p / ((5 + length) / 6) ** length_penalty
    score, order = score.sort(dim=-1, descending=True, stable=True)
    tokens = tokens.gather(1, order[..., None].expand_as(tokens))[..., :last]
    real = torch.arange(last, device=prompt.device) < n + length.gather(1, order)[..., None]
    found = ~score.isneginf()[..., None]
    return Beams(tokens.masked_fill(~found, end), real & found, score)


def _check(start: object, prompt: Tensor, beams: int, max_new_tokens: int, length_penalty: float) -> None:
    check_start("beam_search", start)
    check_token_axes("beam_search", "prompt", prompt)
    check_at_least("beam_search", 1, beams=beams, max_new_tokens=max_new_tokens)
    check_number("beam_search", 0, length_penalty=length_penalty)
