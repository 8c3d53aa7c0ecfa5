"""Deliberate mistakes in sequence/seq2seq.py: what, the right text, the wrong one."""

TESTS = ("sequence/test_seq2seq.py", "attention/test_scaled_dot_product.py")
MISTAKES = {
    "sequence/seq2seq.py": [
        ("source mask not passed to the encoder", "self.encoder(source, source_token_mask)", "self.encoder(source)"),
        ("source mask not passed to the decoder", "memory, source_token_mask)", "memory)"),
        ("decoder's state not carried on", "scores, state, weights =", "scores, _, weights ="),
        ("the worst token written", "scores.argmax(-1)", "scores.argmin(-1)"),
        (
            "the begin token fed at every step",
            "token = scores.argmax(-1)\n            written.append(token)",
            "written.append(scores.argmax(-1))",
        ),
        ("weights stacked along the wrong axis", "torch.stack(formed, -2)", "torch.stack(formed, 1)"),
        ("steps without weights dropped", "if len(formed) == len(steps) else None", "if formed else None"),
        ("generation keeps its graph", "    @torch.no_grad()\n", ""),
    ],
    "fast/_derivatives.py": [
        ("one tensor as key and value counted twice", "[tensor.view_as(tensor) for tensor in inputs]", "list(inputs)"),
    ],
}
