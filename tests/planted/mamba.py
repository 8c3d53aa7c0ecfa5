"""Deliberate mistakes in the language model Mamba: what, the right text, the wrong one."""

TESTS = ("models/test_mamba.py",)
MISTAKES = {
    "models/mamba.py": [
        ("no residual connection", "return x + mixed, after", "return mixed, after"),
        ("norm after the sum", "self.mixer(self.norm(x), state, token_mask)", "self.mixer(x, state, token_mask)"),
        ("mask not passed on", "self.mixer(self.norm(x), state, token_mask)", "self.mixer(self.norm(x), state)"),
        ("layer norm", "self.norm = nn.RMSNorm(", "self.norm = nn.LayerNorm("),
        ("state not passed on", "layer(x, before, token_mask)", "layer(x, None, token_mask)"),
        ("no final norm", "self._logits(self.final_norm(x))", "self._logits(x)"),
        ("output layer ignored", " if self.output_proj is None else self.output_proj(x)", ""),
        ("scores of the first position", "return logits[:, -1]", "return logits[:, 0]"),
        ("state forgotten while it writes", "            one.state = state\n", "            pass\n"),
        ("rows of the state not chosen", "past[rows], h[rows]", "past, h"),
        ("rows of the convolution's inputs not chosen", "past[rows], h[rows]", "past[: len(rows)], h[rows]"),
        ("table drawn wide", "std=0.02", "std=1.0"),
        ("blocks not scaled", "/= math.sqrt(len(self.layers))", "/= 1"),
        ("epsilon lost", "nn.RMSNorm(d_model, eps=norm_eps)", "nn.RMSNorm(d_model, eps=1e-5)"),
        ("reset leaves the output layer", "self.final_norm, self.output_proj)", "self.final_norm)"),
        ("scan ignored", "conv_bias=conv_bias, scan=scan)", "conv_bias=conv_bias)"),
        ("padding anywhere passes", '        check_right_padding("Mamba", token_mask)\n', ""),
    ],
}
