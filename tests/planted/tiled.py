"""Deliberate mistakes in tiled attention, its fast version and its oracle: what, the right text, the wrong one."""

TESTS = ("attention/test_tiled.py", "attention/test_attend.py")
ONLY = "test_tiled or tiled_attention"  # of what every attention shares
MISTAKES = {
    "oracle/tiled.py": [
        ("oracle: sum not rescaled", "row_sum * np.exp(previous - row_max)", "row_sum"),
        ("oracle: values not rescaled", "acc[c] * np.exp(previous - row_max)", "acc[c]"),
        ("oracle: not divided", "acc[c] / row_sum if", "acc[c] if"),
    ],
    "attention/tiled.py": [
        ("tiled: missing sqrt(d_k)", " / math.sqrt(query.shape[-1])", ""),
        ("tiled: sum not rescaled", "row_sum * rescale", "row_sum"),
        ("tiled: values not rescaled", "acc * rescale", "acc"),
        ("tiled: rescaled the wrong way", "torch.exp(previous - row_max)", "torch.exp(row_max - previous)"),
        ("tiled: max of this block alone", "torch.maximum(row_max, block_max)", "block_max"),
        ("tiled: a max that starts at zero", "torch.full_like(row_sum, smallest)", "torch.zeros_like(row_sum)"),
        (
            "tiled: -10000 for a masked score",
            "masked_fill(~mask[..., columns], smallest)",
            "masked_fill(~mask[..., columns], -1e4)",
        ),
        ("tiled: mask of the wrong keys", "mask[..., columns]", "mask[..., : scores.shape[-1]]"),
        ("tiled: mask of the wrong queries", "mask[..., rows, :]", "mask[..., :block, :]"),
        (
            "tiled: masked keys counted in rows of the smallest scores",
            "exp_scores = exp_scores.masked_fill(~mask[..., columns], 0.0)",
            "pass",
        ),
        ("tiled: minus infinity", "torch.finfo(sum_dtype).min", "-torch.inf"),
        ("tiled: nothing over nothing", "row_sum.masked_fill(row_sum == 0, 1.0)", "row_sum"),
        ("tiled: sums in half precision", "float32_or_wider(query.dtype)", "query.dtype"),
        (
            "tiled: half precision overflows",
            "within_float16(query @ key[..., columns, :].mT)",
            "(query @ key[..., columns, :].mT)",
        ),
        ("tiled: not the dtype of autocast", ".to(matmul_dtype(value))", ".to(value.dtype)"),
        (
            "tiled: NaN of masked keys comes through",
            "query, key, value, lost = set_aside(query, key, value, mask, block=block)",
            "lost = None",
        ),
        ("tiled: lost queries not marked", "spoil(torch.cat(output, dim=-2), lost)", "torch.cat(output, dim=-2)"),
        ("tiled: block not checked", "    check_at_least(who, 1, block=block)\n", ""),
        ("tiled: the last block of keys lost", "blocks(key.shape[-2], block)", "blocks(key.shape[-2] - 1, block)"),
        ("tiled: the whole table", "blocks(key.shape[-2], block)", "blocks(key.shape[-2], 10**6)"),
    ],
    "fast/tiled.py": [
        ("fast: tiled, missing sqrt(d_k)", "1 / math.sqrt(max(1, d_k))", "1.0"),
        ("fast: sum not rescaled", "row_sum.mul_(rescale).add_", "row_sum.add_"),
        ("fast: values not rescaled", "acc.mul_(rescale)", "acc"),
        ("fast: masked scores counted in the max", "scores = torch.where(may, scores, smallest)", "pass"),
        ("fast: a max that starts at zero", "torch.full_like(row_sum, smallest)", "torch.zeros_like(row_sum)"),
        (
            "fast: masked keys counted forward",
            "scores.clamp_(min=UNDERFLOW).exp_().mul_(may.to(sum_dtype))",
            "scores.exp_()",
        ),
        (
            "fast: masked keys counted backward",
            ".exp_().mul_(may.to(sum_dtype)).mul_(inverse)",
            ".exp_().mul_(inverse)",
        ),
        ("fast: a fully masked row is not zero", "row_sum.masked_fill_(row_sum < 0.5, torch.inf)", "pass"),
        ("fast: weights not divided, no mask", "scores.exp_().mul_(inverse)", "scores.exp_()"),
        ("fast: delta left out of the gradient", "grad_weights.sub_(delta)", "grad_weights"),
        ("fast: gradient of the query not scaled", "    grad_query.mul_(tiles.scale)\n", ""),
        ("fast: gradient where float16 overflowed", "if raw.dtype == torch.float16:", "if False:"),
        (
            "fast: half precision overflows",
            "within_float16(q_block @ k[samples, columns].mT)",
            "(q_block @ k[samples, columns].mT)",
        ),
        ("fast: lost queries not NaN", "results[0].masked_fill_(lost, torch.nan)", "pass"),
        (
            "fast: gradients of lost queries",
            "output, grad_output = output.masked_fill(lost, 0.0), grad_output.masked_fill(lost, 0.0)",
            "pass",
        ),
        ("fast: masked blocks computed", "elif any(largest for _, largest in ends):", "else:"),
        ("fast: one sample's mask for all", "all(mask is masks[0] for mask in masks)", "True"),
        (
            "fast: a block that is masked in part taken for whole",
            "all(smallest for smallest, _ in ends)",
            "all(largest for _, largest in ends)",
        ),
        ("fast: samples after the eighth lost", "range(0, self.size, SAMPLES)", "range(0, min(self.size, 8), SAMPLES)"),
        ("fast: not the dtype of autocast", "dtype = matmul_dtype(value)", "dtype = value.dtype"),
        ("fast: block not checked", "    check_at_least(who, 1, block=block)\n", ""),
    ],
    "fast/_tiled_ops.py": [
        ("fast: sums in half precision", "float32_or_wider(value.dtype)", "value.dtype"),
        ("fast: mask left where it was by vmap", "[None] * (ndim - x.ndim)", "[None] * 0"),
        (
            "fast: forward mode leaves the tangents out",
            "return _Forward.apply(self, query, key, value, mask, block)[0]",
            "return self.forward(query, key, value, mask, block)[0]",
        ),
        (
            "fast: second gradient with another mask",
            "ctx.ops.reference(*qkv, mask, ctx.block)",
            "ctx.ops.reference(*qkv, None, ctx.block)",
        ),
    ],
}
