"""Deliberate mistakes in the feed-forward network: what, the right text, the wrong one."""

TESTS = ("transformer/test_feed_forward.py",)
MISTAKES = {
    "transformer/feed_forward.py": [
        ("no activation", "ACTIVATIONS[self.activation](self.inner_proj(x))", "self.inner_proj(x)"),
        ("always relu", "ACTIVATIONS[self.activation]", 'ACTIVATIONS["relu"]'),
        ("silu for gelu", '"gelu": nn.functional.gelu', '"gelu": nn.functional.silu'),
        (
            "gelu for its approximation",
            '"gelu_tanh": partial(nn.functional.gelu, approximate="tanh")',
            '"gelu_tanh": nn.functional.gelu',
        ),
        ("silu taken for gelu", '"silu": nn.functional.silu', '"silu": nn.functional.gelu'),
        ("input added", "return self.output_proj(inner)", "return x + self.output_proj(inner)"),
        (
            "positions averaged",
            "return self.output_proj(inner)",
            "return self.output_proj(inner + inner.mean(-2, keepdim=True))",
        ),
        ("inner size of the model", "nn.Linear(d_model, d_ff)", "nn.Linear(d_model, d_model)"),
        ("no bias inside", "nn.Linear(d_model, d_ff)", "nn.Linear(d_model, d_ff, bias=False)"),
        ("sizes not checked", '    check_at_least("FeedForward", 1, d_model=d_model, d_ff=d_ff)\n    ', "    "),
        (
            "activation not checked",
            '        check_choice("FeedForward", "activation", activation, tuple(ACTIVATIONS))\n',
            "",
        ),
        (
            "input not checked",
            '        check_vectors("FeedForward", "x", x, self.d_model, self.inner_proj.weight)\n',
            "",
        ),
        ("half of it drawn anew", "        self.output_proj.reset_parameters()\n", ""),
    ],
    "transformer/_checks.py": [
        ("axes not checked", '    check_axes(who, name, x, "(..., n, d_model)", at_least=2)\n', ""),
        ("size not checked", '    check_size(who, "d_model", d_model, name, x, -1)\n', ""),
        ("dtype not checked", '    check_floating(who, **{name: x, "weights": weight})\n', ""),
    ],
}
