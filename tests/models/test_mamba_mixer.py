"""Mamba's mixer: its equations, its state, padding, and how its weights start."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from theirs import randomized
from torch import nn

from attnref.fast.selective_scan import selective_scan as fast_scan
from attnref.models import MambaMixer, selective_scan

SIZES = {"d_model": 6, "d_state": 3, "kernel": 4, "expand": 2, "delta_rank": 2}


def make(**options):
    """In float64, rates and biases drawn too."""
    return randomized(MambaMixer(**{**SIZES, **options}))


def vectors(batch=3, n=5, d_model=6):
    return torch.randn(batch, n, d_model, dtype=torch.float64)


def by_hand(mixer, x):
    """Algorithm 2 and figure 3, position by position, channel by channel where they are apart."""
    silu = lambda t: t / (1 + torch.exp(-t))  # noqa: E731
    d, kernel, rank, d_state = mixer.log_a.shape[0], mixer.kernel, mixer.delta_rank, mixer.d_state
    both = x @ mixer.in_proj.weight.T + (0 if mixer.in_proj.bias is None else mixer.in_proj.bias)
    u, z = both[..., :d], both[..., d:]
    h, outputs = x.new_zeros(len(x), d, d_state), []
    for i in range(x.shape[1]):
        seen = torch.zeros_like(u[:, 0]) + (0 if mixer.conv.bias is None else mixer.conv.bias)
        for k in range(kernel):
            if i - k >= 0:
                seen = seen + mixer.conv.weight[:, 0, kernel - 1 - k] * u[:, i - k]
        seen = silu(seen)
        parts = seen @ mixer.x_proj.weight.T
        b, c = parts[:, rank : rank + d_state], parts[:, rank + d_state :]
        delta = torch.log1p(torch.exp(parts[:, :rank] @ mixer.delta_proj.weight.T + mixer.delta_proj.bias))
        h = torch.exp(-delta[..., None] * mixer.log_a.exp()) * h + (delta * seen)[..., None] * b[:, None]
        y = (h * c[:, None]).sum(-1) + mixer.d_skip * seen
        outputs.append((y * silu(z[:, i])) @ mixer.out_proj.weight.T)
        outputs[-1] = outputs[-1] + (0 if mixer.out_proj.bias is None else mixer.out_proj.bias)
    return torch.stack(outputs, 1), h, u


@pytest.mark.parametrize("scan", [selective_scan, fast_scan], ids=["reference", "fast"])
@given(
    kernel=st.integers(1, 4),
    expand=st.integers(1, 3),
    d_state=st.integers(1, 3),
    rank=st.integers(1, 3),
    bias=st.booleans(),
    conv_bias=st.booleans(),
    n=st.integers(1, 6),
)
def test_is_the_equations_of_the_paper(scan, kernel, expand, d_state, rank, bias, conv_bias, n):
    sizes = {"kernel": kernel, "expand": expand, "d_state": d_state, "delta_rank": rank}
    mixer, x = make(**sizes, bias=bias, conv_bias=conv_bias, scan=scan), vectors(n=n)
    y, (past, h) = mixer(x)
    expected, state, u = by_hand(mixer, x)
    torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(h, state, rtol=1e-10, atol=1e-10)
    assert past.shape == (3, 6 * expand, kernel - 1)
    for k in range(min(n, kernel - 1)):
        torch.testing.assert_close(past[..., kernel - 2 - k], u[:, n - 1 - k])


@given(cut=st.integers(1, 4), kernel=st.integers(1, 5))
def test_in_parts_is_in_one(cut, kernel):
    mixer, x = make(kernel=kernel), vectors()
    y, state = mixer(x)
    first, middle = mixer(x[:, :cut])
    second, last = mixer(x[:, cut:], middle)
    torch.testing.assert_close(torch.cat((first, second), 1), y)
    for one, other in zip(last, state, strict=True):
        torch.testing.assert_close(one, other)


@given(at=st.integers(1, 4), what=st.sampled_from([5.0, math.inf, math.nan]))
def test_the_future_changes_nothing(at, what):
    mixer, x = make(), vectors()
    y, _ = mixer(x)
    x[:, at:] = what
    torch.testing.assert_close(mixer(x)[0][:, :at], y[:, :at])


@given(lengths=st.lists(st.integers(1, 5), min_size=3, max_size=3), before=st.booleans())
def test_padding_leaves_the_state_alone(lengths, before):
    mixer, x = make(), vectors()
    state = mixer(vectors())[1] if before else None
    real = torch.arange(5) < torch.tensor(lengths)[:, None]
    y, last = mixer(x, state, real)
    for k, n in enumerate(lengths):
        rows = slice(k, k + 1)
        alone, end = mixer(x[rows, :n], None if state is None else tuple(part[rows] for part in state))
        torch.testing.assert_close(y[rows, :n], alone)
        for part, expected in zip(last, end, strict=True):
            torch.testing.assert_close(part[rows], expected)


def test_nothing_but_padding_keeps_the_whole_state():
    mixer = make()
    state = mixer(vectors())[1]
    _, after = mixer(vectors(), state, torch.zeros(3, 5, dtype=torch.bool))
    assert all(torch.equal(one, other) for one, other in zip(after, state, strict=True))


def test_the_size_of_the_state_does_not_depend_on_the_length():
    mixer = make()
    assert {tuple(part.shape for part in mixer(vectors(n=n))[1]) for n in (1, 5, 40)} == {((3, 12, 3), (3, 12, 3))}


def test_weights_start_as_in_the_paper():
    torch.manual_seed(0)
    mixer = MambaMixer(d_model=512)
    torch.testing.assert_close(-mixer.log_a.exp(), -torch.arange(1.0, 17).expand(1024, 16))
    assert mixer.d_skip.eq(1).all()
    assert mixer.delta_rank == 32
    delta = nn.functional.softplus(mixer.delta_proj.bias)
    assert 0.001 <= delta.min() < 0.0015
    assert 0.07 < delta.max() <= 0.1001
    assert 0.4 < (delta < 0.01).float().mean() < 0.6  # even in the logarithm
    assert 0.9 * 32**-0.5 < mixer.delta_proj.weight.abs().max() <= 32**-0.5
    with_bias = MambaMixer(d_model=4, bias=True)
    assert with_bias.in_proj.bias.eq(0).all()
    assert with_bias.out_proj.bias.eq(0).all()
    assert MambaMixer(d_model=17).delta_rank == 2


def test_reset_draws_everything_anew():
    mixer = make(bias=True)
    for weight in mixer.parameters():
        nn.init.constant_(weight, torch.nan)
    mixer.reset_parameters()
    assert all(weight.isfinite().all() for weight in mixer.parameters())


def test_another_scan_goes_in():
    """The zero-order hold, for one."""
    held = make(scan=lambda *args, **options: selective_scan(*args, discretize="zoh", **options))
    mixer, x = make(), vectors()
    mixer.load_state_dict(held.state_dict())
    assert not torch.allclose(held(x)[0], mixer(x)[0])


STATE = (torch.zeros(3, 12, 3).double(), torch.zeros(3, 12, 3).double())
GAP = torch.tensor([[True] * 5, [True, False, True, True, True], [True] * 5])


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: MambaMixer(0), ValueError, "d_model must be at least 1, got 0."),
        (lambda: MambaMixer(8, kernel=0), ValueError, "kernel must be at least 1, got 0."),
        (lambda: MambaMixer(8, delta_rank=0), ValueError, "delta_rank must be at least 1, got 0."),
        (lambda: MambaMixer(8, expand=1.5), TypeError, "expand must be an int, got float."),
        (lambda: MambaMixer(8, scan="fast"), TypeError, "scan must be called as selective_scan is, got str."),
        (lambda: make()(vectors()[0]), ValueError, "x must be (batch, n, d_model), got shape (5, 6)."),
        (
            lambda: make()(vectors(d_model=7)),
            ValueError,
            "x must have d_model=6, got x (3, 5, 7) with d_model=7.",
        ),
        (
            lambda: make()(vectors().float()),
            TypeError,
            "x and weights must share one dtype, got x torch.float32, weights torch.float64.",
        ),
        (lambda: make()(vectors(n=0)), ValueError, "x must hold n >= 1 positions, got shape (3, 0, 6)."),
        (
            lambda: make()(vectors(), token_mask=GAP),
            ValueError,
            "token_mask must have its padding on the right, got padding before a token in row 1.",
        ),
        (
            lambda: make()(vectors(), STATE[0]),
            TypeError,
            "state must be the pair that a call before returned, got torch.Tensor.",
        ),
        (
            lambda: make()(vectors(), (STATE[0][..., :2], STATE[1])),
            ValueError,
            "past must be (batch, d, kernel - 1) = (3, 12, 3), got shape (3, 12, 2).",
        ),
        (
            lambda: make()(vectors(), (STATE[0], STATE[1].float())),
            TypeError,
            "h must be torch.float64 for x torch.float64, got torch.float32.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, f"MambaMixer: {words}")
