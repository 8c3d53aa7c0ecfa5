"""Deliberate mistakes in attention/efficient.py, fast/efficient.py: what, the right text, the wrong one."""

TESTS = ("attention/test_efficient.py", "attention/test_attend.py")
ONLY = "test_efficient or efficient_attention"  # of what every attention shares
MISTAKES = {
    "attention/efficient.py": [
        ("queries: softmax over positions", "rho_q = query.softmax(dim=-1)", "rho_q = query.softmax(dim=-2)"),
        (
            "keys: softmax over features",
            "rho_k = masked_softmax(key.mT, mask)",
            "rho_k = (key if mask is None else key.masked_fill(~mask.mT, 0)).softmax(-1).mT",
        ),
        ("queries not normalized", "rho_q = query.softmax(dim=-1)", "rho_q = query"),
        (
            "queries divided by the root of d_k",
            "query.softmax(dim=-1)",
            "(query / query.shape[-1] ** 0.5).softmax(dim=-1)",
        ),
        (
            "keys divided by the root of d_k",
            "masked_softmax(key.mT, mask)",
            "masked_softmax(key.mT / key.shape[-1] ** 0.5, mask)",
        ),
        ("mask not passed on, efficient", "masked_softmax(key.mT, mask)", "masked_softmax(key.mT)"),
        ("keys taken for values, efficient", "rho_k @ value", "rho_k @ key"),
        (
            "n counts the padding",
            "return mask.expand(*mask.shape[:-1], n_k).sum(-1, keepdim=True).clamp(min=1)",
            "return torch.full((1, 1), max(1, n_k), device=key.device)",
        ),
        ("n counts a mask of one for all keys once", "mask.expand(*mask.shape[:-1], n_k).sum", "mask.sum"),
        ("no real key: divided by zero", ".clamp(min=1)", ""),
        ("no key: divided by zero", "max(1, n_k)", "n_k"),
        ("n is that of the queries", "max(1, n_k)", "5"),
        ("scaling: masked keys counted in", "key.masked_fill(~mask.mT, 0.0)", "key"),
        ("scaling: queries not divided", "_over_root(query, n), _over_root", "query, _over_root"),
        ("scaling: divided by n each", ".sqrt().to(x.dtype)", ".to(x.dtype)"),
        (
            "scaling: root in half precision",
            "n.to(float32_or_wider(x.dtype)).sqrt().to(x.dtype)",
            "n.sqrt()",
        ),
        ("queries may have masks of their own", "    check_shared_mask(who, mask)\n", ""),
        (
            "NaN of masked keys comes through",
            "    query, key, value, lost = set_aside(query, key, value, mask)\n",
            "    lost = None\n",
        ),
        ("lost queries not marked", "spoil(rho_q @ context, lost)", "rho_q @ context"),
        (
            "any word for the normalization",
            '    check_choice(who, "normalization", normalization, NORMALIZATIONS)\n',
            "",
        ),
        ("image: normalization not passed on", "            normalization=self.normalization,\n", ""),
        ("image: residual left out", "return x + self.output_proj(joined)", "return self.output_proj(joined)"),
        (
            "image: heads interleaved",
            "unflatten(1, (self.num_heads, -1)).mT",
            "unflatten(1, (-1, self.num_heads)).transpose(1, 2).mT",
        ),
        (
            "image: channels taken for pixels when joined",
            "output.mT.flatten(1, 2)",
            "output.flatten(1, 2).unflatten(1, (-1, x[0, 0].numel()))",
        ),
        ("image: rows and columns exchanged", ".unflatten(-1, x.shape[-2:])", ".unflatten(-1, x.mT.shape[-2:]).mT"),
        (
            "image: projection of the keys for the queries",
            "self._split(self.query_proj(pixels))",
            "self._split(self.key_proj(pixels))",
        ),
        (
            "image: mask not passed on",
            "            mask,\n            normalization",
            "            None,\n            normalization",
        ),
        (
            "image: mask of one row not expanded",
            "token_mask.expand(-1, *x.shape[2:]).flatten(1)",
            "token_mask.flatten(1)",
        ),
        (
            "image: mask polarity flipped",
            "token_mask.expand(-1, *x.shape[2:])",
            "(~token_mask).expand(-1, *x.shape[2:])",
        ),
        (
            "image: NaN of padding reaches the weights",
            "pixels = torch.where(token_mask[:, None], x, finite_or_zero(x))",
            "pixels = x",
        ),
        ("image: weights not drawn anew", "            layer.reset_parameters()\n", "            pass\n"),
        (
            "image: no biases",
            "nn.Conv2d(channels, num_heads * d_v, 1)",
            "nn.Conv2d(channels, num_heads * d_v, 1, bias=False)",
        ),
        (
            "image: mask of any axes",
            '        check_axes(who, "token_mask", token_mask, form, exactly=3)\n',
            "",
        ),
        ("image: channels not looked at", '        check_size(who, "channels", self.channels, "x", x, 1)\n', ""),
    ],
    "fast/efficient.py": [
        ("fast: context not rescaled", "context = context * rescale +", "context = context +"),
        ("fast: sum not rescaled", "key_sum = key_sum * rescale +", "key_sum = key_sum +"),
        (
            "fast: max of the block alone",
            "torch.maximum(key_max, real.detach().amax(-2, keepdim=True))",
            "real.detach().amax(-2, keepdim=True)",
        ),
        ("fast: a max that starts at zero", "torch.full_like(key_sum.mT, smallest)", "torch.zeros_like(key_sum.mT)"),
        ("fast: -10000 for a masked key", "keys.masked_fill(skip, smallest)", "keys.masked_fill(skip, -1e4)"),
        ("fast: max never subtracted", "(real - key_max).exp_()", "real.exp()"),
        ("fast: masked keys share in a fully masked row", "exp_keys = exp_keys.masked_fill(skip, 0.0)", "pass"),
        ("fast: masked keys not masked", "keys.masked_fill(skip, smallest)", "keys"),
        ("fast: fully masked row divided by zero", "key_sum.masked_fill(key_sum == 0, 1.0)", "key_sum"),
        (
            "fast: n counts the padding",
            "n = (~masked).sum(-2, keepdim=True).clamp(min=1)",
            "n = torch.full((1, 1), key.shape[-2])",
        ),
        ("fast: scaling, masked keys counted in", "keys.masked_fill(skip, 0.0)", "keys"),
        ("fast: scaling, keys not divided", "(real / root).mT", "real.mT"),
        (
            "fast: one block, mask not passed on",
            "masked_softmax(at_least_float32(within_float16(key.mT)), mask)",
            "masked_softmax(at_least_float32(within_float16(key.mT)))",
        ),
        ("fast: last block left out", "blocks(key.shape[-2], size)", "blocks(key.shape[-2] - size, size)"),
        ("fast: dtype not kept", "block.to(dtype) for block", "block for block"),
        ("fast: not the dtype of autocast", "dtype = matmul_dtype(value)", "dtype = value.dtype"),
        ("fast: queries, softmax over positions", "partial(torch.softmax, dim=-1)", "partial(torch.softmax, dim=-2)"),
        (
            "fast: NaN of masked keys comes through",
            "    query, key, value, lost = set_aside(query, key, value, mask)\n",
            "    lost = None\n",
        ),
        ("fast: queries may have masks of their own", "    check_shared_mask(who, mask)\n", ""),
        (
            "fast: any word for the normalization",
            '    check_choice(who, "normalization", normalization, ("softmax", "scaling"))\n',
            "",
        ),
    ],
}
