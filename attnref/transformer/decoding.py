"""Generation token by token: greedy, or sampled (Vaswani et al. 2017, section 3.1; Holtzman et al. 2020)."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from attnref._checks import check_at_least, listed
from attnref._numerics import at_least_float32
from attnref.protocols import NextToken
from attnref.sequence._checks import check_generator, check_number, check_token, check_token_axes, check_token_mask
from attnref.transformer import sampling
from attnref.transformer._next import check_start, read


class Generated(NamedTuple):
    """Texts, the prompts included.

    Attributes:
        tokens: (batch, n). After the end of a text comes the end token again, or 0 if there is none.
        token_mask: (batch, n), True = a token of the text, its prompt and its end token included.
    """

    tokens: Int[Tensor, "batch n"]
    token_mask: Bool[Tensor, "batch n"]


@torch.no_grad()
def generate(
    start: NextToken,
    prompt: Int[Tensor, "batch n"],
    *,
    max_new_tokens: int,
    end: int | None = None,
    prompt_token_mask: Bool[Tensor, "batch n"] | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float = 1.0,
    generator: torch.Generator | None = None,
) -> Generated:
    r"""Write on, one token at a time: each is chosen from the model's scores, then read.

    $$ t_{i+1} = \operatorname*{argmax}_v z_v \quad\text{(greedy)} \qquad\text{or}\qquad
       t_{i+1} \sim \operatorname{softmax}(z) \quad\text{(with a generator)} \qquad z = \text{logits}(t_1 \ldots t_i) $$

    The scores pass through the repetition penalty, temperature, top-k, top-p and min-p, in this order, each if given.
    A model with dropout is to be set to `eval()` before it is started; `start` refuses it in training mode.

    Args:
        start: The model before its first token: `model.start(...)`. It is used up.
        prompt: What the texts begin with, at least one token each: the begin token of a translation.
        max_new_tokens: How many tokens to write after each prompt at most.
        end: The token after which a text ends; if omitted, every text gets `max_new_tokens`.
        prompt_token_mask: True = a token of the prompt; False = padding, which comes after it. Texts whose prompts
            differ in length are written side by side, each as if it were alone.
        temperature: See `attnref.scale_temperature`.
        top_k: See `attnref.keep_top_k`.
        top_p: See `attnref.keep_nucleus`.
        min_p: See `attnref.keep_min_p`.
        repetition_penalty: See `attnref.penalize_repetition`; the prompt counts as written.
        generator: The source of randomness. Without one, each token is the one of the highest score, and temperature,
            top_k, top_p and min_p, which do not change it, are refused.

    Returns:
        The texts and their token mask.

    Raises:
        TypeError: `start` is not an `attnref.protocols.NextToken`, the prompt does not hold integers, or an option is
            not of its kind.
        ValueError: The prompt is not (batch, n), padding comes before a token of it, `end` is outside the vocabulary,
            an option is out of its bounds or needs a generator, or the model's scores for a text that goes on hold NaN
            or plus infinity, or minus infinity alone.

    Examples:
        >>> import torch
        >>> from attnref import DecoderOnlyTransformer, generate
        >>> model = DecoderOnlyTransformer(20, d_model=8, num_heads=2, d_ff=32, num_layers=2)
        >>> prompt = torch.tensor([[3, 1], [4, 0]])
        >>> texts = generate(model.start(), prompt, max_new_tokens=5)
        >>> texts.tokens.shape
        torch.Size([2, 7])
        >>> drawn = generate(model.start(), prompt, max_new_tokens=5, top_p=0.9, generator=torch.Generator())

    Source:
        Vaswani et al. 2017, *Attention Is All You Need*, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762), section
        3.1: the decoder is auto-regressive; Holtzman et al. 2020,
        [arXiv:1904.09751](https://arxiv.org/abs/1904.09751), section 3.
    """
    check_start("generate", start)
    lengths = _check_prompt(prompt, max_new_tokens, prompt_token_mask)
    _check_options(prompt, generator, repetition_penalty, temperature, top_k, top_p, min_p)

    def choose(logits: Tensor, written: Tensor) -> Tensor:
        logits = at_least_float32(logits)  # divided by a low temperature, those of float16 would overflow
        if repetition_penalty != 1:
            logits = sampling.penalize_repetition(logits, written, repetition_penalty)
        logits = logits if temperature == 1 else sampling.scale_temperature(logits, temperature)
        logits = logits if top_k is None else sampling.keep_top_k(logits, top_k)
        logits = logits if top_p is None else sampling.keep_nucleus(logits, top_p)
        logits = logits if min_p is None else sampling.keep_min_p(logits, min_p)
        return logits.argmax(-1) if generator is None else sampling.sample_token(logits, generator)

    batch, n = prompt.shape
    first = int(lengths.min()) if batch else n
    logits = read("generate", start, prompt[:, :first], lengths <= first)
    if end is not None:
        check_token("generate", "end", end, logits.shape[-1])

    last, filler = lengths + max_new_tokens, 0 if end is None else end
    tokens = prompt.new_full((batch, n + max_new_tokens), filler)
    token_mask = torch.zeros_like(tokens, dtype=torch.bool)
    tokens[:, :first], token_mask[:, :first] = prompt[:, :first], True
    ended, t = torch.zeros_like(lengths, dtype=torch.bool), first
    while True:
        token = choose(logits, tokens[:, :t])
        if t < n:  # a longer prompt goes on
            token = torch.where(t < lengths, prompt[:, t], token)
        ended = ended | (t >= last)
        tokens[:, t] = token.masked_fill(ended, filler)
        token_mask[:, t] = ~ended
        if end is not None:
            ended = ended | ((token == end) & (t >= lengths))
        t += 1
        done = ended | (t >= last)
        if bool(done.all()):
            return Generated(tokens[:, :t], token_mask[:, :t])
        logits = read("generate", start, tokens[:, t - 1 : t], (t >= lengths) & ~done)


def _check_options(
    prompt: Tensor,
    generator: torch.Generator | None,
    repetition_penalty: float,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    min_p: float | None,
) -> None:
    """Each is within its bounds; those that change only what is drawn need a generator."""
    check_number("generate", 0, above=True, repetition_penalty=repetition_penalty, temperature=temperature)
    if top_k is not None:
        check_at_least("generate", 1, top_k=top_k)
    if top_p is not None:
        check_number("generate", 0, 1, above=True, top_p=top_p)
    if min_p is not None:
        check_number("generate", 0, 1, min_p=min_p)
    if generator is not None:
        check_generator("generate", generator, prompt)
        return
    drawing = {"temperature": None if temperature == 1 else temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
    given = [f"{name}={option}" for name, option in drawing.items() if option is not None]
    if given:
        rule = f"{listed(list(drawing))} need a generator to draw with"
        raise ValueError(f"generate: {rule}, got none and {listed(given)}.")


def _check_prompt(prompt: Tensor, max_new_tokens: int, prompt_token_mask: Tensor | None) -> Tensor:
    """The length of each prompt."""
    check_token_axes("generate", "prompt", prompt)
    check_at_least("generate", 1, max_new_tokens=max_new_tokens)
    check_token_mask("generate", "prompt_token_mask", prompt_token_mask, prompt)
    if prompt_token_mask is None:
        return prompt.new_full((prompt.shape[0],), prompt.shape[1])
    lengths = prompt_token_mask.sum(1)
    wanted = torch.arange(prompt.shape[1], device=prompt.device) < lengths[:, None]
    wrong = ((prompt_token_mask != wanted).any(1) | (lengths == 0)).nonzero().flatten().tolist()
    if wrong:
        rule = "prompt_token_mask must be True for at least one token of each prompt, then False for its padding"
        given = prompt_token_mask[wrong[0]].int().tolist()
        raise ValueError(f"generate: {rule}, got {given} in row {wrong[0]}.")
    return lengths
