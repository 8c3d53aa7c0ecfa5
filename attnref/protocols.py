"""The protocols of attnref, and the letters and masks that its shapes are written with.

| letters | meaning |
|---|---|
| `batch` | samples; `...` stands for any number of leading axes |
| `h` | heads, an axis before the positions: (batch, h, n, d) |
| `n`, `n_q`, `n_k` | positions: of a sequence, of queries, of keys |
| `d_model`, `d_k`, `d_v` | sizes: of a model's vectors, of queries and keys, of values |
| `d_x`, `d_h` | sizes: of the input and of the hidden state of a recurrent net |
| `channels`, `height`, `width` | of an image, (batch, channels, height, width) |

There are two masks, both bool, and in both True means that something takes part:

- `mask` is an **attention mask**: True = this query may attend to this key. It broadcasts to (..., n_q, n_k), and
  several are combined with `&`. Without one, every query may attend to every key.
- `token_mask` is a **token mask**, (batch, n): True = a real token, False = padding. `source_token_mask` and
  `target_token_mask` where there are two sequences. `token_mask[:, None]` is the attention mask that lets every query
  attend to the real tokens.

Float masks are refused, never guessed at.
"""

from typing import Any, Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Attend(Protocol):
    """Any attention, function or Module: `attend(query, key, value, mask) -> (output, weights)`.

    Whatever uses attention takes one (`MultiHeadAttention(..., attend=...)`, `Seq2Seq(..., attend=...)`), so any model
    runs with any mechanism, and with its fast version.

    Examples:
        >>> from attnref import MultiHeadAttention, scaled_dot_product_attention
        >>> from attnref.protocols import Attend
        >>> def uniform(query, key, value, mask=None):  # attends to every key alike
        ...     return scaled_dot_product_attention(0 * query, key, value, mask)
        >>> isinstance(uniform, Attend)
        True
        >>> attention = MultiHeadAttention(d_model=12, num_heads=3, attend=uniform)
    """

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, /
    ) -> tuple[Tensor, Tensor | None]:
        """Attend.

        Args:
            query: (..., n_q, d_q).
            key: (..., n_k, d_k).
            value: (..., n_k, d_v).
            mask: Bool, broadcastable to (..., n_q, n_k), True = may attend.

        Returns:
            output: (..., n_q, d_v).
            weights: (..., n_q, n_k), or None where they are never formed.
        """
        ...


@runtime_checkable
class RecurrentNet(Protocol):
    """Any recurrent net over a sequence: `net(x, state, token_mask) -> (hidden, state)`.

    `attnref.RNN`, `attnref.GRU`, `attnref.LSTM` and their fast versions are such nets. Models take the class, or
    anything that is called like it: `recurrent(d_x, d_h, num_layers=..., bidirectional=...)` makes the net.

    Examples:
        >>> from functools import partial
        >>> from attnref import GRU, Seq2Seq
        >>> from attnref.protocols import RecurrentNet
        >>> isinstance(GRU(d_x=3, d_h=4), RecurrentNet)
        True
        >>> model = Seq2Seq(20, 10, d_embed=4, d_h=8, recurrent=partial(GRU, reset="before"))
    """

    def __call__(self, x: Tensor, state: Any = None, token_mask: Tensor | None = None, /) -> tuple[Tensor, Any]:
        """Read a sequence.

        Args:
            x: The inputs, (batch, n, d_x).
            state: The state before the first input: h, or (h, c), each part (num_layers * directions, batch, d_h);
                zeros if omitted.
            token_mask: (batch, n), True = a real input.

        Returns:
            hidden: The hidden state after each input, (batch, n, directions * d_h); zero at padding.
            state: The state after the last real input.
        """
        ...

    def state_of(self, h: Tensor, /) -> Any:
        """The state whose hidden state is h: h itself, or (h, c) with a cell state of zeros."""
        ...


@runtime_checkable
class NextToken(Protocol):
    """Any model in the middle of a text: it reads tokens, and scores the one that comes next.

    Every model of attnref that predicts tokens gives one by its method `start`: `attnref.Transformer.start(source)`,
    `attnref.DecoderOnlyTransformer.start()`, `attnref.Seq2Seq.start(source)`, `attnref.MarkovModel.start()`,
    `attnref.models.ShowAttendTell.start(images)`.
    `attnref.generate` and `attnref.beam_search` take one.

    Examples:
        >>> import torch
        >>> from attnref import MarkovModel, generate
        >>> from attnref.protocols import NextToken
        >>> chain = MarkovModel(vocab_size=3).fit(torch.tensor([[0, 1, 2, 0, 1, 2]]))
        >>> isinstance(chain.start(), NextToken)
        True
        >>> generate(chain.start(), torch.tensor([[0]]), max_new_tokens=4).tokens
        tensor([[0, 1, 2, 0, 1]])
    """

    def read(self, tokens: Tensor, /) -> Tensor:
        """Read on, and score the next token.

        Args:
            tokens: (batch, n), the tokens that follow those read before; n is at least 1.

        Returns:
            A score for each token of the vocabulary, (batch, vocab_size), with the softmax of which it comes next.
        """
        ...

    def select(self, rows: Tensor, /) -> None:
        """Keep these samples of the batch, in this order; one may be kept several times.

        Args:
            rows: (rows,), their numbers.
        """
        ...
