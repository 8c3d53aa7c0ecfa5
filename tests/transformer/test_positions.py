"""Positions and embeddings against their definitions, and against Hugging Face's."""

import math
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._dynamo.testing import CompileCounter
from torch.func import functional_call

from attnref import LearnedPositions, SinusoidalPositions, TokenEmbedding, sinusoidal_positions
from attnref.oracle import positions as oracle

MODULES = {
    "TokenEmbedding": lambda: TokenEmbedding(9, 6),
    "LearnedPositions": lambda: LearnedPositions(8, 6),
    "SinusoidalPositions": lambda: SinusoidalPositions(6),
}
modules = pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
own_weights = pytest.mark.parametrize("name", ["TokenEmbedding", "LearnedPositions"])
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def example(module, n=5, batch=2):
    if isinstance(module, TokenEmbedding):
        return torch.randint(9, (batch, n))
    return torch.randn(batch, n, 6)


@given(n=st.integers(0, 12), d_model=st.integers(1, 9), offset=st.integers(-20, 5000))
def test_sinusoids_agree_with_oracle(agrees, n, d_model, offset):
    positions = sinusoidal_positions(n, d_model, offset=offset, dtype=torch.float64)
    agrees(positions, oracle.sinusoidal_positions(n, d_model, offset=offset))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_sinusoids_are_rounded_once_however_far_the_position(dtype):
    exact = sinusoidal_positions(4, 8, offset=10**6, dtype=torch.float64)
    assert torch.equal(sinusoidal_positions(4, 8, offset=10**6, dtype=dtype), exact.to(dtype))


@pytest.mark.interop
@pytest.mark.parametrize("d_model", [6, 7])
def test_sinusoids_agree_with_hugging_face(d_model):
    """Marian has all sines before all cosines; the same numbers, in other columns."""
    marian = pytest.importorskip("transformers.models.marian.modeling_marian")
    theirs = marian.MarianSinusoidalPositionalEmbedding(20, d_model).create_weight()
    ours = sinusoidal_positions(20, d_model)
    torch.testing.assert_close(torch.cat((ours[:, 0::2], ours[:, 1::2]), dim=-1), theirs)


def test_a_shift_is_a_rotation_of_each_pair():
    """The same matrix for every position: the paper's reason for sinusoids."""
    d_model, shift = 8, 3
    before = sinusoidal_positions(50, d_model, dtype=torch.float64)
    after = sinusoidal_positions(50, d_model, offset=shift, dtype=torch.float64)
    rotation = torch.zeros(d_model, d_model, dtype=torch.float64)
    for i in range(0, d_model, 2):
        angle = shift / 10000 ** (i / d_model)
        c, s = math.cos(angle), math.sin(angle)
        rotation[i : i + 2, i : i + 2] = torch.tensor([[c, s], [-s, c]], dtype=torch.float64)
    torch.testing.assert_close(before @ rotation.T, after, rtol=0, atol=1e-12)


@given(n=st.integers(1, 30), d_model=st.sampled_from([2, 4, 10]), offset=st.integers(-50, 50))
def test_the_dot_product_of_two_positions_depends_on_their_distance_alone(n, d_model, offset):
    one = sinusoidal_positions(n, d_model, dtype=torch.float64)
    other = sinusoidal_positions(n, d_model, offset=offset, dtype=torch.float64)
    torch.testing.assert_close(one @ one.T, other @ other.T, rtol=0, atol=1e-12)
    torch.testing.assert_close((one @ one.T).diag(), torch.full((n,), d_model / 2, dtype=torch.float64))


def test_sinusoids_are_made_where_and_as_they_are_asked_for():
    assert sinusoidal_positions(2, 4, device="meta").device.type == "meta"
    assert sinusoidal_positions(2, 4).dtype == torch.get_default_dtype()
    with torch.device("meta"):
        assert sinusoidal_positions(2, 4).device.type == "meta"


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("offset", [0, 7])
def test_sinusoidal_module_agrees_with_oracle(agrees, dtype, offset):
    x = torch.randn(2, 3, 5, 6).to(dtype)
    y = SinusoidalPositions(6)(x, offset=offset)
    assert y.dtype == dtype
    agrees(y, x.double().numpy() + oracle.sinusoidal_positions(5, 6, offset=offset))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_the_sum_alone_is_rounded(dtype):
    x = torch.randn(2, 9, 6).to(dtype)
    exact = x.double() + sinusoidal_positions(9, 6, dtype=torch.float64)
    assert torch.equal(SinusoidalPositions(6)(x), exact.to(dtype))


@pytest.mark.parametrize("offset", [0, 1, 3])
def test_learned_positions_agree_with_oracle(agrees, arrays, offset):
    module, x = LearnedPositions(8, 6).double(), torch.randn(2, 5, 6, dtype=torch.float64)
    agrees(module(x, offset=offset), oracle.learned_positions(*arrays(x, module.weight), offset=offset))


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32], ids=str)
def test_token_embedding_agrees_with_oracle(agrees, arrays, dtype):
    module, tokens = TokenEmbedding(9, 6).double(), torch.tensor([[0, 8, 3], [3, 3, 1]])
    agrees(module(tokens.to(dtype)), oracle.token_embedding(*arrays(tokens, module.weight)))


def test_token_embedding_agrees_with_torch():
    module, theirs = TokenEmbedding(9, 6), torch.nn.Embedding(9, 6)
    module.load_state_dict(theirs.state_dict())
    tokens = torch.randint(9, (2, 5))
    torch.testing.assert_close(module(tokens), theirs(tokens) * 6**0.5)


def test_first_weights_have_the_standard_deviation_that_is_promised():
    torch.testing.assert_close(TokenEmbedding(5000, 64).weight.std().item(), 64**-0.5, rtol=0.01, atol=0)
    torch.testing.assert_close(LearnedPositions(5000, 64).weight.std().item(), 0.02, rtol=0.01, atol=0)
    embedded = TokenEmbedding(5000, 64)(torch.arange(5000))
    torch.testing.assert_close(embedded.var().item(), 1.0, rtol=0.02, atol=0)


@modules
def test_one_position_at_a_time_is_all_at_once(make):
    module = make()
    x = example(module)
    steps = [
        module(x[:, t : t + 1]) if isinstance(module, TokenEmbedding) else module(x[:, t : t + 1], offset=t)
        for t in range(5)
    ]
    torch.testing.assert_close(torch.cat(steps, dim=1), module(x))


@own_weights
def test_gradient(name):
    module = MODULES[name]().double()
    x = example(module)
    x = x if name == "TokenEmbedding" else x.double()
    assert torch.autograd.gradcheck(
        lambda weight: functional_call(module, {"weight": weight}, (x,)), (module.weight.detach().requires_grad_(),)
    )


@own_weights
def test_meta_device_and_reset(name):
    with torch.device("meta"):
        module = MODULES[name]()
    module.to_empty(device="cpu")
    with torch.no_grad():
        module.weight.fill_(torch.nan)
    module.reset_parameters()
    assert module(example(module)).isfinite().all()


@modules
def test_pickles_and_loads_strictly(make):
    module = make()
    copied = pickle.loads(pickle.dumps(module))
    copied.load_state_dict(module.state_dict())
    x = example(module)
    assert torch.equal(copied(x), module(x))


@modules
def test_exports_with_a_free_length(make):
    module = make()
    batch, n = torch.export.Dim("batch"), torch.export.Dim("n", max=8)
    program = torch.export.export(module, (example(module),), dynamic_shapes=({0: batch, 1: n},)).module()
    for size in (3, 8):
        x = example(module, size, batch=4)
        torch.testing.assert_close(program(x), module(x))


@modules
def test_compiles_few_times_for_many_lengths(make):
    torch._dynamo.reset()
    module, count = make(), CompileCounter()
    compiled = torch.compile(module, fullgraph=True, backend=count)
    for n in range(2, 9):
        x = example(module, n)
        torch.testing.assert_close(compiled(x), module(x))
    assert count.frame_count <= 2


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: sinusoidal_positions(-1, 4), ValueError, "sinusoidal_positions: n must be at least 0, got -1."),
        (lambda: sinusoidal_positions(3, 0), ValueError, "sinusoidal_positions: d_model must be at least 1, got 0."),
        (lambda: sinusoidal_positions(3.0, 4), TypeError, "sinusoidal_positions: n must be an int, got float."),
        (
            lambda: sinusoidal_positions(3, 4, offset=1.5),
            TypeError,
            "sinusoidal_positions: offset must be an int, got float.",
        ),
        (
            lambda: sinusoidal_positions(3, 4, dtype=torch.int64),
            TypeError,
            "sinusoidal_positions: dtype must be floating point, got torch.int64.",
        ),
        (lambda: TokenEmbedding(0, 4), ValueError, "TokenEmbedding: vocab_size must be at least 1, got 0."),
        (
            lambda: TokenEmbedding(9, 4)(torch.zeros(1, 2)),
            TypeError,
            "TokenEmbedding: tokens must be int64 or int32, got torch.float32.",
        ),
        (lambda: TokenEmbedding(9, 4)([1]), TypeError, "TokenEmbedding: tokens must be a torch.Tensor, got list."),
        (
            lambda: TokenEmbedding(9, 4)(torch.tensor([[3, 9]])),
            ValueError,
            "TokenEmbedding: tokens must lie between 0 and vocab_size - 1=8, got 3 to 9.",
        ),
        (lambda: SinusoidalPositions(True), TypeError, "SinusoidalPositions: d_model must be an int, got bool."),
        (
            lambda: SinusoidalPositions(4)(torch.zeros(4)),
            ValueError,
            "SinusoidalPositions: x must be (..., n, d_model), got shape (4,).",
        ),
        (
            lambda: SinusoidalPositions(4)(torch.zeros(2, 3, dtype=torch.int64)),
            TypeError,
            "SinusoidalPositions: x must be floating point, got torch.int64.",
        ),
        (
            lambda: SinusoidalPositions(4)(torch.zeros(2, 3)),
            ValueError,
            "SinusoidalPositions: x must have d_model=4, got x (2, 3) with d_model=3.",
        ),
        (lambda: LearnedPositions(0, 4), ValueError, "LearnedPositions: max_positions must be at least 1, got 0."),
        (
            lambda: LearnedPositions(5, 4)(torch.zeros(1, 6, 4)),
            ValueError,
            "LearnedPositions: positions must lie between 0 and max_positions - 1=4, got 0 to 5.",
        ),
        (
            lambda: LearnedPositions(5, 4)(torch.zeros(1, 2, 4), offset=4),
            ValueError,
            "LearnedPositions: positions must lie between 0 and max_positions - 1=4, got 4 to 5.",
        ),
        (
            lambda: LearnedPositions(5, 4)(torch.zeros(1, 2, 4), offset=-1),
            ValueError,
            "LearnedPositions: positions must lie between 0 and max_positions - 1=4, got -1 to 0.",
        ),
        (
            lambda: LearnedPositions(5, 4)(torch.zeros(1, 2, 4), offset=torch.tensor(1)),
            TypeError,
            "LearnedPositions: offset must be an int, got torch.Tensor.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, words)


def test_an_unscaled_embedding_is_torchs():
    embedding, tokens = TokenEmbedding(500, 64, scale=False), torch.randint(500, (2, 7))
    assert torch.equal(embedding(tokens), torch.nn.functional.embedding(tokens, embedding.weight))
    assert abs(embedding.weight.std().item() - 0.02) < 0.001
    embedding.reset_parameters()
    assert abs(embedding.weight.std().item() - 0.02) < 0.001
