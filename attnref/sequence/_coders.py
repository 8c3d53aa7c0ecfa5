"""Encoder and decoder (Bahdanau et al. 2015, section 3; without attention Sutskever et al. 2014, section 2)."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnref._checks import check_at_least, check_attend, check_tokens
from attnref.sequence._recurrent import Recurrent
from attnref.sequence.gru import GRU

State = Tensor | tuple[Tensor, Tensor]  # h, or (h, c)
Attend = Callable[[Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor | None]]


class Encoder(nn.Module):
    """Read the source in both directions: one hidden state for each token, and the last state of the whole.

    Args:
        vocab_size: Number of different tokens.
        d_embed: Width of an embedded token.
        d_h: Width of a hidden state, both directions together; even.
        recurrent: What reads: `GRU`, `LSTM` or `RNN`.

    Raises:
        TypeError: A size is not a whole number.
        ValueError: A size is less than one, or d_h is odd.

    Source:
        Bahdanau, Cho and Bengio 2015, section 3.2.
    """

    def __init__(self, vocab_size: int, d_embed: int, d_h: int, *, recurrent: type[Recurrent] = GRU) -> None:
        check_at_least("Encoder", 1, vocab_size=vocab_size, d_embed=d_embed, d_h=d_h)
        if d_h % 2:
            raise ValueError(f"Encoder: d_h must be even, half for each direction, got d_h={d_h}.")
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_embed)
        self.rnn = recurrent(d_embed, d_h // 2, num_layers=1, bidirectional=True)

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
        memory, state = self.rnn(self.embedding(tokens), mask=mask)
        forward, backward = _hidden(state)
        return memory, torch.cat((forward, backward), dim=-1)


class Decoder(nn.Module):
    """Write the target token by token, looking back at the source before each if `attend` is given.

    Args:
        vocab_size: Number of different tokens.
        d_embed: Width of an embedded token.
        d_h: Width of the hidden state, and of the encoder's.
        attend: Any attention, `(query, key, value, mask) -> (output, weights)`, or None for no attention at all.
        recurrent: What carries the state from step to step: `GRU`, `LSTM` or `RNN`.

    Raises:
        TypeError: A size is not a whole number, or `attend` cannot be called.
        ValueError: A size is less than one.

    Source:
        Bahdanau, Cho and Bengio 2015, appendix A.2.2, with torch's GRU, and a linear map for the maxout layer; without
        attention Sutskever, Vinyals and Le 2014, section 2.
    """

    def __init__(
        self,
        vocab_size: int,
        d_embed: int,
        d_h: int,
        *,
        attend: Attend | None = None,
        recurrent: type[Recurrent] = GRU,
    ) -> None:
        check_at_least("Decoder", 1, vocab_size=vocab_size, d_embed=d_embed, d_h=d_h)
        super().__init__()
        check_attend("Decoder", attend)
        d_context = 0 if attend is None else d_h
        self.attend = attend
        self.embedding = nn.Embedding(vocab_size, d_embed)
        self.bridge = nn.Linear(d_h, d_h)
        self.rnn = recurrent(d_embed + d_context, d_h, num_layers=1, bidirectional=False)
        self.output_proj = nn.Linear(d_h + d_context, vocab_size)

    def start(self, last: Float[Tensor, "batch d_h"]) -> State:
        """The state before the first step, when there is no earlier one: a map of the encoder's last."""
        return self.rnn.state_of(torch.tanh(self.bridge(last))[None])

    def step(
        self,
        token: Int[Tensor, " batch"],
        state: State,
        memory: Float[Tensor, "batch n_k d_h"],
        mask: Bool[Tensor, "batch n_k"] | None = None,
    ) -> tuple[Float[Tensor, "batch vocab_size"], State, Float[Tensor, "batch n_k"] | None]:
        """Write one token: look back with the state so far, move it on, score every token of the vocabulary.

        Args:
            token: The token written before this one.
            state: The state before this step: h, (1, batch, d_h), or (h, c).
            memory: The encoder's hidden states, keys and values at once.
            mask: True = a real token of the source.

        Returns:
            logits: A score for each token of the vocabulary.
            state: The state after this step.
            weights: Where the decoder looked; None without attention, or where `attend` never forms them.
        """
        x, weights = self.embedding(token), None
        if self.attend is None:
            hidden, state = self.rnn(x[:, None], state)
            return self.output_proj(hidden[:, 0]), state, None

        query = _hidden(state)[0][:, None]  # one query: the state before this step
        context, weights = self.attend(query, memory, memory, None if mask is None else mask[:, None])
        hidden, state = self.rnn(torch.cat((x[:, None], context), dim=-1), state)
        logits = self.output_proj(torch.cat((hidden, context), dim=-1)[:, 0])
        return logits, state, None if weights is None else weights[:, 0]


def _hidden(state: State) -> Tensor:
    """The hidden state, with or without a cell state beside it."""
    return state[0] if isinstance(state, tuple) else state
