"""Deliberate mistakes in attention/masks.py: what, the right text, the wrong one."""

TESTS = ("attention/test_masks.py",)
MISTAKES = {
    "attention/masks.py": [
        ("a mask on another device", "scores.shape, scores=scores)", "scores.shape)"),
        ("mask polarity flipped", "torch.where(mask, scores, fill)", "torch.where(~mask, scores, fill)"),
        ("mask polarity flipped after the softmax", ".masked_fill(~mask, 0.0)", ".masked_fill(mask, 0.0)"),
        ("softmax over the wrong axis", "fill).softmax(dim=-1)", "fill).softmax(dim=-2)"),
        ("softmax over the wrong axis, no mask", "return scores.softmax(dim=-1)", "return scores.softmax(dim=-2)"),
        ("`<` for `<=` in the causal mask", "j <= i + offset", "j < i + offset"),
        ("offset of the causal mask dropped", "j <= i + offset", "j <= i"),
        ("`<=` for `<` in the window", "abs() < width", "abs() <= width"),
        ("window on one side only", "(j - (i + offset)).abs()", "(j - (i + offset))"),
        ("offset of the window dropped", "(j - (i + offset)).abs()", "(j - i).abs()"),
        ("padding mask off by one", "< lengths[..., None, None]", "<= lengths[..., None, None]"),
        ("zero in place of -inf", "keepdim=True), -torch.inf)", "keepdim=True), 0.0)"),
        ("-10000 in place of -inf", "keepdim=True), -torch.inf)", "keepdim=True), -1e4)"),
        (
            "the smallest finite number in place of -inf: it ties",
            "keepdim=True), -torch.inf)",
            "keepdim=True), torch.finfo(scores.dtype).min)",
        ),
        (
            "-inf in every row: a fully masked one is NaN",
            "scores.new_zeros(()).masked_fill(mask.any(dim=-1, keepdim=True), -torch.inf)",
            "scores.new_full((), -torch.inf)",
        ),
        (
            "the weights of a fully masked row not taken back",
            ".softmax(dim=-1).masked_fill(~mask, 0.0)",
            ".softmax(dim=-1)",
        ),
        (
            "added to the scores: a masked NaN comes through",
            "torch.where(mask, scores, fill)",
            "(scores + fill.masked_fill(mask, 0.0))",
        ),
        ("scores of float16 left infinite", "    scores = within_float16(scores)\n", ""),
        ("the default device for any mask", "torch.arange(n_k, device=lengths.device)", "torch.arange(n_k)"),
        (
            "range of the lengths not checked",
            '    check_range("padding_mask", "lengths", lengths, n_k, "0 and n_k")\n',
            "",
        ),
    ],
    "_numerics.py": [
        ("only overflow to plus infinity", "scores.clamp(-largest, largest)", "scores.clamp(max=largest)"),
    ],
}
