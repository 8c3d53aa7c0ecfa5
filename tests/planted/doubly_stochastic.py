"""Deliberate mistakes in models/doubly_stochastic.py: what, the right text, the wrong one."""

TESTS = ("models/test_doubly_stochastic.py",)
MISTAKES = {
    "models/doubly_stochastic.py": [
        ("summed over the positions", "at_least_float32(weights).sum(1)", "at_least_float32(weights).sum(2)"),
        ("in half precision", "at_least_float32(weights)", "weights"),
        ("left in float32", ".mean().to(weights.dtype)", ".mean()"),
        ("not squared", ".square()", ""),
        ("the mean over the positions", ".square().sum(-1)", ".square().mean(-1)"),
        ("a sum over the batch", ".sum(-1).mean()", ".sum(-1).sum()"),
        ("padding counts", "weights.masked_fill(~token_mask[..., None], 0.0)", "weights"),
        ("real words left out", "masked_fill(~token_mask", "masked_fill(token_mask"),
    ],
}
