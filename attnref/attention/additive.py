"""Additive attention (Bahdanau, Cho and Bengio 2015, section 3.1 and appendix A.1.2)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attnref._checks import check_at_least
from attnref.attention._checks import check_additive_weights, check_attention_inputs
from attnref.attention._non_finite import set_aside, spoil
from attnref.attention._weights import weight_of
from attnref.attention.masks import masked_softmax


def additive_attention(
    query: Float[Tensor, "*batch n_q d_q"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
    *,
    w_q: Float[Tensor, "d_a d_q"],
    w_k: Float[Tensor, "d_a d_k"],
    v_a: Float[Tensor, " d_a"],
) -> tuple[Float[Tensor, "*batch n_q d_v"], Float[Tensor, "*batch n_q n_k"]]:
    r"""Score each query against each key with a small neural network, then average the values by the scores.

    $$ e_{ij} = v_a^\top \tanh(W_q\, q_i + W_k\, k_j) \qquad
       w_{ij} = \frac{\exp e_{ij}}{\sum_{j'} \exp e_{ij'}} \qquad
       c_i = \sum_j w_{ij}\, v_j $$

    In a sequence-to-sequence model the query is the decoder's last state, keys and values are the encoder's hidden
    states, and the output is the context vector.

    Args:
        query: The queries; in the paper, the state of the decoder.
        key: The keys; in the paper, the hidden states of the encoder.
        value: The values; in the paper, the keys themselves.
        mask: True = may attend. All may when it is left out.
        w_q: Projection of a query to the hidden layer of the score; the paper's $W_a$.
        w_k: Projection of a key to the same layer; the paper's $U_a$.
        v_a: Weights of the score, a weighted sum over the hidden layer.

    Returns:
        output: One context vector for each query; zero for a fully masked row.
        weights: The attention weights; each row sums to one, or to zero in a fully masked row.

    Raises:
        TypeError: The inputs and weights are not of one floating dtype, or the mask is not bool.
        ValueError: Inputs and weights do not agree in their leading axes, d_q, d_k, d_a or n_k, or the mask does not
            broadcast to (..., n_q, n_k).

    Examples:
        >>> import torch
        >>> from attnref import additive_attention
        >>> query, key = torch.tensor([[0.5]]), torch.tensor([[0.5], [-0.5]])
        >>> one = torch.tensor([[1.0]])
        >>> output, weights = additive_attention(query, key, key, w_q=one, w_k=one, v_a=torch.tensor([1.0]))
        >>> weights  # tanh(0.5 + 0.5) = 0.7616 against tanh(0.5 - 0.5) = 0
        tensor([[0.6817, 0.3183]])
        >>> output
        tensor([[0.1817]])

    Source:
        Bahdanau, Cho and Bengio 2015, *Neural Machine Translation by Jointly Learning to Align and Translate*,
        section 3.1 (equations 5 and 6) and appendix A.1.2, [arXiv:1409.0473](https://arxiv.org/abs/1409.0473).
    """
    who = "additive_attention"
    check_attention_inputs(who, query, key, value, mask)
    check_additive_weights(who, query, key, w_q, w_k, v_a)
    query, key, value, lost = set_aside(query, key, value, mask)

    query_part = (query @ w_q.mT).unsqueeze(-2)  # (..., n_q, 1, d_a)
    key_part = (key @ w_k.mT).unsqueeze(-3)  # (..., 1, n_k, d_a)
    scores = torch.tanh(query_part + key_part) @ v_a  # (..., n_q, n_k)
    weights = masked_softmax(scores, mask)
    return spoil(weights @ value, lost), spoil(weights, lost)


class AdditiveAttention(nn.Module):
    """Additive attention that owns its three projections. None has a bias, as in the paper.

    Args:
        d_q: Size of a query.
        d_k: Size of a key.
        d_a: Size of the hidden layer that scores them.

    Raises:
        TypeError: A size is not a whole number.
        ValueError: A size is less than one.

    Examples:
        >>> import torch
        >>> from attnref import AdditiveAttention
        >>> attend = AdditiveAttention(d_q=6, d_k=4, d_a=8)
        >>> query, memory = torch.randn(2, 3, 6), torch.randn(2, 5, 4)
        >>> output, weights = attend(query, memory, memory)
        >>> output.shape, weights.shape
        (torch.Size([2, 3, 4]), torch.Size([2, 3, 5]))

    Source:
        Bahdanau, Cho and Bengio 2015, appendix A.1.2, [arXiv:1409.0473](https://arxiv.org/abs/1409.0473).
    """

    def __init__(self, d_q: int, d_k: int, d_a: int) -> None:
        check_at_least("AdditiveAttention", 1, d_q=d_q, d_k=d_k, d_a=d_a)
        super().__init__()
        self.query_proj = nn.Linear(d_q, d_a, bias=False)
        self.key_proj = nn.Linear(d_k, d_a, bias=False)
        self.score_proj = nn.Linear(d_a, 1, bias=False)

    def forward(
        self,
        query: Float[Tensor, "*batch n_q d_q"],
        key: Float[Tensor, "*batch n_k d_k"],
        value: Float[Tensor, "*batch n_k d_v"],
        mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
    ) -> tuple[Float[Tensor, "*batch n_q d_v"], Float[Tensor, "*batch n_q n_k"]]:
        """Attend: see `additive_attention`."""
        return additive_attention(
            query,
            key,
            value,
            mask,
            w_q=weight_of(self.query_proj),
            w_k=weight_of(self.key_proj),
            v_a=weight_of(self.score_proj)[0],
        )

    def reset_parameters(self) -> None:
        """Draw all weights anew, as they were drawn when the Module was made."""
        for projection in (self.query_proj, self.key_proj, self.score_proj):
            projection.reset_parameters()
