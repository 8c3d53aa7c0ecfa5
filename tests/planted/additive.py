"""Deliberate mistakes in attention/additive.py, fast/additive.py: what, the right text, the wrong one."""

TESTS = ("attention/test_additive.py", "attention/test_attend.py", "attention/test_ways_of_torch.py")
ONLY = "test_additive or additive_attention or AdditiveAttention"  # of what every attention shares
MISTAKES = {
    "attention/additive.py": [
        ("tanh dropped from the alignment score", "torch.tanh(query_part + key_part)", "(query_part + key_part)"),
        ("keys taken for values, additive", "weights @ value", "weights @ key"),
        ("query and key projections exchanged", "weight_of(self.query_proj)", "weight_of(self.key_proj)"),
        ("mask not passed on, additive", "masked_softmax(scores, mask)", "masked_softmax(scores)"),
        (
            "what is not finite left as it is, additive",
            "= set_aside(query, key, value, mask)",
            "= query, key, value, None",
        ),
        ("weights not spoiled, additive", "spoil(weights, lost)", "weights"),
        (
            "score not drawn anew",
            "(self.query_proj, self.key_proj, self.score_proj)",
            "(self.query_proj, self.key_proj)",
        ),
        ("projections drawn in another order", "(self.query_proj, self.key_proj,", "(self.key_proj, self.query_proj,"),
    ],
    "attention/_weights.py": [
        ("pruned weights of the call before", "hook(layer, ())", "pass"),
        ("hooks of others called", "isinstance(hook, BasePruningMethod | SpectralNorm | WeightNorm)", "True"),
        ("spectral_norm forgotten", " | SpectralNorm", ""),
        ("weight_norm forgotten", " | WeightNorm", ""),
    ],
    "fast/additive.py": [
        ("fast: tanh dropped", ".tanh_()", ""),
        (
            "fast: blocks kept, not computed again",
            "of_block = partial(checkpoint",
            "of_block = _block or partial(checkpoint",
        ),
        ("fast: checkpoints under torch.func", " and not in_torch_func()", ""),
    ],
}
