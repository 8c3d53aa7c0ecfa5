"""The mask makers and the softmax under a mask."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention.bias import causal_lower_right, causal_upper_left

from attnref import causal_mask, masked_softmax, padding_mask, window_mask
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


def test_a_causal_window_holds_the_last_places():
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


def test_masks_go_to_the_device_asked_for():
    assert causal_mask(3, device="meta").device.type == "meta"
    assert padding_mask([1, 2], 3).device.type == torch.get_default_device().type


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
def test_an_empty_row_gives_zeros_and_no_nan(dtype):
    scores = torch.randn(3, 5).to(dtype).requires_grad_()
    weights = masked_softmax(scores, SOME)
    (weights * torch.randn(3, 5).to(dtype)).sum().backward()
    assert weights[1].eq(0).all()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    assert scores.grad[1].eq(0).all()
    assert scores.grad[~SOME].eq(0).all()


def test_no_nan_stands_even_between():
    """What anomaly detection looks for: NaN in any backward step, also where a later step would hide it."""
    scores = torch.randn(3, 5).requires_grad_()
    with torch.autograd.set_detect_anomaly(True):
        masked_softmax(scores, SOME).sum().backward()


def test_masked_softmax_gradient():
    scores = torch.randn(2, 3, 5).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda scores: masked_softmax(scores, SOME), scores)
    assert torch.autograd.gradgradcheck(lambda scores: masked_softmax(scores, SOME), scores)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_large_scores_do_not_overflow(dtype):
    weights = masked_softmax(torch.tensor([[6e4, -6e4, 5e4]], dtype=dtype), torch.tensor([[True, True, False]]))
    assert weights.tolist() == [[1.0, 0.0, 0.0]]


@given(shift=st.floats(-50, 50), seed=st.integers(0, 99))
def test_a_number_added_to_every_score_of_a_row_changes_nothing(agrees, shift, seed):
    scores = torch.randn(3, 5, generator=torch.Generator().manual_seed(seed)).double()
    agrees(masked_softmax(scores + shift, SOME), masked_softmax(scores, SOME))


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
            "padding_mask: lengths must be integers, got torch.bool.",
        ),
        (lambda: padding_mask([1], -1), ValueError, "padding_mask: n_k must be at least 0, got -1."),
        (
            lambda: masked_softmax(torch.zeros(3, 5), torch.zeros(3, 5)),
            TypeError,
            "masked_softmax: mask must be bool (True = may attend), got torch.float32.",
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
