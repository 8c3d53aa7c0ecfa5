"""Deliberate mistakes in the KV cache: what, the right text, the wrong one."""

TESTS = ("transformer/test_cache.py",)
MISTAKES = {
    "transformer/cache.py": [
        ("positions overwritten", "self.length = length\n", "pass\n"),
        ("past lost when the buffer grows", "if old is not None:", "if False:"),
    ],
}
