"""Deliberate mistakes in the Transformer: what, the right text, the wrong one."""

TESTS = ("transformer/test_transformer.py",)
MISTAKES = {
    "transformer/transformer.py": [
        ("decoder sees the future", "mask = causal_mask(target.shape[1], device=target.device)", "mask = None"),
    ],
}
