"""What type-checks as `Attend` and `RecurrentNet`, and what does not: read by pyright, never run."""
# pyright: reportUnnecessaryTypeIgnoreComment=error

from functools import partial

from torch import Tensor, nn

import attnref
from attnref.fast.gru import GRU
from attnref.fast.lstm import LSTM
from attnref.fast.rnn import RNN
from attnref.fast.scaled_dot_product import scaled_dot_product_attention
from attnref.protocols import Attend, RecurrentNet


def uniform(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, None]:
    """An attention of somebody else's."""
    return value.mean(-2, keepdim=True).expand(*query.shape[:-1], -1), None


def without_mask(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """No attention of the protocol."""
    return value, value


def checks() -> None:
    """Every net and every attention goes into every model that takes one."""
    for recurrent in (attnref.RNN, attnref.LSTM, attnref.GRU, RNN, LSTM, GRU, partial(GRU, reset="after")):
        attnref.Seq2Seq(9, 9, d_embed=2, d_h=4, recurrent=recurrent)
        attnref.RecurrentEncoder(9, 2, 4, recurrent=recurrent)
        attnref.RecurrentDecoder(9, 2, 4, recurrent=recurrent)
    nets: list[RecurrentNet] = [attnref.RNN(2, 4), attnref.LSTM(2, 4), attnref.GRU(2, 4), RNN(2, 4), LSTM(2, 4)]
    heads = attnref.MultiHeadAttention(4, 2)
    functions: list[Attend] = [uniform, heads, scaled_dot_product_attention, attnref.dot_attention]
    for attend in functions:
        attnref.Seq2Seq(9, 9, d_embed=2, d_h=4, attend=attend, recurrent=GRU)
    attnref.Seq2Seq(9, 9, d_embed=2, d_h=4, attend=attnref.AdditiveAttention(4, 4, 4))

    attnref.Seq2Seq(9, 9, d_embed=2, d_h=4, recurrent=nn.GRU)  # pyright: ignore[reportArgumentType]
    attnref.Seq2Seq(9, 9, d_embed=2, d_h=4, recurrent=nets[0])  # pyright: ignore[reportArgumentType]
    attnref.Seq2Seq(9, 9, d_embed=2, d_h=4, attend=without_mask)  # pyright: ignore[reportArgumentType]
    attnref.Seq2Seq(9, 9, d_embed=2, d_h=4, attend=attnref.AdditiveAttention)  # pyright: ignore[reportArgumentType]
