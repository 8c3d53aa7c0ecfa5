"""Deliberate mistakes in linear attention and its fast version: what, the right text, the wrong one."""

TESTS = ("attention/test_linear.py", "attention/test_attend.py")
ONLY = "test_linear or linear_attention"  # of what every attention shares
MISTAKES = {
    "_numerics.py": [
        ("nothing attended: 0 / 0", "denominator.masked_fill(nothing, 1)", "denominator"),
        ("nothing attended: a gradient is left", ".masked_fill(nothing, 0)", ""),
        ("sums in half precision", "torch.promote_types(dtype, torch.float32)", "dtype"),
        ("autocast left on", "enabled=False", "enabled=torch.is_autocast_enabled(device)"),
    ],
    "attention/_features.py": [
        ("features by the formula, digits lost", "F.relu(x) + x.clamp(max=0).exp()", "F.elu(x) + 1"),
        ("features in half precision: small ones are zero", "    x = at_least_float32(x)\n", ""),
        (
            "queries not scaled: products underflow",
            "phi_q * torch.exp2(-total.masked_fill(total == 0, 1).log2().floor())",
            "phi_q",
        ),
        ("queries scaled the wrong way", "torch.exp2(-total", "torch.exp2(total"),
        ("features of zero: log of zero", "total.masked_fill(total == 0, 1).log2()", "total.log2()"),
        ("features of the key alone", "feature_map(query), feature_map(key)", "query, feature_map(key)"),
        ("mask polarity flipped", "masked_fill(~mask.mT, 0)", "masked_fill(mask.mT, 0)"),
        (
            "mask on the key alone: masked keys have features of one",
            "feature_map(query), feature_map(key)\n",
            "feature_map(query), feature_map(key if mask is None else key.masked_fill(~mask.mT, 0))\n    mask = None\n",
        ),
    ],
    "attention/_non_finite.py": [
        ("what is not finite left where it is", "nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)", "clone()"),
        ("only NaN set aside", "nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)", "nan_to_num(nan=0.0)"),
        ("lost before the broken key", "(bad_key.cumsum(-2) > 0)", "bad_key.any(-2, keepdim=True)"),
        ("a masked key loses later queries", "bad_key & mask.mT", "bad_key"),
        ("values not looked at", "non_finite(key) | non_finite(value)", "non_finite(key)"),
    ],
    "attention/linear.py": [
        ("denominator dropped", "divide_or_zero(phi_q @ sum_kv, phi_q @ sum_k[..., None])", "phi_q @ sum_kv"),
        (
            "denominator summed over features and spread",
            "sum_k = phi_k.sum(-2)",
            "sum_k = phi_k.sum(-1).sum(-1, keepdim=True).expand(*phi_k.shape[:-2], phi_k.shape[-1])",
        ),
        ("denominator without the query", "phi_q @ sum_k[..., None]", "sum_k.sum(-1)[..., None, None]"),
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
        ("autocast left on around the sums", "with autocast_off(value):", "if True:"),
        ("not the dtype of autocast", "output.to(matmul_dtype(value)), state", "output.to(value.dtype), state"),
        (
            "state in the input's dtype",
            "return output.to(matmul_dtype(value)), state",
            "return output.to(matmul_dtype(value)), tuple(sums.to(value) for sums in state)",
        ),
        ("lost queries not marked", "spoil(output, lost)", "output"),
        ("without a loop: the sums over features", "sum_k = phi_k.cumsum(-2)", "sum_k = phi_k.cumsum(-1)"),
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
            "fast: chunk counted twice",
            "numerator + phi_q @ sum_kv, denominator + phi_q @ sum_k\n",
            "numerator + phi_q @ (sum_kv + new_kv), denominator + phi_q @ (sum_k + new_k)\n",
        ),
        (
            "fast: denominator of the chunk alone",
            "numerator, denominator = numerator + phi_q @ sum_kv, denominator + phi_q @ sum_k",
            "numerator = numerator + phi_q @ sum_kv",
        ),
        (
            "fast: sums not widened",
            "yield at_least_float32(phi_k), at_least_float32(one_value)",
            "yield phi_k, one_value",
        ),
        ("fast: autocast left on around the sums", "with autocast_off(value):", "if True:"),
        ("fast: mask of the first block for all", "masked[number]", "masked[0]"),
        ("fast: lost queries not marked", "spoil(torch.cat(outputs, dim=-2), lost)", "torch.cat(outputs, dim=-2)"),
        (
            "fast: all positions at once",
            "zip(_split(query, CHUNK), _keys(key, value, mask, feature_map, CHUNK), strict=True)",
            "zip(_split(query, 10**6), _keys(key, value, mask, feature_map, 10**6), strict=True)",
        ),
        ("fast: without a loop, each chunk reads its own state", "(0, 0, 0, 0, 1, -1)", "(0, 0, 0, 0, 0, 0)"),
    ],
}
