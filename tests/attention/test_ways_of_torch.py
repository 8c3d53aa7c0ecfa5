"""Every way that torch is used: each attention mechanism, and each Module that owns weights, goes through all of them.

A new mechanism joins by a line of `MECHANISMS` in tests/mechanisms.py, a new Module by a line of `MODULES` here.
"""

import copy
import pickle
from functools import partial

import pytest
import torch
from mechanisms import ATTENDS, every, those
from torch import nn
from torch._dynamo.testing import CompileCounter
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import Dim
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap
from torch.nn.utils import parametrizations, prune

from attnref import (
    AdditiveAttention,
    EfficientAttention2d,
    LuongAttention,
    MultiHeadAttention,
    causal_mask,
)
from attnref.fast import additive as fast_additive
from attnref.fast import efficient as fast_efficient
from attnref.fast import linear as fast_linear


def images(batch=2):
    return (torch.randn(batch, 4, 3, 5),)


def sequences(batch=2, d_q=4, d_k=4):
    return torch.randn(batch, 5, d_q), torch.randn(batch, 7, d_k), torch.randn(batch, 7, d_k)


MODULES = {
    "AdditiveAttention": (lambda: AdditiveAttention(d_q=3, d_k=4, d_a=6), partial(sequences, d_q=3)),
    "LuongAttention-dot": (lambda: LuongAttention(4, 4, score="dot"), sequences),
    "LuongAttention-general": (lambda: LuongAttention(3, 4, score="general"), partial(sequences, d_q=3)),
    "LuongAttention-concat": (lambda: LuongAttention(3, 4, score="concat", d_a=6), partial(sequences, d_q=3)),
    "MultiHeadAttention": (lambda: MultiHeadAttention(4, 2, bias=True), sequences),
    "MultiHeadAttention-additive": (lambda: MultiHeadAttention(4, 2, attend=AdditiveAttention(2, 2, 3)), sequences),
    "EfficientAttention2d": (lambda: EfficientAttention2d(4, d_k=3, d_v=5, num_heads=2), images),
}

# Constants of the fast versions that are set so low that every size takes several blocks.
SMALL_BLOCKS = {
    "additive": (fast_additive, {"BLOCK_BYTES": 1}),
    "efficient": (fast_efficient, {"BLOCK_BYTES": 1, "MIN_BLOCK": 2}),
    "linear": (fast_linear, {"BLOCK": 2, "CHUNK": 2}),
}


@pytest.fixture
def small_blocks(monkeypatch):
    """Set the constants of every fast version; a mechanism without blocks stays as it is."""
    for module, constants in SMALL_BLOCKS.values():
        for name, value in constants.items():
            monkeypatch.setattr(module, name, value)


# Programs: torch.export, torch.compile, torch.jit.trace


class Program(nn.Module):
    """The output with a mask, and without one if asked; where the mechanism takes a causal mask, it is made inside."""

    def __init__(self, attend, *, unmasked=False):
        super().__init__()
        self.attend, self.unmasked = attend, unmasked
        self.weights = nn.ParameterList(attend.weights.values())

    def forward(self, query, key, value, mask):
        if self.attend.mechanism.per_query_mask:
            mask = mask & causal_mask(query.shape[1], key.shape[1])
        masks = (mask, None) if self.unmasked else (mask,)
        return tuple(self.attend.output(query, key, value, mask, *self.weights) for mask in masks)

    def example(self, batch, n_q, n_k):
        mask = self.attend.random_mask(batch, n_q=n_q, n_k=n_k)
        mask[-1, -1] = False  # a fully masked row
        return *self.attend.inputs(batch, n_q=n_q, n_k=n_k), mask


@every
@pytest.mark.refusal  # not of words: shapes are not enforced inside a program
def test_exports_with_free_lengths(agrees, attend):
    program, free = Program(attend, unmasked=True), {0: Dim.AUTO, 1: Dim.AUTO}
    shapes = (
        free,
        free,
        free,
        {**free, 2: Dim.AUTO} if attend.mechanism.per_query_mask else {0: Dim.AUTO, 2: Dim.AUTO},
    )
    exported = torch.export.export(program, program.example(3, 5, 7), dynamic_shapes=shapes).module()
    for sizes in ((3, 5, 7), (2, 9, 9), (5, 33, 21)):
        tensors = program.example(*sizes)
        for ours, expected in zip(exported(*tensors), program(*tensors), strict=True):
            agrees(ours, expected)


@every
@pytest.mark.refusal
def test_compiles_few_times_for_many_lengths(agrees, attend):
    """Once for the first length, once for all others: not for each of fifteen."""
    torch._dynamo.reset()
    count = CompileCounter()
    program = Program(attend)
    compiled = torch.compile(program, fullgraph=True, backend=count)
    for n in range(2, 17):
        tensors = program.example(2, n, n + 1)
        for ours, expected in zip(compiled(*tensors), program(*tensors), strict=True):
            agrees(ours, expected)
    assert count.frame_count <= 3


@those(lambda attend: attend.room == "fast")
@pytest.mark.refusal
def test_compiles_with_its_gradient(agrees, attend):
    """The graph of the backward pass is torch's for a reference; a fast version may have its own."""
    torch._dynamo.reset()
    *leaves, mask = Program(attend).example(2, 5, 7)
    leaves = [leaf.requires_grad_() for leaf in leaves]
    compiled = torch.compile(attend.output, fullgraph=True, backend="aot_eager")
    gradients = []
    for output in (compiled(*leaves, mask), attend.output(*leaves, mask)):
        gradients.append(torch.autograd.grad(output.square().sum(), leaves))
    for ours, expected in zip(*gradients, strict=True):
        agrees(ours, expected)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
@pytest.mark.refusal
def test_masks_are_made_while_jit_traces():
    """Sizes are tensors then."""
    traced = torch.jit.trace(lambda x: causal_mask(x.shape[0]), (torch.zeros(4, 2),))
    assert torch.equal(traced(torch.zeros(4, 2)), causal_mask(4))


@those(lambda attend: attend.mechanism.name not in MODULES)
@pytest.mark.refusal
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
def test_jit_trace_holds_for_the_sizes_of_the_trace(agrees, attend):
    mask = attend.empty
    traced = torch.jit.trace(lambda q, k, v: attend.output(q, k, v, mask), tuple(attend.inputs(2)))
    other = attend.inputs(2, seed=1)
    agrees(traced(*other), attend.output(*other, mask))


# Derivatives


def small(attend, mask=True):
    """Few numbers, all of the mechanism's inputs and weights, and a function of them with a fully masked row."""
    query, key, value = attend.inputs(n_q=3, n_k=3)
    empty = torch.tensor([[True, False, True], [True, True, True], [False] * 3])
    mask = (empty if attend.mechanism.per_query_mask else empty[:1]) if mask else None
    tensors = (query, key, value, *map(torch.clone, attend.weights.values()))
    return tensors, lambda query, key, value, *weights: attend.output(query, key, value, mask, *weights)


@every
@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "mask"])
def test_second_derivatives(attend, masked, small_blocks):
    tensors, output = small(attend, masked)
    assert torch.autograd.gradgradcheck(output, [x.requires_grad_() for x in tensors], fast_mode=True)


@those(lambda attend: attend.forward_mode)
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own, within forward mode
@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "mask"])
def test_forward_mode(attend, masked, small_blocks):
    tensors, output = small(attend, masked)
    leaves = [x.requires_grad_() for x in tensors]
    assert torch.autograd.gradcheck(output, leaves, check_forward_ad=True, check_backward_ad=False, fast_mode=True)


@every
def test_torch_func_gives_the_gradients_of_autograd(agrees, attend, small_blocks):
    tensors, output = small(attend)
    ours = grad(lambda *tensors: output(*tensors).square().sum(), argnums=tuple(range(len(tensors))))(*tensors)
    leaves = [x.clone().requires_grad_() for x in tensors]
    for mine, other in zip(ours, torch.autograd.grad(output(*leaves).square().sum(), leaves), strict=True):
        agrees(mine, other)


@every
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_jacobians(agrees, attend, small_blocks):
    tensors, output = small(attend)
    every_input = tuple(range(len(tensors)))
    expected = torch.autograd.functional.jacobian(output, tensors)
    for ours, other in zip(jacrev(output, argnums=every_input)(*tensors), expected, strict=True):
        agrees(ours, other)
    if attend.forward_mode:
        for ours, other in zip(jacfwd(output, argnums=every_input)(*tensors), expected, strict=True):
            agrees(ours, other)
    expected = torch.autograd.functional.hessian(lambda query: output(query, *tensors[1:]).square().sum(), tensors[0])
    second = hessian if attend.forward_mode else lambda function: jacrev(jacrev(function))
    agrees(second(lambda query: output(query, *tensors[1:]).square().sum())(tensors[0]), expected)


@those(lambda attend: not attend.forward_mode)
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.refusal
@pytest.mark.parametrize("n", [3, 70])
def test_forward_mode_is_refused_whatever_the_size(attend, n):
    tensors = attend.inputs(n_q=n, n_k=n)
    with pytest.raises(NotImplementedError, match=f"^{attend.mechanism.name}: .* forward"):
        jvp(lambda *qkv: attend.output(*qkv), tuple(tensors), tuple(tensors))


# Many at once: vmap and functional_call


@every
@pytest.mark.parametrize("with_mask", [False, True], ids=["no mask", "mask"])
def test_vmap_is_another_leading_axis(agrees, attend, with_mask):
    """Over all inputs and the mask, or over the mask or the query alone."""
    query, key, value = attend.inputs(3, 2)
    mask = attend.random_mask(3, 2) if with_mask else None
    over_mask = 0 if with_mask else None
    mapped = vmap(attend.output, in_dims=(0, 0, 0, over_mask))(query, key, value, mask)
    agrees(mapped, attend.output(query, key, value, mask))
    expanded = (key[0].expand_as(key), value[0].expand_as(value))
    mapped = vmap(attend.output, in_dims=(0, None, None, over_mask))(query, key[0], value[0], mask)
    agrees(mapped, attend.output(query, *expanded, mask))
    if with_mask:
        mapped = vmap(attend.output, in_dims=(None, None, None, 0))(query[0], key[0], value[0], mask)
        agrees(mapped, attend.output(query[0].expand_as(query), *expanded, mask))


@every
def test_gradients_of_each_sample(agrees, attend, small_blocks):
    """vmap(grad) over the samples, of inputs and weights, against one sample after the other."""
    query, key, value = attend.inputs(3)
    weights = tuple(attend.weights.values())
    mask = attend.random_mask(3)

    def loss(weights, query, key, value, mask):
        return attend.output(query, key, value, mask, *weights).square().sum()

    arguments = (0, 1, 2, 3)
    ours = vmap(grad(loss, argnums=arguments), in_dims=(None, 0, 0, 0, 0))(weights, query, key, value, mask)
    for b in range(3):
        leaves = [x.clone().requires_grad_() for x in (*weights, query[b], key[b], value[b])]
        n = len(weights)
        expected = torch.autograd.grad(loss(leaves[:n], *leaves[n:], mask[b]), leaves)
        for mine, other in zip((*ours[0], *ours[1:]), expected, strict=True):
            agrees(mine[b], other)


@every
def test_strides_of_the_inputs_change_nothing(agrees, attend):
    """Transposed, sliced and expanded inputs, their gradients too."""
    query, key, value = attend.inputs(2)
    ways = {
        "transposed": lambda x: x.mT.contiguous().mT,
        "every second": lambda x: torch.stack((x, x + 1), dim=-1).flatten(-2)[..., ::2],
        "parameter": lambda x: nn.Parameter(x.clone()),
    }
    mask = attend.empty
    expected = attend.output(query, key, value, mask)
    for way in ways.values():
        agrees(attend.output(*map(way, (query, key, value)), mask), expected)
    wide = [x[:1].expand(4, *x.shape[1:]).requires_grad_() for x in (query, key, value)]
    full = [x.detach().clone(memory_format=torch.contiguous_format).requires_grad_() for x in wide]
    ours, theirs = attend.output(*wide, mask[:1]), attend.output(*full, mask[:1])
    agrees(ours, theirs)
    gradients = (
        torch.autograd.grad(output.square().sum(), leaves) for output, leaves in ((ours, wide), (theirs, full))
    )
    for mine, other in zip(*gradients, strict=True):
        agrees(mine, other)


# No values: the meta device and fake tensors


@every
@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "mask"])
def test_meta_and_fake_tensors_have_shape_and_dtype(attend, masked):
    given = [*attend.inputs(2), *([attend.empty] if masked else [])]
    expected, expected_weights = attend(*given)
    on_meta = [x.to("meta") for x in given]
    with FakeTensorMode() as mode:
        fakes = [mode.from_tensor(x) for x in given]
        fake_weights = {name: mode.from_tensor(x) for name, x in attend.weights.items()}
        fake = attend._replace(weights=fake_weights)(*fakes)
    meta = attend._replace(weights={n: x.to("meta") for n, x in attend.weights.items()})(*on_meta)
    for output, weights in (fake, meta):
        assert (output.shape, output.dtype) == (expected.shape, expected.dtype)
        assert (weights is None) == (expected_weights is None)
        if weights is not None:
            assert (weights.shape, weights.dtype) == (expected_weights.shape, expected_weights.dtype)


# Dtypes: autocast


@every
@pytest.mark.parametrize(
    "dtypes",
    [
        (torch.float32,) * 3,
        (torch.bfloat16,) * 3,
        (torch.float16,) * 3,
        (torch.bfloat16, torch.float32, torch.float32),
        (torch.float32, torch.float32, torch.bfloat16),
    ],
    ids=lambda dtypes: "-".join(str(dtype).removeprefix("torch.") for dtype in dtypes),
)
def test_autocast_gives_its_own_dtype(attend, dtypes):
    """That of a matrix product, for output and weights, whatever the dtypes of the inputs."""
    inputs = [x.to(dtype) for x, dtype in zip(attend.inputs(2), dtypes, strict=True)]
    with torch.autocast("cpu", torch.bfloat16):
        results = attend.function(*inputs, attend.empty, **{n: w.float() for n, w in attend.weights.items()})
    expected = attend(*(x.double() for x in inputs), attend.empty)
    for ours, truth in zip(results, expected, strict=True):
        assert (ours is None) == (truth is None)
        if ours is not None:
            assert ours.dtype == torch.bfloat16
            torch.testing.assert_close(ours.double(), truth, rtol=0.06, atol=0.06)


@every
def test_autocast_leaves_float64_as_it_is(attend):
    """As torch's own operations do."""
    query, key, value = attend.inputs(2)
    expected = attend(query, key, value, attend.empty)
    with torch.autocast("cpu", torch.bfloat16):
        results = attend(query, key, value, attend.empty)
    for ours, other in zip(results, expected, strict=True):
        assert ours is None or torch.equal(ours, other)


@every
@pytest.mark.refusal
def test_autocast_does_not_mix_float64(refuses, attend):
    query, key, value = attend.inputs(2)
    words = (
        f"{attend.mechanism.name}: query, key and value must share one dtype, got query torch.float64, "
        "key torch.float32, value torch.float32; autocast leaves float64 as it is."
    )
    with torch.autocast("cpu", torch.bfloat16):
        refuses(lambda: attend(query, key.float(), value.float()), TypeError, words)


# Modules


each_module = pytest.mark.parametrize("name", MODULES)
those_with_weights = pytest.mark.parametrize("name", [name for name in MODULES if name != "LuongAttention-dot"])


def made(name, seed=0):
    torch.manual_seed(seed)
    return MODULES[name][0]()


def first(result):
    return result[0] if isinstance(result, tuple) else result


@each_module
def test_weights_drawn_anew_are_those_of_a_new_module(name):
    """On the meta device, then on a real one: bit for bit what the same seed gives at once."""
    module = made(name)
    with torch.device("meta"):
        empty = made(name)
    assert all(parameter.is_meta for parameter in empty.parameters())
    empty.to_empty(device="cpu")
    for parameter in empty.parameters():
        nn.init.constant_(parameter, torch.nan)
    torch.manual_seed(0)
    empty.reset_parameters()
    for (key, ours), (other_key, expected) in zip(empty.state_dict().items(), module.state_dict().items(), strict=True):
        assert key == other_key
        assert torch.equal(ours, expected)


@each_module
def test_modules_take_the_default_dtype_and_device(name):
    torch.set_default_dtype(torch.float64)
    try:
        module, tensors = made(name), MODULES[name][1]()
        result = first(module(*tensors))
    finally:
        torch.set_default_dtype(torch.float32)
    assert {parameter.dtype for parameter in module.parameters()} <= {torch.float64}
    assert result.dtype == torch.float64
    with torch.device("meta"):
        assert first(made(name)(*MODULES[name][1]())).is_meta


@each_module
@pytest.mark.refusal  # not of words: shapes are not enforced inside a program
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
def test_modules_are_traced(agrees, name):
    module = made(name)
    traced = torch.jit.trace(module, MODULES[name][1](), strict=False)
    other = MODULES[name][1]()
    agrees(first(traced(*other)), first(module(*other)))


@each_module
def test_modules_are_copied_and_pickled(agrees, name):
    module, tensors = made(name), MODULES[name][1]()
    expected = first(module(*tensors))
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert type(other) is type(module)
        assert all(a is not b for a, b in zip(other.parameters(), module.parameters(), strict=True))
        agrees(first(other(*tensors)), expected)
    made(name, seed=1).load_state_dict(module.state_dict(), strict=True)


@those_with_weights
def test_modules_are_functions_of_weights_that_are_no_parameters(agrees, name):
    """Detached weights, and the gradients of each sample by vmap(grad)."""
    module, tensors = made(name).double(), [x.double() for x in MODULES[name][1](batch=3)]
    weights = {key: parameter.detach().clone() for key, parameter in module.named_parameters()}
    agrees(first(functional_call(made(name, seed=1).double(), weights, tuple(tensors))), first(module(*tensors)))

    def loss(weights, *tensors):
        return first(functional_call(module, weights, tensors)).square().sum()

    ours = vmap(grad(loss), in_dims=(None, *[0] * len(tensors)))(weights, *(x[:, None] for x in tensors))
    for b in range(3):
        module.zero_grad()
        first(module(*(x[b : b + 1] for x in tensors))).square().sum().backward()
        for key, parameter in module.named_parameters():
            agrees(ours[key][b], parameter.grad)


@those_with_weights
@pytest.mark.parametrize(
    "change",
    [parametrizations.weight_norm, partial(prune.l1_unstructured, name="weight", amount=0.3)],
    ids=["weight_norm", "prune"],
)
def test_weights_that_torch_makes_anew_at_each_call_learn(agrees, name, change):
    """A step of the optimizer is seen by the next call, and pruned weights stay zero."""
    module, tensors = made(name), MODULES[name][1]()
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    for layer in layers:
        change(layer)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        first(module(*tensors)).square().sum().backward()
        assert all(parameter.grad is not None for parameter in module.parameters())
        optimizer.step()
    output = first(module(*tensors))
    plain = made(name)
    for layer, other in zip(layers, [x for x in plain.modules() if isinstance(x, nn.Linear | nn.Conv2d)], strict=True):
        weight = layer.weight_orig * layer.weight_mask if hasattr(layer, "weight_mask") else layer.weight
        assert hasattr(layer, "weight_mask") == bool(weight.eq(0).any())
        other.weight = nn.Parameter(weight.detach().clone())
        other.bias = layer.bias
    agrees(output, first(plain(*tensors)))


@each_module
def test_replicas_have_tensors_for_parameters(agrees, name):
    """As `nn.DataParallel` makes them on several GPUs."""
    module, tensors = made(name), MODULES[name][1]()
    replicas = {id(part): part._replicate_for_data_parallel() for part in module.modules()}
    for part in module.modules():
        replica = replicas[id(part)]
        for key, child in part.named_children():
            setattr(replica, key, replicas[id(child)])
        for key, parameter in part._parameters.items():
            setattr(replica, key, None if parameter is None else parameter.clone())
    agrees(first(replicas[id(module)](*tensors)), first(module(*tensors)))


def test_every_module_of_the_chapter_is_here():
    import attnref

    owners = {name for name in attnref.attention.__all__ if isinstance(getattr(attnref, name), type)}
    assert owners == {name.partition("-")[0] for name in MODULES}


def test_every_mechanism_of_the_chapter_is_here():
    import attnref

    names = {name for name in attnref.attention.__all__ if name.endswith("_attention")}
    assert names <= {attend.mechanism.name for attend in ATTENDS if attend.room == "attention"}
    assert {"MultiHeadAttention"} <= {attend.mechanism.name for attend in ATTENDS}
