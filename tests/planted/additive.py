"""Deliberate mistakes in attention/additive.py, fast/additive.py: what, the right text, the wrong one."""

TESTS = ("attention/test_additive.py", "attention/test_attend.py")
ONLY = "test_additive or additive_attention"  # of what every attention shares
MISTAKES = {
    "attention/additive.py": [
        ("tanh dropped from the alignment score", "torch.tanh(query_part + key_part)", "(query_part + key_part)"),
        ("keys taken for values, additive", "weights @ value, weights", "weights @ key, weights"),
        ("query and key projections exchanged", "weight_of(self.query_proj)", "weight_of(self.key_proj)"),
        ("mask not passed on, additive", "masked_softmax(scores, mask)", "masked_softmax(scores)"),
    ],
    "fast/additive.py": [
        ("fast: tanh dropped", ".tanh_()", ""),
    ],
}
