"""Deliberate mistakes in what the recurrent nets and their fast versions share: what, the right text, the wrong one."""

TESTS = ("sequence/test_recurrent.py",)
MISTAKES = {
    "sequence/_recurrent.py": [
        ("the other bias left out", "(x @ w_x.mT + b_x).unbind", "(x @ w_x.mT).unbind"),
        (
            "state not carried over",
            "state = self.step(from_x[t], state,",
            "_ = state; new = self.step(from_x[t], state,",
        ),
        ("given state not taken", "tuple(part[len(last)] for", "tuple(0 * part[len(last)] for"),
        ("state taken from the wrong layer", "part[len(last)] for part", "part[0] for part"),
        ("reverse direction not reversed", "reversed(range(len(from_x))) if direction else range", "range"),
        ("hidden states of the reverse direction not turned", "hidden[::-1] if direction else hidden", "hidden"),
        ("padding moves the state", "torch.where(real, new, old)", "new"),
        ("padding computes with the state", "tuple(torch.where(real, part, 0.0) for part in state)", "state"),
        (
            "padding has a hidden state",
            "_zero_at_padding(torch.cat(outputs, dim=-1), token_mask)",
            "torch.cat(outputs, -1)",
        ),
        ("padding is read", "x = _zero_at_padding(x, token_mask)", "x = x"),
        ("weights drawn twice as wide", "nn.init.uniform_(weight, -bound, bound)", "nn.init.uniform_(weight, -1, 1)"),
    ],
    "sequence/_checks.py": [
        ("a list taken for a state", "isinstance(given, tuple) and", "isinstance(given, tuple | list) and"),
        ("a state of another size taken", "if state.shape != sizes:", "if len(state) != sizes[0]:"),
        ("the dtype of a state not compared", "check_floating(who, **beside, **{name: state})", "pass"),
        ("an attention mask not told apart", "if token_mask.ndim == 3 and", "if token_mask.ndim == 4 and"),
    ],
    "fast/_recurrent_kernels.py": [
        (
            "fast: padding not passed over",
            "mask[rows].nonzero(as_tuple=True)",
            "(mask[rows] | True).nonzero(as_tuple=True)",
        ),
        ("fast: shortest first", "sort(descending=True)", "sort()"),
        (
            "fast: hidden states not laid back",
            "hidden.index_put((row, position)",
            "hidden.index_put((row, position.flip(0))",
        ),
        (
            "fast: states of other sequences",
            "[state[:, rows] for state in states]",
            "[state[:, : len(rows)] for state in states]",
        ),
        ("fast: sequences without an input read one", "rows[: lengths.count_nonzero()]", "rows"),
        ("fast: nothing to read, and no gradient", "hidden + sum(nothing)", "hidden"),
        ("fast: the second direction forgotten", "len(weights) // (8 if both else 4)", "len(weights) // 4"),
    ],
}
