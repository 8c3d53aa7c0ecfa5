"""The language model Mamba: its parts, writing with a constant state, padding, refusals."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from theirs import randomized
from torch import nn

from attnref import beam_search, generate
from attnref.fast.selective_scan import selective_scan as fast_scan
from attnref.models import Mamba, MambaBlock
from attnref.protocols import NextToken

SIZES = {"d_model": 6, "num_layers": 2, "d_state": 3, "kernel": 3}


def make(vocab_size=9, **options):
    return randomized(Mamba(vocab_size, **{**SIZES, **options}))


def texts(batch=3, n=5):
    return torch.randint(9, (batch, n))


def root_mean_square(x, weight, eps=1e-5):
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps) * weight


@pytest.mark.parametrize("tie", ["output", "none"])
def test_is_its_parts(tie):
    model, tokens = make(tie=tie), texts()
    x = model.embed.weight[tokens]
    for layer in model.layers:
        x = x + layer.mixer(root_mean_square(x, layer.norm.weight))[0]
    x = root_mean_square(x, model.final_norm.weight)
    table = model.embed.weight if tie == "output" else model.output_proj.weight
    torch.testing.assert_close(model(tokens)[0], x @ table.T, rtol=1e-10, atol=1e-10)


def test_options_reach_every_block():
    model = make(norm_eps=1e-3, bias=True, conv_bias=False, expand=3, delta_rank=2, scan=fast_scan)
    for layer in model.layers:
        mixer = layer.mixer
        assert (layer.norm.eps, mixer.expand, mixer.delta_rank, mixer.kernel, mixer.d_state) == (1e-3, 3, 2, 3, 3)
        assert mixer.scan is fast_scan
        assert mixer.in_proj.bias is not None
        assert mixer.out_proj.bias is not None
        assert mixer.conv.bias is None
    assert model.final_norm.eps == 1e-3


def test_a_block_adds_what_it_mixes():
    block, x = randomized(MambaBlock(6)), torch.randn(2, 4, 6).double()
    y, state = block(x)
    mixed, expected = block.mixer(block.norm(x))
    torch.testing.assert_close(y, x + mixed)
    assert all(torch.equal(one, other) for one, other in zip(state, expected, strict=True))


@given(n=st.integers(1, 6), cuts=st.sets(st.integers(1, 5)))
def test_read_in_any_parts_is_read_at_once(n, cuts):
    """Token by token, or several at a time: the same next logits."""
    model, tokens = make(), texts(n=n)
    logits, _ = model(tokens)
    reading = model.start()
    assert isinstance(reading, NextToken)
    ends = sorted({min(cut, n) for cut in cuts} | {n})
    for start, end in zip([0, *ends], ends, strict=False):
        torch.testing.assert_close(reading.read(tokens[:, start:end]), logits[:, end - 1])


def test_writes_as_if_it_read_anew():
    model, tokens = make(), texts(n=2)
    found = generate(model.start(), tokens, max_new_tokens=7).tokens
    for _ in range(7):
        tokens = torch.cat((tokens, model(tokens)[0][:, -1:].argmax(-1)), 1)
    assert torch.equal(found, tokens)
    assert len(set(found[0].tolist())) > 2


def test_samples_may_be_chosen_while_it_writes():
    model, tokens = make(), texts()
    reading, rows = model.start(), torch.tensor([2, 0, 2])
    reading.select(rows)  # nothing is read yet
    reading.read(tokens[:, :3])
    reading.select(rows)
    found = reading.read(tokens[rows, 3:])
    torch.testing.assert_close(found, model(tokens[rows])[0][:, -1])
    beams = beam_search(model.start(), tokens[:, :2], beams=3, max_new_tokens=4, end=0)
    assert beams.tokens.shape[:2] == (3, 3)


def test_the_state_keeps_its_size():
    model = make()
    sizes = [[tuple(part.shape) for block in model(texts(n=n))[1] for part in block] for n in (1, 30)]
    assert sizes[0] == sizes[1] == [(3, 12, 2), (3, 12, 3)] * 2


@given(lengths=st.lists(st.integers(1, 5), min_size=3, max_size=3))
def test_padding_changes_nothing(lengths):
    model, tokens = make(), texts()
    real = torch.arange(5) < torch.tensor(lengths)[:, None]
    logits, state = model(tokens, real)
    for k, n in enumerate(lengths):
        alone, end = model(tokens[k : k + 1, :n])
        torch.testing.assert_close(logits[k : k + 1, :n], alone)
        for block, expected in zip(state, end, strict=True):
            for part, wanted in zip(block, expected, strict=True):
                torch.testing.assert_close(part[k : k + 1], wanted)


@given(at=st.integers(1, 4))
def test_the_future_changes_nothing(at):
    model, tokens = make(), texts()
    other = tokens.clone()
    other[:, at:] = texts()[:, at:]
    torch.testing.assert_close(model(other)[0][:, :at], model(tokens)[0][:, :at])


def test_order_counts_without_positions():
    model, tokens = make(), torch.tensor([[1, 2, 3], [2, 1, 3]])
    logits, _ = model(tokens)
    assert not torch.allclose(logits[0, -1], logits[1, -1])


def test_the_fast_scan_gives_the_same():
    model, tokens = make(), texts(n=40)
    other = make(scan=fast_scan)
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other(tokens)[0], model(tokens)[0])


def test_weights_start_as_in_the_papers_code():
    torch.manual_seed(0)
    model = Mamba(500, d_model=64, num_layers=4)
    assert 0.018 < model.embed.weight.std() < 0.022
    bound = 1 / math.sqrt(128) / 2  # of a linear layer from 128, over the root of the number of blocks
    for layer in model.layers:
        assert 0.95 * bound < layer.mixer.out_proj.weight.abs().max() <= bound
    assert model.output_proj is None


@pytest.mark.parametrize("tie", ["output", "none"])
def test_reset_draws_everything_anew(tie):
    model = make(tie=tie)
    for weight in model.parameters():
        nn.init.constant_(weight, torch.nan)
    model.reset_parameters()
    assert all(weight.isfinite().all() for weight in model.parameters())
    torch.manual_seed(1)
    model.reset_parameters()
    assert model.embed.weight.std() < 0.05


@pytest.mark.slow
def test_the_sizes_of_the_paper():
    """Mamba-130M: 24 blocks of 768, a vocabulary of 50,280, one table for both ends."""
    with torch.device("meta"):
        model = Mamba(50280, d_model=768, num_layers=24)
    assert sum(weight.numel() for weight in model.parameters()) == 129_135_360


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Mamba(0, d_model=4, num_layers=1), ValueError, "Mamba: vocab_size must be at least 1, got 0."),
        (lambda: make(num_layers=0), ValueError, "Mamba: num_layers must be at least 1, got 0."),
        (lambda: make(tie="all"), ValueError, "Mamba: tie must be one of 'none', 'output', got 'all'."),
        (lambda: make(norm_eps=0.0), ValueError, "MambaBlock: norm_eps must be positive and finite, got 0.0."),
        (lambda: make(kernel=0), ValueError, "MambaMixer: kernel must be at least 1, got 0."),
        (
            lambda: make()(texts() + 9),
            ValueError,
            None,
        ),
        (
            lambda: make()(texts(), state=make()(texts())[1][:1]),
            ValueError,
            "Mamba: state must be a list of 2, one for each block, got list of 1.",
        ),
        (
            lambda: make()(texts(), torch.tensor([[False] + [True] * 4] * 3)),
            ValueError,
            "Mamba: token_mask must have its padding on the right, got padding before a token in row 0.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    if words is None:
        with pytest.raises(error, match=r"^Mamba: tokens must lie between 0 and vocab_size - 1"):
            call()
    else:
        refuses(call, error, words)
