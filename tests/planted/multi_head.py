"""Deliberate mistakes in multi-head attention: what, the right text, the wrong one."""

TESTS = ("attention/test_multi_head.py", "attention/test_attend.py", "attention/test_ways_of_torch.py")
ONLY = "test_multi_head or MultiHeadAttention"  # of what every attention shares
SPLIT = "x.unflatten(-1, (self.num_heads, -1)).transpose(-3, -2)"
MISTAKES = {
    "attention/multi_head.py": [
        (
            "heads cut across positions: reshape, not transpose",
            SPLIT,
            "x.reshape(*x.shape[:-2], self.num_heads, x.shape[-2], -1)",
        ),
        ("heads interleaved in the last axis", SPLIT, "x.unflatten(-1, (-1, self.num_heads)).movedim(-1, -3)"),
        (
            "joined without moving the heads back",
            "output.transpose(-3, -2).flatten(-2)",
            "output.reshape(*query.shape[:-1], -1)",
        ),
        (
            "scale of d_model",
            "self._split(self.query_proj(query))",
            "self._split(self.query_proj(query)) / self.num_heads**0.5",
        ),
        (
            "heads averaged, not joined",
            "output.transpose(-3, -2).flatten(-2)",
            "output.mean(-3).repeat_interleave(self.num_heads, -1)",
        ),
        ("heads attended to instead of positions", ".transpose(-3, -2)", ""),
        ("output projection left out", "return self.output_proj(joined)", "return joined"),
        ("values' projection for the keys", "self.key_proj(key)", "self.value_proj(key)"),
        ("keys' projection for the values", "self.value_proj(value)", "self.key_proj(value)"),
        ("keys taken for values", "self.value_proj(value)", "self.value_proj(key)"),
        ("mask without a head axis", "mask.unsqueeze(-3)", "mask"),
        ("mask of each sample taken for one of each head", "mask.unsqueeze(-3)", "mask.unsqueeze(0)"),
        ("mask not passed on", "None if mask is None else mask.unsqueeze(-3)", "None"),
        (
            "weights averaged over the heads",
            "self.output_proj(joined), weights",
            "self.output_proj(joined), None if weights is None else weights.mean(-3)",
        ),
        ("another attention left out", "self.attend(q, ", "scaled_dot_product_attention(q, "),
        (
            "d_v shared out as d_k",
            "self.d_v = d_model // num_heads if d_v is None",
            "self.d_v = self.d_k if d_v is None",
        ),
        (
            "output projection of h d_k columns",
            "nn.Linear(num_heads * self.d_v, d_model",
            "nn.Linear(num_heads * self.d_k, d_model",
        ),
        (
            "output projection without its bias",
            "nn.Linear(num_heads * self.d_v, d_model, bias=bias)",
            "nn.Linear(num_heads * self.d_v, d_model, bias=False)",
        ),
        (
            "query, key and value projection without bias",
            "num_heads * self.d_k, bias=bias",
            "num_heads * self.d_k, bias=False",
        ),
        ("size of the values not checked", ('("key", key), ("value", value))'), '("key", key))'),
        (
            "dtype of the weights not checked",
            "        check_floating(who, query=query, weights=self.query_proj.weight)\n",
            "",
        ),
        (
            "from torch: keys and queries swapped",
            "(ours.query_proj, ours.key_proj, ours.value_proj, ours.output_proj)",
            "(ours.key_proj, ours.query_proj, ours.value_proj, ours.output_proj)",
        ),
        ("from torch: a bias whether there is one or not", "bias=module.in_proj_bias is not None", "bias=True"),
        ("from torch: dtype not kept", "tensor.detach().clone()", "tensor.detach().clone().float()"),
        (
            "from torch: frozen weights set free",
            "tensor.detach().clone(), tensor.requires_grad",
            "tensor.detach().clone()",
        ),
        ("from torch: mode not kept", "ours.training = module.training", "pass"),
        ("from torch: mode of the projections not kept", "projection.training = module.training", "pass"),
        ("from torch: mode of `attend` changed", "ours.training = module.training", "ours.train(module.training)"),
        ("from torch: attend not passed on", "is not None, attend=attend)", "is not None)"),
        (
            "from torch: weights shared, not copied",
            "tensor.detach().clone()",
            "tensor.detach()",
        ),
        ("from torch: another class", "ours = cls(", "ours = MultiHeadAttention("),
        ("weights of `attend` not drawn anew", "            reset()\n", "            pass\n"),
        ("one size given is enough", "len(own) < 2 and d_model", "not own and d_model"),
        ("heads never divide", "len(own) < 2 and d_model % num_heads", "d_model % num_heads"),
        ("heads need not divide", "len(own) < 2 and d_model % num_heads", "False"),
        (
            "from torch: vdim not looked at",
            "module.kdim != d_model or module.vdim != d_model",
            "module.kdim != d_model",
        ),
        (
            "from torch: added zeros not looked at",
            "module.bias_k is not None or module.add_zero_attn",
            "module.bias_k is not None",
        ),
        ("from torch: dropout not looked at", "module.dropout > 0", "module.dropout > 1"),
    ],
    "_checks.py": [
        ("attend may be None", "if optional and attend is None:", "if attend is None:"),
    ],
}
