"""Deliberate mistakes in deciding on a token: what, the right text, the wrong one."""

TESTS = ("transformer/test_sampling.py",)
MISTAKES = {
    "transformer/sampling.py": [
        ("temperature multiplies", "logits / temperature", "logits * temperature"),
        ("temperature of zero", "0, above=True, temperature=temperature", "0, temperature=temperature"),
        ("top-k of the lowest", "logits < kth", "logits > kth"),
        ("top-k without the k-th", "logits < kth", "logits <= kth"),
        ("top-k of more than there are", "min(k, logits.shape[-1])", "k"),
        ("top-k compares with the first", "values[..., -1:]", "values[..., :1]"),
        ("top-k of none", 'check_at_least("keep_top_k", 1, k=k)', 'check_at_least("keep_top_k", 0, k=k)'),
        ("nucleus counts the token itself", ".cumsum(dim=-1)[..., :-1]", ".cumsum(dim=-1)[..., 1:]"),
        ("nucleus of the unlikeliest", "descending=True, stable=True", "descending=False, stable=True"),
        ("nucleus in the order of the sort", ".scatter(-1, order, enough)", " | enough"),
        ("nucleus one token more", "before >= p", "before > p"),
        ("nucleus of one cut by rounding", " & (p < 1)", ""),
        ("nucleus without the likeliest", "(1, 0), value=False", "(1, 0), value=True"),
        (
            "nucleus summed in few digits",
            "probabilities, order = at_least_float32(logits).softmax",
            "probabilities, order = logits.softmax",
        ),
        ("min-p of one", "p * probabilities", "probabilities"),
        ("min-p without those at the bound", "probabilities < p *", "probabilities <= p *"),
        ("min-p by the sum", "probabilities.amax(dim=-1, keepdim=True)", "probabilities.sum(dim=-1, keepdim=True)"),
        ("min-p of all samples", "probabilities.amax(dim=-1, keepdim=True)", "probabilities.amax()"),
        ("min-p above one", 'check_number("keep_min_p", 0, 1, p=p)', 'check_number("keep_min_p", 0, p=p)'),
        ("penalty as the paper has it", "logits * penalty)", "logits / penalty)"),
        ("penalty raises", "logits > 0, logits / penalty", "logits > 0, logits * penalty"),
        (
            "penalty on what was not written",
            "torch.where(written, lowered, logits)",
            "torch.where(written, logits, lowered)",
        ),
        ("tokens not checked", '    check_tokens("penalize_repetition", "tokens", tokens, logits.shape[-1])\n', ""),
        (
            "batches not compared",
            '    check_same_size("penalize_repetition", "batch", logits=(logits, 0), tokens=(tokens, 0))\n',
            "",
        ),
        (
            "the likeliest is drawn",
            "torch.multinomial(probabilities, 1, generator=generator)",
            "logits.topk(1).indices",
        ),
        ("all are as likely", "torch.multinomial(probabilities,", "torch.multinomial(torch.ones_like(probabilities),"),
        ("the generator is ignored", "1, generator=generator", "1"),
        ("logits of any shape", 'check_axes(who, "logits", logits, "(batch, vocab_size)", exactly=2)', "pass"),
        ("logits of any kind", "    check_floating(who, logits=logits)\n", ""),
        ("generator not checked", '    check_generator("sample_token", generator, logits)\n', ""),
        ("NaN not refused", "if has_values(probabilities) and probabilities.isnan().any():", "if False:"),
    ],
}
