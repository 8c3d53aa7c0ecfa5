"""Attention rollout against its sums, its laws, and where it fails."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnref.models import ViT, attention_rollout
from attnref.oracle import rollout as oracle


def weights_of(num_layers=3, h=2, n=4, batch=(), dtype=torch.float64):
    return [torch.randn(*batch, h, n, n, dtype=torch.float64).softmax(-1).to(dtype) for _ in range(num_layers)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_agrees_with_oracle(agrees, arrays, dtype):
    weights = weights_of(batch=(3,), dtype=dtype)
    found = attention_rollout(weights)
    assert found.dtype == dtype
    agrees(found, oracle.attention_rollout(arrays(*weights)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_many_layers_are_rounded_once(dtype):
    weights = weights_of(40, n=3, dtype=dtype)
    exact = attention_rollout([of_layer.double() for of_layer in weights])
    torch.testing.assert_close(attention_rollout(weights).double(), exact, rtol=torch.finfo(dtype).eps, atol=0)


def test_autocast_does_not_round():
    weights = weights_of(40, n=3, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = attention_rollout(weights)
    assert torch.equal(found, attention_rollout(weights))


@given(
    batch=st.lists(st.integers(0, 2), max_size=2),
    num_layers=st.integers(1, 4),
    h=st.integers(1, 3),
    n=st.integers(1, 5),
)
def test_agrees_with_oracle_whatever_the_sizes(agrees, arrays, batch, num_layers, h, n):
    weights = weights_of(num_layers, h, n, batch)
    agrees(attention_rollout(weights), oracle.attention_rollout(arrays(*weights)))


@given(num_layers=st.integers(1, 4), n=st.integers(1, 5))
def test_rows_sum_to_one(num_layers, n):
    rollout = attention_rollout(weights_of(num_layers, n=n, batch=(2,)))
    torch.testing.assert_close(rollout.sum(-1), torch.ones(2, n, dtype=torch.float64))
    assert rollout.ge(0).all()


def test_attention_to_oneself_stays_so():
    eye = torch.eye(4, dtype=torch.float64).expand(2, 4, 4)
    assert torch.equal(attention_rollout([eye, eye, eye]), torch.eye(4, dtype=torch.float64))


def test_a_fully_masked_row_keeps_its_input():
    """Its weights are zero, so that only the residual connection is left."""
    weights = weights_of(1)[0]
    weights[:, 2] = 0.0
    rollout = attention_rollout([weights, weights])
    assert torch.equal(rollout[2], torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=torch.float64))
    torch.testing.assert_close(rollout.sum(-1), torch.ones(4, dtype=torch.float64))


def test_the_last_layer_is_read_first():
    """Position 0 reads 1 in the last layer, which read 2 in the first: a way from 0 to 2, and none the other way."""
    first, last = torch.eye(3)[[0, 2, 2]][None], torch.eye(3)[[1, 1, 2]][None]
    assert attention_rollout([first, last])[0].tolist() == [0.5, 0.25, 0.25]
    assert attention_rollout([last, first])[0].tolist() == [0.5, 0.5, 0.0]


@given(order=st.permutations(range(4)))
def test_positions_may_be_renamed(order):
    weights = weights_of()
    renamed = [of_layer[:, order][:, :, order] for of_layer in weights]
    torch.testing.assert_close(attention_rollout(renamed), attention_rollout(weights)[order][:, order])


def test_heads_are_averaged():
    weights = weights_of(h=2)
    one = [of_layer.mean(0, keepdim=True) for of_layer in weights]
    torch.testing.assert_close(attention_rollout(weights), attention_rollout(one))


def test_causal_attention_stays_causal():
    weights = [of_layer.tril() / of_layer.tril().sum(-1, keepdim=True) for of_layer in weights_of()]
    assert attention_rollout(weights).triu(1).eq(0).all()


def test_what_a_model_returns():
    model = ViT(5, image_size=(4, 6), patch=2, d_model=8, num_heads=2, d_ff=16, num_layers=3)
    _, weights = model(torch.randn(2, 3, 4, 6), return_weights=True)
    assert attention_rollout(weights).shape == (2, 7, 7)


def test_gradient():
    weights = weights_of(2, n=3)
    assert torch.autograd.gradcheck(lambda *w: attention_rollout(w), [w.requires_grad_() for w in weights])


def test_compiles_and_exports():
    class Rollout(torch.nn.Module):
        def forward(self, first, second):
            return attention_rollout([first, second])

    given, n = (*weights_of(2, batch=(2,)),), torch.export.Dim("n")
    program = torch.export.export(Rollout(), given, dynamic_shapes=({2: n, 3: n}, {2: n, 3: n})).module()
    other = weights_of(2, n=6, batch=(2,))
    torch.testing.assert_close(program(*other), attention_rollout(other))


FORM = "(..., h, n, n)"


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        (
            None,
            TypeError,
            f"weights must be a list of {FORM}, one for each layer, got NoneType; "
            "ask the model for them: return_weights=True.",
        ),
        (torch.ones(3, 2, 4, 4), TypeError, f"weights must be a list of {FORM}, one for each layer, got torch.Tensor."),
        ([], ValueError, "weights must hold at least one layer, got none."),
        ([torch.ones(4, 4)], ValueError, f"weights[0] must be {FORM}, got shape (4, 4)."),
        ([torch.ones(0, 4, 4)], ValueError, f"weights[0] must be {FORM}, got shape (0, 4, 4)."),
        ([torch.ones(2, 4, 4), torch.ones(2, 4, 5)], ValueError, f"weights[1] must be {FORM}, got shape (2, 4, 5)."),
        (
            [torch.ones(2, 4, 4), torch.ones(1, 2, 4, 4)],
            ValueError,
            "weights must be of one shape in all layers, got weights[0] (2, 4, 4), weights[1] (1, 2, 4, 4).",
        ),
        (
            [torch.ones(2, 4, 4), torch.ones(2, 4, 4).double()],
            TypeError,
            "weights[0] and weights[1] must share one dtype, got weights[0] torch.float32, weights[1] torch.float64.",
        ),
        ([torch.ones(2, 4, 4), None], TypeError, "weights[1] must be a torch.Tensor, got NoneType."),
    ],
)
def test_refusals(refuses, weights, error, words):
    refuses(lambda: attention_rollout(weights), error, f"attention_rollout: {words}")
