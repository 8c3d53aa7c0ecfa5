"""Deliberate mistakes in scaled dot-product attention: what, the right text, the wrong one."""

TESTS = (
    "attention/test_scaled_dot_product.py",
    "attention/test_fused.py",
    "attention/test_attend.py",
    "attention/test_ways_of_torch.py",
)
ONLY = "test_scaled_dot_product or test_fused or scaled_dot_product_attention"  # of what every attention shares
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
        (
            "fast: what is not finite left as it is",
            "= fused, set_aside(query, key, value, mask)",
            "= fused, (query, key, value, None)",
        ),
        (
            "fast, causal: what is not finite left as it is",
            "= fused_causal, set_aside_causal(query, key, value, None)",
            "= fused_causal, (query, key, value, None)",
        ),
        ("fast: no mask is causal", "if is_causal(mask, query.shape[-2], key.shape[-2])", "if False"),
        ("fast: the operator left out", "if mask is not None and takes_operator(query)", "if False"),
        ("flexible: mask not passed on", "block_mask=seen", "block_mask=None"),
        ("flexible: one mask for all samples", "mask[b if samples else 0,", "mask[0,"),
        ("flexible: gradient not refused", "any(tensor.requires_grad for tensor in inputs)", "False"),
    ],
    "fast/_fused.py": [
        ("fast: missing sqrt(d_k)", "1 / math.sqrt(max(1, key.shape[-1]))", "1.0"),
        ("fast: scale of the padded size", "scale=scale_of(key)", "scale=None"),
        (
            "fast: mask of one sample for all",
            "query.shape[:-2] if query.ndim > 4 else mask.shape[:-2]",
            "mask.shape[:-2]",
        ),
        ("the kernel not told", "is_causal=causal, scale", "is_causal=False, scale"),
        (
            "every square mask taken for causal",
            "    return _equal(mask, torch",
            "    return True or _equal(mask, torch",
        ),
        ("the future open by one", ").tril_())", ").tril_(1))"),
        (
            "the first sample's mask for all",
            "        if mask.shape[axis] > 1 and mask.stride(axis):\n            return False\n",
            "        pass\n",
        ),
        (
            "the tail not compared",
            "torch.equal(*eights) and torch.equal(mask[whole:], other[whole:])",
            "torch.equal(*eights)",
        ),
        ("eights of what lies apart", "if mask.is_contiguous() and mask.storage_offset() % 8 == 0 and ", "if "),
        ("values read in torch.func", " or not has_values(mask) or not mask.shape", " or not mask.shape"),
    ],
    "fast/_fused_op.py": [
        ("operator: every mask taken for causal", "if is_causal(mask, query.shape[-2], key.shape[-2])", "if True"),
        ("operator: no mask is causal", "if is_causal(mask, query.shape[-2], key.shape[-2])", "if False"),
        ("operator: causal, not told", '{"is_causal": True}', '{"is_causal": False}'),
        ("operator: mask the wrong way round", "masked_fill_(~mask, -torch.inf)", "masked_fill_(mask, -torch.inf)"),
        ("operator: output not spoiled", "_laid_out(spoil(output, lost), empty[0])", "_laid_out(output, empty[0])"),
        (
            "operator: gradient through what is lost",
            "grad_output.masked_fill(lost, 0.0), output.masked_fill(lost, 0.0)",
            "grad_output, output.masked_fill(lost, 0.0)",
        ),
        (
            "operator: NaN in the gradient",
            "grad_output.masked_fill(lost, 0.0), output.masked_fill(lost, 0.0)",
            "grad_output.masked_fill(lost, 0.0), output",
        ),
        ("operator: numbers that lie apart", "tensor if tensor.stride(-1) == 1 else tensor.contiguous()", "tensor"),
        ("operator: gradients of other numbers", "*inputs, _dense(output), ", "*inputs, output, "),
        ("operator: exported", "not (torch.compiler.is_exporting() or in_torch_func())", "not in_torch_func()"),
        ("operator: without autocast", "tensor.to(matmul_dtype(value))", "tensor"),
        (
            "operator: strides other than promised",
            "tensor if tensor.stride() == empty.stride() else empty.copy_(tensor)",
            "tensor",
        ),
    ],
    "attention/_non_finite.py": [
        ("always taken for finite", "return math.isfinite(float(", "return True or math.isfinite(float("),
        (
            "only the first looked at",
            "{id(tensor): tensor for tensor in tensors}",
            "{0: tensor for tensor in tensors[::-1]}",
        ),
        ("causal: lost before the broken key", "(bad_key.cumsum(-2) > 0)", "bad_key.any(-2, keepdim=True)"),
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
