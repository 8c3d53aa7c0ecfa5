"""The discrete VAE against its definition in NumPy, and the laws of a grid of codes."""

import pytest
import torch
from theirs import randomized
from torch import nn

from attnref.models import DiscreteVAE, discrete_vae_loss, gumbel_softmax
from attnref.oracle import discrete_vae as oracle

SIZES = {"image_size": (4, 6), "patch": 2, "channels": 3, "d_hidden": 4, "d_code": 2}


def make(num_codes=5, **options):
    """In float64, biases drawn too."""
    return randomized(DiscreteVAE(num_codes, **{**SIZES, **options}))


def images(height=4, width=6, channels=3, batch=2):
    return torch.randn(batch, channels, height, width, dtype=torch.float64)


def gumbel(*shape):
    return -torch.empty(shape, dtype=torch.float64).exponential_().log()


def layers(network):
    """As the definition wants them."""
    kinds = {nn.Conv2d: "conv", nn.ConvTranspose2d: "transposed", nn.ReLU: "relu"}
    for layer in network:
        weights = [weight.detach().numpy() for weight in layer.parameters()]
        stride = [layer.stride[0]] if type(layer) is nn.Conv2d else []
        yield (kinds[type(layer)], *weights, *stride)


@pytest.mark.parametrize("hard", [False, True], ids=["soft", "hard"])
@pytest.mark.parametrize("patch", [1, 2, 4])
def test_agrees_with_oracle(agrees, arrays, hard, patch):
    model, x = make(image_size=(4, 8), patch=patch), images(4, 8)
    rows, columns = 4 // patch, 8 // patch
    assert model.grid == (rows, columns)
    noise = gumbel(2, rows * columns, 5)
    encoder, decoder, codebook = (
        list(layers(model.encoder)),
        list(layers(model.decoder)),
        *arrays(model.codebook.weight),
    )
    assert len(encoder) == len(decoder) - 0 * patch == 3 + 2 * (patch.bit_length() - 1)
    reconstruction, logits = model(x, 0.7, hard=hard, noise=noise)
    for found, scores, image, g in zip(reconstruction, logits, *arrays(x, noise), strict=True):
        expected, z = oracle.discrete_vae(image, encoder, codebook, decoder, g, 0.7, columns, hard)
        agrees(found, expected)
        agrees(scores, z)


def test_tokens_are_the_largest_logits():
    model, x = make(), images()
    assert torch.equal(model.tokens(x), model.encode(x).argmax(-1))
    assert model.tokens(x).shape == (2, 6)
    assert model.tokens(x).unique().numel() > 1


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32], ids=str)
def test_tokens_decode_as_their_one_hot_codes(agrees, dtype):
    model, tokens = make(), torch.randint(5, (2, 6))
    agrees(model.decode(tokens.to(dtype)), model.decode(nn.functional.one_hot(tokens, 5).double()))


def test_at_low_temperature_without_noise_it_is_what_its_tokens_keep(agrees):
    model, x = make(), images()
    zero = torch.zeros(2, 6, 5, dtype=torch.float64)
    for found, _ in (model(x, 1e-4, noise=zero), model(x, 3.0, noise=zero, hard=True)):
        agrees(found, model.decode(model.tokens(x)))
    assert not torch.allclose(model(x, 3.0, noise=zero)[0], model.decode(model.tokens(x)))


def test_forward_draws_codes_for_the_decoder(agrees):
    model, x = make().eval(), images()
    found, logits = model(x, 0.5, generator=torch.Generator().manual_seed(1))
    codes = gumbel_softmax(model.encode(x), 0.5, generator=torch.Generator().manual_seed(1))
    agrees(found, model.decode(codes))
    agrees(logits, model.encode(x))
    assert not torch.allclose(model(x, 0.5)[0], model(x, 0.5)[0])


def test_temperature_is_one_unless_given(agrees):
    model, x, noise = make(), images(), gumbel(2, 6, 5)
    agrees(model(x, noise=noise)[0], model(x, 1.0, noise=noise)[0])


def test_codes_lie_row_by_row():
    """A code changed at row 1, column 2 changes pixels about rows 2 and 3, columns 4 and 5, and none far from there."""
    model = make(image_size=(8, 12))
    tokens = torch.zeros(1, 4 * 6, dtype=torch.long)
    other = tokens.index_fill(1, torch.tensor(1 * 6 + 2), 3)
    changed = (model.decode(tokens) - model.decode(other)).abs().amax((0, 1)) > 1e-9
    assert changed[2:4, 4:6].all()
    assert not changed[6:].any()
    assert not changed[:, 8:].any()
    assert not changed[:, :2].any()


def test_logits_lie_row_by_row():
    model, x = make(image_size=(8, 12)), images(8, 12, batch=1)
    other = x.clone()
    other[:, :, 2:4, 4:6] += 1.0
    changed = (model.encode(x) - model.encode(other))[0].abs().amax(-1).unflatten(0, model.grid) > 1e-9
    assert changed[1, 2]
    assert not changed[3:].any()
    assert not changed[:, 4:].any()
    assert not changed[:, :1].any()


@pytest.mark.parametrize("hard", [False, True], ids=["soft", "hard"])
def test_every_weight_learns(hard):
    model, x = make(), images()
    reconstruction, logits = model(x, hard=hard)
    discrete_vae_loss(x, reconstruction, logits, beta=0.0).backward()
    for name, weight in model.named_parameters():
        assert weight.grad.abs().max() > 0, name


def test_tokens_have_no_gradient():
    """Which is why codes are drawn softly."""
    model, x = make(), images()
    (x - model.decode(model.tokens(x))).square().mean().backward()
    assert model.encoder[0].weight.grad is None
    assert model.codebook.weight.grad.abs().max() > 0


def test_default_sizes():
    model = DiscreteVAE(7, image_size=8)
    assert model.grid == (2, 2)
    assert model.codebook.weight.shape == (7, 64)
    assert model(torch.rand(2, 1, 8, 8))[0].shape == (2, 1, 8, 8)


MODEL = DiscreteVAE(5, **SIZES)
IMAGES = torch.zeros(2, 3, 4, 6)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: DiscreteVAE(0, **SIZES), ValueError, "num_codes must be at least 1, got 0."),
        (lambda: DiscreteVAE(5, image_size=6, patch=3), ValueError, "patch must be a power of two, got 3."),
        (lambda: DiscreteVAE(5, image_size=6, patch=0), ValueError, "patch must be at least 1, got 0."),
        (lambda: DiscreteVAE(5, image_size=8, d_code=0), ValueError, "d_code must be at least 1, got 0."),
        (
            lambda: DiscreteVAE(5, image_size=(8, 6), patch=4),
            ValueError,
            "the width of images must divide by that of a patch, got width=6 and a patch of 4 x 4.",
        ),
        (
            lambda: DiscreteVAE(5, image_size=8.0),
            TypeError,
            "image_size must be an int, or a pair (height, width) of two, got float.",
        ),
        (
            lambda: MODEL(IMAGES[:, :, :2]),
            ValueError,
            "images must have height=4, got images (2, 3, 2, 6) with height=2.",
        ),
        (
            lambda: MODEL.tokens(IMAGES[:, :1]),
            ValueError,
            "images (batch, channels, height, width) must have channels=3, got images (2, 1, 4, 6) with channels=1.",
        ),
        (
            lambda: MODEL.encode(IMAGES.double()),
            TypeError,
            "images and weights must share one dtype, got images torch.float64, weights torch.float32.",
        ),
        (
            lambda: MODEL.decode(torch.zeros(2, 5, dtype=torch.long)),
            ValueError,
            "codes must be one for each of the 2 x 3 patches, n=6, got shape (2, 5).",
        ),
        (
            lambda: MODEL.decode(torch.full((2, 6), 5)),
            ValueError,
            "codes must lie between 0 and vocab_size - 1=4, got 5 to 5.",
        ),
        (
            lambda: MODEL.decode(torch.zeros(2, 6, 4)),
            ValueError,
            "codes must have num_codes=5, got codes (2, 6, 4) with num_codes=4.",
        ),
        (
            lambda: MODEL.decode(torch.zeros(2, 6)),
            ValueError,
            "codes must be (batch, n, num_codes), got shape (2, 6).",
        ),
        (lambda: MODEL.decode([0]), TypeError, "codes must be a torch.Tensor, got list."),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, f"DiscreteVAE: {words}")
