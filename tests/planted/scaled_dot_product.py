"""Deliberate mistakes in scaled dot-product attention: what, the right text, the wrong one."""

TESTS = ("attention/test_scaled_dot_product.py", "attention/test_attend.py")
ONLY = "test_scaled_dot_product or scaled_dot_product_attention"  # of what every attention shares
MISTAKES = {
    "attention/scaled_dot_product.py": [
        ("missing sqrt(d_k)", " / math.sqrt(query.shape[-1])", ""),
        ("sqrt(d_v) for sqrt(d_k)", "math.sqrt(query.shape[-1])", "math.sqrt(value.shape[-1])"),
        ("d_k for sqrt(d_k)", "math.sqrt(query.shape[-1])", "query.shape[-1]"),
        ("keys taken for values", "weights @ value, weights", "weights @ key, weights"),
        ("mask not passed on", "masked_softmax(scores, mask)", "masked_softmax(scores)"),
    ],
    "fast/scaled_dot_product.py": [
        ("fast: missing sqrt(d_k)", "1 / math.sqrt(max(1, d_k))", "1.0"),
        ("fast: scale of the padded width", "scale=1 / math.sqrt(max(1, d_k))", "scale=None"),
        ("flexible: mask not passed on", "block_mask=seen", "block_mask=None"),
        ("flexible: one mask for all samples", "mask[b if samples else 0,", "mask[0,"),
        ("flexible: gradient not refused", "any(tensor.requires_grad for tensor in inputs)", "False"),
    ],
}
