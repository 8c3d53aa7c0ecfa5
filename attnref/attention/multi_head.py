"""Multi-head attention (Vaswani et al. 2017, section 3.2.2)."""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from attnref._checks import check_at_least, check_attend, check_attended, check_floating, check_size, kind_of
from attnref.attention._checks import check_attention_inputs
from attnref.attention._non_finite import set_aside, spoil
from attnref.attention.scaled_dot_product import scaled_dot_product_attention
from attnref.protocols import Attend


class MultiHeadAttention(nn.Module):
    r"""Attend with several heads in parallel, each with its own projections, and project the joined outputs.

    $$ \operatorname{MultiHead}(Q, K, V) = [\,o_1; \dots; o_h\,]\, W^O \qquad
       o_i = \operatorname{Attention}(Q W_i^Q,\; K W_i^K,\; V W_i^V) $$

    The projections of all heads are stacked in one matrix each: head `i` owns rows `i d_k` to `(i + 1) d_k` of
    `query_proj.weight` and `key_proj.weight`, rows `i d_v` to `(i + 1) d_v` of `value_proj.weight`, and the columns of
    the same numbers of `output_proj.weight`, which is (d_model, h d_v).

    Args:
        d_model: Size of the inputs and of the output.
        num_heads: Number of heads, `h`.
        d_k: Size of a query and a key in one head; `d_model / num_heads` if omitted.
        d_v: Size of a value in one head; `d_model / num_heads` if omitted.
        bias: Whether the four projections add a bias. The paper's do not; those of `torch.nn.MultiheadAttention` do,
            unless told otherwise.
        attend: The attention of each head: any function or Module
            `(query, key, value, mask) -> (output, weights)`. It is given all heads at once, as a leading axis.

    Raises:
        TypeError: A size is not a whole number, or `attend` cannot be called as `(query, key, value, mask)`.
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
        Vaswani et al. 2017, *Attention Is All You Need*, section 3.2.2,
        [arXiv:1706.03762](https://arxiv.org/abs/1706.03762).
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
            query: The input of the query projection.
            key: The input of the key projection.
            value: The input of the value projection; most often the same as the key's.
            mask: True = may attend, the same for all heads. It has no head axis: that is added here.

        Returns:
            output: One vector for each query. For a fully masked row, zero or the bias of `output_proj`.
            weights: The attention weights of each head, or None where `attend` forms no weights.

        Raises:
            TypeError: The inputs and weights are not of one floating dtype, the mask is not bool, or `attend` does not
                return a pair (output, weights).
            ValueError: The inputs do not agree in their leading axes or in n_k, are not of size d_model, the mask does
                not broadcast to (..., n_q, n_k), or what `attend` returns does not have the shapes of the protocol.
        """
        self._check(query, key, value, mask)
        query, key, value, lost = set_aside(query, key, value, mask)

        k, v = self.project(key, value)
        output, weights = self.attend_projected(query, k, v, mask)
        weights = None if weights is None else spoil(weights, None if lost is None else lost.unsqueeze(-3))
        return spoil(output, lost), weights

    def project(
        self, key: Float[Tensor, "*batch n_k d_model"], value: Float[Tensor, "*batch n_k d_model"]
    ) -> tuple[Float[Tensor, "*batch h n_k d_k"], Float[Tensor, "*batch h n_k d_v"]]:
        """The keys and values of all heads: what a KV cache stores. Arguments as of `forward`."""
        return self._split(self.key_proj(key)), self._split(self.value_proj(value))

    def attend_projected(
        self,
        query: Float[Tensor, "*batch n_q d_model"],
        k: Float[Tensor, "*batch h n_k d_k"],
        v: Float[Tensor, "*batch h n_k d_v"],
        mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
    ) -> tuple[Float[Tensor, "*batch n_q d_model"], Float[Tensor, "*batch h n_q n_k"] | None]:
        """Attend with every head to what `project` gave. Arguments and result as of `forward`."""
        q = self._split(self.query_proj(query))  # (..., h, n_q, d_k)
        attended = self.attend(q, k, v, None if mask is None else mask.unsqueeze(-3))  # one mask for all heads
        output, weights = check_attended("MultiHeadAttention", attended, q, k, v)
        joined = output.transpose(-3, -2).flatten(-2)  # (..., h, n_q, d_v) -> (..., n_q, h d_v)
        return self.output_proj(joined), weights

    def reset_parameters(self) -> None:
        """Draw all weights anew, as they were drawn when the Module was made, and before them those of `attend`."""
        if isinstance(self.attend, nn.Module) and callable(reset := getattr(self.attend, "reset_parameters", None)):
            reset()
        for projection in (self.query_proj, self.key_proj, self.value_proj, self.output_proj):
            projection.reset_parameters()

    def _split(self, x: Float[Tensor, "*batch n h_d"]) -> Float[Tensor, "*batch h n d"]:
        """Give each head its part of the last axis, and move the heads before the positions."""
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
        """Make one with copies of the weights of a `torch.nn.MultiheadAttention`.

        The result is batch first, (..., n, d_model), whatever the module's `batch_first` says; its masks are
        attnref's, True = may attend, where torch's are the other way round.

        Args:
            module: The module of torch.
            attend: The attention of each head, as for the class. A Module keeps its weights, dtype, device and mode.

        Returns:
            The same attention, with the module's dtype, device, `requires_grad` and `training`.

        Raises:
            TypeError: The module is not a `torch.nn.MultiheadAttention`, or `attend` cannot be called.
            ValueError: The module has what this class has not: keys or values of a different size (`kdim`, `vdim`), an
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
        check_attend("MultiHeadAttention.from_torch", attend, optional=False)

        ours = cls(module.embed_dim, module.num_heads, bias=module.in_proj_bias is not None, attend=attend)
        weights = (*module.in_proj_weight.chunk(3), module.out_proj.weight)
        biases = (None,) * 4 if module.in_proj_bias is None else (*module.in_proj_bias.chunk(3), module.out_proj.bias)
        projections = (ours.query_proj, ours.key_proj, ours.value_proj, ours.output_proj)
        for projection, *tensors in zip(projections, weights, biases, strict=True):
            for name, tensor in zip(("weight", "bias"), tensors, strict=True):
                if tensor is not None:
                    setattr(projection, name, nn.Parameter(tensor.detach().clone(), tensor.requires_grad))
            projection.training = module.training
        ours.training = module.training  # not that of `attend`
        return ours


def _check_sizes(d_model: int, num_heads: int, d_k: int | None, d_v: int | None) -> None:
    """Heads divide d_model where they share it; with a d_k and a d_v of their own, they need not."""
    who = "MultiHeadAttention"
    own = {name: size for name, size in (("d_k", d_k), ("d_v", d_v)) if size is not None}
    check_at_least(who, 1, d_model=d_model, num_heads=num_heads, **own)
    if len(own) < 2 and d_model % num_heads:
        raise ValueError(f"{who}: d_model must divide by num_heads, got d_model={d_model} and num_heads={num_heads}.")


def _check_torch_module(module: object) -> None:
    """The module is torch's multi-head attention, and has nothing that attnref's has not."""
    who = "MultiHeadAttention.from_torch"
    if not isinstance(module, nn.MultiheadAttention):
        raise TypeError(f"{who}: module must be a torch.nn.MultiheadAttention, got {kind_of(module)}.")
    d_model = module.embed_dim
    if module.kdim != d_model or module.vdim != d_model:
        raise ValueError(
            f"{who}: keys and values must have the size of queries, "
            f"got embed_dim={d_model}, kdim={module.kdim}, vdim={module.vdim}."
        )
    if module.bias_k is not None or module.add_zero_attn:
        name = "add_zero_attn" if module.add_zero_attn else "add_bias_kv"
        raise ValueError(f"{who}: no key and value may be added to those given, got {name}=True.")
    if module.dropout > 0:
        raise ValueError(
            f"{who}: dropout must be 0, got dropout={module.dropout}; set module.dropout = 0.0 to take the rest."
        )
