"""Deliberate mistakes in the decoder: what, the right text, the wrong one."""

TESTS = ("transformer/test_decoder.py", "transformer/test_encoder.py")
LAYER = "layer(x, memory, mask, memory_mask, cache=its_cache)"
MISTAKES = {
    "transformer/decoder.py": [
        ("mask not passed on", LAYER, LAYER.replace("memory, mask", "memory, None")),
        ("memory not masked", LAYER, LAYER.replace("memory_mask", "None")),
        ("masks swapped", LAYER, LAYER.replace("mask, memory_mask", "memory_mask, mask")),
        ("cross-attention to itself", LAYER, LAYER.replace("memory, mask, memory_mask", "x, mask, mask")),
        ("each block reads the input", "x, weights, cross_weights = layer", "y, weights, cross_weights = layer"),
        ("one cache for all blocks", LAYER, LAYER.replace("its_cache", "cache and cache[0]")),
        ("last norm lost", "return x if self.final_norm is None else self.final_norm(x)", "return x"),
        ("final_norm ignored", "if wants_norm(final_norm, norm)", "if wants_norm(None, norm)"),
        ("one block too few", "for _ in range(num_layers)", "for _ in range(max(1, num_layers - 1))"),
        ("one attention for all blocks", "attend=own(attend), cross", "attend=attend, cross"),
        ("one cross-attention for all blocks", "cross_attend=own(cross_attend)", "cross_attend=cross_attend"),
        ("cross_attend ignored", "cross_attend=own(cross_attend)", "cross_attend=own(attend)"),
        ("attend ignored", "attend=own(attend), cross", "attend=own(cross_attend), cross"),
        (
            "attend not used for both",
            "cross_attend = attend if cross_attend is None else",
            "cross_attend = scaled_dot_product_attention if cross_attend is None else",
        ),
        ("bias not passed on", "**options, bias=bias, attend", "**options, attend"),
        ("norm, dropout and activation not passed on", "d_ff, **options, bias=bias", "d_ff, bias=bias"),
        (
            "weights swapped",
            "DecoderWeights(formed(to_itself), formed(to_memory))",
            "DecoderWeights(formed(to_memory), formed(to_itself))",
        ),
        ("weights from the last layer on", "to_memory.append(cross_weights", "to_memory.insert(0, cross_weights"),
        ("own weights from the last layer on", "to_itself.append(weights", "to_itself.insert(0, weights"),
        ("weights when not asked for", "formed(to_memory)) if return_weights else None", "formed(to_memory))"),
        ("blocks not drawn anew", "draw_anew(*self.layers, self.final_norm)", "draw_anew(self.final_norm)"),
        ("last norm not drawn anew", "draw_anew(*self.layers, self.final_norm)", "draw_anew(*self.layers)"),
        (
            "parts not checked",
            "        check_block(who, d_model, num_heads, d_ff, **options, attend=attend, cross_attend=cross_attend)\n",
            "",
        ),
        ("depth not checked", "        check_at_least(who, 1, num_layers=num_layers)\n", ""),
        (
            "caches not checked",
            '        check_caches("TransformerDecoder", cache, len(self.layers), DecoderCache)\n',
            "",
        ),
        (
            "inputs not checked",
            '        check_decoder_inputs("TransformerDecoder", self.d_model, *inputs, past, weight)\n',
            "",
        ),
    ],
    "transformer/_checks.py": [
        (
            "parts of caches not compared",
            "for part in (one if isinstance(one, tuple) else (one,))",
            "for part in (one,)",
        ),
        ("memory not checked", '    check_vectors(who, "memory", memory, d_model, weight)\n', ""),
        ("name of the attention lost", "optional=False, name=name)", "optional=False)"),
    ],
}
