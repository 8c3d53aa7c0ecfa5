"""Deliberate mistakes in sequence/_recurrent.py, fast/_recurrent.py: what, the right text, the wrong one."""

TESTS = ("sequence/test_recurrent.py",)
MISTAKES = {
    "sequence/_recurrent.py": [
        ("the other bias left out", "(x @ w_x.mT + b_x).unbind", "(x @ w_x.mT).unbind"),
        ("state not carried over", "state, steps[t] = new, new[0]", "steps[t] = new[0]"),
        ("given state not taken", "tuple(s[len(last)] for s in", "tuple(0 * s[len(last)] for s in"),
        ("state taken from the wrong layer", "s[len(last)] for s", "s[0] for s"),
        ("reverse direction not reversed", "reversed(range(x.shape[1])) if direction else range", "range"),
        ("wrong direction reversed", "if direction else range", "if not direction else range"),
        ("padding leaks into the last state", "torch.where(real, after, before)", "after"),
        ("padding has a hidden state", "torch.where(real, new[0], 0.0)", "new[0]"),
        ("gradient from padding", "x.masked_fill(~mask[..., None], 0.0)", "x"),
    ],
    "fast/_recurrent.py": [
        (
            "fast: padding leaks into the last state",
            "at_least_one, batch_first",
            "at_least_one * 0 + x.shape[1], batch_first",
        ),
        ("fast: padding not passed over", "stable=True", "stable=True, descending=True"),
        ("fast: hidden states not laid back", "order.argsort(dim=1)", "order"),
        ("fast: an empty sequence moves the state", "torch.where(some, after,", "torch.where(some | True, after,"),
        ("fast: padding has a hidden state", ".masked_fill(~mask[..., None], 0.0)\n    some", "\n    some"),
    ],
}
