"""The loss of a discrete VAE against its definition and torch's divergences."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, kl_divergence

from attnref.models import discrete_vae_loss
from attnref.oracle.discrete_vae_loss import discrete_vae_loss as oracle


def inputs(dtype=torch.float64, seed=0):
    """Two images of 3 channels, 4 x 6, with six codes each out of five."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (2, 3, 4, 6), (2, 3, 4, 6), (2, 6, 5)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]


@pytest.mark.parametrize("beta", [0.0, 0.001, 2.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_agrees_with_oracle(agrees, arrays, beta, dtype):
    found = discrete_vae_loss(*inputs(dtype), beta=beta)
    assert found.dtype == dtype
    agrees(found, torch.tensor(oracle(*arrays(*inputs(dtype)), beta)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_rounded_once(dtype):
    """One pixel and one patch at a time, so that no mean hides a rounding; each of the two terms alone, too."""
    for seed in range(60):
        images, reconstruction, logits = inputs(dtype, seed)
        pixels = images[:1, :1, :1, :1], reconstruction[:1, :1, :1, :1]
        for one, other, beta in ((*pixels, 0.5), (*pixels, 0.0), (pixels[0], pixels[0], 1.0)):
            given = one, other, logits[:1, :1]
            exact = discrete_vae_loss(*(tensor.double() for tensor in given), beta=beta)
            torch.testing.assert_close(discrete_vae_loss(*given, beta=beta), exact.to(dtype), rtol=1e-6, atol=1e-6)


def test_agrees_with_torchs_divergence(agrees):
    images, reconstruction, logits = inputs()
    uniform = Categorical(logits=torch.zeros(5, dtype=torch.float64))
    divergence = kl_divergence(Categorical(logits=logits), uniform).mean()
    error = torch.nn.functional.mse_loss(reconstruction, images)
    agrees(discrete_vae_loss(images, reconstruction, logits, beta=0.3), error + 0.3 * divergence)


def test_gradcheck():
    given = [tensor.requires_grad_() for tensor in inputs()]
    assert torch.autograd.gradcheck(lambda *tensors: discrete_vae_loss(*tensors, beta=0.3), given)


@given(st.integers(1, 9), st.floats(-20, 20))
def test_equal_codes_cost_nothing_and_a_certain_one_the_logarithm_of_their_number(num_codes, level):
    images = torch.rand(1, 1, 2, 2, dtype=torch.float64)
    equal = torch.full((1, 3, num_codes), level, dtype=torch.float64)
    assert float(discrete_vae_loss(images, images, equal, beta=1.0)) == pytest.approx(0, abs=1e-12)
    sure = equal.clone()
    sure[..., 0] += 1000
    assert float(discrete_vae_loss(images, images, sure, beta=1.0)) == pytest.approx(math.log(num_codes), abs=1e-12)


def test_the_paper_s_weights_differ_by_a_constant():
    """Sums with beta are the means of here with beta n / pixels, times the number of pixels."""
    images, reconstruction, logits = inputs()
    log_q, beta = logits.log_softmax(-1), 6.6
    sums = (images - reconstruction).square().sum((1, 2, 3))
    sums = sums + beta * ((log_q.exp() * (log_q + math.log(5))).sum((1, 2)))
    means = discrete_vae_loss(images, reconstruction, logits, beta=beta * 6 / 72)
    torch.testing.assert_close(72 * means, sums.mean())


def test_scores_far_apart_have_finite_gradients():
    images, reconstruction, logits = inputs()
    logits = (1e4 * logits).requires_grad_()
    discrete_vae_loss(images, reconstruction, logits, beta=1.0).backward()
    assert logits.grad.isfinite().all()


IMAGES, AGAIN, LOGITS = inputs()


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: discrete_vae_loss(IMAGES[0], AGAIN, LOGITS, beta=1),
            ValueError,
            "images must be (batch, channels, height, width), got shape (3, 4, 6).",
        ),
        (
            lambda: discrete_vae_loss(IMAGES, AGAIN[:, 0], LOGITS, beta=1),
            ValueError,
            "reconstruction must be (batch, channels, height, width), got shape (2, 4, 6).",
        ),
        (
            lambda: discrete_vae_loss(IMAGES, AGAIN[:, :1], LOGITS, beta=1),
            ValueError,
            "the reconstruction must have the shape of the images, "
            "got images (2, 3, 4, 6), reconstruction (2, 1, 4, 6).",
        ),
        (
            lambda: discrete_vae_loss(IMAGES, AGAIN, LOGITS[0], beta=1),
            ValueError,
            "logits must be (batch, n, num_codes), got shape (6, 5).",
        ),
        (
            lambda: discrete_vae_loss(IMAGES, AGAIN, LOGITS[:1], beta=1),
            ValueError,
            "images and logits must agree in batch, "
            "got images (2, 3, 4, 6) with batch=2, logits (1, 6, 5) with batch=1.",
        ),
        (
            lambda: discrete_vae_loss(IMAGES.float(), AGAIN, LOGITS, beta=1),
            TypeError,
            "images, reconstruction and logits must share one dtype, "
            "got images torch.float32, reconstruction torch.float64, logits torch.float64.",
        ),
        (
            lambda: discrete_vae_loss(IMAGES, AGAIN, LOGITS, beta=-1),
            ValueError,
            "beta must be finite and at least 0, got -1.",
        ),
        (
            lambda: discrete_vae_loss(IMAGES, AGAIN, LOGITS, beta=None),
            TypeError,
            "beta must be a number, got NoneType.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, f"discrete_vae_loss: {words}")
