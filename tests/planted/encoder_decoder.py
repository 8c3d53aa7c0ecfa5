"""Deliberate mistakes in sequence/encoder_decoder.py: what, the right text, the wrong one."""

TESTS = ("sequence/test_encoder_decoder.py",)
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
        ("source mask not passed to attention", "None if source_token_mask is None else", "None if True else"),
        (
            "source mask not passed to the net",
            "self.rnn(self.embedding(tokens), None, token_mask)",
            "self.rnn(self.embedding(tokens))",
        ),
        (
            "decoder started with the directions exchanged",
            "torch.cat((forward, backward)",
            "torch.cat((backward, forward)",
        ),
        ("start without tanh", "torch.tanh(self.bridge(last))", "self.bridge(last)"),
        ("one head for all", "weights[..., 0, :]", "weights.reshape(len(token), -1, weights.shape[-1])[:, 0]"),
        (
            "the state's kind not checked",
            "parts = check_state(who, state, (",
            'parts = check_state(who, _hidden(state), ("state",) or (',
        ),
        (
            "what attention returned not checked",
            'check_attended("RecurrentDecoder", attended, query, memory, memory)',
            "attended",
        ),
    ],
    "sequence/lstm.py": [
        ("cell started like the hidden state", "return h, torch.zeros_like(h)", "return h, h"),
    ],
    "_checks.py": [
        (
            "weights without a batch taken",
            "(weights.shape[: len(leading)], weights.shape[-2:]) != (leading, table)",
            "weights.shape[-2:] != table",
        ),
    ],
}
