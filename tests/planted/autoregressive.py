"""Deliberate mistakes in the three autoregressive models: what, the right text, the wrong one."""

TESTS = ("sequence/test_autoregressive.py",)
MISTAKES = {
    "sequence/autoregressive.py": [
        ("window in the wrong order", "x[:, x.shape[1] - self.window :].flip(-1)", "x[:, x.shape[1] - self.window :]"),
        ("predictions not fed back in", "past = x[:, x.shape[1] - self.window :]", "past = x[:, n - self.window : n]"),
        ("spread left out of the density", "- self.sigma.log() ", ""),
        ("spread left out of the draw", "mean + self.sigma * noise", "mean + noise"),
        ("bias left out", "self.bias + past @ self.weight", "past @ self.weight"),
    ],
    "sequence/markov.py": [
        (
            "nearest token taken for the oldest",
            "self.vocab_size ** torch.arange(self.window",
            "self.vocab_size ** (self.window - 1) // self.vocab_size ** torch.arange(self.window",
        ),
        ("smoothing dropped", "counts + self.smoothing", "counts"),
        ("the drawn token does not become the past", "last * self.vocab_size + drawn[-1]", "last * self.vocab_size"),
        ("rows not divided by their sum", "counts / counts.sum(-1, keepdim=True)", "counts"),
        (
            "the newest token drops out",
            "reshape(len(tokens), self.vocab_size, windows).sum(1)",
            "reshape(len(tokens), windows, self.vocab_size).sum(-1)",
        ),
    ],
    "sequence/latent.py": [
        ("each value sees itself", "torch.cat((self.mean.expand(len(x), 1), x[:, :-1]), dim=1)", "x"),
        ("state not carried on while predicting", "values[-1][:, None], state)", "values[-1][:, None], None)"),
        ("scale not put back", "self.mean + self.scale * self.output_proj", "self.mean + self.output_proj"),
        ("spread left out of the draw, latent", "mean + self.scale * self.log_sigma.exp() * noise", "mean + noise"),
    ],
}
