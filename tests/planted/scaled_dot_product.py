"""Deliberate mistakes in scaled dot-product attention: what, the right text, the wrong one."""

TESTS = (
    "attention/test_scaled_dot_product.py",
    "attention/test_attend.py",
    "attention/test_ways_of_torch.py",
)
ONLY = "test_scaled_dot_product or scaled_dot_product_attention"  # of what every attention shares
MISTAKES = {
    "attention/scaled_dot_product.py": [
        ("missing sqrt(d_k)", " / math.sqrt(query.shape[-1])", ""),
        ("sqrt(d_v) for sqrt(d_k)", "math.sqrt(query.shape[-1])", "math.sqrt(value.shape[-1])"),
        ("d_k for sqrt(d_k)", "math.sqrt(query.shape[-1])", "query.shape[-1]"),
        ("keys taken for values", "weights @ value", "weights @ key"),
        ("mask not passed on", "masked_softmax(scores, mask)", "masked_softmax(scores)"),
        ("what is not finite left as it is", "= set_aside(query, key, value, mask)", "= query, key, value, None"),
        ("output not spoiled", "spoil(weights @ value, lost)", "weights @ value"),
        ("weights not spoiled", "spoil(weights, lost)", "weights"),
    ],
    "fast/scaled_dot_product.py": [
        (
            "a query of NaN given zeros by the kernel",
            "_lost_on_cpu(query, key) if mask is None else lost), None",
            "lost), None",
        ),
        ("fast: missing sqrt(d_k)", "1 / math.sqrt(max(1, d_k))", "1.0"),
        ("fast: scale of the padded size", "scale=1 / math.sqrt(max(1, d_k))", "scale=None"),
        ("fast: scale of the sizes padded to", "1 / math.sqrt(max(1, d_k))", "1 / math.sqrt(max(d_k, d_v))"),
        (
            "fast: mask of one sample for all",
            "query.shape[:-2] if query.ndim > 4 else mask.shape[:-2]",
            "mask.shape[:-2]",
        ),
        ("fast: what is not finite left as it is", "= set_aside(query, key, value, mask)", "= query, key, value, None"),
        ("flexible: mask not passed on", "block_mask=seen", "block_mask=None"),
        ("flexible: one mask for all samples", "mask[b if samples else 0,", "mask[0,"),
        ("flexible: gradient not refused", "any(tensor.requires_grad for tensor in inputs)", "False"),
    ],
    "fast/_derivatives.py": [
        ("the kernel under torch.func", "if in_torch_func() or any(", "if any("),
        (
            "the kernel in forward mode",
            "any(forward_ad.unpack_dual(tensor).tangent is not None for tensor in inputs)",
            "False",
        ),
        ("the kernel's gradient differentiated", "again = torch.is_grad_enabled()", "again = False"),
        ("always the gradient of the reference", "again = torch.is_grad_enabled()", "again = True"),
        (
            "gradients in another order",
            "ctx.wanted, strict=True) if needed]",
            "ctx.wanted, strict=True) if needed][::-1]",
        ),
        ("a gradient for every input", "next(found) if needed else None", "next(found)"),
        ("a graph that is freed twice", "*inputs = ctx.saved_tensors", "*inputs = None, *ctx.inner[0]"),
    ],
}
