"""Multi-head attention (Vaswani et al. 2017, section 3.2.2)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attnref._checks import check_at_least, check_attend, check_attended, check_floating, check_size
from attnref.attention._checks import check_attention_inputs
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.protocols import Attend


class MultiHeadAttention(nn.Module):
    r"""Attend several times side by side, each head through its own maps, and map the joined outputs back.

    $$ \operatorname{MultiHead}(Q, K, V) = [\,o_1; \dots; o_h\,]\, W^O \qquad
       o_i = \operatorname{Attention}(Q W_i^Q,\; K W_i^K,\; V W_i^V) $$

    The maps of all heads lie in one matrix each: head `i` owns rows `i d_k` to `(i + 1) d_k` of `query_proj.weight` and
    `key_proj.weight`, rows `i d_v` to `(i + 1) d_v` of `value_proj.weight`, and the columns of these numbers of
    `output_proj.weight`, which is (d_model, h d_v).

    Args:
        d_model: Width of the inputs and of the output.
        num_heads: How many heads, `h`.
        d_k: Width of a query and a key in one head; `d_model / num_heads` when left out.
        d_v: Width of a value in one head; `d_model / num_heads` when left out.
        bias: Whether the four maps add a bias. The paper's do not; `torch.nn.MultiheadAttention` does by default.
        attend: What a head does with its query, key and value: any function or Module
            `(query, key, value, mask) -> (output, weights)`. It is given all heads at once, as a leading axis.

    Raises:
        TypeError: A size is not a whole number, or `attend` cannot be called.
        ValueError: A size is less than one, or d_k or d_v is left out and the heads do not divide d_model.

    Examples:
        >>> import torch
        >>> from attnref import MultiHeadAttention
        >>> attention = MultiHeadAttention(d_model=12, num_heads=3)
        >>> x = torch.randn(2, 5, 12)
        >>> output, weights = attention(x, x, x)
        >>> output.shape, weights.shape
        (torch.Size([2, 5, 12]), torch.Size([2, 3, 5, 5]))

    Source:
        Vaswani et al. 2017, *Attention Is All You Need*, section 3.2.2.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        *,
        d_k: int | None = None,
        d_v: int | None = None,
        bias: bool = False,
        attend: Attend = scaled_dot_product_attention,
    ) -> None:
        _check_sizes(d_model, num_heads, d_k, d_v)
        check_attend("MultiHeadAttention", attend, optional=False)
        super().__init__()
        self.d_model, self.num_heads = d_model, num_heads
        self.d_k = d_model // num_heads if d_k is None else d_k
        self.d_v = d_model // num_heads if d_v is None else d_v
        self.query_proj = nn.Linear(d_model, num_heads * self.d_k, bias=bias)
        self.key_proj = nn.Linear(d_model, num_heads * self.d_k, bias=bias)
        self.value_proj = nn.Linear(d_model, num_heads * self.d_v, bias=bias)
        self.output_proj = nn.Linear(num_heads * self.d_v, d_model, bias=bias)
        self.attend = attend

    def forward(
        self,
        query: Float[Tensor, "*batch n_q d_model"],
        key: Float[Tensor, "*batch n_k d_model"],
        value: Float[Tensor, "*batch n_k d_model"],
        mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
    ) -> tuple[Float[Tensor, "*batch n_q d_model"], Float[Tensor, "*batch h n_q n_k"] | None]:
        """Attend with every head.

        Args:
            query: Where the queries are made from.
            key: Where the keys are made from.
            value: Where the values are made from; most often the keys' own input.
            mask: True = may attend, the same for all heads. It has no head axis: that is put in here.

        Returns:
            output: One vector for each query. Where a query may attend to nothing it is zero, or the output map's bias.
            weights: How each head mixes its values, or None where `attend` forms no weights.

        Raises:
            TypeError: The inputs and weights are not of one floating dtype, or the mask is not bool.
            ValueError: The inputs do not agree in their leading axes or in n_k, are not d_model wide, or the mask does
                not broadcast to (..., n_q, n_k).
        """
        self._check(query, key, value, mask)

        q, k, v = (
            self._split(self.query_proj(query)),  # (..., h, n_q, d_k)
            self._split(self.key_proj(key)),  # (..., h, n_k, d_k)
            self._split(self.value_proj(value)),  # (..., h, n_k, d_v)
        )
        attended = self.attend(q, k, v, None if mask is None else mask.unsqueeze(-3))  # one mask for all heads
        output, weights = check_attended("MultiHeadAttention", attended, q, k, v)
        joined = output.transpose(-3, -2).flatten(-2)  # (..., h, n_q, d_v) -> (..., n_q, h d_v)
        return self.output_proj(joined), weights

    def _split(self, x: Float[Tensor, "*batch n h_d"]) -> Float[Tensor, "*batch h n d"]:
        """Give each head its part of the width. Heads are cut from the last axis, then moved before the positions."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(-3, -2)

    def _check(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
        who = "MultiHeadAttention"
        check_attention_inputs(who, query, key, value, mask)
        for name, tensor in (("query", query), ("key", key), ("value", value)):
            check_size(who, "d_model", self.d_model, name, tensor, -1)
        check_floating(who, query=query, weights=self.query_proj.weight)

    @classmethod
    def from_torch(
        cls, module: nn.MultiheadAttention, *, attend: Attend = scaled_dot_product_attention
    ) -> "MultiHeadAttention":
        """Take over the weights of torch's own multi-head attention, as copies.

        The result is batch first, (..., n, d_model), whatever the module's `batch_first` says; its masks are
        attnref's, True = may attend, where torch's are the other way round.

        Args:
            module: What the weights are taken from.
            attend: What a head does, as for the class. If it is a Module, it is taken as it is, with its own weights.

        Returns:
            The same attention, in the module's dtype and on its device.

        Raises:
            TypeError: The module is not a `torch.nn.MultiheadAttention`.
            ValueError: The module has what this class has not: keys or values of another width (`kdim`, `vdim`), an
                added key and value (`add_bias_kv`, `add_zero_attn`), or dropout.

        Examples:
            >>> import torch
            >>> from attnref import MultiHeadAttention
            >>> theirs = torch.nn.MultiheadAttention(12, 3, batch_first=True)
            >>> ours = MultiHeadAttention.from_torch(theirs)
            >>> x = torch.randn(2, 5, 12)
            >>> torch.allclose(ours(x, x, x)[0], theirs(x, x, x)[0], atol=1e-6)
            True
        """
        _check_torch_module(module)

        ours = cls(module.embed_dim, module.num_heads, bias=module.in_proj_bias is not None, attend=attend)
        named = {"output_proj.weight": module.out_proj.weight, "output_proj.bias": module.out_proj.bias}
        for kind, stacked in (("weight", module.in_proj_weight), ("bias", module.in_proj_bias)):
            for i, name in enumerate(("query_proj", "key_proj", "value_proj")):
                named[f"{name}.{kind}"] = None if stacked is None else stacked.chunk(3)[i]
        with torch.no_grad():  # an `attend` with weights of its own keeps them
            for name, tensor in named.items():
                if tensor is not None:
                    part, kind = name.split(".")
                    setattr(ours.get_submodule(part), kind, nn.Parameter(tensor.clone()))
        return ours


def _check_sizes(d_model: int, num_heads: int, d_k: int | None, d_v: int | None) -> None:
    """Heads divide the width where they share it; given a width of their own, they need not."""
    who = "MultiHeadAttention"
    own = {name: size for name, size in (("d_k", d_k), ("d_v", d_v)) if size is not None}
    check_at_least(who, 1, d_model=d_model, num_heads=num_heads, **own)
    if len(own) < 2 and d_model % num_heads:
        raise ValueError(f"{who}: d_model must divide by num_heads, got d_model={d_model} and num_heads={num_heads}.")


def _check_torch_module(module: object) -> None:
    """The module is torch's multi-head attention, and has nothing that attnref's has not."""
    who = "MultiHeadAttention.from_torch"
    if not isinstance(module, nn.MultiheadAttention):
        raise TypeError(f"{who}: module must be a torch.nn.MultiheadAttention, got {type(module).__name__}.")
    d_model = module.embed_dim
    if module.kdim != d_model or module.vdim != d_model:
        raise ValueError(
            f"{who}: keys and values must be as wide as queries, "
            f"got embed_dim={d_model}, kdim={module.kdim}, vdim={module.vdim}."
        )
    if module.bias_k is not None or module.add_zero_attn:
        name = "add_zero_attn" if module.add_zero_attn else "add_bias_kv"
        raise ValueError(f"{who}: no key and value may be added to those given, got {name}=True.")
    if module.dropout > 0:
        raise ValueError(
            f"{who}: dropout must be 0, got dropout={module.dropout}; set module.dropout = 0.0 to take the rest."
        )
