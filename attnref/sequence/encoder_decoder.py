"""Encoder and decoder (Bahdanau et al. 2015, section 3; without attention Sutskever et al. 2014, section 2)."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnref._checks import (
    check_at_least,
    check_attend,
    check_attended,
    check_axes,
    check_floating,
    check_same_size,
    check_size,
    check_tensor,
    kind_of,
)
from attnref.protocols import Attend, RecurrentNet
from attnref.sequence._checks import (
    check_even,
    check_maker,
    check_state,
    check_state_sizes,
    check_token_mask,
    check_tokens,
)
from attnref.sequence._net import draw_anew
from attnref.sequence.gru import GRU

State = Float[Tensor, "1 batch d_h"] | tuple[Float[Tensor, "1 batch d_h"], Float[Tensor, "1 batch d_h"]]  # h, or (h, c)


class RecurrentEncoder(nn.Module):
    """Read the source in both directions: a hidden state for each token, and the last state of each direction.

    Args:
        vocab_size: Number of different tokens.
        d_embed: Size of an embedded token.
        d_h: Size of a hidden state, both directions together; even.
        recurrent: The class of the recurrent net: `GRU`, `LSTM`, `RNN`, a fast version, or any maker of an
            [`attnref.protocols.RecurrentNet`][attnref.protocols.RecurrentNet].

    Raises:
        TypeError: A size is not a whole number, or `recurrent` does not make a recurrent net.
        ValueError: A size is less than one, or d_h is odd.

    Source:
        Bahdanau, Cho and Bengio 2015, [arXiv:1409.0473](https://arxiv.org/abs/1409.0473), section 3.2.
    """

    def __init__(
        self, vocab_size: int, d_embed: int, d_h: int, *, recurrent: Callable[..., RecurrentNet] = GRU
    ) -> None:
        check_at_least("RecurrentEncoder", 1, vocab_size=vocab_size, d_embed=d_embed, d_h=d_h)
        check_even("RecurrentEncoder", d_h)
        check_maker("RecurrentEncoder", recurrent)
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_embed)
        self.rnn = _net("RecurrentEncoder", recurrent, d_embed, d_h // 2, bidirectional=True)

    def forward(
        self, tokens: Int[Tensor, "batch n"], token_mask: Bool[Tensor, "batch n"] | None = None
    ) -> tuple[Float[Tensor, "batch n d_h"], Float[Tensor, "batch d_h"]]:
        """Encode.

        Args:
            tokens: The source.
            token_mask: True = a real token, False = padding.

        Returns:
            memory: The hidden state of each token, zero at padding: the keys and values of attention.
            last: The last hidden state of each direction, side by side: all that a decoder without attention is given.

        Raises:
            TypeError: The tokens are not integers, or the token mask is not bool.
            ValueError: Tokens or token mask are of the wrong shape, or a token is outside the vocabulary.
        """
        check_tokens("RecurrentEncoder", "tokens", tokens, self.embedding.num_embeddings)
        check_token_mask("RecurrentEncoder", "token_mask", token_mask, tokens)

        memory, state = self.rnn(self.embedding(tokens), None, token_mask)
        forward, backward = _hidden(state)
        return memory, torch.cat((forward, backward), dim=-1)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        draw_anew(*self.children())


class RecurrentDecoder(nn.Module):
    """Predict the target token by token, attending to the source at each step if `attend` is given.

    Args:
        vocab_size: Number of different tokens.
        d_embed: Size of an embedded token.
        d_h: Size of the hidden state, and of the encoder's.
        attend: Any attention, see [`attnref.protocols.Attend`][attnref.protocols.Attend], whose query, key, value and
            output have size d_h; or None for no attention at all.
        recurrent: The class of the recurrent net, as in `RecurrentEncoder`.

    Raises:
        TypeError: A size is not a whole number, `attend` is not an attention, or `recurrent` does not make a recurrent
            net.
        ValueError: A size is less than one.

    Source:
        Bahdanau, Cho and Bengio 2015, [arXiv:1409.0473](https://arxiv.org/abs/1409.0473), appendix A.2.2, with torch's
        GRU, and a linear layer for the maxout layer; without attention Sutskever, Vinyals and Le 2014,
        [arXiv:1409.3215](https://arxiv.org/abs/1409.3215), section 2.
    """

    def __init__(
        self,
        vocab_size: int,
        d_embed: int,
        d_h: int,
        *,
        attend: Attend | None = None,
        recurrent: Callable[..., RecurrentNet] = GRU,
    ) -> None:
        check_at_least("RecurrentDecoder", 1, vocab_size=vocab_size, d_embed=d_embed, d_h=d_h)
        check_attend("RecurrentDecoder", attend)
        check_maker("RecurrentDecoder", recurrent)
        super().__init__()
        d_context = 0 if attend is None else d_h
        self.attend, self.d_h = attend, d_h
        self.embedding = nn.Embedding(vocab_size, d_embed)
        self.bridge = nn.Linear(d_h, d_h)
        self.rnn = _net("RecurrentDecoder", recurrent, d_embed + d_context, d_h, bidirectional=False)
        self.output_proj = nn.Linear(d_h + d_context, vocab_size)

    def start(self, last: Float[Tensor, "batch d_h"]) -> State:
        """Make the state before the first step from the encoder's last hidden states.

        Args:
            last: The last hidden state of each direction of the encoder, side by side.

        Returns:
            h, (1, batch, d_h), or (h, c).

        Raises:
            TypeError: `last` has not the dtype of the weights.
            ValueError: `last` is not (batch, d_h).
        """
        who = "RecurrentDecoder.start"
        check_tensor(who, last=last)
        check_axes(who, "last", last, "(batch, d_h)", exactly=2)
        check_size(who, "d_h", self.d_h, "last", last, -1)
        check_floating(who, last=last, weights=self.bridge.weight)

        return self.rnn.state_of(torch.tanh(self.bridge(last))[None])

    def step(
        self,
        token: Int[Tensor, " batch"],
        state: State,
        memory: Float[Tensor, "batch n_k d_h"],
        source_token_mask: Bool[Tensor, "batch n_k"] | None = None,
    ) -> tuple[Float[Tensor, "batch vocab_size"], State, Float[Tensor, "batch *heads n_k"] | None]:
        """Predict one token: attend with the state so far, update it, and score every token of the vocabulary.

        Args:
            token: The token before the one to predict.
            state: The state before this step: h, (1, batch, d_h), or (h, c).
            memory: The encoder's hidden states, keys and values at once.
            source_token_mask: True = a real token of the source.

        Returns:
            logits: A score for each token of the vocabulary.
            state: The state after this step.
            weights: The attention weights, with an axis for the heads where `attend` has several; None without
                attention, or where `attend` never forms them.

        Raises:
            TypeError: The tokens are not integers, state or memory are not of the kind or dtype of the decoder's, the
                token mask is not bool, or `attend` does not return a pair (output, weights).
            ValueError: Token, state, memory or token mask are of the wrong shape, a token is outside the vocabulary,
                or `attend` returns an output or weights of the wrong shape.
        """
        self._check_step(token, state, memory, source_token_mask)

        x = self.embedding(token)
        if self.attend is None:
            hidden, state = self.rnn(x[:, None], state)
            return self.output_proj(hidden[:, 0]), state, None

        query = _hidden(state)[0][:, None]  # (batch, 1, d_h): one query, the hidden state before this step
        mask = None if source_token_mask is None else source_token_mask[:, None]
        attended = self.attend(query, memory, memory, mask)
        context, weights = check_attended("RecurrentDecoder", attended, query, memory, memory)
        hidden, state = self.rnn(torch.cat((x[:, None], context), dim=-1), state)
        logits = self.output_proj(torch.cat((hidden, context), dim=-1)[:, 0])
        return logits, state, None if weights is None else weights[..., 0, :]

    def reset_parameters(self) -> None:
        """Draw all weights anew, those of `attend` included."""
        draw_anew(*self.children())

    def _check_step(self, token: Tensor, state: State, memory: Tensor, source_token_mask: Tensor | None) -> None:
        who = "RecurrentDecoder.step"
        check_tensor(who, token=token, memory=memory)
        check_axes(who, "token", token, "(batch,)", exactly=1)
        check_tokens(who, "token", token[:, None], self.embedding.num_embeddings)
        check_axes(who, "memory", memory, "(batch, n_k, d_h)", exactly=3)
        check_same_size(who, "batch", token=(token, 0), memory=(memory, 0))
        check_size(who, "d_h", self.d_h, "memory", memory, -1)
        check_floating(who, memory=memory, weights=self.output_proj.weight)
        is_pair = isinstance(self.rnn.state_of(memory[:0]), tuple)
        parts = check_state(who, state, ("h", "c") if is_pair else ("state",))
        check_state_sizes(who, parts, "(1, batch, d_h)", (1, token.shape[0], self.d_h), memory=memory)
        check_token_mask(who, "source_token_mask", source_token_mask, memory)


def _net(who: str, recurrent: Callable[..., RecurrentNet], d_x: int, d_h: int, *, bidirectional: bool) -> RecurrentNet:
    net = recurrent(d_x, d_h, num_layers=1, bidirectional=bidirectional)
    if not isinstance(net, RecurrentNet):
        raise TypeError(
            f"{who}: recurrent must make an attnref.protocols.RecurrentNet, which has state_of, got {kind_of(net)}."
        )
    return net


def _hidden(state: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    """The hidden state, with or without a cell state beside it."""
    return state[0] if isinstance(state, tuple) else state
