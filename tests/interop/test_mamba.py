"""Mamba of Hugging Face with random weights and sizes: the same numbers in attnref, and back."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from theirs import randomized

from attnref import generate, padding_mask
from attnref.interop import from_hugging_face, from_state_dict, to_hugging_face, to_state_dict
from attnref.models import Mamba

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.interop
SIZES = {"vocab_size": 19, "hidden_size": 8, "num_hidden_layers": 2, "state_size": 3, "residual_in_fp32": False}
REAL = padding_mask([7, 4, 6], 7)[:, 0]


@pytest.fixture(autouse=True)
def float64_inside(monkeypatch):
    """Hugging Face's Mamba computes step sizes, rates, norms and the scan in float32, whatever the model's dtype."""
    from transformers.models.mamba import modeling_mamba

    class InFloat64:
        float32 = torch.float64

        def __getattr__(self, name):
            return getattr(torch, name)

    monkeypatch.setattr(modeling_mamba, "torch", InFloat64())
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


def make(kind="MambaForCausalLM", **options):
    """All biases are other than zero, and the rates and step sizes differ."""
    model = getattr(transformers, kind)
    return randomized(model(transformers.MambaConfig(**{**SIZES, **options}))).eval()


def logits_of(theirs, tokens, **options):
    output = theirs(tokens, **options)
    return output.logits if "logits" in output else output.last_hidden_state @ theirs.embeddings.weight.T


@pytest.mark.parametrize("kind", ["MambaModel", "MambaForCausalLM"])
def test_the_same_numbers_and_gradients(kind):
    theirs, tokens = make(kind), torch.randint(19, (3, 7))
    ours = from_hugging_face(theirs)
    assert type(ours) is Mamba
    found, wanted = ours(tokens)[0], logits_of(theirs, tokens)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)
    for value in (found, wanted):
        value.sin().sum().backward()
    for slope, weight in zip(ours.parameters(), ours.parameters(), strict=True):
        weight.data = slope.grad.clone()
    slopes = to_hugging_face(ours)
    slopes = slopes.backbone if kind == "MambaModel" else slopes
    for (name, weight), slope in zip(theirs.named_parameters(), slopes.parameters(), strict=True):
        torch.testing.assert_close(slope.detach(), weight.grad, rtol=1e-9, atol=1e-9, msg=name)


@given(
    d_model=st.integers(1, 9),
    num_layers=st.integers(1, 3),
    d_state=st.integers(1, 4),
    kernel=st.integers(1, 5),
    expand=st.integers(1, 3),
    rank=st.sampled_from(["auto", 1, 3]),
    eps=st.sampled_from([1e-5, 0.1]),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    n=st.integers(1, 9),
)
@settings(max_examples=12)
@torch.no_grad()
def test_any_sizes(d_model, num_layers, d_state, kernel, expand, rank, eps, flags, n):
    sizes = {"hidden_size": d_model, "num_hidden_layers": num_layers, "state_size": d_state, "conv_kernel": kernel}
    options = {"expand": expand, "time_step_rank": rank, "layer_norm_epsilon": eps, "use_bias": flags[0]}
    theirs = make(**sizes, **options, use_conv_bias=flags[1], tie_word_embeddings=flags[2])
    ours, tokens = from_hugging_face(theirs), torch.randint(19, (2, n))
    torch.testing.assert_close(ours(tokens)[0], theirs(tokens).logits, rtol=1e-10, atol=1e-10)
    again = from_hugging_face(to_hugging_face(ours))
    assert all(torch.equal(again.state_dict()[name], weight) for name, weight in ours.state_dict().items())
    assert torch.equal(again(tokens)[0], ours(tokens)[0])


@torch.no_grad()
def test_token_by_token():
    theirs, tokens = make(), torch.randint(19, (3, 7))
    reading, cache = from_hugging_face(theirs).start(), None
    for token in tokens.split(1, dim=1):
        output = theirs(token, cache_params=cache, use_cache=True)
        cache = output.cache_params
        torch.testing.assert_close(reading.read(token), output.logits[:, -1], rtol=1e-10, atol=1e-10)


@torch.no_grad()
def test_writes_the_same_text():
    theirs, prompt = make(), torch.randint(19, (3, 2))
    wanted = theirs.generate(prompt, do_sample=False, max_new_tokens=9, pad_token_id=0, eos_token_id=None)
    found = generate(from_hugging_face(theirs).start(), prompt, max_new_tokens=9)
    assert found.tokens.tolist() == wanted.tolist()
    assert len(set(wanted[0].tolist())) > 3


@torch.no_grad()
def test_right_padding_changes_no_real_token():
    theirs, tokens = make(), torch.randint(19, (3, 7))
    found, _ = from_hugging_face(theirs)(tokens, REAL)
    wanted = theirs(tokens, attention_mask=REAL.long()).logits
    torch.testing.assert_close(found[REAL], wanted[REAL], rtol=1e-10, atol=1e-10)


def test_there_and_back():
    theirs = make(layer_norm_epsilon=1e-3)
    ours = from_hugging_face(theirs)
    back = to_hugging_face(ours)
    assert back.state_dict().keys() == theirs.state_dict().keys()
    assert all(torch.equal(back.state_dict()[name], weight) for name, weight in theirs.state_dict().items())
    config = {**theirs.config.to_dict(), "architectures": ["MambaForCausalLM"]}
    written, weights = to_state_dict(ours)
    files = {name.replace("embeddings.", "embedding."): weight for name, weight in theirs.state_dict().items()}
    for given_config, given_weights in ((config, theirs.state_dict()), (written, weights), (config, files)):
        model = from_state_dict(given_config, given_weights)
        assert all(torch.equal(model.state_dict()[name], weight) for name, weight in ours.state_dict().items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights: weights.pop("backbone.norm_f.weight"), "missing norm_f.weight."),
        (lambda weights: weights.update(extra=torch.zeros(2)), "left over extra."),
        (
            lambda weights: weights.update({"backbone.layers.0.mixer.D": torch.zeros(3)}),
            "misshapen layers.0.mixer.D with (3,) for (16,).",
        ),
    ],
)
def test_weights_are_strict(refuses, change, words):
    config, weights = to_state_dict(Mamba(5, d_model=8, num_layers=1))
    change(weights)
    refuses(
        lambda: from_state_dict(config, weights),
        ValueError,
        f"from_state_dict: the weights must be those of a Mamba, got {words}",
    )


def test_refusals(refuses):
    refuses(
        lambda: from_hugging_face(make(hidden_act="gelu")),
        ValueError,
        "from_hugging_face: hidden_act must be 'silu', since attnref's Mamba has SiLU after the convolution and in the "
        "gate, got 'gelu'.",
    )

    def zero_order_hold(*args, **options):
        raise AssertionError

    refuses(
        lambda: to_state_dict(Mamba(5, d_model=8, num_layers=1, scan=zero_order_hold)),
        ValueError,
        "to_state_dict: scan must be 'selective_scan', as Mamba has it, got 'zero_order_hold'.",
    )
