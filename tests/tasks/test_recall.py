"""Recall: what is asked, the models and their sizes, the convolution, the training, what is shipped, the refusals."""

import numpy as np
import pytest
import torch
from torch import nn

from attnref import causal_mask, scaled_dot_product_attention, tasks
from attnref.models import Mamba, MambaMixer
from attnref.oracle.selective_scan import selective_scan as definition
from attnref.tasks import _recipe, recall, recall_data
from attnref.tasks.recall_data import DATA, MARKER, NOISE, NOT_ASKED, QUESTIONS
from attnref.tasks.recall_model import MODELS, RecallModel, RelativePositions
from attnref.tasks.time_invariant import TimeInvariantMixer, causal_convolution

SMALL = {"d_model": 8, "d_state": 3, "num_heads": 2, "d_ff": 12}


def draw(question, n, batch=50):
    return QUESTIONS[question].draw(batch, n, torch.Generator().manual_seed(0))


def asked(row):
    return [int(one) for one in row if one != NOT_ASKED]


# What is asked


@pytest.mark.parametrize("n", [3, 20])
def test_induction_asks_for_what_followed_the_marker(n):
    first = set()
    for tokens, targets in zip(*draw("induction", n), strict=True):
        tokens = tokens.tolist()
        at = tokens.index(MARKER)
        assert tokens.count(MARKER) == 2
        assert tokens[-1] == MARKER
        assert all(0 <= token < DATA for token in tokens if token != MARKER)
        assert targets.tolist() == [NOT_ASKED] * (n - 1) + [tokens[at + 1]]
        first.add(at)
    assert first <= set(range(n - 2))
    assert len(first) > (n - 2) / 2


@pytest.mark.parametrize("n", [4, 20])
def test_selective_copying_asks_for_the_data_in_order(n):
    taken = set()
    for tokens, targets in zip(*draw("selective_copying", n), strict=True):
        head, tail = tokens[:n].tolist(), tokens[n:].tolist()
        assert tail == [MARKER] * 4
        data = [token for token in head if token != NOISE]
        assert len(data) == 4
        assert set(data) <= set(range(DATA))
        assert targets.tolist() == [NOT_ASKED] * n + data
        taken |= {at for at, token in enumerate(head) if token != NOISE}
    assert taken == set(range(n))


@pytest.mark.parametrize("n", [1, 5, 64])
def test_pairs_ask_for_the_value_of_each_key(n):
    orders = set()
    for tokens, targets in zip(*draw("pairs", n), strict=True):
        told, keys = tokens[: 2 * n].tolist(), tokens[2 * n :].tolist()
        known = dict(zip(told[::2], told[1::2], strict=True))
        assert len(known) == n
        assert set(known) == set(keys) <= set(range(64))
        assert set(known.values()) <= set(range(64, 80))
        assert targets.tolist() == [NOT_ASKED] * (2 * n) + [known[key] for key in keys]
        orders.add(tuple(told[::2].index(key) for key in keys))
    assert len(orders) > 1 or n == 1


def test_training_goes_through_its_sizes_and_held_out_sequences_are_others():
    seen = list(recall_data.training_batches("pairs", 4, 2, seed=3))
    assert [one.tokens.shape for one in seen] == [(2, 12), (2, 24), (2, 48), (2, 12)]
    assert not torch.equal(seen[0].tokens, seen[3].tokens)
    (again, *_) = recall_data.training_batches("pairs", 1, 2, seed=3)
    assert torch.equal(seen[0].tokens, again.tokens)
    (other, *_) = recall_data.training_batches("pairs", 1, 2, seed=4)
    assert not torch.equal(seen[0].tokens, other.tokens)
    one, other = (recall_data.held_out("induction", 9) for _ in range(2))
    assert one.tokens.shape == (256, 9)
    assert torch.equal(one.tokens, other.tokens)
    for seed in range(3):
        trained = QUESTIONS["induction"].draw(256, 9, torch.Generator().manual_seed(seed))
        assert not torch.equal(one.tokens, trained.tokens)


# The time-invariant state space


@pytest.fixture
def mixer():
    torch.manual_seed(0)
    made = TimeInvariantMixer(4, d_state=3).double()
    nn.init.normal_(made.b)
    nn.init.normal_(made.d_skip)
    with torch.no_grad():
        made.log_delta.add_(2)  # so that the state fades within the text
    return made


def test_it_is_the_scan_of_each_channel_with_constant_step_input_and_output(mixer):
    """And all around it is as in Mamba's mixer."""
    x = torch.randn(2, 7, 4, dtype=torch.float64)
    y, (past, h) = mixer(x)
    u, gate = mixer.in_proj(x).chunk(2, dim=-1)
    torch.testing.assert_close(past, u[:, -3:].mT)
    u = nn.functional.silu(mixer.conv(nn.functional.pad(u.mT, (3, 0)))).mT.detach().numpy()
    delta, a = mixer.log_delta.exp().detach().numpy(), -mixer.log_a.exp().detach().numpy()
    b, c, skip = (part.detach().numpy() for part in (mixer.b, mixer.c, mixer.d_skip))
    scanned = np.zeros_like(u)
    for e in range(8):
        constant = np.broadcast_to
        steps = constant(delta[e], (2, 7, 1))
        given = u[..., e : e + 1], steps, a[e : e + 1], constant(b[e], (2, 7, 3)), constant(c[e], (2, 7, 3))
        out, state = definition(*given, skip[e : e + 1])
        scanned[..., e] = out[..., 0]
        np.testing.assert_allclose(h[:, e].detach().numpy(), state[:, 0], rtol=1e-10, atol=1e-12)
    gated = torch.from_numpy(scanned) * nn.functional.silu(gate)
    torch.testing.assert_close(y, mixer.out_proj(gated), rtol=1e-10, atol=1e-12)


def test_the_kernel_is_c_times_powers_of_a_times_b(mixer):
    response = mixer.response(5)
    for e in range(8):
        step = mixer.log_delta[e].exp()
        kept = torch.diag(torch.exp(-step * mixer.log_a[e].exp()))
        for k in range(5):
            expected = mixer.c[e] @ torch.linalg.matrix_power(kept, k) @ (step * mixer.b[e])
            torch.testing.assert_close(response[k, e], expected)


def test_a_convolution_by_fourier_is_the_sum():
    torch.manual_seed(0)
    u, kernel = torch.randn(2, 3, 6, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64)
    expected = torch.zeros_like(u)
    for i in range(6):
        for j in range(i + 1):
            expected[..., i] += kernel[:, i - j] * u[..., j]
    torch.testing.assert_close(causal_convolution(u, kernel), expected)


def test_token_by_token_is_all_at_once(mixer):
    x = torch.randn(2, 7, 4, dtype=torch.float64)
    whole, last = mixer(x)
    state, parts = None, []
    for part in x.split([3, 1, 1, 2], dim=1):
        y, state = mixer(part, state)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    for one, other in zip(state, last, strict=True):
        torch.testing.assert_close(one, other)


def test_moved_in_time_it_gives_the_same(mixer):
    nn.init.zeros_(mixer.conv.bias)  # which would write into the state before the first token
    x = torch.randn(1, 5, 4, dtype=torch.float64)
    late, _ = mixer(nn.functional.pad(x, (0, 0, 2, 0)))
    torch.testing.assert_close(late[:, 2:], mixer(x)[0])


# Relative positions


def test_the_number_of_a_distance_is_added_to_its_score():
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 6, 4, dtype=torch.float64) for _ in range(3))
    attend = RelativePositions(3, farthest=2).double()
    mask = causal_mask(6)
    for one, other in zip(
        attend(query, key, value, mask), scaled_dot_product_attention(query, key, value, mask), strict=True
    ):
        torch.testing.assert_close(one, other)
    nn.init.normal_(attend.bias)
    output, weights = attend(query, key, value, mask)
    for h in range(3):
        for i in range(6):
            scores = [query[:, h, i] @ key[:, h, j].T / 2 for j in range(i + 1)]
            scores = torch.stack([score.diagonal() for score in scores], 1)
            scores = scores + torch.stack([attend.bias[h, min(i - j, 2)] for j in range(i + 1)])
            torch.testing.assert_close(weights[:, h, i, : i + 1], scores.softmax(1))
    torch.testing.assert_close(output, weights @ value)
    last, _ = attend(query[:, :, -2:], key, value, mask[-2:])
    torch.testing.assert_close(last, output[:, :, -2:])


# The models


@pytest.mark.parametrize("model", MODELS)
def test_models_are_those_they_are_called(model):
    reader = RecallModel(model, **SMALL)
    assert reader.recipe == {"model": model, "vocab_size": 16, "num_layers": 2, **SMALL}
    tokens = torch.randint(16, (2, 9))
    assert reader(tokens).shape == (2, 9, 16)
    torch.testing.assert_close(reader(tokens)[:, :5], reader(tokens[:, :5]))  # causal
    if model == "mamba":
        other = Mamba(16, d_model=8, num_layers=2, d_state=3)
        other.load_state_dict(reader.model.state_dict())
        torch.testing.assert_close(reader(tokens), other(tokens)[0])
    kinds = {"mamba": MambaMixer, "time_invariant": TimeInvariantMixer, "relative": RelativePositions}
    assert sum(type(part) in kinds.values() for part in reader.modules()) == (0 if model == "learned" else 2)
    assert model == "learned" or any(isinstance(part, kinds[model]) for part in reader.modules())


def test_models_are_of_one_size_but_for_the_learned_positions():
    sizes = {model: sum(weight.numel() for weight in RecallModel(model).parameters()) for model in MODELS}
    assert sizes.pop("learned") - 512 * 32 < max(sizes.values())
    assert max(sizes.values()) < 1.06 * min(sizes.values())


# Training and measuring


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_loss_is_the_mean_surprise_at_the_answers(question):
    _, losses = recall.train(3, question=question, d_state=2, steps=1, progress=False)
    size = QUESTIONS[question].vocab_size
    with _recipe.drawn_from(3):
        reader = RecallModel(vocab_size=size, d_state=2)
    (batch,) = recall_data.training_batches(question, 1, recall.BATCH, 3)
    surprise = []
    for row, targets in zip(reader(batch.tokens).log_softmax(-1), batch.targets, strict=True):
        surprise += [-row[i, target].item() for i, target in enumerate(targets) if target != NOT_ASKED]
    assert losses[0] == pytest.approx(sum(surprise) / len(surprise), rel=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_training_builds_what_is_asked(model):
    reader, _ = recall.train(0, question="pairs", model=model, d_state=2, steps=1, progress=False)
    assert reader.recipe == RecallModel(model, vocab_size=80, d_state=2).recipe
    assert not reader.training


def test_right_answers_are_counted():
    batch = draw("selective_copying", 9)
    reader = RecallModel(**SMALL)
    right = reader(batch.tokens).argmax(-1)
    targets = right.masked_fill(batch.targets == NOT_ASKED, NOT_ASKED)
    targets[:10, -1] = (targets[:10, -1] + 1) % 16
    assert recall.accuracy(reader, batch._replace(targets=targets)) == pytest.approx(1 - 10 / 200)
    score = recall.measure(reader, "induction", (5, 7))
    each = {n: recall.accuracy(reader, recall_data.held_out("induction", n)) for n in (5, 7)}
    assert score == (each[7], each)
    assert str(recall.Score(0.25, {5: 0.5, 7: 0.25})) == "held-out accuracy 0.2500; 0.500 at 5, 0.250 at 7"


@pytest.mark.parametrize(("question", "share"), [("induction", 1.0), ("selective_copying", 0.997)])
def test_shipped_weights_hold_their_figure(question, share):
    shipped = tasks.load("recall", question=question)
    assert shipped.recipe["model"] == "mamba"
    assert recall.measure(shipped, question, (128,)).accuracy == pytest.approx(share, abs=0.004)


@pytest.mark.slow
def test_learns_what_followed_the_marker():
    trained, losses = recall.train(0, question="induction", model="relative", steps=150, progress=False)
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
    assert not trained.training


# Refusals


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: RecallModel("rnn"),
            "RecallModel: model must be one of 'mamba', 'time_invariant', 'learned', 'relative', got 'rnn'.",
        ),
        (
            lambda: recall.train(question="x"),
            "recall.train: question must be one of 'induction', 'selective_copying', 'pairs', got 'x'.",
        ),
        (
            lambda: recall.measure(RecallModel(), "x"),
            "recall.measure: question must be one of 'induction', 'selective_copying', 'pairs', got 'x'.",
        ),
        (
            lambda: recall_data.pairs(1, 65, torch.Generator()),
            "recall_data.pairs: n must be at most 64, the number of keys, got 65.",
        ),
        (
            lambda: recall_data.induction(1, 2, torch.Generator()),
            "recall_data.induction: n must be at least 3, got 2.",
        ),
        (
            lambda: recall_data.selective_copying(1, 3, torch.Generator()),
            "recall_data.selective_copying: n must be at least 4, got 3.",
        ),
        (
            lambda: TimeInvariantMixer(4)(torch.zeros(1, 2, 4), token_mask=torch.ones(1, 2).bool()),
            "TimeInvariantMixer: token_mask must be left out, got one.",
        ),
    ],
)
def test_refusals(call, words, refuses):
    refuses(call, ValueError, words)
