"""Deliberate mistakes in sequence/rnn.py: what, the right text, the wrong one."""

TESTS = ("sequence/test_rnn.py", "sequence/test_recurrent.py")
MISTAKES = {
    "sequence/rnn.py": [
        ("one bias left out, RNN", "h @ w_h.mT + b_h", "h @ w_h.mT"),
        ("tanh dropped, RNN", "torch.tanh(from_x + h @ w_h.mT + b_h)", "from_x + h @ w_h.mT + b_h"),
    ],
}
