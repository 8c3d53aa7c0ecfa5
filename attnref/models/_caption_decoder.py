"""The decoder of captions: attention to the grid of an image, a gate, an LSTM and a deep output (Xu et al. 2015)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attnref._checks import check_attended
from attnref.attention.masks import masked_softmax
from attnref.protocols import Attend
from attnref.sequence._net import draw_anew
from attnref.sequence.lstm import LSTM

State = tuple[Tensor, Tensor]  # (h, c), each (1, batch, d_h)
Choose = Callable[[Tensor | None], Tensor]  # the position of each sample, (batch,), by the weights, (batch, n_k)


class CaptionDecoder(nn.Module):
    """Everything of `attnref.models.ShowAttendTell` but its encoder: one word at a time, each with a look at the grid.

    `features`, (batch, n_k, d_features), are the vectors of the grid, and `keys` their projection, made once.
    """

    def __init__(
        self,
        vocab_size: int,
        d_features: int,
        d_embed: int,
        d_h: int,
        d_attention: int,
        gate: str,
        attend: Attend | None,
        dropout: float,
    ) -> None:
        super().__init__()
        self.init_h, self.init_c = nn.Linear(d_features, d_h), nn.Linear(d_features, d_h)
        self.embedding = nn.Embedding(vocab_size, d_embed)  # E
        self.query_proj, self.key_proj = nn.Linear(d_h, d_attention, bias=False), nn.Linear(d_features, d_attention)
        self.attend = AdditiveScore(d_attention) if attend is None else attend
        self.gate_proj = None if gate == "none" else nn.Linear(d_h, 1 if gate == "scalar" else d_features)
        self.rnn = LSTM(d_embed + d_features, d_h)
        self.hidden_proj = nn.Linear(d_h, d_embed, bias=False)  # L_h
        self.context_proj = nn.Linear(d_features, d_embed, bias=False)  # L_z
        self.dropout = nn.Dropout(dropout)
        self.output_proj = nn.Linear(d_embed, vocab_size)  # L_o

    def start(self, features: Tensor) -> State:
        """The state before the first word, from the mean of all positions."""
        mean = features.mean(1)[None]  # (1, batch, d_features)
        return torch.tanh(self.init_h(mean)), torch.tanh(self.init_c(mean))

    def step(
        self, x: Tensor, state: State, features: Tensor, keys: Tensor, choose: Choose | None = None
    ) -> tuple[Tensor, Tensor, State, Tensor | None, Tensor | None]:
        """Look, then read one embedded word: hidden state, context, state, attention weights, the position chosen.

        With `choose` the context is the vector of one position in place of the weighted mean of all.
        """
        h = state[0][0]  # (batch, d_h): the hidden state before this word
        query = self.query_proj(h)[:, None]  # (batch, 1, d_attention)
        attended = self.attend(query, keys, features)
        context, weights = check_attended("ShowAttendTell", attended, query, keys, features)
        context, weights = context[:, 0], None if weights is None else weights[..., 0, :]
        chosen = None if choose is None else choose(weights)  # (batch,)
        if chosen is not None:
            index = chosen.long()[:, None, None].expand(-1, 1, features.shape[-1])
            context = features.gather(1, index)[:, 0]  # (batch, d_features)
        if self.gate_proj is not None:
            context = torch.sigmoid(self.gate_proj(h)) * context
        hidden, state = self.rnn(torch.cat((x, context), dim=-1)[:, None], state)
        return hidden[:, 0], context, state, weights, chosen

    def logits(self, x: Tensor, hidden: Tensor, context: Tensor) -> Tensor:
        """The deep output: a score for each token, from the word before, the hidden state and the context."""
        return self.output_proj(self.dropout(x + self.hidden_proj(hidden) + self.context_proj(context)))

    def reset_parameters(self) -> None:
        """Draw all weights anew, those of `attend` included."""
        draw_anew(*self.children())


class AdditiveScore(nn.Module):
    """Additive attention of queries and keys that are projected already, so that the keys are projected once."""

    def __init__(self, d_attention: int) -> None:
        super().__init__()
        self.score_proj = nn.Linear(d_attention, 1, bias=False)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Attend: softmax of v_a tanh(query + key)."""
        hidden = torch.tanh(query.unsqueeze(-2) + key.unsqueeze(-3))  # (batch, n_q, n_k, d_attention)
        weights = masked_softmax(self.score_proj(hidden)[..., 0], mask)
        return weights @ value, weights
