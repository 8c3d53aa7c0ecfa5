"""The selective scan and its fast version against the sums, the laws of a linear recurrence, and refusals."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnref.fast import selective_scan as fast
from attnref.models import selective_scan
from attnref.oracle import selective_scan as oracle

every = pytest.mark.parametrize("scan", [selective_scan, fast.selective_scan], ids=["reference", "fast"])
rules = pytest.mark.parametrize("rule", ["euler", "zoh"])
REAL = torch.arange(5) < torch.tensor([[5], [2], [0]])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(fast, "BLOCK", 2)


def inputs(batch=3, n=5, d=2, d_state=4, dtype=torch.float64, skip=True, state=True):
    """x, delta, a, b, c, d_skip and state. The step sizes are of the order of one, so that the two rules differ."""
    draw = [torch.randn(batch, n, d), torch.rand(batch, n, d) + 0.1, -torch.rand(d, d_state) * 2]
    draw += [torch.randn(batch, n, d_state), torch.randn(batch, n, d_state), torch.randn(d) if skip else None]
    draw = [None if tensor is None else tensor.to(dtype) for tensor in draw]
    wide = torch.promote_types(dtype, torch.float32)
    return [*draw, torch.randn(batch, d, d_state).to(wide) if state else None]


@every
@rules
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("masked", [False, True])
def test_agrees_with_oracle(agrees, arrays, scan, rule, dtype, masked):
    given, token_mask = inputs(dtype=dtype), REAL if masked else None
    y, state = scan(*given, discretize=rule, token_mask=token_mask)
    mask = None if token_mask is None else token_mask.numpy()
    expected, last = oracle.selective_scan(*arrays(*given), discretize=rule, token_mask=mask)
    assert (y.dtype, state.dtype) == (dtype, torch.promote_types(dtype, torch.float32))
    agrees(y, expected)
    agrees(state, last, state.dtype)


@every
@given(
    batch=st.integers(0, 2),
    n=st.integers(1, 6),
    d=st.integers(1, 3),
    d_state=st.integers(1, 3),
    rule=st.sampled_from(["euler", "zoh"]),
    skip=st.booleans(),
    state=st.booleans(),
)
def test_agrees_with_oracle_whatever_the_sizes(agrees, arrays, scan, batch, n, d, d_state, rule, skip, state):
    given = inputs(batch, n, d, d_state, skip=skip, state=state)
    y, last = scan(*given, discretize=rule)
    expected = oracle.selective_scan(*arrays(*given), discretize=rule)
    agrees(y, expected[0])
    agrees(last, expected[1])


@every
@rules
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(scan, rule, masked):
    given = [tensor.requires_grad_() for tensor in inputs(batch=2, n=3)]
    token_mask = REAL[:2, :3] if masked else None
    assert torch.autograd.gradcheck(lambda *t: scan(*t, discretize=rule, token_mask=token_mask), given)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@every
@rules
def test_forward_mode_and_second_derivatives(scan, rule):
    given = [tensor.requires_grad_() for tensor in inputs(batch=1, n=3, d=1, d_state=2)]
    run = lambda *t: scan(*t, discretize=rule)  # noqa: E731
    assert torch.autograd.gradcheck(run, given, check_forward_ad=True, check_backward_ad=False)
    assert torch.autograd.gradgradcheck(run, given)


@every
def test_a_rate_of_zero_adds_up(scan):
    """Its state is a sum that nothing fades; the zero-order hold is there what Euler's rule is, with a gradient."""
    x, delta, a, b, c, *_ = inputs()
    a = torch.zeros_like(a).requires_grad_()
    y, state = scan(x, delta, a, b, c, discretize="zoh")
    torch.testing.assert_close(state, torch.einsum("knd,knd,kns->kds", x, delta, b))
    torch.testing.assert_close(y, scan(x, delta, a, b, c)[0])
    (slope,) = torch.autograd.grad(y.sum(), a)
    h = torch.full_like(a, 1e-6)
    up, down = (scan(x, delta, a + sign * h, b, c, discretize="zoh")[0].sum() for sign in (1, -1))
    torch.testing.assert_close(slope.sum(), (up - down) / 2e-6, rtol=1e-5, atol=1e-5)


@every
@rules
@given(cut=st.integers(1, 4))
def test_in_parts_is_in_one(scan, rule, cut):
    x, delta, a, b, c, skip, state = inputs()
    y, last = scan(x, delta, a, b, c, skip, state, discretize=rule)
    parts = []
    for part in (slice(cut), slice(cut, None)):
        one, state = scan(x[:, part], delta[:, part], a, b[:, part], c[:, part], skip, state, discretize=rule)
        parts.append(one)
    torch.testing.assert_close(torch.cat(parts, 1), y)
    torch.testing.assert_close(state, last)


@every
@rules
@given(at=st.integers(1, 4), what=st.sampled_from([7.0, math.inf, math.nan]))
def test_the_future_changes_nothing(scan, rule, at, what):
    given = inputs()
    y, _ = scan(*given, discretize=rule)
    for tensor in (given[0], given[1], given[3], given[4]):
        tensor[:, at:] = what
    assert torch.equal(scan(*given, discretize=rule)[0][:, :at], y[:, :at])


@every
@rules
@given(lengths=st.lists(st.integers(0, 5), min_size=3, max_size=3), what=st.sampled_from([3.0, math.nan, math.inf]))
def test_padding_leaves_the_state_alone(scan, rule, lengths, what):
    """Whatever stands there: each sample is as it is alone, and the output at padding is zero."""
    x, delta, a, b, c, skip, state = inputs()
    real = torch.arange(5) < torch.tensor(lengths)[:, None]
    filled = [tensor.masked_fill(~real[..., None], what) for tensor in (x, delta, b, c)]
    leaves = [tensor.requires_grad_() for tensor in filled]
    y, last = scan(leaves[0], leaves[1], a, *leaves[2:], skip, state, discretize=rule, token_mask=real)
    assert y[~real].eq(0).all()
    for k, n in enumerate(lengths):
        if n == 0:
            assert torch.equal(last[k], state[k])
            continue
        row, part = slice(k, k + 1), slice(n)
        one = [tensor[row, part] for tensor in (x, delta, b, c)]
        alone, end = scan(*one[:2], a, *one[2:], skip, state[row], discretize=rule)
        torch.testing.assert_close(y[row, part], alone)
        torch.testing.assert_close(last[row], end)
    for slope in torch.autograd.grad(y.sin().sum() + last.sin().sum(), leaves):
        assert slope.isfinite().all()
        assert slope[~real].eq(0).all()


@every
@rules
@given(p=st.floats(-3, 3), q=st.floats(-3, 3))
def test_is_linear_in_the_input(scan, rule, p, q):
    """With delta, b and c as they are."""
    one, *rest = inputs(state=False)
    other = torch.randn_like(one)
    found = scan(p * one + q * other, *rest, discretize=rule)[0]
    expected = p * scan(one, *rest, discretize=rule)[0] + q * scan(other, *rest, discretize=rule)[0]
    torch.testing.assert_close(found, expected)


@every
@rules
def test_is_the_hidden_matrix(agrees, arrays, scan, rule):
    """So masked, causal and made of the data, like attention's weights; but nothing makes its rows sum to one."""
    x, delta, a, b, c, *_ = inputs()
    matrix = torch.as_tensor(oracle.hidden_matrix(*arrays(delta, a, b, c), discretize=rule))
    assert torch.equal(matrix, matrix.tril())
    agrees(scan(x, delta, a, b, c, discretize=rule)[0], torch.einsum("kdij,kjd->kid", matrix, x))


@every
@given(delta=st.floats(1e-6, 1e-4))
def test_small_steps_are_alike_by_both_rules(scan, delta):
    """They differ by delta a / 2 of what is added, and no more."""
    x, _, a, b, c, *_ = inputs()
    steps = torch.full_like(x, delta)
    euler, held = (scan(x, steps, a, b, c, discretize=rule)[1] for rule in ("euler", "zoh"))
    assert not torch.equal(euler, held)
    torch.testing.assert_close(euler, held, rtol=0, atol=float(5 * delta**2 * 2 * (x.abs().amax() * b.abs().amax())))


@every
def test_the_zero_order_hold_is_exact_for_a_constant_input(scan):
    """One step of 1 is a thousand of 0.001; Euler's rule is not."""
    _, _, a, b, c, *_ = inputs(batch=1, n=1)
    x = torch.randn(1, 1, 2, dtype=torch.float64)
    one = torch.ones_like(x)
    for rule, exact in (("zoh", True), ("euler", False)):
        _, coarse = scan(x, one, a, b, c, discretize=rule)
        many = [tensor.expand(1, 1000, -1) for tensor in (x, one / 1000, b, c)]
        _, fine = scan(*many[:2], a, *many[2:], discretize=rule)
        assert torch.allclose(coarse, fine, rtol=1e-9, atol=1e-9) == exact


@every
def test_large_steps_forget_and_small_ones_skip(scan):
    x, delta, a, b, c, _, state = inputs(n=1)
    a = a - 0.5
    _, kept = scan(x, torch.zeros_like(delta), a, b, c, None, state)
    assert torch.equal(kept, state)
    _, fresh = scan(x, torch.full_like(delta, 200.0), a, b, c, None, state, discretize="zoh")
    torch.testing.assert_close(fresh, (x[:, 0, :, None] * b[:, 0, None]) / -a)


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_sums_keep_their_digits(scan, dtype):
    """A thousand small steps in half precision, against float64 with the same inputs."""
    given = inputs(batch=1, n=1000, dtype=dtype, state=False)
    given[1] = given[1] * 0.01
    y, state = scan(*given)
    exact = scan(*(None if tensor is None else tensor.double() for tensor in given))
    torch.testing.assert_close(state.double(), exact[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(y.double(), exact[0], rtol=torch.finfo(dtype).eps, atol=1e-3)


@every
def test_autocast_does_not_reach_inside(scan):
    given = inputs(dtype=torch.float32)
    expected = scan(*given)
    with torch.autocast("cpu", torch.bfloat16):
        found = scan(*given)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


@every
def test_nothing_given_is_changed(scan):
    given = inputs()
    before = [tensor.clone() for tensor in given]
    scan(*given, token_mask=REAL)
    assert all(torch.equal(tensor, old) for tensor, old in zip(given, before, strict=True))


def test_the_fast_version_forms_one_block_at_a_time(monkeypatch):
    """The largest tensor inside has the steps of a block, however long the sequence is."""
    monkeypatch.setattr(fast, "BLOCK", 16)
    seen = []
    stack = torch.stack
    monkeypatch.setattr(torch, "stack", lambda tensors, dim: seen.append(len(tensors)) or stack(tensors, dim))
    fast.selective_scan(*inputs(batch=1, n=40))
    assert seen == [16, 16, 8]


def call(scan, **changed):
    names = ("x", "delta", "a", "b", "c", "d_skip", "state")
    return lambda: scan(**{**dict(zip(names, inputs(), strict=True)), **changed})


@pytest.mark.refusal
@every
@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"discretize": "exact"}, ValueError, "discretize must be one of 'euler', 'zoh', got 'exact'."),
        ({"x": torch.zeros(3, 5).double()}, ValueError, "x must be (batch, n, d), got shape (3, 5)."),
        ({"a": torch.zeros(2).double()}, ValueError, "a must be (d, d_state), got shape (2,)."),
        ({"d_skip": torch.zeros(1, 2).double()}, ValueError, "d_skip must be (d), got shape (1, 2)."),
        (
            {"b": torch.zeros(3, 4, 4).double()},
            ValueError,
            "x, delta, b and c must agree in n, got x (3, 5, 2) with n=5, delta (3, 5, 2) with n=5, "
            "b (3, 4, 4) with n=4, c (3, 5, 4) with n=5.",
        ),
        (
            {"c": torch.zeros(3, 5, 3).double()},
            ValueError,
            "a, b and c must agree in d_state, got a (2, 4) with d_state=4, b (3, 5, 4) with d_state=4, "
            "c (3, 5, 3) with d_state=3.",
        ),
        (
            {"state": torch.zeros(3, 2, 5).double()},
            ValueError,
            "state must be (batch, d, d_state) = (3, 2, 4), got shape (3, 2, 5).",
        ),
        (
            {"state": torch.zeros(3, 2, 4)},
            TypeError,
            "state must be torch.float64 for x torch.float64, got torch.float32.",
        ),
        (
            {"token_mask": torch.ones(3, 5)},
            TypeError,
            "token_mask must be bool (True = a real token), got torch.float32.",
        ),
        ({"token_mask": REAL[:2]}, ValueError, "token_mask must be (batch, n) = (3, 5), got shape (2, 5)."),
    ],
)
def test_refusals(refuses, scan, changed, error, words):
    refuses(call(scan, **changed), error, f"selective_scan: {words}")


@pytest.mark.refusal
@every
def test_refuses_no_position_and_mixed_dtypes(refuses, scan):
    empty = inputs(n=0)
    words = "selective_scan: x must hold n >= 1 positions, got shape (3, 0, 2)."
    refuses(lambda: scan(*empty), ValueError, words)
    mixed = inputs()
    mixed[2] = mixed[2].float()
    with pytest.raises(TypeError, match=r"^selective_scan: x, delta, b, c, a and d_skip must share one dtype, got "):
        scan(*mixed)
