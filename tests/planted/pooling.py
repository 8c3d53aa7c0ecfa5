"""Deliberate mistakes in pooling: what, the right text, the wrong one."""

TESTS = ("transformer/test_pooling.py",)
MISTAKES = {
    "transformer/pooling.py": [
        ("padding counted", "token_mask.sum(dim=-1, keepdim=True).clamp(min=1)", "x.shape[-2]"),
    ],
}
