"""Deliberate mistakes in sequence/rnn.py: what, the right text, the wrong one."""

TESTS = ("sequence/test_rnn.py", "sequence/test_recurrent.py")
MISTAKES = {
    "sequence/rnn.py": [
        ("one bias left out, RNN", "h @ w_h.mT + b_h", "h @ w_h.mT"),
        ("tanh dropped, RNN", "torch.tanh(from_x + h @ w_h.mT + b_h)", "from_x + h @ w_h.mT + b_h"),
        ("given state not taken, RNN", "if state is None else (state,)", "if True else (state,)"),
        ("token mask not passed on, RNN", "(state,), token_mask)", "(state,), None)"),
    ],
    "fast/rnn.py": [
        ("fast: another squashing function", '"rnn_tanh"', '"rnn_relu"'),
    ],
}
