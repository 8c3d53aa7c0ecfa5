"""The Vision Transformer against Hugging Face's, and the laws of a model that reads patches."""

import math

import pytest
import torch
from theirs import randomized
from torch import nn

from attnref import AdditiveAttention, efficient_attention, mean_pooling
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast_attention
from attnref.models import ViT

SIZES = {"image_size": (4, 6), "patch": 2, "channels": 3, "d_model": 8, "num_heads": 2, "d_ff": 16, "num_layers": 2}
pools = pytest.mark.parametrize("pool", ["class", "mean"])


def make(num_classes=5, **options):
    """In float64, norms and biases drawn too."""
    return randomized(ViT(num_classes, **{**SIZES, **options}))


def images(height=4, width=6, channels=3, batch=3):
    return torch.randn(batch, channels, height, width, dtype=torch.float64)


def by_hand(model, x):
    """The model's equations 1 to 4, its parts called one by one."""
    rows = [patch.flatten(1) for row in x.split(2, dim=2) for patch in row.split(2, dim=3)]
    tokens = torch.stack(rows, dim=1) @ model.patches.proj.weight.flatten(1).T + model.patches.proj.bias
    if model.class_token is not None:
        tokens = torch.cat((model.class_token.weight.expand(len(x), 1, -1), tokens), dim=1)
    z = tokens + model.positions.weight
    for layer in model.encoder.layers:
        normal = layer.self_attention_norm(z)
        z = z + layer.self_attention(normal, normal, normal)[0]
        inner = layer.feed_forward.inner_proj(layer.feed_forward_norm(z))
        z = z + layer.feed_forward.output_proj(inner * (1 + torch.erf(inner / math.sqrt(2))) / 2)
    z = (z - z.mean(-1, keepdim=True)) / torch.sqrt(z.var(-1, keepdim=True, correction=0) + 1e-6)
    z = z * model.encoder.final_norm.weight + model.encoder.final_norm.bias
    return model.head(z.mean(1) if model.class_token is None else z[:, 0])


@pools
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("d_hidden", [None, 7])
def test_is_the_equations_of_the_paper(pool, channels, d_hidden):
    model, x = make(pool=pool, channels=channels, d_hidden=d_hidden), images(channels=channels)
    torch.testing.assert_close(model(x)[0], by_hand(model, x), rtol=1e-10, atol=1e-10)


def test_the_heads_hidden_layer_is_linear_tanh_linear():
    model, x = make(d_hidden=7), images()
    inner, _, outer = model.head
    vectors = model.encode(x)[0][:, 0]
    expected = torch.tanh(vectors @ inner.weight.T + inner.bias) @ outer.weight.T + outer.bias
    assert inner.weight.shape == (7, 8)
    torch.testing.assert_close(model(x)[0], expected)


PAIRS = {
    "attention.q_proj": "self_attention.query_proj",
    "attention.k_proj": "self_attention.key_proj",
    "attention.v_proj": "self_attention.value_proj",
    "attention.o_proj": "self_attention.output_proj",
    "layernorm_before": "self_attention_norm",
    "mlp.fc1": "feed_forward.inner_proj",
    "mlp.fc2": "feed_forward.output_proj",
    "layernorm_after": "feed_forward_norm",
}


def ours_for(name):
    """Our name of one of their weights."""
    name = name.removeprefix("vit.")
    name = name.replace("embeddings.patch_embeddings.projection", "patches.proj")
    name = name.replace("embeddings.cls_token", "class_token.weight")
    name = name.replace("embeddings.position_embeddings", "positions.weight")
    for theirs, ours in PAIRS.items():
        name = name.replace(f".{theirs}.", f".{ours}.")
    name = name.replace("pooler.dense", "head.0").replace("classifier", "head")
    return f"encoder.{name}".replace("layernorm", "final_norm") if name.startswith(("layers", "layernorm")) else name


def theirs_for(model, kind, **options):
    """Hugging Face's with the same weights, in float64."""
    transformers = pytest.importorskip("transformers")
    height, width = model.image_size
    config = transformers.ViTConfig(
        hidden_size=8,
        num_hidden_layers=len(model.encoder.layers),
        num_attention_heads=2,
        intermediate_size=16,
        image_size=(height, width),
        patch_size=model.patches.patch,
        num_channels=model.patches.channels,
        num_labels=5,
        layer_norm_eps=1e-6,
        **options,
    )
    theirs = getattr(transformers, kind)(config).double().eval()
    own = model.state_dict()
    theirs.load_state_dict(
        {name: own[ours_for(name)].reshape(weight.shape) for name, weight in theirs.state_dict().items()}
    )
    return theirs


GRIDS = pytest.mark.parametrize(
    ("image_size", "patch", "channels"),
    [((6, 6), (2, 2), 3), ((4, 6), (2, 2), 3), ((6, 8), (3, 2), 1), ((5, 12), (5, 4), 2)],
    ids=["square", "wide image", "flat patches", "one row"],
)


@pytest.mark.interop
@GRIDS
def test_agrees_with_hugging_face(image_size, patch, channels):
    """Logits, attention weights and every gradient."""
    model = make(image_size=image_size, patch=patch, channels=channels)
    theirs, x = theirs_for(model, "ViTForImageClassification"), images(*image_size, channels)
    logits, weights = model(x, return_weights=True)
    expected = theirs(x).logits
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-10)
    eager = theirs_for(model, "ViTForImageClassification", attn_implementation="eager")
    their_weights = eager(x, output_attentions=True).attentions  # a softmax in float32, whatever the model's dtype
    torch.testing.assert_close(weights, their_weights, rtol=1e-5, atol=1e-6)

    logits.sin().sum().backward()
    expected.sin().sum().backward()
    own = dict(model.named_parameters())
    for name, weight in theirs.named_parameters():
        found = own[ours_for(name)].grad
        torch.testing.assert_close(found, weight.grad.reshape(found.shape), rtol=1e-8, atol=1e-10, msg=name)


@pytest.mark.interop
def test_agrees_with_hugging_faces_encoder_and_pooler():
    """Its pooler is the hidden layer of our head: a linear layer and tanh."""
    model, x = make(d_hidden=7), images()
    theirs = theirs_for(model, "ViTModel", pooler_output_size=7)
    found, (inner, tanh, _) = model.encode(x)[0], model.head
    expected = theirs(x)
    torch.testing.assert_close(found, expected.last_hidden_state, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(tanh(inner(found[:, 0])), expected.pooler_output, rtol=1e-10, atol=1e-10)


def test_only_the_class_tokens_output_is_used():
    """Moving every other output moves no logit, and gives them a gradient of zero."""
    model, x = make(), images()
    expected, outputs = model(x)[0], model.encode(x)[0].detach()
    moved = outputs.clone()
    moved[:, 1:] = 9.0
    model.encoder.forward = lambda x, **_: (moved, None)
    assert torch.equal(model(x)[0], expected)
    leaf = outputs.requires_grad_()
    model.encoder.forward = lambda x, **_: (leaf, None)
    model(x)[0].sin().sum().backward()
    assert leaf.grad[:, 0].ne(0).any()
    assert leaf.grad[:, 1:].eq(0).all()


def test_every_patch_reaches_the_class_token():
    model, x = make(), images().requires_grad_()
    model(x)[0].sin().sum().backward()
    assert x.grad.ne(0).all()


def test_the_mean_uses_every_output_alike():
    model, x = make(pool="mean"), images()
    outputs, _ = model.encode(x)
    assert outputs.shape == (3, 6, 8)
    torch.testing.assert_close(model(x)[0], model.head(mean_pooling(outputs)))
    assert model.class_token is None


def test_the_class_token_is_learned():
    """It has a gradient, and a step moves it."""
    model, x = make(), images()
    before = model.class_token.weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    nn.functional.cross_entropy(model(x)[0], torch.tensor([0, 1, 2])).backward()
    gradient = model.class_token.weight.grad.clone()
    optimizer.step()
    assert gradient.abs().max() > 1e-6
    torch.testing.assert_close(model.class_token.weight, before - 0.1 * gradient)


@pytest.mark.parametrize(
    ("image_size", "patch", "n"), [(48, 16, 9), ((48, 32), 16, 6), ((4, 6), (2, 3), 4), (224, 16, 196)]
)
@pools
def test_one_token_for_each_patch(image_size, patch, n, pool):
    with torch.device("meta"):
        model = ViT(5, **{**SIZES, "image_size": image_size, "patch": patch, "pool": pool})
        tokens = n + (pool == "class")
        height, width = model.image_size
        x, weights = model.encode(torch.randn(2, 3, height, width), return_weights=True)
    assert model.positions.weight.shape == (tokens, 8)
    assert x.shape == (2, tokens, 8)
    assert [of_layer.shape for of_layer in weights] == [(2, 2, tokens, tokens)] * 2


@pools
def test_without_positions_patches_may_be_shuffled(pool):
    """So order is in the positions alone: with them, it counts."""
    model, x = make(pool=pool), images()
    shuffled = torch.cat([x[..., 4:], x[..., :4]], dim=-1)
    assert not torch.allclose(model(x)[0], model(shuffled)[0])
    nn.init.zeros_(model.positions.weight)
    torch.testing.assert_close(model(x)[0], model(shuffled)[0])


@pools
def test_an_image_is_read_alone(pool):
    model, x = make(pool=pool), images()
    torch.testing.assert_close(torch.cat([model(one[None])[0] for one in x]), model(x)[0])


def test_weights_only_when_asked_for():
    model, x = make(), images()
    assert model(x)[1] is None
    assert model.encode(x)[1] is None
    assert len(model(x, return_weights=True)[1]) == 2


@pools
@pytest.mark.parametrize("attend", [fast_attention, efficient_attention, AdditiveAttention(4, 4, 3)])
def test_any_attention_sits_in_it(pool, attend):
    model, x = make(pool=pool, attend=attend), images()
    logits, weights = model(x, return_weights=True)
    assert logits.isfinite().all()
    assert (weights is None) == (not isinstance(attend, nn.Module))
    if attend is fast_attention:
        reference = make(pool=pool)
        reference.load_state_dict(model.state_dict())
        torch.testing.assert_close(logits, reference(x)[0])


def test_the_sizes_of_the_paper():
    """ViT-Base has 86 million parameters (table 1), with a head for 1000 classes."""
    with torch.device("meta"):
        model = ViT(1000, image_size=224, patch=16, d_model=768, num_heads=12, d_ff=3072, num_layers=12)
    assert sum(weight.numel() for weight in model.parameters()) == 86_567_656


def test_norm_eps_reaches_every_norm():
    norms = [m.eps for m in make(norm_eps=1e-3).modules() if isinstance(m, nn.LayerNorm)]
    assert norms == [1e-3] * 5
    assert {m.eps for m in make().modules() if isinstance(m, nn.LayerNorm)} == {1e-6}


def test_dropout_is_on_the_embedded_patches_and_in_the_blocks():
    model, x = make(dropout=0.5), images()
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.5] * 3
    seen = []
    model.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model(x)
    assert 0.2 < seen[0].eq(0).double().mean() < 0.8
    model.eval()
    assert torch.equal(model(x)[0], model(x)[0])


@pools
@pytest.mark.parametrize("d_hidden", [None, 7])
def test_reset_draws_everything_anew(pool, d_hidden):
    model = make(pool=pool, d_hidden=d_hidden, attend=AdditiveAttention(4, 4, 3))
    for weight in model.parameters():
        nn.init.constant_(weight, torch.nan)
    model.reset_parameters()
    assert all(weight.isfinite().all() for weight in model.parameters())


def made(**options):
    return lambda: ViT(5, **{**SIZES, **options})


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ViT(0, **SIZES), ValueError, "num_classes must be at least 1, got 0."),
        (made(num_layers=0), ValueError, "num_layers must be at least 1, got 0."),
        (made(channels=0), ValueError, "channels must be at least 1, got 0."),
        (made(num_heads=3), ValueError, "d_model must divide by num_heads, got d_model=8 and num_heads=3."),
        (made(pool="max"), ValueError, "pool must be one of 'class', 'mean', got 'max'."),
        (made(d_hidden=0), ValueError, "d_hidden must be at least 1, got 0."),
        (made(d_hidden=2.0), TypeError, "d_hidden must be an int, got float."),
        (made(norm_eps=0.0), ValueError, "norm_eps must be positive and finite, got 0.0."),
        (
            made(image_size=(50, 48), patch=16),
            ValueError,
            "the height of images must divide by that of a patch, got height=50 and a patch of 16 x 16.",
        ),
        (
            made(image_size=(48, 50), patch=(12, 16)),
            ValueError,
            "the width of images must divide by that of a patch, got width=50 and a patch of 12 x 16.",
        ),
        (made(image_size=48.0), TypeError, "image_size must be an int, or a pair (height, width) of two, got float."),
        (
            made(image_size=(3, 48, 48)),
            TypeError,
            "image_size must be an int, or a pair (height, width) of two, got (3, 48, 48).",
        ),
        (made(patch=(2, True)), TypeError, "patch must be an int, or a pair (height, width) of two, got (2, True)."),
        (made(patch=0), ValueError, "patch must be at least 1, got 0."),
        (lambda: make()(images(4, 8)), ValueError, "images must have width=6, got images (3, 3, 4, 8) with width=8."),
        (lambda: make()(images(6, 4)), ValueError, "images must have height=4, got images (3, 3, 6, 4) with height=6."),
        (
            lambda: make().encode(images(6, 6)),
            ValueError,
            "images must have height=4, got images (3, 3, 6, 6) with height=6.",
        ),
        (
            lambda: make()(images()[0]),
            ValueError,
            "images must be (batch, channels, height, width), got shape (3, 4, 6).",
        ),
        (
            lambda: make()(images().movedim(1, -1)),
            ValueError,
            "images (batch, channels, height, width) must have channels=3, got images (3, 4, 6, 3) with channels=4; "
            "the channels come first: images.movedim(-1, 1).",
        ),
        (
            lambda: make()(images(channels=1)),
            ValueError,
            "images (batch, channels, height, width) must have channels=3, got images (3, 1, 4, 6) with channels=1.",
        ),
        (
            lambda: make()((images() * 255).byte()),
            TypeError,
            "images and weights must be floating point, got images torch.uint8, weights torch.float64.",
        ),
        (
            lambda: make()(images().float()),
            TypeError,
            "images and weights must share one dtype, got images torch.float32, weights torch.float64.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, f"ViT: {words}")
