"""Deliberate mistakes in Mamba's mixer: what, the right text, the wrong one."""

TESTS = ("models/test_mamba_mixer.py",)
MISTAKES = {
    "models/mamba_mixer.py": [
        ("input and gate swapped", "u, gate = self", "gate, u = self"),
        ("no activation after the convolution", "        u = F.silu(u)\n", ""),
        ("b and c swapped", "delta, b, c = self", "delta, c, b = self"),
        ("step sizes may be below zero", "F.softplus(self.delta_proj(delta))", "self.delta_proj(delta)"),
        ("rates above zero: the state grows", "a = -torch.exp", "a = torch.exp"),
        ("gate without SiLU", "y * F.silu(gate)", "y * gate"),
        ("no gate", "self.out_proj(y * F.silu(gate))", "self.out_proj(y)"),
        ("no skip", "self.d_skip, h", "None, h"),
        ("scan's state not carried", "self.d_skip, h, token", "self.d_skip, None, token"),
        ("convolution's inputs not carried", "if past is None else past.to(u.dtype)", ""),
        ("sees the future", "torch.cat((past, u.mT), dim=2)", "torch.cat((u.mT, past), dim=2)"),
        ("keeps inputs of padding", "lengths if token_mask is None else token_mask.sum(1)", "lengths"),
        ("scan reads padding", "h, token_mask=token_mask)", "h)"),
        ("keeps the inputs one too early", "lengths[:, None, None] +", "lengths[:, None, None] - 1 +"),
        ("all rates alike", "torch.arange(1, self.d_state + 1", "torch.ones(self.d_state"),
        ("rates from zero", "torch.arange(1, self.d_state + 1", "torch.arange(0, self.d_state"),
        ("softplus not undone", "delta + torch.log(-torch.expm1(-delta))", "delta"),
        ("step sizes even, not their logarithms", "uniform_(lowest, highest).exp()", "uniform_(MIN_DELTA, MAX_DELTA)"),
        ("rank not rounded up", "math.ceil(d_model / 16)", "max(1, d_model // 16)"),
        ("biases drawn", "                nn.init.zeros_(bias)", "                pass"),
        ("given scan ignored", "self.scan, d = scan,", "self.scan, d = selective_scan,"),
        ("padding anywhere passes", "        check_right_padding(who, token_mask)\n", ""),
    ],
}
