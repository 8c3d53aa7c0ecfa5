"""DALL·E against its definition and against Hugging Face's GPT-2, and the laws of one sequence of text and image."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from theirs import randomized
from torch import nn

from attnref import AdditiveAttention, beam_search, generate
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast_attention
from attnref.models import DALLE
from attnref.oracle import dalle as oracle
from attnref.protocols import NextToken

WORDS, CODES, N_TEXT, GRID = 7, 5, 3, (2, 4)
N_IMAGE = GRID[0] * GRID[1]
SIZES = {"n_text": N_TEXT, "grid": GRID, "d_model": 4, "num_heads": 2, "d_ff": 6, "num_layers": 2}
REAL = torch.tensor([[True, True, True], [True, False, False], [True, True, False]])


def make(**options):
    """A decoder whose weights are drawn wide, norms and biases too, in float64."""
    return randomized(DALLE(WORDS, CODES, **{**SIZES, **options}))


def pairs(batch=3, n_image=N_IMAGE):
    """Texts and image tokens."""
    return torch.randint(WORDS, (batch, N_TEXT)), torch.randint(CODES, (batch, n_image))


def prompt(batch=3, start=CODES):
    return torch.full((batch, 1), start)


def weights_of(model, arrays):
    return dict(zip(model.state_dict(), arrays(*model.state_dict().values()), strict=True))


@pytest.mark.parametrize("text_mask", [None, REAL], ids=["unpadded", "padded"])
@pytest.mark.parametrize("n_image", [1, 5, N_IMAGE])
def test_embedding_agrees_with_oracle(agrees, arrays, text_mask, n_image):
    model, (text, image_tokens) = make(), pairs(n_image=n_image)
    expected = oracle.embed(*arrays(text, image_tokens, text_mask), columns=GRID[1], weights=weights_of(model, arrays))
    agrees(model.embed(text, image_tokens, text_mask), expected)


@pytest.mark.parametrize("attend", ["reference", "fast"])
def test_agrees_with_oracle(agrees, arrays, attend):
    options = {"attend": fast_attention} if attend == "fast" else {}
    model, (text, image_tokens) = make(norm_eps=0.1, **options), pairs(2, 4)
    found = model(text, image_tokens, text_mask=REAL[:2], return_weights=True)
    sizes = {"columns": GRID[1], "num_heads": 2, "num_layers": 2, "norm_eps": 0.1}
    given = arrays(text, image_tokens, REAL[:2])
    of_text, of_image, layers = oracle.dalle(*given, **sizes, weights=weights_of(model, arrays))
    agrees(found.text_logits, of_text)
    agrees(found.image_logits, of_image)
    if attend == "reference":
        assert len(found.weights) == len(layers) == 2
        for own, expected in zip(found.weights, layers, strict=True):
            agrees(own, expected)
    else:
        assert found.weights is None


# Hugging Face's GPT-2, which is given vectors, with the same weights.


def gpt2_of(model, **options):
    transformers = pytest.importorskip("transformers")
    first = model.blocks.layers[0]
    config = transformers.GPT2Config(
        vocab_size=1,
        n_positions=N_TEXT + 1 + N_IMAGE,
        n_embd=4,
        n_layer=len(model.blocks.layers),
        n_head=first.self_attention.num_heads,
        n_inner=first.feed_forward.inner_proj.out_features,
        activation_function="gelu",
        layer_norm_epsilon=first.self_attention_norm.eps,
        attn_implementation="eager",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    theirs = transformers.GPT2Model(config).double().eval()
    theirs.load_state_dict(
        {
            "wte.weight": torch.zeros(1, 4),
            "wpe.weight": torch.zeros(N_TEXT + 1 + N_IMAGE, 4),  # positions are in the vectors
            **by_their_names(dict(model.blocks.named_parameters())),
        }
    )
    return theirs


def by_their_names(own):
    """Weights of the blocks, or their gradients, as GPT-2 has them: in, then out; query, key and value side by side."""
    own = {name: weight.detach() for name, weight in own.items()}
    theirs = {f"ln_f.{kind}": own[f"final_norm.{kind}"] for kind in ("weight", "bias")}
    for layer in range(sum(name.endswith("self_attention_norm.weight") for name in own)):
        at, to = f"layers.{layer}.", f"h.{layer}."
        for kind in ("weight", "bias"):
            names = [f"{at}self_attention.{part}_proj.{kind}" for part in ("query", "key", "value")]
            theirs[f"{to}attn.c_attn.{kind}"] = torch.cat([own[name] for name in names])
            theirs[f"{to}attn.c_proj.{kind}"] = own[f"{at}self_attention.output_proj.{kind}"]
            theirs[f"{to}mlp.c_fc.{kind}"] = own[f"{at}feed_forward.inner_proj.{kind}"]
            theirs[f"{to}mlp.c_proj.{kind}"] = own[f"{at}feed_forward.output_proj.{kind}"]
            theirs[f"{to}ln_1.{kind}"] = own[f"{at}self_attention_norm.{kind}"]
            theirs[f"{to}ln_2.{kind}"] = own[f"{at}feed_forward_norm.{kind}"]
    linear = re.compile(r"(c_attn|c_proj|c_fc)\.weight")
    return {name: weight.T if linear.search(name) else weight for name, weight in theirs.items()}


def vectors(model, text, image_tokens, text_mask):
    """The sequence that the model reads, put together by hand from its tables."""
    e, columns = model.embed, GRID[1]
    number = torch.arange(N_IMAGE - 1)
    cells = e.rows.weight[number // columns] + e.columns.weight[number % columns]
    words = torch.where(text_mask[..., None], e.text.weight[text], e.padding.weight) + e.text_positions.weight
    codes = e.image.weight[image_tokens[:, :-1]] + cells[: image_tokens.shape[1] - 1]
    starts = [table[-1:].expand(len(text), 1, 4) for table in (e.text.weight, e.image.weight)]
    return torch.cat([starts[0], words, starts[1], codes], dim=1)


@pytest.mark.interop
@pytest.mark.parametrize("options", [{}, {"num_heads": 1, "d_ff": 9, "num_layers": 3, "norm_eps": 0.2}], ids=str)
def test_agrees_with_gpt2(options):
    """Logits, attention weights and every gradient."""
    model, (text, image_tokens) = make(**options), pairs()
    theirs = gpt2_of(model)
    found = model(text, image_tokens, text_mask=REAL, return_weights=True)
    expected = theirs(inputs_embeds=vectors(model, text, image_tokens, REAL), output_attentions=True)
    x = expected.last_hidden_state
    logits = model.text_proj(x[:, :N_TEXT]), model.image_proj(x[:, -N_IMAGE:])
    torch.testing.assert_close((found.text_logits, found.image_logits), logits, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found.weights, tuple(expected.attentions), rtol=1e-10, atol=1e-10)

    beside = {name: w for name, w in model.named_parameters() if not name.startswith("blocks.")}
    blocks = dict(model.blocks.named_parameters())
    of_ours = torch.autograd.grad(sum(part.sin().sum() for part in found[:2]), [*beside.values(), *blocks.values()])
    of_theirs = torch.autograd.grad(
        sum(part.sin().sum() for part in logits), [*beside.values(), *theirs.parameters()], allow_unused=True
    )
    assert {name.split(".")[0] for name in beside} == {"embed", "text_proj", "image_proj"}
    for name, own, other in zip(beside, of_ours, of_theirs, strict=False):
        torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-9, msg=name)
    own = by_their_names(dict(zip(blocks, of_ours[len(beside) :], strict=True)))
    other = dict(zip((name for name, _ in theirs.named_parameters()), of_theirs[len(beside) :], strict=True))
    assert own.keys() == other.keys() - {"wte.weight", "wpe.weight"}
    for name, gradient in own.items():
        torch.testing.assert_close(gradient, other[name], rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.interop
@torch.no_grad()
def test_agrees_with_gpt2_token_by_token():
    """Each with a KV cache of its own: the text first, then one image token after another."""
    model, (text, image_tokens) = make(), pairs()
    theirs, x = gpt2_of(model), vectors(model, text, image_tokens, REAL)
    reading, read = model.start(text, REAL), torch.cat((prompt(), image_tokens), dim=1)
    past, at = None, 0
    for i in range(N_IMAGE):
        end = N_TEXT + 2 + i
        output = theirs(inputs_embeds=x[:, at:end], past_key_values=past, use_cache=True)
        past, at = output.past_key_values, end
        expected = model.image_proj(output.last_hidden_state[:, -1])
        torch.testing.assert_close(reading.read(read[:, i : i + 1]), expected, rtol=1e-10, atol=1e-10)


# One sequence, one causal mask.


def changed(tokens, at, size):
    other = tokens.clone()
    other[:, at] = (other[:, at] + 1) % size
    return other


@given(at=st.integers(0, N_TEXT - 1))
def test_a_text_token_reaches_what_comes_after_it(at):
    """The later text and the whole image, but no score of its own or of an earlier token."""
    model, (text, image_tokens) = make(), pairs()
    before, after = model(text, image_tokens), model(changed(text, at, WORDS), image_tokens)
    moved = (before.text_logits - after.text_logits).abs().amax((0, 2))
    assert moved[: at + 1].eq(0).all()
    assert moved[at + 1 :].gt(1e-6).all()
    assert (before.image_logits - after.image_logits).abs().amax((0, 2)).gt(1e-6).all()


@given(at=st.integers(0, N_IMAGE - 1))
def test_an_image_token_reaches_the_later_image_alone(at):
    model, (text, image_tokens) = make(), pairs()
    before, after = model(text, image_tokens), model(text, changed(image_tokens, at, CODES))
    assert torch.equal(before.text_logits, after.text_logits)
    moved = (before.image_logits - after.image_logits).abs().amax((0, 2))
    assert moved[: at + 1].eq(0).all()
    assert moved[at + 1 :].gt(1e-6).all()


def test_attention_weights_are_causal_over_the_whole_sequence():
    model, (text, image_tokens) = make(), pairs()
    n = N_TEXT + 1 + N_IMAGE
    for weights in model(text, image_tokens, return_weights=True).weights:
        assert weights.shape == (3, 2, n, n)
        assert weights.triu(1).eq(0).all()
        assert weights[weights.new_ones(weights.shape).tril().bool()].gt(0).all()


def test_weights_only_when_asked_for():
    assert make()(*pairs()).weights is None


@given(n_image=st.integers(1, N_IMAGE))
def test_the_first_image_tokens_alone_give_their_scores(n_image):
    model, (text, image_tokens) = make(), pairs()
    whole, part = model(text, image_tokens), model(text, image_tokens[:, :n_image])
    torch.testing.assert_close(part.image_logits, whole.image_logits[:, :n_image])
    torch.testing.assert_close(part.text_logits, whole.text_logits)


def test_the_last_image_token_is_not_read():
    model, (text, image_tokens) = make(), pairs()
    other = changed(image_tokens, -1, CODES)
    assert torch.equal(model(text, image_tokens).image_logits, model(text, other).image_logits)


@given(token=st.integers(0, WORDS - 1))
def test_padding_is_a_token_of_its_position(token):
    """Whatever stands there is not read; the padding vector of that position is, by what comes after."""
    model, (text, image_tokens) = make(), pairs()
    expected = model(text, image_tokens, text_mask=REAL)
    found = model(text.masked_fill(~REAL, token), image_tokens, text_mask=REAL)
    assert torch.equal(found.image_logits, expected.image_logits)
    assert torch.equal(found.text_logits, expected.text_logits)
    for at in range(N_TEXT):
        other = make()
        other.load_state_dict(model.state_dict())
        with torch.no_grad():
            other.embed.padding.weight[at] += torch.arange(4.0)
        moved = (other(text, image_tokens, text_mask=REAL).image_logits - expected.image_logits).abs().amax((1, 2))
        assert torch.equal(moved > 1e-6, ~REAL[:, at])


def test_a_mask_of_true_is_none():
    model, (text, image_tokens) = make(), pairs()
    masked = model(text, image_tokens, text_mask=torch.ones_like(text, dtype=torch.bool))
    assert torch.equal(masked.image_logits, model(text, image_tokens).image_logits)


def test_rows_and_columns_are_the_cells():
    """A row's vector moves what is read in it; so the scores from the token after its first on."""
    model, (text, image_tokens) = make(), pairs()
    rows, columns = GRID
    expected = model(text, image_tokens).image_logits
    for row in range(rows):
        other = make()
        other.load_state_dict(model.state_dict())
        with torch.no_grad():
            other.embed.rows.weight[row] += torch.arange(4.0)
        moved = (other(text, image_tokens).image_logits - expected).abs().amax((0, 2)) > 1e-6
        assert moved.nonzero()[0].item() == row * columns + 1
    for column in range(columns):
        other = make()
        other.load_state_dict(model.state_dict())
        with torch.no_grad():
            other.embed.columns.weight[column] += torch.arange(4.0)
        moved = (other(text, image_tokens).image_logits - expected).abs().amax((0, 2)) > 1e-6
        assert moved.nonzero()[0].item() == column + 1


def test_a_pair_is_read_alone():
    model, (text, image_tokens) = make(), pairs()
    together = model(text, image_tokens, text_mask=REAL).image_logits
    alone = [model(text[i : i + 1], image_tokens[i : i + 1], text_mask=REAL[i : i + 1]).image_logits for i in range(3)]
    torch.testing.assert_close(torch.cat(alone), together)


# Writing.


@pytest.mark.parametrize("cache", [True, False])
@settings(max_examples=8)
@given(cuts=st.sets(st.integers(1, N_IMAGE - 1)))
def test_read_in_any_parts_is_read_at_once(cache, cuts):
    """Token by token, or several at a time: the scores of the whole."""
    model, (text, image_tokens) = make(), pairs()
    logits = model(text, image_tokens, text_mask=REAL).image_logits
    reading, read = model.start(text, REAL, cache=cache), torch.cat((prompt(), image_tokens), dim=1)
    assert isinstance(reading, NextToken)
    ends = sorted(cuts | {N_IMAGE})
    for start, end in zip([0, *ends], ends, strict=False):
        torch.testing.assert_close(reading.read(read[:, start:end]), logits[:, end - 1])


@pytest.mark.parametrize("options", [{}, {"temperature": 0.7}, {"top_k": 2, "temperature": 3.0}], ids=str)
def test_writes_the_same_with_and_without_a_cache(options):
    model, (text, _) = make(), pairs()
    drawn = [
        generate(
            model.start(text, REAL, cache=cache),
            prompt(),
            max_new_tokens=N_IMAGE,
            generator=torch.Generator().manual_seed(0),
            **options,
        ).tokens
        for cache in (True, False)
    ]
    assert torch.equal(*drawn)
    assert len(set(drawn[0][:, 1:].flatten().tolist())) > 1


def test_the_cache_holds_every_position_from_the_start():
    """One buffer, never copied: the text, both starts, and all that is read of the image."""
    model, (text, image_tokens) = make(), pairs()
    reading = model.start(text)
    reading.read(torch.cat((prompt(), image_tokens[:, :-1]), dim=1))
    assert model.start(text, cache=False)._caches is None
    assert {(cache.length, cache.capacity) for cache in reading._caches} == {(N_TEXT + 1 + N_IMAGE,) * 2}


def test_greedy_takes_the_best():
    model, (text, _) = make(), pairs()
    written = generate(model.start(text), prompt(start=model.start_of_image), max_new_tokens=N_IMAGE).tokens[:, 1:]
    assert torch.equal(model(text, written).image_logits.argmax(-1), written)


def test_completes_an_image():
    model, (text, image_tokens) = make(), pairs()
    begun = torch.cat((prompt(), image_tokens[:, :3]), dim=1)
    written = generate(model.start(text), begun, max_new_tokens=N_IMAGE - 3).tokens[:, 1:]
    assert torch.equal(written[:, :3], image_tokens[:, :3])
    assert torch.equal(model(text, written).image_logits.argmax(-1)[:, 3:], written[:, 3:])


@pytest.mark.parametrize("cache", [True, False])
def test_samples_may_be_chosen_while_it_writes(cache):
    model, (text, image_tokens) = make(), pairs()
    reading, rows = model.start(text, REAL, cache=cache), torch.tensor([2, 0, 2])
    reading.select(rows)  # nothing is read yet
    reading.read(torch.cat((prompt(), image_tokens[rows, :3]), dim=1))
    reading.select(torch.tensor([1, 1, 0]))
    found = reading.read(image_tokens[[0, 0, 2], 3:5])
    expected = model(text[[0, 0, 2]], image_tokens[[0, 0, 2]], text_mask=REAL[[0, 0, 2]]).image_logits[:, 5]
    torch.testing.assert_close(found, expected)
    beams = beam_search(model.start(text), prompt(), beams=3, max_new_tokens=N_IMAGE, end=0)
    assert beams.tokens.shape[:2] == (3, 3)


# The rest.


@pytest.mark.parametrize("attend", [fast_attention, AdditiveAttention(2, 2, 3)])
def test_any_attention_sits_in_it(attend):
    model, (text, image_tokens) = make(attend=attend), pairs()
    found = model(text, image_tokens, return_weights=True)
    assert found.image_logits.isfinite().all()
    assert (found.weights is None) == (attend is fast_attention)


def test_norms_come_first_and_options_reach_every_block():
    model = make(norm_eps=1e-3)
    norms = [m.eps for m in model.modules() if isinstance(m, nn.LayerNorm)]
    assert norms == [1e-3] * 5
    assert [block.norm for block in model.blocks.layers] == ["pre"] * 2


def test_dropout_is_on_the_embedded_tokens_and_in_the_blocks():
    model, (text, image_tokens) = make(dropout=0.5), pairs()
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.5] * 3
    seen = []
    model.blocks.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model(text, image_tokens)
    assert 0.2 < seen[0].eq(0).double().mean() < 0.8
    model.eval()
    assert torch.equal(model(text, image_tokens).image_logits, model(text, image_tokens).image_logits)
    model.start(text)


def test_weights_start_as_gpts():
    model = DALLE(500, 400, n_text=90, grid=(80, 70), d_model=64, num_heads=2, d_ff=6, num_layers=1)
    for weight in model.embed.parameters():
        assert 0.018 < weight.std() < 0.022
        assert weight.mean().abs() < 1e-3


def test_reset_draws_everything_anew():
    model = make(attend=AdditiveAttention(2, 2, 3))
    for weight in model.parameters():
        nn.init.constant_(weight, torch.nan)
    model.reset_parameters()
    assert all(weight.isfinite().all() for weight in model.parameters())


def test_tokens_may_be_int32():
    model, (text, image_tokens) = make(), pairs()
    found = model(text.int(), image_tokens.int()).image_logits
    assert torch.equal(found, model(text, image_tokens).image_logits)


@pytest.mark.slow
def test_the_sizes_of_the_paper():
    """Some 12 billion parameters: 64 layers of 62 heads of 64, 256 text tokens of 16,384, 32 x 32 of 8,192."""
    sizes = {"d_model": 62 * 64, "num_heads": 62, "d_ff": 4 * 62 * 64, "num_layers": 64}
    with torch.device("meta"):
        model = DALLE(16384, 8192, n_text=256, grid=(32, 32), **sizes)
    assert round(sum(weight.numel() for weight in model.parameters()) / 1e9, 1) == 12.3


def made(words=WORDS, codes=CODES, **options):
    return lambda: DALLE(words, codes, **{**SIZES, **options})


def scored(text=None, image_tokens=None, **options):
    given = pairs()
    text, image_tokens = (
        one if other is None else other for one, other in zip(given, (text, image_tokens), strict=True)
    )
    return lambda: make()(text, image_tokens, **options)


def read(*parts, batch=3, **options):
    def call():
        reading = make(**options).start(pairs(batch)[0])
        for part in parts:
            reading.read(torch.tensor([part] * 3))

    return call


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (made(words=0), ValueError, "DALLE: text_vocab_size must be at least 1, got 0."),
        (made(codes=0), ValueError, "DALLE: num_codes must be at least 1, got 0."),
        (made(n_text=0), ValueError, "DALLE: n_text must be at least 1, got 0."),
        (made(num_layers=0), ValueError, "DALLE: num_layers must be at least 1, got 0."),
        (made(num_heads=3), ValueError, "DALLE: d_model must divide by num_heads, got d_model=4 and num_heads=3."),
        (made(grid=16), TypeError, "DALLE: grid must be a pair (rows, columns), got int."),
        (made(grid=(4, 4, 4)), TypeError, "DALLE: grid must be a pair (rows, columns), got tuple of 3."),
        (made(grid=(0, 4)), ValueError, "DALLE: rows must be at least 1, got 0."),
        (made(grid=(4, 2.0)), TypeError, "DALLE: columns must be an int, got float."),
        (
            scored(text=torch.zeros(3, 2, dtype=torch.long)),
            ValueError,
            "DALLE: text must have n_text=3, got text (3, 2) with n_text=2; pad it, and mask the padding by text_mask.",
        ),
        (
            scored(text=torch.zeros(3, 4, dtype=torch.long)),
            ValueError,
            "DALLE: text must have n_text=3, got text (3, 4) with n_text=4.",
        ),
        (
            scored(text=torch.full((3, 3), 7)),
            ValueError,
            "DALLE: text must lie between 0 and vocab_size - 1=6, got 7 to 7.",
        ),
        (
            scored(image_tokens=torch.full((3, 2), 5)),
            ValueError,
            "DALLE: image_tokens must lie between 0 and vocab_size - 1=4, got 5 to 5.",
        ),
        (
            scored(image_tokens=torch.zeros(3, 2)),
            TypeError,
            "DALLE: image_tokens must hold tokens as int32 or int64, got torch.float32.",
        ),
        (
            scored(image_tokens=torch.zeros(3, 2, 4, dtype=torch.long)),
            ValueError,
            "DALLE: image_tokens must be (batch, n), got shape (3, 2, 4).",
        ),
        (
            scored(image_tokens=torch.zeros(3, 0, dtype=torch.long)),
            ValueError,
            "DALLE: image_tokens must hold at least one token a sample, got shape (3, 0).",
        ),
        (
            scored(image_tokens=torch.zeros(2, 8, dtype=torch.long)),
            ValueError,
            "DALLE: text and image_tokens must agree in batch, "
            "got text (3, 3) with batch=3, image_tokens (2, 8) with batch=2.",
        ),
        (
            scored(image_tokens=torch.zeros(3, 9, dtype=torch.long)),
            ValueError,
            "DALLE: image_tokens must hold at most 8 tokens for a grid of 2 x 4, got 9.",
        ),
        (
            scored(text_mask=REAL.flip(1)),
            ValueError,
            "DALLE: text_mask must have its padding on the right, got padding before a token in row 1.",
        ),
        (
            scored(text_mask=REAL.long()),
            TypeError,
            "DALLE: text_mask must be bool (True = a real token), got torch.int64.",
        ),
        (
            scored(text_mask=REAL[:, :2]),
            ValueError,
            "DALLE: text_mask must be (batch, n) = (3, 3), got shape (3, 2).",
        ),
        (
            scored(text=torch.zeros(3, 3, dtype=torch.long, device="meta")),
            ValueError,
            "DALLE: text must be on the device of the weights, got text on meta, weights on cpu.",
        ),
        (
            scored(image_tokens=torch.zeros(3, 3, dtype=torch.long, device="meta")),
            ValueError,
            "DALLE: image_tokens must be on the device of the weights, got image_tokens on meta, weights on cpu.",
        ),
        (
            lambda: make().start(pairs()[0][:, :2]),
            ValueError,
            "DALLE.start: text must have n_text=3, got text (3, 2) with n_text=2; "
            "pad it, and mask the padding by text_mask.",
        ),
        (
            lambda: make(dropout=0.1).start(pairs()[0]),
            ValueError,
            "DALLE.start: dropout must be off while the model writes, "
            "got dropout=0.1 in training mode; call model.eval() first.",
        ),
        (
            read([2]),
            ValueError,
            "DALLE.start: tokens must begin with start_of_image=5, and have it nowhere else, "
            "got [2] at position 0 of the image.",
        ),
        (
            read([5, 2], [5]),
            ValueError,
            "DALLE.start: tokens must begin with start_of_image=5, and have it nowhere else, "
            "got [5] at position 2 of the image.",
        ),
        (
            read([5, 2, 5]),
            ValueError,
            "DALLE.start: tokens must begin with start_of_image=5, and have it nowhere else, "
            "got [5, 2, 5] at position 0 of the image.",
        ),
        (read([6]), ValueError, "DALLE.start: tokens must lie between 0 and vocab_size - 1=5, got 6 to 6."),
        (
            read([5, 0, 0, 0], [0, 0, 0, 0], [0]),
            ValueError,
            "DALLE.start: tokens must hold at most 8 tokens for a grid of 2 x 4, "
            "the start of the image among them, got 9.",
        ),
        (
            read([5], batch=2),
            ValueError,
            "DALLE.start: text and tokens must agree in batch, "
            "got text (2, 3) with batch=2, tokens (3, 1) with batch=3.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(call, error, words)
