"""Plants one deliberate mistake at a time in a copy of the package and shows which test catches it.

`python tests/mistakes.py` prints the table and exits 1 if a mistake survives; the tree itself is never touched.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
MASKS, ADDITIVE, SCALED = (f"attention/{stem}.py" for stem in ("masks", "additive", "scaled_dot_product"))
RNN, LSTM, GRU, SEQ2SEQ = (f"sequence/{stem}.py" for stem in ("rnn", "lstm", "gru", "seq2seq"))
FAST, SEQ2SEQ_TEST = "fast/_recurrent.py", "sequence/test_seq2seq.py"
WALK, CODERS = "sequence/_recurrent.py", "sequence/_coders.py"


class Mistake(NamedTuple):
    """Text of a file that is replaced, everywhere it stands, and the tests that have to notice."""

    what: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...] = ()


MISTAKES = [
    Mistake("mask polarity flipped", MASKS, "masked_fill(~mask", "masked_fill(mask", ("attention/test_masks.py",)),
    Mistake("softmax over the wrong axis", MASKS, "softmax(dim=-1)", "softmax(dim=-2)"),
    Mistake(
        "softmax over the wrong axis, no mask", MASKS, "return scores.softmax(dim=-1)", "return scores.softmax(dim=-2)"
    ),
    Mistake("`<` for `<=` in the causal mask", MASKS, "j <= i + offset", "j < i + offset"),
    Mistake("offset of the causal mask dropped", MASKS, "j <= i + offset", "j <= i"),
    Mistake("padding mask off by one", MASKS, "< lengths[..., None, None]", "<= lengths[..., None, None]"),
    Mistake("-inf in place of the lowest finite number", MASKS, "torch.finfo(scores.dtype).min", 'float("-inf")'),
    Mistake(
        "-inf, and the second fill dropped: NaN",
        MASKS,
        "scores.masked_fill(~mask, lowest).softmax(dim=-1).masked_fill(~mask, 0.0)",
        'scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)',
    ),
    Mistake("second fill dropped", MASKS, ".softmax(dim=-1).masked_fill(~mask, 0.0)", ".softmax(dim=-1)"),
    Mistake("missing sqrt(d_k)", SCALED, " / math.sqrt(query.shape[-1])", ""),
    Mistake("sqrt(d_v) for sqrt(d_k)", SCALED, "math.sqrt(query.shape[-1])", "math.sqrt(value.shape[-1])"),
    Mistake("d_k for sqrt(d_k)", SCALED, "math.sqrt(query.shape[-1])", "query.shape[-1]"),
    Mistake("keys taken for values", SCALED, "weights @ value, weights", "weights @ key, weights"),
    Mistake("mask not passed on", SCALED, "masked_softmax(scores, mask)", "masked_softmax(scores)"),
    Mistake(
        "tanh dropped from the alignment score",
        ADDITIVE,
        "torch.tanh(query_part + key_part)",
        "(query_part + key_part)",
    ),
    Mistake("keys taken for values, additive", ADDITIVE, "weights @ value, weights", "weights @ key, weights"),
    Mistake("query and key maps exchanged", ADDITIVE, "w_q=self.query_proj.weight", "w_q=self.key_proj.weight"),
    Mistake("mask not passed on, additive", ADDITIVE, "masked_softmax(scores, mask)", "masked_softmax(scores)"),
    Mistake("reset and update gates swapped", GRU, "x_r, x_z, x_n = from_x", "x_z, x_r, x_n = from_x"),
    Mistake("(1 - z) and z swapped", GRU, "(1 - z) * n + z * h", "z * n + (1 - z) * h"),
    Mistake("reset before and after swapped", GRU, 'reset == "before"', 'reset == "after"'),
    Mistake("one bias left out, GRU", GRU, "(h @ w_h.mT + b_h).chunk", "(h @ w_h.mT).chunk"),
    Mistake("input and forget gates swapped", LSTM, "i, f, g, o = ", "f, i, g, o = "),
    Mistake("candidate and output gate swapped", LSTM, "i, f, g, o = ", "i, f, o, g = "),
    Mistake("one bias left out, LSTM", LSTM, "h @ w_h.mT + b_h)", "h @ w_h.mT)"),
    Mistake("the cell shown without the output gate", LSTM, "torch.sigmoid(o) * torch.tanh(c), c", "torch.tanh(c), c"),
    Mistake("tanh of the cell dropped", LSTM, "* torch.tanh(c), c", "* c, c"),
    Mistake("cell not carried over", LSTM, "torch.sigmoid(f) * c + torch", "torch"),
    Mistake("one bias left out, RNN", RNN, "h @ w_h.mT + b_h", "h @ w_h.mT"),
    Mistake("tanh dropped, RNN", RNN, "torch.tanh(from_x + h @ w_h.mT + b_h)", "from_x + h @ w_h.mT + b_h"),
    Mistake("the other bias left out", WALK, "(x @ w_x.mT + b_x).unbind", "(x @ w_x.mT).unbind"),
    Mistake("state not carried over", WALK, "state, steps[t] = new, new[0]", "steps[t] = new[0]"),
    Mistake("given state not taken", WALK, "tuple(s[len(last)] for s in", "tuple(0 * s[len(last)] for s in"),
    Mistake("state taken from the wrong layer", WALK, "s[len(last)] for s", "s[0] for s"),
    Mistake("reverse direction not reversed", WALK, "reversed(range(x.shape[1])) if direction else range", "range"),
    Mistake("wrong direction reversed", WALK, "if direction else range", "if not direction else range"),
    Mistake("padding leaks into the last state", WALK, "torch.where(real, after, before)", "after"),
    Mistake("padding has a hidden state", WALK, "torch.where(real, new[0], 0.0)", "new[0]"),
    Mistake("gradient from padding", WALK, "x.masked_fill(~mask[..., None], 0.0)", "x"),
    Mistake(
        "query taken after the step",
        CODERS,
        "query = _hidden(state)[0][:, None]",
        "query = _hidden(self.rnn(torch.cat((x, _hidden(state)[0]), -1)[:, None], state)[1])[0][:, None]",
    ),
    Mistake(
        "context left out of the output",
        CODERS,
        "torch.cat((hidden, context), dim=-1)",
        "torch.cat((hidden, 0 * context), dim=-1)",
    ),
    Mistake(
        "context left out of the step",
        CODERS,
        "torch.cat((x[:, None], context), dim=-1)",
        "torch.cat((x[:, None], 0 * context), dim=-1)",
    ),
    Mistake("source mask not passed to attention", CODERS, "None if mask is None else mask[:, None])", "None)"),
    Mistake("source mask not passed to the encoder", SEQ2SEQ, "self.encoder(source, mask)", "self.encoder(source)"),
    Mistake(
        "decoder started with the directions exchanged",
        CODERS,
        "torch.cat((forward, backward)",
        "torch.cat((backward, forward)",
    ),
    Mistake(
        "wrong value in a refusal",
        "_checks.py",
        "with {letter}={tensor.shape[axis]}",
        "with {letter}={size}",
        ("sequence/test_gru.py",),
    ),
    Mistake("refusals name the wrong rule", "_checks.py", "must agree in {letter}", "must agree", ("attention",)),
    Mistake("float mask read as numbers", "_checks.py", "if mask.dtype != torch.bool:", "if False:", ("attention",)),
    Mistake("fast: missing sqrt(d_k)", "fast/scaled_dot_product.py", "1 / math.sqrt(d_k)", "1.0"),
    Mistake("fast: scale of the padded width", "fast/scaled_dot_product.py", "scale=1 / math.sqrt(d_k)", "scale=None"),
    Mistake("decoder's state not carried on", SEQ2SEQ, "scores, state, weights =", "scores, _, weights ="),
    Mistake(
        "cell started like the hidden state", LSTM, "return h, torch.zeros_like(h)", "return h, h", (SEQ2SEQ_TEST,)
    ),
    Mistake(
        "fast: padding leaks into the last state",
        FAST,
        "at_least_one, batch_first",
        "at_least_one * 0 + x.shape[1], batch_first",
    ),
    Mistake("fast: padding not passed over", FAST, "stable=True", "stable=True, descending=True"),
    Mistake("fast: hidden states not laid back", FAST, "order.argsort(dim=1)", "order"),
    Mistake(
        "fast: an empty sequence moves the state", FAST, "torch.where(some, after,", "torch.where(some | True, after,"
    ),
    Mistake("fast: padding has a hidden state", FAST, ".masked_fill(~mask[..., None], 0.0)\n    some", "\n    some"),
    Mistake("fast: tanh dropped", "fast/additive.py", ".tanh_()", ""),
]


def guards(mistake: Mistake) -> tuple[str, ...]:
    """The tests of the stem; what every attention shares comes with it."""
    if mistake.tests:
        return mistake.tests
    room, stem = Path(mistake.file).parent.name, Path(mistake.file).stem
    if mistake.file in (WALK, FAST):
        return ("sequence/test_recurrent.py",)
    if mistake.file in (RNN, LSTM, GRU):
        return (f"sequence/test_{stem}.py", "sequence/test_recurrent.py")
    if mistake.file == CODERS:
        return (SEQ2SEQ_TEST,)
    if room == "fast" or mistake.file in (ADDITIVE, SCALED):
        return (f"attention/test_{stem}.py", "attention/test_attend.py")
    return (f"{room}/test_{stem}.py",)


def run(copy: Path, tests: tuple[str, ...]) -> str:
    """The first test that fails, or nothing."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not interop", "--tb=no"]
    command += ["-k", "not compiles", *(f"tests/{test}" for test in tests)]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return ""
    failed = [line for line in result.stdout.splitlines() if line.startswith("FAILED")]
    if result.returncode != 1 or not failed:
        raise RuntimeError(f"pytest broke off with {result.returncode}:\n{result.stdout}{result.stderr}")
    return failed[0].removeprefix("FAILED tests/").split(" - ")[0]


def main() -> int:
    """Plant, run, print. First with nothing planted: a suite that fails anyway catches nothing."""
    start, survivors = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("attnref", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        if failed := run(copy, ("attention", "sequence")):
            print(f"With nothing planted, {failed} fails. Mend that first.")
            return 1
        width = max(len(mistake.what) for mistake in MISTAKES)
        print(f"{'mistake':{width}}  caught by")
        for mistake in MISTAKES:
            path = copy / "attnref" / mistake.file
            right = path.read_text(encoding="utf-8")
            if mistake.right not in right:
                raise LookupError(f"{mistake.what}: {mistake.file} no longer holds {mistake.right!r}")
            path.write_text(right.replace(mistake.right, mistake.wrong), encoding="utf-8")
            caught = run(copy, guards(mistake))
            path.write_text(right, encoding="utf-8")
            survivors += not caught
            print(f"{mistake.what:{width}}  {caught or 'NOTHING: it survives'}", flush=True)
    print(f"{len(MISTAKES) - survivors} of {len(MISTAKES)} caught in {time.monotonic() - start:.0f} s.")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
