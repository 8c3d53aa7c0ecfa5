"""Deliberate mistakes in _checks.py: what, the right text, the wrong one."""

TESTS = ("attention/test_attend.py", "sequence/test_gru.py")
MISTAKES = {
    "_checks.py": [
        ("wrong value in a refusal", "with {letter}={tensor.shape[axis]}", "with {letter}={size}"),
        ("refusals name the wrong rule", "must agree in {letter}", "must agree"),
        ("float mask read as numbers", "if mask.dtype != torch.bool:", "if False:"),
    ],
}
