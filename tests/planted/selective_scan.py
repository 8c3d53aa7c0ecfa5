"""Deliberate mistakes in the selective scan and its fast version: what, the right text, the wrong one."""

TESTS = ("models/test_selective_scan.py",)
MISTAKES = {
    "models/selective_scan.py": [
        ("state not carried", "h = a_bar * h + step", "h = step"),
        ("state does not fade", "h = a_bar * h + step", "h = h + step"),
        ("step size lost", "step * x_i[..., None] * b_i[:, None]", "x_i[..., None] * b_i[:, None]"),
        ("reads what it writes with", "(h * c_i[:, None])", "(h * b_i[:, None])"),
        ("given state ignored", "if state is None else state  # (batch, d, d_state)", "  # (batch, d, d_state)"),
        ("skip lost", "y = y + d_skip * x", "y = y + x"),
        ("rules swapped", 'if discretize == "euler":', 'if discretize == "zoh":'),
        ("zero-order hold without the step size", "delta * torch.where", "torch.where"),
        ("A bar minus A in place of minus one", "rate.expm1() /", "(rate.exp() - rate) /"),
        ("divides by zero", "rate.masked_fill(still, 1)", "rate"),
        ("no gradient at a rate of zero", "1 + rate / 2", "1.0"),
        ("padding fades the state", "tensor.masked_fill(~token_mask[..., None], 0)", "tensor"),
        ("mask polarity flipped", "masked_fill(~token_mask", "masked_fill(token_mask"),
        ("in half precision", "[at_least_float32(tensor) for tensor in tensors]", "list(tensors)"),
        ("not the dtype of x", "return y.to(dtype), h", "return y, h"),
    ],
    "fast/selective_scan.py": [
        ("state not carried", "torch.addcmul(added_i, a_bar_i, h)", "added_i"),
        ("state does not fade", "torch.addcmul(added_i, a_bar_i, h)", "added_i + h"),
        ("each block starts anew", "            states = []\n", "            states, h = [], torch.zeros_like(h)\n"),
        ("step size lost", "added = step * xs", "added = xs"),
        ("given state ignored", " if state is None else state", ""),
        ("reads what it writes with", "@ cs[..., None]", "@ bs[..., None]"),
        ("skip lost", "else y + d_skip * xs", "else y + xs"),
        ("all steps at once", "tensor.split(BLOCK, dim=1)", "tensor.split(tensor.shape[1], dim=1)"),
        ("not the dtype of x", "outputs.append(y.to(dtype))", "outputs.append(y)"),
    ],
    "models/_checks.py": [
        ("any rule passes", '    check_choice(who, "discretize", discretize, ("euler", "zoh"))\n', ""),
        ("no position passes", '    check_positions(who, "x", x, 1)\n', ""),
        ("a state of another dtype passes", "if state.dtype != float32_or_wider(x.dtype):", "if False:"),
        ("a state of another size passes", "if state.shape != sizes:", "if False:"),
        ("any mask passes", '    check_token_mask(who, "token_mask", token_mask, x)\n', ""),
    ],
}
