"""The loss of DALL·E against its definition, and how text and image count in it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnref.models import DALLEScores, dalle_loss
from attnref.oracle.dalle_loss import dalle_loss as oracle

REAL = torch.tensor([[True, True, True], [True, False, False]])


def inputs(dtype=torch.float64):
    scores = DALLEScores(torch.randn(2, 3, 7, dtype=dtype), torch.randn(2, 6, 5, dtype=dtype), None)
    return scores, torch.randint(7, (2, 3)), torch.randint(5, (2, 6))


@pytest.mark.parametrize("text_mask", [None, REAL, REAL & False], ids=["unpadded", "padded", "no text"])
@pytest.mark.parametrize("text_weight", [1 / 8, 0.0, 0.6, 1.0])
def test_agrees_with_oracle(agrees, arrays, text_mask, text_weight):
    scores, text, image_tokens = inputs()
    found = dalle_loss(scores, text, image_tokens, text_mask=text_mask, text_weight=text_weight)
    agrees(found, oracle(*arrays(*scores[:2], text, image_tokens, text_mask), text_weight=text_weight))


def test_the_text_counts_an_eighth_unless_told(agrees, arrays):
    scores, text, image_tokens = inputs()
    expected = oracle(*arrays(*scores[:2], text, image_tokens), text_weight=0.125)
    agrees(dalle_loss(scores, text, image_tokens), expected)


@given(token=st.integers(0, 6))
def test_padding_is_not_scored(token):
    """Neither its token nor its logits count, and these get no gradient."""
    scores, text, image_tokens = inputs()
    expected = dalle_loss(scores, text, image_tokens, text_mask=REAL)
    logits = scores.text_logits.masked_fill(~REAL[..., None], 9.0).requires_grad_()
    found = dalle_loss(
        scores._replace(text_logits=logits), text.masked_fill(~REAL, token), image_tokens, text_mask=REAL
    )
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad(found, logits)
    assert gradient[~REAL].eq(0).all()
    assert gradient[REAL].ne(0).all()


def test_gradcheck():
    scores, text, image_tokens = inputs()
    for mask in (None, REAL, REAL & False):
        assert torch.autograd.gradcheck(
            lambda a, b, mask=mask: dalle_loss(DALLEScores(a, b, None), text, image_tokens, text_mask=mask),
            [part.requires_grad_() for part in scores[:2]],
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_every_dtype(agrees, dtype):
    scores, text, image_tokens = inputs(dtype)
    found = dalle_loss(scores, text, image_tokens, text_mask=REAL)
    assert found.dtype == dtype
    wide = DALLEScores(*(part.double() for part in scores[:2]), None)
    agrees(found, dalle_loss(wide, text, image_tokens, text_mask=REAL), dtype)


def test_sums_do_not_overflow_in_float16():
    """600 words of 200 nats: their sum is more than float16 holds."""
    logits = torch.zeros(200, 3, 7, dtype=torch.float16)
    logits[..., 0] = 200
    text, image_tokens = torch.ones(200, 3).long(), torch.ones(200, 1).long()
    scores = DALLEScores(logits, logits[:, :1], None)
    assert dalle_loss(scores, text, image_tokens, text_mask=text == 1) == 200


def call(change=lambda scores: scores, text=None, image_tokens=None, **options):
    scores, *tokens = inputs()
    given = (own if other is None else other for own, other in zip(tokens, (text, image_tokens), strict=True))
    return lambda: dalle_loss(change(scores), *given, **options)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            call(lambda scores: scores.image_logits),
            TypeError,
            "scores must be the DALLEScores of a DALLE, got torch.Tensor.",
        ),
        (call(text_weight=1.5), ValueError, "text_weight must be finite and at least 0 and at most 1, got 1.5."),
        (call(text_weight="1/8"), TypeError, "text_weight must be a number, got str."),
        (
            call(text=torch.zeros(2, 4, dtype=torch.long)),
            ValueError,
            "text_logits and text must agree in batch and n_text, got text_logits (2, 3, 7), text (2, 4).",
        ),
        (
            call(image_tokens=torch.zeros(2, 4, dtype=torch.long)),
            ValueError,
            "image_logits and image_tokens must agree in batch and n_image, "
            "got image_logits (2, 6, 5), image_tokens (2, 4).",
        ),
        (call(text=torch.full((2, 3), 7)), ValueError, "text must lie between 0 and vocab_size - 1=6, got 7 to 7."),
        (
            call(image_tokens=torch.full((2, 6), -1)),
            ValueError,
            "image_tokens must lie between 0 and vocab_size - 1=4, got -1 to -1.",
        ),
        (
            call(text_mask=REAL.int()),
            TypeError,
            "text_mask must be bool (True = a real token), got torch.int32.",
        ),
        (
            call(lambda scores: scores._replace(text_logits=scores.text_logits[0])),
            ValueError,
            "text_logits must be (batch, n_text, text_vocab_size), got shape (3, 7).",
        ),
        (
            call(lambda scores: scores._replace(image_logits=scores.image_logits.long())),
            TypeError,
            "image_logits must be floating point, got image_logits torch.int64.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, f"dalle_loss: {words}")
