"""Generation: with and without a cache, in a batch and alone, step by step as teacher forcing, and where it ends."""

import copy
import pickle
from functools import partial

import pytest
import torch

from attnref import LSTM, DecoderOnlyTransformer, LuongAttention, MarkovModel, Seq2Seq, Transformer, generate
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast_attention
from attnref.protocols import NextToken

SIZES = {"d_model": 8, "num_heads": 2, "d_ff": 16}
KINDS = {
    "sinusoidal": {},
    "learned": {"norm": "pre", "positions": "learned", "max_positions": 9, "tie": "output"},
    "none": {"positions": "none"},
}
MODES = {
    "greedy": {},
    "penalty": {"repetition_penalty": 2.0},
    "sampled": {"generator": 1},
    "temperature": {"temperature": 0.7, "generator": 1},
    "top-k": {"top_k": 3, "generator": 1},
    "top-p": {"top_p": 0.7, "generator": 1},
    "min-p": {"min_p": 0.3, "generator": 1},
    "all": {"repetition_penalty": 1.2, "temperature": 2.0, "top_k": 6, "top_p": 0.9, "min_p": 0.1, "generator": 1},
}
kinds = pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
modes = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
caches = pytest.mark.parametrize("cache", [True, False], ids=["cached", "uncached"])

PROMPT = torch.tensor([[4, 9, 0, 0], [7, 3, 11, 5], [2, 8, 6, 0]])  # the end token 3 is in a prompt, too
PROMPT_MASK = torch.arange(4) < torch.tensor([2, 4, 3])[:, None]
SOURCE = torch.tensor([[5, 1, 2, 8, 9, 4, 3], [4, 4, 7, 1, 0, 0, 0], [9, 8, 7, 6, 5, 0, 0]])
SOURCE_MASK = torch.arange(7) < torch.tensor([7, 4, 5])[:, None]


class Watched:
    """A model in the middle of a text that remembers what it read and what it answered."""

    def __init__(self, start):
        self.start, self.texts, self.logits = start, [], []

    def read(self, tokens):
        self.texts.append(tokens)
        self.logits.append(self.start.read(tokens))
        return self.logits[-1]

    def select(self, rows):
        self.start.select(rows)


class Scripted:
    """Scores highest, at each position, the token that stands there in a script; then its neighbors, less and less."""

    def __init__(self, script, vocab_size=10):
        self.script, self.vocab_size, self.at = torch.tensor(script), vocab_size, 0

    def read(self, tokens):
        self.at += tokens.shape[1]
        return -(torch.arange(self.vocab_size) - self.script[:, self.at, None]).abs().double()

    def select(self, rows):
        self.script = self.script[rows]


def chance(mode):
    """The mode with a generator of its own."""
    return {k: torch.Generator().manual_seed(v) if k == "generator" else v for k, v in mode.items()}


def wrote(model, *source, mode, cache=True, prompt=PROMPT, prompt_mask=PROMPT_MASK, **how):
    """What a model writes, and what it answered at each step."""
    start = Watched(model.start(*source, capacity=2, cache=cache))
    how = {"max_new_tokens": 6, "end": 3, **how}
    return generate(start, prompt, prompt_token_mask=prompt_mask, **how, **chance(mode)), start


def translator(options, **more):
    return Transformer(12, 12, **SIZES, num_layers=(1, 2), **options, **more).double()


def speaker(options, **more):
    return DecoderOnlyTransformer(12, **SIZES, num_layers=2, **options, **more).double()


@modes
@kinds
@pytest.mark.parametrize("make", [translator, speaker])
def test_every_mode_writes_the_same_with_and_without_a_cache_and_scores_as_teacher_forcing(make, options, mode):
    model = make(options)
    source = (SOURCE, SOURCE_MASK) if make is translator else ()
    (cached, watched), (without, unwatched) = (wrote(model, *source, mode=mode, cache=c) for c in (True, False))
    assert torch.equal(cached.tokens, without.tokens)
    assert torch.equal(cached.token_mask, without.token_mask)
    logits = torch.stack(watched.logits, 1)  # after the first two tokens, the first three, …
    torch.testing.assert_close(logits, torch.stack(unwatched.logits, 1))
    forced, _ = model(*source[:1], cached.tokens[:, :-1], *source[1:])
    torch.testing.assert_close(logits, forced[:, 1:])


@kinds
@pytest.mark.parametrize("penalty", [1.0, 3.0])
@pytest.mark.parametrize("make", [translator, speaker])
def test_in_a_batch_as_alone(make, options, penalty):
    model, mode = make(options), {"repetition_penalty": penalty}
    source = (SOURCE, SOURCE_MASK) if make is translator else ()
    together, _ = wrote(model, *source, mode=mode)
    for b in range(3):
        its_source = (SOURCE[b : b + 1, SOURCE_MASK[b]],) if source else ()
        its_prompt = PROMPT[b : b + 1, PROMPT_MASK[b]]
        alone, _ = wrote(model, *its_source, mode=mode, prompt=its_prompt, prompt_mask=None)
        assert alone.tokens[0].tolist() == together.tokens[b][together.token_mask[b]].tolist()
        assert alone.token_mask.all()


def test_greedy_takes_the_highest_score():
    model = speaker({})
    texts, _ = wrote(model, mode={}, prompt=PROMPT[:, :2], prompt_mask=None, end=None)
    forced, _ = model(texts.tokens[:, :-1])
    assert torch.equal(texts.tokens[:, 2:], forced[:, 1:].argmax(-1))
    assert texts.token_mask.all()


def test_each_text_ends_with_its_own_end_token():
    script = [[1, 2, 9, 5, 5, 5], [1, 9, 9, 9, 9, 9], [1, 2, 3, 4, 5, 6]]
    texts = generate(Scripted(script), torch.tensor([[1], [1], [1]]), max_new_tokens=5, end=9)
    assert texts.tokens.tolist() == [[1, 2, 9, 9, 9, 9], [1, 9, 9, 9, 9, 9], [1, 2, 3, 4, 5, 6]]
    assert texts.token_mask.sum(1).tolist() == [3, 2, 6]
    texts = generate(Scripted(script[:2]), torch.tensor([[1], [1]]), max_new_tokens=5, end=9)
    assert texts.tokens.tolist() == [[1, 2, 9], [1, 9, 9]]  # written until the last one has ended


def test_without_an_end_token_all_texts_are_as_long_as_asked():
    texts = generate(Scripted([[1, 9, 9, 9, 9]]), torch.tensor([[1]]), max_new_tokens=3)
    assert texts.tokens.tolist() == [[1, 9, 9, 9]]


def test_each_prompt_gets_as_many_new_tokens_and_an_end_token_in_it_ends_nothing():
    script = [[1, 4, 4, 4, 4, 4], [1, 9, 2, 4, 9, 4], [1, 9, 6, 4, 4, 4]]
    prompt, lengths = torch.tensor([[1, 0, 0], [1, 9, 2], [1, 9, 0]]), torch.tensor([1, 3, 2])
    for padding in (0, -1, 9, 10**6):  # padding may hold anything
        prompt = torch.where(torch.arange(3) < lengths[:, None], prompt, padding)
        start = Watched(Scripted(script))
        mask = torch.arange(3) < lengths[:, None]
        texts = generate(start, prompt, max_new_tokens=2, end=9, prompt_token_mask=mask)
        assert texts.tokens.tolist() == [[1, 4, 4, 9, 9], [1, 9, 2, 4, 9], [1, 9, 6, 4, 9]]
        assert texts.token_mask.sum(1).tolist() == [3, 5, 4]
        assert [part.shape[1] for part in start.texts] == [1, 1, 1, 1]  # the last token is never read
        assert torch.equal(torch.cat(start.texts, 1), texts.tokens[:, :4])
    texts = generate(Scripted(script), prompt, max_new_tokens=2, prompt_token_mask=mask)
    assert texts.tokens.tolist() == [[1, 4, 4, 0, 0], [1, 9, 2, 4, 9], [1, 9, 6, 4, 0]]


def test_a_prompt_is_read_at_once():
    start = Watched(Scripted([[1, 2, 3, 4, 5, 6, 7]]))
    generate(start, torch.tensor([[1, 2, 3, 4]]), max_new_tokens=3)
    assert [part.tolist() for part in start.texts] == [[[1, 2, 3, 4]], [[5]], [[6]]]


@pytest.mark.parametrize("make", [translator, speaker])
def test_a_cache_spares_the_past_and_nothing_else_is_cached(make):
    """The positions that pass through the first block at each step."""
    model, source = make({}), (SOURCE,) if make is translator else ()
    for cache, expected in ((True, [2, 1, 1]), (False, [2, 3, 4])):
        lengths = []
        layer = (model.decoder if make is translator else model.blocks).layers[0]
        handle = layer.register_forward_hook(lambda _, inputs, __, seen=lengths: seen.append(inputs[0].shape[1]))
        generate(model.start(*source, cache=cache), PROMPT[:, :2], max_new_tokens=3)
        handle.remove()
        assert lengths == expected


def test_what_was_written_is_penalized_and_padding_was_not():
    script = [[2] * 7, [2] * 7]
    prompt, mask = torch.tensor([[5, 2, 3], [2, 5, 3]]), torch.tensor([[True, False, False], [True, True, True]])
    texts = generate(Scripted(script, 6), prompt, max_new_tokens=3, prompt_token_mask=mask, repetition_penalty=100.0)
    assert texts.tokens[0, :4].tolist() == [5, 2, 2, 2]  # the highest score is zero, which no factor lowers
    start = Scripted(script, 6)
    start.read, read = (lambda tokens: read(tokens) - 1), start.read
    texts = generate(start, prompt, max_new_tokens=3, prompt_token_mask=mask, repetition_penalty=100.0)
    assert texts.tokens[0, :4].tolist() == [5, 2, 1, 3]
    assert texts.tokens[1].tolist() == [2, 5, 3, 1, 0, 4]


@pytest.mark.parametrize("mode", [MODES["sampled"], MODES["all"]], ids=["sampled", "all"])
def test_the_same_generator_writes_the_same(mode):
    model = speaker({})
    before = torch.get_rng_state()
    first, again = (wrote(model, mode=mode)[0] for _ in range(2))
    assert torch.equal(first.tokens, again.tokens)
    assert torch.equal(torch.get_rng_state(), before)
    other, _ = wrote(model, mode={**mode, "generator": 2})
    assert other.tokens.tolist() != first.tokens.tolist()


OPTIONS = [
    {},
    {"temperature": 0.5},
    {"top_k": 2},
    {"top_p": 0.5},
    {"min_p": 0.5},
    {"repetition_penalty": 3.0},
    {"temperature": 3.0, "top_k": 3, "top_p": 0.6, "min_p": 0.7},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "none")
def test_draws_from_the_distribution_that_the_options_leave(is_drawn_from, options):
    """Of six tokens, (0.4, 0.25, 0.15, 0.1, 0.06, 0.04); of the filters of each test worked out here once more."""
    logits = torch.tensor([0.4, 0.25, 0.15, 0.1, 0.06, 0.04]).log() + 2
    start = Scripted([[0, 0]] * 20_000)
    start.read = lambda tokens: logits.expand(20_000, -1)
    left = logits.clone()
    if "repetition_penalty" in options:
        left[1] /= 3.0
    p = (left / options.get("temperature", 1)).softmax(-1)
    p[options.get("top_k", 6) :] = 0  # the first are the likeliest
    p /= p.sum()
    p[1:] *= p.cumsum(0)[:-1] < options.get("top_p", 2)
    p[p < options.get("min_p", 0) * p.max()] = 0
    prompt = torch.ones(20_000, 1, dtype=torch.long)
    drawn = generate(start, prompt, max_new_tokens=1, generator=torch.Generator().manual_seed(1), **options)
    assert is_drawn_from(drawn.tokens[:, 1], p / p.sum())


@pytest.mark.parametrize("window", [0, 1, 2])
@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_a_markov_model_draws_from_its_conditional_distribution(is_drawn_from, window, smoothing):
    chain = MarkovModel(4, window, smoothing=smoothing).fit(torch.tensor([[0, 1, 1, 2, 3, 1, 1, 3, 0, 1, 0, 2, 0, 1]]))
    prompt = torch.tensor([[0, 1]]).expand(40_000, -1)
    drawn = generate(chain.start(), prompt, max_new_tokens=2, generator=torch.Generator().manual_seed(1)).tokens
    ahead = chain.predict(prompt[:1], steps=2)[0]
    for step in range(2):
        assert is_drawn_from(drawn[:, 2 + step], ahead[step])
    after_one = drawn[drawn[:, 2] == 1]
    assert is_drawn_from(after_one[:, 3], chain.predict(after_one[:1, :3])[0, 0])


RECURRENT = {
    "plain": {},
    "attention": {"attend": LuongAttention(8, 8, score="dot")},
    "LSTM": {"recurrent": LSTM, "attend": LuongAttention(8, 8, score="dot")},
}


@pytest.mark.parametrize("options", RECURRENT.values(), ids=RECURRENT)
def test_seq2seq_writes_what_its_own_method_writes(options):
    model = Seq2Seq(12, 12, d_embed=6, d_h=8, **options).double()
    expected, _ = model.generate(SOURCE, SOURCE_MASK, begin=1, length=6)
    begin = torch.ones(3, 1, dtype=torch.long)
    start = Watched(model.start(SOURCE, SOURCE_MASK))
    texts = generate(start, begin, max_new_tokens=6)
    assert torch.equal(texts.tokens[:, 1:], expected)
    forced, _ = model(SOURCE, texts.tokens[:, :-1], SOURCE_MASK)
    torch.testing.assert_close(torch.stack(start.logits, 1), forced)
    at_once = model.start(SOURCE, SOURCE_MASK).read(texts.tokens[:, :4])
    torch.testing.assert_close(at_once, forced[:, 3])


@pytest.mark.parametrize("make", [translator, speaker])
@pytest.mark.parametrize("mode", [MODES["greedy"], MODES["all"]], ids=["greedy", "all"])
def test_the_fast_attention_writes_the_same(make, mode):
    model, fast = make({}), make({}, attend=fast_attention)
    fast.load_state_dict(model.state_dict())
    source = (SOURCE, SOURCE_MASK) if make is translator else ()
    (ours, start), (theirs, other) = (wrote(each, *source, mode=mode) for each in (model, fast))
    assert torch.equal(ours.tokens, theirs.tokens)
    torch.testing.assert_close(torch.stack(start.logits), torch.stack(other.logits))


@caches
@pytest.mark.parametrize("make", [translator, speaker])
def test_int32_tokens_stay_int32(make, cache):
    model, source = make({}), (SOURCE,) if make is translator else ()
    texts, _ = wrote(model, *source, mode={}, cache=cache)
    short, _ = wrote(model, *(s.int() for s in source), mode={}, cache=cache, prompt=PROMPT.int())
    assert short.tokens.dtype == torch.int32
    assert torch.equal(short.tokens.long(), texts.tokens)


@pytest.mark.parametrize("make", [translator, speaker])
def test_a_batch_of_nothing(make):
    model, source = make({}), (SOURCE[:0],) if make is translator else ()
    texts, _ = wrote(model, *source, mode={}, prompt=PROMPT[:0], prompt_mask=None)
    assert texts.tokens.shape[0] == texts.token_mask.shape[0] == 0
    texts, _ = wrote(model, *source, mode={}, prompt=PROMPT[:0], prompt_mask=PROMPT_MASK[:0])
    assert texts.tokens.shape[0] == 0


@pytest.mark.parametrize("make", [translator, speaker])
def test_a_text_is_not_written_with_dropout(make, refuses):
    """In training mode it is refused, whether or not there is a cache; without dropout that mode changes nothing."""
    model, source = make({}, dropout=0.25), () if make is speaker else (SOURCE,)
    name = "DecoderOnlyTransformer" if make is speaker else "Transformer"
    words = "dropout must be off while the model writes, got dropout=0.25 in training mode; call model.eval() first."
    refuses(lambda: model.start(*source), ValueError, f"{name}.start: {words}")
    refuses(lambda: model.start(*source, cache=False), ValueError, f"{name}.start: {words}")
    model.eval()
    first, again = (generate(model.start(*source), PROMPT, max_new_tokens=4).tokens for _ in range(2))
    assert torch.equal(first, again)
    assert make({}).train().start(*source)


def test_a_low_temperature_draws_the_likeliest_in_half_precision():
    start = Answers(torch.tensor([[50.0, 60.0, 40.0]], dtype=torch.float16))
    chance = torch.Generator().manual_seed(1)
    texts = generate(start, torch.tensor([[1]]), max_new_tokens=2, temperature=1e-4, generator=chance)
    assert texts.tokens.tolist() == [[1, 1, 1]]


def test_every_start_keeps_to_the_protocol():
    recurrent = Seq2Seq(12, 12, d_embed=6, d_h=8)
    starts = (translator({}).start(SOURCE), speaker({}).start(), recurrent.start(SOURCE), MarkovModel(3).start())
    for start in (*starts, Scripted([[0]])):
        assert isinstance(start, NextToken)


@pytest.mark.parametrize("make", [translator, speaker, partial(Seq2Seq, 12, 12, d_embed=6, d_h=8)])
def test_copied_and_pickled_in_the_middle_of_a_text(make):
    """A copy goes on by itself: what the other reads does not reach it."""
    model = make({}) if make in (translator, speaker) else make()
    start = model.start(*(() if make is speaker else (SOURCE,)))
    start.read(PROMPT)
    copied, pickled = copy.deepcopy(start), pickle.loads(pickle.dumps(start))
    expected = start.read(PROMPT[:, :2])
    for other in (copied, pickled):
        assert torch.equal(other.read(PROMPT[:, :2]), expected)


@pytest.mark.parametrize("make", [translator, speaker, partial(Seq2Seq, 12, 12, d_embed=6, d_h=8)])
@caches
def test_rows_are_kept_in_the_order_asked_for(make, cache):
    """One may be kept twice: what is read after that is scored as if it had been there from the start."""
    model, rows = make({}) if make in (translator, speaker) else make().double(), torch.tensor([2, 0, 2, 1, 1])
    source = () if make is speaker else (SOURCE, SOURCE_MASK)
    options = {"cache": cache} if make in (translator, speaker) else {}
    start, again = model.start(*source, **options), model.start(*(s[rows] for s in source), **options)
    start.select(torch.tensor([0, 1, 2]))  # before the first token, too
    start.read(PROMPT)
    start.select(rows)
    more = torch.tensor([[1], [2], [3], [4], [5]])
    again.read(PROMPT[rows])
    torch.testing.assert_close(start.read(more), again.read(more))


@pytest.mark.parametrize("mode", [MODES["greedy"], MODES["sampled"]], ids=["greedy", "sampled"])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_scores_that_choose_nothing_may_be_anything(bad, mode):
    """Those after the end of a text, and those within a prompt."""
    start = Scripted([[1, 9, 9, 9, 9, 9], [1, 2, 2, 2, 2, 9]])
    read = start.read

    def spoiled(tokens):
        logits, at = read(tokens), start.at
        logits[0] = bad if at > 1 else logits[0]  # it has ended
        logits[1] = bad if at < 4 else logits[1]  # its prompt goes on
        return logits * 100

    start.read = spoiled
    prompt, mask = torch.tensor([[1, 0, 0, 0], [1, 5, 6, 7]]), torch.arange(4) < torch.tensor([[1], [4]])
    texts = generate(start, prompt, max_new_tokens=2, end=9, prompt_token_mask=mask, **chance(mode))
    assert texts.tokens.tolist() == [[1, 9, 9, 9, 9, 9], [1, 5, 6, 7, 2, 9]]


class Answers:
    """A model in the middle of a text that always answers this."""

    def __init__(self, answer):
        self.answer = answer

    def read(self, tokens):
        return self.answer

    def select(self, rows):
        pass


ONE, LOGITS = torch.tensor([[1]]), torch.zeros(1, 5)
MODEL = speaker({})


def asked(start=None, prompt=ONE, max_new_tokens=2, **how):
    return lambda: generate(MODEL.start() if start is None else start, prompt, max_new_tokens=max_new_tokens, **how)


DRAWN = "generate: temperature, top_k, top_p and min_p need a generator to draw with, got none and"
SCORES = "generate: logits must be finite or -inf, and not all -inf in a row"
MASK = "generate: prompt_token_mask must be True for at least one token of each prompt, then False for its padding"


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            asked(MODEL),
            TypeError,
            "generate: start must be an attnref.protocols.NextToken, got "
            "attnref.transformer.decoder_only.DecoderOnlyTransformer; pass model.start(...).",
        ),
        (asked(Answers), TypeError, "generate: start must be an attnref.protocols.NextToken, got type."),
        (asked(lambda t: t), TypeError, "generate: start must be an attnref.protocols.NextToken, got function."),
        (
            asked(Answers(torch.zeros(1, 2, 5))),
            ValueError,
            "generate: start.read must return logits (batch, vocab_size) = (1, ...), those after the last token, "
            "got shape (1, 2, 5).",
        ),
        (
            asked(Answers(torch.zeros(2, 5))),
            ValueError,
            "generate: start.read must return logits (batch, vocab_size) = (1, ...), those after the last token, "
            "got shape (2, 5).",
        ),
        (
            asked(Answers((LOGITS, None))),
            TypeError,
            "generate: start.read must return logits, a tensor in floating point, got tuple.",
        ),
        (
            asked(Answers(LOGITS.long())),
            TypeError,
            "generate: start.read must return logits, a tensor in floating point, got torch.int64.",
        ),
        (
            asked(Answers(torch.tensor([[0.0, torch.nan]]))),
            ValueError,
            f"{SCORES}, got NaN in row 0.",
        ),
        (asked(Answers(torch.tensor([[0.0, torch.inf]]))), ValueError, f"{SCORES}, got inf in row 0."),
        (asked(Answers(torch.full((1, 5), -torch.inf))), ValueError, f"{SCORES}, got -inf alone in row 0."),
        (
            asked(prompt=torch.zeros(1, 2)),
            TypeError,
            "generate: prompt must hold tokens as int32 or int64, got torch.float32.",
        ),
        (asked(prompt=ONE[0]), ValueError, "generate: prompt must be (batch, n), got shape (1,)."),
        (
            asked(prompt=ONE[:, :0]),
            ValueError,
            "generate: prompt must hold at least one token a sample, got shape (1, 0).",
        ),
        (
            asked(prompt=ONE + 11),
            ValueError,
            "DecoderOnlyTransformer: tokens must lie between 0 and vocab_size - 1=11, got 12 to 12.",
        ),
        (asked(max_new_tokens=0), ValueError, "generate: max_new_tokens must be at least 1, got 0."),
        (asked(max_new_tokens=1.5), TypeError, "generate: max_new_tokens must be an int, got float."),
        (asked(end=12), ValueError, "generate: end must lie between 0 and vocab_size - 1=11, got 12."),
        (asked(end=-1), ValueError, "generate: end must lie between 0 and vocab_size - 1=11, got -1."),
        (asked(end=3.0), TypeError, "generate: end must be an int, got float."),
        (
            asked(prompt_token_mask=ONE),
            TypeError,
            "generate: prompt_token_mask must be bool (True = a real token), got torch.int64.",
        ),
        (
            asked(prompt_token_mask=ONE[0].bool()),
            ValueError,
            "generate: prompt_token_mask must be (batch, n) = (1, 1), got shape (1,).",
        ),
        (
            asked(prompt=PROMPT, prompt_token_mask=PROMPT_MASK.flip(1)),
            ValueError,
            f"{MASK}, got [0, 0, 1, 1] in row 0.",
        ),
        (
            asked(prompt=PROMPT, prompt_token_mask=PROMPT_MASK & torch.tensor([[True], [True], [False]])),
            ValueError,
            f"{MASK}, got [0, 0, 0, 0] in row 2.",
        ),
        (asked(temperature=0.0), ValueError, "generate: temperature must be finite and above 0, got 0.0."),
        (asked(temperature=None), TypeError, "generate: temperature must be a number, got NoneType."),
        (asked(top_k=0), ValueError, "generate: top_k must be at least 1, got 0."),
        (asked(top_k=2.0), TypeError, "generate: top_k must be an int, got float."),
        (asked(top_p=0.0), ValueError, "generate: top_p must be finite and above 0 and at most 1, got 0.0."),
        (asked(top_p=1.1), ValueError, "generate: top_p must be finite and above 0 and at most 1, got 1.1."),
        (asked(min_p=-0.1), ValueError, "generate: min_p must be finite and at least 0 and at most 1, got -0.1."),
        (asked(repetition_penalty=0), ValueError, "generate: repetition_penalty must be finite and above 0, got 0."),
        (asked(generator=0), TypeError, "generate: generator must be a torch.Generator, got int."),
        (asked(temperature=0.7), ValueError, f"{DRAWN} temperature=0.7."),
        (asked(top_k=3, top_p=0.9), ValueError, f"{DRAWN} top_k=3 and top_p=0.9."),
        (asked(min_p=0), ValueError, f"{DRAWN} min_p=0."),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, words)
