"""Deliberate mistakes in the Markov model: what, the right text, the wrong one."""

TESTS = ("sequence/test_markov.py",)
MISTAKES = {
    "sequence/markov.py": [
        ("smoothing left out of the rows", "masked_fill_(~seen[:, None], 0).add_(self.smoothing)", "clone()"),
        (
            "smoothing left out of the likelihood",
            "self.counts[row, following].mul_(seen).add_(self.smoothing)",
            "self.counts[row, following].mul_(seen)",
        ),
        ("smoothing once in a whole row", "add_(self.smoothing * self.vocab_size)", "add_(self.smoothing)"),
        ("an unseen window takes the row of another", "masked_fill_(~seen[:, None], 0)", "clone()"),
        ("rows not divided by their sum", "rows.div_(rows.sum(-1, keepdim=True))", "rows"),
        ("the oldest and the next token swapped", '"ort,rtv->orv"', '"tro,rtv->orv"'),
        ("each step from the table's first", "result[:, k] = later[last]", "result[:, k] = ahead"),
        (
            "the whole table once more for each sequence",
            "later[last]\n",
            "later.expand(len(last), *later.shape).clone()[range(len(last)), last]\n",
        ),
        (
            "counts added to those before",
            "self.counts.index_put_((row, following.flatten())",
            "self.counts.add_(1).index_put_((row, following.flatten())",
        ),
        ("each pair counted once", "accumulate=True", "accumulate=False"),
        ("counts in float32", "else torch.float64", "else torch.float32"),
        ("an infinite smoothing let in", 'check_number("MarkovModel", 0, smoothing=smoothing)', "pass"),
        ("tokens of another device let in", "if tokens.device != self.counts.device:", "if False:"),
    ],
    "sequence/_checks.py": [("True taken for a number", "isinstance(number, bool) or ", "")],
    "sequence/_window.py": [
        (
            "nearest token taken for the oldest",
            "tokens[:, k : k + count]",
            "tokens[:, window - 1 - k : window - 1 - k + count]",
        ),
        ("the drawn token does not become the past", "rest * vocab_size + token", "rest * vocab_size"),
        ("numbers of long windows overflow", "number % vocab_size ** max(window - 1, 0)", "number"),
    ],
}
