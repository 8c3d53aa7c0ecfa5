"""Deliberate mistakes in linear attention and its fast twin: what, the right text, the wrong one."""

TESTS = ("attention/test_linear.py", "attention/test_attend.py")
ONLY = "test_linear or linear_attention"  # of what every attention shares
MISTAKES = {
    "attention/_features.py": [
        ("features by the formula, digits lost", "F.relu(x) + x.clamp(max=0).exp()", "F.elu(x) + 1"),
        ("nothing attended: 0 / 0", "total.masked_fill(nothing, 1)", "total"),
        ("nothing attended: a gradient is left", ".masked_fill(nothing, 0)", ""),
        ("sums in half precision", "torch.promote_types(tensor.dtype, torch.float32)", "tensor.dtype"),
        ("autocast left on", "enabled=False", "enabled=torch.is_autocast_enabled(device)"),
    ],
    "attention/linear.py": [
        ("denominator dropped", "divide(phi_q @ sum_kv, phi_q @ sum_k[..., None])", "phi_q @ sum_kv"),
        (
            "denominator summed over features and spread",
            "sum_k = phi_k.sum(-2)",
            "sum_k = phi_k.sum(-1).sum(-1, keepdim=True).expand(*phi_k.shape[:-2], phi_k.shape[-1])",
        ),
        ("denominator without the query", "phi_q @ sum_k[..., None]", "sum_k.sum(-1)[..., None, None]"),
        ("features of the key alone", "feature_map(query), feature_map(key)", "query, feature_map(key)"),
        ("mask turned round", "masked_fill(~mask.mT, 0)", "masked_fill(mask.mT, 0)"),
        ("hidden keys kept in the denominator", "phi_k.sum(-2)  #", "feature_map(key).sum(-2)  #"),
        (
            "mask on the raw key: hidden keys have features of one",
            "feature_map(query), feature_map(key)\n",
            "feature_map(query), feature_map(key if mask is None else key.masked_fill(~mask.mT, 0))\n    mask = None\n",
        ),
        ("state not carried", "state[0] + sum_kv, state[1] + sum_k", "sum_kv, sum_k"),
        ("denominator not carried", "state[0] + sum_kv, state[1] + sum_k", "state[0] + sum_kv, sum_k"),
        (
            "state changed in place",
            "state[0] + sum_kv, state[1] + sum_k",
            "state[0].add_(sum_kv), state[1].add_(sum_k)",
        ),
        (
            "causal sees the next token",
            "phi_k.unbind(-2), values.unbind(-2)",
            "phi_k.roll(-1, -2).unbind(-2), values.roll(-1, -2).unbind(-2)",
        ),
        ("sums not widened", "wide(phi_q), wide(phi_k), wide(value)", "phi_q, phi_k, value"),
        ("autocast left on around the sums", "with full_precision(value):", "if True:"),
        (
            "state in the input's dtype",
            "value.dtype), (sum_kv, sum_k)",
            "value.dtype), (sum_kv.to(value), sum_k.to(value))",
        ),
    ],
    "fast/linear.py": [
        (
            "fast: only the last block of keys",
            "sum_kv + new_kv, sum_k + new_k\n    outputs",
            "new_kv, new_k\n    outputs",
        ),
        ("fast: the chunk sees its own future", ".tril()", ""),
        ("fast: state not carried", "state = sum_kv + new_kv, sum_k + new_k", "state = new_kv, new_k"),
        (
            "fast: chunk seen twice",
            "phi_q @ sum_kv, total + phi_q @ sum_k",
            "phi_q @ (sum_kv + new_kv), total + phi_q @ (sum_k + new_k)",
        ),
        ("fast: denominator of the chunk alone", "total + phi_q @ sum_k", "total"),
        ("fast: sums not widened", "yield wide(phi_k), wide(one_value)", "yield phi_k, one_value"),
        ("fast: autocast left on around the sums", "with full_precision(values):", "if True:"),
        ("fast: mask of the first block for all", "hidden[number]", "hidden[0]"),
        (
            "fast: all positions at once",
            "split(CHUNK, dim=-2), _keys(key, value, mask, feature_map, CHUNK)",
            "split(10**6, dim=-2), _keys(key, value, mask, feature_map, 10**6)",
        ),
    ],
}
