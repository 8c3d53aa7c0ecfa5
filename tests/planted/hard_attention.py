"""Deliberate mistakes in models/hard_attention.py: what, the right text, the wrong one."""

TESTS = ("models/test_hard_attention.py",)
MISTAKES = {
    "models/hard_attention.py": [
        ("the reward differentiated", "(log_likelihood - baseline).detach()", "(log_likelihood - baseline)"),
        ("baseline added", "(log_likelihood - baseline)", "(log_likelihood + baseline)"),
        ("no reward", "reinforce * reward * probability", "reinforce * probability"),
        ("probability for its logarithm", "probability.log().sum(1)", "probability.sum(1)"),
        ("the log-likelihood itself left out", "-(log_likelihood + reinforce", "-(reinforce"),
        ("entropy punished", "+ entropy * spread", "- entropy * spread"),
        ("entropy without the weights", "(weights * weights.clamp_min", "(weights.clamp_min"),
        ("gradients of NaN at a weight of zero", ".clamp_min(torch.finfo(weights.dtype).tiny)", ""),
        ("padding draws", "weights.masked_fill(~token_mask[..., None], 1.0)", "weights"),
        (
            "padding is varied",
            "weights.masked_fill(~token_mask[..., None], 1.0)",
            "weights.masked_fill(~token_mask[..., None], 0.5)",
        ),
        ("real words left out", "masked_fill(~token_mask", "masked_fill(token_mask"),
        ("in half precision", "at_least_float32(log_likelihood), at_least_float32(weights)", "log_likelihood, weights"),
        ("left in float32", "return loss.to(dtype)", "return loss"),
        ("any baseline", "        if baseline.ndim > 0:\n", "        if False:\n"),
        ("baseline of another kind", "not isinstance(baseline, int | float):", "False:"),
        ("a baseline of NaN", "elif not math.isfinite(baseline):", "elif False:"),
        ("a sum over the batch", "entropy * spread.sum(1)).mean()", "entropy * spread.sum(1)).sum()"),
        ("the first word alone", "probability.log().sum(1)", "probability.log()[:, 0]"),
        ("old and new change places", "decay * baseline + (1 - decay)", "(1 - decay) * baseline + decay"),
        ("the baseline keeps its graph", "log_likelihood.detach().mean()", "log_likelihood.mean()"),
        ("any position", '    check_range(who, "chosen", chosen, weights.shape[-1] - 1, "0 and n_k - 1")\n', ""),
    ],
}
