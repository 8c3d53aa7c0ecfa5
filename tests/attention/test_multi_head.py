"""Multi-head attention against its definition, against torch, Keras, Hugging Face and x-transformers, and its own laws.

What every attention must do is in test_attend.py and test_ways_of_torch.py.
"""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from attnref import (
    AdditiveAttention,
    EfficientAttention2d,
    MultiHeadAttention,
    additive_attention,
    causal_mask,
    padding_mask,
    scaled_dot_product_attention,
)
from attnref._checks import check_attend
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast
from attnref.oracle.multi_head import multi_head_attention as oracle

both = pytest.mark.parametrize("attend", [scaled_dot_product_attention, fast], ids=["reference", "fast"])
with_bias = pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
BATCH, N_Q, N_K = 2, 5, 7
RANDOM = torch.rand(BATCH, N_Q, N_K, generator=torch.Generator().manual_seed(0)) < 0.6
RANDOM[..., 0] = True  # torch's own gives nan for a fully masked row
EMPTY = RANDOM.clone()
EMPTY[1, 2] = False


def make(d_model=12, num_heads=3, **options):
    """The module in float64, every weight and bias random."""
    module = MultiHeadAttention(d_model, num_heads, **options).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3)  # so that neither scores nor gradients grow large
    return module


def inputs(*batch, d_model=12):
    return [torch.randn(*batch, n, d_model).double() for n in (N_Q, N_K, N_K)]


@both
@with_bias
@pytest.mark.parametrize(
    ("d_model", "num_heads", "d_k", "d_v"),
    [(12, 3, None, None), (10, 3, 2, 6), (10, 3, 6, 2), (4, 4, None, 3), (6, 2, 5, None), (5, 1, None, None)],
)
def test_agrees_with_oracle_whatever_the_sizes(agrees, arrays, attend, bias, d_model, num_heads, d_k, d_v):
    module = make(d_model, num_heads, d_k=d_k, d_v=d_v, bias=bias, attend=attend)
    tensors = (*inputs(BATCH, d_model=d_model), EMPTY)
    output, weights = module(*tensors)
    parameters = {name: parameter.detach().numpy() for name, parameter in module.named_parameters()}
    assert len(parameters) == (8 if bias else 4)
    expected_output, expected_weights = oracle(*arrays(*tensors), num_heads=num_heads, **parameters)
    agrees(output, expected_output)
    if attend is fast:
        assert weights is None
    else:
        agrees(weights, expected_weights)


def test_oracle_stands_alone():
    """Two heads of size 1 that see one number each of the input, and swap the two in the output."""
    eye, swap = np.eye(2), np.array([[0.0, 1.0], [1.0, 0.0]])
    weights = {
        "query_proj.weight": 0 * eye,
        "key_proj.weight": eye,
        "value_proj.weight": eye,
        "output_proj.weight": swap,
    }
    x = np.array([[2.0, 10.0], [4.0, 30.0]])
    output, found = oracle(x, x, x, np.tri(2, dtype=bool), num_heads=2, **weights)
    assert found.tolist() == [[[1.0, 0.0], [0.5, 0.5]]] * 2
    assert output.tolist() == [[10.0, 2.0], [20.0, 3.0]]


def test_d_model_is_shared_by_the_heads_unless_sizes_are_given():
    shapes = {
        name: [tuple(p.shape) for p in MultiHeadAttention(12, 3, **options).parameters()]
        for name, options in {"shared": {}, "d_k": {"d_k": 5}, "d_v": {"d_v": 2}}.items()
    }
    assert shapes == {
        "shared": [(12, 12)] * 4,
        "d_k": [(15, 12), (15, 12), (12, 12), (12, 12)],
        "d_v": [(12, 12), (12, 12), (6, 12), (12, 6)],
    }
    assert [name for name, _ in MultiHeadAttention(4, 2, bias=True).named_parameters()] == [
        f"{part}_proj.{kind}" for part in ("query", "key", "value", "output") for kind in ("weight", "bias")
    ]


@both
def test_is_its_heads_one_by_one(agrees, attend):
    """Each head with its own slices of the weights, and torch's single-head function, one after the other."""
    module = make(10, 3, d_k=2, d_v=4, attend=attend)
    query, key, value = inputs(BATCH, d_model=10)
    each = []
    for h in range(3):
        q = F.linear(query, module.query_proj.weight[2 * h : 2 * h + 2])
        k = F.linear(key, module.key_proj.weight[2 * h : 2 * h + 2])
        v = F.linear(value, module.value_proj.weight[4 * h : 4 * h + 4])
        each.append(F.scaled_dot_product_attention(q, k, v, attn_mask=RANDOM))
    agrees(module(query, key, value, RANDOM)[0], torch.cat(each, -1) @ module.output_proj.weight.mT)


@with_bias
@pytest.mark.parametrize("order", [(2, 0, 1), (1, 0, 2)])
def test_the_order_of_the_heads_changes_nothing_but_the_order_of_the_weights(agrees, bias, order):
    """If the rows of the first three projections and the columns of the last move with their head."""
    module, moved = (make(10, 3, d_k=2, d_v=4, bias=bias) for _ in range(2))
    rows = {size: torch.cat([torch.arange(size * h, size * h + size) for h in order]) for size in (2, 4)}
    with torch.no_grad():
        for name, size in (("query_proj", 2), ("key_proj", 2), ("value_proj", 4)):
            for old, new in zip(getattr(module, name).parameters(), getattr(moved, name).parameters(), strict=True):
                new.copy_(old[rows[size]])
        moved.output_proj.weight.copy_(module.output_proj.weight[:, rows[4]])
        if bias:
            moved.output_proj.bias.copy_(module.output_proj.bias)
    query, key, value = inputs(BATCH, d_model=10)
    output, weights = module(query, key, value, RANDOM)
    moved_output, moved_weights = moved(query, key, value, RANDOM)
    agrees(moved_output, output)
    agrees(moved_weights, weights[:, list(order)])


def test_a_small_head_is_a_large_one_with_rows_of_zero(agrees):
    """Heads of size 4 are heads of size 12 whose other rows are zero, the queries longer by the root of 12 / 4."""
    split, large = make(12, 3), make(12, 3, d_k=12, d_v=12)
    with torch.no_grad():
        for parameter in large.parameters():
            parameter.zero_()
        for h in range(3):
            own, first = slice(4 * h, 4 * h + 4), slice(12 * h, 12 * h + 4)
            large.query_proj.weight[first] = split.query_proj.weight[own] * (12 / 4) ** 0.5
            large.key_proj.weight[first] = split.key_proj.weight[own]
            large.value_proj.weight[first] = split.value_proj.weight[own]
            large.output_proj.weight[:, first] = split.output_proj.weight[:, own]
    tensors = (*inputs(BATCH), EMPTY)
    for ours, expected in zip(large(*tensors), split(*tensors), strict=True):
        agrees(ours, expected)


def test_takes_any_attention(agrees):
    """All heads share a module that is given, and its weights are among the parameters."""
    additive = AdditiveAttention(d_q=4, d_k=4, d_a=6)
    module = make(12, 3, attend=additive)
    assert {id(p) for p in additive.parameters()} <= {id(p) for p in module.parameters()}
    query, key, value = inputs(BATCH)
    output, weights = module(query, key, value, EMPTY)
    for h in range(3):
        q, k, v = (
            linear(x)[..., 4 * h : 4 * h + 4]
            for linear, x in ((module.query_proj, query), (module.key_proj, key), (module.value_proj, value))
        )
        agrees(weights[:, h], additive(q, k, v, EMPTY)[1])
    output.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in module.parameters())


@both
def test_where_nothing_may_be_attended_to_the_bias_of_the_output_is_left(agrees, attend):
    module = make(bias=True, attend=attend)
    tensors = [x.requires_grad_() for x in inputs(BATCH)]
    output, _ = module(*tensors, EMPTY)
    agrees(output[1, 2], module.output_proj.bias)
    output.sum().backward()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in tensors)


def test_a_mask_of_each_sample_is_not_taken_for_one_of_each_head(agrees):
    """As many samples as heads: shapes alone do not tell the two apart."""
    module = make(12, 2)
    query, key, value = inputs(BATCH)
    output, weights = module(query, key, value, RANDOM)
    assert weights[~RANDOM[:, None].expand_as(weights)].eq(0).all()
    for b in range(BATCH):
        agrees(output[b], module(query[b], key[b], value[b], RANDOM[b])[0])


def torchs(bias, batch_first=True):
    theirs = nn.MultiheadAttention(12, 3, bias=bias, batch_first=batch_first, dtype=torch.float64)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(std=0.3)  # so that neither scores nor gradients grow large
    return theirs


@both
@with_bias
@pytest.mark.parametrize("kind", ["all", "one", "each sample", "padding", "padding and causal"])
def test_agrees_with_torch(agrees, attend, bias, kind):
    """Torch's masks are the other way round; one of each sample has to be repeated for each head."""
    theirs = torchs(bias)
    ours = MultiHeadAttention.from_torch(theirs, attend=attend)
    tensors = [x.requires_grad_() for x in inputs(BATCH)]
    padding, causal = padding_mask([4, 7], N_K), causal_mask(N_Q, N_K)
    mask, given = {
        "all": (None, {}),
        "one": (RANDOM[0], {"attn_mask": ~RANDOM[0]}),
        "each sample": (RANDOM, {"attn_mask": ~RANDOM.repeat_interleave(3, dim=0)}),
        "padding": (padding, {"key_padding_mask": ~padding[:, 0]}),
        "padding and causal": (padding & causal, {"key_padding_mask": ~padding[:, 0], "attn_mask": ~causal}),
    }[kind]
    output, weights = ours(*tensors, mask)
    expected_output, expected_weights = theirs(*tensors, **given, average_attn_weights=False)
    agrees(output, expected_output)
    assert (weights is None) == (attend is fast)
    if weights is not None:
        agrees(weights, expected_weights)
        agrees(weights.mean(1), theirs(*tensors, **given)[1])  # torch's default: averaged over the heads

    of_ours, of_theirs = (torch.autograd.grad(out.square().sum(), tensors) for out in (output, expected_output))
    for mine, other in zip(of_ours, of_theirs, strict=True):
        agrees(mine, other)


def test_torch_counts_positions_first_unless_told(agrees):
    theirs = torchs(bias=True, batch_first=False)
    query, key, value = inputs(BATCH)
    expected, _ = theirs(*(x.transpose(0, 1) for x in (query, key, value)))
    agrees(MultiHeadAttention.from_torch(theirs)(query, key, value)[0].transpose(0, 1), expected)


@with_bias
def test_weights_from_torch_are_copies_of_the_same_dtype(bias):
    theirs = nn.MultiheadAttention(12, 3, bias=bias, dtype=torch.bfloat16)
    ours = MultiHeadAttention.from_torch(theirs)
    assert {p.dtype for p in ours.parameters()} == {torch.bfloat16}
    assert all(p.requires_grad for p in ours.parameters())
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    before = [p.clone() for p in ours.parameters()]
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.zero_()
    assert all(torch.equal(p, old) for p, old in zip(ours.parameters(), before, strict=True))
    assert MultiHeadAttention.from_torch(nn.MultiheadAttention(12, 3, device="meta")).query_proj.weight.is_meta


def test_from_torch_keeps_what_is_frozen_and_the_mode():
    theirs = nn.MultiheadAttention(12, 3).eval()
    theirs.in_proj_weight.requires_grad_(False)
    ours = MultiHeadAttention.from_torch(theirs)
    frozen = {name for name, parameter in ours.named_parameters() if not parameter.requires_grad}
    assert frozen == {"query_proj.weight", "key_proj.weight", "value_proj.weight"}
    assert not any(part.training for part in ours.modules())
    assert all(part.training for part in MultiHeadAttention.from_torch(theirs.train()).modules())


def test_from_torch_leaves_an_attend_with_weights_as_it_is():
    attend = AdditiveAttention(4, 4, 6).double()
    before = {name: weight.clone() for name, weight in attend.state_dict().items()}
    theirs = nn.MultiheadAttention(12, 3, dtype=torch.float64).eval()
    ours = MultiHeadAttention.from_torch(theirs, attend=attend)
    assert ours.attend is attend
    assert attend.training
    assert all(torch.equal(weight, before[name]) for name, weight in attend.state_dict().items())
    x = torch.randn(2, 5, 12).double()
    assert ours(x, x, x)[0].shape == x.shape


@both
def test_a_nan_in_padding_reaches_no_real_position_and_no_weight(agrees, attend):
    """Self-attention: the padding is among the queries, the keys and the values."""
    module, real = make(bias=True, attend=attend), torch.arange(N_K) < torch.tensor([[4], [7]])
    x = torch.randn(BATCH, N_K, 12).double()
    gradients, outputs = [], []
    for padding in (0.0, torch.nan):
        padded = x.masked_fill(~real[..., None], padding)
        output, _ = module(padded, padded, padded, real[:, None])
        outputs.append(output[real])
        gradients.append(torch.autograd.grad(output[real].square().sum(), list(module.parameters())))
    agrees(outputs[1], outputs[0])
    for ours, expected in zip(*reversed(gradients), strict=True):
        agrees(ours, expected)


def test_a_class_made_from_it_comes_from_torch_as_itself():
    class Own(MultiHeadAttention):
        pass

    assert type(Own.from_torch(nn.MultiheadAttention(12, 3))) is Own


@pytest.mark.interop
@both
@pytest.mark.parametrize(("d_k", "d_v"), [(4, 4), (5, 2)])
def test_agrees_with_x_transformers(agrees, attend, d_k, d_v):
    """Its softmax works in float32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about what the library is written with
        x_transformers = pytest.importorskip("x_transformers.x_transformers")
    ours = make(12, 3, d_k=d_k, d_v=d_v, attend=attend)
    theirs = x_transformers.Attention(dim=12, heads=3, dim_head=d_k, value_dim_head=d_v).double()
    with torch.no_grad():
        for mine, other in (("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("output", "to_out")):
            getattr(theirs, other).weight.copy_(getattr(ours, f"{mine}_proj").weight)
    query, memory, _ = inputs(BATCH)
    padding = padding_mask([4, 7], N_K)
    expected = theirs(query, context=memory, context_mask=padding[:, 0])
    agrees(ours(query, memory, memory, padding)[0], expected, torch.float32)
    mask = RANDOM[:, :, :N_Q]
    expected = theirs(query, attn_mask=mask[:, None])
    agrees(ours(query, query, query, mask)[0], expected, torch.float32)


@pytest.mark.interop
@both
@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
def test_agrees_with_keras(agrees, keras, attend, bias):
    """Keras has (d_model, h, d) kernels, and heads of a size that need not divide d_model."""
    ours = make(10, 3, d_k=5, d_v=2, bias=bias, attend=attend).float()
    query, key, value = (x.float() for x in inputs(BATCH, d_model=10))
    theirs = keras.layers.MultiHeadAttention(num_heads=3, key_dim=5, value_dim=2, use_bias=bias)
    theirs.build(query.shape, value.shape, key.shape)
    given = []
    for part, size in (("query", 5), ("key", 5), ("value", 2)):
        linear = getattr(ours, f"{part}_proj")
        given.append(linear.weight.mT.unflatten(-1, (3, size)))
        given += [linear.bias.unflatten(-1, (3, size))] if bias else []
    given.append(ours.output_proj.weight.mT.unflatten(0, (3, 2)))
    given += [ours.output_proj.bias] if bias else []
    theirs.set_weights([tensor.detach().numpy() for tensor in given])
    expected_output, expected_weights = theirs(
        query, value, key=key, attention_mask=RANDOM, return_attention_scores=True
    )
    output, weights = ours(query, key, value, RANDOM)
    torch.testing.assert_close(output, expected_output, rtol=1e-5, atol=1e-5)
    if weights is not None:
        agrees(weights, expected_weights)


@pytest.mark.interop
@both
def test_agrees_with_hugging_face(agrees, attend):
    """BERT's attention and the projection after it, without what comes between that and the next layer."""
    bert = pytest.importorskip("transformers.models.bert.modeling_bert")
    config = bert.BertConfig(hidden_size=12, num_attention_heads=3, attention_probs_dropout_prob=0.0)
    config._attn_implementation = "eager"
    theirs, dense = bert.BertSelfAttention(config).double().eval(), bert.BertSelfOutput(config).double().dense
    ours = make(bias=True, attend=attend)
    named = {"query_proj": theirs.query, "key_proj": theirs.key, "value_proj": theirs.value, "output_proj": dense}
    ours.load_state_dict({f"{n}.{k}": w for n, linear in named.items() for k, w in linear.state_dict().items()})
    x = torch.randn(BATCH, N_K, 12).double()
    mask = padding_mask([4, 7], N_K)
    added = torch.zeros(BATCH, 1, 1, N_K).double().masked_fill(~mask[:, None], -torch.inf)
    expected_output, expected_weights = theirs(x, attention_mask=added)
    output, weights = ours(x, x, x, mask)
    agrees(output, dense(expected_output))
    if weights is not None:
        agrees(weights, expected_weights)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((100, 8), {}, ValueError, "d_model must divide by num_heads, got d_model=100 and num_heads=8."),
        ((100, 8), {"d_k": 12}, ValueError, "d_model must divide by num_heads, got d_model=100 and num_heads=8."),
        ((100, 8), {"d_v": 12}, ValueError, "d_model must divide by num_heads, got d_model=100 and num_heads=8."),
        ((0, 1), {}, ValueError, "d_model must be at least 1, got 0."),
        ((4, 0), {}, ValueError, "num_heads must be at least 1, got 0."),
        ((4, 2), {"d_k": 0}, ValueError, "d_k must be at least 1, got 0."),
        ((4, 2), {"d_v": 0}, ValueError, "d_v must be at least 1, got 0."),
        ((4, 2.0), {}, TypeError, "num_heads must be an int, got float."),
        (
            (4, 2),
            {"attend": None},
            TypeError,
            "attend must be a callable (query, key, value, mask) -> (output, weights), got None.",
        ),
        (
            (4, 2),
            {"attend": AdditiveAttention},
            TypeError,
            "attend must be a function or an instance (query, key, value, mask) -> (output, weights), "
            "got the class AdditiveAttention; make one first: AdditiveAttention(...).",
        ),
        (
            (4, 2),
            {"attend": additive_attention},
            TypeError,
            "attend must take (query, key, value, mask), "
            "got additive_attention(query, key, value, mask, w_q, w_k, v_a).",
        ),
        (
            (4, 2),
            {"attend": EfficientAttention2d(4, d_k=2, d_v=2, num_heads=1)},
            TypeError,
            "attend must take (query, key, value, mask), got EfficientAttention2d(x, token_mask).",
        ),
        (
            (4, 2),
            {"attend": torch.nn.MultiheadAttention(2, 1)},
            TypeError,
            "attend must be a callable (query, key, value, mask) -> (output, weights), got a "
            "torch.nn.MultiheadAttention: its masks are True where attnref's are False; "
            "MultiHeadAttention.from_torch takes its weights.",
        ),
        (
            (4, 2),
            {"attend": torch.nn.ModuleList()},
            TypeError,
            "attend must be a callable (query, key, value, mask) -> (output, weights), "
            "got torch.nn.modules.container.ModuleList, which has no forward.",
        ),
        (
            (4, 2),
            {"attend": lambda query, key, value: None},
            TypeError,
            "attend must take (query, key, value, mask), got <lambda>(query, key, value).",
        ),
    ],
)
def test_refusals_when_made(refuses, arguments, options, error, words):
    refuses(lambda: MultiHeadAttention(*arguments, **options), error, f"MultiHeadAttention: {words}")


@pytest.mark.parametrize("optional", [False, True])
@pytest.mark.refusal
def test_where_attention_is_optional_none_is_no_refusal(refuses, optional):
    words = "a callable (query, key, value, mask) -> (output, weights), got"
    if optional:
        check_attend("Model", None)
        refuses(lambda: check_attend("Model", 3), TypeError, f"Model: attend must be None or {words} 3.")
    else:
        call = lambda: check_attend("Model", None, optional=False)  # noqa: E731
        refuses(call, TypeError, f"Model: attend must be {words} None.")


@pytest.mark.plain  # shapes are not enforced inside a compiled graph
def test_takes_whatever_can_be_called_so():
    """A partial function, an object with __call__, one with other arguments that have defaults, one not in Python."""

    class Own:
        def __call__(self, query, key, value, mask=None, scale=1.0):
            return scaled_dot_product_attention(scale * query, key, value, mask)

    compiled = torch.compile(scaled_dot_product_attention, backend="eager")
    doubled = partial(Own(), scale=2.0)
    x = torch.randn(2, 5, 12)
    with torch.no_grad():
        for attend in (Own(), doubled, compiled, lambda *inputs: Own()(*inputs)):
            assert MultiHeadAttention(12, 3, attend=attend)(x, x, x)[0].shape == x.shape
    check_attend("Model", max)  # has no signature


def pair(change):
    """An attend that returns something else."""
    return lambda *inputs: change(*scaled_dot_product_attention(*inputs))


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda output, weights: output, TypeError, "a pair (output, weights), got torch.Tensor."),
        (lambda output, weights: [output, weights], TypeError, "a pair (output, weights), got list of 2."),
        (lambda output, weights: (output,), TypeError, "a pair (output, weights), got tuple of 1."),
        (
            lambda output, weights: (output.numpy(), None),
            TypeError,
            "(output, weights), two tensors or a tensor and None, got (numpy.ndarray, NoneType).",
        ),
        (
            lambda output, weights: (output, weights.tolist()),
            TypeError,
            "(output, weights), two tensors or a tensor and None, got (torch.Tensor, list).",
        ),
        (
            lambda output, weights: (output.mT, weights),
            ValueError,
            "output (..., n_q, d_v) = (2, 3, 5, 4), got shape (2, 3, 4, 5).",
        ),
        (
            lambda output, weights: (output.double(), weights),
            TypeError,
            "output in the dtype of value, torch.float32, got torch.float64.",
        ),
        (
            lambda output, weights: (output.to("meta"), weights),
            ValueError,
            "output on the device of value, got output on meta, value on cpu.",
        ),
        (
            lambda output, weights: (output, weights.to("meta")),
            ValueError,
            "weights on the device of value, got weights on meta, value on cpu.",
        ),
        (
            lambda output, weights: (output, weights.round().long()),
            TypeError,
            "weights in floating point, got torch.int64.",
        ),
    ],
)
def test_refuses_what_attend_returns(refuses, change, error, words):
    query, memory = torch.ones(2, 5, 12), torch.ones(2, 7, 12)
    with torch.no_grad():
        module = MultiHeadAttention(12, 3, attend=pair(change))
        refuses(lambda: module(query, memory, memory), error, f"MultiHeadAttention: attend must return {words}")


@pytest.mark.refusal
def test_refuses_weights_of_another_shape():
    module = MultiHeadAttention(12, 3, attend=pair(lambda output, weights: (output, weights.mT)))
    query, memory = torch.ones(2, 5, 12), torch.ones(2, 7, 12)
    with pytest.raises(ValueError, match=r"^MultiHeadAttention: attend must return weights .*got shape \(2, 3, 7, 5\)"):
        module(query, memory, memory)


def test_attend_may_follow_autocast():
    module = MultiHeadAttention(12, 3, attend=pair(lambda output, weights: (output.bfloat16(), weights)))
    x = torch.ones(2, 5, 12)
    with torch.autocast("cpu", torch.bfloat16):
        assert module(x, x, x)[0].dtype == torch.bfloat16


def test_heads_of_their_own_size_need_not_divide():
    x = torch.randn(3, 100)
    assert MultiHeadAttention(100, 8, d_k=12, d_v=13)(x, x, x)[0].shape == (3, 100)


@pytest.mark.refusal
@pytest.mark.parametrize("which", ["query", "key", "value"])
def test_refuses_another_size(refuses, which):
    given = {name: torch.zeros(2, 5, 10 if name == which else 12) for name in ("query", "key", "value")}
    words = f"MultiHeadAttention: {which} must have d_model=12, got {which} (2, 5, 10) with d_model=10."
    refuses(lambda: MultiHeadAttention(12, 3)(**given), ValueError, words)


@pytest.mark.refusal
def test_refuses_another_dtype_than_its_weights(refuses):
    x = torch.zeros(2, 5, 12).double()
    words = "query and weights must share one dtype, got query torch.float64, weights torch.float32"
    refuses(lambda: MultiHeadAttention(12, 3)(x, x, x), TypeError, f"MultiHeadAttention: {words}.")
    with torch.autocast("cpu"):
        words += "; autocast leaves float64 as it is"
        refuses(lambda: MultiHeadAttention(12, 3)(x, x, x), TypeError, f"MultiHeadAttention: {words}.")


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("module", "error", "words"),
    [
        (nn.ReLU(), TypeError, "module must be a torch.nn.MultiheadAttention, got torch.nn.modules.activation.ReLU."),
        (
            nn.MultiheadAttention(12, 3, kdim=8),
            ValueError,
            "keys and values must have the size of queries, got embed_dim=12, kdim=8, vdim=12.",
        ),
        (
            nn.MultiheadAttention(12, 3, vdim=8),
            ValueError,
            "keys and values must have the size of queries, got embed_dim=12, kdim=12, vdim=8.",
        ),
        (
            nn.MultiheadAttention(12, 3, add_bias_kv=True),
            ValueError,
            "no key and value may be added to those given, got add_bias_kv=True.",
        ),
        (
            nn.MultiheadAttention(12, 3, add_zero_attn=True),
            ValueError,
            "no key and value may be added to those given, got add_zero_attn=True.",
        ),
        (
            nn.MultiheadAttention(12, 3, dropout=0.1),
            ValueError,
            "dropout must be 0, got dropout=0.1; set module.dropout = 0.0 to take the rest.",
        ),
    ],
)
def test_refuses_from_torch_what_it_has_not(refuses, module, error, words):
    refuses(lambda: MultiHeadAttention.from_torch(module), error, f"MultiHeadAttention.from_torch: {words}")


@pytest.mark.refusal
def test_refuses_from_torch_with_a_class_for_attend(refuses):
    words = (
        "attend must be a function or an instance (query, key, value, mask) -> (output, weights), "
        "got the class AdditiveAttention; make one first: AdditiveAttention(...)."
    )
    theirs = nn.MultiheadAttention(12, 3)
    call = lambda: MultiHeadAttention.from_torch(theirs, attend=AdditiveAttention)  # noqa: E731
    refuses(call, TypeError, f"MultiHeadAttention.from_torch: {words}")


@pytest.mark.refusal
def test_dropout_set_to_zero_is_taken():
    theirs = nn.MultiheadAttention(12, 3, dropout=0.1)
    theirs.dropout = 0.0
    assert torch.equal(MultiHeadAttention.from_torch(theirs).output_proj.weight, theirs.out_proj.weight)
