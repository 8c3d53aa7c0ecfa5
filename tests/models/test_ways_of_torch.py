"""Every way torch uses a Module, for the models of this chapter: a new one is a line of CASES.

The shapes are not enforced here: torch's tracers and transforms hand in tensors that jaxtyping cannot read.
"""

import copy
import pickle
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jvp, vmap
from torch.nn.utils import parametrize

from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fused
from attnref.fast.selective_scan import selective_scan as blocked
from attnref.models import BERT, DALLE, BERTPretraining, DiscreteVAE, Mamba, MambaMixer, ShowAttendTell, ViT

pytestmark = [
    pytest.mark.refusal,  # not of words: see above
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),  # torch calls it itself, in forward mode
]

VOCAB, N = 11, 4


class Case(NamedTuple):
    """What makes the Module, what makes its arguments, and which of their axes are free where torch exports."""

    make: Callable[[], nn.Module]
    draw: Callable[[int, int], tuple]  # batch, n
    free: tuple[dict, ...]  # of each argument: "batch", "n" by axis
    projection: str  # a linear layer of it that is called, or whose weight is used

    def build(self, dtype=torch.float64):
        torch.manual_seed(0)
        return self.make().to(dtype)

    def inputs(self, batch=3, n=N, dtype=torch.float64):
        torch.manual_seed(batch + n)
        return tuple(a.to(dtype) if a is not None and a.is_floating_point() else a for a in self.draw(batch, n))


def captioner(**options):
    sizes = {"d_features": 6, "d_embed": 4, "d_h": 5, "d_attention": 3}
    return ShowAttendTell(nn.Conv2d(2, 6, 2, 2), VOCAB, **sizes, **options)


def image_and_caption(batch, n):
    return torch.randn(batch, 2, 4, 6), torch.randint(VOCAB, (batch, n))


def image(batch, _):
    return (torch.randn(batch, 2, 4, 6),)


def vit(**options):
    return ViT(5, image_size=(4, 6), patch=2, channels=2, d_model=8, num_heads=2, d_ff=16, num_layers=2, **options)


def bert(**options):
    """Drawn wider than BERT's weights are, whose norms divide by little: difference quotients would be far off."""
    sizes = {"d_model": 8, "num_heads": 2, "d_ff": 16, "num_layers": 2, "max_positions": 9}
    model = BERT(VOCAB, **sizes, **options)
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.4)
    return model


def texts(batch, n):
    real = torch.arange(n) < torch.randint(1, n + 1, (batch, 1))
    return torch.randint(VOCAB, (batch, n)), torch.randint(2, (batch, n)), real


class BothLogits(DALLE):
    """Scores of text and image in one tensor."""

    def forward(self, text, image_tokens, text_mask=None):
        scores = super().forward(text, image_tokens, text_mask=text_mask)
        return torch.cat([part.flatten(1) for part in scores[:2]], dim=1)


def dalle(**options):
    """Drawn wider than its weights are: difference quotients would be far off."""
    sizes = {"n_text": 3, "grid": (3, 3), "d_model": 8, "num_heads": 2, "d_ff": 16, "num_layers": 2}
    model = BothLogits(VOCAB, 7, **sizes, **options)
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.4)
    return model


def texts_and_images(batch, n):
    real = torch.arange(3) < torch.randint(1, 4, (batch, 1))
    return torch.randint(VOCAB, (batch, 3)), torch.randint(7, (batch, n)), real


def mamba(**options):
    """Drawn wider than Mamba's weights are: difference quotients would be far off."""
    model = Mamba(VOCAB, d_model=4, num_layers=1, d_state=3, **options)
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.4)
    return model


class GivenNoise(DiscreteVAE):
    """With the noise as an argument, so that it gives the same twice."""

    def forward(self, images, noise):
        return super().forward(images, 0.7, noise=noise)


def image_and_noise(batch, _):
    return torch.randn(batch, 2, 4, 6), -torch.empty(batch, 6, 5).exponential_().log()


def unpadded(batch, n):
    return (torch.randint(VOCAB, (batch, n)),)


def sequence_and_mask(batch, n):
    return torch.randn(batch, n, 4), None, torch.arange(n) < torch.randint(1, n + 1, (batch, 1))


PAIR, ALONE = ({0: "batch"}, {0: "batch"}), ({0: "batch"},)  # ShowAttendTell unrolls its loop over n
TEXTS = ({0: "batch", 1: "n"},) * 3
MASKED = ({0: "batch"}, {}, {0: "batch"})
CASES = {
    "DiscreteVAE": Case(
        partial(GivenNoise, 5, image_size=(4, 6), patch=2, channels=2, d_hidden=6, d_code=3),
        image_and_noise,
        PAIR,
        "decoder.0",
    ),
    "Mamba": Case(mamba, unpadded, ALONE, "layers.0.mixer.in_proj"),  # unrolls its loop over n, too
    "MambaMixer, fast": Case(
        partial(MambaMixer, 4, d_state=3, bias=True, scan=blocked), sequence_and_mask, MASKED, "x_proj"
    ),
    "ShowAttendTell": Case(captioner, image_and_caption, PAIR, "decoder.query_proj"),
    "ShowAttendTell, vector gate": Case(
        partial(captioner, gate="vector", attend=fused), image_and_caption, PAIR, "decoder.gate_proj"
    ),
    "BERT": Case(bert, texts, TEXTS, "encoder.layers.0.self_attention.query_proj"),
    "BERTPretraining": Case(lambda: BERTPretraining(bert(attend=fused)), texts, TEXTS, "head.proj"),
    "DALLE": Case(
        dalle,
        texts_and_images,
        ({0: "batch"}, {0: "batch", 1: "n"}, {0: "batch"}),
        "blocks.layers.0.self_attention.key_proj",
    ),
    "ViT": Case(vit, image, ALONE, "head"),
    "ViT, mean": Case(partial(vit, pool="mean", d_hidden=3, attend=fused), image, ALONE, "head.0"),
}
every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def first(result):
    """The first tensor of a result: the logits, or the hidden states."""
    return result if isinstance(result, torch.Tensor) else first(result[0])


def loss(result):
    return first(result).sin().sum()


def weights_of(module):
    return {name: weight.detach() for name, weight in module.named_parameters()}


def used(module, args):
    """The weights that the result depends on."""
    found = torch.autograd.grad(loss(module(*args)), list(module.parameters()), allow_unused=True)
    return {n: g for (n, _), g in zip(module.named_parameters(), found, strict=True) if g is not None}


# Copies.


@every
def test_copies_give_the_same(case):
    module, args = case.build(), case.inputs()
    expected = first(module(*args))
    assert torch.equal(first(pickle.loads(pickle.dumps(module))(*args)), expected)
    assert torch.equal(first(copy.deepcopy(module)(*args)), expected)
    fresh = case.make().double()
    for weight in fresh.parameters():
        nn.init.zeros_(weight)
    fresh.load_state_dict(module.state_dict(), strict=True)
    assert torch.equal(first(fresh(*args)), expected)


@every
def test_loads_strictly(case):
    weights = case.build().state_dict()
    left_out = weights.pop(next(iter(weights)))
    with pytest.raises(RuntimeError, match="Missing key"):
        case.make().load_state_dict(weights)
    weights["unknown"] = left_out
    with pytest.raises(RuntimeError, match="Unexpected key"):
        case.make().load_state_dict(weights)


@every
def test_from_the_meta_device_it_starts_as_any_other(case):
    with torch.device("meta"):
        module = case.make()
    assert all(weight.is_meta for weight in module.parameters())
    module.to_empty(device="cpu")
    for weight in module.parameters():
        nn.init.constant_(weight, torch.nan)
    torch.manual_seed(3)
    module.reset_parameters()
    other = case.make()
    torch.manual_seed(3)
    other.reset_parameters()
    for (name, weight), expected in zip(module.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(weight, expected), name


@every
def test_reads_no_values_of_meta_tensors(case):
    module, args = case.build(), case.inputs()
    expected = first(module(*args))
    found = first(copy.deepcopy(module).to("meta")(*(arg if arg is None else arg.to("meta") for arg in args)))
    assert found.is_meta
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


# Weights that are not parameters, and derivatives.


@every
def test_takes_other_weights_by_functional_call(case):
    module, other, args = case.build(), case.make().double(), case.inputs()
    given = {**weights_of(other), **dict(other.named_buffers())}
    expected = first(other(*args))  # with gradients, where torch's RMSNorm rounds in another order
    torch.testing.assert_close(first(functional_call(module, given, args)), expected, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(first(module(*args)), expected)


@every
def test_gradients_of_each_sample_by_vmap(case):
    module, args = case.build(), case.inputs()

    def of_one(weights, *sample):
        return loss(functional_call(module, weights, tuple(s if s is None else s[None] for s in sample)))

    dims = (None, *(None if arg is None else 0 for arg in args))
    found = vmap(grad(of_one), dims)(weights_of(module), *args)
    for name, expected in used(module, args).items():
        torch.testing.assert_close(found[name].sum(0), expected, rtol=1e-9, atol=1e-9, msg=name)


class Twice(nn.Module):
    def forward(self, weight):
        return 2 * weight


@every
def test_parametrizations_are_used(case):
    module, args = case.build(), case.inputs()
    owner = module.get_submodule(case.projection)
    expected = functional_call(module, {f"{case.projection}.weight": 2 * owner.weight.detach()}, args)
    before = first(module(*args))
    parametrize.register_parametrization(owner, "weight", Twice())
    after = first(module(*args))
    torch.testing.assert_close(after, first(expected))
    assert not torch.allclose(before, after)


@every
def test_forward_mode_is_the_slope(case):
    module, args = case.build(), case.inputs()
    change = {name: torch.randn_like(weight) for name, weight in weights_of(module).items()}

    def along(t):
        return first(functional_call(module, {k: w + t * change[k] for k, w in weights_of(module).items()}, args))

    zero, step = torch.zeros((), dtype=torch.float64), 1e-5
    _, tangent = jvp(along, (zero,), (torch.ones_like(zero),))
    torch.testing.assert_close(tangent, (along(step) - along(-step)) / (2 * step), rtol=1e-5, atol=1e-6)


@every
def test_second_derivatives(case):
    module, args = case.build(), case.inputs()
    weights = weights_of(module)
    change = {name: torch.randn_like(weight) for name, weight in weights.items()}

    def slope(t):
        moved = {name: weight + t * change[name] for name, weight in weights.items()}
        gradients = grad(lambda weights: loss(functional_call(module, weights, args)))(moved)
        return sum((g * change[name]).sum() for name, g in gradients.items())

    h = 1e-5
    curvature = grad(slope)(torch.zeros((), dtype=torch.float64))
    torch.testing.assert_close(curvature, (slope(h) - slope(-h)) / (2 * h), rtol=1e-5, atol=1e-5)


# Dtypes.


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_every_dtype(case, dtype):
    module, args = case.build(), case.inputs()
    found = first(copy.deepcopy(module).to(dtype)(*case.inputs(dtype=dtype)))
    assert found.dtype == dtype
    tolerance = {torch.float16: 0.02, torch.bfloat16: 0.1, torch.float32: 1e-5}[dtype]
    torch.testing.assert_close(found.double(), first(module(*args)), rtol=tolerance, atol=tolerance)


@every
def test_autocast(case):
    module, args = case.build(torch.float32), case.inputs(dtype=torch.float32)
    expected = first(module(*args))
    with torch.autocast("cpu", torch.bfloat16):
        found = first(module(*args))
    torch.testing.assert_close(found.float(), expected, rtol=0.1, atol=0.1)
    assert not torch.equal(found.float(), expected)
    loss(found.float()).backward()
    assert all(w.grad is None or w.grad.isfinite().all() for w in module.parameters())


# Programs.


def axes(case, args):
    letters = {"batch": torch.export.Dim("batch"), "n": torch.export.Dim("n", max=9)}
    pairs = zip(args, case.free, strict=True)
    return tuple(None if arg is None else {k: letters[v] for k, v in free.items()} for arg, free in pairs)


@every
def test_exports_with_free_axes(case):
    module, args = case.build(torch.float32).eval(), case.inputs(dtype=torch.float32)
    program = torch.export.export(module, args, dynamic_shapes=axes(case, args)).module()
    lengths = (N, 6) if any("n" in free.values() for free in case.free) else (N, N)
    for batch, n in zip((2, 5), lengths, strict=True):
        other = case.inputs(batch, n, dtype=torch.float32)
        torch.testing.assert_close(first(program(*other)), first(module(*other)))


@pytest.mark.slow
@every
def test_compiles_with_the_same_gradient(case):
    torch._dynamo.reset()
    module, args = case.build(), case.inputs(n=2)
    program = torch.compile(module, fullgraph=True, backend="aot_eager")
    weights = list(module.parameters())
    found, expected = (torch.autograd.grad(loss(each(*args)), weights, allow_unused=True) for each in (program, module))
    for weight, one, other in zip(weights, found, expected, strict=True):
        zero = torch.zeros_like(weight)  # of a weight that another result depends on
        torch.testing.assert_close(zero if one is None else one, zero if other is None else other)


@pytest.mark.slow
def test_hard_attention_exports():
    """Where it looks at given positions, or at the largest weight."""

    class Hard(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = captioner()

        def forward(self, images, captions, chosen):
            return self.model.hard(images, captions, chosen).logits + self.model.hard(images, captions).logits

    torch.manual_seed(0)
    module, (images, captions) = Hard(), image_and_caption(3, 2)
    chosen = torch.randint(6, (3, 2))
    batch = torch.export.Dim("batch")
    free = ({0: batch}, {0: batch}, {0: batch})
    program = torch.export.export(module, (images, captions, chosen), dynamic_shapes=free).module()
    given = images[:2], captions[:2], chosen[:2]
    torch.testing.assert_close(program(*given), module(*given))
