"""BERT, ViT and GPT-2 of Hugging Face with random weights and sizes: the same numbers in attnref, and back."""

import copy
import inspect
import textwrap
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attnref import DecoderOnlyTransformer, generate, padding_mask
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast_attention
from attnref.interop import from_hugging_face, from_state_dict, to_hugging_face, to_state_dict
from attnref.models import BERT, BERTPretraining, ViT

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.interop
SIZES = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 8, "intermediate_size": 20}
TEXT = {**SIZES, "vocab_size": 19, "max_position_embeddings": 11, "type_vocab_size": 3, "pad_token_id": None}
IMAGE = {**SIZES, "image_size": [8, 12], "patch_size": [4, 2], "num_channels": 3, "pooler_output_size": 6}
WRITE = {"n_layer": 2, "n_head": 2, "n_embd": 8, "n_inner": 20, "vocab_size": 19, "n_positions": 11}
WRITE |= {"bos_token_id": None, "eos_token_id": None}
REAL = padding_mask([7, 4, 6], 7)[:, 0]


class Kind(NamedTuple):
    """A class of theirs with its options, and the class of ours."""

    name: str
    options: dict
    ours: type
    more: dict | None = None


KINDS = {
    "BertModel": Kind("BertModel", TEXT, BERT),
    "BertModel without pooler": Kind("BertModel", TEXT, BERT, {"add_pooling_layer": False}),
    "BertForPreTraining": Kind("BertForPreTraining", TEXT, BERTPretraining),
    "BertForMaskedLM": Kind("BertForMaskedLM", TEXT, BERTPretraining),
    "ViTModel": Kind("ViTModel", IMAGE, ViT),
    "ViTModel without pooler": Kind("ViTModel", IMAGE, ViT, {"add_pooling_layer": False}),
    "ViTForImageClassification": Kind("ViTForImageClassification", {**IMAGE, "num_labels": 5}, ViT),
    "GPT2Model": Kind("GPT2Model", WRITE, DecoderOnlyTransformer),
    "GPT2LMHeadModel": Kind("GPT2LMHeadModel", WRITE, DecoderOnlyTransformer),
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def make(kind, **options):
    """Weights drawn wider than theirs, so that attention has something to choose; all biases are other than zero."""
    model = getattr(transformers, kind.name)
    theirs = model(model.config_class(**{**kind.options, **options}), **(kind.more or {})).double().eval()
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.copy_(torch.randn_like(weight) * 0.4)
    return theirs


def inputs(kind, n=7):
    if kind.ours is ViT:
        return {"pixel_values": torch.randn(3, 3, 8, 12, dtype=torch.float64)}
    found = {"input_ids": torch.randint(19, (3, n))}
    return {**found, "token_type_ids": torch.randint(3, (3, n))} if kind.ours is not DecoderOnlyTransformer else found


def of_theirs(theirs, given, token_mask=None, **options):
    """What it computes, by name; padded positions of a text left out, where a fully masked row may differ."""
    padded = {} if token_mask is None else {"attention_mask": token_mask.long()}
    output = theirs(**given, **padded, **options)
    names = ["last_hidden_state", "pooler_output", "prediction_logits", "seq_relationship_logits", "logits"]
    return {name: output[name] for name in names if output.get(name) is not None}


def of_ours(ours, given, token_mask=None):
    """The same of ours, by their names."""
    if isinstance(ours, ViT):
        x, logits = ours.encode(given["pixel_values"])[0], ours(given["pixel_values"])[0]
        if isinstance(ours.head, nn.Linear):
            return {"logits": logits}
        return {"last_hidden_state": x} | ({} if isinstance(ours.head, nn.Identity) else {"pooler_output": logits})
    if isinstance(ours, DecoderOnlyTransformer):
        return {"logits": ours(given["input_ids"], token_mask)[0]}
    output = ours(given["input_ids"], given["token_type_ids"], token_mask)
    if isinstance(ours, BERT):
        pooled = {} if ours.pooler is None else {"pooler_output": ours.pool(output[0])}
        return {"last_hidden_state": output[0], **pooled}
    if output.next_logits is None:
        return {"logits": output.token_logits}
    return {"prediction_logits": output.token_logits, "seq_relationship_logits": output.next_logits}


def compare(theirs, ours, given, token_mask=None):
    wanted = of_theirs(theirs, given, token_mask)
    if type(theirs).__name__ == "GPT2Model":  # attnref's has the output layer that GPT-2's table is
        wanted = {"logits": wanted["last_hidden_state"] @ theirs.wte.weight.T}
    found = of_ours(ours, given, token_mask)
    assert found.keys() == wanted.keys()
    for name, expected in wanted.items():
        value = found[name]
        if token_mask is not None and value.ndim == 3:
            value, expected = value[token_mask], expected[token_mask]
        torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-10)
    return found


@each_kind
@pytest.mark.parametrize("attend", ["reference", "fast"])
def test_the_same_numbers(kind, attend):
    theirs, given = make(kind), inputs(kind)
    ours = from_hugging_face(theirs, **({"attend": fast_attention} if attend == "fast" else {}))
    assert type(ours) is kind.ours
    blocks = ours.bert.encoder if kind.ours is BERTPretraining else getattr(ours, "encoder", None) or ours.blocks
    assert (blocks.layers[1].self_attention.attend is fast_attention) == (attend == "fast")
    with torch.no_grad():
        whole = compare(theirs, ours, given)
        if kind.ours is not ViT:
            after = compare(theirs, ours, given, REAL)
            before = compare(theirs, ours, given, REAL.flip(1))
            for name, value in whole.items():
                assert not torch.allclose(value[1], after[name][1])
                assert not torch.allclose(value[1], before[name][1])


@st.composite
def configurations(draw):
    heads, d_k = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    return {
        "layers": draw(st.integers(1, 3)),
        "heads": heads,
        "d_model": heads * d_k,
        "d_ff": draw(st.integers(1, 17)),
        "norm_eps": draw(st.sampled_from([1e-12, 1e-5, 0.1])),
        "activation": draw(st.sampled_from(["relu", "gelu", "gelu_new", "gelu_pytorch_tanh", "silu", "swish"])),
        "patch": draw(st.sampled_from([(4, 4), (2, 4), (8, 12)])),
        "n": draw(st.integers(1, 11)),
    }


@each_kind
@given(c=configurations())
@settings(max_examples=4)
@torch.no_grad()
def test_any_sizes(kind, c):
    options = {
        "num_hidden_layers": c["layers"],
        "num_attention_heads": c["heads"],
        "hidden_size": c["d_model"],
        "intermediate_size": c["d_ff"],
        "layer_norm_eps": c["norm_eps"],
        "hidden_act": c["activation"] if kind.ours is not ViT else "gelu",
        "patch_size": c["patch"],
    }
    if kind.ours is DecoderOnlyTransformer:
        names = {"num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "hidden_size": "n_embd"}
        names |= {"intermediate_size": "n_inner", "layer_norm_eps": "layer_norm_epsilon"}
        names |= {"hidden_act": "activation_function"}
        options = {names[name]: value for name, value in options.items() if name in names}
    elif kind.ours is not ViT:
        del options["patch_size"]
    theirs = make(kind, **options)
    compare(theirs, from_hugging_face(theirs), inputs(kind, c["n"]))


@each_kind
def test_gradients(kind):
    """Of every weight: written out as a state dict, the gradients of ours have the names of theirs."""
    theirs, given = make(kind), inputs(kind)
    ours, token_mask = from_hugging_face(theirs), REAL if kind.ours is not ViT else None
    wanted, found = of_theirs(theirs, given, token_mask), of_ours(ours, given, token_mask)
    if kind.name == "GPT2Model":
        wanted = {"logits": wanted["last_hidden_state"] @ theirs.wte.weight.T}
    for outputs in (wanted, found):
        torch.manual_seed(1)
        sum((value * torch.randn_like(value)).sum() for _, value in sorted(outputs.items())).backward()
    slopes = copy.deepcopy(ours)
    for slope, weight in zip(slopes.parameters(), ours.parameters(), strict=True):
        slope.data = torch.zeros_like(weight) if weight.grad is None else weight.grad
    slopes = to_hugging_face(slopes)
    slopes = slopes if kind.name != "GPT2Model" else slopes.transformer
    assert sum(weight.grad is not None for weight in theirs.parameters()) >= 28
    for (name, weight), slope in zip(theirs.named_parameters(), slopes.parameters(), strict=True):
        wanted = torch.zeros_like(weight) if weight.grad is None else weight.grad
        torch.testing.assert_close(slope.detach(), wanted, rtol=1e-9, atol=1e-9, msg=name)


@each_kind
def test_there_and_back(kind):
    theirs, given = make(kind, **({"layer_norm_eps": 1e-3} if kind.ours is not DecoderOnlyTransformer else {})), None
    ours, given = from_hugging_face(theirs), inputs(kind)
    back = to_hugging_face(ours)
    back = back.transformer if kind.name == "GPT2Model" else back
    assert type(back) is type(theirs)
    assert back.state_dict().keys() == theirs.state_dict().keys()
    assert all(torch.equal(back.state_dict()[name], weight) for name, weight in theirs.state_dict().items())
    assert not any(module.training for module in back.modules())
    assert getattr(back.get_input_embeddings(), "padding_idx", None) is None  # every token gets its gradient
    compare(back, ours, given)
    again = from_hugging_face(back)
    assert again.state_dict().keys() == ours.state_dict().keys()
    assert all(torch.equal(again.state_dict()[name], weight) for name, weight in ours.state_dict().items())


@pytest.mark.parametrize("kind", [KINDS[name] for name in ("BertModel", "ViTModel", "GPT2LMHeadModel")])
@torch.no_grad()
def test_attention_weights_of_every_layer_and_head(kind):
    """Hugging Face returns them from its eager attention alone, and ViT's computes them in float32."""
    theirs, given = make(kind, attn_implementation="eager"), inputs(kind)
    wanted = theirs(**given, output_attentions=True).attentions
    _, found = from_hugging_face(theirs)(*given.values(), return_weights=True)
    tolerance = 1e-6 if kind.ours is ViT else 1e-10
    torch.testing.assert_close(found, tuple(wanted), rtol=tolerance, atol=tolerance)
    assert len(found) == 2


@pytest.mark.parametrize("cache", [True, False])
def test_gpt2_writes_the_same_text(cache):
    theirs = make(KINDS["GPT2LMHeadModel"])
    prompt = torch.randint(19, (3, 2))
    wanted = theirs.generate(prompt, do_sample=False, max_new_tokens=9, use_cache=cache, pad_token_id=0)
    found = generate(from_hugging_face(theirs).start(cache=cache), prompt, max_new_tokens=9)
    assert found.tokens.tolist() == wanted.tolist()
    assert len(set(wanted[0].tolist())) > 3


def first(model, given):
    """The first of what it computes, in the mode that it is in."""
    if isinstance(model, ViT):
        return model.encode(*given.values())[0]
    return (model(**given) if type(model).__module__.startswith("transformers") else model(*given.values()))[0]


@pytest.mark.parametrize("kind", [KINDS[name] for name in ("BertModel", "ViTModel", "GPT2LMHeadModel")])
def test_training_drops_the_same_numbers(kind):
    """From one seed: dropout stands in the same places, and in the same order."""
    names = "embd_pdrop resid_pdrop" if kind.ours is DecoderOnlyTransformer else "hidden_dropout_prob"
    of_attention = "attn_pdrop" if kind.ours is DecoderOnlyTransformer else "attention_probs_dropout_prob"
    theirs = make(kind, **dict.fromkeys(names.split(), 0.25), **{of_attention: 0.0}).train()
    ours, given = from_hugging_face(theirs), inputs(kind)
    found = []
    for model in (theirs, ours, to_hugging_face(ours)):
        torch.manual_seed(2)
        found.append(first(model, given))
        assert all(module.training for module in model.modules())
    torch.testing.assert_close(found[1], found[0], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found[2], found[0], rtol=1e-10, atol=1e-10)
    torch.manual_seed(3)
    assert not torch.allclose(first(ours, given), found[0])


@each_kind
def test_weights_are_copies_of_their_kind(kind):
    theirs = make(kind).float()
    frozen = [weight for name, weight in theirs.named_parameters() if ".1." in name and name.endswith("bias")]
    for weight in frozen:
        weight.requires_grad_(False)
    ours = from_hugging_face(theirs)
    back = to_hugging_face(ours)
    assert {weight.dtype for weight in ours.parameters()} == {torch.float32}
    assert 0 < sum(not weight.requires_grad for weight in back.parameters()) == len(frozen)
    before = copy.deepcopy(ours.state_dict())
    with torch.no_grad():
        for weight in (*theirs.parameters(), *back.parameters()):
            weight += 1
    assert all(torch.equal(weight, before[name]) for name, weight in ours.state_dict().items())
    assert all(weight.is_contiguous() for weight in ours.parameters())


@each_kind
def test_state_dicts_of_today_and_of_files(kind):
    """transformers 5 names ViT's layers in memory as it does not in files: both are taken."""
    theirs = make(kind)
    config = {**theirs.config.to_dict(), "architectures": [kind.name]}
    ours, again = from_hugging_face(theirs), from_state_dict(config, theirs.state_dict())
    written, weights = to_state_dict(ours)
    for model in (again, from_state_dict(written, weights)):
        assert model.state_dict().keys() == ours.state_dict().keys()
        assert all(torch.equal(model.state_dict()[name], weight) for name, weight in ours.state_dict().items())


def test_nothing_random_is_drawn():
    theirs, before = make(KINDS["BertModel"]), torch.get_rng_state()
    to_hugging_face(from_hugging_face(theirs))
    assert torch.equal(torch.get_rng_state(), before)


def test_only_hugging_face_gives_the_padding_token_no_gradient():
    theirs = make(KINDS["BertModel"], pad_token_id=3)
    ours, given = from_hugging_face(theirs), inputs(KINDS["BertModel"])
    given["input_ids"][0, 2] = 3
    theirs(**given).last_hidden_state.square().sum().backward()
    ours(*given.values())[0].square().sum().backward()
    wanted, found = theirs.embeddings.word_embeddings.weight.grad, ours.embed.tokens.weight.grad
    assert wanted[3].eq(0).all()
    assert found[3].abs().max() > 1e-6


def test_marian_goes_the_same_way():
    sizes = {"vocab_size": 20, "d_model": 8, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = transformers.MarianConfig(**sizes, pad_token_id=19, decoder_start_token_id=19, scale_embedding=True)
    theirs = transformers.MarianMTModel(config).eval()
    source, target = torch.randint(19, (2, 5)), torch.randint(19, (2, 4))
    with torch.no_grad():
        found, _ = from_hugging_face(theirs)(source, target)
        torch.testing.assert_close(found, theirs(source, decoder_input_ids=target).logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["from_hugging_face", "to_hugging_face"])
def test_the_example_of_the_docstring_runs(name):
    code = inspect.getdoc(globals()[name]).split("```python\n")[1].split("```")[0]
    found = {}
    exec(textwrap.dedent(code), found)
    if name == "from_hugging_face":
        token_mask = found["token_mask"]
        torch.testing.assert_close(found["x"][token_mask], found["same"][token_mask], rtol=1e-5, atol=1e-5)
    else:
        assert type(found["theirs"]).__name__ == "ViTForImageClassification"


def with_extra(kind):
    model = make(KINDS[kind])
    model.extra = nn.Linear(8, 8)
    return model


def untied():
    model = make(KINDS["BertForMaskedLM"])
    weight = model.cls.predictions.decoder.weight
    model.cls.predictions.decoder.weight = nn.Parameter(weight + 1)
    return model


TRAIN = "call model.eval() to take the rest."


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: nn.Linear(8, 8),
            TypeError,
            "model must be one of transformers' BertModel, BertForPreTraining, BertForMaskedLM, ViTModel, "
            "ViTForImageClassification, GPT2Model, GPT2LMHeadModel, MambaModel, "
            "MambaForCausalLM, MarianMTModel, "
            "got torch.nn.modules.linear.Linear.",
        ),
        (
            lambda: make(KINDS["BertModel"]._replace(name="BertForTokenClassification")),
            TypeError,
            "model must be one of transformers' BertModel, BertForPreTraining, BertForMaskedLM, ViTModel, "
            "ViTForImageClassification, GPT2Model, GPT2LMHeadModel, MambaModel, "
            "MambaForCausalLM, MarianMTModel, "
            "got transformers.models.bert.modeling_bert.BertForTokenClassification.",
        ),
        (
            lambda: with_extra("BertModel"),
            ValueError,
            "the weights must be those of a BERT, got left over extra.bias, extra.weight.",
        ),
        (
            lambda: with_extra("ViTModel"),
            ValueError,
            "the weights must be those of a ViT, got left over extra.bias, extra.weight.",
        ),
        (
            lambda: with_extra("GPT2Model"),
            ValueError,
            "the weights must be those of GPT-2, got left over extra.bias, extra.weight.",
        ),
        (
            untied,
            ValueError,
            "cls.predictions.decoder.weight must be embeddings.word_embeddings.weight, since attnref's model has one "
            "for both, got two.",
        ),
        (
            lambda: make(KINDS["BertModel"], attention_probs_dropout_prob=0.1).train(),
            ValueError,
            "attention_probs_dropout_prob must be 0, or the model in eval mode, since attnref drops none of them, "
            f"got attention_probs_dropout_prob=0.1; {TRAIN}",
        ),
        (
            lambda: make(KINDS["ViTModel"], attention_probs_dropout_prob=0.1).train(),
            ValueError,
            "attention_probs_dropout_prob must be 0, or the model in eval mode, since attnref drops none of them, "
            f"got attention_probs_dropout_prob=0.1; {TRAIN}",
        ),
        (
            lambda: make(KINDS["GPT2Model"], attn_pdrop=0.1).train(),
            ValueError,
            "attn_pdrop must be 0 and embd_pdrop equal resid_pdrop, or the model in eval mode, "
            f"got attn_pdrop=0.1, embd_pdrop=0.1 and resid_pdrop=0.1; {TRAIN}",
        ),
        (
            lambda: make(KINDS["GPT2Model"], attn_pdrop=0.0, embd_pdrop=0.2).train(),
            ValueError,
            "attn_pdrop must be 0 and embd_pdrop equal resid_pdrop, or the model in eval mode, "
            f"got attn_pdrop=0.0, embd_pdrop=0.2 and resid_pdrop=0.1; {TRAIN}",
        ),
    ],
)
def test_refusals(refuses, call, error, words):
    refuses(lambda: from_hugging_face(call()), error, f"from_hugging_face: {words}")
