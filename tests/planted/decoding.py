"""Deliberate mistakes in generation: what, the right text, the wrong one."""

TESTS = ("transformer/test_decoding.py",)
MISTAKES = {
    "transformer/decoding.py": [
        ("longer prompts overwritten", "if t < n:", "if False:"),
    ],
}
