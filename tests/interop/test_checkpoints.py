"""Checkpoints on disk and state dicts, without transformers: what is read, what is written, what is refused."""

import json

import pytest
import torch
from torch import nn

import attnref.interop
from attnref import DecoderOnlyTransformer, TransformerEncoder
from attnref.attention.luong import LuongAttention
from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fast_attention
from attnref.interop import (
    from_hugging_face,
    from_state_dict,
    load_checkpoint,
    save_checkpoint,
    to_hugging_face,
    to_state_dict,
)
from attnref.models import BERT, BERTPretraining, ViT

safetensors = pytest.importorskip("safetensors.torch")
SIZES = {"d_model": 8, "num_heads": 2, "d_ff": 20, "num_layers": 2}
GPT2 = {"norm": "pre", "activation": "gelu_tanh", "positions": "learned", "max_positions": 9}
GPT2 |= {"tie": "output", "scale_embedding": False}


def drawn(model):
    """No bias is zero."""
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.3)
    return model.eval()


def bert(**options):
    return drawn(BERT(19, **SIZES, max_positions=9, num_segments=3, **options))


def vit(**options):
    given = {"image_size": (8, 12), "patch": (4, 2), **options}
    return drawn(ViT(5, **SIZES, **given))


def gpt2(**options):
    return drawn(DecoderOnlyTransformer(19, **SIZES, **{**GPT2, **options}))


def masked():
    model = BERTPretraining(bert())
    model.bert.pooler, model.next_proj = None, None
    return drawn(model)


def headless(*, pooled):
    model = vit()
    model.head = nn.Sequential(nn.Linear(8, 6), nn.Tanh()) if pooled else nn.Identity()
    return drawn(model)


MODELS = {
    "BertModel": bert,
    "BertForPreTraining": lambda: drawn(BERTPretraining(bert(dropout=0.2, norm_eps=1e-3, activation="gelu_tanh"))),
    "BertForMaskedLM": masked,
    "ViTForImageClassification": lambda: vit(dropout=0.2, norm_eps=1e-3),
    "ViTModel": lambda: headless(pooled=True),
    "ViTModel without pooler": lambda: headless(pooled=False),
    "GPT2LMHeadModel": lambda: gpt2(dropout=0.2, norm_eps=1e-3),
    "GPT2LMHeadModel, silu": lambda: gpt2(activation="silu"),
}
each_model = pytest.mark.parametrize("name", MODELS)


def result(model, **options):
    if isinstance(model, ViT):
        return model(torch.linspace(-1, 1, 2 * 3 * 8 * 12).reshape(2, 3, 8, 12), **options)
    return model(torch.arange(14).reshape(2, 7), **options)


def assert_equal(first, second):
    for one, other in zip(result(first), result(second), strict=True):
        assert (one is None and other is None) or torch.equal(one, other)
    assert first.state_dict().keys() == second.state_dict().keys()


@each_model
def test_written_and_read(name, tmp_path):
    model = MODELS[name]()
    assert save_checkpoint(model, tmp_path / "deep" / "folder") is None
    again = load_checkpoint(str(tmp_path / "deep" / "folder"))
    assert type(again) is type(model)
    assert_equal(model, again)
    assert not any(module.training for module in again.modules())
    dropouts = [{m.p for m in whole.modules() if isinstance(m, nn.Dropout)} for whole in (model, again)]
    assert dropouts[0] == dropouts[1]
    config = json.loads((tmp_path / "deep" / "folder" / "config.json").read_text())
    assert config["architectures"] == [name.split(",")[0].split(" ")[0]]
    assert config["dtype"] == "float32"


@each_model
@pytest.mark.interop
def test_transformers_reads_what_is_written(name, tmp_path):
    """And what it writes is read: files, not only models in memory."""
    transformers = pytest.importorskip("transformers")
    model = MODELS[name]()
    save_checkpoint(model, tmp_path)
    kind = getattr(transformers, name.split(",")[0].split(" ")[0])
    options = {"add_pooling_layer": False} if "without" in name else {}
    theirs, report = kind.from_pretrained(tmp_path, output_loading_info=True, **options)
    assert not any(report[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    theirs.save_pretrained(tmp_path / "theirs")
    assert_equal(model, load_checkpoint(tmp_path / "theirs"))


@each_model
def test_the_fast_attention_goes_in(name, tmp_path):
    model = MODELS[name]()
    save_checkpoint(model, tmp_path)
    fast = load_checkpoint(tmp_path, attend=fast_attention)
    torch.testing.assert_close(result(fast)[0], result(model)[0], rtol=1e-4, atol=1e-5)
    assert result(fast, return_weights=True)[-1] is None
    assert len(result(load_checkpoint(tmp_path), return_weights=True)[-1]) == 2


def test_an_attention_in_the_heads_keeps_its_weights(tmp_path):
    save_checkpoint(bert(), tmp_path)
    attend = LuongAttention(4, 4, score="general")
    own = load_checkpoint(tmp_path, attend=attend).encoder.layers[1].self_attention.attend
    assert isinstance(own, LuongAttention)


def in_several(folder, name, write):
    """The checkpoint of a folder, in two files that an index lists."""
    weights = safetensors.load_file(folder / "model.safetensors")
    stem, _, suffix = name.partition(".")
    where = {key: f"{stem}-0000{1 + number % 2}-of-00002.{suffix}" for number, key in enumerate(weights)}
    for file in set(where.values()):
        write({key: weight for key, weight in weights.items() if where[key] == file}, folder / file)
    (folder / f"{name}.index.json").write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": where}))
    (folder / "model.safetensors").unlink()
    return where


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_every_kind_of_file(several, name, tmp_path):
    model, write = gpt2(), safetensors.save_file if "safe" in name else torch.save
    save_checkpoint(model, tmp_path)
    if several:
        in_several(tmp_path, name, write)
    else:
        weights = safetensors.load_file(tmp_path / "model.safetensors")
        (tmp_path / "model.safetensors").unlink()
        write(weights, tmp_path / name)
    assert_equal(model, load_checkpoint(tmp_path))


def test_a_pickled_file_runs_nothing(tmp_path):
    class Bad:
        def __reduce__(self):
            return print, ("run",)

    save_checkpoint(gpt2(), tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save({"wte.weight": Bad()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="weights_only"):
        load_checkpoint(tmp_path)


def test_dtype_is_that_of_the_file(tmp_path):
    save_checkpoint(gpt2().bfloat16(), tmp_path)
    assert {weight.dtype for weight in load_checkpoint(tmp_path).parameters()} == {torch.bfloat16}
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "bfloat16"


def test_gradients_are_asked_for_as_before():
    model = gpt2()
    model.embed.requires_grad_(False)
    model.blocks.layers[0].self_attention.key_proj.requires_grad_(False)
    config, weights = to_state_dict(model)
    assert [name for name, weight in weights.items() if not weight.requires_grad] == [
        "transformer.wte.weight",
        "transformer.wpe.weight",
    ]
    assert not from_state_dict(config, weights).embed.tokens.weight.requires_grad
    assert all(weight.is_contiguous() and weight.is_leaf for weight in weights.values())


def changed(model, *, config=None, **weights):
    """A state dict with some options and weights changed; a weight that is None is left out."""
    options, found = to_state_dict(model)
    found = {**found, **{name.replace("__", "."): weight for name, weight in weights.items()}}
    return {**options, **(config or {})}, {name: weight for name, weight in found.items() if weight is not None}


def test_prefixes_or_none():
    """Hugging Face's own GPT-2 file has none, though it is a model with a head; and a file may have part of a model."""
    for model, prefix in ((gpt2(), "transformer."), (vit(), "vit."), (MODELS["BertForPreTraining"](), "bert.")):
        config, weights = to_state_dict(model)
        assert sum(name.startswith(prefix) for name in weights) >= len(weights) - 7
        bare = {name.removeprefix(prefix): weight for name, weight in weights.items()}
        assert_equal(model, from_state_dict(config, bare))
    config, weights = to_state_dict(bert())
    assert not any(name.startswith("bert.") for name in weights)
    inside = {f"bert.{name}": weight for name, weight in weights.items()}
    assert isinstance(from_state_dict(config, inside), BERT)


def test_what_files_carry_beside_the_weights():
    causal = torch.ones(1, 1, 9, 9).tril()
    model = gpt2()
    beside = {"transformer.h.0.attn.bias": causal.bool(), "transformer.h.1.attn.bias": causal}
    beside |= {"transformer.h.0.attn.masked_bias": torch.tensor(-1e4), "lm_head.weight": model.embed.tokens.weight}
    assert_equal(model, from_state_dict(*changed(model, **{k.replace(".", "__"): v for k, v in beside.items()})))
    model = masked()
    beside = {
        "bert.embeddings.position_ids": torch.arange(9)[None],
        "cls.predictions.decoder.weight": model.bert.embed.tokens.weight,
        "cls.predictions.decoder.bias": model.head.bias,
    }
    config, weights = to_state_dict(model)
    assert_equal(model, from_state_dict(config, {**weights, **beside}))
    # A file may hold the other name of a shared weight, and the names of TensorFlow.
    del weights["bert.embeddings.word_embeddings.weight"], weights["cls.predictions.bias"]
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    for name in list(weights):
        for now, then in old.items():
            if name.endswith(now):
                weights[name.replace(now, then)] = weights.pop(name)
    assert_equal(model, from_state_dict(config, {**weights, **beside}))


def test_options_left_out_are_hugging_faces_own():
    config, weights = to_state_dict(gpt2(dropout=0.1))
    for name in ("activation_function", "resid_pdrop", "embd_pdrop", "layer_norm_epsilon", "attn_pdrop"):
        del config[name]
    model = from_state_dict(config, weights)
    assert (model.blocks.final_norm.eps, model.embed.dropout.p) == (1e-5, 0.1)
    assert model.blocks.layers[0].feed_forward.activation == "gelu_tanh"
    wide = drawn(DecoderOnlyTransformer(19, **{**SIZES, "d_ff": 32}, **GPT2))
    config, weights = to_state_dict(wide)
    assert_equal(wide, from_state_dict({**config, "n_inner": None}, weights))
    config, weights = to_state_dict(bert())
    for name in ("hidden_act", "hidden_dropout_prob", "layer_norm_eps"):
        del config[name]
    model = from_state_dict(config, weights)
    assert (model.embed.norm.eps, model.embed.dropout.p) == (1e-12, 0.1)
    assert model.encoder.layers[0].feed_forward.activation == "gelu"
    config, weights = to_state_dict(vit())
    del config["hidden_dropout_prob"], config["layer_norm_eps"], config["num_labels"]
    model = from_state_dict({**config, "id2label": dict.fromkeys("abcde", "")}, weights)
    assert (model.encoder.final_norm.eps, model.dropout.p) == (1e-12, 0.0)


REFUSED = {
    "another kind": (lambda: ({"model_type": "t5"}, {}), "model_type must be one of bert, vit, gpt2, mamba, got 't5'."),
    "no kind": (lambda: ({}, {}), "model_type must be one of bert, vit, gpt2, mamba, got none."),
    "no sizes": (
        lambda: ({"model_type": "gpt2", "n_embd": 8}, {}),
        "the configuration must have vocab_size, n_embd, n_head, n_layer and n_positions, "
        "got no vocab_size, n_head, n_layer and n_positions.",
    ),
    "all kinds of wrong weights": (
        lambda: changed(
            gpt2(),
            transformer__wte__weight=None,
            transformer__h__1__mlp__c_fc__weight=torch.zeros(20, 8),
            transformer__h__1__ln_1__bias=None,
            transformer__h__2__ln_1__bias=torch.zeros(8),
            odd=torch.zeros(3),
        ),
        "the weights must be those of GPT-2, got missing wte.weight, h.1.ln_1.bias; "
        "left over h.2.ln_1.bias, odd; misshapen h.1.mlp.c_fc.weight with (20, 8) for (8, 20).",
    ),
    "a table of another size": (
        lambda: changed(bert(), embeddings__position_embeddings__weight=torch.zeros(10, 8)),
        "the weights must be those of a BERT, got "
        "misshapen embeddings.position_embeddings.weight with (10, 8) for (9, 8).",
    ),
    "positions of another image": (
        lambda: changed(vit(), vit__embeddings__position_embeddings=torch.zeros(1, 5, 8)),
        "the weights must be those of a ViT, "
        "got misshapen embeddings.position_embeddings with (1, 5, 8) for (1, 13, 8).",
    ),
    "another number of classes": (
        lambda: changed(vit(), config={"num_labels": 4}),
        "the weights must be those of a ViT, got misshapen classifier.weight with (5, 8) for (4, 8), "
        "classifier.bias with (5,) for (4,).",
    ),
    "half a pooler": (
        lambda: changed(bert(), pooler__dense__bias=None),
        "the weights must be those of a BERT, got missing pooler.dense.bias.",
    ),
    "no head": (
        lambda: changed(masked(), **{f"cls__predictions__{n}": None for n in HEAD}),
        "the weights must be those of a BERT, got missing cls.predictions.transform.dense.weight, "
        "cls.predictions.transform.dense.bias, cls.predictions.transform.LayerNorm.weight, "
        "cls.predictions.transform.LayerNorm.bias, cls.predictions.bias.",
    ),
    "no second head": (
        lambda: changed(masked(), config={"architectures": ["BertForPreTraining"]}),
        "the weights must be those of a BERT, got missing pooler.dense.weight, pooler.dense.bias, "
        "cls.seq_relationship.weight, cls.seq_relationship.bias.",
    ),
    "no classifier": (
        lambda: changed(vit(), classifier__weight=None, classifier__bias=None),
        "the weights must be those of a ViT, got missing classifier.weight, classifier.bias.",
    ),
    "another head": (
        lambda: changed(bert(), classifier__weight=torch.zeros(2, 8), classifier__bias=torch.zeros(2)),
        "the weights must be those of a BERT, got left over classifier.bias, classifier.weight.",
    ),
    "with and without the prefix": (
        lambda: changed(bert(), bert__pooler__dense__bias=torch.zeros(8)),
        "the weights must be those of a BERT, got left over bert.pooler.dense.bias.",
    ),
    "positions in another order": (
        lambda: changed(bert(), embeddings__position_ids=torch.arange(9).flip(0)[None]),
        "embeddings.position_ids must hold 0, 1, 2, …, as attnref has it, got other numbers.",
    ),
    "another mask": (
        lambda: changed(gpt2(), transformer__h__0__attn__bias=torch.ones(1, 1, 9, 9)),
        "h.0.attn.bias must hold a causal mask, as attnref has it, got other numbers.",
    ),
    "a small number for a mask": (
        lambda: changed(gpt2(), transformer__h__0__attn__masked_bias=torch.tensor(-1.0)),
        "h.0.attn.masked_bias must hold a number for -inf, as attnref has it, got other numbers.",
    ),
    "two tables": (
        lambda: changed(gpt2(), lm_head__weight=torch.zeros(19, 8)),
        "lm_head.weight must be wte.weight, since attnref's model has one for both, got two.",
    ),
    "relative positions": (
        lambda: changed(bert(), config={"position_embedding_type": "relative_key"}),
        "position_embedding_type must be 'absolute', since attnref's BERT has learned positions, got 'relative_key'.",
    ),
    "a decoder": (
        lambda: changed(bert(), config={"is_decoder": True}),
        "is_decoder must be False, since attnref's BERT attends to both sides, got True.",
    ),
    "cross-attention": (
        lambda: changed(bert(), config={"add_cross_attention": True}),
        "add_cross_attention must be False, since attnref's BERT has no encoder to attend to, got True.",
    ),
    "an output table of its own": (
        lambda: changed(bert(), config={"tie_word_embeddings": False}),
        "tie_word_embeddings must be True, since attnref's head shares the embedding's table, got False.",
    ),
    "another activation": (
        lambda: changed(bert(), config={"hidden_act": "mish"}),
        "hidden_act must be relu, gelu, gelu_new, silu, gelu_pytorch_tanh, swish, got 'mish'.",
    ),
    "another activation in GPT-2": (
        lambda: changed(gpt2(), config={"activation_function": "tanh"}),
        "activation_function must be relu, gelu, gelu_new, silu, gelu_pytorch_tanh, swish, got 'tanh'.",
    ),
    "another activation in ViT": (
        lambda: changed(vit(), config={"hidden_act": "relu"}),
        "hidden_act must be 'gelu', since attnref's ViT has gelu in its feed-forward networks, got 'relu'.",
    ),
    "projections without biases": (
        lambda: changed(vit(), config={"qkv_bias": False}),
        "qkv_bias must be True, since attnref's projections of queries, keys and values have biases where its output "
        "projection has, got False.",
    ),
    "another pooler": (
        lambda: changed(vit(), config={"pooler_act": "relu"}),
        "pooler_act must be 'tanh', since attnref's head has tanh, got 'relu'.",
    ),
    "scores that are not divided": (
        lambda: changed(gpt2(), config={"scale_attn_weights": False}),
        "scale_attn_weights must be True, since attnref divides scores by the square root of d_k, got False.",
    ),
    "scores divided by the layer": (
        lambda: changed(gpt2(), config={"scale_attn_by_inverse_layer_idx": True}),
        "scale_attn_by_inverse_layer_idx must be False, since attnref divides scores by the square root of d_k in "
        "every layer, got True.",
    ),
    "cross-attention in GPT-2": (
        lambda: changed(gpt2(), config={"add_cross_attention": True}),
        "add_cross_attention must be False, since attnref's decoder-only Transformer has no encoder to attend to, "
        "got True.",
    ),
    "an output layer of its own": (
        lambda: changed(gpt2(), config={"tie_word_embeddings": False}),
        "tie_word_embeddings must be True, since attnref's output layer has a bias unless it shares the table, and "
        "GPT-2's has none, got False.",
    ),
}
HEAD = ("transform__dense__weight", "transform__dense__bias", "transform__LayerNorm__weight")
HEAD += ("transform__LayerNorm__bias", "bias")


@pytest.mark.refusal
@pytest.mark.parametrize("what", REFUSED)
def test_refusals_of_checkpoints(refuses, what, tmp_path):
    make, words = REFUSED[what]
    config, weights = make()
    refuses(lambda: from_state_dict(config, weights), ValueError, f"from_state_dict: {words}")
    (tmp_path / "config.json").write_text(json.dumps(config))
    safetensors.save_file(
        {name: weight.detach().clone() for name, weight in weights.items()}, tmp_path / "model.safetensors"
    )
    refuses(lambda: load_checkpoint(tmp_path), ValueError, f"load_checkpoint: {words}")


def one_of_ones_own():
    def scaled_dot_product_attention(query, key, value, mask=None):
        return value, None

    return scaled_dot_product_attention


GIVEN = {
    "another class": (
        lambda: TransformerEncoder(**SIZES),
        TypeError,
        "model must be a BERT, BERTPretraining, ViT, DecoderOnlyTransformer or Mamba, "
        "got attnref.transformer.encoder.TransformerEncoder.",
    ),
    "post-norm": (lambda: gpt2(norm="post"), ValueError, "norm must be 'pre', as GPT-2 has it, got 'post'."),
    "sinusoids": (
        lambda: gpt2(positions="sinusoidal", max_positions=None),
        ValueError,
        "positions must be 'learned', as GPT-2 has it, got 'sinusoidal'.",
    ),
    "no positions": (
        lambda: gpt2(positions="none", max_positions=None),
        ValueError,
        "positions must be 'learned', as GPT-2 has it, got 'none'.",
    ),
    "a scaled embedding": (
        lambda: gpt2(scale_embedding=True),
        ValueError,
        "scale_embedding must be False, as GPT-2 has it, got True.",
    ),
    "an output layer": (lambda: gpt2(tie="none"), ValueError, "tie must be 'output', as GPT-2 has it, got 'none'."),
    "no biases": (lambda: gpt2(bias=False), ValueError, "bias must be True, as GPT-2 has it, got False."),
    "another attention": (
        lambda: gpt2(attend=LuongAttention(4, 4, score="general")),
        ValueError,
        "attend must be scaled_dot_product_attention, got attnref.attention.luong.LuongAttention in "
        "layers.0.self_attention.",
    ),
    "another attention in BERT": (
        lambda: bert(attend=LuongAttention(4, 4, score="general")),
        ValueError,
        "attend must be scaled_dot_product_attention, got attnref.attention.luong.LuongAttention in "
        "layers.0.self_attention.",
    ),
    "a function of one's own": (
        lambda: vit(attend=lambda query, key, value, mask=None: (value, None)),
        ValueError,
        "attend must be scaled_dot_product_attention, got <lambda> in layers.0.self_attention.",
    ),
    "a function of one's own with the same name": (
        lambda: bert(attend=one_of_ones_own()),
        ValueError,
        "attend must be scaled_dot_product_attention, got scaled_dot_product_attention in layers.0.self_attention.",
    ),
    "mean pooling": (
        lambda: vit(pool="mean"),
        ValueError,
        "pool must be 'class', as Hugging Face's ViT has it, got 'mean'.",
    ),
    "a head with a hidden layer": (
        lambda: vit(d_hidden=6),
        ValueError,
        "d_hidden must be None, as Hugging Face's ViT has it, got 6.",
    ),
}


@pytest.mark.refusal
@pytest.mark.parametrize("what", GIVEN)
def test_refusals_of_models(refuses, what, tmp_path):
    make, error, words = GIVEN[what]
    refuses(lambda: to_state_dict(make()), error, f"to_state_dict: {words}")
    refuses(lambda: save_checkpoint(make(), tmp_path / "new"), error, f"save_checkpoint: {words}")
    assert not (tmp_path / "new").exists()


@pytest.mark.refusal
def test_refusals_of_folders(refuses, tmp_path):
    words = f"load_checkpoint: '{tmp_path}' must be a folder with a config.json, got none."
    refuses(lambda: load_checkpoint(tmp_path), FileNotFoundError, words)
    save_checkpoint(gpt2(), tmp_path)
    lost = sorted(set(in_several(tmp_path, "model.safetensors", safetensors.save_file).values()))[1]
    index = tmp_path / "model.safetensors.index.json"
    (tmp_path / lost).unlink()
    words = f"'{tmp_path / lost}' must be there, since {index.name} lists it, got no such file."
    refuses(lambda: load_checkpoint(tmp_path), FileNotFoundError, f"load_checkpoint: {words}")
    index.unlink()
    words = f"'{tmp_path}' must hold model.safetensors or pytorch_model.bin, or an index of several, got none."
    refuses(lambda: load_checkpoint(tmp_path), FileNotFoundError, f"load_checkpoint: {words}")


CUT = "must hold weights, got a file that cannot be read ({}); it may be cut short."
TENSORS_ALONE = "must hold tensors alone, got other things, or no pickle; they are not run (weights_only=True)."
SPOILT = {
    "model.safetensors": {
        "cut short": (lambda path: path.write_bytes(path.read_bytes()[:-9]), CUT.format("SafetensorError")),
        "empty": (lambda path: path.write_bytes(b""), CUT.format("SafetensorError")),
        "a pointer": (
            lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
            "must hold weights, got a pointer of Git LFS; fetch the file itself: git lfs pull.",
        ),
    },
    "config.json": {
        "no JSON": (
            lambda path: path.write_text('{"model_type": '),
            "must hold JSON, got a file that is none: Expecting value: line 1 column 16 (char 15).",
        ),
        "a list": (lambda path: path.write_text("[]"), "must hold a JSON object, got list."),
    },
    "model.safetensors.index.json": {
        "no map": (lambda path: path.write_text("{}"), "must have a weight_map of names to files, got NoneType."),
        "a list": (lambda path: path.write_text("[]"), "must hold a JSON object, got list."),
    },
    "pytorch_model.bin": {
        "cut short": (lambda path: path.write_bytes(b""), CUT.format("EOFError")),
        "no pickle": (lambda path: path.write_bytes(b"weights"), TENSORS_ALONE),
        "a whole model": (lambda path: torch.save(gpt2(), path), TENSORS_ALONE),
        "a pointer": (
            lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
            "must hold weights, got a pointer of Git LFS; fetch the file itself: git lfs pull.",
        ),
    },
}


@pytest.mark.refusal
@pytest.mark.parametrize(("name", "how"), [(name, how) for name, ways in SPOILT.items() for how in ways])
def test_refusals_of_spoilt_files(refuses, name, how, tmp_path):
    spoil, words = SPOILT[name][how]
    save_checkpoint(gpt2(), tmp_path)
    if name not in ("model.safetensors", "config.json"):
        (tmp_path / "model.safetensors").unlink()
    spoil(tmp_path / name)
    refuses(lambda: load_checkpoint(tmp_path), ValueError, f"load_checkpoint: '{tmp_path / name}' {words}")


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("content", "words"),
    [([1, 2], "weights must be a mapping, got list."), ({"model": {}}, "weights must be tensors, got dict for model.")],
)
def test_refusals_of_what_a_pickled_file_holds(refuses, content, words, tmp_path):
    save_checkpoint(gpt2(), tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(content, tmp_path / "pytorch_model.bin")
    refuses(lambda: load_checkpoint(tmp_path), TypeError, f"load_checkpoint: {words}")


KINDS = {
    "no configuration": (lambda c, w: (None, w), "config must be a mapping, got NoneType."),
    "a configuration of transformers": (
        lambda c, w: (pytest.importorskip("transformers").GPT2Config(), w),
        "config must be a mapping, got transformers.models.gpt2.configuration_gpt2.GPT2Config; pass its .to_dict().",
    ),
    "a model": (
        lambda c, w: (c, torch.nn.Linear(2, 2)),
        "weights must be a mapping, got torch.nn.modules.linear.Linear; pass its .state_dict().",
    ),
    "arrays": (
        lambda c, w: (c, {name: weight.detach().numpy() for name, weight in w.items()}),
        "weights must be tensors, got numpy.ndarray for transformer.wte.weight.",
    ),
    "whole numbers": (
        lambda c, w: (c, {name: weight.detach().to(torch.int8) for name, weight in w.items()}),
        "the weights must share one floating dtype, got torch.int8 for wte.weight.",
    ),
    "two dtypes": (
        lambda c, w: (c, {**w, "transformer.wpe.weight": w["transformer.wpe.weight"].half()}),
        "the weights must share one floating dtype, got torch.float16 for wpe.weight, torch.float32 for wte.weight.",
    ),
}


@pytest.mark.refusal
@pytest.mark.parametrize("what", KINDS)
def test_refusals_of_kinds(refuses, what):
    change, words = KINDS[what]
    refuses(lambda: from_state_dict(*change(*to_state_dict(gpt2()))), TypeError, f"from_state_dict: {words}")


@pytest.mark.parametrize("number", [torch.nan, 1.0])
def test_a_table_is_the_same_as_itself(number):
    pytest.importorskip("transformers")
    theirs = to_hugging_face(gpt2()).eval()
    torch.nn.init.constant_(theirs.transformer.wte.weight, number)
    assert from_hugging_face(theirs).embed.tokens.weight.isnan().all() == (number != number)
    assert {weight.device.type for weight in from_hugging_face(theirs.to("meta")).parameters()} == {"meta"}


@pytest.mark.parametrize("make", [bert, masked, vit, gpt2])
def test_buffers_are_on_the_device_of_the_weights(make):
    pytest.importorskip("transformers")
    theirs = to_hugging_face(make().to("meta"))
    assert {tensor.device.type for tensor in (*theirs.parameters(), *theirs.buffers())} == {"meta"}


@pytest.mark.refusal
def test_a_pooler_is_neither_lost_nor_made_up(refuses):
    pytest.importorskip("transformers")
    alone = BERTPretraining(bert())
    alone.next_proj = None
    words = "got left over bert.pooler.dense.weight, bert.pooler.dense.bias."
    rule = "to_hugging_face: the weights must be those of a"
    refuses(lambda: to_hugging_face(alone), ValueError, f"{rule} BertForMaskedLM, {words}")
    lacking = BERTPretraining(bert())
    lacking.bert.pooler = None
    words = "got missing bert.pooler.dense.weight, bert.pooler.dense.bias."
    refuses(lambda: to_hugging_face(lacking), ValueError, f"{rule} BertForPreTraining, {words}")


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("who", "package"),
    [("save_checkpoint", "safetensors"), ("load_checkpoint", "safetensors"), ("to_hugging_face", "transformers")],
)
def test_a_package_that_is_not_installed(refuses, missing, who, package, tmp_path):
    save_checkpoint(gpt2(), tmp_path)
    missing(package)
    arguments = {"save_checkpoint": (gpt2(), tmp_path), "load_checkpoint": (tmp_path,), "to_hugging_face": (gpt2(),)}
    words = f"{who}: {package} is not installed; pip install 'attnref[interop]'."
    refuses(lambda: getattr(attnref.interop, who)(*arguments[who]), ModuleNotFoundError, words)


def test_a_package_that_lacks_something_is_not_called_missing():
    from attnref.interop._extra import extra

    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'json\.nothing'$"):
        extra("load_checkpoint", "json.nothing")


@pytest.mark.refusal
def test_a_model_without_pooler_says_so(refuses):
    model = from_state_dict(*to_state_dict(masked()))
    words = "BERT.pool: the model must have a pooler, got that of a checkpoint without one."
    refuses(lambda: model.bert.pool(torch.zeros(1, 2, 8)), ValueError, words)
    assert result(model).next_logits is None
    model.reset_parameters()
    assert result(model).token_logits.isfinite().all()
