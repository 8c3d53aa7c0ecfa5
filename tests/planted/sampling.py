"""Deliberate mistakes in deciding on a token: what, the right text, the wrong one."""

TESTS = ("transformer/test_sampling.py",)
MISTAKES = {
    "transformer/sampling.py": [
        ("top-k of the lowest", "logits < kth", "logits > kth"),
        ("nucleus counts the token itself", "- probabilities  # the sum", "# the sum"),
        ("min-p of one", "p * probabilities", "probabilities"),
    ],
}
