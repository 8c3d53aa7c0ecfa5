"""Deliberate mistakes in attention/masks.py: what, the right text, the wrong one."""

TESTS = ("attention/test_masks.py",)
MISTAKES = {
    "attention/masks.py": [
        ("mask polarity flipped", "masked_fill(~mask", "masked_fill(mask"),
        ("softmax over the wrong axis", "softmax(dim=-1)", "softmax(dim=-2)"),
        ("softmax over the wrong axis, no mask", "return scores.softmax(dim=-1)", "return scores.softmax(dim=-2)"),
        ("`<` for `<=` in the causal mask", "j <= i + offset", "j < i + offset"),
        ("offset of the causal mask dropped", "j <= i + offset", "j <= i"),
        ("`<=` for `<` in the window", "abs() < width", "abs() <= width"),
        ("window on one side only", "(j - (i + offset)).abs()", "(j - (i + offset))"),
        ("offset of the window dropped", "(j - (i + offset)).abs()", "(j - i).abs()"),
        ("padding mask off by one", "< lengths[..., None, None]", "<= lengths[..., None, None]"),
        ("-inf in place of the lowest finite number", "torch.finfo(scores.dtype).min", 'float("-inf")'),
        (
            "-inf, and the second fill dropped: NaN",
            "scores.masked_fill(~mask, lowest).softmax(dim=-1).masked_fill(~mask, 0.0)",
            'scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)',
        ),
        ("second fill dropped", ".softmax(dim=-1).masked_fill(~mask, 0.0)", ".softmax(dim=-1)"),
    ],
}
