"""Deliberate mistakes that show only in some ways torch uses a recurrent net: what, the right text, the wrong one."""

TESTS = ("sequence/test_ways_of_torch.py",)
MISTAKES = {
    "sequence/_recurrent.py": [
        ("weights wanted as parameters", "(getattr(self, f", "(self.get_parameter(f"),
    ],
    "fast/_recurrent.py": [
        (
            "fast: kernels under torch.func",
            "if not torch.compiler.is_compiling() and _is_transformed(",
            "if False and any(",
        ),
        ("fast: unrolled where torch traces", "if has_values(x):", "if True:"),
        ("fast: another dtype under autocast", "tensor.to(weights[0].dtype) for", "tensor for"),
    ],
    "fast/_recurrent_ops.py": [
        ("fast: a program reads padding", "weights, pack(token_mask), both)]", "weights, None, both)]"),
        (
            "fast: the gradient of a program reads padding",
            "of_kernel, pack(token_mask), both)",
            "of_kernel, None, both)",
        ),
        ("fast: gradients of a program exchanged", "ctx.parts = len(states)", "ctx.parts = len(states) + 1"),
        ("fast: a second derivative without words", "_backward.register_autograd(_refuse)", ""),
    ],
}
