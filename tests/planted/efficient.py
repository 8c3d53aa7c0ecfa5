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
        ("scaling: hidden keys counted in", "key.masked_fill(~mask.mT, 0.0)", "key"),
        ("scaling: queries not divided", "_over_root(query, n), _over_root", "query, _over_root"),
        ("scaling: divided by n each", ".sqrt().to(x.dtype)", ".to(x.dtype)"),
        (
            "scaling: root in half precision",
            "n.to(torch.promote_types(x.dtype, torch.float32)).sqrt().to(x.dtype)",
            "n.sqrt()",
        ),
        ("queries may have masks of their own", "    check_shared_mask(who, mask)\n", ""),
        ("d_k need not agree", '    check_same_size(who, "d_k", query=(query, -1), key=(key, -1))\n', ""),
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
        ("image: keys' map for the queries", "self._split(self.query_proj(x))", "self._split(self.key_proj(x))"),
        (
            "image: mask not passed on",
            "            mask,\n            normalization",
            "            None,\n            normalization",
        ),
        ("image: mask of one row not spread", "mask.expand(-1, *x.shape[2:]).flatten(1)", "mask.flatten(1)"),
        ("image: padding written over", "mask.expand(-1, *x.shape[2:])", "(~mask).expand(-1, *x.shape[2:])"),
        (
            "image: no biases",
            "nn.Conv2d(channels, num_heads * d_v, 1)",
            "nn.Conv2d(channels, num_heads * d_v, 1, bias=False)",
        ),
        (
            "image: mask of any axes",
            '            check_axes(who, "mask", mask, "(batch, height, width)", exactly=3)\n',
            "",
        ),
        ("image: channels not looked at", '        check_size(who, "channels", self.channels, "x", x, 1)\n', ""),
    ],
    "fast/efficient.py": [
        ("fast: context not shrunk with the highest key", "context = context * shrink +", "context = context +"),
        ("fast: sum not shrunk with the highest key", "total = total * shrink +", "total = total +"),
        (
            "fast: highest key of the block alone",
            "torch.maximum(highest, shown.detach().amax(-2, keepdim=True))",
            "shown.detach().amax(-2, keepdim=True)",
        ),
        ("fast: highest key never taken off", "(shown - highest).exp_()", "shown.exp()"),
        ("fast: hidden keys share in an empty row", "fit = fit.masked_fill(hidden, 0.0)", "pass"),
        ("fast: hidden keys not hidden", "keys.masked_fill(hidden, lowest)", "keys"),
        ("fast: empty row divided by zero", "total.masked_fill(total == 0, 1.0)", "total"),
        (
            "fast: n counts the padding",
            "n = (~hidden).sum(-2, keepdim=True).clamp(min=1)",
            "n = torch.full((1, 1), key.shape[-2])",
        ),
        ("fast: scaling, hidden keys counted in", "keys.masked_fill(hidden, 0.0)", "keys"),
        ("fast: scaling, keys not divided", "(shown / root).mT", "shown.mT"),
        (
            "fast: one block, mask not passed on",
            "masked_softmax(key.mT.to(_wide(key)), mask)",
            "masked_softmax(key.mT.to(_wide(key)))",
        ),
        ("fast: last block left out", "range(0, key.shape[-2], rows)", "range(0, key.shape[-2] - rows, rows)"),
        ("fast: not widened", "return torch.promote_types(tensor.dtype, torch.float32)", "return tensor.dtype"),
        ("fast: dtype not kept", ".to(value.dtype) for block", " for block"),
        ("fast: queries, softmax over positions", "partial(torch.softmax, dim=-1)", "partial(torch.softmax, dim=-2)"),
        ("fast: queries may have masks of their own", "    check_shared_mask(who, mask)\n", ""),
        (
            "fast: any word for the normalization",
            '    check_choice(who, "normalization", normalization, ("softmax", "scaling"))\n',
            "",
        ),
    ],
}
