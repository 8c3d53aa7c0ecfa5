"""The mask makers and the softmax under a mask."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention.bias import causal_lower_right, causal_upper_left

from attnref import causal_mask, masked_softmax, padding_mask, window_mask
from attnref.attention._non_finite import set_aside, spoil
from attnref.oracle import masks as oracle

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
SOME = torch.tensor([[True, False, True, True, False], [False] * 5, [False, False, False, False, True]])


@given(n_q=st.integers(0, 7), n_k=st.one_of(st.none(), st.integers(0, 7)), offset=st.integers(-8, 8))
def test_causal_mask_agrees_with_oracle(n_q, n_k, offset):
    np.testing.assert_array_equal(causal_mask(n_q, n_k, offset=offset), oracle.causal_mask(n_q, n_k, offset=offset))


def test_causal_mask_agrees_with_torch():
    """Torch's two conventions for n_q != n_k are two offsets of ours."""
    every = torch.zeros(1, 1)

    def of_torch(bias):
        return torch.zeros(5, 7).masked_fill(~bias._materialize(), -torch.inf) == every

    assert torch.equal(causal_mask(5, 7), of_torch(causal_upper_left(5, 7)))
    assert torch.equal(causal_mask(5, 7, offset=2), of_torch(causal_lower_right(5, 7)))
    assert torch.equal(causal_mask(6), torch.ones(6, 6, dtype=torch.bool).tril())


def test_causal_mask_of_one_step_is_a_row_of_the_whole():
    whole = causal_mask(7)
    for t in range(7):
        assert torch.equal(causal_mask(1, 7, offset=t), whole[t : t + 1])


@given(
    n_q=st.integers(0, 7),
    n_k=st.one_of(st.none(), st.integers(0, 7)),
    width=st.integers(1, 8),
    offset=st.integers(-8, 8),
)
def test_window_mask_agrees_with_oracle(n_q, n_k, width, offset):
    options = {"width": width, "offset": offset}
    np.testing.assert_array_equal(window_mask(n_q, n_k, **options), oracle.window_mask(n_q, n_k, **options))


@given(n=st.integers(1, 9), width=st.integers(1, 9))
def test_window_mask_agrees_with_torch(n, width):
    """torch's triangles: nothing above one diagonal, nothing below another."""
    band = torch.ones(n, n, dtype=torch.bool).tril(width - 1).triu(1 - width)
    assert torch.equal(window_mask(n, width=width), band)


@pytest.mark.interop
@pytest.mark.parametrize("width", [1, 2, 3, 9])
def test_causal_window_agrees_with_hugging_face(width):
    """A window of Mistral's is ours joined with the causal mask."""
    masking = pytest.importorskip("transformers.masking_utils")
    theirs = masking.and_masks(masking.sliding_window_overlay(width), masking.causal_mask_function)
    ours = window_mask(7, width=width) & causal_mask(7)
    for i in range(7):
        for j in range(7):
            assert bool(theirs(0, 0, torch.tensor(i), torch.tensor(j))) == bool(ours[i, j])


def test_a_causal_window_holds_the_last_positions():
    mask = window_mask(6, width=3) & causal_mask(6)
    assert mask.sum(-1).tolist() == [1, 2, 3, 3, 3, 3]
    for t in range(6):  # one query at a time
        row = window_mask(1, 6, width=3, offset=t) & causal_mask(1, 6, offset=t)
        assert torch.equal(row, mask[t : t + 1])


@given(lengths=st.lists(st.integers(0, 6), min_size=1, max_size=4), n_k=st.integers(6, 8))
def test_padding_mask_agrees_with_oracle(lengths, n_k):
    mask = padding_mask(lengths, n_k)
    assert mask.shape == (len(lengths), 1, n_k)
    np.testing.assert_array_equal(mask, oracle.padding_mask(lengths, n_k))
    assert torch.equal(mask, padding_mask(torch.tensor(lengths), n_k))
    assert mask.sum(-1).flatten().tolist() == lengths


def test_padding_mask_takes_an_axis_for_heads():
    lengths = torch.tensor([2, 4, 0])
    mask = padding_mask(lengths[:, None], 5)
    assert mask.shape == (3, 1, 1, 5)
    np.testing.assert_array_equal(mask, oracle.padding_mask(lengths[:, None].numpy(), 5))


def test_masks_combine_with_and():
    mask = causal_mask(4) & padding_mask([3, 4], 4)
    assert mask.shape == (2, 4, 4)
    assert mask[0].tolist() == [[True, False, False, False], [True, True, False, False]] + 2 * [
        [True, True, True, False]
    ]


def test_masks_are_made_on_the_device_asked_for_or_the_default_one():
    lengths = torch.tensor([1, 2])
    assert causal_mask(3, device="meta").device.type == "meta"
    assert window_mask(3, width=1, device="meta").device.type == "meta"
    assert padding_mask(lengths.to("meta"), 3).device.type == "meta"
    made = {"causal": lambda: causal_mask(3), "window": lambda: window_mask(3, width=1)}
    for make in (*made.values(), lambda: padding_mask([1, 2], 3)):
        assert make().device.type == "cpu"
        with torch.device("meta"):
            assert make().device.type == "meta"
    with torch.device("meta"):
        assert padding_mask(lengths, 3).device.type == "cpu"  # of the lengths


@pytest.mark.plain  # more kinds than the annotation names
@pytest.mark.parametrize("lengths", [(2, 4), range(1, 3), np.array([2, 4]), [np.int64(2), torch.tensor(4)]], ids=str)
def test_padding_mask_takes_integers_of_any_kind(lengths):
    assert torch.equal(padding_mask(lengths, 5), padding_mask([int(n) for n in lengths], 5))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("mask", [None, SOME], ids=["all", "some"])
def test_masked_softmax_agrees_with_oracle(agrees, arrays, dtype, mask):
    scores = (3 * torch.randn(2, 3, 5)).to(dtype)
    weights = masked_softmax(scores, mask)
    assert weights.dtype == dtype
    agrees(weights, oracle.masked_softmax(*arrays(scores, mask)))


def test_masked_softmax_agrees_with_torch_where_nothing_is_empty(agrees):
    scores, mask = torch.randn(2, 3, 5).double(), torch.tensor([True, False, True, True, False]).expand(3, 5)
    agrees(masked_softmax(scores, mask), scores.masked_fill(~mask, -torch.inf).softmax(-1))
    agrees(masked_softmax(scores), scores.softmax(-1))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_fully_masked_row_gives_zeros_and_no_nan(dtype):
    scores = torch.randn(3, 5).to(dtype).requires_grad_()
    weights = masked_softmax(scores, SOME)
    (weights * torch.randn(3, 5).to(dtype)).sum().backward()
    assert weights[1].eq(0).all()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    assert scores.grad[1].eq(0).all()
    assert scores.grad[~SOME].eq(0).all()


def test_no_nan_even_within_the_backward_pass():
    """What anomaly detection looks for: NaN in any backward step, also where a later step would mask it."""
    scores = torch.randn(3, 5).requires_grad_()
    with torch.autograd.set_detect_anomaly(True):
        masked_softmax(scores, SOME).sum().backward()


def test_masked_softmax_gradient():
    scores = torch.randn(2, 3, 5).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda scores: masked_softmax(scores, SOME), scores)
    assert torch.autograd.gradgradcheck(lambda scores: masked_softmax(scores, SOME), scores)


def extremes(dtype):
    """Scores from one end of the dtype to the other, both included, and rows that are far below zero as a whole."""
    info = torch.finfo(dtype)
    far = {torch.float16: -6e4}.get(dtype, -5e4)
    return st.sampled_from([info.min, info.max, far, far - 32, -info.tiny, 0.0, 1.0, 30.0])


@given(data=st.data(), dtype=st.sampled_from(DTYPES))
def test_finite_scores_give_weights_of_sum_one_or_zero(agrees, data, dtype):
    """The rule, and the oracle's numbers, with extremes of the dtype beside masked keys that hold anything."""
    n_q, n_k = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 5))
    rows = [data.draw(st.lists(extremes(dtype), min_size=n_k, max_size=n_k)) for _ in range(n_q)]
    kept = [data.draw(st.lists(st.booleans(), min_size=n_k, max_size=n_k)) for _ in range(n_q)]
    anything = data.draw(st.sampled_from([0.0, torch.inf, -torch.inf, torch.nan, torch.finfo(dtype).min]))
    scores, mask = torch.tensor(rows, dtype=dtype).view(n_q, n_k), torch.tensor(kept).view(n_q, n_k).bool()
    with np.errstate(over="ignore"):  # from one end to the other is beyond float64
        expected = oracle.masked_softmax(scores.double().numpy(), mask.numpy())
    leaf = scores.masked_fill(~mask, anything).requires_grad_()
    weights = masked_softmax(leaf, mask)
    agrees(weights, expected)
    agrees(weights.sum(-1), mask.any(-1))
    assert weights[~mask].eq(0).all()
    (gradient,) = torch.autograd.grad((weights * torch.arange(n_k)).sum(), leaf)
    assert gradient.isfinite().all()
    assert gradient[~mask].eq(0).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("mask", [None, torch.tensor([[True, True, False]])], ids=["all", "some"])
def test_rows_far_below_zero_are_weighed_as_any_other(agrees, dtype, mask):
    """All scores below -10000: nothing that replaces minus infinity may be as large."""
    scores = torch.tensor([[-5e4, -4.9e4, 0.0 if mask is not None else -6e4]]).to(dtype)
    agrees(masked_softmax(scores, mask), torch.tensor([[0.0, 1.0, 0.0]]))
    smallest = torch.full((1, 3), torch.finfo(dtype).min, dtype=dtype)
    alike = torch.ones(1, 3).double() / 3 if mask is None else torch.tensor([[0.5, 0.5, 0.0]])
    agrees(masked_softmax(smallest, mask), alike)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("mask", [None, torch.ones(1, 1, dtype=torch.bool)], ids=["no mask", "nothing masked"])
def test_infinite_scores(dtype, mask):
    """-inf has a weight of zero; nothing but -inf, or +inf, or NaN, is NaN as in torch; float16 has no infinities."""
    infinity, nan = torch.inf, torch.nan
    rows = [[-infinity, 0.0, 0.0], [-infinity] * 3, [infinity, 0.0, -infinity], [infinity, infinity, 0.0], [nan, 0, 0]]
    weights = masked_softmax(torch.tensor(rows, dtype=dtype), mask)
    assert weights[0].tolist() == [0.0, 0.5, 0.5]
    assert weights[4].isnan().all()
    if dtype == torch.float16:
        assert weights[1].unique().numel() == 1
        assert weights[1:4].double().sum(-1).tolist() == pytest.approx([1, 1, 1], abs=1e-3)
        assert weights[2:4].tolist() == [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]
    else:
        assert weights[1:4].isnan().all()


@pytest.mark.parametrize("mask", [None, torch.tensor([[True, True, False]])], ids=["all", "some"])
def test_half_precision_scores_that_overflow(mask):
    """Products of 90000 and -90000 are beyond float16; they are at one end, and the row sums to one."""
    query, key = torch.full((1, 1), 300.0).half(), torch.tensor([[300.0], [-300.0], [1.0]]).half()
    scores = (query @ key.mT).requires_grad_()
    assert scores.isinf().any()
    weights = masked_softmax(scores, mask)
    assert weights.tolist() == [[1.0, 0.0, 0.0]]
    (gradient,) = torch.autograd.grad(weights[0, 0], scores)
    assert gradient.isfinite().all()
    assert masked_softmax(-scores, mask).tolist() == [[0.0, 1.0, 0.0]]


@given(seed=st.integers(0, 99), dtype=st.sampled_from(DTYPES))
def test_a_mask_that_masks_nothing_is_no_mask(seed, dtype):
    scores = (5 * torch.randn(3, 5, generator=torch.Generator().manual_seed(seed))).to(dtype)
    assert torch.equal(masked_softmax(scores, torch.ones(3, 5, dtype=torch.bool)), masked_softmax(scores))


def test_masked_softmax_maps_over_scores_and_masks():
    scores, mask = torch.randn(2, 3, 5), torch.stack([SOME, ~SOME])
    assert torch.equal(torch.vmap(masked_softmax)(scores, mask), masked_softmax(scores, mask))
    one = torch.vmap(masked_softmax, in_dims=(None, 0))(scores[0], mask)
    assert torch.equal(one, masked_softmax(scores[:1].expand(2, 3, 5), mask))


@given(shift=st.floats(-50, 50), seed=st.integers(0, 99))
def test_a_number_added_to_every_score_of_a_row_changes_nothing(agrees, shift, seed):
    scores = torch.randn(3, 5, generator=torch.Generator().manual_seed(seed)).double()
    agrees(masked_softmax(scores + shift, SOME), masked_softmax(scores, SOME))


def attend(query, key, value, mask):
    query, key, value, lost = set_aside(query, key, value, mask)
    weights = masked_softmax(query @ key.mT, mask)
    return spoil(weights @ value, lost)


@given(data=st.data())
def test_what_is_not_finite_reaches_the_queries_that_may_attend_to_it_and_nothing_else(agrees, data):
    """Output and gradients of the others are those without these keys; in a query, a key, a value, or in both."""
    n_k, n_q = 5, data.draw(st.sampled_from([1, 4]))
    batch = data.draw(st.sampled_from([(), (1,), (2,)]))
    mask = torch.tensor(data.draw(st.lists(st.booleans(), min_size=n_q * n_k, max_size=n_q * n_k))).view(n_q, n_k)
    bad = torch.tensor(data.draw(st.lists(st.sampled_from([0, 0, 1, 2, 3]), min_size=n_k, max_size=n_k)))
    what = data.draw(st.sampled_from([torch.nan, torch.inf, -torch.inf]))
    torch.manual_seed(data.draw(st.integers(0, 99)))
    leaves = [torch.randn(2, n, d).double() for n, d in ((4, 3), (n_k, 3), (n_k, 2))]
    of_query = data.draw(st.booleans())
    if of_query:
        leaves[0][:, 3, 2] = what
    leaves[1][:, (bad & 1).bool(), 1] = what
    leaves[2][:, (bad & 2).bool(), 0] = what
    lost = (mask & (bad > 0)).any(-1).expand(4) | (mask.any(-1) & (torch.arange(4) == 3) & of_query)
    keep = bad == 0

    tensors = [x.clone().requires_grad_() for x in leaves]
    output = attend(*tensors, mask.expand(*batch, n_q, n_k))
    assert output[:, lost].isnan().all()
    alone = [leaves[0][:, ~lost].nan_to_num(nan=0.0, posinf=0.0, neginf=0.0), leaves[1][:, keep], leaves[2][:, keep]]
    alone = [x.requires_grad_() for x in alone]
    mask = mask.expand(4, n_k)[~lost][:, keep]
    expected = masked_softmax(alone[0] @ alone[1].mT, mask) @ alone[2]
    agrees(output[:, ~lost], expected)
    mine = torch.autograd.grad(output[:, ~lost].square().sum(), tensors)
    theirs = torch.autograd.grad(expected.square().sum(), alone)
    for gradient, rows, wanted in zip(mine, (~lost, keep, keep), theirs, strict=True):
        agrees(gradient[:, rows], wanted)
        assert gradient[:, ~rows].eq(0).all()


def test_without_a_mask_what_is_not_finite_is_left_where_it_is():
    query, key, value = torch.tensor([[torch.nan]]), torch.tensor([[1.0], [torch.nan]]), torch.tensor([[torch.inf]])
    assert set_aside(query, key, value, None) == (query, key, value, None)
    assert spoil(value, None) is value


def test_no_samples_give_no_masks():
    assert padding_mask([], 3).shape == (0, 1, 3)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: causal_mask(3, offset=0.5), TypeError, "causal_mask: offset must be an int, got float."),
        (
            lambda: masked_softmax(torch.zeros(3)),
            ValueError,
            "masked_softmax: scores must be (..., n_q, n_k), got shape (3,).",
        ),
        (
            lambda: masked_softmax(torch.zeros(2, 3, dtype=torch.int64)),
            TypeError,
            "masked_softmax: scores must be floating point, got scores torch.int64.",
        ),
        (lambda: window_mask(3, width=0), ValueError, "window_mask: width must be at least 1, got 0."),
        (lambda: window_mask(3, width=1.5), TypeError, "window_mask: width must be an int, got float."),  # pyright: ignore
        (lambda: window_mask(3, width=1, offset=0.5), TypeError, "window_mask: offset must be an int, got float."),
        (lambda: window_mask(3, -1, width=1), ValueError, "window_mask: n_k must be at least 0, got -1."),
        (lambda: causal_mask(-1), ValueError, "causal_mask: n_q must be at least 0, got -1."),
        (lambda: causal_mask(2, -3), ValueError, "causal_mask: n_k must be at least 0, got -3."),
        (lambda: causal_mask(2.0), TypeError, "causal_mask: n_q must be an int, got float."),  # pyright: ignore
        (lambda: causal_mask(True), TypeError, "causal_mask: n_q must be an int, got bool."),
        (
            lambda: padding_mask([2, 5], 4),
            ValueError,
            "padding_mask: lengths must lie between 0 and n_k=4, got 2 to 5.",
        ),
        (
            lambda: padding_mask(torch.tensor([-1, 2]), 4),
            ValueError,
            "padding_mask: lengths must lie between 0 and n_k=4, got -1 to 2.",
        ),
        (
            lambda: padding_mask(torch.tensor([1.0]), 4),
            TypeError,
            "padding_mask: lengths must be integers, got torch.float32.",
        ),
        (
            lambda: padding_mask(torch.tensor([True]), 4),
            TypeError,
            "padding_mask: lengths must be integers, got torch.bool; "
            "for a token mask (batch, n), pass token_mask[:, None] as mask.",
        ),
        (lambda: padding_mask([1.0, 2.0], 4), TypeError, "padding_mask: lengths must be integers, got torch.float32."),
        (
            lambda: padding_mask([True, False], 4),
            TypeError,
            "padding_mask: lengths must be integers, got torch.bool; "
            "for a token mask (batch, n), pass token_mask[:, None] as mask.",
        ),
        (
            lambda: padding_mask(5, 8),  # pyright: ignore
            TypeError,
            "padding_mask: lengths must be a list or a tensor of integers, one a sample, got int; "
            "for one sample of 5 tokens pass [5].",
        ),
        (
            lambda: padding_mask(None, 8),  # pyright: ignore
            TypeError,
            "padding_mask: lengths must be a list or a tensor of integers, one a sample, got NoneType.",
        ),
        (
            lambda: padding_mask("58", 8),  # pyright: ignore
            TypeError,
            "padding_mask: lengths must be a list or a tensor of integers, one a sample, got str.",
        ),
        (
            lambda: padding_mask([[1], [2, 3]], 4),  # pyright: ignore
            TypeError,
            "padding_mask: lengths must be a list or a tensor of integers, one a sample, "
            "got a list of which torch makes no tensor: expected sequence of length 1 at dim 1 (got 2).",
        ),
        (
            lambda: padding_mask([[5], [2]], 4),  # pyright: ignore
            ValueError,
            "padding_mask: lengths must lie between 0 and n_k=4, got 2 to 5.",
        ),
        (lambda: padding_mask([1], 4.0), TypeError, "padding_mask: n_k must be an int, got float."),  # pyright: ignore
        (lambda: padding_mask([1], -1), ValueError, "padding_mask: n_k must be at least 0, got -1."),
        (
            lambda: masked_softmax(np.zeros((3, 5))),  # pyright: ignore
            TypeError,
            "masked_softmax: scores must be a torch.Tensor, got numpy.ndarray.",
        ),
        (
            lambda: masked_softmax(torch.zeros(3, 5), np.ones((3, 5), dtype=bool)),  # pyright: ignore
            TypeError,
            "masked_softmax: mask must be a torch.Tensor of bool (True = may attend), got numpy.ndarray.",
        ),
        (
            lambda: masked_softmax(torch.zeros(3, 5), torch.zeros(3, 5)),
            TypeError,
            "masked_softmax: mask must be bool (True = may attend), got torch.float32.",
        ),
        (
            lambda: masked_softmax(torch.zeros(3, 5), torch.ones(3, 5, device="meta").bool()),
            ValueError,
            "masked_softmax: mask must be on the device of scores, got mask on meta, scores on cpu.",
        ),
        (
            lambda: masked_softmax(torch.zeros(3, 5), torch.ones(3, 4).bool()),
            ValueError,
            "masked_softmax: mask must broadcast to (..., n_q, n_k) = (3, 5), got shape (3, 4).",
        ),
        (
            lambda: masked_softmax(torch.zeros(3, 5), torch.ones(2, 3, 5).bool()),
            ValueError,
            "masked_softmax: mask must broadcast to (..., n_q, n_k) = (3, 5), got shape (2, 3, 5).",
        ),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error) as refusal:
        call()
    assert str(refusal.value) == words
