"""Deliberate mistakes in interop/resnet.py: what, the right text, the wrong one."""

INTEROP = True
TESTS = ("interop/test_resnet.py",)
MISTAKES = {
    "interop/resnet.py": [
        ("the pooled vector", ").last_hidden_state", ").pooler_output"),
        ("grid left out", "grid if self.grid is None else", "grid if True else"),
        ("height and width change places", "(grid, self.grid)", "(grid, self.grid[::-1])"),
        ("largest in place of mean", "adaptive_avg_pool2d", "adaptive_max_pool2d"),
        ("channels of the first stage", "hidden_sizes[-1]", "hidden_sizes[0]"),
    ],
}
