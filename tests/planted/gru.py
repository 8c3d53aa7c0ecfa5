"""Deliberate mistakes in sequence/gru.py: what, the right text, the wrong one."""

TESTS = ("sequence/test_gru.py", "sequence/test_recurrent.py")
MISTAKES = {
    "sequence/gru.py": [
        ("reset and update gates swapped", "x_r, x_z, x_n = from_x", "x_z, x_r, x_n = from_x"),
        ("(1 - z) and z swapped", "(1 - z) * n + z * h", "z * n + (1 - z) * h"),
        ("reset before and after swapped", 'reset == "before"', 'reset == "after"'),
        ("one bias left out, GRU", "(h @ w_h.mT + b_h).chunk", "(h @ w_h.mT).chunk"),
    ],
}
