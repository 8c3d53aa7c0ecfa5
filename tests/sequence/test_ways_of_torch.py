"""Every way torch uses a Module, for the recurrent nets and what is built from them: a new one is a line of CASES.

A loop over positions is unrolled where torch traces: each length is a program of its own, and only the batch is free.
The fast versions have free lengths. The shapes are not enforced here: torch's tracers and transforms hand in tensors
that jaxtyping cannot read.
"""

import copy
import pickle
import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, stack_module_state, vmap
from torch.nn.utils import prune
from torch.nn.utils.parametrizations import weight_norm

from attnref import GRU, LSTM, RNN, AdditiveAttention, MultiHeadAttention, RecurrentEncoder, Seq2Seq
from attnref.fast.gru import GRU as FastGRU
from attnref.fast.lstm import LSTM as FastLSTM
from attnref.fast.rnn import RNN as FastRNN
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fused

pytestmark = [
    pytest.mark.refusal,  # not of words: see above
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),  # torch calls it itself, in forward mode
]

BATCH, N, N_Q, D_X, D_H, VOCAB = 3, 4, 2, 3, 6, 11
FULL, HALF = torch.float32, torch.bfloat16


def series(n, masked, batch, dtype):
    return torch.randn(batch, n, D_X, dtype=dtype), None, mask_of(batch, n) if masked else None


def tokens(n, masked, batch, dtype):
    return torch.randint(VOCAB, (batch, n)), mask_of(batch, n) if masked else None


def pairs(n, masked, batch, dtype):
    source, token_mask = tokens(n, masked, batch, dtype)
    return source, torch.randint(VOCAB, (batch, N_Q)), token_mask


def mask_of(batch, n):
    """Holes, padding, and a sample of padding alone."""
    token_mask = torch.rand(batch, n) < 0.6
    token_mask[0] = True
    token_mask[-1] = False
    return token_mask


class Case(NamedTuple):
    """What makes the Module, what makes its arguments, and whether the length is free where torch traces."""

    make: Callable[[], nn.Module]
    draw: Callable
    free: bool = False
    dtypes: tuple[torch.dtype, ...] = (FULL,)  # of its results under autocast to bfloat16

    def build(self, dtype=torch.float64):
        torch.manual_seed(0)
        return self.make().to(dtype)

    def inputs(self, n=N, masked=True, batch=BATCH, dtype=torch.float64):
        return self.draw(n, masked, batch, dtype)


def seq2seq(recurrent, attend):
    return Seq2Seq(VOCAB, VOCAB, d_embed=2, d_h=D_H, attend=attend(), recurrent=recurrent)


CASES = {
    "RNN": Case(partial(RNN, D_X, D_H), series),
    "LSTM": Case(partial(LSTM, D_X, D_H, bidirectional=True), series),
    "GRU": Case(partial(GRU, D_X, D_H, num_layers=2, reset="before"), series),
    "fast RNN": Case(partial(FastRNN, D_X, D_H, num_layers=2), series, free=True),
    "fast LSTM": Case(partial(FastLSTM, D_X, D_H, bidirectional=True), series, free=True),
    "fast GRU": Case(partial(FastGRU, D_X, D_H, num_layers=2, bidirectional=True), series, free=True),
    "encoder": Case(partial(RecurrentEncoder, VOCAB, 2, D_H), tokens),
    "Seq2Seq": Case(partial(seq2seq, LSTM, partial(AdditiveAttention, D_H, D_H, 5)), pairs, dtypes=(HALF, HALF)),
    "fast Seq2Seq": Case(partial(seq2seq, FastGRU, partial(MultiHeadAttention, D_H, 2)), pairs, True, (HALF, HALF)),
    "fast Seq2Seq, fused": Case(partial(seq2seq, FastLSTM, lambda: fused), pairs, True, (HALF,)),
}


def those(condition=lambda case: True):
    return pytest.mark.parametrize("case", [pytest.param(c, id=name) for name, c in CASES.items() if condition(c)])


every = those()
masked_or_not = pytest.mark.parametrize("masked", [False, True], ids=["all", "masked"])


def tensors(result):
    """The tensors of a result, one after another; what is not formed is left out."""
    if isinstance(result, tuple):
        return tuple(tensor for part in result for tensor in tensors(part))
    return () if result is None else (result,)


def same(actual, expected, **tolerance):
    actual, expected = tensors(actual), tensors(expected)
    assert len(actual) == len(expected)
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, theirs, **tolerance)


def loss(result):
    return sum((k + 1) * part.sin().sum() for k, part in enumerate(tensors(result)))


def weights_of(module):
    return {name: weight.detach() for name, weight in module.named_parameters()}


def recurrent_weight(module):
    """The Module that owns a recurrent weight, and its name there and in the whole."""
    path = [name for name, _ in module.named_parameters() if name.endswith("weight_hh_l0")][-1]
    owner, _, name = path.rpartition(".")
    return module.get_submodule(owner), name, path


def axes(args, free):
    """Which axes of the arguments are free: the batch, and the length where it may be."""
    batch, n = torch.export.Dim("batch"), torch.export.Dim("n")
    return tuple(
        None if arg is None else {0: batch, 1: n} if free and arg.shape[1] == N else {0: batch} for arg in args
    )


# Programs.


@every
@masked_or_not
def test_exports_with_a_free_batch_and_if_it_can_a_free_length(case, masked):
    module, args = case.build(), case.inputs(masked=masked)
    program = torch.export.export(module, args, dynamic_shapes=axes(args, case.free)).module()
    for batch, n in ((2, 9), (5, 3)) if case.free else ((2, N), (5, N)):
        other = case.inputs(n, masked, batch)
        same(program(*other), module(*other))
    if case.free:  # its operator has a gradient of its own
        leaves = [dict(each.named_parameters()) for each in (program, module)]
        found, expected = (
            torch.autograd.grad(loss(each(*other)), [own[name] for name in leaves[1]])
            for each, own in zip((program, module), leaves, strict=True)
        )
        same(found, expected)


@those(lambda case: not case.free)
def test_a_loop_exports_for_one_length(case):
    args = case.inputs(masked=False)
    with pytest.raises(torch._dynamo.exc.UserError, match=r"specialized it to be a constant \(4\)"):
        torch.export.export(case.build(), args, dynamic_shapes=axes(args, free=True))


def compiled(module, graphs):
    torch._dynamo.reset()

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    return torch.compile(module, fullgraph=True, backend=backend)


@those(lambda case: case.free)
@masked_or_not
def test_compiles_fifteen_lengths_into_two_graphs(case, masked):
    graphs = []
    module = case.build()
    program = compiled(module, graphs)
    for n in range(2, 17):
        args = case.inputs(n, masked)
        same(program(*args), module(*args))
    assert len(graphs) == 2  # the first length alone, then all others


@those(lambda case: not case.free)
def test_a_loop_compiles_into_a_graph_for_each_length(case):
    graphs = []
    module = case.build()
    program = compiled(module, graphs)
    for n in (1, 2, 3, 2, 1):
        args = case.inputs(n, masked=True)
        same(program(*args), module(*args))
    assert len(graphs) == 3


@every
def test_compiles_fifteen_batch_sizes_into_two_graphs(case):
    graphs = []
    module = case.build()
    program = compiled(module, graphs)
    for batch in range(2, 17):
        args = case.inputs(2, True, batch)
        same(program(*args), module(*args))
    assert len(graphs) == 2


@every
def test_compiles_with_the_same_gradient(case):
    torch._dynamo.reset()
    module, args = case.build(), case.inputs(2, masked=True)
    weights = list(module.parameters())
    program = torch.compile(module, fullgraph=True, backend="aot_eager")
    same(torch.autograd.grad(loss(program(*args)), weights), torch.autograd.grad(loss(module(*args)), weights))


@every
@masked_or_not
def test_traces_one_length_or_if_it_can_all(case, masked):
    module, args = case.build(), case.inputs(masked=masked)
    given = [arg is not None for arg in args]

    class Given(nn.Module):  # torch.jit passes no None
        def __init__(self):
            super().__init__()
            self.module = module

        def forward(self, *args):
            rest = iter(args)
            return tensors(self.module(*(next(rest) if tensor else None for tensor in given)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and wary of every size that is compared
        program = torch.jit.trace(Given(), tensors(args))
    for batch, n in ((BATCH, N), (5, N)) + (((3, 6),) if case.free else ()):
        other = case.inputs(n, masked, batch)
        same(program(*tensors(other)), module(*other))
    if not case.free:
        with pytest.raises(RuntimeError):
            program(*tensors(case.inputs(5, masked)))


@those(lambda case: case.free and case.draw is series)
def test_a_program_refuses_a_second_derivative(case):
    args = case.inputs()
    program = torch.export.export(case.build(), args).module()
    (first, *_) = torch.autograd.grad(loss(program(*args)), list(program.parameters()), create_graph=True)
    with pytest.raises(RuntimeError, match=r"^attnref::recurrent: a program .* has no second derivative\.$"):
        first.sum().backward()


# Weights that are not parameters.


@every
def test_takes_other_weights_by_functional_call(case):
    module, other, args = case.build(), case.make().double(), case.inputs()
    given = weights_of(other)
    result = functional_call(module, given, args)
    same(result, other(*args))
    assert not any(tensor.requires_grad for tensor in tensors(result))


@every
@masked_or_not
def test_gradients_of_each_sample_by_vmap(case, masked):
    module, args = case.build(), case.inputs(masked=masked)
    weights = weights_of(module)

    def loss_of_one(weights, *sample):
        return loss(functional_call(module, weights, tuple(s if s is None else s[None] for s in sample)))

    dims = (None, *(None if arg is None else 0 for arg in args))
    found = vmap(grad(loss_of_one), dims)(weights, *args)
    for b in range(BATCH):
        alone = loss(module(*(arg if arg is None else arg[b : b + 1] for arg in args)))
        for (name, weight), expected in zip(
            module.named_parameters(),
            torch.autograd.grad(alone, list(module.parameters()), allow_unused=True, materialize_grads=True),
            strict=True,
        ):
            torch.testing.assert_close(found[name][b], expected, msg=f"{name} of {tuple(weight.shape)}")


@every
def test_an_ensemble_by_vmap(case):
    """Several sets of weights at once."""
    modules, args = [case.build(), case.make().double()], case.inputs()
    weights, _ = stack_module_state(modules)
    found = vmap(lambda weights: tensors(functional_call(modules[0], weights, args)))(weights)
    for k, module in enumerate(modules):
        same(tuple(part[k] for part in found), module(*args))


@every
def test_takes_a_weight_that_is_normalized(case):
    module, args = case.build(), case.inputs()
    owner, name, path = recurrent_weight(module)
    doubled = {path: 2 * weights_of(module)[path]}
    expected = functional_call(copy.deepcopy(module), doubled, args)
    weight_norm(owner, name)
    same(module(*args), functional_call(copy.deepcopy(module), {}, args))
    with torch.no_grad():
        owner.parametrizations[name].original0.mul_(2)  # the lengths of the rows
    same(module(*args), expected)
    loss(module(*args)).backward()
    assert owner.parametrizations[name].original1.grad.abs().sum() > 0


@every
def test_takes_a_weight_that_is_pruned(case):
    module, args = case.build(), case.inputs()
    owner, name, path = recurrent_weight(module)
    whole = copy.deepcopy(module)
    prune.l1_unstructured(owner, name, amount=0.5)
    kept = getattr(owner, f"{name}_mask")
    assert 0.4 < kept.mean() < 0.6
    same(module(*args), functional_call(whole, {path: weights_of(whole)[path] * kept}, args))
    loss(module(*args)).backward()
    assert getattr(owner, f"{name}_orig").grad[kept == 0].eq(0).all()


@every
def test_works_as_a_replica_whose_weights_are_plain_tensors(case):
    """As `torch.nn.DataParallel` makes them."""

    def replica(module):
        made = module._replicate_for_data_parallel()
        for name, child in module.named_children():
            made._modules[name] = replica(child)
        for name, weight in module._parameters.items():
            setattr(made, name, None if weight is None else 2 * weight)
        return made

    module, args = case.build(), case.inputs()
    made = replica(module)
    assert not list(made.parameters())
    same(made(*args), functional_call(module, {k: 2 * w for k, w in weights_of(module).items()}, args))
    loss(made(*args)).backward()
    assert all(weight.grad is not None for weight in module.parameters())


# Derivatives.


def along(module, args, change):
    """The results as a function of how far the weights are moved along a fixed direction."""
    weights = weights_of(module)

    def moved(amount):
        return tensors(functional_call(module, {k: w + amount * change[k] for k, w in weights.items()}, args))

    return moved


def direction(module):
    return {name: torch.randn_like(weight) for name, weight in weights_of(module).items()}


def slope(function, amount=0.0, step=1e-5):
    """The derivative of a function of one number, from its values."""
    ahead, behind = function(torch.tensor(amount + step)), function(torch.tensor(amount - step))
    return tuple((a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True))


close = {"rtol": 1e-6, "atol": 1e-7}


@every
@masked_or_not
def test_forward_mode(case, masked):
    module, args = case.build(), case.inputs(masked=masked)
    moved = along(module, args, direction(module))
    _, tangent = jvp(moved, (torch.zeros((), dtype=torch.float64),), (torch.ones((), dtype=torch.float64),))
    same(tangent, slope(moved), **close)


@every
@masked_or_not
def test_forward_mode_by_dual_numbers_in_float32(case, masked):
    """Where a kernel of torch has no forward mode of its own."""
    module, args = case.build(), case.inputs(masked=masked)
    change = direction(module)
    expected = slope(along(module, args, change))
    module = module.float()
    args = tuple(arg.float() if arg is not None and arg.is_floating_point() else arg for arg in args)
    with forward_ad.dual_level():
        duals = {k: forward_ad.make_dual(w, change[k].float()) for k, w in weights_of(module).items()}
        found = [forward_ad.unpack_dual(part).tangent for part in tensors(functional_call(module, duals, args))]
    same(tuple(part.double() for part in found), expected, rtol=1e-4, atol=1e-4)


@every
@masked_or_not
def test_both_modes_give_one_jacobian_and_one_hessian(case, masked):
    module, args = case.build(), case.inputs(3, masked, 2)
    name = recurrent_weight(module)[2].replace("weight", "bias")

    def of_bias(bias):
        return tensors(functional_call(module, {name: bias}, args))

    bias = weights_of(module)[name]
    same(jacfwd(of_bias)(bias), jacrev(of_bias)(bias))
    change = torch.randn_like(bias)
    second = hessian(lambda bias: loss(of_bias(bias)))(bias)
    expected = slope(lambda amount: (grad(lambda bias: loss(of_bias(bias)))(bias + amount * change),))
    same(second @ change, expected, **close)
    same(jacrev(grad(lambda bias: loss(of_bias(bias))))(bias), second)


@every
@masked_or_not
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_second_derivative_by_autograd(case, masked, dtype):
    module, args = case.build(), case.inputs(masked=masked)
    change = direction(module)

    def gradient(amount, module=module, args=args, **kept):
        moved = {k: (w + amount * change[k]).to(next(module.parameters()).dtype) for k, w in weights_of(module).items()}
        leaves = {k: w.detach().requires_grad_() for k, w in moved.items()}
        return leaves, torch.autograd.grad(loss(functional_call(module, leaves, args)), list(leaves.values()), **kept)

    expected = slope(lambda amount: gradient(amount)[1])
    module = copy.deepcopy(module).to(dtype)
    args = tuple(arg.to(dtype) if arg is not None and arg.is_floating_point() else arg for arg in args)
    leaves, first = gradient(0.0, module, args, create_graph=True)
    along_change = sum((g * change[k].to(dtype)).sum() for k, g in zip(leaves, first, strict=True))
    found = torch.autograd.grad(along_change, list(leaves.values()), materialize_grads=True)
    tolerance = close if dtype == torch.float64 else {"rtol": 1e-3, "atol": 1e-3}
    same(tuple(part.double() for part in found), expected, **tolerance)


# Tensors without values, dtypes and devices.


@every
@masked_or_not
def test_reads_no_values_of_meta_tensors(case, masked):
    module, args = case.build(), case.inputs(masked=masked)
    expected = module(*args)
    found = copy.deepcopy(module).to("meta")(*(arg if arg is None else arg.to("meta") for arg in args))
    for meta, real in zip(tensors(found), tensors(expected), strict=True):
        assert meta.is_meta
        assert (meta.shape, meta.dtype) == (real.shape, real.dtype)


@every
@masked_or_not
def test_reads_no_values_of_fake_tensors(case, masked):
    expected = case.build(FULL)(*case.inputs(masked=masked, dtype=FULL))
    with FakeTensorMode():
        args = case.inputs(masked=False, dtype=FULL)
        found = case.make()(*args[:-1], torch.ones(BATCH, N, dtype=torch.bool) if masked else None)
    for fake, real in zip(tensors(found), tensors(expected), strict=True):
        assert (fake.shape, fake.dtype) == (real.shape, real.dtype)


def reset(module):
    """As torch's own tools do: each Module draws the weights that it owns itself."""
    for part in module.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()


@every
def test_from_the_meta_device_it_starts_as_any_other(case):
    with torch.device("meta"):
        module = case.make()
    assert all(weight.is_meta for weight in module.parameters())
    module.to_empty(device="cpu")
    for weight in module.parameters():
        nn.init.constant_(weight, torch.nan)
    torch.manual_seed(3)
    reset(module)
    other = case.make()
    torch.manual_seed(3)
    reset(other)
    for (name, weight), expected in zip(module.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(weight, expected, rtol=0, atol=0, msg=name)


@every
def test_one_call_draws_all_weights_anew(case):
    """Those of all its parts, from the same seed to the same weights."""
    module, other = case.build(), case.build()
    for weight in module.parameters():
        nn.init.constant_(weight, torch.nan)
    for each in (module, other):
        torch.manual_seed(3)
        each.reset_parameters()
    for (name, weight), expected in zip(module.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(weight, expected), name


@every
@masked_or_not
def test_default_dtype(case, masked):
    torch.set_default_dtype(torch.float64)
    try:
        module, args = case.make(), case.inputs(masked=masked)
        result = module(*args)
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(weight.dtype == torch.float64 for weight in module.parameters())
    assert all(tensor.dtype == torch.float64 for tensor in tensors(result))
    same(module(*args), result)  # whatever the default is by then


@every
@masked_or_not
def test_default_device(case, masked):
    module, args = case.build(), case.inputs(masked=masked)
    expected = module(*args)
    torch.set_default_device("meta")
    try:
        assert all(weight.is_meta for weight in case.make().parameters())
        same(module(*args), expected)  # made before, and stays where it is
    finally:
        torch.set_default_device(None)


@every
@masked_or_not
def test_autocast_gives_the_documented_dtypes(case, masked):
    module, args = case.build(torch.float32), case.inputs(masked=masked, dtype=torch.float32)
    expected = tensors(module(*args))
    given = [args]
    if args[0].is_floating_point():  # a layer before it may have cast its output
        given.append((args[0].bfloat16(), *args[1:]))
    for args in given:
        with torch.autocast("cpu", torch.bfloat16):
            result = tensors(module(*args))
        assert [tensor.dtype for tensor in result] == [*(case.dtypes * len(expected))[: len(expected)]]
        same(tuple(tensor.float() for tensor in result), expected, rtol=0.05, atol=0.05)
        gradients = torch.autograd.grad(loss(result), list(module.parameters()), allow_unused=True)
        exact = torch.autograd.grad(loss(expected), list(module.parameters()), allow_unused=True, retain_graph=True)
        for found, wanted in zip(gradients, exact, strict=True):
            assert (found - wanted).norm() <= 0.1 * wanted.norm() + 0.05


@every
@masked_or_not
def test_autocast_leaves_float64_as_it_is(case, masked):
    module, args = case.build(), case.inputs(masked=masked)
    with torch.autocast("cpu", torch.bfloat16):
        result = module(*args)
    same(result, module(*args))


# Copies.


@every
def test_copies_give_the_same(case):
    module, args = case.build(), case.inputs()
    expected = module(*args)
    same(pickle.loads(pickle.dumps(module))(*args), expected)
    same(copy.deepcopy(module)(*args), expected)
    fresh = case.make().double()
    for weight in fresh.parameters():
        nn.init.zeros_(weight)
    assert fresh.load_state_dict(module.state_dict(), strict=True) == nn.modules.module._IncompatibleKeys([], [])
    same(fresh(*args), expected)


@every
def test_loads_strictly(case):
    weights = case.build().state_dict()
    left_out = weights.pop(next(iter(weights)))
    with pytest.raises(RuntimeError, match="Missing key"):
        case.make().load_state_dict(weights)
    weights["unknown"] = left_out
    with pytest.raises(RuntimeError, match="Unexpected key"):
        case.make().load_state_dict(weights)
