"""On a GPU everything gives what it gives on the CPU, forward and backward. Skipped where there is none."""

import importlib
from functools import partial

import pytest
import torch

import attnref
from attnref import causal_mask, padding_mask

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
ATTENTIONS = [
    ("additive", "additive_attention", {"w_q": (6, 8), "w_k": (6, 8), "v_a": (6,)}, {}, True),
    ("luong", "concat_attention", {"w_a": (6, 16), "v_a": (6,)}, {}, True),
    ("luong", "dot_attention", {}, {}, True),
    ("luong", "general_attention", {"w_a": (8, 8)}, {}, True),
    ("scaled_dot_product", "scaled_dot_product_attention", {}, {}, True),
    ("tiled", "tiled_attention", {}, {"block": 4}, True),
    ("efficient", "efficient_attention", {}, {}, False),
    ("linear", "linear_attention", {}, {}, False),
    ("linear", "causal_linear_attention", {}, {}, False),
]


def attentions():
    """Reference and fast version of each, the shapes of its weights, and whether each query may have its own mask."""
    for stem, name, weights, options, per_query in ATTENTIONS:
        for room in ("attention", "fast"):
            try:
                function = getattr(importlib.import_module(f"attnref.{room}.{stem}"), name)
            except (ImportError, AttributeError):
                continue
            yield pytest.param(partial(function, **options), weights, per_query, id=f"{room}-{name}")


every_attention = pytest.mark.parametrize(("attend", "weights", "per_query"), list(attentions()))


def near(actual, expected):
    assert actual.is_cuda
    tolerance = TOLERANCE[actual.dtype]
    torch.testing.assert_close(
        actual.detach().cpu().double(), expected.detach().double(), rtol=tolerance, atol=tolerance
    )


@every_attention
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("masked", [False, True, "causal"])
def test_attention_and_its_gradients(attend, weights, per_query, dtype, masked):
    generator = torch.Generator().manual_seed(0)
    shapes = {"query": (2, 3, 9, 8), "key": (2, 3, 9, 8), "value": (2, 3, 9, 5), **weights}
    tensors = {n: torch.randn(s, generator=generator).to(dtype) for n, s in shapes.items()}
    mask = None
    if masked:
        mask = padding_mask([7, 0], 9)[:, None]
        mask = mask & causal_mask(9) if per_query else mask
    if masked == "causal" and per_query:
        mask = causal_mask(9)

    def run(device, as_dtype):
        given = {n: t.to(device, as_dtype).detach().clone().requires_grad_() for n, t in tensors.items()}
        query, key, value, *rest = given.values()
        named = dict(zip(weights, rest, strict=True))
        output, attended = attend(query, key, value, None if mask is None else mask.to(device), **named)
        output.square().sum().backward()
        return output, attended, [t.grad for t in given.values()]

    output, attended, gradients = run("cuda", dtype)
    expected, expected_weights, expected_gradients = run("cpu", torch.float64)
    near(output, expected)
    if attended is not None:
        near(attended, expected_weights)
    for gradient, other in zip(gradients, expected_gradients, strict=True):
        scale = max(1.0, float(other.abs().max()))
        near(gradient / scale, other / scale)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_a_causal_mask_reaches_the_kernel_and_nan_no_earlier_query(dtype, monkeypatch):
    from attnref.fast import scaled_dot_product as fast

    told, kernel = [], torch.nn.functional.scaled_dot_product_attention

    def listen(*inputs, **options):
        told.append(options["is_causal"])
        return kernel(*inputs, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", listen)
    query, key, value = (torch.randn(2, 3, 300, 64, device="cuda", dtype=dtype) for _ in range(3))
    value[:, :, 200] = torch.nan
    output, _ = fast.scaled_dot_product_attention(query, key, value, causal_mask(300, device="cuda"))
    assert told == [True]
    assert output[:, :, :200].isfinite().all()
    assert output[:, :, 200:].isnan().all()


@every_attention
def test_autocast_gives_one_dtype(attend, weights, per_query):
    shapes = {"query": (2, 9, 8), "key": (2, 9, 8), "value": (2, 9, 5), **weights}
    query, key, value, *rest = (torch.randn(shape, device="cuda") for shape in shapes.values())
    with torch.autocast("cuda", torch.bfloat16):
        output, _ = attend(query, key, value, **dict(zip(weights, rest, strict=True)))
    assert output.is_cuda
    assert output.isfinite().all()


@pytest.mark.parametrize("room", ["attnref", "attnref.fast"])
@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("masked", [False, True])
def test_recurrent_nets(room, name, masked):
    module = attnref if room == "attnref" else importlib.import_module(f"{room}.{name.lower()}")
    torch.manual_seed(0)
    net, x = getattr(module, name)(4, 6, num_layers=2, bidirectional=True).double(), torch.randn(3, 7, 4).double()
    mask = torch.arange(7) < torch.tensor([7, 3, 1])[:, None] if masked else None
    expected, _ = net(x, None, mask)
    actual, _ = net.cuda()(x.cuda(), None, None if mask is None else mask.cuda())
    near(actual, expected)


@pytest.mark.parametrize("attend", [None, attnref.AdditiveAttention(8, 8, 8), attnref.scaled_dot_product_attention])
def test_sequence_to_sequence(attend):
    torch.manual_seed(0)
    model = attnref.Seq2Seq(11, 9, d_embed=4, d_h=8, attend=attend).double()
    source, target = torch.randint(11, (3, 7)), torch.randint(9, (3, 5))
    mask = torch.arange(7) < torch.tensor([7, 3, 1])[:, None]
    expected, _ = model(source, target, mask)
    written, _ = model.generate(source, mask, begin=0, length=4)
    model.cuda()
    actual, _ = model(source.cuda(), target.cuda(), mask.cuda())
    near(actual, expected)
    assert torch.equal(model.generate(source.cuda(), mask.cuda(), begin=0, length=4)[0].cpu(), written)


def test_multi_head_attention_and_images():
    torch.manual_seed(0)
    heads, image = (
        attnref.MultiHeadAttention(12, 3).double(),
        attnref.EfficientAttention2d(6, d_k=2, d_v=3, num_heads=2),
    )
    x, picture = torch.randn(2, 5, 12).double(), torch.randn(2, 6, 4, 5)
    expected, expected_image = heads(x, x, x, causal_mask(5))[0], image(picture)
    near(heads.cuda()(x.cuda(), x.cuda(), x.cuda(), causal_mask(5, device="cuda"))[0], expected)
    near(image.cuda()(picture.cuda()), expected_image)


def test_pieces_of_the_transformer():
    torch.manual_seed(0)
    x, real = torch.randn(2, 5, 8).double(), padding_mask([5, 3], 5)[:, 0]
    assert attnref.sinusoidal_positions(5, 8, device="cuda").is_cuda
    near(attnref.mean_pooling(x.cuda(), real.cuda()), attnref.mean_pooling(x, real))
    for module in (attnref.SinusoidalPositions(8), attnref.LearnedPositions(5, 8), attnref.FeedForward(8, 12)):
        module = module.double()
        expected = module(x)
        near(module.cuda()(x.cuda()), expected)
    token = attnref.ClassToken(8).double()
    expected, _ = token(x, real)
    found, mask = token.cuda()(x.cuda(), real.cuda())
    near(found, expected)
    assert mask.is_cuda


def transformers(**options):
    """A Transformer, and a decoder alone, each with its inputs."""
    torch.manual_seed(0)
    sizes = {"d_model": 8, "num_heads": 2, "d_ff": 16, "num_layers": 2, **options}
    source, target = torch.randint(11, (3, 7)), torch.randint(9, (3, 5))
    source_real, target_real = (padding_mask(lengths, n)[:, 0] for lengths, n in (([7, 3, 1], 7), ([5, 2, 4], 5)))
    yield attnref.Transformer(11, 9, **sizes).double(), (source, target, source_real, target_real)
    yield attnref.DecoderOnlyTransformer(9, **sizes).double(), (target, target_real)


def on_cuda(inputs):
    return [one.cuda() for one in inputs]


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("fast", [False, True])
def test_transformers_and_their_gradients(norm, fast):
    from attnref.fast.scaled_dot_product import scaled_dot_product_attention as fused

    options = {"attend": fused} if fast else {}
    for model, inputs in transformers(norm=norm, **options):
        expected, _ = model(*inputs)
        expected.sin().sum().backward()
        gradients = [weight.grad.clone() for weight in model.parameters()]
        model.zero_grad()
        actual, _ = model.cuda()(*on_cuda(inputs))
        near(actual, expected)
        actual.sin().sum().backward()
        for weight, gradient in zip(model.parameters(), gradients, strict=True):
            near(weight.grad, gradient)


@pytest.mark.parametrize("cache", [True, False])
def test_texts_are_written_alike(cache):
    for model, inputs in transformers():
        given = () if len(inputs) == 2 else (inputs[0], inputs[2])
        prompt = inputs[0][:, :2] if len(inputs) == 2 else torch.zeros(3, 1, dtype=torch.long)
        expected = attnref.generate(model.start(*given, cache=cache), prompt, max_new_tokens=6, end=1)
        beams = attnref.beam_search(model.start(*given, cache=cache), prompt, beams=3, max_new_tokens=6, end=1)
        model.cuda()
        given = on_cuda(given)
        actual = attnref.generate(model.start(*given, cache=cache), prompt.cuda(), max_new_tokens=6, end=1)
        assert torch.equal(actual.tokens.cpu(), expected.tokens)
        found = attnref.beam_search(model.start(*given, cache=cache), prompt.cuda(), beams=3, max_new_tokens=6, end=1)
        near(found.scores, beams.scores)
        assert torch.equal(found.tokens.cpu(), beams.tokens)


def test_samples_come_from_a_generator_of_the_device():
    logits, generator = torch.randn(4, 9, device="cuda"), torch.Generator("cuda").manual_seed(0)
    for filtered in (
        attnref.keep_top_k(logits, 3),
        attnref.keep_nucleus(logits, 0.6),
        attnref.keep_min_p(logits, 0.2),
        attnref.scale_temperature(logits, 0.5),
    ):
        token = attnref.sample_token(filtered, generator=generator)
        assert token.is_cuda
        assert filtered.gather(1, token[:, None]).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_a_transformer_under_autocast(dtype):
    for model, inputs in transformers():
        expected, _ = model(*inputs)
        with torch.autocast("cuda", dtype):
            actual, _ = model.float().cuda()(*on_cuda(inputs))
        assert actual.isfinite().all()
        torch.testing.assert_close(actual.double().cpu(), expected, rtol=0.1, atol=0.1)


def models():
    """Each model of chapter 4, with its inputs."""
    from attnref.models import BERT, BERTPretraining, ShowAttendTell, ViT

    torch.manual_seed(0)
    sizes = {"d_model": 8, "num_heads": 2, "d_ff": 16, "num_layers": 2}
    tokens, segments, real = torch.randint(9, (3, 7)), torch.randint(2, (3, 7)), padding_mask([7, 3, 1], 7)[:, 0]
    images = torch.randn(2, 3, 8, 12).double()
    yield "bert", BERT(9, **sizes), (tokens, segments, real)
    yield "pretraining", BERTPretraining(BERT(9, **sizes)), (tokens, segments, real)
    for pool in ("class", "mean"):
        yield f"vit-{pool}", ViT(5, image_size=(8, 12), patch=4, pool=pool, **sizes), (images,)
    sizes = {"d_features": 6, "d_embed": 4, "d_h": 5, "d_attention": 7}
    for gate in ("scalar", "vector", "none"):
        yield (
            f"captions-{gate}",
            ShowAttendTell(torch.nn.Conv2d(3, 6, 4, 4), 9, gate=gate, **sizes),
            (images, tokens[:2]),
        )


@pytest.mark.parametrize(("model", "inputs"), [pytest.param(m, i, id=name) for name, m, i in models()])
def test_models_and_their_gradients(model, inputs):
    model = model.cpu().double()
    outputs = model(*inputs, return_weights=True)
    outputs[0].sin().sum().backward()
    gradients = [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]
    model.zero_grad()
    found = model.cuda()(*on_cuda(inputs), return_weights=True)
    near(found[0], outputs[0])
    for ours, theirs in zip(
        torch.utils._pytree.tree_leaves(found[1:]), torch.utils._pytree.tree_leaves(outputs[1:]), strict=True
    ):
        near(ours, theirs)
    found[0].sin().sum().backward()
    for weight, gradient in zip((w for w in model.parameters() if w.grad is not None), gradients, strict=True):
        near(weight.grad, gradient)


def test_a_discrete_vae_its_gradients_and_what_it_draws():
    from attnref.models import DiscreteVAE, discrete_vae_loss, gumbel_softmax

    torch.manual_seed(0)
    model = DiscreteVAE(5, image_size=(4, 6), patch=2, channels=3, d_hidden=4, d_code=2).double()
    images = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    noise = -torch.empty(2, 6, 5, dtype=torch.float64).exponential_().log()
    reconstruction, logits = model(images, 0.5, noise=noise)
    discrete_vae_loss(images, reconstruction, logits, beta=0.1).backward()
    expected, model.encoder[0].weight.grad = model.encoder[0].weight.grad, None
    tokens = model.tokens(images)
    again = model.decode(tokens)
    model.cuda()
    found, scores = model(images.cuda(), 0.5, noise=noise.cuda())
    near(found, reconstruction)
    near(scores, logits)
    discrete_vae_loss(images.cuda(), found, scores, beta=0.1).backward()
    near(model.encoder[0].weight.grad, expected)
    assert torch.equal(model.tokens(images.cuda()).cpu(), tokens)
    near(model.decode(tokens.cuda()), again)
    drawn = gumbel_softmax(torch.zeros(2000, 4, device="cuda"), 0.5, hard=True, generator=torch.Generator("cuda"))
    assert drawn.sum(0).min() > 350  # of 500 expected: more than seven standard deviations


def test_dalle_its_gradients_and_what_it_writes():
    from attnref.models import DALLE, dalle_loss

    torch.manual_seed(0)
    sizes = {"d_model": 8, "num_heads": 2, "d_ff": 16, "num_layers": 2}
    model = DALLE(9, 7, n_text=4, grid=(2, 3), **sizes).double()
    text, image_tokens = torch.randint(9, (3, 4)), torch.randint(7, (3, 6))
    real, prompt = padding_mask([4, 2, 1], 4)[:, 0], torch.full((3, 1), model.start_of_image)
    expected = model(text, image_tokens, text_mask=real, return_weights=True)
    dalle_loss(expected, text, image_tokens, text_mask=real).backward()
    gradients = [weight.grad.clone() for weight in model.parameters()]
    written = attnref.generate(model.start(text, real), prompt, max_new_tokens=6).tokens
    model.cuda().zero_grad()
    given = text.cuda(), image_tokens.cuda()
    found = model(*given, text_mask=real.cuda(), return_weights=True)
    for ours, theirs in zip(
        torch.utils._pytree.tree_leaves(found), torch.utils._pytree.tree_leaves(expected), strict=True
    ):
        near(ours, theirs)
    dalle_loss(found, *given, text_mask=real.cuda()).backward()
    for weight, gradient in zip(model.parameters(), gradients, strict=True):
        near(weight.grad, gradient)
    start = model.start(text.cuda(), real.cuda())
    assert torch.equal(attnref.generate(start, prompt.cuda(), max_new_tokens=6).tokens.cpu(), written)


@pytest.mark.parametrize("fast", [False, True], ids=["reference", "fast"])
def test_mamba_and_its_gradients(fast):
    from attnref.fast.selective_scan import selective_scan as blocked
    from attnref.models import Mamba, selective_scan

    torch.manual_seed(0)
    model = Mamba(9, d_model=8, num_layers=2, d_state=4, scan=blocked if fast else selective_scan).double()
    tokens, real = torch.randint(9, (3, 20)), padding_mask([20, 17, 1], 20)[:, 0]
    expected, state = model(tokens, real)
    expected.sin().sum().backward()
    gradients = [weight.grad.clone() for weight in model.parameters()]
    prompt = torch.zeros(2, 1, dtype=torch.long)
    written = attnref.generate(model.start(), prompt, max_new_tokens=6).tokens
    model.cuda().zero_grad()
    found, after = model(tokens.cuda(), real.cuda())
    near(found, expected)
    for ours, theirs in zip(
        torch.utils._pytree.tree_leaves(after), torch.utils._pytree.tree_leaves(state), strict=True
    ):
        near(ours, theirs)
    found.sin().sum().backward()
    for weight, gradient in zip(model.parameters(), gradients, strict=True):
        near(weight.grad, gradient)
    assert torch.equal(attnref.generate(model.start(), prompt.cuda(), max_new_tokens=6).tokens.cpu(), written)


@pytest.mark.parametrize("model", ["time_invariant", "relative"])
def test_models_that_recall(model):
    from attnref.tasks.recall_model import RecallModel

    torch.manual_seed(0)
    reader, tokens = RecallModel(model, d_model=8, num_heads=2, d_state=3, d_ff=12).double(), torch.randint(16, (3, 20))
    expected = reader(tokens)
    expected.sin().sum().backward()
    gradients = [weight.grad.clone() for weight in reader.parameters()]
    reader.cuda().zero_grad()
    found = reader(tokens.cuda())
    near(found, expected)
    found.sin().sum().backward()
    for weight, gradient in zip(reader.parameters(), gradients, strict=True):
        near(weight.grad, gradient)


@pytest.mark.parametrize("rule", ["euler", "zoh"])
def test_a_selective_scan(rule):
    from attnref.fast.selective_scan import selective_scan as blocked
    from attnref.models import selective_scan

    torch.manual_seed(0)
    given = torch.randn(2, 20, 3), torch.rand(2, 20, 3), -torch.rand(3, 4), torch.randn(2, 20, 4), torch.randn(2, 20, 4)
    given = [tensor.double() for tensor in given]
    expected, state = selective_scan(*given, discretize=rule)
    for scan in (selective_scan, blocked):
        found, after = scan(*on_cuda(given), discretize=rule)
        near(found, expected)
        near(after, state)


def test_what_goes_with_the_models():
    from attnref.models import attention_rollout, doubly_stochastic_loss, hard_attention_loss, mask_tokens

    torch.manual_seed(0)
    weights = torch.rand(2, 4, 3, 5, 5).double().softmax(-1).unbind(0)
    near(attention_rollout([w.cuda() for w in weights]), attention_rollout(weights))
    looked, real = torch.rand(2, 3, 6).double().softmax(-1), torch.tensor([[True] * 3, [True, False, False]])
    near(doubly_stochastic_loss(looked.cuda(), real.cuda()), doubly_stochastic_loss(looked, real))
    given = torch.randn(2).double(), looked, looked.argmax(-1), real
    near(hard_attention_loss(*on_cuda(given), entropy=0.1), hard_attention_loss(*given, entropy=0.1))
    tokens = torch.randint(5, 99, (8, 40), device="cuda")
    masked = mask_tokens(tokens, mask_token=0, vocab_size=99, generator=torch.Generator("cuda").manual_seed(0))
    assert masked.tokens.is_cuda
    assert masked.chosen.any()
    assert torch.equal(masked.tokens[~masked.chosen], tokens[~masked.chosen])


def test_captions_are_written_alike():
    for name, model, (images, *_) in models():
        if name.startswith("captions"):
            model, prompt = model.double().cpu(), torch.zeros(2, 1, dtype=torch.long)
            expected = attnref.generate(model.start(images), prompt, max_new_tokens=5, end=1)
            actual = attnref.generate(model.cuda().start(images.cuda()), prompt.cuda(), max_new_tokens=5, end=1)
            assert torch.equal(actual.tokens.cpu(), expected.tokens)


def test_models_of_series():
    x = torch.randn(3, 60).double().cumsum(1)
    expected, actual = attnref.AutoregressiveModel(2).fit(x), attnref.AutoregressiveModel(2).fit(x.cuda())
    near(actual.weight, expected.weight)
    near(actual.predict(x.cuda(), 4), expected.predict(x, 4))
    tokens = torch.randint(4, (3, 60))
    chain, chain_cuda = attnref.MarkovModel(4, 2).fit(tokens), attnref.MarkovModel(4, 2).fit(tokens.cuda())
    near(chain_cuda.predict(tokens.cuda(), 3), chain.predict(tokens, 3))
    torch.manual_seed(0)
    latent = attnref.LatentAutoregressiveModel(3).double()
    density = latent.log_conditionals(x)
    near(latent.cuda().log_conditionals(x.cuda()), density)


def test_masks_on_one_device_only():
    x = torch.randn(2, 3, 4, device="cuda")
    with pytest.raises(ValueError, match="mask must be on the device of query, got mask on cpu, query on cuda:0"):
        attnref.scaled_dot_product_attention(x, x, x, causal_mask(3))
