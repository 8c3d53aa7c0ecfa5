"""Deliberate mistakes in the decoder-only Transformer: what, the right text, the wrong one."""

TESTS = ("transformer/test_decoder_only.py",)
MISTAKES = {
    "transformer/decoder_only.py": [
        ("sees the future", "mask = causal_mask(tokens.shape[1], device=tokens.device)", "mask = None"),
    ],
}
