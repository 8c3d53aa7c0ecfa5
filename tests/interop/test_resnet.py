"""Hugging Face's ResNet, with random weights, as the encoder of a captioner."""

import inspect
import textwrap

import pytest
import torch
from torch import nn

from attnref.models import ShowAttendTell

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.interop


def make(**options):
    torch.manual_seed(0)
    config = transformers.ResNetConfig(embedding_size=4, hidden_sizes=[8, 12], depths=[1, 2], **options)
    return transformers.ResNetModel(config).eval()


def encode(model, **options):
    from attnref.interop import ResNetEncoder

    return ResNetEncoder(model, **options)


@pytest.mark.parametrize("layer_type", ["basic", "bottleneck"])
def test_is_the_map_before_the_pooling(layer_type):
    model, images = make(layer_type=layer_type), torch.randn(2, 3, 32, 48)
    encoder = encode(model)
    grid = encoder(images)
    assert encoder.d_features == 12
    assert grid.shape == (2, 12, 4, 6)
    torch.testing.assert_close(grid.mean((2, 3)), model(images).pooler_output[:, :, 0, 0])
    assert dict(encoder.named_parameters())["model.embedder.embedder.convolution.weight"] is next(model.parameters())


def test_a_grid_of_a_size_of_its_own():
    model, images = make(), torch.randn(2, 3, 32, 48)
    whole = encode(model)(images)
    pooled = encode(model, grid=(2, 3))(images)
    torch.testing.assert_close(pooled, whole.unflatten(2, (2, 2)).unflatten(4, (3, 2)).mean((3, 5)))
    larger = encode(model, grid=(8, 12))(images)
    torch.testing.assert_close(larger, whole.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_a_captioner_trains_with_it_and_without():
    model = make()
    images, captions = torch.randn(2, 3, 32, 48), torch.randint(7, (2, 5))
    for frozen in (True, False):
        encoder = encode(model).requires_grad_(not frozen)
        captioner = ShowAttendTell(encoder, 7, d_features=12, d_embed=4, d_h=5, d_attention=3)
        logits, weights = captioner(images, captions, return_weights=True)
        assert weights.shape == (2, 5, 24)
        logits.square().sum().backward()
        assert all((weight.grad is None) == frozen for weight in model.parameters())
    captioner.reset_parameters()


def test_the_example():
    from attnref.interop import ResNetEncoder

    code = inspect.getdoc(ResNetEncoder).split("```python\n")[1].split("```")[0]
    exec(textwrap.dedent(code), {})


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: encode(nn.Identity()),
            TypeError,
            "model must be a transformers.ResNetModel, got torch.nn.modules.linear.Identity.",
        ),
        (
            lambda: encode(transformers.ResNetForImageClassification(make().config)),
            TypeError,
            "model must be a transformers.ResNetModel, got "
            "transformers.models.resnet.modeling_resnet.ResNetForImageClassification; pass model.resnet.",
        ),
        (lambda: encode(make(), grid=14), TypeError, "grid must be a pair (height, width), got 14."),
        (lambda: encode(make(), grid=(14, 0)), ValueError, "width must be at least 1, got 0."),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, f"ResNetEncoder: {words}")
