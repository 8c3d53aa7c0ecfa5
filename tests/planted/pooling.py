"""Deliberate mistakes in pooling: what, the right text, the wrong one."""

TESTS = ("transformer/test_pooling.py",)
NUMBER = "token_mask.sum(dim=-1, keepdim=True).clamp(min=1)"
MISTAKES = {
    "transformer/pooling.py": [
        ("divided by n, not by the number of real tokens", NUMBER, "x.shape[-2]"),
        ("padding summed", "x.masked_fill(~token_mask[..., None], 0.0)", "x"),
        ("padding multiplied by zero", "x.masked_fill(~token_mask[..., None], 0.0)", "x * token_mask[..., None]"),
        ("mask inverted", "x.masked_fill(~token_mask[..., None], 0.0)", "x.masked_fill(token_mask[..., None], 0.0)"),
        ("number of the whole batch", NUMBER, "token_mask.sum().clamp(min=1)"),
        ("a sequence of no tokens divided by zero", ".clamp(min=1)", ""),
        ("number at least two", ".clamp(min=1)", ".clamp(min=2)"),
        ("one more than there are", ".clamp(min=1)", ".add(1)"),
        ("sum for the mean", f"(total / {NUMBER})", "total"),
        ("sum over the features", "real.sum(dim=-2,", "real.transpose(-1, -2).sum(dim=-2,"),
        ("max for the mean", "real.sum(dim=-2, dtype=float32_or_wider(x.dtype))", "real.amax(dim=-2)"),
        ("half-precision sum", "dtype=float32_or_wider(x.dtype)", "dtype=x.dtype"),
        ("float64 summed in float32", "dtype=float32_or_wider(x.dtype)", "dtype=torch.float32"),
        ("mean left in float32", ".clamp(min=1)).to(x.dtype)", ".clamp(min=1))"),
        (
            "token mask ignored",
            "    if token_mask is None:\n        token_mask = torch.ones",
            "    if True:\n        token_mask = torch.ones",
        ),
        ("made on the default device", "dtype=torch.bool, device=x.device", 'dtype=torch.bool, device="cpu"'),
        (
            "class token last",
            "torch.cat((self.weight.expand(*x.shape[:-2], 1, -1), x), dim=-2)",
            "torch.cat((x, self.weight.expand(*x.shape[:-2], 1, -1)), dim=-2)",
        ),
        ("class token for the first token", "1, -1), x), dim=-2)", "1, -1), x[..., 1:, :]), dim=-2)"),
        ("class token not learned", "self.weight.expand(", "self.weight.detach().expand("),
        (
            "one class token for the first sequence alone",
            "self.weight.expand(*x.shape[:-2], 1, -1)",
            "torch.cat((self.weight.expand(1, 1, -1), x[1:, :1] * 0))",
        ),
        ("class token masked out", "(1, 0), value=True)", "(1, 0), value=False)"),
        ("mask of the class token last", "(1, 0), value=True)", "(0, 1), value=True)"),
        (
            "token mask not made longer",
            "            token_mask = nn.functional.pad(token_mask, (1, 0), value=True)\n",
            "            pass\n",
        ),
        ("all real", "nn.functional.pad(token_mask, (1, 0), value=True)", "torch.ones(x.shape[:-1], dtype=torch.bool)"),
        ("class token of zeros", "nn.init.normal_(self.weight, std=0.02)", "nn.init.zeros_(self.weight)"),
        ("class token drawn large", "std=0.02", "std=1.0"),
        ("not drawn", "        self.reset_parameters()\n", ""),
        ("a buffer, not a parameter", "nn.Parameter(torch.empty(d_model))", "torch.empty(d_model)"),
        ("size not checked", '        check_at_least("ClassToken", 1, d_model=d_model)\n', ""),
        (
            "axes of the mean not checked",
            '    check_axes("mean_pooling", "x", x, "(..., n, d_model)", at_least=2)\n',
            "",
        ),
        ("dtype of the mean not checked", '    check_floating("mean_pooling", x=x)\n', ""),
        ("token mask of the mean not checked", "    _check_token_mask(token_mask, x)\n", ""),
        ("axes not checked", '        check_axes("ClassToken", "x", x, "(..., n, d_model)", at_least=2)\n', ""),
        ("size of x not checked", '        check_size("ClassToken", "d_model", self.d_model, "x", x, -1)\n', ""),
        ("dtypes not compared", '        check_floating("ClassToken", x=x, weights=self.weight)\n', ""),
        ("token mask not checked", '        _check_token_mask(token_mask, x, "ClassToken")\n', ""),
        ("kind of the token mask not checked", '    check_bool(who, "token_mask", token_mask, "a real token")\n', ""),
        ("shape of the token mask not checked", "if token_mask.shape != x.shape[:-1]:", "if False:"),
        ("device of the token mask not checked", "if token_mask.device != x.device:", "if False:"),
    ]
}
