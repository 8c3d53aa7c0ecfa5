"""Deliberate mistakes in attention/tiled.py, fast/tiled.py, oracle/tiled.py: what, the right text, the wrong one."""

TESTS = ("attention/test_tiled.py", "attention/test_attend.py")
ONLY = "test_tiled or tiled_attention"  # of what every attention shares
MISTAKES = {
    "oracle/tiled.py": [
        ("oracle: sum not shrunk", "total * np.exp(before - highest)", "total"),
        ("oracle: mix not shrunk", "mixed[c] * np.exp(before - highest)", "mixed[c]"),
        ("oracle: not divided", "mixed[c] / total if", "mixed[c] if"),
    ],
    "attention/tiled.py": [
        ("tiled: missing sqrt(d_k)", " / math.sqrt(query.shape[-1])", ""),
        ("tiled: sum not shrunk", "total * shrink", "total"),
        ("tiled: mix not shrunk", "mixed * shrink", "mixed"),
        ("tiled: shrunk the wrong way", "torch.exp(before - highest)", "torch.exp(highest - before)"),
        ("tiled: highest of this block alone", "torch.maximum(highest, of_block)", "of_block"),
        ("tiled: mask of the wrong keys", "mask[..., keys]", "mask[..., : scores.shape[-1]]"),
        ("tiled: mask of the wrong queries", "mask[..., rows, :]", "mask[..., :block, :]"),
        ("tiled: empty row not told apart", "fit = fit.masked_fill(~mask[..., keys], 0.0)", "pass"),
        ("tiled: minus infinity", "torch.finfo(wide).min", "-torch.inf"),
        ("tiled: nothing over nothing", "total.masked_fill(total == 0, 1.0)", "total"),
        ("tiled: sums in half precision", "torch.promote_types(query.dtype, torch.float32)", "query.dtype"),
        ("tiled: block not checked", "    check_at_least(who, 1, block=block)\n", ""),
        ("tiled: the last block lost", "range(0, key.shape[-2], block)", "range(0, key.shape[-2] - 1, block)"),
        ("tiled: the whole table", "range(0, key.shape[-2], block)", "range(0, key.shape[-2], (block := 10**6))"),
    ],
    "fast/tiled.py": [
        ("fast: tiled, missing sqrt(d_k)", "1 / math.sqrt(max(1, d_k))", "1.0"),
        ("fast: sum not shrunk", "total.mul_(shrink).add_", "total.add_"),
        ("fast: mix not shrunk", "mixed.mul_(shrink)", "mixed"),
        ("fast: hidden count for the highest", "fit = torch.where(seen, fit, lowest)", "pass"),
        ("fast: hidden seen forward", "fit.clamp_(min=FAR).exp_().mul_(seen.to(wide))", "fit.exp_()"),
        ("fast: hidden seen backward", "torch.where(seen, weights, FAR).exp_().mul_(seen.to(wide))", "weights.exp_()"),
        ("fast: mean left out of the gradient", ".sub_(mean)", ""),
        ("fast: gradient of the query not scaled", "    for_query.mul_(tiles.scale)\n", ""),
        ("fast: hidden blocks computed", "            elif any(most for _, most in ends):", "            else:"),
        ("fast: one sample's mask for all", "all(mask is masks[0] for mask in masks)", "True"),
        ("fast: half hidden taken for seen", "all(least for least, _ in ends)", "all(most for _, most in ends)"),
        ("fast: sums in half precision", "torch.promote_types(value.dtype, torch.float32)", "value.dtype"),
        ("fast: mask left where it was by vmap", "[None] * (most - x.ndim)", "[None] * 0"),
        ("fast: samples after the eighth lost", "range(0, self.size, SAMPLES)", "range(0, min(self.size, 8), SAMPLES)"),
        ("fast: block not checked", "    check_at_least(who, 1, block=block)\n", ""),
    ],
}
