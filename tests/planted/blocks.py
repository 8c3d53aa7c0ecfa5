"""Deliberate mistakes in encoder and decoder blocks: what, the right text, the wrong one."""

TESTS = ("transformer/test_blocks.py",)
CROSS = "_attend(self.cross_attention, y, memory, memory_mask, cache and cache.memory)"
MISTAKES = {
    "transformer/blocks.py": [
        (
            "normalized input added",
            "x = self._after(self.self_attention_norm, x, attended)",
            "x = self._after(self.self_attention_norm, y, attended)",
        ),
        (
            "one norm for both sublayers",
            "y = self._before(self.feed_forward_norm, x)",
            "y = self._before(self.self_attention_norm, x)",
        ),
        (
            "norm of the other sublayer after the network",
            "self._after(self.feed_forward_norm, x, self.feed_forward(y))",
            "self._after(self.self_attention_norm, x, self.feed_forward(y))",
        ),
        ("feed-forward of what is not normalized", "self.feed_forward(y)", "self.feed_forward(x)"),
        (
            "mask not passed on",
            "_attend(self.self_attention, y, y, mask, ",
            "_attend(self.self_attention, y, y, None, ",
        ),
        ("masks swapped", CROSS, CROSS.replace("memory_mask", "mask")),
        ("memory not masked", CROSS, CROSS.replace("memory_mask", "None")),
        ("queries from the encoder", CROSS, CROSS.replace("y, memory,", "memory, y,")),
        ("values from the decoder", "attention(x, memory, memory, mask) if", "attention(x, memory, x, mask) if"),
        ("cross-attention to itself", CROSS, CROSS.replace("memory, memory_mask", "y, mask")),
        (
            "weights of the wrong attention",
            "self.feed_forward(y)), weights, cross_weights",
            "self.feed_forward(y)), cross_weights, weights",
        ),
        (
            "cross norm of the first sublayer",
            "y = self._before(self.cross_attention_norm, x)",
            "y = self._before(self.self_attention_norm, x)",
        ),
        ("activation not passed on", "FeedForward(d_model, d_ff, activation=activation)", "FeedForward(d_model, d_ff)"),
        ("bias not passed on", "bias=bias, attend=attend", "attend=attend"),
        ("attend not passed on", "bias=bias, attend=attend", "bias=bias"),
        ("one attend for both", "bias=bias, attend=cross_attend", "bias=bias, attend=attend"),
        (
            "cross_attend ignored when attend is left out",
            "cross_attend = own(attend) if cross_attend is None else cross_attend",
            "cross_attend = own(attend)",
        ),
        ("one Module for both", "own(attend) if cross_attend", "attend if cross_attend"),
        ("cache of the encoder not checked", '        check_cache("EncoderBlock", cache, KeyValueCache)\n', ""),
        ("cache of the decoder not checked", '        check_cache("DecoderBlock", cache, DecoderCache)\n', ""),
    ],
    "transformer/_checks.py": [
        ("sizes not checked", "    check_at_least(who, 1, d_model=d_model, num_heads=num_heads, d_ff=d_ff)\n", ""),
        ("heads not checked", "if d_model % num_heads:", "if False:"),
        ("dropout not checked", "    check_dropout(who, dropout)\n", ""),
        ("dropout of one", "0 <= dropout < 1", "0 <= dropout <= 1"),
        ("norm not checked", '    check_choice(who, "norm", norm, NORMS)\n', ""),
        ("activation not checked", '    check_choice(who, "activation", activation, ACTIVATIONS)\n', ""),
        ("epsilon not checked", "    check_norm_eps(who, norm_eps)\n", ""),
        ("epsilon of zero", "0 < norm_eps < math.inf", "0 <= norm_eps < math.inf"),
        ("attend not checked", "        check_attend(who, attend, optional=False, name=name)\n", "        pass\n"),
        ("x not checked", '    check_vectors(who, "x", x, d_model, weight)\n    past', "    past"),
        (
            "mask not checked",
            "    check_mask(who, mask, (*x.shape[:-1], past + x.shape[-2]), form, x=x)\n",
            "",
        ),
        (
            "memory's mask not checked",
            '    check_mask(who, memory_mask, (*x.shape[:-1], memory.shape[-2]), "(..., n, n_k)", x=x)\n',
            "",
        ),
        ("batches not checked", 'check_same_size(who, "batch", x=(x, axis), memory=(memory, axis))', "pass"),
        ("axes not compared", "if x.ndim != memory.ndim:", "if False:"),
    ],
    "transformer/_residual.py": [
        ("dropout not passed on", "nn.Dropout(dropout)", "nn.Dropout(0.0)"),
        ("pre for post", 'return norm(x) if self.norm == "pre" else x', 'return norm(x) if self.norm == "post" else x'),
        ("normalized before and after", 'return norm(x) if self.norm == "post" else x', "return norm(x)"),
        ("never normalized after", 'return norm(x) if self.norm == "post" else x', "return x"),
        ("residual left out", "x = x + self.dropout(sublayer)", "x = self.dropout(sublayer)"),
        ("residual dropped too", "x = x + self.dropout(sublayer)", "x = self.dropout(x + sublayer)"),
        ("no dropout", "x = x + self.dropout(sublayer)", "x = x + sublayer"),
        ("norms not drawn anew", "MultiHeadAttention | FeedForward | nn.LayerNorm", "MultiHeadAttention | FeedForward"),
        ("attentions not drawn anew", "MultiHeadAttention | FeedForward | nn.LayerNorm", "FeedForward | nn.LayerNorm"),
    ],
}
