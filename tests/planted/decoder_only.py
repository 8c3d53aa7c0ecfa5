"""Deliberate mistakes in the decoder-only Transformer: what, the right text, the wrong one."""

TESTS = ("transformer/test_decoder_only.py",)
CAUSAL = "mask = causal_mask(tokens.shape[1], device=tokens.device)"
MISTAKES = {
    "transformer/decoder_only.py": [
        ("sees the future", CAUSAL, "mask = None"),
        ("sees one token ahead", CAUSAL, CAUSAL.replace("[1],", "[1], offset=1,")),
        ("padding attended to", "if token_mask is not None:", "if False:"),
        ("padding alone attended to", "mask & token_mask[:, None]", "mask & ~token_mask[:, None]"),
        ("mask for queries", "mask & token_mask[:, None]", "mask & token_mask[:, :, None]"),
        ("mask not passed on", "self.embed(tokens), mask, return", "self.embed(tokens), None, return"),
        ("no weights", "mask, return_weights=return_weights)", "mask)"),
        ("output layer not tied", 'if tie == "none" else None', 'if tie != "never" else None'),
        ("output layer always tied", 'if tie == "none" else None', "if False else None"),
        ("no dropout on the sum", "positions, max_positions, dropout)", "positions, max_positions, 0.0)"),
        ("attend not passed on", "**options, attend=attend, bias", "**options, bias"),
        ("bias not passed on", "attend=attend, bias=bias)", "attend=attend)"),
        ("norm, dropout and activation not passed on", "num_layers, **options, attend", "num_layers, attend"),
        ("positions start anew", "self.embed(tokens, offset=past)", "self.embed(tokens)"),
        (
            "mask of the first positions",
            "causal_mask(n, past + n, offset=past, device",
            "causal_mask(n, past + n, device",
        ),
        ("cache not used", "mask, cache=caches)", "mask)"),
        ("first position scored", "self._logits(x[:, -1])", "self._logits(x[:, 0])"),
        ("not drawn anew", "            module.reset_parameters()", "            pass"),
        ("cache asked for or not", "caches if cache else None)", "None if cache else caches)"),
        ("capacity not checked", '        check_at_least("DecoderOnlyTransformer.start", 1, capacity=capacity)\n', ""),
        ("sizes not checked", "        check_at_least(who, 1, vocab_size=vocab_size, num_layers=num_layers)\n", ""),
        ("parts not checked", "        check_block(who, d_model, num_heads, d_ff, **options, attend=attend)\n", ""),
        ("positions not checked", "        check_positions(who, positions, max_positions)\n", ""),
        ("tie not checked", '        check_choice(who, "tie", tie, ("none", "output"))\n', ""),
        ("tokens not checked", '        self.embed.check("DecoderOnlyTransformer", "tokens", tokens)\n', ""),
        ("tokens read not checked", '        self.embed.check("DecoderOnlyTransformer", "tokens", tokens, past)\n', ""),
        (
            "mask not checked",
            '        check_token_mask("DecoderOnlyTransformer", "token_mask", token_mask, tokens)\n',
            "",
        ),
    ],
}
