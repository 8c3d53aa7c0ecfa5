"""Deliberate mistakes in the autoregressive model: what, the right text, the wrong one."""

TESTS = ("sequence/test_autoregressive.py",)
MISTAKES = {
    "sequence/autoregressive.py": [
        ("window in the wrong order", "x[:, x.shape[1] - self.window :].flip(-1)", "x[:, x.shape[1] - self.window :]"),
        ("predictions not fed back in", "torch.cat((values[-1][:, None], past), dim=1)[:, : self.window]", "past"),
        ("predictions fed back in at the wrong end", "(values[-1][:, None], past)", "(past, values[-1][:, None])"),
        ("sigma left out of the density", "- at_least_float32(self.sigma).log() ", ""),
        ("sigma left out of the draw", "mean + self.sigma * noise", "mean + noise"),
        ("bias left out", "self.bias + (past * self.weight)", "(past * self.weight)"),
        ("half precision summed up as it is", "at_least_float32(x), self.window", "x, self.window"),
        ("values that are not finite let in", 'check_finite(who, "x", x)', "pass"),
        ("weights that are left open let in", "if rank < self.window:", "if False:"),
    ],
    "sequence/_least_squares.py": [
        (
            "offset left in the windows",
            "x = x / scale\n    offset = x[0, 0]",
            "x = x / scale\n    offset = 0 * x[0, 0]",
        ),
        ("offset left out of the bias", "offset * (1 - weight.sum()) + ", ""),
        ("scale left out of the bias", "weight, scale * bias,", "weight, bias,"),
        ("scale left out of sigma", "scale * sigma,", "sigma,"),
        (
            "sigma of as many values as are left over",
            "error.square().mean()",
            "error.square().sum() / (len(error) - 1)",
        ),
        ("rounding taken for noise", "sigma.masked_fill(sigma <= rounding, 0)", "sigma"),
        ("noise taken for rounding", "rounding = eps *", "rounding = 1e6 * eps *"),
    ],
    "sequence/_scale.py": [
        ("float32 in the sums", "x.detach().cpu().double()", "x.detach().cpu().float().double()"),
        ("not scaled", "return 2.0 ** (math.frexp(x.abs().max().item())[1] - 1)", "return 1.0"),
        (
            "a scale that rounds",
            "return 2.0 ** (math.frexp(x.abs().max().item())[1] - 1)",
            "return x.abs().max().item()",
        ),
    ],
    "sequence/_window.py": [("window in the order of time", "stretches[..., :-1].flip(-1)", "stretches[..., :-1]")],
    "sequence/_checks.py": [
        ("generators of any device let in", "generator.device.type != like.device.type", "False"),
    ],
}
