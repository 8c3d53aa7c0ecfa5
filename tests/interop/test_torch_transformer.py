"""torch's encoder, decoder and Transformer to ours and back: same outputs, same gradients, same weights."""

import copy
import warnings
from functools import partial

import pytest
import torch
from theirs import randomized, torch_stack
from torch import nn

from attnref import (
    AdditiveAttention,
    MultiHeadAttention,
    TransformerDecoder,
    TransformerEncoder,
    causal_mask,
    padding_mask,
    scaled_dot_product_attention,
)
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast_attention
from attnref.interop import from_torch, to_torch

norms = pytest.mark.parametrize("norm_first", [False, True])


def _name(activation):
    return getattr(activation, "__name__", str(activation))


activations = pytest.mark.parametrize(
    "activation", ["relu", "gelu", nn.ReLU(), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.functional.silu], ids=_name
)
REAL, TARGET_REAL = padding_mask([7, 4], 7), padding_mask([5, 3], 5)


def encoder(final_norm=True, num_layers=3, dropout=0.0, heads=2, **options):
    layer = nn.TransformerEncoderLayer(8, heads, 16, dropout, batch_first=True, dtype=torch.float64, **options)
    norm = last_norm(options) if final_norm else None
    return drawn(nn.TransformerEncoder(layer, num_layers, norm, enable_nested_tensor=False))


def decoder(final_norm=True, num_layers=2, dropout=0.0, **options):
    layer = nn.TransformerDecoderLayer(8, 2, 16, dropout, batch_first=True, dtype=torch.float64, **options)
    return drawn(nn.TransformerDecoder(layer, num_layers, last_norm(options) if final_norm else None))


def last_norm(options):
    return nn.LayerNorm(8, options.get("layer_norm_eps", 1e-5), dtype=torch.float64)


def drawn(module):
    return randomized(module)


def whole(**options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that pre-norm has no fast path
        return drawn(nn.Transformer(8, 2, 3, 2, 16, 0.0, batch_first=True, dtype=torch.float64, **options))


def vectors(n):
    return torch.randn(2, n, 8, dtype=torch.float64)


@norms
@activations
@pytest.mark.parametrize("final_norm", [True, False])
def test_encoder_from_torch(norm_first, activation, final_norm):
    theirs, x = encoder(final_norm, norm_first=norm_first, activation=activation), vectors(7)
    ours = from_torch(theirs)
    found, _ = ours(x, REAL & causal_mask(7))
    expected = theirs(x, ~causal_mask(7), src_key_padding_mask=~REAL[:, 0])
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    assert (ours.final_norm is not None) == final_norm
    assert len(ours.layers) == 3


@norms
@activations
@pytest.mark.parametrize("final_norm", [True, False])
def test_decoder_from_torch(norm_first, activation, final_norm):
    theirs, x, memory = decoder(final_norm, norm_first=norm_first, activation=activation), vectors(5), vectors(7)
    found, _ = from_torch(theirs)(x, memory, causal_mask(5) & TARGET_REAL, REAL)
    masks = {"tgt_key_padding_mask": ~TARGET_REAL[:, 0], "memory_key_padding_mask": ~REAL[:, 0]}
    expected = theirs(x, memory, ~causal_mask(5), **masks)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@norms
@pytest.mark.parametrize("kind", [encoder, decoder])
@pytest.mark.parametrize("activation", ["gelu", nn.GELU("tanh")], ids=_name)
def test_the_epsilon_of_the_norms_goes_along(norm_first, kind, activation):
    theirs, x, memory = kind(norm_first=norm_first, layer_norm_eps=0.1, activation=activation), vectors(5), vectors(7)
    ours = from_torch(theirs)
    given = (x,) if kind is encoder else (x, memory)
    torch.testing.assert_close(ours(*given)[0], theirs(*given), rtol=1e-10, atol=1e-10)
    back = to_torch(ours)
    torch.testing.assert_close(back(*given), theirs(*given), rtol=1e-10, atol=1e-10)
    assert {norm.eps for norm in back.modules() if isinstance(norm, nn.LayerNorm)} == {0.1}
    torch.testing.assert_close(from_torch(back)(*given)[0], theirs(*given), rtol=1e-10, atol=1e-10)


@norms
def test_transformer_from_torch(norm_first):
    theirs, source, target = whole(norm_first=norm_first, activation="gelu"), vectors(7), vectors(5)
    ours = from_torch(theirs)
    memory, _ = ours[0](source, REAL)
    found, _ = ours[1](target, memory, causal_mask(5), REAL)
    masks = {"src_key_padding_mask": ~REAL[:, 0], "memory_key_padding_mask": ~REAL[:, 0]}
    expected = theirs(source, target, tgt_mask=~causal_mask(5), **masks)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_gradients_of_every_weight():
    """A step of gradient descent in ours is one in torch's: the weights taken back are torch's after its own step."""
    theirs, source, target = whole(), vectors(7), vectors(5)
    ours = from_torch(theirs)
    theirs(source, target, tgt_mask=~causal_mask(5)).sin().sum().backward()
    memory, _ = ours[0](source)
    ours[1](target, memory, causal_mask(5))[0].sin().sum().backward()
    with torch.no_grad():
        for weight in (*theirs.parameters(), *ours[0].parameters(), *ours[1].parameters()):
            weight -= 0.1 * weight.grad
    torch.testing.assert_close(dict(to_torch(ours).state_dict()), dict(theirs.state_dict()), rtol=1e-8, atol=1e-8)


@norms
@pytest.mark.parametrize("final_norm", [None, True, False])
def test_to_torch_and_back(norm_first, final_norm):
    options = {"norm": "pre" if norm_first else "post", "activation": "gelu", "final_norm": final_norm}
    ours = (
        randomized(TransformerEncoder(8, 2, 16, 3, **options)),
        randomized(TransformerDecoder(8, 2, 16, 2, **options)),
    )
    theirs, source, target = to_torch(ours), vectors(7), vectors(5)
    assert isinstance(theirs, nn.Transformer)
    memory, _ = ours[0](source, REAL)
    expected, _ = ours[1](target, memory, causal_mask(5), REAL)
    masks = {"src_key_padding_mask": ~REAL[:, 0], "memory_key_padding_mask": ~REAL[:, 0]}
    found = theirs(source, target, tgt_mask=~causal_mask(5), **masks)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    for part, back in zip(ours, from_torch(theirs), strict=True):
        assert type(back) is type(part)
        assert all(torch.equal(back.state_dict()[name], weight) for name, weight in part.state_dict().items())
        assert back.state_dict().keys() == part.state_dict().keys()


@pytest.mark.parametrize("kind", [TransformerEncoder, TransformerDecoder])
def test_to_torch_is_what_the_tests_of_chapter_3_build(kind):
    ours = randomized(kind(8, 2, 16, 2, norm="pre"))
    torch.testing.assert_close(dict(to_torch(ours).state_dict()), dict(torch_stack(ours).state_dict()))


def test_batch_first_or_not():
    first, second = encoder(), encoder()
    for layer in second.layers:
        layer.self_attn.batch_first = False
    second.load_state_dict(first.state_dict())
    x = vectors(7)
    torch.testing.assert_close(from_torch(second)(x)[0], first(x))
    torch.testing.assert_close(from_torch(second)(x)[0], second(x.transpose(0, 1)).transpose(0, 1))


def test_weights_are_copies():
    theirs, x = encoder(), vectors(7)
    ours = from_torch(theirs)
    before, _ = ours(x)
    for weight in theirs.parameters():
        nn.init.zeros_(weight)
    assert torch.equal(ours(x)[0], before)
    pointers = {weight.data_ptr() for weight in ours.parameters()}
    assert len(pointers) == len(list(ours.parameters()))


@pytest.mark.parametrize("grad", [True, False])
def test_dtype_mode_and_what_is_frozen(grad):
    """Within torch.no_grad() too."""
    theirs = encoder(dropout=0.1).eval().float()
    theirs.layers[0].self_attn.in_proj_weight.requires_grad_(False)
    theirs.layers[1].linear1.weight.requires_grad_(False)
    with torch.set_grad_enabled(grad):
        ours = from_torch(theirs)
        back = to_torch(ours)
    frozen = [name for name, weight in ours.named_parameters() if not weight.requires_grad]
    projections = [f"layers.0.self_attention.{part}_proj.weight" for part in ("query", "key", "value")]
    assert frozen == [*projections, "layers.1.feed_forward.inner_proj.weight"]
    assert {weight.dtype for weight in ours.parameters()} == {torch.float32}
    assert not any(module.training for module in (*ours.modules(), *back.modules()))
    assert [name for name, weight in back.named_parameters() if not weight.requires_grad] == [
        "layers.0.self_attn.in_proj_weight",
        "layers.1.linear1.weight",
    ]


def test_nothing_random_is_drawn():
    theirs = whole()
    state = torch.get_rng_state()
    ours = from_torch(theirs)
    assert torch.equal(torch.get_rng_state(), state)
    to_torch(ours[0])
    assert torch.equal(torch.get_rng_state(), state)


def test_any_attention_in_the_heads():
    theirs, x, memory = decoder(), vectors(5), vectors(7)
    expected = theirs(x, memory, ~causal_mask(5))
    found, weights = from_torch(theirs, attend=fast_attention)(x, memory, causal_mask(5), return_weights=True)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    assert weights == (None, None)
    torch.testing.assert_close(
        to_torch(from_torch(theirs, attend=fast_attention))(x, memory, ~causal_mask(5)), expected
    )
    attend = AdditiveAttention(4, 4, 3).double()
    ours = from_torch(theirs, cross_attend=attend)
    torch.testing.assert_close(ours.layers[1].cross_attention.attend.state_dict(), attend.state_dict())
    assert ours(x, memory)[0].isfinite().all()
    pair = from_torch(whole(), attend=fast_attention, cross_attend=scaled_dot_product_attention)
    assert pair[0](memory, return_weights=True)[1] is None
    _, weights = pair[1](x, memory, return_weights=True)
    assert weights.to_itself is None
    assert weights.to_memory is not None


def test_odd_number_of_heads():
    ours = TransformerEncoder(9, 3, 16, 2).double(), TransformerDecoder(9, 3, 16, 2).double()
    x = torch.randn(2, 5, 9, dtype=torch.float64)
    torch.testing.assert_close(to_torch(ours)(x, x), ours[1](x, ours[0](x)[0])[0])


def changed(module, **of_last_layer):
    """Change the last layer."""
    for name, value in of_last_layer.items():
        setattr(module.layers[-1], name, value)
    return module


class Layer(nn.TransformerEncoderLayer):
    """Does something of its own."""


def other_kind():
    module = encoder()
    module.layers[1] = Layer(8, 2, 16)
    return module


def with_extra_key():
    module = encoder()
    module.layers[0].self_attn = nn.MultiheadAttention(8, 2, add_bias_kv=True, batch_first=True)
    return module


def with_another_epsilon(name, module):
    module.get_submodule(name).eps = 0.1
    return module


def without_a_weight():
    module = encoder()
    del module.layers[1].norm2.bias
    module.layers[1].norm2.register_parameter("bias", None)
    return module


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: from_torch(nn.Linear(8, 8)),
            TypeError,
            "from_torch: module must be a torch.nn.TransformerEncoder, torch.nn.TransformerDecoder or "
            "torch.nn.Transformer, got torch.nn.modules.linear.Linear.",
        ),
        (
            lambda: from_torch(nn.Transformer(8, 2, 1, 1, 16, custom_encoder=nn.Identity())),
            TypeError,
            "from_torch: the encoder must be a torch.nn.TransformerEncoder, got torch.nn.modules.linear.Identity.",
        ),
        (
            lambda: from_torch(encoder(dropout=0.1)),
            ValueError,
            "from_torch: dropout must be 0, or the module in eval mode, since torch's drops attention weights too, "
            "got dropout=0.1; call module.eval() to take the rest.",
        ),
        (
            lambda: from_torch(encoder(activation=torch.tanh)),
            ValueError,
            "from_torch: the activation must be relu, gelu or silu, got tanh in layers.0.",
        ),
        (
            lambda: from_torch(encoder(activation=partial(nn.functional.gelu, approximate="none"))),
            ValueError,
            "from_torch: the activation must be relu, gelu or silu, "
            "got functools.partial(<built-in function gelu>, approximate='none') in layers.0.",
        ),
        (
            lambda: from_torch(with_another_epsilon("layers.1.norm2", decoder(layer_norm_eps=1e-6))),
            ValueError,
            "from_torch: all norms must agree in layer_norm_eps, "
            "got 1e-06 in layers.1.norm1 and 0.1 in layers.1.norm2.",
        ),
        (
            lambda: from_torch(with_another_epsilon("norm", decoder())),
            ValueError,
            "from_torch: all norms must agree in layer_norm_eps, got 1e-05 in layers.0.norm1 and 0.1 in norm.",
        ),
        (
            lambda: from_torch(encoder(bias=False)),
            ValueError,
            "from_torch: layers must have biases, as attnref's feed-forward networks and norms do, got layers.0.",
        ),
        (
            lambda: from_torch(changed(encoder(), norm_first=True)),
            ValueError,
            "from_torch: all layers must agree in sizes and options, got ((8, 2, 16), {'norm': 'post', 'activation': "
            "'relu', 'norm_eps': 1e-05}) in layer 0 and ((8, 2, 16), {'norm': 'pre', 'activation': 'relu', "
            "'norm_eps': 1e-05}) in layer 2.",
        ),
        (
            lambda: from_torch(other_kind()),
            TypeError,
            f"from_torch: layers.1 must be a torch.nn.TransformerEncoderLayer, got {Layer.__module__}.Layer.",
        ),
        (
            lambda: from_torch(changed(encoder(), extra=nn.Linear(8, 8))),
            ValueError,
            "from_torch: each weight must have its like, got left over layers.2.extra.weight, layers.2.extra.bias.",
        ),
        (
            lambda: from_torch(with_extra_key()),
            ValueError,
            "from_torch: each weight must have its like, "
            "got left over layers.0.self_attn.bias_k, layers.0.self_attn.bias_v.",
        ),
        (
            lambda: from_torch(without_a_weight()),
            ValueError,
            "from_torch: each weight must have its like, got missing layers.1.feed_forward_norm.bias.",
        ),
        (
            lambda: from_torch(encoder(), attend=AdditiveAttention),
            TypeError,
            "from_torch: attend must be a function or an instance (query, key, value, mask) -> (output, weights), "
            "got the class AdditiveAttention; make one first: AdditiveAttention(...).",
        ),
        (
            lambda: from_torch(nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), 0)),
            ValueError,
            "from_torch: the module must have a layer at least, got none.",
        ),
        (
            lambda: to_torch(MultiHeadAttention(8, 2)),
            TypeError,
            "to_torch: module must be a TransformerEncoder, a TransformerDecoder or a pair of the two, "
            "got attnref.attention.multi_head.MultiHeadAttention.",
        ),
        (
            lambda: to_torch(TransformerEncoder(8, 2, 16, 2, attend=AdditiveAttention(4, 4, 3))),
            ValueError,
            "to_torch: attend must be scaled_dot_product_attention, "
            "got attnref.attention.additive.AdditiveAttention in layers.0.self_attention.",
        ),
        (
            lambda: to_torch(TransformerEncoder(8, 2, 16, 2, bias=False)),
            ValueError,
            "to_torch: projections must have biases, as torch's layers do, got bias=False in layers.0.self_attention.",
        ),
        (
            lambda: to_torch(TransformerDecoder(8, 2, 16, 2, dropout=0.1)),
            ValueError,
            "to_torch: dropout must be 0, or the module in eval mode, since torch's drops attention weights too, "
            "got dropout=0.1; call module.eval() to take the rest.",
        ),
        (
            lambda: to_torch((TransformerEncoder(8, 2, 16, 2), TransformerDecoder(6, 2, 16, 2))),
            ValueError,
            "to_torch: encoder and decoder must agree in d_model, got 8 and 6.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, words)


def test_a_refusal_changes_nothing():
    theirs = changed(encoder(), extra=nn.Linear(8, 8))
    before = copy.deepcopy(theirs.state_dict())
    with pytest.raises(ValueError, match="left over"):
        from_torch(theirs)
    torch.testing.assert_close(dict(theirs.state_dict()), dict(before))
