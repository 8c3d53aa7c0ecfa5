"""Deliberate mistakes in recall: what is asked, the time-invariant mixer, relative positions, the training."""

TESTS = ("tasks/test_recall.py",)
ONLY = "not learns"
MISTAKES = {
    "tasks/recall_data.py": [
        ("the token before the marker asked", "tokens.gather(1, first + 1)", "tokens.gather(1, first)"),
        ("no marker at the end", "    tokens[:, -1] = MARKER\n", ""),
        ("a marker that nothing follows", "torch.randint(n - 2, (batch, 1)", "torch.randint(n - 1, (batch, 1)"),
        ("always the first marker at the start", "torch.randint(n - 2, (batch, 1)", "torch.randint(1, (batch, 1)"),
        ("noise as data", "data = torch.randint(DATA,", "data = torch.randint(NOISE + 1,"),
        ("data out of order", ".argsort(1)[:, :COPIED].sort(1).values", ".argsort(1)[:, :COPIED]"),
        ("data at the start", ".argsort(1)[:, :COPIED].sort(1)", ".sort(1).indices.sort(1).values[:, :COPIED].sort(1)"),
        ("answers in sight", "    tokens[:, n:] = MARKER\n", "    tokens[:, n:] = data\n"),
        (
            "keys twice",
            "torch.rand(batch, KEYS, generator=generator).argsort(1)[:, :n]",
            "torch.randint(KEYS, (batch, n), generator=generator)",
        ),
        (
            "keys asked in the order they came",
            "order = torch.rand(batch, n, generator=generator).argsort(1)",
            "order = torch.arange(n).expand(batch, n)",
        ),
        ("values of other keys", "targets[:, 2 * n :] = values.gather(1, order)", "targets[:, 2 * n :] = values"),
        ("one size alone", "trained[step % len(trained)]", "trained[0]"),
        ("held-out sequences of training", "1_000_000 + n", "0"),
        (
            "another seed than asked for",
            "torch.Generator().manual_seed(seed), QUESTIONS",
            "torch.Generator().manual_seed(0), QUESTIONS",
        ),
    ],
    "tasks/time_invariant.py": [
        ("state of a step later", "fade[1:] * self.c", "fade[:n] * self.c"),
        ("state that does not fade", "after = after + fade[n] * h", "after = after + h"),
        ("inputs in reverse", "u.flip(2), written", "u, written"),
        ("no step size in what is written", "return self.log_delta.exp()[:, None] * self.b", "return self.b"),
        ("one step size for all rates", "* self.log_a.exp()  # (d, d_state)", "+ 0 * self.log_a"),
        ("no skip", " + self.d_skip[:, None] * u", ""),
        ("convolution around the end", "size = 2 * n ", "size = n "),
        ("gate without its nonlinearity", "y.mT * F.silu(gate)", "y.mT * gate"),
        ("no nonlinearity after the convolution", "u = F.silu(self.conv(seen))", "u = self.conv(seen)"),
        (
            "inputs of the convolution forgotten",
            "seen = torch.cat((past, u.mT), dim=2)",
            "seen = torch.cat((0 * past, u.mT), dim=2)",
        ),
        (
            "first inputs kept for the next call",
            "(seen[..., n:], after)",
            "(seen[..., : self.conv.kernel_size[0] - 1], after)",
        ),
    ],
    "tasks/recall_model.py": [
        ("distances of the far end", ".clamp(0, self.bias.shape[1] - 1)", ".clamp(0).remainder(self.bias.shape[1])"),
        ("distances from the first query", "position[n_k - n_q :, None]", "position[:n_q, None]"),
        ("keys minus queries", "(position[n_k - n_q :, None] - position)", "(position - position[n_k - n_q :, None])"),
        ("no scale", "(query / math.sqrt(query.shape[-1]))", "query"),
        ("nothing masked", "masked_softmax(scores, mask)", "masked_softmax(scores, None)"),
        ("relative positions for neither", 'relative if model == "relative" else learned', "learned"),
        ("Mamba for both", 'mamba.layers if model == "time_invariant" else ()', "()"),
    ],
    "tasks/recall.py": [
        (
            "all positions learned",
            "batch.targets.to(device), ignore_index=NOT_ASKED",
            "batch.targets.to(device).clamp(0)",
        ),
        (
            "scores over positions",
            "logits.mT",
            "logits.unflatten(1, (-1, logits.shape[1])).flatten(1, 2).mT.roll(1, 2)",
        ),
        ("positions that are not asked for counted", "(answers == batch.targets)[asked]", "(answers == batch.targets)"),
        ("always Mamba", "RecallModel(model, vocab", "RecallModel(vocab"),
        ("always the same state", ", d_state=d_state).to(device)", ").to(device)"),
        ("accuracy of the first size", "list(found.values())[-1]", "next(iter(found.values()))"),
        ("one question for all", "recall_data.held_out(question, n)", 'recall_data.held_out("pairs", n)'),
    ],
}
