"""Deliberate mistakes in sequence/lstm.py: what, the right text, the wrong one."""

TESTS = ("sequence/test_lstm.py", "sequence/test_recurrent.py")
MISTAKES = {
    "sequence/lstm.py": [
        ("input and forget gates swapped", "i, f, g, o = ", "f, i, g, o = "),
        ("candidate and output gate swapped", "i, f, g, o = ", "i, f, o, g = "),
        ("one bias left out, LSTM", "h @ w_h.mT + b_h)", "h @ w_h.mT)"),
        ("the cell shown without the output gate", "torch.sigmoid(o) * torch.tanh(c), c", "torch.tanh(c), c"),
        ("tanh of the cell dropped", "* torch.tanh(c), c", "* c, c"),
        ("cell not carried over", "torch.sigmoid(f) * c + torch", "torch"),
    ],
}
