"""The fused kernel is told of a causal mask, and of no other, eager and compiled; what it gives is the reference's."""

import contextlib

import pytest
import torch
from torch import nn
from torch.func import grad, hessian, jvp, vmap
from torch.nn import functional as F

from attnref import MultiHeadAttention, causal_mask, padding_mask, scaled_dot_product_attention, window_mask
from attnref.fast import _fused_op
from attnref.fast._fused import is_causal
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast

SIZES = [2, 5, 8, 11]


def edited(*at, n=8):
    mask = causal_mask(n)
    mask[at] = ~mask[at]
    return mask


CAUSAL = {
    "made": causal_mask,
    "by torch": lambda n: torch.ones(n, n, dtype=torch.bool).tril(),
    "copied": lambda n: causal_mask(n).clone(),
    "one for all samples": lambda n: causal_mask(n)[None, None],
    "spread": lambda n: causal_mask(n).expand(2, 3, n, n),
    "cut out": lambda n: causal_mask(n + 8)[:n, :n],
    "cut out further down": lambda n: causal_mask(n + 3)[3:, 3:],
    "column by column": lambda n: torch.ones(n, n, dtype=torch.bool).triu().mT,
    "from the second byte on": lambda n: torch.cat([causal_mask(1)[0], causal_mask(n).flatten()])[1:].view(n, n),
    "edited back": lambda n: causal_mask(n).logical_not_().logical_not_(),
    "joined with what masks nothing": lambda n: causal_mask(n) & torch.ones(n, dtype=torch.bool),
}
OTHERS = {
    "the future of the first": edited(0, 1),
    "the future of the last but one": edited(6, 7),
    "the first of the last": edited(7, 0),
    "itself": edited(4, 4),
    "a row": edited(3),
    "transposed": causal_mask(8).mT,
    "inverted": ~causal_mask(8),
    "flipped": causal_mask(8).flip(-1),
    "rolled": causal_mask(8).roll(1, 0),
    "from an offset": causal_mask(8, offset=1),
    "from a negative offset": causal_mask(8, offset=-1),
    "a window": causal_mask(8) & window_mask(8, width=3),
    "padding": causal_mask(8) & padding_mask([8, 5], 8)[:, None],
    "a sample of its own": torch.stack([causal_mask(8), edited(5, 6)])[:, None],
    "all": torch.ones(8, 8, dtype=torch.bool),
    "one row": causal_mask(1, 8, offset=4),
    "one column": causal_mask(8, 8)[:, 3:4],
}


@pytest.fixture
def told(monkeypatch):
    """What the kernel is called with, one word a call: causal, masked, or all."""
    calls = []

    def listen(place, name):
        kernel = getattr(place, name)

        def called(*inputs, attn_mask=None, is_causal=False, **options):
            calls.append("causal" if is_causal else "all" if attn_mask is None else "masked")
            return kernel(*inputs, attn_mask=attn_mask, is_causal=is_causal, **options)

        monkeypatch.setattr(place, name, called)

    listen(F, "scaled_dot_product_attention")
    listen(_fused_op, "_flash")
    return calls


def inputs(*batch, n=8, n_k=None, d_v=5, dtype=torch.float64):
    shapes = (*batch, n, 4), (*batch, n_k or n, 4), (*batch, n_k or n, d_v)
    return [torch.randn(shape, dtype=torch.float64).to(dtype).requires_grad_() for shape in shapes]


def same(agrees, attend, leaves, mask):
    """Output and gradients are the reference's."""
    outputs = [function(*leaves, mask)[0] for function in (attend, scaled_dot_product_attention)]
    agrees(*outputs)
    along = torch.randn(outputs[0].shape, dtype=torch.float64).to(outputs[0].dtype)
    for ours, expected in zip(*(torch.autograd.grad(out, leaves, along) for out in outputs), strict=True):
        agrees(ours, expected)


def compiled():
    torch._dynamo.reset()
    return torch.compile(fast, fullgraph=True, backend="aot_eager")


def ways(names="", cases=("",), *, compiled=None):
    """Every case eager, and those that are named compiled too, which takes a second each."""
    ids = list(map(str, cases))
    values = list(cases.values()) if isinstance(cases, dict) else list(cases)
    rows = [("eager", *row) for row in zip(values, ids, strict=True)]
    rows += [("compiled", *row) for row in zip(values, ids, strict=True) if compiled is None or row[1] in compiled]
    given = [
        pytest.param(
            *((way, value) if names else (way,)),
            id=f"{way}-{name}",
            marks=pytest.mark.plain if way == "compiled" else (),
        )
        for way, value, name in rows
    ]
    return pytest.mark.parametrize(f"way,{names}" if names else "way", given)


both = ways()


@ways("mask", CAUSAL, compiled=["made", "one for all samples", "spread", "cut out further down"])
def test_the_kernel_is_told_of_a_causal_mask_whoever_made_it(agrees, told, way, mask):
    attend = fast if way == "eager" else compiled()
    for n in SIZES:
        told.clear()
        leaves = inputs(2, 3, n=n)
        attend(*leaves, mask(n))
        assert told == ["causal"]
        same(agrees, attend, leaves, mask(n))


@ways(
    "mask",
    OTHERS,
    compiled=["the future of the last but one", "transposed", "padding", "a sample of its own", "one row"],
)
def test_the_kernel_is_told_of_no_other_mask(agrees, told, way, mask):
    attend = fast if way == "eager" else compiled()
    leaves = inputs(2, 3)
    attend(*leaves, mask)
    assert told == ["masked"]
    same(agrees, attend, leaves, mask)


@pytest.mark.parametrize("n", range(2, 10))
def test_a_mask_that_differs_in_one_entry_is_not_causal(n):
    assert is_causal(causal_mask(n), n, n)
    for i in range(n):
        for j in range(n):
            assert not is_causal(edited(i, j, n=n), n, n), (i, j)


@pytest.mark.parametrize("n", [7, 9])
def test_fewer_or_more_keys_than_queries_are_not_causal_to_the_kernel(agrees, told, n):
    """It would take the first keys for the queries' own, whatever the offset."""
    leaves = inputs(2, 3, n_k=n)
    for mask in (causal_mask(8, n), causal_mask(8, n, offset=n - 8)):
        told.clear()
        fast(*leaves, mask)
        assert told == ["masked"]
        same(agrees, fast, leaves, mask)


@ways(
    "edit",
    {
        "written to": lambda mask: mask.__setitem__((0, 7), True),
        "unseen by autograd": lambda mask: mask.data.__setitem__((0, 7), True),
        "through numpy": lambda mask: mask.numpy().__setitem__((0, 7), True),
        "through a view": lambda mask: mask[0].logical_not_(),
    },
    compiled=["through numpy"],
)
def test_a_mask_that_was_edited_is_read_anew(agrees, told, way, edit):
    attend = fast if way == "eager" else compiled()
    leaves, mask = inputs(2), causal_mask(8)
    attend(*leaves, mask)
    edit(mask)
    attend(*leaves, mask)
    assert told == ["causal", "masked"]
    same(agrees, attend, leaves, mask)


@pytest.mark.plain
def test_compiled_mask_made_inside_and_edited_there(agrees, told):
    def made(query, key, value):
        return fast(query, key, value, causal_mask(query.shape[-2], key.shape[-2]))

    def opened(query, key, value):
        mask = causal_mask(query.shape[-2], key.shape[-2])
        mask[0] = True
        return fast(query, key, value, mask)

    leaves = inputs(2, 3)
    first_row_open = causal_mask(8).index_fill(0, torch.tensor(0), True)
    for program, mask, word in ((made, causal_mask(8), "causal"), (opened, first_row_open, "masked")):
        torch._dynamo.reset()
        told.clear()
        program = torch.compile(program, fullgraph=True, backend="aot_eager")
        program(*leaves)
        assert told == [word]
        same(agrees, lambda *given, program=program: program(*given[:3]), leaves, mask)


@ways("dtype", [torch.float32, torch.float16, torch.bfloat16], compiled=["torch.float16"])
def test_causal_in_every_dtype(agrees, told, way, dtype):
    query, key, value = inputs(2, 3, n=70, dtype=dtype)
    output, _ = (fast if way == "eager" else compiled())(query, key, value, causal_mask(70))
    assert told == ["causal"]
    assert output.dtype == dtype
    agrees(output, scaled_dot_product_attention(query.double(), key.double(), value.double(), causal_mask(70))[0])
    gradients = torch.autograd.grad(output.float().square().sum(), (query, key, value))
    assert all(gradient.dtype == dtype and gradient.isfinite().all() for gradient in gradients)


@ways("batch", [(), (3,), (2, 3), (2, 2, 3)], compiled=["()", "(2, 2, 3)"])
def test_causal_whatever_the_axes_and_sizes(agrees, told, way, batch):
    attend = fast if way == "eager" else compiled()
    for d_v in (3, 4, 6):
        told.clear()
        leaves = inputs(*batch, d_v=d_v)
        attend(*leaves, causal_mask(8))
        assert told == ["causal"]
        same(agrees, attend, leaves, causal_mask(8))


@ways("n", [0, 1], compiled=["0"])
def test_causal_of_none_and_of_one(agrees, way, n):
    same(agrees, fast if way == "eager" else compiled(), inputs(2, n=n), causal_mask(n))


@pytest.mark.plain
@pytest.mark.parametrize(("n", "n_k"), [(0, 3), (3, 0)])
def test_compiled_without_queries_or_without_keys(agrees, n, n_k):
    leaves = [torch.randn(2, size, 4, dtype=torch.float64, requires_grad=True) for size in (n, n_k, n_k)]
    same(agrees, compiled(), leaves, torch.ones(n, n_k, dtype=torch.bool))


@both
def test_causal_of_tensors_that_lie_otherwise(agrees, told, way):
    """Heads cut from one projection, a size that is not the last in memory, one key for all samples."""
    attend = fast if way == "eager" else compiled()
    heads = [torch.randn(2, 8, 3, 4).double().transpose(1, 2).requires_grad_() for _ in range(3)]
    turned = [torch.randn(2, 3, 4, 8).double().mT.requires_grad_() for _ in range(3)]
    spread = [torch.randn(1, 1, 8, 4).double().expand(2, 3, 8, 4).requires_grad_() for _ in range(3)]
    for leaves in (heads, turned, spread):
        same(agrees, attend, leaves, causal_mask(8))
        same(agrees, attend, leaves, OTHERS["a window"])
    assert set(told) == {"causal", "masked"}


@ways("broken", [torch.nan, torch.inf, -torch.inf], compiled=["nan"])
@pytest.mark.parametrize("mask", [causal_mask(8), OTHERS["padding"]], ids=["causal", "padding"])
def test_nothing_leaks_from_the_future(way, broken, mask):
    """The kernel multiplies it by a weight of zero, and zero times NaN is NaN."""
    attend = fast if way == "eager" else compiled()
    for which in range(3):
        leaves = inputs(2, 3)
        with torch.no_grad():
            leaves[which][:, :, 3, 1] = broken
        keeps_to_the_rules(attend, leaves, mask)


def keeps_to_the_rules(attend, leaves, mask):
    """What is broken at the fourth position is lost there and later, and changes nothing earlier."""
    output, expected = attend(*leaves, mask)[0], scaled_dot_product_attention(*leaves, mask)[0]
    torch.testing.assert_close(output, expected, equal_nan=True)
    assert output[:, :, :3].isfinite().all()
    assert output[0, :, 3].isnan().all()
    along = torch.randn_like(output)
    for ours, theirs in zip(
        torch.autograd.grad(output, leaves, along), torch.autograd.grad(expected, leaves, along), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
        assert ours.isfinite().all()


@both
def test_numbers_whose_sum_overflows_are_finite_all_the_same(agrees, way):
    query, key, value = (torch.randn(2, 8, 4) for _ in range(3))
    value = torch.full_like(value, 2e37)
    attend = fast if way == "eager" else compiled()
    for mask in (causal_mask(8), OTHERS["a window"]):
        agrees(attend(query, key, value, mask)[0] / 2e37, torch.ones_like(value))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own, within forward mode
def test_other_derivatives_of_causal_attention_are_the_references(agrees):
    query, key, value = (leaf.detach() for leaf in inputs())
    mask, found = causal_mask(8), []
    for attend in (fast, scaled_dot_product_attention):

        def total(query, attend=attend):
            return attend(query, key, value, mask)[0].square().sum()

        leaf = query.clone().requires_grad_()
        (first,) = torch.autograd.grad(total(leaf), leaf, create_graph=True)
        many = torch.stack([query, 2 * query])
        found.append(
            (
                torch.autograd.grad(first.square().sum(), leaf)[0],
                grad(total)(query),
                hessian(total)(query),
                jvp(total, (query,), (key,))[1],
                vmap(total)(many),
                vmap(lambda one, attend=attend: attend(query, key, value, one)[0])(torch.stack([mask, mask.mT])),
            )
        )
    for ours, expected in zip(*found, strict=True):
        agrees(ours, expected)


@pytest.mark.plain
def test_compiled_transforms_and_exported_programs_are_torchs_alone(agrees, told):
    query, key, value = (leaf.detach() for leaf in inputs(2, 3))

    def total(query):
        return fast(query, key, value, causal_mask(8))[0].square().sum()

    torch._dynamo.reset()
    agrees(torch.compile(grad(total), backend="aot_eager")(query), grad(total)(query))

    class Program(nn.Module):
        def forward(self, query, key, value):
            return fast(query, key, value, causal_mask(query.shape[-2], key.shape[-2]))[0]

    exported = torch.export.export(Program(), (query, key, value))
    assert not [node for node in exported.graph.nodes if "attnref" in str(node.target)]
    agrees(exported.module()(query, key, value), Program()(query, key, value))


@both
def test_causal_under_autocast(way, told):
    query, key, value = inputs(2, 3, dtype=torch.float32)
    attend = fast if way == "eager" else compiled()
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = attend(query, key, value, causal_mask(8))
    assert told == ["causal"]
    assert output.dtype == torch.bfloat16
    expected, _ = scaled_dot_product_attention(query, key, value, causal_mask(8))
    torch.testing.assert_close(output.float(), expected, rtol=0.05, atol=0.05)
    for gradient in torch.autograd.grad(output.float().sum(), (query, key, value)):
        assert gradient.dtype == torch.float32


@ways(
    "context",
    {"training": contextlib.nullcontext, "no_grad": torch.no_grad, "inference_mode": torch.inference_mode},
    compiled=["training", "inference_mode"],
)
def test_causal_in_every_head(agrees, told, way, context):
    heads = MultiHeadAttention(8, 2, attend=fast).double()
    attend = heads if way == "eager" else torch.compile(heads, fullgraph=True, backend="aot_eager")
    with context():
        x, mask = torch.randn(2, 9, 8).double(), causal_mask(9)
        output, _ = attend(x, x, x, mask)
        assert told == ["causal"]
        heads.attend = scaled_dot_product_attention
        agrees(output, heads(x, x, x, mask)[0])


def test_the_operator_keeps_the_strides_it_promises():
    """What torch compiles around it is compiled for them."""
    straight = torch.randn(2, 3, 8, 4)
    for tensor in (straight, straight.mT.contiguous().mT, straight.transpose(1, 2).contiguous().transpose(1, 2)):
        given = tensor, tensor, tensor, causal_mask(8)[None, None], 0.5
        results, promised = _fused_op._forward(*given), _fused_op._empty_results(*given)
        found = _fused_op._backward(tensor, *given[:4], *results, 0.5)
        empty = _fused_op._empty_gradients(tensor, tensor, tensor, tensor)
        for ours, memory in zip((*results, *found), (*promised, *empty), strict=True):
            assert (ours.stride(), ours.dtype) == (memory.stride(), memory.dtype)
