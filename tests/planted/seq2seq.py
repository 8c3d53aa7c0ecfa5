"""Deliberate mistakes in the coders and all that hangs on them: what, the right text, the wrong one."""

TESTS = ("sequence/test_seq2seq.py",)
MISTAKES = {
    "sequence/encoder_decoder.py": [
        (
            "query taken after the step",
            "query = _hidden(state)[0][:, None]",
            "query = _hidden(self.rnn(torch.cat((x, _hidden(state)[0]), -1)[:, None], state)[1])[0][:, None]",
        ),
        (
            "context left out of the output",
            "torch.cat((hidden, context), dim=-1)",
            "torch.cat((hidden, 0 * context), dim=-1)",
        ),
        (
            "context left out of the step",
            "torch.cat((x[:, None], context), dim=-1)",
            "torch.cat((x[:, None], 0 * context), dim=-1)",
        ),
        ("source mask not passed to attention", "None if mask is None else mask[:, None])", "None)"),
        (
            "decoder started with the directions exchanged",
            "torch.cat((forward, backward)",
            "torch.cat((backward, forward)",
        ),
    ],
    "sequence/seq2seq.py": [
        ("source mask not passed to the encoder", "self.encoder(source, mask)", "self.encoder(source)"),
        ("decoder's state not carried on", "scores, state, weights =", "scores, _, weights ="),
    ],
    "sequence/lstm.py": [
        ("cell started like the hidden state", "return h, torch.zeros_like(h)", "return h, h"),
    ],
}
