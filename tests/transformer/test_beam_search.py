"""Beam search: one beam is greedy, many are exhaustive, those between are as lists of texts in Python have them."""

import itertools
import math

import pytest
import torch

from attnref import LSTM, DecoderOnlyTransformer, MarkovModel, Seq2Seq, Transformer, beam_search, generate

SIZES = {"d_model": 8, "num_heads": 2, "d_ff": 16}
SOURCE = torch.tensor([[5, 1, 2, 8, 9, 4, 3], [4, 4, 7, 1, 0, 0, 0], [9, 8, 7, 6, 5, 0, 0]])
SOURCE_MASK = torch.arange(7) < torch.tensor([7, 4, 5])[:, None]
BEGIN = torch.tensor([[1], [0], [2]])
END = 3
alphas = pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
caches = pytest.mark.parametrize("cache", [True, False], ids=["cached", "uncached"])


def peaked(model):
    """Distributions that are far from even, so that beams differ."""
    torch.nn.init.normal_(model.output_proj.weight, std=1.0)
    return model.double()


def translator(vocab_size=4, **options):
    return peaked(Transformer(12, vocab_size, **SIZES, num_layers=(1, 2), **options))


@pytest.fixture(scope="module")
def small():
    """A model, and for each sample all texts that it can write, with their log-probabilities by teacher forcing."""
    torch.manual_seed(0)
    model, texts = translator(), []
    for b in range(3):
        texts.append({})
        for length in range(1, 4):
            new = [new for new in itertools.product(range(4), repeat=length) if END not in new[:-1]]
            new = [text for text in new if length == 3 or text[-1] == END]
            tokens = torch.cat((BEGIN[b].expand(len(new), 1), torch.tensor(new)), 1)
            source, mask = (s[b].expand(len(new), -1) for s in (SOURCE, SOURCE_MASK))
            logits, _ = model(source, tokens[:, :-1], mask)
            log_p = logits.log_softmax(-1).gather(-1, tokens[:, 1:, None]).sum((1, 2))
            texts[b].update(zip(new, log_p.tolist(), strict=True))
        assert len(texts[b]) == 1 + 3 + 9 * 4
        assert sum(map(math.exp, texts[b].values())) == pytest.approx(1)
    return model, texts


def by_lists(texts, beams, max_new_tokens, alpha):
    """Beam search over beginnings in Python; a beginning's log-probability is that of all the texts it begins."""

    def log_p(beginning):
        return math.log(sum(math.exp(p) for text, p in texts.items() if text[: len(beginning)] == beginning))

    open_, done = [()], []
    for _ in range(max_new_tokens):
        longer = sorted(((*text, v) for text in open_ for v in range(4)), key=log_p, reverse=True)
        longer = longer[: beams - len(done)]
        done += [text for text in longer if text[-1] == END]
        open_ = [text for text in longer if text[-1] != END]
    scores = {text: texts[text] / ((5 + len(text)) / (5 + 1)) ** alpha for text in done + open_}
    return sorted(scores.items(), key=lambda item: -item[1])


def found_of(beams, b):
    """The texts found for a sample, without the prompt, with their scores."""
    rows = zip(beams.tokens[b], beams.token_mask[b], beams.scores[b].tolist(), strict=True)
    return [(tuple(tokens[mask][1:].tolist()), score) for tokens, mask, score in rows]


@alphas
@caches
@pytest.mark.parametrize("beams", [1, 2, 3, 5, 10])
def test_agrees_with_lists_of_texts(small, alpha, cache, beams):
    model, texts = small
    start = model.start(SOURCE, SOURCE_MASK, cache=cache, capacity=1)
    result = beam_search(start, BEGIN, beams=beams, max_new_tokens=3, end=END, length_penalty=alpha)
    for b in range(3):
        found, expected = found_of(result, b), by_lists(texts[b], beams, 3, alpha)
        assert [text for text, _ in found] == [text for text, _ in expected]
        assert [score for _, score in found] == pytest.approx([score for _, score in expected], rel=1e-9)


@alphas
def test_as_many_beams_as_texts_find_them_all_in_order(small, alpha):
    model, texts = small
    start = model.start(SOURCE, SOURCE_MASK)
    result = beam_search(start, BEGIN, beams=64, max_new_tokens=3, end=END, length_penalty=alpha)
    for b in range(3):
        scores = {text: log_p / ((5 + len(text)) / 6) ** alpha for text, log_p in texts[b].items()}
        expected = sorted(scores.items(), key=lambda item: -item[1])
        found = found_of(result, b)[: len(expected)]
        assert [text for text, _ in found] == [text for text, _ in expected]
        assert [score for _, score in found] == pytest.approx([score for _, score in expected], rel=1e-9)
    assert result.scores[:, len(expected) :].isneginf().all()  # there are no more texts
    assert not result.token_mask[:, len(expected) :].any()
    assert (result.tokens[:, len(expected) :] == END).all()


def test_an_impossible_text_keeps_no_beam():
    """Beams that nothing fills at first must be free later, also where the end token would come next in them."""
    chain = MarkovModel(4).fit(torch.tensor([[0, 1, 0, 2, 1, 1, 2, 2, 0, 0, 3]]))
    result = beam_search(chain.start(), torch.tensor([[0]]), beams=40, max_new_tokens=3, end=3, length_penalty=0.0)
    texts = [text for text, score in found_of(result, 0) if score > -torch.inf]
    table = chain.table()
    possible = [
        new
        for length in (1, 2, 3)
        for new in itertools.product(range(4), repeat=length)
        if 3 not in new[:-1] and (length == 3 or new[-1] == 3)
        if all(table[a, b] > 0 for a, b in itertools.pairwise((0, *new)))
    ]
    assert sorted(texts) == sorted(possible)
    torch.testing.assert_close(result.scores.exp().sum(), torch.tensor(1.0, dtype=torch.float64))


@alphas
@pytest.mark.parametrize("max_new_tokens", [1, 6])
def test_one_beam_is_greedy(alpha, max_new_tokens):
    model, how = translator(12), {"max_new_tokens": max_new_tokens, "end": END}
    greedy = generate(model.start(SOURCE, SOURCE_MASK), BEGIN, **how)
    found = beam_search(model.start(SOURCE, SOURCE_MASK), BEGIN, beams=1, length_penalty=alpha, **how)
    assert torch.equal(found.tokens[:, 0], greedy.tokens)
    assert torch.equal(found.token_mask[:, 0], greedy.token_mask)


def test_one_beam_is_greedy_where_tokens_are_equally_likely():
    chain = MarkovModel(20).fit(torch.arange(20)[None])  # after the last token, all are as likely
    prompt = torch.tensor([[19], [5]])
    greedy = generate(chain.start(), prompt, max_new_tokens=6, end=9)
    found = beam_search(chain.start(), prompt, beams=1, max_new_tokens=6, end=9)
    assert torch.equal(found.tokens[:, 0], greedy.tokens)


@pytest.mark.parametrize("beams", [1, 3, 7])
def test_in_a_batch_as_alone(beams):
    model, how = translator(12), {"beams": beams, "max_new_tokens": 5, "end": END}
    together = beam_search(model.start(SOURCE, SOURCE_MASK), BEGIN, **how)
    for b in range(3):
        alone = beam_search(model.start(SOURCE[b : b + 1, SOURCE_MASK[b]]), BEGIN[b : b + 1], **how)
        assert [text for text, _ in found_of(alone, 0)] == [text for text, _ in found_of(together, b)]
        torch.testing.assert_close(alone.scores[0], together.scores[b])


def speaker(**options):
    return peaked(DecoderOnlyTransformer(12, **SIZES, num_layers=2, **options))


@pytest.mark.parametrize("options", [{}, {"positions": "learned", "max_positions": 7, "norm": "pre"}])
def test_scores_are_sums_of_log_probabilities_with_and_without_a_cache(options):
    """Learned positions are just enough: the last token is not read."""
    model, prompt = speaker(**options), torch.tensor([[4, 9, 3], [7, 3, 3]])  # END in a prompt ends nothing
    how = {"beams": 4, "max_new_tokens": 5, "end": END, "length_penalty": 0.0}
    cached, without = (beam_search(model.start(cache=c), prompt, **how) for c in (True, False))
    assert torch.equal(cached.tokens, without.tokens)
    torch.testing.assert_close(cached.scores, without.scores)
    assert cached.scores.diff(dim=-1).le(0).all()
    for b, beam in itertools.product(range(2), range(4)):
        text = cached.tokens[b, beam][cached.token_mask[b, beam]]
        log_p = model(text[None, :-1])[0][0].log_softmax(-1).gather(-1, text[1:, None])[2:].sum()
        torch.testing.assert_close(log_p, cached.scores[b, beam])


@pytest.mark.parametrize("options", [{}, {"recurrent": LSTM}])
def test_recurrent_models_keep_the_state_of_each_beam(options):
    model = Seq2Seq(12, 12, d_embed=6, d_h=8, **options)
    torch.nn.init.normal_(model.decoder.output_proj.weight, std=2.0)
    model = model.double()
    start, how = model.start(SOURCE, SOURCE_MASK), {"beams": 5, "max_new_tokens": 5, "end": END, "length_penalty": 0.0}
    found = beam_search(start, BEGIN, **how)
    for b, beam in itertools.product(range(3), range(5)):
        text = found.tokens[b, beam][found.token_mask[b, beam]]
        logits, _ = model(SOURCE[b : b + 1], text[None, :-1], SOURCE_MASK[b : b + 1])
        log_p = logits[0].log_softmax(-1).gather(-1, text[1:, None]).sum()
        torch.testing.assert_close(log_p, found.scores[b, beam])


def test_stops_when_all_beams_have_ended():
    chain = MarkovModel(4).fit(torch.tensor([[0, 1, 3, 3, 0, 2, 3]]))
    found = beam_search(chain.start(), torch.tensor([[0]]), beams=2, max_new_tokens=50, end=3)
    assert found.tokens.tolist() == [[[0, 1, 3], [0, 2, 3]]]
    assert found.token_mask.all()


def test_the_end_of_a_short_text_is_repeated_and_masked():
    chain = MarkovModel(4).fit(torch.tensor([[0, 3, 0, 3, 0, 1, 1, 1, 1]]))
    found = beam_search(chain.start(), torch.tensor([[0]]), beams=2, max_new_tokens=3, end=3, length_penalty=0.0)
    assert found.tokens.tolist() == [[[0, 3, 3, 3], [0, 1, 1, 1]]]
    assert found.token_mask.sum(-1).tolist() == [[2, 4]]


class Constant:
    """Answers with the same logits at each step."""

    def __init__(self, logits):
        self.logits = logits

    def read(self, tokens):
        return self.logits.expand(tokens.shape[0], *self.logits.shape[1:])

    def select(self, rows):
        pass


class After:
    """Scores what may follow each token, from a table, (vocab_size, vocab_size)."""

    def __init__(self, table):
        self.table = table

    def read(self, tokens):
        return self.table[tokens[:, -1]]

    def select(self, rows):
        pass


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_scores_after_the_end_may_be_anything(bad):
    table = torch.tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 3.0], [0.0, 0.0, 0.0]]).double()
    how = {"beams": 3, "max_new_tokens": 3, "end": 2}
    expected = beam_search(After(table.clone()), torch.tensor([[0], [1]]), **how)
    table[2] = bad
    found = beam_search(After(table), torch.tensor([[0], [1]]), **how)
    assert torch.equal(found.tokens, expected.tokens)
    torch.testing.assert_close(found.scores, expected.scores)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_few_digits_count_far_and_sum_finely(dtype):
    """300 tokens of log-probability -log 2 each; bfloat16 counts to 256 only."""
    logits = torch.tensor([[0.0, 0.0, -torch.inf]], dtype=dtype)
    found = beam_search(Constant(logits), torch.tensor([[0]]), beams=2, max_new_tokens=300, end=2)
    assert found.scores.dtype == torch.float32
    expected = -300 * torch.tensor(2.0).log() / (305 / 6) ** 0.6
    torch.testing.assert_close(found.scores, expected.expand(1, 2), rtol=1e-5, atol=0)
    assert found.token_mask.sum(-1).tolist() == [[301, 301]]


def test_int32_and_a_batch_of_nothing():
    model, how = translator(12), {"beams": 3, "max_new_tokens": 4, "end": END}
    long = beam_search(model.start(SOURCE), BEGIN, **how)
    for cache in (True, False):
        short = beam_search(model.start(SOURCE.int(), cache=cache), BEGIN.int(), **how)
        assert short.tokens.dtype == torch.int32
        assert torch.equal(short.tokens.long(), long.tokens)
    nothing = beam_search(model.start(SOURCE[:0]), BEGIN[:0], **how)
    assert nothing.tokens.shape[:2] == nothing.scores.shape == (0, 3)


class Theirs:
    """A Hugging Face model in the middle of a text, with one token more that never comes, to end with."""

    def __init__(self, model):
        self.model, self.tokens = model, None

    def read(self, tokens):
        self.tokens = tokens if self.tokens is None else torch.cat((self.tokens, tokens), 1)
        return torch.nn.functional.pad(self.model(self.tokens).logits[:, -1], (0, 1), value=-torch.inf)

    def select(self, rows):
        self.tokens = None if self.tokens is None else self.tokens[rows]


@pytest.fixture(scope="module")
def gpt():
    library = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = library.GPT2Config(vocab_size=9, n_positions=32, n_embd=8, n_layer=2, n_head=2)
    return library.GPT2LMHeadModel(config).double().eval()


@pytest.mark.interop
@pytest.mark.parametrize("beams", [2, 5])
def test_agrees_with_hugging_face_where_no_text_ends(gpt, beams):
    """Theirs divides by length ** penalty, and goes on in all beams when texts have ended: so compared without ends."""
    prompt = torch.tensor([[4, 1], [7, 3]])
    theirs = gpt.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        num_beams=beams,
        num_return_sequences=beams,
        max_new_tokens=6,
        length_penalty=0.0,
        eos_token_id=None,
        pad_token_id=0,
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
    )
    ours = beam_search(Theirs(gpt), prompt, beams=beams, max_new_tokens=6, end=9, length_penalty=0.0)
    assert torch.equal(ours.tokens.flatten(0, 1), theirs.sequences)
    torch.testing.assert_close(ours.scores.flatten().float(), theirs.sequences_scores)


@pytest.mark.interop
@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_one_beam_and_greedy_agree_with_hugging_face(gpt, penalty):
    prompt = torch.tensor([[4, 1], [7, 3]])
    end = int(generate(Theirs(gpt), prompt, max_new_tokens=6).tokens[0, 4])  # a token that comes
    how = {"max_new_tokens": 6, "repetition_penalty": penalty}
    theirs = gpt.generate(
        prompt, attention_mask=torch.ones_like(prompt), eos_token_id=end, pad_token_id=end, do_sample=False, **how
    )
    assert torch.equal(generate(Theirs(gpt), prompt, end=end, **how).tokens, theirs)


CHAIN = MarkovModel(3)
ONE = torch.tensor([[1]])


SCORES = "beam_search: logits must be finite or -inf, and not all -inf in a row"


def asked(start=None, prompt=ONE, **how):
    how = {"beams": 2, "max_new_tokens": 3, "end": 2, **how}
    return lambda: beam_search(CHAIN.start() if start is None else start, prompt, **how)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            asked(CHAIN),
            TypeError,
            "beam_search: start must be an attnref.protocols.NextToken, got attnref.sequence.markov.MarkovModel; "
            "pass model.start(...).",
        ),
        (asked(Constant), TypeError, "beam_search: start must be an attnref.protocols.NextToken, got type."),
        (
            asked(Constant(torch.zeros(1, 1, 3))),
            ValueError,
            "beam_search: start.read must return logits (batch, vocab_size) = (1, ...), those after the last token, "
            "got shape (1, 1, 3).",
        ),
        (
            asked(Constant(torch.full((1, 3), torch.nan))),
            ValueError,
            f"{SCORES}, got NaN in row 0.",
        ),
        (asked(Constant(torch.tensor([[0.0, torch.inf, 0.0]]))), ValueError, f"{SCORES}, got inf in row 0."),
        (asked(Constant(torch.full((1, 3), -torch.inf))), ValueError, f"{SCORES}, got -inf alone in row 0."),
        (
            asked(prompt=ONE.float()),
            TypeError,
            "beam_search: prompt must hold tokens as int32 or int64, got torch.float32.",
        ),
        (asked(prompt=ONE[0]), ValueError, "beam_search: prompt must be (batch, n), got shape (1,)."),
        (asked(beams=0), ValueError, "beam_search: beams must be at least 1, got 0."),
        (asked(beams=2.0), TypeError, "beam_search: beams must be an int, got float."),
        (asked(max_new_tokens=0), ValueError, "beam_search: max_new_tokens must be at least 1, got 0."),
        (asked(end=None), TypeError, "beam_search: end must be an int, got NoneType."),
        (asked(end=3), ValueError, "beam_search: end must lie between 0 and vocab_size - 1=2, got 3."),
        (asked(end=-1), ValueError, "beam_search: end must lie between 0 and vocab_size - 1=2, got -1."),
        (
            asked(length_penalty=-0.1),
            ValueError,
            "beam_search: length_penalty must be finite and at least 0, got -0.1.",
        ),
        (asked(length_penalty="long"), TypeError, "beam_search: length_penalty must be a number, got str."),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, words)
