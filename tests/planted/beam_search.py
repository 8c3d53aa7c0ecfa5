"""Deliberate mistakes in beam search: what, the right text, the wrong one."""

TESTS = ("transformer/test_beam_search.py",)
MISTAKES = {
    "transformer/beam_search.py": [
        ("an ended beam goes on", "longer = longer.masked_fill(ended[..., None], -torch.inf)", "pass"),
    ],
}
