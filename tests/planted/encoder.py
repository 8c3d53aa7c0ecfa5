"""Deliberate mistakes in the encoder: what, the right text, the wrong one."""

TESTS = ("transformer/test_encoder.py",)
MISTAKES = {
    "transformer/encoder.py": [
        ("each block reads the input", "x, of_layer = layer(x, mask", "y, of_layer = layer(x, mask"),
        ("mask not passed on", "layer(x, mask, ", "layer(x, None, "),
    ],
}
