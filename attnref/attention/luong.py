"""Dot, general and concat attention (Luong, Pham and Manning 2015, section 3.1)."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attnref._checks import check_at_least, check_axes, check_choice, check_floating, check_same_size, check_size
from attnref._numerics import autocast_off
from attnref.attention._checks import check_attention_inputs, check_dot_product_inputs
from attnref.attention._non_finite import set_aside, spoil
from attnref.attention._weights import weight_of
from attnref.attention.masks import masked_softmax


def dot_attention(
    query: Float[Tensor, "*batch n_q d_k"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
) -> tuple[Float[Tensor, "*batch n_q d_v"], Float[Tensor, "*batch n_q n_k"]]:
    r"""Score each query against each key by their dot product, which is not scaled.

    $$ e_{ij} = q_i^\top k_j \qquad c = \operatorname{softmax}(e)\, V $$

    Args:
        query: The queries; in the paper, the state of the decoder *after* its step.
        key: The keys; in the paper, the hidden states of the encoder.
        value: The values; in the paper, the keys themselves.
        mask: True = may attend. All may when it is left out.

    Returns:
        output: One context vector for each query; zero for a fully masked row.
        weights: The attention weights; each row sums to one, or to zero in a fully masked row.

    Raises:
        TypeError: The inputs are not of one floating dtype, or the mask is not bool.
        ValueError: The shapes of the inputs or of the mask do not fit each other.

    Examples:
        >>> import torch
        >>> from attnref import dot_attention
        >>> query, key = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> dot_attention(query, key, key)[1]  # exp 1 against exp 2
        tensor([[0.2689, 0.7311]])

    Source:
        Luong et al. 2015, [arXiv:1508.04025](https://arxiv.org/abs/1508.04025), section 3.1, the score "dot".
    """
    check_dot_product_inputs("dot_attention", query, key, value, mask)
    query, key, value, lost = set_aside(query, key, value, mask)

    weights = masked_softmax(query @ key.mT, mask)
    return spoil(weights @ value, lost), spoil(weights, lost)


def general_attention(
    query: Float[Tensor, "*batch n_q d_q"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
    *,
    w_a: Float[Tensor, "d_q d_k"],
) -> tuple[Float[Tensor, "*batch n_q d_v"], Float[Tensor, "*batch n_q n_k"]]:
    r"""Score each query against each key by a learned matrix between them.

    $$ e_{ij} = q_i^\top W_a\, k_j \qquad c = \operatorname{softmax}(e)\, V $$

    Args:
        query: The queries.
        key: The keys. d_k may differ from d_q.
        value: The values.
        mask: True = may attend. All may when it is left out.
        w_a: Projection of a key to the size of a query; the paper's $W_a$.

    Returns:
        output: One context vector for each query; zero for a fully masked row.
        weights: The attention weights, as in `dot_attention`.

    Raises:
        TypeError: The inputs and the weight are not of one floating dtype, or the mask is not bool.
        ValueError: The shapes of the inputs, of the weight or of the mask do not fit each other.

    Examples:
        >>> import torch
        >>> from attnref import general_attention
        >>> query, key = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]])
        >>> general_attention(query, key, key, w_a=torch.tensor([[1.0], [0.0]]))[1]  # exp 3 against exp 4
        tensor([[0.2689, 0.7311]])

    Source:
        Luong et al. 2015, [arXiv:1508.04025](https://arxiv.org/abs/1508.04025), section 3.1, the score "general".
    """
    who = "general_attention"
    check_attention_inputs(who, query, key, value, mask)
    check_axes(who, "w_a", w_a, "(d_q, d_k)", exactly=2)
    check_floating(who, query=query, w_a=w_a)
    check_same_size(who, "d_q", query=(query, -1), w_a=(w_a, 0))
    check_same_size(who, "d_k", key=(key, -1), w_a=(w_a, 1))
    query, key, value, lost = set_aside(query, key, value, mask)

    weights = masked_softmax(query @ w_a @ key.mT, mask)
    return spoil(weights @ value, lost), spoil(weights, lost)


def concat_attention(
    query: Float[Tensor, "*batch n_q d_q"],
    key: Float[Tensor, "*batch n_k d_k"],
    value: Float[Tensor, "*batch n_k d_v"],
    mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
    *,
    w_a: Float[Tensor, "d_a d_q+d_k"],
    v_a: Float[Tensor, " d_a"],
) -> tuple[Float[Tensor, "*batch n_q d_v"], Float[Tensor, "*batch n_q n_k"]]:
    r"""Score each pair of a query and a key, concatenated, with a small network: `additive_attention` in one matrix.

    $$ e_{ij} = v_a^\top \tanh(W_a\, [q_i; k_j]) \qquad c = \operatorname{softmax}(e)\, V $$

    Args:
        query: The queries.
        key: The keys. d_k may differ from d_q.
        value: The values.
        mask: True = may attend. All may when it is left out.
        w_a: Projection of a pair, query first, to the hidden layer of the score; the paper's $W_a$.
        v_a: Weights of the score, a weighted sum over the hidden layer.

    Returns:
        output: One context vector for each query; zero for a fully masked row.
        weights: The attention weights, as in `dot_attention`.

    Raises:
        TypeError: The inputs and weights are not of one floating dtype, or the mask is not bool.
        ValueError: The shapes of the inputs, of the weights or of the mask do not fit each other.

    Examples:
        >>> import torch
        >>> from attnref import concat_attention
        >>> query, key = torch.tensor([[0.5]]), torch.tensor([[0.5], [-0.5]])
        >>> w_a, v_a = torch.tensor([[1.0, 1.0]]), torch.tensor([1.0])
        >>> concat_attention(query, key, key, w_a=w_a, v_a=v_a)[1]  # tanh 1 = 0.7616 against tanh 0 = 0
        tensor([[0.6817, 0.3183]])

    Source:
        Luong et al. 2015, [arXiv:1508.04025](https://arxiv.org/abs/1508.04025), section 3.1, the score "concat".
    """
    check_attention_inputs("concat_attention", query, key, value, mask)
    _check_concat_weights(query, key, w_a, v_a)
    query, key, value, lost = set_aside(query, key, value, mask)

    queries = query.unsqueeze(-2).expand(*query.shape[:-1], key.shape[-2], -1)  # (..., n_q, n_k, d_q)
    keys = key.unsqueeze(-3).expand(*query.shape[:-1], -1, -1)  # (..., n_q, n_k, d_k)
    with autocast_off(query):  # which has no concatenation of another half precision than its own
        pairs = torch.cat((queries, keys), dim=-1)
    weights = masked_softmax(torch.tanh(pairs @ w_a.mT) @ v_a, mask)
    return spoil(weights @ value, lost), spoil(weights, lost)


class LuongAttention(nn.Module):
    """Attention by one of Luong's three scores, owning the projections of that score. None has a bias.

    Args:
        d_q: Size of a query.
        d_k: Size of a key.
        score: "dot", with nothing to learn; "general", with one matrix; or "concat", with a small network.
        d_a: Size of the hidden layer of "concat"; the others have none.

    Raises:
        TypeError: A size is not a whole number.
        ValueError: A size is less than one, there is no such score, d_q and d_k differ for "dot", or d_a is missing
            for "concat" or given for another.

    Examples:
        >>> import torch
        >>> from attnref import LuongAttention
        >>> attend = LuongAttention(d_q=6, d_k=4, score="general")
        >>> query, memory = torch.randn(2, 3, 6), torch.randn(2, 5, 4)
        >>> output, weights = attend(query, memory, memory)
        >>> output.shape, weights.shape
        (torch.Size([2, 3, 4]), torch.Size([2, 3, 5]))

    Source:
        Luong, Pham and Manning 2015, *Effective Approaches to Attention-based Neural Machine Translation*,
        section 3.1, [arXiv:1508.04025](https://arxiv.org/abs/1508.04025).
    """

    def __init__(
        self, d_q: int, d_k: int, *, score: Literal["dot", "general", "concat"], d_a: int | None = None
    ) -> None:
        _check_sizes(d_q, d_k, score, d_a)
        super().__init__()
        self.score = score
        if score == "general":
            self.key_proj = nn.Linear(d_k, d_q, bias=False)
        if d_a is not None:
            self.pair_proj = nn.Linear(d_q + d_k, d_a, bias=False)
            self.score_proj = nn.Linear(d_a, 1, bias=False)

    def forward(
        self,
        query: Float[Tensor, "*batch n_q d_q"],
        key: Float[Tensor, "*batch n_k d_k"],
        value: Float[Tensor, "*batch n_k d_v"],
        mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
    ) -> tuple[Float[Tensor, "*batch n_q d_v"], Float[Tensor, "*batch n_q n_k"]]:
        """Attend: see `dot_attention`, `general_attention` and `concat_attention`."""
        if self.score == "dot":
            return dot_attention(query, key, value, mask)
        if self.score == "general":
            return general_attention(query, key, value, mask, w_a=weight_of(self.key_proj))
        w_a, v_a = weight_of(self.pair_proj), weight_of(self.score_proj)[0]
        return concat_attention(query, key, value, mask, w_a=w_a, v_a=v_a)

    def reset_parameters(self) -> None:
        """Draw all weights anew, as they were drawn when the Module was made."""
        for projection in self.children():
            projection.reset_parameters()  # pyright: ignore[reportCallIssue] - all of them are linear


def _check_concat_weights(query: Tensor, key: Tensor, w_a: Tensor, v_a: Tensor) -> None:
    """The two weights of concat attention fit a query and a key together, and each other."""
    who = "concat_attention"
    check_axes(who, "w_a", w_a, "(d_a, d_q + d_k)", exactly=2)
    check_axes(who, "v_a", v_a, "(d_a,)", exactly=1)
    check_floating(who, query=query, w_a=w_a, v_a=v_a)
    check_size(who, "d_q + d_k", query.shape[-1] + key.shape[-1], "w_a", w_a, 1)
    check_same_size(who, "d_a", w_a=(w_a, 0), v_a=(v_a, 0))


def _check_sizes(d_q: int, d_k: int, score: str, d_a: int | None) -> None:
    """The score is one of Luong's, and has the sizes it needs and no other."""
    who = "LuongAttention"
    check_at_least(who, 1, d_q=d_q, d_k=d_k, **({} if d_a is None else {"d_a": d_a}))
    check_choice(who, "score", score, ("dot", "general", "concat"))
    if score == "dot" and d_q != d_k:
        raise ValueError(f"{who}: score 'dot' needs d_q and d_k to be equal, got d_q={d_q}, d_k={d_k}.")
    if (score == "concat") != (d_a is not None):
        need = "needs d_a, the size of its hidden layer" if d_a is None else "has no hidden layer: leave d_a out"
        raise ValueError(f"{who}: score {score!r} {need}, got d_a={d_a}.")
