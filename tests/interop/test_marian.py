"""A whole translation model that nobody here wrote: Hugging Face's Marian with random weights."""

import inspect
import textwrap

import pytest
import torch
from torch import nn

from attnref import Transformer, beam_search, generate, padding_mask
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast_attention

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.interop
START, PAD, END = 1, 19, 0


def make(*, bias=True, **options):
    """Random weights, drawn wider than Marian's, so that attention and greedy decoding have something to choose."""
    config = {
        "vocab_size": 20,
        "d_model": 8,
        "encoder_layers": 2,
        "decoder_layers": 3,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 16,
        "decoder_ffn_dim": 16,
        "max_position_embeddings": 32,
        "activation_function": "relu",
        "scale_embedding": True,
        "pad_token_id": PAD,
        "decoder_start_token_id": START,
        "eos_token_id": END,
        "forced_eos_token_id": None,
        **options,
    }
    model = transformers.MarianMTModel(transformers.MarianConfig(**config)).double().eval()
    for name, weight in model.named_parameters():
        if "embed_positions" not in name:
            nn.init.normal_(weight, std=0.4)
    if bias:
        nn.init.normal_(model.final_logits_bias)
    return model


def convert(model, **options):
    from attnref.interop import from_marian

    return from_marian(model, **options)


def tokens():
    """Neither the end token nor the padding token."""
    return torch.randint(2, PAD, (3, 7)), torch.randint(2, PAD, (3, 5))


REAL, TARGET_REAL = padding_mask([7, 4, 6], 7)[:, 0], padding_mask([5, 5, 3], 5)[:, 0]
TWO = {"share_encoder_decoder_embeddings": False, "vocab_size": 24, "decoder_vocab_size": 20}
WAYS = pytest.mark.parametrize(
    ("options", "tie"),
    [
        ({"bias": False}, "all"),
        ({"bias": True}, "none"),
        ({"bias": False, **TWO}, "output"),
        ({"bias": True, **TWO}, "none"),
        ({"bias": False, **TWO, "tie_word_embeddings": False}, "none"),
    ],
    ids=["one table", "one table and a bias", "two vocabularies", "two and a bias", "nothing shared"],
)


@WAYS
@pytest.mark.parametrize("activation", ["relu", "gelu", "swish", "silu"])
@pytest.mark.parametrize("attend", ["reference", "fast"])
@torch.no_grad()
def test_logits(options, tie, activation, attend):
    theirs = make(activation_function=activation, **options)
    ours = convert(theirs, **({"attend": fast_attention} if attend == "fast" else {}))
    assert isinstance(ours, Transformer)
    assert (ours.decoder.layers[2].cross_attention.attend is fast_attention) == (attend == "fast")
    assert (ours.output_proj is None) == (tie != "none")
    assert (ours.source_embed.tokens is ours.target_embed.tokens) == (tie == "all")
    source, target = tokens()
    expected = theirs(source, REAL.long(), decoder_input_ids=target, decoder_attention_mask=TARGET_REAL.long()).logits
    found, _ = ours(source, target, REAL, TARGET_REAL)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    expected = theirs(source, decoder_input_ids=target).logits
    torch.testing.assert_close(ours(source, target)[0], expected, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(found, expected)


@torch.no_grad()
def test_attention_weights_of_every_layer_and_head():
    theirs = make(attn_implementation="eager")
    source, target = tokens()
    expected = theirs(source, REAL.long(), decoder_input_ids=target, output_attentions=True)
    _, weights = convert(theirs)(source, target, REAL, return_weights=True)
    for found, wanted in zip(
        weights, (expected.encoder_attentions, expected.decoder_attentions, expected.cross_attentions), strict=True
    ):
        torch.testing.assert_close(found, tuple(wanted), rtol=1e-9, atol=1e-9)


@WAYS
def test_gradients_of_the_embeddings(options, tie):
    """Where a table is shared in Marian and copied here, the gradients of the copies add up to Marian's."""
    theirs = make(**options)
    ours, (source, target) = convert(theirs), tokens()
    theirs(source, REAL.long(), decoder_input_ids=target).logits.log_softmax(-1)[..., 3].sum().backward()
    ours(source, target, REAL)[0].log_softmax(-1)[..., 3].sum().backward()
    marian = theirs.model
    tables = [
        (marian.encoder.embed_tokens, ours.source_embed.tokens),
        (marian.decoder.embed_tokens, ours.target_embed.tokens),
    ]
    tables += [(theirs.lm_head, ours.output_proj)] if ours.output_proj is not None else []
    wanted, copies = {id(their.weight): their.weight.grad for their, _ in tables}, {}
    for their, own in tables:
        copies.setdefault(id(their.weight), {})[id(own.weight)] = own.weight.grad
    for table, gradient in wanted.items():
        torch.testing.assert_close(sum(copies[table].values()), gradient, rtol=1e-8, atol=1e-8)
    assert not ours.source_embed.positions.weight.requires_grad
    inner = theirs.model.decoder.layers[2].fc1.weight.grad
    torch.testing.assert_close(ours.decoder.layers[2].feed_forward.inner_proj.weight.grad, inner, rtol=1e-8, atol=1e-8)


def test_only_marian_gives_the_padding_token_no_gradient():
    theirs = make(**TWO)
    ours = convert(theirs)
    source, target = tokens()
    source[0, 2] = PAD
    theirs(source, decoder_input_ids=target).logits.log_softmax(-1)[..., 3].sum().backward()
    ours(source, target)[0].log_softmax(-1)[..., 3].sum().backward()
    theirs, ours = theirs.model.encoder.embed_tokens.weight.grad, ours.source_embed.tokens.weight.grad
    torch.testing.assert_close(ours[:PAD], theirs[:PAD], rtol=1e-8, atol=1e-8)
    assert theirs[PAD].eq(0).all()
    assert ours[PAD].abs().max() > 1e-6


def test_positions_are_sines_before_cosines():
    """The paper's columns in another order: the same model but for an order of d_model, so not the paper's numbers."""
    from attnref import sinusoidal_positions

    table = convert(make()).source_embed.positions.weight
    paper = sinusoidal_positions(32, 8, dtype=torch.float64)
    torch.testing.assert_close(table, torch.cat((paper[:, ::2], paper[:, 1::2]), 1), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_greedy_decoding(cache, bias):
    theirs, (source, _) = make(bias=bias), tokens()
    theirs.final_logits_bias[0, END] += 2.0  # so that some end
    expected = theirs.generate(
        source, attention_mask=REAL.long(), num_beams=1, do_sample=False, max_new_tokens=9, use_cache=cache
    )
    prompt = torch.full((3, 1), START)
    found = generate(convert(theirs).start(source, REAL, cache=cache), prompt, max_new_tokens=9, end=END)
    assert found.tokens.shape == expected.shape
    filled = found.tokens.masked_fill(~found.token_mask, PAD)  # Marian fills with padding, attnref with the end token
    assert filled.tolist() == expected.tolist()


@pytest.mark.parametrize("beams", [2, 4])
def test_beam_search_where_no_text_ends(beams):
    """All texts are of one length, so that no normalization chooses: the same texts, and scores of the same sums."""
    theirs, (source, _) = make(), tokens()
    theirs.final_logits_bias[0, END] = -1e6
    expected = theirs.generate(
        source,
        attention_mask=REAL.long(),
        num_beams=beams,
        num_return_sequences=beams,
        do_sample=False,
        max_new_tokens=6,
        return_dict_in_generate=True,
        output_scores=True,
        length_penalty=1.0,
    )
    prompt = torch.full((3, 1), START)
    found = beam_search(convert(theirs).start(source, REAL), prompt, beams=beams, max_new_tokens=6, end=END)
    assert found.tokens.flatten(0, 1).tolist() == expected.sequences.tolist()
    log_p = found.scores.flatten() * ((5 + 6) / 6) ** 0.6
    torch.testing.assert_close(log_p.float(), expected.sequences_scores.float() * 6, rtol=1e-4, atol=1e-4)


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: nn.Linear(8, 8),
            TypeError,
            "model must be a transformers.MarianMTModel, got torch.nn.modules.linear.Linear.",
        ),
        (
            lambda: make(scale_embedding=False),
            ValueError,
            "embeddings must be multiplied by √d_model, got scale_embedding=False.",
        ),
        (
            lambda: make(activation_function="tanh"),
            ValueError,
            "the activation must be relu, gelu or swish, got tanh.",
        ),
        (
            lambda: make(decoder_attention_heads=4),
            ValueError,
            "encoder and decoder must agree in attention_heads, "
            "got encoder_attention_heads=2 and decoder_attention_heads=4.",
        ),
        (
            lambda: make(decoder_ffn_dim=12),
            ValueError,
            "encoder and decoder must agree in ffn_dim, got encoder_ffn_dim=16 and decoder_ffn_dim=12.",
        ),
        (
            lambda: make(attention_dropout=0.1).train(),
            ValueError,
            "attention_dropout must be 0, or the model in eval mode, since attnref drops sublayers and embeddings "
            "alone, got attention_dropout=0.1; call model.eval() to take the rest.",
        ),
        (
            lambda: with_extra(),
            ValueError,
            "each weight must have its like, got left over decoder.layers.1.extra.weight, decoder.layers.1.extra.bias.",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(lambda: convert(call()), error, f"from_marian: {words}")


def with_extra():
    model = make()
    model.model.decoder.layers[1].extra = nn.Linear(8, 8)
    return model


def test_the_example_of_the_docstring_runs():
    from attnref.interop import from_marian

    code = inspect.getdoc(from_marian).split("```python\n")[1].split("```")[0]
    found = {}
    exec(textwrap.dedent(code), found)
    assert found["translated"].tokens.shape[0] == 3


def test_nothing_random_is_drawn():
    theirs, state = make(), torch.get_rng_state()
    convert(theirs)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.refusal
def test_an_attend_that_is_a_class(refuses):
    words = "attend must be a function or an instance (query, key, value, mask) -> (output, weights), "
    words += "got the class Linear; make one first: Linear(...)."
    refuses(lambda: convert(make(), attend=nn.Linear), TypeError, f"from_marian: {words}")


def test_dropout_and_mode_are_taken():
    ours = convert(make(dropout=0.25).train())
    assert {module.p for module in ours.modules() if isinstance(module, nn.Dropout)} == {0.25}
    assert all(module.training for module in ours.modules())
    assert not any(module.training for module in convert(make(attention_dropout=0.1)).modules())


def back(model):
    from attnref.interop import to_marian

    return to_marian(model)


@WAYS
@torch.no_grad()
def test_and_back(options, tie):
    theirs = make(activation_function="swish", **options)
    ours = convert(theirs)
    again, (source, target) = back(ours), tokens()
    given = {"decoder_input_ids": target, "attention_mask": REAL.long()}
    torch.testing.assert_close(again(source, **given).logits, theirs(source, **given).logits, rtol=1e-10, atol=1e-10)
    assert again.state_dict().keys() == theirs.state_dict().keys()
    assert all(torch.equal(again.state_dict()[name], weight) for name, weight in theirs.state_dict().items())
    assert [w.requires_grad for w in again.parameters()] == [w.requires_grad for w in theirs.parameters()]
    assert not any(module.training for module in again.modules())
    assert all(torch.equal(convert(again).state_dict()[name], weight) for name, weight in ours.state_dict().items())
    for weight in again.parameters():
        weight += 1
    torch.testing.assert_close(ours(source, target)[0], theirs(source, decoder_input_ids=target).logits)


def test_back_by_to_hugging_face_in_training_mode():
    from attnref.interop import to_hugging_face

    ours = convert(make(dropout=0.25).train())
    state = torch.get_rng_state()
    theirs = to_hugging_face(ours)
    assert torch.equal(torch.get_rng_state(), state)
    source, target = tokens()
    assert theirs.training
    found = []
    for call in (lambda: ours(source, target)[0], lambda: theirs(source, decoder_input_ids=target).logits):
        torch.manual_seed(4)
        found.append(call())
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-10)


SMALL = {"d_model": 8, "num_heads": 2, "d_ff": 16, "num_layers": 1, "positions": "learned", "max_positions": 9}


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: nn.Linear(8, 8), TypeError, "model must be a Transformer, got torch.nn.modules.linear.Linear."),
        (
            lambda: Transformer(20, 20, **SMALL),
            ValueError,
            "positions must be Marian's sinusoids, got others in the encoder.",
        ),
        (
            lambda: with_other_positions(),
            ValueError,
            "positions must be Marian's sinusoids, got others in the decoder.",
        ),
        (
            lambda: Transformer(20, 20, **{**SMALL, "positions": "sinusoidal", "max_positions": None}),
            ValueError,
            "positions must be 'learned', as Marian has it, got 'others'.",
        ),
        (
            lambda: Transformer(20, 20, **SMALL, norm="pre"),
            ValueError,
            "norm must be 'post', as Marian has it, got 'pre'.",
        ),
        (
            lambda: Transformer(20, 20, **SMALL, norm_eps=1e-6),
            ValueError,
            "norm_eps must be 1e-05, as Marian has it, got 1e-06.",
        ),
        (
            lambda: Transformer(20, 20, **SMALL, bias=False),
            ValueError,
            "bias must be True, as Marian has it, got False.",
        ),
        (
            lambda: Transformer(20, 20, **SMALL, cross_attend=lambda query, key, value, mask=None: (value, None)),
            ValueError,
            "attend must be scaled_dot_product_attention, got <lambda> in layers.0.cross_attention.",
        ),
    ],
)
def test_refusals_of_the_way_back(refuses, call, error, words):
    refuses(lambda: back(call()), error, f"to_marian: {words}")


def with_other_positions():
    model = convert(make())
    with torch.no_grad():
        model.target_embed.positions.weight += 0.1
    return model


def test_the_example_of_to_marian_runs():
    from attnref.interop import to_marian

    code = inspect.getdoc(to_marian).split("```python\n")[1].split("```")[0]
    found = {}
    exec(textwrap.dedent(code), found)
    assert type(found["again"]).__name__ == "MarianMTModel"
