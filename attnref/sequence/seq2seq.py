"""Sequence to sequence: an encoder, a decoder, and what links them (Sutskever et al. 2014; Bahdanau et al. 2015)."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnref._checks import check_at_least, check_attend, check_same_size, check_token, check_tokens
from attnref.sequence.gru import GRU

Attend = Callable[[Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor | None]]


class Encoder(nn.Module):
    """Read the source in both directions: one hidden state for each token, and the last state of the whole.

    Args:
        vocab_size: Number of different tokens.
        d_embed: Width of an embedded token.
        d_h: Width of a hidden state, both directions together; even.

    Raises:
        TypeError: A size is not a whole number.
        ValueError: A size is less than one, or d_h is odd.

    Source:
        Bahdanau, Cho and Bengio 2015, section 3.2.
    """

    def __init__(self, vocab_size: int, d_embed: int, d_h: int) -> None:
        check_at_least("Encoder", 1, vocab_size=vocab_size, d_embed=d_embed, d_h=d_h)
        if d_h % 2:
            raise ValueError(f"Encoder: d_h must be even, half for each direction, got d_h={d_h}.")
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_embed)
        self.gru = GRU(d_embed, d_h // 2, bidirectional=True)

    def forward(
        self, tokens: Int[Tensor, "batch n"], mask: Bool[Tensor, "batch n"] | None = None
    ) -> tuple[Float[Tensor, "batch n d_h"], Float[Tensor, "batch d_h"]]:
        """Encode.

        Args:
            tokens: The source.
            mask: True = a real token, False = padding.

        Returns:
            memory: The hidden state of each token: what attention looks at.
            last: The last state of each direction, side by side: all that a decoder without attention is given.
        """
        check_tokens("Encoder", "tokens", tokens, self.embedding.num_embeddings)
        memory, (forward, backward) = self.gru(self.embedding(tokens), mask=mask)
        return memory, torch.cat((forward, backward), dim=-1)


class Decoder(nn.Module):
    """Write the target token by token, looking back at the source before each if `attend` is given.

    Args:
        vocab_size: Number of different tokens.
        d_embed: Width of an embedded token.
        d_h: Width of the hidden state, and of the encoder's.
        attend: Any attention, `(query, key, value, mask) -> (output, weights)`, or None for no attention at all.

    Raises:
        TypeError: A size is not a whole number, or `attend` cannot be called.
        ValueError: A size is less than one.

    Source:
        Bahdanau, Cho and Bengio 2015, appendix A.2.2, with torch's GRU, and a linear map for the maxout layer; without
        attention Sutskever, Vinyals and Le 2014, section 2.
    """

    def __init__(self, vocab_size: int, d_embed: int, d_h: int, *, attend: Attend | None = None) -> None:
        check_at_least("Decoder", 1, vocab_size=vocab_size, d_embed=d_embed, d_h=d_h)
        super().__init__()
        check_attend("Decoder", attend)
        d_context = 0 if attend is None else d_h
        self.attend = attend
        self.embedding = nn.Embedding(vocab_size, d_embed)
        self.bridge = nn.Linear(d_h, d_h)
        self.gru = GRU(d_embed + d_context, d_h)
        self.output_proj = nn.Linear(d_h + d_context, vocab_size)

    def start(self, last: Float[Tensor, "batch d_h"]) -> Float[Tensor, "1 batch d_h"]:
        """The state before the first step, when there is no earlier one: a map of the encoder's last."""
        return torch.tanh(self.bridge(last))[None]

    def step(
        self,
        token: Int[Tensor, " batch"],
        state: Float[Tensor, "1 batch d_h"],
        memory: Float[Tensor, "batch n_k d_h"],
        mask: Bool[Tensor, "batch n_k"] | None = None,
    ) -> tuple[Float[Tensor, "batch vocab_size"], Float[Tensor, "1 batch d_h"], Float[Tensor, "batch n_k"] | None]:
        """Write one token: look back with the state so far, move it on, score every token of the vocabulary.

        Args:
            token: The token written before this one.
            state: The state before this step.
            memory: The encoder's hidden states, keys and values at once.
            mask: True = a real token of the source.

        Returns:
            logits: A score for each token of the vocabulary.
            state: The state after this step.
            weights: Where the decoder looked; None without attention, or where `attend` never forms them.
        """
        x, weights = self.embedding(token), None
        if self.attend is None:
            hidden, state = self.gru(x[:, None], state)
            return self.output_proj(hidden[:, 0]), state, None

        query = state[0][:, None]  # one query: the state before this step
        context, weights = self.attend(query, memory, memory, None if mask is None else mask[:, None])
        hidden, state = self.gru(torch.cat((x[:, None], context), dim=-1), state)
        logits = self.output_proj(torch.cat((hidden, context), dim=-1)[:, 0])
        return logits, state, None if weights is None else weights[:, 0]


class Seq2Seq(nn.Module):
    """Encoder and decoder, linked by the last state alone (`attend=None`) or by attention to all of them.

    Source and target may differ in length and in vocabulary.

    Args:
        source_vocab_size: Number of different source tokens.
        target_vocab_size: Number of different target tokens.
        d_embed: Width of an embedded token.
        d_h: Width of the encoder's hidden states (both directions together) and of the decoder's; even.
        attend: Any attention whose query, key and value are d_h wide, see `Decoder`; None for none.

    Raises:
        TypeError: A size is not a whole number.
        ValueError: A size is less than one, or d_h is odd.

    Examples:
        >>> import torch
        >>> from attnref import Seq2Seq
        >>> from attnref import AdditiveAttention
        >>> model = Seq2Seq(20, 10, d_embed=4, d_h=8, attend=AdditiveAttention(8, 8, 8))
        >>> source, target = torch.randint(20, (2, 7)), torch.randint(10, (2, 3))
        >>> logits, weights = model(source, target)
        >>> logits.shape, weights.shape
        (torch.Size([2, 3, 10]), torch.Size([2, 3, 7]))

    Source:
        Sutskever, Vinyals and Le 2014; Bahdanau, Cho and Bengio 2015.
    """

    def __init__(
        self,
        source_vocab_size: int,
        target_vocab_size: int,
        *,
        d_embed: int,
        d_h: int,
        attend: Attend | None = None,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(source_vocab_size, d_embed, d_h)
        self.decoder = Decoder(target_vocab_size, d_embed, d_h, attend=attend)

    def forward(
        self,
        source: Int[Tensor, "batch n_k"],
        target: Int[Tensor, "batch n_q"],
        mask: Bool[Tensor, "batch n_k"] | None = None,
    ) -> tuple[Float[Tensor, "batch n_q vocab_size"], Float[Tensor, "batch n_q n_k"] | None]:
        """Score each next token, the true ones before it being given (teacher forcing).

        Args:
            source: The source tokens.
            target: What the decoder is fed: the begin token, then the true target but for its last token.
            mask: True = a real token of the source, False = padding.

        Returns:
            logits: A score for each token of the vocabulary at each position of the target.
            weights: Where the decoder looked at each position; None without attention.

        Raises:
            TypeError: The tokens are not integers, or the mask is not bool.
            ValueError: Tokens or mask are of the wrong shape, or a token is outside its vocabulary.
        """
        check_tokens("Seq2Seq", "source", source, self.encoder.embedding.num_embeddings)
        check_tokens("Seq2Seq", "target", target, self.decoder.embedding.num_embeddings)
        check_same_size("Seq2Seq", "batch", source=(source, 0), target=(target, 0))

        memory, last = self.encoder(source, mask)
        state, logits, looked = self.decoder.start(last), [], []
        for token in target.unbind(1):
            scores, state, weights = self.decoder.step(token, state, memory, mask)
            logits.append(scores)
            looked.append(weights)
        return torch.stack(logits, 1), _stack(looked)

    @torch.no_grad()
    def generate(
        self,
        source: Int[Tensor, "batch n_k"],
        mask: Bool[Tensor, "batch n_k"] | None = None,
        *,
        begin: int,
        length: int,
    ) -> tuple[Int[Tensor, "batch length"], Float[Tensor, "batch length n_k"] | None]:
        """Write the target, always taking the best next token (greedy decoding).

        Args:
            source: The source tokens.
            mask: True = a real token of the source, False = padding.
            begin: The token that stands before the first.
            length: How many tokens to write.

        Returns:
            tokens: What was written.
            weights: Where the decoder looked as it wrote each token; None without attention.

        Raises:
            TypeError: The tokens are not integers, or the mask is not bool.
            ValueError: Tokens or mask are of the wrong shape, a token is outside its vocabulary, or length is below 1.
        """
        check_tokens("Seq2Seq.generate", "source", source, self.encoder.embedding.num_embeddings)
        check_at_least("Seq2Seq.generate", 1, length=length)
        check_token("Seq2Seq.generate", "begin", begin, self.decoder.embedding.num_embeddings)

        memory, last = self.encoder(source, mask)
        state, written, looked = self.decoder.start(last), [], []
        token = source.new_full((len(source),), begin)
        for _ in range(length):
            scores, state, weights = self.decoder.step(token, state, memory, mask)
            token = scores.argmax(-1)
            written.append(token)
            looked.append(weights)
        return torch.stack(written, 1), _stack(looked)


def _stack(steps: list[Tensor | None]) -> Tensor | None:
    """The weights of all steps, or None where attention never formed them."""
    return torch.stack(weights, 1) if (weights := [w for w in steps if w is not None]) else None
