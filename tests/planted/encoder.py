"""Deliberate mistakes in the encoder and in what it shares with the decoder: what, the right text, the wrong one."""

TESTS = ("transformer/test_encoder.py", "transformer/test_decoder_only.py")
MISTAKES = {
    "transformer/encoder.py": [
        ("each block reads the input", "x, of_layer = layer(x, mask", "y, of_layer = layer(x, mask"),
        ("mask not passed on", "layer(x, mask, ", "layer(x, None, "),
        ("one block too few", "for _ in range(num_layers)", "for _ in range(max(1, num_layers - 1))"),
        ("one attention for all blocks", "attend=own(attend)", "attend=attend"),
        ("attend not passed on", ", attend=own(attend)", ""),
        ("bias not passed on", "bias=bias, attend=own", "attend=own"),
        ("norm, dropout and activation not passed on", "d_ff, **options, bias=bias", "d_ff, bias=bias"),
        ("last norm lost", "return x if self.final_norm is None else self.final_norm(x)", "return x"),
        ("final_norm ignored", "if wants_norm(final_norm, norm)", "if wants_norm(None, norm)"),
        ("weights from the last layer on", "weights.append(of_layer", "weights.insert(0, of_layer"),
        ("weights when not asked for", "of_layer if return_weights else None", "of_layer"),
        ("one cache for all blocks", "cache=its_cache", "cache=past"),
        ("blocks not drawn anew", "draw_anew(*self.layers, self.final_norm)", "draw_anew(self.final_norm)"),
        ("last norm not drawn anew", "draw_anew(*self.layers, self.final_norm)", "draw_anew(*self.layers)"),
        ("parts not checked", "        check_block(who, d_model, num_heads, d_ff, **options, attend=attend)\n", ""),
        ("depth not checked", "        check_at_least(who, 1, num_layers=num_layers)\n", ""),
        (
            "caches not checked",
            '        check_caches("TransformerEncoder", cache, len(self.layers), KeyValueCache)\n',
            "",
        ),
        (
            "inputs not checked",
            'check_encoder_inputs("TransformerEncoder", self.d_model, x, mask, past, next(self.parameters()))',
            "pass",
        ),
    ],
    "transformer/_stacks.py": [
        ("not copied", "copy.deepcopy(attend) if isinstance(attend, nn.Module) else attend", "attend"),
        ("last norm for post", 'return norm == "pre" if', 'return norm == "post" if'),
        ("last norm by itself alone", 'norm == "pre" if final_norm is None else final_norm', 'norm == "pre"'),
        ("empty weights", "return tensors if len(tensors) == len(weights) else None", "return tensors"),
        ("nothing drawn anew", "            reset()\n", "            pass\n"),
    ],
    "transformer/_checks.py": [
        ("one cache for all layers", "if len(set(parts)) < len(parts):", "if False:"),
        ("number of caches not checked", "    if len(cache) != num_layers:", "    if False:"),
        ("kind of caches not checked", "all(isinstance(one, kind) for one in cache)", "True"),
        ("a single cache taken", "if not isinstance(cache, list | tuple) or not", "if not"),
    ],
}
