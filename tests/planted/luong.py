"""Deliberate mistakes in attention/luong.py and where its scores are used: what, the right text, the wrong one."""

TESTS = (
    "attention/test_luong.py",
    "attention/test_attend.py",
    "attention/test_ways_of_torch.py",
    "tasks/test_dates.py",
)
ONLY = "test_luong or dot_attention or general_attention or concat_attention or every_score or LuongAttention"
MISTAKES = {
    "attention/luong.py": [
        ("dot product scaled", "masked_softmax(query @ key.mT,", "masked_softmax(query @ key.mT / 2,"),
        ("mask not passed on, dot", "masked_softmax(query @ key.mT, mask)", "masked_softmax(query @ key.mT)"),
        ("general matrix the wrong way round", "query @ w_a @ key.mT", "query @ w_a.mT @ key.mT"),
        ("mask not passed on, general", "(query @ w_a @ key.mT, mask)", "(query @ w_a @ key.mT)"),
        ("key before the query in the pair", "torch.cat((queries, keys)", "torch.cat((keys, queries)"),
        ("tanh dropped from the score, concat", "torch.tanh(pairs @ w_a.mT)", "(pairs @ w_a.mT)"),
        ("relu for tanh, concat", "torch.tanh(pairs @ w_a.mT)", "torch.relu(pairs @ w_a.mT)"),
        ("mask not passed on, concat", "@ v_a, mask)", "@ v_a)"),
        ("keys taken for values, three scores", "weights @ value", "weights @ key"),
        ("mask lost by the module, dot", "dot_attention(query, key, value, mask)", "dot_attention(query, key, value)"),
        ("general projection from query to key", "nn.Linear(d_k, d_q, bias=False)", "nn.Linear(d_q, d_k, bias=False)"),
        ("general projection with a bias", "nn.Linear(d_k, d_q, bias=False)", "nn.Linear(d_k, d_q)"),
        ("size of the query counted twice", "query.shape[-1] + key.shape[-1], ", "query.shape[-1] + query.shape[-1], "),
        (
            "what is not finite left as it is, three scores",
            "= set_aside(query, key, value, mask)",
            "= query, key, value, None",
        ),
        ("concatenated under autocast", "with autocast_off(query):", "if True:"),
        ("weights not drawn anew", "projection.reset_parameters()", "pass"),
        ("concat asked for, dot given", 'if self.score == "dot":', 'if self.score in ("dot", "concat"):'),
    ],
    "tasks/dates.py": [
        ("the score never reaches the training", "attention=attention, score=score)", "attention=attention)"),
    ],
}
