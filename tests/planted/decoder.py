"""Deliberate mistakes in the decoder: what, the right text, the wrong one."""

TESTS = ("transformer/test_decoder.py",)
MISTAKES = {
    "transformer/decoder.py": [
        ("mask not passed on", "layer(x, memory, mask, ", "layer(x, memory, None, "),
        ("memory not masked", "mask, memory_mask, cache=its_cache", "mask, None, cache=its_cache"),
    ],
}
