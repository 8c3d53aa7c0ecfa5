"""Deliberate mistakes in the KV cache: what, the right text, the wrong one."""

TESTS = ("transformer/test_cache.py",)
FULL = "self.k[..., :length, :], self.v[..., :length, :]"
MISTAKES = {
    "transformer/cache.py": [
        ("positions overwritten", "self.length = n_k  #", "pass  #"),
        (
            "positions that were refused count",
            "        self.v[..., self.length : length, :] = v\n",
            "        self.v[..., self.length : length, :] = v\n        self.length = length\n",
        ),
        ("past lost when the buffer grows", "if old is not None:", "if False:"),
        ("what was never written is attended to", FULL, "self.k, self.v"),
        ("the new positions alone", FULL, FULL.replace("[..., :length", "[..., -k.shape[-2] :")),
        ("values for keys", FULL, "self.v[..., :length, :], self.k[..., :length, :]"),
        ("values not kept", "        self.v[..., self.length : length, :] = v\n", ""),
        ("keys not kept", "        self.k[..., self.length : length, :] = k\n", ""),
        ("buffers never grow", "while self.k is None or length > self.capacity:", "while self.k is None:"),
        ("buffers grow by one", "2 * self.capacity", "self.capacity + 1"),
        (
            "buffers are new at every call",
            "while self.k is None or length > self.capacity:",
            "self.k, self.v = self._moved(self.k, k), self._moved(self.v, v)\n        while length > self.capacity:",
        ),
        ("a buffer that is just full grows", "if length <= self.capacity else", "if length < self.capacity else"),
        ("keys not selected", "self.k = None if self.k is None else self.k[rows]", "pass"),
        ("values not selected", "self.v = None if self.v is None else self.v[rows]", "pass"),
        (
            "memory projected at every call",
            "if self.projected is None:\n            self",
            "if True:\n            self",
        ),
        ("memory not selected", "self.projected = k[rows], v[rows]", "pass"),
        ("memory's values not selected", "k[rows], v[rows]", "k[rows], v"),
        ("past of a pair not selected", "        self.past.select(rows)\n", ""),
        ("memory of a pair not selected", "        self.memory.select(rows)\n", ""),
        ("mask not passed on", "attend_projected(query, k, v, mask)", "attend_projected(query, k, v)"),
        ("memory's mask not passed on", "*self.projected, mask)", "*self.projected)"),
        ("gradients lost without a word", "if torch.is_grad_enabled() and", "if False and"),
        ("gradients refused where there are none", "and (k.requires_grad or v.requires_grad)", "and True"),
        ("batch not checked", "self.k.shape[:-2] != k.shape[:-2]", "False"),
        ("capacity not checked", '        check_at_least("KeyValueCache", 1, capacity=capacity)\n', ""),
        ("inputs not checked", '        _check("KeyValueCache", attention, query, key)\n', ""),
        ("memory not checked", '        _check("MemoryCache", attention, query, key)\n', ""),
        (
            "mask not checked",
            '        check_mask("KeyValueCache", mask, (*query.shape[:-1], n_k), "(..., n, n_k)", query=query)\n',
            "",
        ),
        (
            "memory's mask not checked",
            '        check_mask("MemoryCache", mask, (*query.shape[:-1], n_k), "(..., n, n_k)", query=query)\n',
            "",
        ),
        ("past not counted for the mask", "n_k = self.length + key.shape[-2]", "n_k = key.shape[-2]"),
        ("key not checked", 'for name, x in (("query", query), ("key", key)):', 'for name, x in (("query", query),):'),
    ],
}
