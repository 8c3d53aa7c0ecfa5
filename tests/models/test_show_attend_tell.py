"""Show, Attend and Tell against its definition, torch's LSTM cell and Keras's additive attention."""

import copy
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from attnref import (
    AdditiveAttention,
    MultiHeadAttention,
    additive_attention,
    beam_search,
    efficient_attention,
    generate,
    scaled_dot_product_attention,
)
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fused
from attnref.models import ShowAttendTell
from attnref.oracle.show_attend_tell import show_attend_tell as oracle
from attnref.protocols import NextToken

VOCAB, D_FEATURES, D_EMBED, D_H, D_ATTENTION, N_Q, BATCH = 9, 6, 4, 5, 7, 3, 2
HEIGHT, WIDTH = 3, 4
N_K = HEIGHT * WIDTH
SIZES = {"d_features": D_FEATURES, "d_embed": D_EMBED, "d_h": D_H, "d_attention": D_ATTENTION}
IMAGES = torch.randn(BATCH, 3, 2 * HEIGHT, 2 * WIDTH, generator=torch.Generator().manual_seed(0)).double()
CAPTIONS = torch.randint(VOCAB, (BATCH, N_Q), generator=torch.Generator().manual_seed(1))
CHOSEN = torch.randint(N_K, (BATCH, N_Q), generator=torch.Generator().manual_seed(2))
gates = pytest.mark.parametrize("gate", ["scalar", "vector", "none"])
attention = pytest.mark.parametrize("hard", [False, True], ids=["soft", "hard"])


def build(gate="scalar", dtype=torch.float64, encoder=None, **options):
    """Weights drawn wide, biases and all, so that none of them can be left out."""
    torch.manual_seed(0)
    model = ShowAttendTell(encoder or nn.Conv2d(3, D_FEATURES, 2, 2), VOCAB, **{**SIZES, "gate": gate, **options})
    for weight in model.decoder.parameters():
        nn.init.normal_(weight, std=0.7)
    return model.to(dtype)


def score(model, images=IMAGES, captions=CAPTIONS, hard=False):
    if hard:
        return model.hard(images, captions, CHOSEN)[:2]
    return model(images, captions, return_weights=True)


@gates
@attention
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_agrees_with_oracle(agrees, arrays, gate, hard, dtype):
    model = build(gate, dtype)
    exact = copy.deepcopy(model).double()
    logits, weights = score(model, IMAGES.to(dtype), hard=hard)
    named = {name: weight.detach().numpy() for name, weight in exact.decoder.state_dict().items()}
    grid, captions, chosen = arrays(model.encoder(IMAGES.to(dtype)), CAPTIONS, CHOSEN if hard else None)
    expected_logits, expected_weights = oracle(grid, captions, weights=named, chosen=chosen)
    assert logits.dtype == weights.dtype == dtype
    if dtype.itemsize > 2:
        agrees(logits, expected_logits)
        agrees(weights, expected_weights)
    else:  # three steps of an LSTM, each with roundings of its own
        tolerance = {torch.float16: 0.02, torch.bfloat16: 0.15}[dtype]
        torch.testing.assert_close(logits.double(), torch.tensor(expected_logits), rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(weights.double(), torch.tensor(expected_weights), rtol=tolerance, atol=tolerance)


class Composed(nn.Module):
    """The same decoder out of torch's Modules alone, as the paper's equations 1 to 7 say."""

    def __init__(self, decoder):
        super().__init__()
        self.own = copy.deepcopy(decoder)
        self.cell = nn.LSTMCell(D_EMBED + D_FEATURES, D_H).double()
        self.cell.load_state_dict({name.removesuffix("_l0"): w for name, w in decoder.rnn.state_dict().items()})

    def forward(self, grid, captions, chosen=None):
        own, a = self.own, grid.permute(0, 2, 3, 1).reshape(len(grid), -1, D_FEATURES)
        h, c = own.init_h(a.mean(1)).tanh(), own.init_c(a.mean(1)).tanh()
        logits = []
        for t, token in enumerate(captions.T):
            word = F.embedding(token, own.embedding.weight)
            e = own.attend.score_proj(torch.tanh(own.key_proj(a) + own.query_proj(h)[:, None]))  # (batch, n_k, 1)
            z = (torch.softmax(e, 1) * a).sum(1) if chosen is None else a[torch.arange(len(a)), chosen[:, t]]
            if own.gate_proj is not None:
                z = own.gate_proj(h).sigmoid() * z
            h, c = self.cell(torch.cat((word, z), 1), (h, c))
            logits.append(own.output_proj(word + own.hidden_proj(h) + own.context_proj(z)))
        return torch.stack(logits, 1)


@gates
@attention
def test_agrees_with_torchs_cell_gradients_too(agrees, gate, hard):
    model = build(gate)
    composed = Composed(model.decoder)
    logits, _ = score(model, hard=hard)
    expected = composed(model.encoder(IMAGES), CAPTIONS, CHOSEN if hard else None)
    agrees(logits, expected)
    ours = torch.autograd.grad(logits.sin().sum(), list(model.parameters()), allow_unused=True)
    theirs = dict(
        zip(
            [name for name, _ in composed.named_parameters()],
            torch.autograd.grad(expected.sin().sum(), list(composed.parameters()), allow_unused=True),
            strict=True,
        )
    )
    for (name, _), gradient in zip(model.named_parameters(), ours, strict=True):
        if name.startswith("decoder."):
            other = name.removeprefix("decoder.")
            other = f"cell.{other[4:-3]}" if other.startswith("rnn.") else f"own.{other}"
            if gradient is None:  # hard attention has no gradient by its scores
                assert theirs[other] is None
                assert hard
            else:
                agrees(gradient, theirs[other])


def test_scores_agree_with_keras(keras, agrees):
    """Keras's AdditiveAttention takes queries and keys that are projected already, as the model's own does."""
    attend = build().decoder.attend.float()
    layer = keras.layers.AdditiveAttention(use_scale=True)
    query, key, value = torch.randn(2, 5, D_ATTENTION), torch.randn(2, 8, D_ATTENTION), torch.randn(2, 8, 3)
    layer.build([query.shape, value.shape, key.shape])
    layer.scale.assign(attend.score_proj.weight[0].detach().numpy())
    output, weights = layer([query, value, key], return_attention_scores=True)
    for ours, theirs in zip(attend(query, key, value), (output, weights), strict=True):
        agrees(ours, theirs.detach(), torch.float32)


def test_is_the_additive_attention_of_the_chapter_before(agrees):
    """Keys that are projected once, before the caption, are those of additive attention at every word."""
    decoder = build().decoder
    with torch.no_grad():
        decoder.key_proj.bias.zero_()
    h, features = torch.randn(2, 5, D_H).double(), torch.randn(2, 8, D_FEATURES).double()
    ours = decoder.attend(decoder.query_proj(h), decoder.key_proj(features), features)
    weights = {"w_q": decoder.query_proj.weight, "w_k": decoder.key_proj.weight}
    theirs = additive_attention(h, features, features, **weights, v_a=decoder.attend.score_proj.weight[0])
    for one, other in zip(ours, theirs, strict=True):
        agrees(one, other)


@gates
@attention
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch calls it itself, in forward mode
def test_gradcheck(gate, hard):
    scorer = Scorer(build(gate, encoder=nn.Identity()), hard)
    names, weights = zip(*((n, w.detach().requires_grad_()) for n, w in scorer.named_parameters()), strict=True)
    grid = torch.randn(1, D_FEATURES, 2, 1, dtype=torch.float64, requires_grad=True)

    def call(grid, *weights):
        return functional_call(scorer, dict(zip(names, weights, strict=True)), (grid,))

    assert torch.autograd.gradcheck(call, (grid, *weights), check_forward_ad=True, fast_mode=True)


class Scorer(nn.Module):
    """The logits of two words, as a function of the grid; both results where both have gradients."""

    def __init__(self, model, hard):
        super().__init__()
        self.model, self.hard = model, hard

    def forward(self, grid):
        captions = CAPTIONS[:1, :2]
        if self.hard:
            return self.model.hard(grid, captions, CHOSEN[:1, :2] % 2)[:2]
        return self.model(grid, captions, return_weights=True)


# Laws.

seeds = st.integers(0, 1000)


@given(seeds)
def test_the_weights_of_a_word_sum_to_one(seed):
    images = 3 * torch.randn(BATCH, 3, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    _, weights = build()(images, CAPTIONS, return_weights=True)
    assert weights.shape == (BATCH, N_Q, N_K)
    torch.testing.assert_close(weights.sum(-1), torch.ones(BATCH, N_Q).double(), rtol=1e-12, atol=1e-12)


@given(st.permutations(range(N_K)))
def test_positions_moved_are_positions_attended_to_elsewhere(order):
    """The model has no positions: a grid in another order gives the same words, and weights in that order."""
    model, grid = build(encoder=nn.Identity()), torch.randn(BATCH, D_FEATURES, HEIGHT, WIDTH).double()
    logits, weights = score(model, grid)
    moved, moved_weights = score(model, grid.flatten(2)[..., order].unflatten(2, (HEIGHT, WIDTH)))
    torch.testing.assert_close(moved, logits, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(moved_weights, weights[..., order], rtol=1e-12, atol=1e-12)


@given(st.integers(1, N_Q - 1), st.integers(1, VOCAB - 1), st.booleans())
def test_later_words_change_nothing(t, shift, hard):
    model, changed = build(), CAPTIONS.clone()
    changed[:, t:] = (changed[:, t:] + shift) % VOCAB
    before, after = score(model, hard=hard), score(model, captions=changed, hard=hard)
    assert torch.equal(before[0][:, :t], after[0][:, :t])
    assert not torch.isclose(before[0][:, t:], after[0][:, t:]).all()
    assert torch.equal(before[1][:, : t + 1], after[1][:, : t + 1])  # a word's own weights come before it is read


@given(seeds)
def test_with_a_grid_of_one_position_hard_attention_is_soft(seed):
    grid = torch.randn(BATCH, D_FEATURES, 1, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    model = build(encoder=nn.Identity())
    scores = model.hard(grid, CAPTIONS, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(scores.logits, model(grid, CAPTIONS)[0], rtol=1e-12, atol=1e-12)
    assert scores.chosen.eq(0).all()
    assert scores.weights.eq(1).all()


@given(seeds)
def test_the_closer_to_one_the_largest_weight_the_closer_hard_attention_to_soft(seed):
    model = build()
    images = torch.randn(BATCH, 3, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        model.decoder.attend.score_proj.weight.mul_(1e6)
    torch.testing.assert_close(model.hard(images, CAPTIONS).logits, model(images, CAPTIONS)[0])


# One word at a time.


@gates
@attention
@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 1), (1, 2), (3,)], ids=str)
def test_word_by_word_is_all_at_once(agrees, gate, hard, sizes):
    model = build(gate)
    start = model.start(IMAGES, hard=hard)
    assert isinstance(start, NextToken)
    logits = model.hard(IMAGES, CAPTIONS).logits if hard else model(IMAGES, CAPTIONS)[0]
    for tokens, end in zip(CAPTIONS.split(sizes, 1), torch.tensor(sizes).cumsum(0), strict=True):
        agrees(start.read(tokens), logits[:, end - 1])


def test_words_selected_go_on_alone(agrees):
    model, rows = build(), torch.tensor([1, 1, 0])
    start = model.start(IMAGES)
    start.read(CAPTIONS[:, :2])
    start.select(rows)
    agrees(start.read(CAPTIONS[rows, 2:]), model(IMAGES, CAPTIONS)[0][rows, -1])


def test_writing_keeps_no_graph():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        build().start(IMAGES).read(CAPTIONS)
    assert kept == []


@attention
def test_writes_what_it_scores_highest(hard):
    model = build()
    begin = torch.full((BATCH, 1), 2)
    written = generate(model.start(IMAGES, hard=hard), begin, max_new_tokens=4).tokens
    logits = model.hard(IMAGES, written).logits if hard else model(IMAGES, written)[0]
    assert torch.equal(written[:, 1:], logits[:, :-1].argmax(-1))
    one = beam_search(model.start(IMAGES, hard=hard), begin, beams=1, max_new_tokens=4, end=VOCAB - 1)
    first = generate(model.start(IMAGES, hard=hard), begin, max_new_tokens=4, end=VOCAB - 1).tokens
    assert torch.equal(one.tokens[:, 0, : first.shape[1]], first)


def test_a_model_that_draws_positions_writes_by_them():
    model = build()
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    start = model.start(IMAGES, hard=True, generator=generators[0])
    found = torch.stack([start.read(CAPTIONS[:, t : t + 1]) for t in range(N_Q)], 1)
    scores = model.hard(IMAGES, CAPTIONS, generator=generators[1])
    torch.testing.assert_close(found, scores.logits)
    assert not torch.allclose(found, model.hard(IMAGES, CAPTIONS).logits)


# Hard attention.


@torch.no_grad()
def test_positions_are_drawn_by_their_weights(is_drawn_from):
    model, many = build(encoder=nn.Identity()), 20_000
    model.decoder.attend.score_proj.weight.mul_(0.3)  # so that none is too seldom
    grid = torch.randn(1, D_FEATURES, 2, 2).double().expand(many, -1, -1, -1)
    scores = model.hard(grid, CAPTIONS[:1, :2].expand(many, 2), generator=torch.Generator().manual_seed(0))
    assert is_drawn_from(scores.chosen[:, 0], scores.weights[0, 0])
    first = scores.chosen[:, 0] == scores.weights[0, 0].argmax()  # where to look next depends on where it looked
    assert is_drawn_from(scores.chosen[first, 1], scores.weights[first][0, 1])
    assert not torch.allclose(scores.weights[first][0, 1], scores.weights[~first][0, 1])


def test_without_a_generator_the_largest_weight_is_looked_at():
    scores = build().hard(IMAGES, CAPTIONS)
    assert torch.equal(scores.chosen, scores.weights.argmax(-1))
    again = build().hard(IMAGES, CAPTIONS, scores.chosen.int())
    assert torch.equal(again.logits, scores.logits)


# What goes in.


@pytest.mark.parametrize(
    ("attend", "weights"),
    [
        (scaled_dot_product_attention, True),
        (efficient_attention, False),
        (fused, False),
        (AdditiveAttention(D_ATTENTION, D_ATTENTION, 3), True),
    ],
    ids=["scaled_dot_product", "efficient", "fused", "additive"],
)
def test_takes_any_attention(attend, weights):
    model = build(attend=attend)
    logits, looked = model(IMAGES, CAPTIONS, return_weights=True)
    assert logits.shape == (BATCH, N_Q, VOCAB)
    assert looked.shape == (BATCH, N_Q, N_K) if weights else looked is None
    start = model.start(IMAGES)
    torch.testing.assert_close(start.read(CAPTIONS), logits[:, -1])


def test_the_fused_attention_gives_the_same_logits(agrees):
    agrees(build(attend=fused)(IMAGES, CAPTIONS)[0], build(attend=scaled_dot_product_attention)(IMAGES, CAPTIONS)[0])


def test_several_heads_have_an_axis_of_their_own():
    model = build(attend=MultiHeadAttention(D_FEATURES, 2), d_attention=D_FEATURES)
    _, weights = model(IMAGES, CAPTIONS, return_weights=True)
    assert weights.shape == (BATCH, 2, N_Q, N_K)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 5), (7, 3)])
def test_takes_a_grid_of_any_size(height, width):
    logits, weights = build(encoder=nn.Identity())(
        torch.randn(BATCH, D_FEATURES, height, width).double(), CAPTIONS, return_weights=True
    )
    assert logits.shape == (BATCH, N_Q, VOCAB)
    assert weights.shape == (BATCH, N_Q, height * width)


def test_the_grid_is_read_row_by_row_channels_last():
    model = build()
    grid, features = model.encoder(IMAGES), model.features(IMAGES)
    assert features.shape == (BATCH, N_K, D_FEATURES)
    for i in range(N_K):
        assert torch.equal(features[:, i], grid[:, :, i // WIDTH, i % WIDTH])


def test_weights_are_returned_only_if_asked_for():
    assert build()(IMAGES, CAPTIONS)[1] is None


@gates
def test_every_weight_learns(gate):
    model = build(gate)
    model(IMAGES, CAPTIONS)[0].square().sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


@attention
def test_takes_an_empty_batch(hard):
    model = build()
    scores = model.hard(IMAGES[:0], CAPTIONS[:0]) if hard else model(IMAGES[:0], CAPTIONS[:0], return_weights=True)
    assert scores[0].shape == (0, N_Q, VOCAB)
    assert scores[1].shape == (0, N_Q, N_K)


def test_dropout_is_of_the_output_alone():
    """The attention weights do not change; the logits do, and not in evaluation."""
    model, plain = build(dropout=0.5), build()
    with pytest.raises(AssertionError):
        torch.testing.assert_close(model(IMAGES, CAPTIONS)[0], plain(IMAGES, CAPTIONS)[0])
    assert torch.equal(score(model)[1], score(plain)[1])
    torch.testing.assert_close(model.eval()(IMAGES, CAPTIONS)[0], plain(IMAGES, CAPTIONS)[0])


def test_the_gate_of_the_paper_is_one_number_for_the_whole_vector():
    """With all its weights alike, a gate of one number for each channel is that gate."""
    one, many = build("scalar"), build("vector")
    state = {k: v.expand_as(many.state_dict()[k]) for k, v in one.state_dict().items() if "gate_proj" in k}
    many.load_state_dict({**one.state_dict(), **state})
    assert (one.decoder.gate_proj.out_features, many.decoder.gate_proj.out_features) == (1, D_FEATURES)
    torch.testing.assert_close(many(IMAGES, CAPTIONS)[0], one(IMAGES, CAPTIONS)[0])


def make(*args, **change):
    return ShowAttendTell(*(args or (nn.Identity(), VOCAB)), **{**SIZES, **change})


def returns(result):
    class Returns(nn.Module):
        def forward(self, images):
            return result

    return Returns()


GRID = torch.zeros(BATCH, D_FEATURES, 2, 2)
RULE = "(query, key, value, mask) -> (output, weights)"


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: make(len, VOCAB), TypeError, "encoder must be an nn.Module, got builtin_function_or_method."),
        (lambda: make(nn.Identity(), 0), ValueError, "vocab_size must be at least 1, got 0."),
        (lambda: make(d_features=2.0), TypeError, "d_features must be an int, got float."),
        (lambda: make(d_embed=0), ValueError, "d_embed must be at least 1, got 0."),
        (lambda: make(d_h=0), ValueError, "d_h must be at least 1, got 0."),
        (lambda: make(d_attention=True), TypeError, "d_attention must be an int, got bool."),
        (lambda: make(gate="sigmoid"), ValueError, "gate must be one of 'scalar', 'vector', 'none', got 'sigmoid'."),
        (lambda: make(attend=8), TypeError, f"attend must be None or a callable {RULE}, got 8."),
        (lambda: make(dropout=1), ValueError, "dropout must be at least 0 and less than 1, got 1."),
        (lambda: make()(GRID.tolist(), CAPTIONS), TypeError, "images must be a torch.Tensor, got list."),
        (
            lambda: make()(GRID[:, :5], CAPTIONS),
            ValueError,
            "encoder must return (batch, d_features, height, width) with d_features=6, got shape (2, 5, 2, 2).",
        ),
        (
            lambda: make()(GRID.flatten(2), CAPTIONS),
            ValueError,
            "encoder must return (batch, d_features, height, width) with d_features=6, got shape (2, 6, 4).",
        ),
        (
            lambda: make(returns((GRID,)), VOCAB)(GRID, CAPTIONS),
            TypeError,
            "encoder must return a tensor, got tuple.",
        ),
        (
            lambda: make()(GRID.double(), CAPTIONS),
            TypeError,
            "grid and weights must share one dtype, got grid torch.float64, weights torch.float32.",
        ),
        (
            lambda: make()(GRID, CAPTIONS.float()),
            TypeError,
            "captions must hold tokens as int32 or int64, got torch.float32.",
        ),
        (
            lambda: make()(GRID, CAPTIONS.clone().fill_diagonal_(9)),
            ValueError,
            "captions must lie between 0 and vocab_size - 1=8, got 0 to 9.",
        ),
        (
            lambda: make()(GRID[:1], CAPTIONS),
            ValueError,
            "features and captions must agree in batch, "
            "got features (1, 4, 6) with batch=1, captions (2, 3) with batch=2.",
        ),
        (
            lambda: make(attend=lambda query, key, value, mask=None: value)(GRID, CAPTIONS),
            TypeError,
            "attend must return a pair (output, weights), got torch.Tensor.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, f"ShowAttendTell: {words}")


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            partial(make().hard, GRID, CAPTIONS, CHOSEN[:, :2]),
            ValueError,
            "chosen must be (batch, n_q) = (2, 3), got shape (2, 2).",
        ),
        (
            partial(make().hard, GRID, CAPTIONS, CHOSEN.float()),
            TypeError,
            "chosen must hold positions as int32 or int64, got torch.float32.",
        ),
        (
            partial(make().hard, GRID, CAPTIONS, torch.tensor([[0, 4, 0], [1, 1, 1]])),
            ValueError,
            "chosen must lie between 0 and height * width - 1=3, got 1 to 4.",
        ),
        (
            partial(make().hard, GRID, CAPTIONS, CHOSEN % 4, generator=torch.Generator()),
            ValueError,
            "chosen and generator must not both be given: positions are given, or drawn.",
        ),
        (
            partial(make().hard, GRID, CAPTIONS, generator=3),
            TypeError,
            "generator must be a torch.Generator, got int.",
        ),
        (
            partial(make(attend=fused).hard, GRID, CAPTIONS),
            ValueError,
            "attend must return the weights of one head, (batch, 1, n_k), got None.",
        ),
        (
            partial(make(attend=MultiHeadAttention(6, 2), d_attention=6).hard, GRID, CAPTIONS),
            ValueError,
            "attend must return the weights of one head, (batch, 1, n_k), got weights of several heads, (2, 2, 4).",
        ),
        (
            partial(make().hard, GRID, CAPTIONS[:, :0]),
            ValueError,
            "captions must hold at least one token a sample, got shape (2, 0).",
        ),
    ],
)
def test_refusals_of_hard_attention(refuses, call, error, words):
    refuses(call, error, f"ShowAttendTell.hard: {words}")


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            partial(make(dropout=0.1).start, GRID),
            ValueError,
            "dropout must be off while the model writes, got dropout=0.1 in training mode; call model.eval() first.",
        ),
        (
            partial(make().start, GRID[:, :5]),
            ValueError,
            "encoder must return (batch, d_features, height, width) with d_features=6, got shape (2, 5, 2, 2).",
        ),
        (
            partial(make().start, GRID, generator=torch.Generator()),
            ValueError,
            "generator needs hard=True, got hard=False: soft attention draws nothing.",
        ),
        (
            lambda: make().start(GRID).read(CAPTIONS.float()),
            TypeError,
            "tokens must hold tokens as int32 or int64, got torch.float32.",
        ),
        (
            lambda: make().start(GRID).read(CAPTIONS + 9),
            ValueError,
            f"tokens must lie between 0 and vocab_size - 1=8, got {int(CAPTIONS[:, 0].min()) + 9} to "
            f"{int(CAPTIONS[:, 0].max()) + 9}.",
        ),
        (
            lambda: make().start(GRID).read(CAPTIONS[:1]),
            ValueError,
            "tokens and features must agree in batch, got tokens (1,) with batch=1, features (2, 4, 6) with batch=2.",
        ),
    ],
)
def test_refusals_of_start(refuses, call, error, words):
    refuses(call, error, f"ShowAttendTell.start: {words}")
