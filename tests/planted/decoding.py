"""Deliberate mistakes in generation: what, the right text, the wrong one."""

TESTS = ("transformer/test_decoding.py",)
BESIDE = "        self._beside = tuple(_rows(tensor, rows) for tensor in self._beside)\n"
MISTAKES = {
    "transformer/decoding.py": [
        ("longer prompts overwritten", "if t < n:", "if False:"),
        ("prompts of all are the longest", "first = int(lengths.min()) if batch else n", "first = n"),
        ("the prompt is not read at once", "prompt[:, :first])", "prompt[:, first - 1 : first])"),
        ("the prompt ends the text", "((token == end) & (t >= lengths))", "(token == end)"),
        ("the text goes on after its end", "ended = ended | ((token == end)", "ended = ((token == end)"),
        ("the end token is not of the text", "token_mask[:, t] = ~ended", "token_mask[:, t] = ~ended & (token != end)"),
        ("ends with the first text", "(t >= last)).all()", "(t >= last)).any()"),
        ("one token more", "last, filler = lengths + max_new_tokens", "last, filler = lengths + max_new_tokens + 1"),
        ("as long as the longest", "ended = ended | (t >= last)\n", "pass\n"),
        (
            "after the end comes zero",
            "lengths + max_new_tokens, 0 if end is None else end",
            "lengths + max_new_tokens, 0",
        ),
        ("all is read anew", "tokens[:, t - 1 : t]", "tokens[:, :t]"),
        ("the token before is read", "tokens[:, t - 1 : t]", "tokens[:, t - 2 : t - 1]"),
        ("the lowest score", "logits.argmax(-1)", "logits.argmin(-1)"),
        ("always greedy", "if generator is None else sampling", "if True else sampling"),
        ("no penalty", "if repetition_penalty != 1:", "if False:"),
        ("padding penalized", "choose(logits, tokens[:, :t])", "choose(logits, tokens)"),
        ("the prompt is not penalized", "choose(logits, tokens[:, :t])", "choose(logits, tokens[:, n - 1 : t])"),
        ("no temperature", "logits if temperature == 1 else", "logits if True else"),
        ("no top-k", "logits if top_k is None else", "logits if True else"),
        ("no nucleus", "logits if top_p is None else", "logits if True else"),
        ("no min-p", "logits if min_p is None else", "logits if True else"),
        (
            "the nucleus before the temperature",
            "if repetition_penalty != 1:",
            "logits = logits if top_p is None else sampling.keep_nucleus(logits, top_p)\n"
            "        if repetition_penalty != 1:",
        ),
        ("start not checked", '    check_start("generate", start)\n', ""),
        ("a batch of nothing", " if batch else n", ""),
        ("end not checked", '        check_token("generate", "end", end, logits.shape[-1])\n', "        pass\n"),
        ("prompt not checked", '    check_token_axes("generate", "prompt", prompt)\n', ""),
        ("number of tokens not checked", '    check_at_least("generate", 1, max_new_tokens=max_new_tokens)\n', ""),
        ("mask not checked", '    check_token_mask("generate", "prompt_token_mask", prompt_token_mask, prompt)\n', ""),
        ("padding on the left", "(prompt_token_mask != wanted).any(1) | ", ""),
        ("an empty prompt", " | (lengths == 0)", ""),
        (
            "penalty not checked",
            "repetition_penalty=repetition_penalty, temperature=temperature",
            "temperature=temperature",
        ),
        (
            "temperature not checked",
            "repetition_penalty=repetition_penalty, temperature=temperature",
            "repetition_penalty=repetition_penalty",
        ),
        ("top-k not checked", "if top_k is not None:", "if False:"),
        ("top-p not checked", "if top_p is not None:", "if False:"),
        ("min-p not checked", "if min_p is not None:", "if False:"),
        ("generator not checked", '        check_generator("generate", generator, prompt)\n', ""),
        ("options without a generator", "    if given:\n", "    if False:\n"),
    ],
    "transformer/_next.py": [
        ("a model not started", "if not isinstance(start, NextToken) or isinstance(start, type):", "if False:"),
        ("a class", " or isinstance(start, type)", ""),
        ("logits of any kind", "if not isinstance(logits, Tensor) or not logits.is_floating_point():", "if False:"),
        ("logits of each position", "if logits.ndim != 2 or ", "if "),
        ("logits of another batch", " or logits.shape[0] != tokens.shape[0]", ""),
        ("NaN taken for a score", "if has_values(logits) and bool(logits.isnan().any()):", "if False:"),
    ],
    "sequence/_reading.py": [
        ("the past forgotten", "torch.cat((self._tokens, tokens), dim=1)", "tokens"),
        ("the past not kept", "            self._tokens = tokens\n", ""),
        ("caches of other samples", "cache.select(rows)", "pass"),
        ("past of other samples", "self._tokens = _rows(self._tokens, rows)", "pass"),
        (
            "source of other samples",
            "self._tokens = _rows(self._tokens, rows)\n" + BESIDE,
            "self._tokens = _rows(self._tokens, rows)\n",
        ),
        ("the state is not kept", "logits, self._state = self._step", "logits, _ = self._step"),
        ("state of other samples", "else state[:, rows]", "else state"),
        (
            "attended to of other samples",
            "reportAttributeAccessIssue]\n" + BESIDE,
            "reportAttributeAccessIssue]\n",
        ),
    ],
    "sequence/seq2seq.py": [
        (
            "source not masked",
            "RecurrentReading(step, self.decoder.start(last), memory, source_token_mask)",
            "RecurrentReading(step, self.decoder.start(last), memory, None)",
        ),
        (
            "encoder not masked",
            "source)\n        memory, last = self.encoder(source, source_token_mask)\n\n        def step",
            "source)\n        memory, last = self.encoder(source)\n\n        def step",
        ),
    ],
    "sequence/markov.py": [
        ("probabilities for logits", "self.predict(tokens)[:, 0].log()", "self.predict(tokens)[:, 0]"),
        ("a step too far", "self.predict(tokens)[:, 0].log()", "self.predict(tokens, 2)[:, 1].log()"),
    ],
    "transformer/transformer.py": [
        (
            "writes without the source's mask",
            "caches if cache else None, memory, memory_mask)",
            "caches if cache else None, memory, None)",
        ),
        ("the first position again", "x = self.target_embed(tokens, offset=past)", "x = self.target_embed(tokens)"),
        (
            "always cached",
            "Reading(self._next, caches if cache else None, memory",
            "Reading(self._next, caches, memory",
        ),
        (
            "sees the future of a prompt",
            "if n > 1 else None\n        x = self.target_embed",
            "if False else None\n        x = self.target_embed",
        ),
    ],
    "transformer/decoder_only.py": [
        ("the first position again", "self.embed(tokens, offset=past)", "self.embed(tokens)"),
        ("sees the future of a prompt", "if n > 1 else None", "if False else None"),
    ],
}
